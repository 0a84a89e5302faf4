package smpp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// session is one connection, bound or about to be.
type session struct {
	options *Options
	conn    net.Conn
	deliver func(*pdu) status // what is said of a deliver_sm

	sequence atomic.Uint32
	began    time.Time
	heard    atomic.Int64 // when the peer was last heard of, nanoseconds since it began: the wall clock may be set
	pushed   chan *pdu    // deliver_sm that wait for their turn

	write sync.Mutex

	mutex   sync.Mutex
	waiting map[uint32]chan *pdu
	ended   chan struct{} // closed at the end
	why     error         // set before
}

// pushedMost is how many receipts may wait. Beyond it the peer is told to come
// again, so that a slow database is not paid for with memory.
const pushedMost = 64

func newSession(o *Options, conn net.Conn, deliver func(*pdu) status) *session {
	s := &session{
		options: o, conn: conn, deliver: deliver, pushed: make(chan *pdu, pushedMost),
		waiting: map[uint32]chan *pdu{}, ended: make(chan struct{}), began: time.Now(),
	}
	return s
}

// end closes the connection; the first reason stays.
func (s *session) end(why error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	select {
	case <-s.ended:
	default:
		s.why = why
		close(s.ended)
		_ = s.conn.Close() // whatever it says, it is over
	}
}

// guarded does work of the session, which a panic ends like any other fault of it.
func (s *session) guarded(work func()) {
	err := s.options.Guard.Do(func() error { work(); return nil })
	if err != nil {
		s.end(err)
	}
}

// over is why the session has ended, nil while it has not.
func (s *session) over() error {
	select {
	case <-s.ended:
		return s.why
	default:
		return nil
	}
}

// read takes what the peer sends until the connection ends.
func (s *session) read() {
	for {
		p, err := readPDU(s.conn)
		if err != nil {
			s.end(fmt.Errorf("the connection ended: %w", err))
			return
		}
		s.heard.Store(int64(time.Since(s.began)))
		s.take(p)
	}
}

func (s *session) take(p *pdu) {
	switch {
	case p.command&answer != 0: // generic_nack too
		s.answered(p)
	case p.command == enquireLink:
		s.reply(p, statusOK, nil)
	case p.command == deliverSM:
		select {
		case s.pushed <- p:
		default:
			s.reply(p, statusQueueFull, []byte{0})
		}
	case p.command == unbind:
		s.reply(p, statusOK, nil)
		s.end(errors.New("the peer has ended the session"))
	default:
		s.send(&pdu{command: genericNack, status: statusBadCommand, sequence: p.sequence})
	}
}

// answered hands an answer to its waiter; one that comes too late is
// nobody's.
func (s *session) answered(p *pdu) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if c, ok := s.waiting[p.sequence]; ok {
		delete(s.waiting, p.sequence)
		c <- p
	}
}

// push deals with what the peer delivers, one after the other: away from the
// reading, which a slow database must not hold up.
func (s *session) push() {
	for {
		select {
		case <-s.ended:
			return
		case p := <-s.pushed:
			s.reply(p, s.deliver(p), []byte{0})
		}
	}
}

func (s *session) reply(to *pdu, st status, body []byte) {
	s.send(&pdu{command: to.command | answer, status: st, sequence: to.sequence, body: body})
}

// send writes a PDU. When that fails the session is over, for nobody knows how
// much of it the peer has.
func (s *session) send(p *pdu) {
	s.write.Lock()
	defer s.write.Unlock()
	err := s.conn.SetWriteDeadline(time.Now().Add(s.options.Timeout))
	if err == nil {
		_, err = s.conn.Write(p.bytes())
	}
	if err != nil {
		s.end(fmt.Errorf("writing: %w", err))
	}
}

var errNoAnswer = errors.New("the peer did not answer in time")

// ask sends a request and waits for its answer. An error says nothing about
// whether the peer has taken it.
func (s *session) ask(ctx context.Context, c command, body []byte) (*pdu, error) {
	p := &pdu{command: c, sequence: s.next(), body: body}
	reply := make(chan *pdu, 1)
	s.mutex.Lock()
	s.waiting[p.sequence] = reply
	s.mutex.Unlock()
	defer func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		delete(s.waiting, p.sequence)
	}()
	s.send(p)
	timer := time.NewTimer(s.options.Timeout)
	defer timer.Stop()
	select {
	case got := <-reply:
		return got, nil
	case <-s.ended:
		select { // the answer may have come with the end
		case got := <-reply:
			return got, nil
		default:
			return nil, s.why
		}
	case <-timer.C:
		return nil, errNoAnswer
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// next is a sequence number; SMPP allows 1 to 0x7FFFFFFF.
func (s *session) next() uint32 { return (s.sequence.Add(1)-1)%0x7FFFFFFF + 1 }

// keepAlive asks a peer that is silent whether it is there, and ends the session
// when it is not.
func (s *session) keepAlive(ctx context.Context) {
	for ctx.Err() == nil && s.over() == nil {
		quiet := time.Since(s.began) - time.Duration(s.heard.Load())
		if quiet < s.options.Enquire {
			s.pause(ctx, s.options.Enquire-quiet)
			continue
		}
		if _, err := s.ask(ctx, enquireLink, nil); err != nil && ctx.Err() == nil {
			s.end(fmt.Errorf("asking whether the peer is there: %w", err))
		}
	}
}

func (s *session) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ended:
	case <-ctx.Done():
	}
}
