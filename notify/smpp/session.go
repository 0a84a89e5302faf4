package smpp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"referral/internal/sleep"
)

// session is one connection, bound or about to be.
type session struct {
	options *Options
	conn    net.Conn
	deliver func(*pdu) status // handles a deliver_sm

	ctx context.Context         // done when the session has ended; the cause says why
	end context.CancelCauseFunc // closes the connection; the first cause stays

	sequence   atomic.Uint32
	began      time.Time
	lastRead   atomic.Int64 // nanoseconds since began: the wall clock may be set
	deliveries chan *pdu    // deliver_sm that wait for deliver

	writing sync.Mutex

	mutex   sync.Mutex
	pending map[uint32]chan *pdu // requests without an answer, by sequence number
}

// maxDeliveries is how many receipts may wait in memory. Beyond it the SMSC is told to
// send them later.
const maxDeliveries = 64

func newSession(ctx context.Context, o *Options, conn net.Conn, deliver func(*pdu) status) *session {
	s := &session{
		options: o, conn: conn, deliver: deliver, deliveries: make(chan *pdu, maxDeliveries), pending: map[uint32]chan *pdu{}, began: time.Now(),
	}
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	return s
}

// guarded does work of the session; a panic ends the session only.
func (s *session) guarded(work func()) {
	if err := s.options.Guard.Do(func() error { work(); return nil }); err != nil {
		s.end(err)
	}
}

// read handles what the SMSC sends until the connection ends.
func (s *session) read() {
	for {
		p, err := readPDU(s.conn)
		if err != nil {
			s.end(fmt.Errorf("the connection ended: %w", err))
			return
		}
		s.lastRead.Store(int64(time.Since(s.began)))
		s.handle(p)
	}
}

func (s *session) handle(p *pdu) {
	switch {
	case p.command&answer != 0: // generic_nack too
		s.handleAnswer(p)
	case p.command == enquireLink:
		s.reply(p, statusOK, nil)
	case p.command == deliverSM:
		select {
		case s.deliveries <- p:
		default:
			s.reply(p, statusQueueFull, []byte{0})
		}
	case p.command == unbind:
		s.reply(p, statusOK, nil)
		s.end(errors.New("the SMSC has ended the session"))
	default:
		s.send(&pdu{command: genericNack, status: statusBadCommand, sequence: p.sequence})
	}
}

// handleAnswer passes an answer to its request. One that comes too late is dropped.
func (s *session) handleAnswer(p *pdu) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if request, ok := s.pending[p.sequence]; ok {
		delete(s.pending, p.sequence)
		request <- p
	}
}

// handleDeliveries handles deliveries one by one, apart from read, which a slow
// database must not delay.
func (s *session) handleDeliveries() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case p := <-s.deliveries:
			s.reply(p, s.deliver(p), []byte{0})
		}
	}
}

func (s *session) reply(to *pdu, st status, body []byte) {
	s.send(&pdu{command: to.command | answer, status: st, sequence: to.sequence, body: body})
}

// send writes a PDU. A failure ends the session, because the SMSC may have got a part
// of the PDU.
func (s *session) send(p *pdu) {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.conn.SetWriteDeadline(time.Now().Add(s.options.Timeout))
	if err == nil {
		_, err = s.conn.Write(p.bytes())
	}
	if err != nil {
		s.end(fmt.Errorf("writing: %w", err))
	}
}

var errNoAnswer = errors.New("the SMSC did not answer in time")

// request sends a request and waits for its answer. After an error it is unknown
// whether the SMSC has received the request.
func (s *session) request(ctx context.Context, c command, body []byte) (*pdu, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Timeout, errNoAnswer)
	defer cancel()
	p := &pdu{command: c, sequence: s.nextSequence(), body: body}
	reply := make(chan *pdu, 1)
	s.mutex.Lock()
	s.pending[p.sequence] = reply
	s.mutex.Unlock()
	defer func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		delete(s.pending, p.sequence)
	}()
	s.send(p)
	select {
	case got := <-reply:
		return got, nil
	case <-s.ctx.Done():
		select { // the answer may have come with the end
		case got := <-reply:
			return got, nil
		default:
			return nil, context.Cause(s.ctx)
		}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// nextSequence returns a sequence number; SMPP allows 1 to 0x7FFFFFFF.
func (s *session) nextSequence() uint32 { return (s.sequence.Add(1)-1)%0x7FFFFFFF + 1 }

// keepAlive sends enquire_link to an SMSC that is silent, and ends the session when it
// does not answer.
func (s *session) keepAlive() {
	for s.ctx.Err() == nil {
		silence := time.Since(s.began) - time.Duration(s.lastRead.Load())
		if silence < s.options.Enquire {
			sleep.For(s.ctx, s.options.Enquire-silence)
			continue
		}
		if _, err := s.request(s.ctx, enquireLink, nil); err != nil {
			s.end(fmt.Errorf("enquiring the link: %w", err))
		}
	}
}
