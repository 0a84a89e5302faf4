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

// Queue stores the invitations and their outcomes.
type Queue interface {
	ClaimInvitations(ctx context.Context, channel models.Channel, transport string, limit int) ([]models.ClaimedInvitation, error)
	RecordInvitationOutcome(context.Context, models.InvitationClaim, models.InvitationOutcome) error
	ReleaseInvitations(ctx context.Context, before time.Time, repeatable []string) (unknown map[models.Channel]int, err error)
	RecordReceipt(context.Context, models.Receipt) error
	InvitationQueues(context.Context) ([]models.InvitationQueue, error)
}

// Sender sends a message, and returns the transport's ids of its parts. After an error
// that wraps none of models.ErrMessageRefused, models.ErrTransportBusy and
// models.ErrTransportUnreachable it is unknown whether the message was sent. No error quotes
// the recipient. It is safe for concurrent use.
type Sender interface {
	Send(context.Context, *models.InvitationMessage) (ids []string, err error)
}

// Connected is a sender that keeps a connection. Run keeps it until ctx is done, and
// passes on receipts for earlier messages; Ready is nil while messages can be sent.
type Connected interface {
	Sender
	Run(ctx context.Context, receipts func(context.Context, models.Receipt) error) error
	Ready() error
}

// Transport sends the messages of a channel.
type Transport struct {
	Channel models.Channel
	Name    string // smtp, smpp, kafka; identifies it in the database too
	Sender  Sender
	// Repeatable says that this transport may send a message again when it is unknown
	// whether it was sent, because its receivers drop duplicates.
	Repeatable bool
	PerSecond  float64 // messages per second and process, at most
	AtOnce     int     // messages being sent at a time
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

	Poll          time.Duration // between queries for due invitations; 1 s
	QueueInterval time.Duration // between queries for the metrics of the queue; 15 s
	ClaimTimeout  time.Duration // after which the sender of a claim counts as dead; 10 min
	GiveUp        time.Duration // age at which an invitation is no longer tried; 72 h
	RetryMin      time.Duration // first pause while a transport or the database is unreachable, doubling; 1 s
	RetryMax      time.Duration // longest pause; 1 min
}

const (
	sendTimeout = time.Minute     // of one message
	stopGrace   = 5 * time.Second // for messages being sent when the service ends
)

func (o *Options) validate() error {
	if o.Queue == nil || o.Writer == nil || o.Log == nil || o.Registerer == nil || o.Now == nil {
		return errors.New("notify: Queue, Writer, Log, Registerer and Now are required")
	}
	var errs []error
	seen := map[models.Channel]bool{}
	for _, t := range o.Transports {
		if t.Name == "" || t.Sender == nil || t.PerSecond <= 0 || t.AtOnce < 1 || seen[t.Channel] {
			errs = append(errs, fmt.Errorf("notify: the transport of %q needs Name, Sender, PerSecond and AtOnce, and must be the only one of its channel", t.Channel))
		}
		seen[t.Channel] = true
	}
	if d := o.withDefaults(); d.ClaimTimeout < 2*(sendTimeout+maxRecordTime(d.RetryMin)) {
		errs = append(errs, errors.New("notify: ClaimTimeout must be long enough to send and to record the outcome"))
	}
	return errors.Join(errs...)
}

func (o *Options) withDefaults() Options {
	d := *o
	d.Poll = cmp.Or(o.Poll, time.Second)
	d.QueueInterval = cmp.Or(o.QueueInterval, 15*time.Second)
	d.ClaimTimeout = cmp.Or(o.ClaimTimeout, 10*time.Minute)
	d.GiveUp = cmp.Or(o.GiveUp, 72*time.Hour)
	d.RetryMin = cmp.Or(o.RetryMin, time.Second)
	d.RetryMax = cmp.Or(o.RetryMax, time.Minute)
	return d
}
