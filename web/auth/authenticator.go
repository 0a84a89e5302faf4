package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"referral/internal/health"
	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/models"
	"referral/web/middleware"
)

// The routes of signing in and out, under Options.Base.
const (
	SignInPath    = "/sign-in"
	CallbackPath  = "/sign-in/callback"
	SignOutPath   = "/sign-out" // by POST
	SignedOutPath = "/signed-out"
)

// Authenticator authenticates requests by session or bearer token, and enforces the
// access rule of every route of a site.
type Authenticator struct {
	options   Options
	public    string // URL without a slash at its end
	secure    bool   // browsers use https
	client    *http.Client
	provider  atomic.Pointer[provider] // nil until the provider has been reached
	exchanges chan struct{}            // limits concurrent calls to the provider
	seen      chan models.Session
	health    *health.Tracker
	metrics   *metrics
	stack     *middleware.Stack
	log       *slog.Logger
	guard     *recovering.Guard
}

const (
	maxExchanges = 32
	maxSeenQueue = 1024
)

// New returns an authenticator. It does not connect to the provider until
// [Authenticator.Run].
func New(o Options) (*Authenticator, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	a := &Authenticator{
		options: o, public: strings.TrimSuffix(o.PublicURL, "/"), secure: strings.HasPrefix(o.PublicURL, "https://"),
		client: newClient(o.Provider), exchanges: make(chan struct{}, maxExchanges), seen: make(chan models.Session, maxSeenQueue),
		metrics: newMetrics(o.Site, o.SignIn.Issuer != "", o.Registerer), log: o.Log,
	}
	a.health = health.New(health.Options{
		Log: o.Log, Failing: "the OpenID provider cannot be reached, trying again", Recovered: "the OpenID provider answers again",
	})
	a.stack = middleware.New(middleware.Options{
		Site: o.Site, Base: o.Base, TrustedOrigin: a.public, HTTPS: a.secure, Page: o.Page, Log: o.Log, Registerer: o.Registerer,
		CrossSite: func(w http.ResponseWriter, r *http.Request) { a.deny(w, r, errCrossSite) },
	})
	var err error
	a.guard, err = recovering.NewPrivate(o.Log, o.Registerer, "auth")
	return a, err
}

// Configured reports whether there is an OpenID provider in the configuration.
func (a *Authenticator) Configured() bool { return a.options.SignIn.Issuer != "" }

// Run follows the configuration of the provider and records when sessions were used,
// until ctx ends; then it returns nil.
func (a *Authenticator) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if a.Configured() {
		group.Go(func() error { return a.supervise(ctx, a.watchProvider) })
	} else {
		a.log.WarnContext(ctx, "sign-in is not configured: pages and API answer 503", "site", a.options.Site)
	}
	group.Go(func() error { return a.supervise(ctx, a.recordSeen) })
	return group.Wait()
}

// supervise calls work until ctx ends, again after a panic.
func (a *Authenticator) supervise(ctx context.Context, work func(context.Context) error) error {
	for {
		err := a.guard.Do(func() error { return work(ctx) })
		if !errors.Is(err, recovering.ErrPanicked) || !sleep.For(ctx, minBackoff) {
			return err
		}
	}
}
