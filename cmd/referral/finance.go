package main

import (
	"context"
	"net/http"
	"slices"

	"referral/signoff"
	"referral/store"
	"referral/web/auth"
	"referral/web/finance"
	"referral/web/finance/api"
	"referral/web/finance/pages"
	"referral/web/portal"
	portalpages "referral/web/portal/pages"
)

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
	signer := a.signer()
	signer.Progress = signoff.NoProgress
	service, err := finance.New(finance.Options{Store: a.store, Programme: a.programme, Now: a.now, Replay: a.replayOne, Sign: signer.Close})
	if err != nil {
		return nil, nil, err
	}
	viewer, err := portalpages.NewViewer(portalpages.ViewerOptions{
		Reader: portal.NewStaffReader(a.store, a.programme, a.config.Cabinet.Public(a.config.HTTP.Cabinet), a.now),
		Now:    a.now, Zone: a.programme.Zone, Assets: pages.PathPortalAssets,
	})
	if err != nil {
		return nil, nil, err
	}
	front, err := pages.New(pages.Options{Service: service, Now: a.now, Zone: a.programme.Zone, Portal: viewer})
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
	jsonAPI, err := api.New(service)
	if err != nil {
		return nil, nil, err
	}
	handler, err := authenticator.Mux(slices.Concat(front.Routes(), jsonAPI.Routes()))
	return authenticator, handler, err
}
