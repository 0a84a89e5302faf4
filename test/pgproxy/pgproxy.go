// Package pgproxy is a proxy between a test and its PostgreSQL server that can
// break a connection after any message of the server, or in the middle of one.
package pgproxy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// Proxy forwards connections to one server. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	server   string // host:port
	dsn      *url.URL

	mu    sync.Mutex
	conns map[*link]bool
	plan  *cut // nil while nothing is to be cut
	away  bool // connections end at once
	wait  sync.WaitGroup
}

// cut is a break that is planned, and whether it has come.
type cut struct {
	left   int // messages that still pass
	inside bool
	done   bool
}

// link is one connection of a client and the proxy's connection to the server.
type link struct{ client, server *net.TCPConn }

// New starts a proxy for the server of a connection URL. It ends with the test.
func New(t testing.TB, dsn string) *Proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("pgproxy: the connection string is not a URL") // which may hold a password
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("pgproxy: %v", err)
	}
	p := &Proxy{listener: listener, server: u.Host, conns: map[*link]bool{}}
	through := *u
	through.Host = listener.Addr().String()
	query := through.Query()
	query.Set("sslmode", "disable") // messages that are encrypted cannot be counted
	through.RawQuery = query.Encode()
	p.dsn = &through
	p.wait.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// DSN is the connection URL that leads through the proxy.
func (p *Proxy) DSN() string { return p.dsn.String() }

// CutAfter lets n more messages of the server pass, on whatever connections, and
// breaks the connection of the last one right behind it; inside breaks it in the
// middle of the message that follows. It replaces an earlier plan.
func (p *Proxy) CutAfter(n int, inside bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = &cut{left: n, inside: inside}
}

// Disarm drops the plan and tells whether it has broken a connection.
func (p *Proxy) Disarm() (done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done = p.plan != nil && p.plan.done
	p.plan = nil
	return done
}

// CutAll breaks every connection that is open now and returns how many there were.
func (p *Proxy) CutAll() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.conns {
		l.cut()
	}
	return len(p.conns)
}

// Away takes the server away, with all connections, or gives it back.
func (p *Proxy) Away(away bool) {
	p.mu.Lock()
	p.away = away
	p.mu.Unlock()
	if away {
		p.CutAll()
	}
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for l := range p.conns {
		_, _ = l.client.Close(), l.server.Close()
	}
	p.mu.Unlock()
	p.wait.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wait.Go(func() { p.forward(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) forward(client *net.TCPConn) {
	defer client.Close() //nolint:errcheck // a test's own connection
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return // the client sees a connection that ends
	}
	defer server.Close() //nolint:errcheck // a test's own connection
	l := &link{client: client, server: server.(*net.TCPConn)}
	p.mu.Lock()
	away := p.away
	p.conns[l] = true
	p.mu.Unlock()
	if away {
		l.cut()
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, l)
	}()
	var answers sync.WaitGroup
	answers.Go(func() { p.answers(l) })
	_, _ = io.Copy(server, client)
	_, _ = io.Copy(io.Discard, client) // behind a cut, so that the client reads what was sent before it
	_ = server.Close()
	answers.Wait()
}

// cut breaks a connection: the client reads what was sent to it, and then the end.
func (l *link) cut() { _, _ = l.client.CloseWrite(), l.server.Close() }

// answers passes the server's messages on, each as a whole.
func (p *Proxy) answers(l *link) {
	defer l.cut()
	from, to := bufio.NewReader(l.server), bufio.NewWriter(l.client)
	var message []byte
	for {
		var err error
		if message, err = readMessage(from, message); err != nil {
			return
		}
		send, broken := p.pass(len(message))
		if _, err := to.Write(message[:send]); err != nil {
			return
		}
		if from.Buffered() == 0 || broken {
			if err := to.Flush(); err != nil {
				return
			}
		}
		if broken {
			return
		}
	}
}

// pass tells how many bytes of a message to pass on, and whether the connection
// breaks then.
func (p *Proxy) pass(size int) (send int, broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.plan
	if c == nil || c.done {
		return size, false
	}
	if c.left--; c.left > 0 || c.left == 0 && c.inside {
		return size, false
	}
	c.done = true
	if c.inside {
		return size / 2, true
	}
	return size, true
}

// readMessage reads a type byte, a length that counts itself, and the rest.
func readMessage(from io.Reader, room []byte) ([]byte, error) {
	const head, most = 5, 1 << 30
	message := slices.Grow(room[:0], head)[:head]
	if _, err := io.ReadFull(from, message); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(message[1:]))
	if length < head-1 || length > most {
		return nil, fmt.Errorf("pgproxy: a message of %d bytes", length)
	}
	message = slices.Grow(message, length-head+1)[:length+1]
	_, err := io.ReadFull(from, message[head:])
	return message, err
}
