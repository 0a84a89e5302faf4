package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"referral/web"
	"referral/web/auth"
	"referral/web/portal"
	"referral/web/portal/pages"
)

// servePortal serves the personal account until ctx is done.
func (a *app) servePortal(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.config.HTTP.Cabinet)
	if err != nil {
		return fmt.Errorf("listening on %s (http.cabinet; is another process there?): %w", a.config.HTTP.Cabinet, err)
	}
	public := a.config.Cabinet.Public(listener.Addr().String())
	service, err := a.service(public)
	if err != nil {
		_ = listener.Close() // nobody has been let in yet
		return err
	}
	d, handler, err := a.portal(public, service)
	if err != nil {
		_ = listener.Close() // nobody has been let in yet
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.Run(ctx) })
	group.Go(func() error { return web.ServeOn(ctx, listener, handler) })
	return group.Wait()
}

// portal returns the personal account: the authenticator and the handler of its routes.
func (a *app) portal(public string, service portal.Service) (*auth.Authenticator, http.Handler, error) {
	front, err := a.pages(service)
	if err != nil {
		return nil, nil, err
	}
	d, err := a.authenticator(public, front)
	if err != nil {
		return nil, nil, err
	}
	routes, err := a.routes(front, service)
	if err != nil {
		return nil, nil, err
	}
	handler, err := d.Mux(routes)
	return d, handler, err
}

// routes is every route of the personal account but those of package auth.
func (a *app) routes(front *pages.Pages, service portal.Service) ([]auth.Route, error) {
	api, err := a.api(service)
	if err != nil {
		return nil, err
	}
	return slices.Concat(front.Routes(), api.Routes()), nil
}

func (a *app) authenticator(public string, front *pages.Pages) (*auth.Authenticator, error) {
	c := &a.config.Cabinet
	signIn, err := c.SignIn.Auth()
	if err != nil {
		return nil, err
	}
	return auth.New(auth.Options{
		Site: "portal", Base: portal.BasePath, Cookie: "referral", PublicURL: public, SignIn: signIn, Idle: c.Session.Idle, Lifetime: c.Session.Lifetime,
		Sessions: a.store, Page: front.ErrorPage, Now: a.now, Log: a.log, Registerer: a.registry,
	})
}
