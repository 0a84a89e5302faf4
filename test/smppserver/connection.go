package smppserver

import (
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// connection is a client's connection through a Recorder to a server that ends when
// a client leaves without having answered its greeting. The recorder answers the
// greeting in the client's place.
type connection struct {
	client, server net.Conn
	bound          bool // the client has asked to bind

	once     sync.Once
	greeted  chan struct{} // closed when the client may leave
	greeting uint32        // its sequence number; read after greeted
}

// send passes on a client's message.
func (c *connection) send(message []byte) error {
	switch commandOf(message) {
	case BindTransceiver:
		c.bound = true
	case Unbind:
		c.awaitGreeting()
	case DeliverSM | response:
		if c.awaitGreeting(); sequenceOf(message) == c.greeting {
			return nil
		}
	}
	_, err := c.server.Write(message)
	return err
}

// receive passes on the server's messages, until it ends.
func (c *connection) receive() {
	defer c.release(0)
	for {
		message, err := readPDU(c.server)
		if err != nil {
			return
		}
		switch {
		case commandOf(message) == BindTransceiver|response && statusOf(message) != 0:
			c.release(0) // there will be no greeting
		case commandOf(message) == DeliverSM:
			c.answerGreeting(message)
		}
		// The client may have left; the server is read to its end all the same.
		_, _ = c.client.Write(message)
	}
}

// answerGreeting answers the first message that the server delivers.
func (c *connection) answerGreeting(message []byte) {
	select {
	case <-c.greeted:
	default:
		_, _ = c.server.Write(answerTo(message)) // a server that has ended needs no answer
		c.release(sequenceOf(message))
	}
}

func (c *connection) release(greeting uint32) {
	c.once.Do(func() {
		c.greeting = greeting
		close(c.greeted)
	})
}

// awaitGreeting returns when the server can do without the client.
func (c *connection) awaitGreeting() {
	const timeout = 10 * time.Second
	if !c.bound {
		return
	}
	select {
	case <-c.greeted:
	case <-time.After(timeout):
		c.release(0)
	}
}

func commandOf(message []byte) uint32  { return binary.BigEndian.Uint32(message[4:]) }
func statusOf(message []byte) uint32   { return binary.BigEndian.Uint32(message[8:]) }
func sequenceOf(message []byte) uint32 { return binary.BigEndian.Uint32(message[12:]) }
