package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"referral/cmd/referral/config"
	"referral/contact"
	"referral/internal/renewal"
	"referral/models"
	"referral/store"
	"referral/web"
	"referral/web/auth"
	"referral/web/finance"
	financeapi "referral/web/finance/api"
	financepages "referral/web/finance/pages"
	"referral/web/portal"
	portalapi "referral/web/portal/api"
	portalpages "referral/web/portal/pages"
)

// servePortal serves the personal account until ctx is done.
func (a *app) servePortal(ctx context.Context) error {
	return a.serveSite(ctx, "http.cabinet", a.config.HTTP.Cabinet, &a.config.HTTP.CabinetTLS, func(addr string) (*auth.Authenticator, http.Handler, error) {
		authenticator, _, handler, err := a.portal(a.config.Cabinet.Public(addr))
		return authenticator, handler, err
	})
}

// serveSite listens on the address of a setting and serves what build returns for it,
// until ctx is done.
func (a *app) serveSite(
	ctx context.Context, setting, address string, certificate *config.ServerTLS, build func(addr string) (*auth.Authenticator, http.Handler, error),
) error {
	security, err := a.serverTLS(setting+"_tls", certificate)
	if err != nil {
		return err
	}
	listener, err := web.Listen(ctx, setting, address)
	if err != nil {
		return err
	}
	authenticator, handler, err := build(listener.Addr().String())
	if err != nil {
		_ = listener.Close() // no connection was accepted yet
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return authenticator.Run(ctx) })
	group.Go(func() error { return web.ServeOn(ctx, listener, security, a.log, handler) })
	return group.Wait()
}

// serverTLS has connections secured with the certificate of the section at a path, as it
// is when they are made; nil when the section is empty.
func (a *app) serverTLS(path string, t *config.ServerTLS) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	current, err := renewal.Read(a.files, path+".cert_file", func() (*tls.Certificate, error) { return t.Certificate(path) }, t.CertFile, t.KeyFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Get(), nil },
	}, nil
}

// serveAdmin serves metrics and health until ctx is done.
func (a *app) serveAdmin(ctx context.Context, handler http.Handler) error {
	h := &a.config.HTTP
	security, err := a.serverTLS("http.admin_tls", &h.AdminTLS)
	if err != nil {
		return err
	}
	listener, err := web.Listen(ctx, "http.admin", h.Admin)
	if err != nil {
		return err
	}
	own, err := net.InterfaceAddrs()
	if err == nil {
		err = h.CheckAdmin(listener.Addr().(*net.TCPAddr).IP, own)
	}
	if err != nil {
		_ = listener.Close() // no connection was accepted yet
		return err
	}
	return web.ServeOn(ctx, listener, security, a.log, handler)
}

// portal is the personal account at a public URL: the authenticator, the routes but
// those of package auth, and the handler of all routes.
func (a *app) portal(public string) (*auth.Authenticator, []auth.Route, http.Handler, error) {
	service, err := a.portalService(public)
	if err != nil {
		return nil, nil, nil, err
	}
	proxies := a.config.Cabinet.Limits.Proxies()
	site, err := portalpages.New(portalpages.Options{Service: service, Now: a.now, Zone: a.programme.Zone, Proxies: proxies})
	if err != nil {
		return nil, nil, nil, err
	}
	jsonAPI, err := portalapi.New(service, proxies)
	if err != nil {
		return nil, nil, nil, err
	}
	authenticator, err := a.authenticator(public, site)
	if err != nil {
		return nil, nil, nil, err
	}
	routes := slices.Concat(site.Routes(), jsonAPI.Routes())
	handler, err := authenticator.Mux(routes)
	return authenticator, routes, handler, err
}

// portalService is what the pages and the API use. Codes are checked by the same
// function that the consumer passes to the store.
func (a *app) portalService(public string) (portal.Service, error) {
	invitations := &a.config.Invitations
	return portal.NewService(portal.Options{
		Store: a.store, Programme: a.programme, Derive: a.programme.Derive(newCode),
		Limits: a.config.Cabinet.Limits.Limits(),
		Invites: portal.InviteOptions{
			Channels: invitations.Channels(), Recipients: contact.Rules{Regions: invitations.SMS.Regions}, PerDay: invitations.PerDay,
		},
		PublicURL: public, Now: a.now,
		NewID:    func() models.UUID { return models.UUID(uuid.New()) },
		NewToken: rand.Text,
		Log:      a.log, Registerer: a.registry,
	})
}

func (a *app) authenticator(public string, site *portalpages.Pages) (*auth.Authenticator, error) {
	c := &a.config.Cabinet
	signIn, secret, err := a.signIn("cabinet.sign_in.client_secret_file", c.SignIn.ClientSecretFile, c.SignIn.Auth)
	if err != nil {
		return nil, err
	}
	provider, err := renewal.Transport(a.files, "cabinet.sign_in.ca_file", c.SignIn.Client, c.SignIn.CAFile)
	if err != nil {
		return nil, err
	}
	return auth.New(auth.Options{
		Site: "portal", Base: portal.BasePath, Cookie: "referral", PublicURL: public, SignIn: signIn, ClientSecret: secret, Provider: provider, Idle: c.Session.Idle, Lifetime: c.Session.Lifetime,
		Sessions: a.store, Page: site.ErrorPage, Now: a.now, Log: a.log, Registerer: a.registry,
	})
}

// signIn reads the section of a sign-in. secret is the client secret at the moment, from
// the file that a setting names.
func (a *app) signIn(setting, file string, read func() (auth.SignIn, error)) (signIn auth.SignIn, secret func() string, err error) {
	current, err := renewal.Read(a.files, setting, read, file)
	if err != nil {
		return auth.SignIn{}, nil, err
	}
	return current.Get(), func() string { return current.Get().ClientSecret }, nil
}

// serveFinance serves the staff pages until ctx is done, if their sign-in is
// configured.
func (a *app) serveFinance(ctx context.Context) error {
	if a.config.Finance.SignIn.Issuer == "" {
		return nil
	}
	return a.serveSite(ctx, "http.finance", a.config.HTTP.Finance, &a.config.HTTP.FinanceTLS, a.finance)
}

// finance returns the staff pages: the authenticator and the handler of its routes.
func (a *app) finance(addr string) (*auth.Authenticator, http.Handler, error) {
	c := &a.config.Finance
	service, err := finance.New(finance.Options{Store: a.store, Programme: a.programme, Now: a.now, Replay: a.replayOne})
	if err != nil {
		return nil, nil, err
	}
	viewer, err := portalpages.NewViewer(portalpages.ViewerOptions{
		Reader: portal.NewStaffReader(a.store, a.programme, a.config.Cabinet.Public(a.config.HTTP.Cabinet), a.now),
		Now:    a.now, Zone: a.programme.Zone, Assets: financepages.PathPortalAssets,
	})
	if err != nil {
		return nil, nil, err
	}
	front, err := financepages.New(financepages.Options{Service: service, Now: a.now, Zone: a.programme.Zone, Portal: viewer, Shadow: a.config.Publisher.Shadow})
	if err != nil {
		return nil, nil, err
	}
	signIn, secret, err := a.signIn("finance.sign_in.client_secret_file", c.SignIn.ClientSecretFile, c.SignIn.Auth)
	if err != nil {
		return nil, nil, err
	}
	provider, err := renewal.Transport(a.files, "finance.sign_in.ca_file", c.SignIn.Client, c.SignIn.CAFile)
	if err != nil {
		return nil, nil, err
	}
	authenticator, err := auth.New(auth.Options{
		Site: "finance", Base: finance.BasePath, Cookie: "referral-staff", PublicURL: c.Public(addr), SignIn: signIn, ClientSecret: secret, Provider: provider, Idle: c.Session.Idle, Lifetime: c.Session.Lifetime,
		Sessions: store.StaffSessions{Store: a.store}, Page: front.ErrorPage, Now: a.now, Log: a.log, Registerer: a.registry,
	})
	if err != nil {
		return nil, nil, err
	}
	jsonAPI, err := financeapi.New(service)
	if err != nil {
		return nil, nil, err
	}
	handler, err := authenticator.Mux(slices.Concat(front.Routes(), jsonAPI.Routes()))
	return authenticator, handler, err
}
