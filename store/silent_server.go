package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// keepAlive finds out that a machine is gone without a word while nothing is under way, or
// an answer is waited for. While something that was sent is not acknowledged the system
// asks nothing: see [questioned]. Its own limit of that, TCP_USER_TIMEOUT, would also end the
// connection to a server that takes its time before it reads more.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}

// ErrSilent marks the error of a connection that was given up because the server does not
// answer.
var ErrSilent = errors.New("the database server does not answer; does it hang, or is the network broken?")

// dialServer connects to servers that are asked whether they still answer when they have
// been silent for a while, and have a third of it to say so.
func dialServer(silence time.Duration) pgconn.DialFunc {
	d := net.Dialer{KeepAliveConfig: keepAlive}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		ask := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), silence/3)
			defer cancel()
			return askServer(ctx, network, address)
		}
		return &questioned{Conn: conn, silence: silence, ask: ask}, nil
	}
}

// askServer asks a server on another connection whether it speaks TLS. It answers with one
// byte, before it looks at who asks and how many connections it has.
func askServer(ctx context.Context, network, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing is kept in it
	if end, limited := ctx.Deadline(); limited {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	sslRequest := []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}
	if _, err := conn.Write(sslRequest); err != nil {
		return err
	}
	if c, ok := conn.(interface{ CloseWrite() error }); ok { // there is no more to come
		if err := c.CloseWrite(); err != nil {
			return err
		}
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}

// questioned is a connection that is given up when the server has neither said nor taken
// anything for a while and does not answer on another connection either. A statement may
// take longer than that, and a commit may wait for a standby: the server still answers.
type questioned struct {
	net.Conn
	silence time.Duration
	ask     func() error

	mu          sync.Mutex
	read, write time.Time // deadlines of the driver
}

func (c *questioned) Read(b []byte) (int, error) {
	return c.patiently(&c.read, c.Conn.SetReadDeadline, c.Conn.Read, b)
}

func (c *questioned) Write(b []byte) (n int, err error) {
	for err == nil && len(b) > 0 {
		var part int
		part, err = c.patiently(&c.write, c.Conn.SetWriteDeadline, c.Conn.Write, b)
		n, b = n+part, b[part:]
	}
	return n, err
}

// patiently reads or writes something, for as long as the server answers and the driver
// wants to wait. The error of a silent server is not a timeout to the driver, which would
// go on using the connection.
func (c *questioned) patiently(driver *time.Time, set func(time.Time) error, do func([]byte) (int, error), b []byte) (int, error) {
	for {
		c.mu.Lock()
		limit, ours := c.limit(*driver)
		err := set(limit)
		c.mu.Unlock()
		if err != nil {
			return 0, err
		}
		n, err := do(b)
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded) || !ours || time.Now().Before(limit):
			return n, err
		case n > 0:
			return n, nil
		}
		if err := c.ask(); err != nil {
			return 0, fmt.Errorf("%w: nothing for %s, and not on another connection either (%s)", ErrSilent, c.silence, err.Error())
		}
	}
}

// limit is the earlier one of both limits.
func (c *questioned) limit(driver time.Time) (limit time.Time, ours bool) {
	limit = time.Now().Add(c.silence)
	if !driver.IsZero() && driver.Before(limit) {
		return driver, false
	}
	return limit, true
}

func (c *questioned) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *questioned) SetReadDeadline(t time.Time) error {
	return c.keep(&c.read, t, c.Conn.SetReadDeadline)
}

func (c *questioned) SetWriteDeadline(t time.Time) error {
	return c.keep(&c.write, t, c.Conn.SetWriteDeadline)
}

// keep has what waits now end by the new deadline of the driver, too.
func (c *questioned) keep(driver *time.Time, t time.Time, set func(time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	*driver = t
	limit, _ := c.limit(t)
	return set(limit)
}
