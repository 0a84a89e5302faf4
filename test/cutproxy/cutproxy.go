// Package cutproxy is a proxy between a test and a server. It knows where messages
// begin and end, so it can break a connection after any of them, or in the middle of
// one.
package cutproxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// Frame reads one whole message, into buffer if it fits.
type Frame func(from io.Reader, buffer []byte) ([]byte, error)

// Proxy forwards connections to one server. It is safe for concurrent use.
type Proxy struct {
	listener          net.Listener
	answers, requests Frame

	mu          sync.Mutex
	server      string // host:port
	conns       map[*connection]bool
	plan        *cut // nil while nothing is to be cut
	cuts        int
	unavailable bool          // connections end at once
	silent      chan struct{} // no answer is forwarded until it is closed; nil while all are
	wait        sync.WaitGroup
}

// cut is a break that is planned, and whether it has come.
type cut struct {
	left   int // messages that still pass
	inside bool
	done   bool
	next   func() (n int, inside bool) // plans the one after it; nil for none
}

// connection is one connection of a client and the proxy's connection to the server.
type connection struct{ client, server *net.TCPConn }

// New starts a proxy for the server at host:port, which ForwardTo may set later.
// What the server sends is counted; what clients send as well, unless requests is
// nil. The proxy ends with the test.
func New(t testing.TB, server string, answers, requests Frame) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("cutproxy: %v", err)
	}
	p := &Proxy{listener: listener, server: server, answers: answers, requests: requests, conns: map[*connection]bool{}}
	p.wait.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients reach the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// ForwardTo forwards connections from now on to another server.
func (p *Proxy) ForwardTo(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = server
}

// CutAfter lets n more messages pass, on whatever connections, and breaks the
// connection of the last one right behind it; inside breaks it in the middle of
// the message that follows. It replaces an earlier plan.
func (p *Proxy) CutAfter(n int, inside bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = &cut{left: n, inside: inside}
}

// CutAgain breaks connections like CutAfter, and plans the next break by the same
// function after each.
func (p *Proxy) CutAgain(next func() (n int, inside bool)) {
	n, inside := next()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = &cut{left: n, inside: inside, next: next}
}

// Cuts is how many connections have been broken by plan.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// DropPlan drops the plan and tells whether it has broken a connection.
func (p *Proxy) DropPlan() (done bool) {
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

// SetUnavailable breaks all connections and every new one, or ends that.
func (p *Proxy) SetUnavailable(unavailable bool) {
	p.mu.Lock()
	p.unavailable = unavailable
	p.mu.Unlock()
	if unavailable {
		p.CutAll()
	}
}

// Silence holds back what the server answers, while connections stay open and new ones are
// let in, until the function that it returns is called: a server that hangs, or a network
// that loses everything.
func (p *Proxy) Silence() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	silent := make(chan struct{})
	p.silent = silent
	return func() { p.endSilence(silent) }
}

func (p *Proxy) endSilence(silent chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if silent != nil && p.silent == silent {
		p.silent = nil
		close(silent)
	}
}

// awaitSilence waits until the proxy forwards answers.
func (p *Proxy) awaitSilence() {
	p.mu.Lock()
	silent := p.silent
	p.mu.Unlock()
	if silent != nil {
		<-silent
	}
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.endSilence(p.silent)
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
	p.mu.Lock()
	to := p.server
	p.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return // the client sees a connection that ends
	}
	defer server.Close() //nolint:errcheck // a test's own connection
	l := &connection{client: client, server: server.(*net.TCPConn)}
	p.mu.Lock()
	unavailable := p.unavailable
	p.conns[l] = true
	p.mu.Unlock()
	if unavailable {
		l.cut()
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, l)
	}()
	var answers sync.WaitGroup
	answers.Go(func() { defer l.cut(); p.forwardMessages(l.server, l.client, p.answers, p.awaitSilence) })
	if p.requests == nil {
		_, _ = io.Copy(server, client)
	} else {
		p.forwardMessages(l.client, l.server, p.requests, func() {})
		l.cut()
	}
	_, _ = io.Copy(io.Discard, client) // behind a cut, so that the client reads what was sent before it
	_ = server.Close()
	answers.Wait()
}

// cut breaks a connection: the client reads what was sent to it, and then the end.
func (l *connection) cut() { _, _ = l.client.CloseWrite(), l.server.Close() }

// forwardMessages passes messages on, each as a whole and once await returns, until the
// connection ends or breaks.
func (p *Proxy) forwardMessages(in, out *net.TCPConn, frame Frame, await func()) {
	from, to := bufio.NewReader(in), bufio.NewWriter(out)
	var message []byte
	for {
		var err error
		if message, err = frame(from, message); err != nil {
			return
		}
		await()
		send, broken := p.bytesToForward(len(message))
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

// bytesToForward tells how many bytes of a message to pass on, and whether the connection
// breaks then.
func (p *Proxy) bytesToForward(size int) (send int, broken bool) {
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
	p.cuts++
	if c.next != nil {
		n, inside := c.next()
		p.plan = &cut{left: n, inside: inside, next: c.next}
	}
	if c.inside {
		return size / 2, true
	}
	return size, true
}

// PostgreSQL is what a server of PostgreSQL sends: a type byte, a length that counts
// itself, and the rest. What it answers to the question whether it speaks TLS is a byte,
// which must be its last.
func PostgreSQL(from io.Reader, buffer []byte) ([]byte, error) {
	const kind, head = 1, 5
	message, err := framed(from, buffer, kind, head-kind)
	if errors.Is(err, io.ErrUnexpectedEOF) && len(message) == kind {
		return message, nil
	}
	return message, err
}

// Kafka is what clients and brokers of Kafka send: a length that does not count
// itself, and the rest.
func Kafka(from io.Reader, buffer []byte) ([]byte, error) { return framed(from, buffer, 0, 0) }

// framed reads a head of some bytes and a length, which counts some bytes that
// have been read by then, and the rest.
func framed(from io.Reader, buffer []byte, before, counted int) ([]byte, error) {
	const size, most = 4, 1 << 30
	head := before + size
	message := slices.Grow(buffer[:0], head)[:head]
	if n, err := io.ReadFull(from, message); err != nil {
		return message[:n], err
	}
	length := int(binary.BigEndian.Uint32(message[before:])) - counted
	if length < 0 || length > most {
		return nil, fmt.Errorf("cutproxy: a message of %d bytes", length)
	}
	message = slices.Grow(message, length)[:head+length]
	_, err := io.ReadFull(from, message[head:])
	return message, err
}
