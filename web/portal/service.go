package portal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/billing"
	"referral/contact"
	"referral/internal/recovering"
	"referral/models"
)

// Options configures a service. All are required.
type Options struct {
	Store      Store
	Programme  *billing.Programme
	Derive     models.DeriveFunc // the consumer's
	Limits     Limits
	Invites    InviteOptions
	PublicURL  string // of the personal account, without a slash at its end: https://lk.example.com
	Now        func() time.Time
	NewID      func() models.UUID // random, for what has no idempotency key
	NewToken   func() string      // secret of an opt-out link, at least 128 random bits
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// InviteOptions is how invitations are accepted.
type InviteOptions struct {
	Channels   []models.Channel // those that are configured for sending
	Recipients contact.Rules
	PerDay     int // per client
}

type service struct {
	*reader

	options Options
	metrics *metrics
	batcher *batcher
}

// NewService returns the service behind the pages and the JSON API.
func NewService(o Options) (Service, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	guard, err := recovering.NewPrivate(o.Log, o.Registerer, "portal")
	if err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	return &service{
		reader:  &reader{store: o.Store, programme: o.Programme, publicURL: o.PublicURL, now: o.Now},
		options: o, metrics: newMetrics(o.Registerer), batcher: &batcher{store: o.Store, derive: o.Derive, guard: guard},
	}, nil
}

func (o *Options) validate() error {
	if o.Store == nil || o.Programme == nil || o.Derive == nil || o.Now == nil || o.NewID == nil || o.NewToken == nil || o.Log == nil || o.Registerer == nil {
		return errors.New("Store, Programme, Derive, Now, NewID, NewToken, Log and Registerer are required")
	}
	if o.Invites.PerDay < 1 {
		return fmt.Errorf("%d invitations a day: must be at least 1", o.Invites.PerDay)
	}
	if u, err := url.Parse(o.PublicURL); err != nil || u.Scheme == "" || u.Host == "" {
		return fmt.Errorf("the public address %q is not a URL with a scheme and a host", o.PublicURL)
	}
	return o.Limits.validate()
}

// detached returns a context for work that continues after the client has
// disconnected, for a limited time.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), batchTimeout+5*time.Second)
}

// forCleanup returns a context for what must still be written after a timeout.
func forCleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}
