package smppserver

import (
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// connection is a client's connection through a Recorder. It spares the server
// what that one dies of, a client that leaves without having answered the greeting:
// then the greeting is answered for it.
type connection struct {
	client, server net.Conn

	mu       sync.Mutex
	bound    bool          // the client has asked to be let in
	leaving  bool          // it is about to go, or has gone
	greeting []byte        // as long as nobody has answered it
	done     chan struct{} // closed when one may leave
}

// leavePatience bounds how long a server is waited for that does not greet.
const leavePatience = 10 * time.Second

func newConnection(client, server net.Conn) *connection {
	return &connection{client: client, server: server, done: make(chan struct{})}
}

// send passes on what the client says.
func (c *connection) send(message []byte) error {
	switch commandOf(message) {
	case BindTransceiver:
		c.mu.Lock()
		c.bound = true
		c.mu.Unlock()
	case DeliverSM | response:
		defer c.release()
	case Unbind:
		c.leave()
	}
	_, err := c.server.Write(message)
	return err
}

// receive passes on what the server says, until it ends.
func (c *connection) receive() {
	defer c.release()
	for {
		message, err := readPDU(c.server)
		if err != nil {
			return
		}
		c.note(message)
		// The client may have gone; the server is heard to its end all the same.
		_, _ = c.client.Write(message)
	}
}

func (c *connection) note(message []byte) {
	switch command, refused := commandOf(message), binary.BigEndian.Uint32(message[8:]) != 0; {
	case command == BindTransceiver|response && refused:
		c.release()
	case command == DeliverSM:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.greeting = message
		if c.leaving {
			c.answer()
		}
	}
}

// leave returns when the server can do without the client.
func (c *connection) leave() {
	c.mu.Lock()
	c.leaving = true
	bound := c.bound
	c.answer()
	c.mu.Unlock()
	if !bound {
		return
	}
	select {
	case <-c.done:
	case <-time.After(leavePatience):
	}
}

// answer answers the greeting, once it is there; the mutex is held.
func (c *connection) answer() {
	if c.greeting == nil || c.isFree() {
		return
	}
	// A server that has gone needs no answer.
	_, _ = c.server.Write(pdu(DeliverSM|response, binary.BigEndian.Uint32(c.greeting[12:]), []byte{0}))
	close(c.done)
}

func (c *connection) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isFree() {
		close(c.done)
	}
}

func (c *connection) isFree() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func commandOf(message []byte) uint32 { return binary.BigEndian.Uint32(message[4:]) }
