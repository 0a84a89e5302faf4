package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"referral/web"
	"referral/web/door"
	"referral/web/portal"
	"referral/web/portal/pages"
)

// cabinet serves the personal account until ctx is done.
func (a *app) cabinet(ctx context.Context) error {
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
	d, handler, err := a.furnish(public, service)
	if err != nil {
		_ = listener.Close() // nobody has been let in yet
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.Run(ctx) })
	group.Go(func() error { return web.ServeOn(ctx, listener, handler) })
	return group.Wait()
}

// furnish puts the personal account together: the door, and the routes behind it.
func (a *app) furnish(public string, service portal.Service) (*door.Door, http.Handler, error) {
	front, err := a.pages(service)
	if err != nil {
		return nil, nil, err
	}
	d, err := a.door(public, front)
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

// routes is every way into the personal account but the door's own.
func (a *app) routes(front *pages.Pages, service portal.Service) ([]door.Route, error) {
	api, err := a.api(service)
	if err != nil {
		return nil, err
	}
	return slices.Concat(front.Routes(), api.Routes()), nil
}

func (a *app) door(public string, front *pages.Pages) (*door.Door, error) {
	c := &a.config.Cabinet
	signIn, err := c.SignIn.Door()
	if err != nil {
		return nil, err
	}
	return door.New(door.Options{
		PublicURL: public, SignIn: signIn, Idle: c.Session.Idle, Lifetime: c.Session.Lifetime,
		Sessions: a.store, Page: front.Notice, Now: a.now, Log: a.log, Registerer: a.registry,
	})
}
