package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"referral/contact"
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
	return serveSite(ctx, "http.cabinet", a.config.HTTP.Cabinet, func(addr string) (*auth.Authenticator, http.Handler, error) {
		authenticator, _, handler, err := a.portal(a.config.Cabinet.Public(addr))
		return authenticator, handler, err
	})
}

// serveSite listens on the address of a setting and serves what build returns for it,
// until ctx is done.
func serveSite(ctx context.Context, setting, address string, build func(addr string) (*auth.Authenticator, http.Handler, error)) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %s (%s; does another process use it?): %w", address, setting, err)
	}
	authenticator, handler, err := build(listener.Addr().String())
	if err != nil {
		_ = listener.Close() // no connection was accepted yet
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return authenticator.Run(ctx) })
	group.Go(func() error { return web.ServeOn(ctx, listener, handler) })
	return group.Wait()
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
	signIn, err := c.SignIn.Auth()
	if err != nil {
		return nil, err
	}
	return auth.New(auth.Options{
		Site: "portal", Base: portal.BasePath, Cookie: "referral", PublicURL: public, SignIn: signIn, Idle: c.Session.Idle, Lifetime: c.Session.Lifetime,
		Sessions: a.store, Page: site.ErrorPage, Now: a.now, Log: a.log, Registerer: a.registry,
	})
}

// serveFinance serves the staff pages until ctx is done, if their sign-in is
// configured.
func (a *app) serveFinance(ctx context.Context) error {
	if a.config.Finance.SignIn.Issuer == "" {
		return nil
	}
	return serveSite(ctx, "http.finance", a.config.HTTP.Finance, a.finance)
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
	signIn, err := c.SignIn.Auth()
	if err != nil {
		return nil, nil, err
	}
	authenticator, err := auth.New(auth.Options{
		Site: "finance", Base: finance.BasePath, Cookie: "referral-staff", PublicURL: c.Public(addr), SignIn: signIn, Idle: c.Session.Idle, Lifetime: c.Session.Lifetime,
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
