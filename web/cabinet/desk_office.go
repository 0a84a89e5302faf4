package cabinet

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

// Options is what an office works with.
type Options struct {
	Store      Store
	Programme  *billing.Programme
	Derive     Derive // the consumer's
	Limits     Limits
	Invites    InviteOptions
	PublicURL  string             // of the personal account, without a slash at its end: https://lk.example.com
	Now        func() time.Time   // defaults to time.Now
	NewID      func() models.UUID // random, for what has no idempotency key
	NewToken   func() string      // secret of an opt-out link, at least 128 random bits
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// InviteOptions is how invitations are taken on.
type InviteOptions struct {
	Channels   []models.Channel // those that somebody sends by
	Recipients contact.Rules
	PerDay     int // of one client
}

// Office is the desk behind the pages and the JSON API.
type Office struct {
	o        Options
	metrics  *metrics
	gatherer *gatherer
}

var _ Desk = (*Office)(nil)

// NewOffice checks the options and opens the office.
func NewOffice(o Options) (*Office, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("cabinet: %w", err)
	}
	guard, err := recovering.NewPrivate(o.Log, o.Registerer, "cabinet")
	if err != nil {
		return nil, fmt.Errorf("cabinet: %w", err)
	}
	return &Office{
		o: o, metrics: newMetrics(o.Registerer), gatherer: &gatherer{intake: o.Store, derive: o.Derive, guard: guard},
	}, nil
}

func (o *Options) validate() error {
	if o.Store == nil || o.Programme == nil || o.Derive == nil || o.NewID == nil || o.NewToken == nil || o.Log == nil || o.Registerer == nil {
		return errors.New("store, programme, derive, ids, tokens, log and registerer must be given")
	}
	if o.Invites.PerDay < 1 {
		return fmt.Errorf("%d invitations a day: must be at least 1", o.Invites.PerDay)
	}
	if u, err := url.Parse(o.PublicURL); err != nil || u.Scheme == "" || u.Host == "" {
		return fmt.Errorf("the public address %q is no URL with a scheme and a host", o.PublicURL)
	}
	return o.Limits.validate()
}

// today is the programme's day.
func (o *Office) today() models.Date { return o.o.Programme.Local(o.o.Now()) }

// throughout is for what goes on to its end, or for so long, when the client has
// hung up.
func throughout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), gatherPatience+5*time.Second)
}

// lastly is for what must still be written when the time is up.
func lastly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// Link carries a code to the page where it is entered.
func (o *Office) link(code string) string {
	if code == "" {
		return ""
	}
	return o.o.PublicURL + "/referral?code=" + url.QueryEscape(code)
}
