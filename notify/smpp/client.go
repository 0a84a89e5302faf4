package smpp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sethvargo/go-retry"

	"referral/internal/health"
	"referral/internal/sleep"
	"referral/models"
)

// Name identifies the transport in the database.
const Name = "smpp"

// Client sends SMS through an SMSC. It keeps one connection while Run runs.
type Client struct {
	options Options
	window  chan struct{} // one for each message on its way
	health  *health.Tracker

	mutex     sync.Mutex
	bound     *session  // nil while there is none
	throttled time.Time // until when the SMSC wants no messages
}

// New returns a client. It does not connect yet.
func New(o Options) (*Client, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Client{options: o.withDefaults(), health: health.New(health.Options{
		Log: o.Log, Failing: "smpp: not connected to the SMSC, trying again", Recovered: "smpp: connected to the SMSC again",
	})}
	c.window = make(chan struct{}, c.options.Window)
	return c, nil
}

// Ready is nil while messages can be sent; otherwise it says why not.
func (c *Client) Ready() error {
	_, err := c.session()
	return err
}

func (c *Client) session() (*session, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.bound == nil {
		return nil, fmt.Errorf("smpp: %w: %w", models.ErrTransportUnreachable, cmp.Or(c.health.Err(), errors.New("not connected")))
	}
	return c.bound, nil
}

func (c *Client) setSession(s *session) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.bound = s
}

// receiptHandler records the final state of a message. If it fails, the SMSC sends the
// receipt again.
type receiptHandler = func(context.Context, models.Receipt) error

// Run keeps a connection until ctx is done, and connects again whenever it is lost.
// The error is always nil.
func (c *Client) Run(ctx context.Context, receipts func(context.Context, models.Receipt) error) error {
	for waits := c.backoff(); ctx.Err() == nil; {
		bound, err := c.connect(ctx, receipts)
		if bound {
			waits = c.backoff()
		}
		if ctx.Err() == nil {
			c.health.Report("connecting", err)
			sleep.Next(ctx, waits)
		}
	}
	return nil
}

// connect keeps one connection until it ends, and says why it did. bound is true if
// messages could be sent.
func (c *Client) connect(ctx context.Context, receipts receiptHandler) (bound bool, err error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return false, err
	}
	s := newSession(ctx, &c.options, conn, func(p *pdu) status { return c.deliver(ctx, p, receipts) })
	var group sync.WaitGroup
	defer group.Wait()
	defer s.end(nil)
	group.Go(func() { s.guarded(s.read) })
	if err := c.bind(ctx, s); err != nil {
		return false, err
	}
	group.Go(func() { s.guarded(s.handleDeliveries) })
	group.Go(func() { s.guarded(s.keepAlive) })
	c.setSession(s)
	defer c.setSession(nil)
	c.health.Report("connecting", nil)
	select {
	case <-s.ctx.Done():
		return true, context.Cause(s.ctx)
	case <-ctx.Done():
		c.setSession(nil)
		c.unbind(ctx, s)
		return true, nil
	}
}

func (c *Client) backoff() retry.Backoff {
	return sleep.Backoff(c.options.RetryMin, c.options.RetryMax)
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	security := c.current().TLS
	if security == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", c.options.Address)
	}
	return (&tls.Dialer{Config: security}).DialContext(ctx, "tcp", c.options.Address)
}

// current is the options with the secrets of the moment.
func (c *Client) current() *Options {
	o := c.options
	if o.Renew != nil {
		o.Renew(&o)
	}
	return &o
}

func (c *Client) bind(ctx context.Context, s *session) error {
	p, err := s.request(ctx, bindTransceiver, bindBody(c.current()))
	if err != nil {
		return fmt.Errorf("binding: %w", err)
	}
	if p.status != statusOK {
		return fmt.Errorf("the SMSC refused to bind (status %#x)", uint32(p.status))
	}
	return nil
}

const unbindTimeout = 2 * time.Second

// unbind ends the session as SMPP demands, so that the SMSC does not treat it as lost.
func (c *Client) unbind(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unbindTimeout)
	defer cancel()
	_, _ = s.request(ctx, unbind, nil) // it ends either way
}

// deliver handles a deliver_sm: a receipt. Messages to us are acknowledged and dropped.
func (c *Client) deliver(ctx context.Context, p *pdu, receipts receiptHandler) status {
	d, err := readDelivery(p.body)
	if err != nil {
		c.options.Log.WarnContext(ctx, "smpp: a delivery of the SMSC cannot be read", "error", err)
		return statusSystemError
	}
	if !d.isReceipt() {
		return statusOK
	}
	id, state, final := d.receipt(c.options.IDs)
	if !final {
		return statusOK
	}
	if err := receipts(ctx, models.Receipt{Transport: Name, TransportID: id, State: state}); err != nil {
		return statusTemporary
	}
	return statusOK
}
