package consumer

import (
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

var errHungUp = errors.New("the consumer has closed its connections")

// wires are the open connections of one purpose, so that they can be cut at
// once: kafka-go waits for answers without looking at a context.
type wires struct {
	base   kafka.Dialer
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func newWires(ctx context.Context, base *kafka.Dialer) *wires {
	l := &wires{base: *base, open: map[net.Conn]struct{}{}}
	orDefault(&l.base.Timeout, dialTimeout)
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return l
}

// dialer is a copy of the dialer that was passed whose connections are known
// here.
func (l *wires) dialer() *kafka.Dialer {
	d := l.base
	d.DialFunc = l.dial
	return &d
}

// stream opens a connection for requests that kafka-go does not know. kafka-go
// signs in on it, and leaves nothing of its own behind.
func (l *wires) stream(ctx context.Context, address string) (net.Conn, error) {
	var stream net.Conn
	d := l.base
	d.TLS = nil
	d.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := l.dial(ctx, network, address)
		if err == nil && l.base.TLS != nil {
			conn, err = encrypted(ctx, conn, l.base.TLS, address)
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
func (l *wires) client(brokers, topics []string) (client *kafka.Client, closePool func()) {
	transport := &kafka.Transport{
		Dial: l.dial, TLS: l.base.TLS, SASL: l.base.SASLMechanism,
		ClientID: l.base.ClientID, MetadataTopics: topics, DialTimeout: l.base.Timeout,
	}
	return &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}, transport.CloseIdleConnections
}

func (l *wires) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	raw, err := l.dialBase(dialing, network, address)
	if err != nil {
		return nil, err
	}
	conn := &wire{Conn: raw, of: l}
	if !l.keep(conn) {
		return nil, errors.Join(errHungUp, raw.Close())
	}
	// The SASL exchange that follows knows no deadline of its own.
	context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			_ = conn.Close()
		}
	})
	return conn, nil
}

func (l *wires) dialBase(ctx context.Context, network, address string) (net.Conn, error) {
	if l.base.DialFunc != nil {
		return l.base.DialFunc(ctx, network, address)
	}
	d := net.Dialer{LocalAddr: l.base.LocalAddr, KeepAlive: l.base.KeepAlive}
	return d.DialContext(ctx, network, address)
}

func (l *wires) keep(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.open[conn] = struct{}{}
	}
	return !l.closed
}

// close cuts every connection and lets none be opened any more.
func (l *wires) close() {
	l.cancel()
	l.mu.Lock()
	l.closed = true
	open := l.open
	l.open = map[net.Conn]struct{}{}
	l.mu.Unlock()
	for conn := range open {
		_ = conn.Close()
	}
}

// wire is a connection that takes itself off the list when it is closed.
type wire struct {
	net.Conn
	of *wires
}

func (c *wire) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
