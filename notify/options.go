package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
)

// Queue is where invitations wait, and where it is noted what became of them.
type Queue interface {
	ClaimInvitations(ctx context.Context, channel models.Channel, transport string, limit int) ([]models.ClaimedInvitation, error)
	RecordInvitationOutcome(context.Context, models.InvitationClaim, models.InvitationOutcome) error
	ReleaseInvitations(ctx context.Context, before time.Time, repeatable []string) (unknown map[models.Channel]int, err error)
	RecordReceipt(context.Context, models.Receipt) error
	InvitationQueues(context.Context) ([]models.InvitationQueue, error)
}

// Sender hands a message to those who carry it to its recipient, and returns their
// ids of its parts. An error that wraps none of models.ErrTransportRefuses,
// models.ErrTransportBusy and models.ErrTransportAway leaves it open whether the
// message has gone out. No error quotes the recipient. It may be called many times
// at once.
type Sender interface {
	Send(context.Context, *models.InvitationMessage) (ids []string, err error)
}

// Connected is a sender that keeps a connection. Run keeps it until ctx is done,
// and hands on what it is told of messages sent before; Ready is nil while
// messages can be sent.
type Connected interface {
	Sender
	Run(ctx context.Context, receipts func(context.Context, models.Receipt) error) error
	Ready() error
}

// Transport is the way in which the messages of a channel go out.
type Transport struct {
	Channel models.Channel
	Name    string // smtp, smpp, kafka: also what the database knows it by
	Sender  Sender
	// Repeatable says that a message may be sent again by this transport when it is
	// not known whether it has gone out: receivers drop what they have seen.
	Repeatable bool
	PerSecond  float64 // messages a second of one process, at most
	AtOnce     int     // messages on their way at once; 4
}

// Options is what a Notifier works with. Queue, Writer, Log, Registerer and Now
// are required; a zero elsewhere means the default.
type Options struct {
	Queue      Queue
	Writer     *Writer
	Transports []Transport // one a channel; a channel without one waits
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time

	Poll         time.Duration // between looks for work; 1 s
	QueuesEvery  time.Duration // between readings of the queue; 15 s
	ClaimTimeout time.Duration // after which a claim's sender is taken for dead; 10 min
	GiveUp       time.Duration // age at which an invitation is not tried any more; 72 h
	AwayMin      time.Duration // pause while a transport or the database cannot be reached, doubling from here; 1 s
	AwayMax      time.Duration // to here; 1 min
}

const (
	sendTimeout = time.Minute     // of one message
	stopGrace   = 5 * time.Second // for messages on their way when the end comes
)

func (o *Options) validate() error {
	errs := []error{
		missing(o.Queue == nil, "Queue"), missing(o.Writer == nil, "Writer"), missing(o.Log == nil, "Log"),
		missing(o.Registerer == nil, "Registerer"), missing(o.Now == nil, "Now"),
	}
	seen := map[models.Channel]bool{}
	for _, c := range o.Transports {
		if c.Name == "" || c.Sender == nil || c.PerSecond <= 0 || seen[c.Channel] {
			errs = append(errs, fmt.Errorf("notify: the transport of %q needs a name, a sender and a rate, and there may be one a channel", c.Channel))
		}
		seen[c.Channel] = true
	}
	if d := o.withDefaults(); d.ClaimTimeout < 2*(sendTimeout+longestNote(d.AwayMin)) {
		errs = append(errs, errors.New("notify: ClaimTimeout must leave time to send, and to note it"))
	}
	return errors.Join(errs...)
}

func missing(is bool, name string) error {
	if !is {
		return nil
	}
	return errors.New("notify: option " + name + " is missing")
}

func (o *Options) withDefaults() Options {
	d := *o
	d.Poll = cmp.Or(o.Poll, time.Second)
	d.QueuesEvery = cmp.Or(o.QueuesEvery, 15*time.Second)
	d.ClaimTimeout = cmp.Or(o.ClaimTimeout, 10*time.Minute)
	d.GiveUp = cmp.Or(o.GiveUp, 72*time.Hour)
	d.AwayMin = cmp.Or(o.AwayMin, time.Second)
	d.AwayMax = cmp.Or(o.AwayMax, time.Minute)
	return d
}
