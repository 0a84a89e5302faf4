package door

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/models"
)

// The door's own routes.
const (
	HomePath      = "/referral"
	SignInPath    = "/referral/sign-in"
	CallbackPath  = "/referral/sign-in/callback"
	SignOutPath   = "/referral/sign-out" // by POST
	SignedOutPath = "/referral/signed-out"
	stylePath     = "/referral/door.css"
)

// Door lets clients in, and nobody else.
type Door struct {
	o         Options
	public    string // URL without a slash at its end
	secure    bool   // browsers come over https
	client    *http.Client
	provider  atomic.Pointer[provider] // nil while the provider has not been reached
	policy    atomic.Pointer[string]   // Content-Security-Policy
	exchanges chan struct{}            // sign-ins that are talking to the provider
	touches   chan models.Session
	metrics   *metrics
	log       *slog.Logger
	guard     *recovering.Guard
}

const (
	exchangesAtOnce = 32
	touchesWaiting  = 1024
)

// New makes a door. It asks nobody anything yet: see [Door.Run].
func New(o Options) (*Door, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	d := &Door{
		o: o, public: strings.TrimSuffix(o.PublicURL, "/"), secure: strings.HasPrefix(o.PublicURL, "https://"),
		client: newClient(), exchanges: make(chan struct{}, exchangesAtOnce), touches: make(chan models.Session, touchesWaiting),
		metrics: newMetrics(o.Registerer), log: o.Log,
	}
	d.setPolicy("")
	var err error
	d.guard, err = recovering.NewPrivate(o.Log, o.Registerer, "door")
	return d, err
}

// Open tells whether the door has a provider to send clients to. A closed one is
// opened by configuration only.
func (d *Door) Open() bool { return d.o.SignIn.Issuer != "" }

// Run keeps up with the provider and notes who was seen until ctx ends; then it
// returns nil.
func (d *Door) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if d.Open() {
		group.Go(func() error { return d.kept(ctx, d.follow) })
	} else {
		d.log.Warn("sign-in to the personal account is not configured: its pages and API answer 503")
	}
	group.Go(func() error { return d.kept(ctx, d.noteSeen) })
	return group.Wait()
}

// kept works until ctx ends, and begins again after a panic.
func (d *Door) kept(ctx context.Context, work func(context.Context) error) error {
	for {
		err := d.guard.Do(func() error { return work(ctx) })
		if !errors.Is(err, recovering.ErrPanicked) || !sleep.For(ctx, firstBackOff) {
			return err
		}
	}
}
