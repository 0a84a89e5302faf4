package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sethvargo/go-retry"

	"referral/internal/sleep"
	"referral/models"
)

// Name is what the database knows this way of sending by.
const Name = "smpp"

// Client sends SMS by an SMSC. It keeps one connection while Run runs.
type Client struct {
	options Options
	window  chan struct{} // one for each message on its way

	mutex     sync.Mutex
	bound     *session  // nil while there is none
	trouble   error     // why there is none
	throttled time.Time // until when the peer wants no messages
}

// New makes a client. It connects to nothing yet.
func New(o Options) (*Client, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Client{options: o.withDefaults(), trouble: errors.New("not connected yet")}
	c.window = make(chan struct{}, c.options.Window)
	return c, nil
}

// Ready is nil while messages can be sent; else it says why they cannot.
func (c *Client) Ready() error {
	_, err := c.session()
	return err
}

func (c *Client) session() (*session, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.bound == nil {
		return nil, fmt.Errorf("smpp: %w: %w", models.ErrTransportAway, c.trouble)
	}
	return c.bound, nil
}

func (c *Client) set(s *session, trouble error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.bound, c.trouble = s, trouble
}

// Run keeps a connection until ctx is done, and takes it up again whenever it is
// lost. receipts is told what became of messages; its error has the peer say it
// again. The error is always nil.
func (c *Client) Run(ctx context.Context, receipts func(context.Context, models.Receipt) error) error {
	for waits := c.backoff(); ctx.Err() == nil; {
		waits = c.attempt(ctx, receipts, waits)
	}
	c.set(nil, errors.New("stopped"))
	return nil
}

// attempt is one connection and the pause after it, and returns the pauses that are
// to follow.
func (c *Client) attempt(ctx context.Context, receipts func(context.Context, models.Receipt) error, waits retry.Backoff) retry.Backoff {
	bound, err := c.connect(ctx, receipts)
	if ctx.Err() != nil {
		return waits
	}
	c.set(nil, err)
	if bound {
		waits = c.backoff()
	}
	wait, _ := waits.Next()
	c.options.Log.Warn("no connection to the SMSC; trying again", "error", err, "wait", wait)
	sleep.For(ctx, wait)
	return waits
}

// backoff is the pauses between lost connections.
func (c *Client) backoff() retry.Backoff {
	return sleep.Backoff(c.options.RetryMin, c.options.RetryMax)
}

// connect is one connection from its beginning to its end. bound tells whether
// the peer has let us in.
func (c *Client) connect(ctx context.Context, receipts func(context.Context, models.Receipt) error) (bound bool, err error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return false, err
	}
	s := newSession(&c.options, conn, func(p *pdu) status { return c.delivered(ctx, p, receipts) })
	var group sync.WaitGroup
	defer group.Wait()
	defer s.end(errors.New("stopped"))
	group.Go(func() { s.guarded(s.read) })
	if err := c.bind(ctx, s); err != nil {
		return false, err
	}
	group.Go(func() { s.guarded(s.push) })
	c.set(s, nil)
	c.options.Log.Info("bound to the SMSC")
	live, stop := context.WithCancel(ctx)
	group.Go(func() { s.guarded(func() { s.keepAlive(live) }) })
	defer stop()
	select {
	case <-s.ended:
		return true, s.why
	case <-ctx.Done():
		c.set(nil, errors.New("stopped"))
		c.farewell(ctx, s)
		return true, nil
	}
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	if c.options.TLS == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", c.options.Address)
	}
	return (&tls.Dialer{Config: c.options.TLS}).DialContext(ctx, "tcp", c.options.Address)
}

func (c *Client) bind(ctx context.Context, s *session) error {
	p, err := s.ask(ctx, bindTransceiver, bindBody(&c.options))
	if err != nil {
		return fmt.Errorf("binding: %w", err)
	}
	if p.status != statusOK {
		return fmt.Errorf("the SMSC does not let us in (status %#x)", uint32(p.status))
	}
	return nil
}

const farewellTime = 2 * time.Second

// farewell ends the session as SMPP wants it, so that the peer does not take it for
// lost.
func (c *Client) farewell(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer cancel()
	_, _ = s.ask(ctx, unbind, nil) // it ends either way
}

// delivered deals with what the peer pushes: receipts. Messages to us are taken
// and dropped.
func (c *Client) delivered(ctx context.Context, p *pdu, receipts func(context.Context, models.Receipt) error) status {
	d, err := readDelivery(p.body)
	if err != nil {
		c.options.Log.Warn("the SMSC delivered something that cannot be read")
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
