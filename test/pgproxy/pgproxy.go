// Package pgproxy is a proxy between a test and its PostgreSQL server that can
// break a connection after any message of the server, or in the middle of one.
package pgproxy

import (
	"io"
	"net/url"
	"sync/atomic"
	"testing"

	"referral/test/cutproxy"
)

// Proxy forwards connections to one server. It is safe for concurrent use.
type Proxy struct {
	*cutproxy.Proxy
	dsn        string
	roundTrips atomic.Int64
}

// New starts a proxy for the server of a connection URL. It ends with the test.
func New(t testing.TB, dsn string) *Proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("pgproxy: the connection string is not a URL") // which may hold a password
	}
	p := &Proxy{}
	p.Proxy = cutproxy.New(t, u.Host, p.answer, nil)
	u.Host = p.Addr()
	query := u.Query()
	query.Set("sslmode", "disable") // messages that are encrypted cannot be counted
	u.RawQuery = query.Encode()
	p.dsn = u.String()
	return p
}

// DSN is the connection URL that leads through the proxy.
func (p *Proxy) DSN() string { return p.dsn }

// RoundTrips is how often the server has finished what a client had sent and waited for
// more, on all connections.
func (p *Proxy) RoundTrips() int64 { return p.roundTrips.Load() }

func (p *Proxy) answer(from io.Reader, room []byte) ([]byte, error) {
	const readyForQuery = 'Z'
	message, err := cutproxy.PostgreSQL(from, room)
	if err == nil && message[0] == readyForQuery {
		p.roundTrips.Add(1)
	}
	return message, err
}
