package consumer

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// dialTimeout bounds the opening of a connection with its TLS and SASL
// exchanges, when the dialer that was passed does not.
const dialTimeout = 5 * time.Second

var errClosed = errors.New("the consumer has closed its connections")

// connections are those of one purpose, so that they can be cut at once: kafka-go
// waits for answers without looking at a context.
type connections struct {
	base   kafka.Dialer
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func newConnections(ctx context.Context, base *kafka.Dialer) *connections {
	c := &connections{base: *base, open: map[net.Conn]struct{}{}}
	c.base.Timeout = cmp.Or(c.base.Timeout, dialTimeout)
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return c
}

// dialer is a copy of the dialer that was passed whose connections are known
// here.
func (c *connections) dialer() *kafka.Dialer {
	d := c.base
	d.DialFunc = c.dial
	return &d
}

// stream opens a connection for requests that kafka-go does not know. kafka-go
// signs in on it, and leaves nothing of its own behind.
func (c *connections) stream(ctx context.Context, address string) (net.Conn, error) {
	var stream net.Conn
	d := c.base
	d.TLS = nil
	d.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := c.dial(ctx, network, address)
		if err == nil && c.base.TLS != nil {
			conn, err = encrypted(ctx, conn, c.base.TLS, address)
		}
		stream = conn
		return conn, err
	}
	if _, err := d.DialContext(ctx, "tcp", address); err != nil {
		return nil, err
	}
	return stream, nil
}

func encrypted(ctx context.Context, conn net.Conn, config *tls.Config, address string) (net.Conn, error) {
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// client asks through kafka-go's pool of connections. It never has a missing
// topic created. The pool has to be closed.
func (c *connections) client(brokers, topics []string) (client *kafka.Client, closePool func()) {
	transport := &kafka.Transport{
		Dial: c.dial, TLS: c.base.TLS, SASL: c.base.SASLMechanism,
		ClientID: c.base.ClientID, MetadataTopics: topics, DialTimeout: c.base.Timeout,
	}
	return &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}, transport.CloseIdleConnections
}

func (c *connections) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	raw, err := c.dialBase(dialing, network, address)
	if err != nil {
		return nil, err
	}
	conn := &connection{Conn: raw, of: c}
	if !c.keep(conn) {
		return nil, errors.Join(errClosed, raw.Close())
	}
	// The SASL exchange that follows knows no deadline of its own.
	context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			_ = conn.Close()
		}
	})
	return conn, nil
}

func (c *connections) dialBase(ctx context.Context, network, address string) (net.Conn, error) {
	if c.base.DialFunc != nil {
		return c.base.DialFunc(ctx, network, address)
	}
	d := net.Dialer{LocalAddr: c.base.LocalAddr, KeepAlive: c.base.KeepAlive}
	return d.DialContext(ctx, network, address)
}

func (c *connections) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.open[conn] = struct{}{}
	}
	return !c.closed
}

// close cuts every connection and lets none be opened any more.
func (c *connections) close() {
	c.cancel()
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = map[net.Conn]struct{}{}
	c.mu.Unlock()
	for conn := range open {
		_ = conn.Close()
	}
}

// connection is one that takes itself off the list when it is closed.
type connection struct {
	net.Conn
	of *connections
}

func (conn *connection) Close() error {
	conn.of.mu.Lock()
	delete(conn.of.open, conn)
	conn.of.mu.Unlock()
	return conn.Conn.Close()
}
