package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"
)

// A machine that is gone without a word ends no connection. One with nothing under way is
// found out by keepalives; one that waits for an answer, once what was sent has not been
// acknowledged for a while. A server that is paused still acknowledges: see [answered].
const acknowledgeTimeout = 20 * time.Second

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialServer connects to servers of which each has to say something within a time.
func dialServer(within time.Duration) pgconn.DialFunc {
	d := net.Dialer{KeepAliveConfig: keepAlive, Control: limitAcknowledgement}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil || within == 0 {
			return conn, err
		}
		return &answered{Conn: conn, within: within}, nil
	}
}

// limitAcknowledgement has the system end a connection to another machine that does not
// acknowledge what it was sent.
func limitAcknowledgement(network, _ string, raw syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var set error
	err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(acknowledgeTimeout.Milliseconds()))
	})
	return errors.Join(err, set)
}

// answered is a connection that is given up when the server neither says nor takes
// anything for longer than it may work on a statement. The driver knows deadlines of
// contexts only, and most work has none: it takes as long as it takes.
type answered struct {
	net.Conn
	within time.Duration

	mu          sync.Mutex
	read, write time.Time // deadlines of the driver
}

// errSilent is not a timeout to the driver, which would go on using the connection.
type errSilent struct{ within time.Duration }

func (e errSilent) Error() string {
	return fmt.Sprintf("the database server has not answered for %s, longer than a statement may take: is it paused, or the network broken?", e.within)
}

func (c *answered) Read(b []byte) (int, error) {
	return c.limited(&c.read, c.Conn.SetReadDeadline, func() (int, error) { return c.Conn.Read(b) })
}

func (c *answered) Write(b []byte) (int, error) {
	return c.limited(&c.write, c.Conn.SetWriteDeadline, func() (int, error) { return c.Conn.Write(b) })
}

func (c *answered) limited(driver *time.Time, set func(time.Time) error, do func() (int, error)) (int, error) {
	c.mu.Lock()
	limit, ours := c.limit(*driver)
	err := set(limit)
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := do()
	if ours && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(limit) {
		err = errSilent{c.within}
	}
	return n, err
}

// limit is the earlier one of both limits.
func (c *answered) limit(driver time.Time) (limit time.Time, ours bool) {
	limit = time.Now().Add(c.within)
	if !driver.IsZero() && driver.Before(limit) {
		return driver, false
	}
	return limit, true
}

func (c *answered) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *answered) SetReadDeadline(t time.Time) error {
	return c.keep(&c.read, t, c.Conn.SetReadDeadline)
}

func (c *answered) SetWriteDeadline(t time.Time) error {
	return c.keep(&c.write, t, c.Conn.SetWriteDeadline)
}

// keep has what waits now end by the new deadline of the driver, too.
func (c *answered) keep(driver *time.Time, t time.Time, set func(time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	*driver = t
	limit, _ := c.limit(t)
	return set(limit)
}
