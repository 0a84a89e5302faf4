package smppserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
)

// Recorder is a proxy between clients and a server that keeps the messages which
// the clients submit.
type Recorder struct {
	listener net.Listener
	server   string
	wait     sync.WaitGroup

	mu       sync.Mutex
	open     map[net.Conn]struct{} // clients
	closed   bool
	parts    []part
	commands []uint32
	problem  error
	changed  chan struct{} // closed, and replaced, whenever something is kept
}

// NewRecorder listens on a free port and forwards to server, a host:port.
func NewRecorder(server string) (*Recorder, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("record an SMPP server: %w", err)
	}
	r := &Recorder{listener: listener, server: server, open: map[net.Conn]struct{}{}, changed: make(chan struct{})}
	r.wait.Go(r.accept)
	return r, nil
}

// Addr is where clients reach the server through the recorder.
func (r *Recorder) Addr() string { return r.listener.Addr().String() }

// Close ends all connections and returns what could not be read.
func (r *Recorder) Close() error {
	err := r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for conn := range r.open {
		_ = conn.Close() // it may be closed already
	}
	r.mu.Unlock()
	r.wait.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(err, r.problem)
}

// Cut breaks all connections, as a network may.
func (r *Recorder) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.open {
		_ = conn.Close() // it may be closed already
	}
}

// Commands are the command ids of all that clients sent, in order.
func (r *Recorder) Commands() []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.commands)
}

// Messages are the messages that are complete.
func (r *Recorder) Messages() ([]Message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	messages, err := assemble(r.parts)
	return messages, errors.Join(err, r.problem)
}

// Wait waits until n messages are complete and returns all there are.
func (r *Recorder) Wait(ctx context.Context, n int) ([]Message, error) {
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		messages, err := r.Messages()
		if err != nil || len(messages) >= n {
			return messages, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return messages, fmt.Errorf("wait for %d messages, there are %d: %w", n, len(messages), ctx.Err())
		}
	}
}

func (r *Recorder) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		r.wait.Go(func() { r.forward(client) })
	}
}

// forward forwards both directions until either side ends. The server is dialled when the
// client has sent its first message.
func (r *Recorder) forward(client net.Conn) {
	defer r.forget(client)
	if !r.remember(client) {
		return
	}
	first, ok := r.read(client)
	if !ok {
		return
	}
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		r.keep(func() { r.problem = errors.Join(r.problem, fmt.Errorf("reach the SMPP server: %w", err)) })
		return
	}
	c := &connection{client: client, server: server, greeted: make(chan struct{})}
	r.wait.Go(func() {
		defer r.forget(client)
		c.receive()
	})
	for message := first; ok && c.send(message) == nil; {
		message, ok = r.read(client)
	}
	c.awaitGreeting()
	_ = server.Close() // it may have ended already
}

// remember adds a connection; it is false when the recorder has been closed.
func (r *Recorder) remember(client net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[client] = struct{}{}
	return !r.closed
}

func (r *Recorder) forget(client net.Conn) {
	_ = client.Close() // it may be closed already
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, client)
}

func (r *Recorder) keep(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

// read is the client's next PDU, noted; false at the end of the connection.
func (r *Recorder) read(client io.Reader) ([]byte, bool) {
	message, err := readPDU(client)
	if errors.Is(err, errSize) {
		r.keep(func() { r.problem = errors.Join(r.problem, err) })
	}
	if err != nil {
		return nil, false // most often the connection ended
	}
	r.note(message)
	return message, true
}

func (r *Recorder) note(pdu []byte) {
	command := commandOf(pdu)
	r.keep(func() {
		r.commands = append(r.commands, command)
		if command != SubmitSM {
			return
		}
		if p, err := readSubmit(pdu[headerSize:]); err != nil {
			r.problem = errors.Join(r.problem, err)
		} else {
			r.parts = append(r.parts, p)
		}
	})
}
