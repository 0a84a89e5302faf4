package smpp

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/prometheus/client_golang/prometheus"

	"referral/internal/recovering"
	"referral/models"
)

// peer is a fake SMSC that answers as a test wants.
type peer struct {
	t        testing.TB
	listener net.Listener
	// answer is what is said to a request other than bind; nil for nothing. n
	// counts the requests of its kind, from 1.
	answer func(l *line, p *pdu, n int) []*pdu
	bind   status

	mutex  sync.Mutex
	counts map[command]int
	parts  []received
	lines  []*line
	group  sync.WaitGroup
}

// line is one connection of a peer.
type line struct {
	net.Conn
	write sync.Mutex
}

func (l *line) say(pdus ...*pdu) {
	l.write.Lock()
	defer l.write.Unlock()
	for _, p := range pdus {
		_, _ = l.Write(p.bytes()) // a client that has gone is what the test wants
	}
}

// received is one SMS.
type received struct {
	source, to Address
	class      byte
	coding     byte
	header     []byte
	text       string
}

func newPeer(t testing.TB, answer func(l *line, p *pdu, n int) []*pdu) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newPeerOn(t, listener, answer)
}

func newPeerOn(t testing.TB, listener net.Listener, answer func(l *line, p *pdu, n int) []*pdu) *peer {
	t.Helper()
	p := &peer{t: t, listener: listener, answer: answer, counts: map[command]int{}}
	p.group.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		p.group.Wait()
	})
	return p
}

func (p *peer) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		l := &line{Conn: conn}
		p.mutex.Lock()
		p.lines = append(p.lines, l)
		p.mutex.Unlock()
		p.group.Go(func() { p.serve(l) })
	}
}

// cut breaks all connections.
func (p *peer) cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, l := range p.lines {
		_ = l.Close()
	}
	p.lines = nil
}

func (p *peer) serve(l *line) {
	for {
		request, err := readPDU(l)
		if err != nil {
			return
		}
		p.mutex.Lock()
		p.counts[request.command]++
		n := p.counts[request.command]
		if request.command == submitSM {
			p.parts = append(p.parts, readSubmit(p.t, request.body))
		}
		p.mutex.Unlock()
		if request.command == bindTransceiver {
			l.say(&pdu{command: bindTransceiver | answer, status: p.bind, sequence: request.sequence, body: []byte("peer\x00")})
			continue
		}
		l.say(p.answer(l, request, n)...)
	}
}

func (p *peer) count(c command) int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.counts[c]
}

func (p *peer) got() []received {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.parts
}

// ok accepts every request.
func ok(_ *line, p *pdu, n int) []*pdu {
	if p.command&answer != 0 {
		return nil
	}
	reply := &pdu{command: p.command | answer, sequence: p.sequence}
	if p.command == submitSM {
		reply.body = []byte{'m', '0' + byte(n), 0}
	}
	return []*pdu{reply}
}

// saying answers submit_sm with these statuses in order, and then with OK.
func saying(statuses ...status) func(*line, *pdu, int) []*pdu {
	return func(l *line, p *pdu, n int) []*pdu {
		if p.command == submitSM && n <= len(statuses) && statuses[n-1] != statusOK {
			return []*pdu{{command: p.command | answer, status: statuses[n-1], sequence: p.sequence}}
		}
		return ok(l, p, n)
	}
}

func readSubmit(t testing.TB, body []byte) received {
	f := &fields{rest: body}
	var r received
	f.text(6)
	for _, a := range []*Address{&r.source, &r.to} {
		a.TON, a.NPI = f.byte(), f.byte()
		a.Text = f.text(addressSize)
	}
	r.class = f.byte()
	f.take(2)
	f.text(17)
	if v := f.text(17); v != validity {
		t.Errorf("the validity is %q", v)
	}
	if b := f.byte(); b != wantReceipt {
		t.Errorf("registered_delivery is %d", b)
	}
	f.take(1)
	r.coding = f.byte()
	f.take(1)
	content := f.take(int(f.byte()))
	if f.err != nil || len(f.rest) > 0 || len(content) > 140 && r.coding == codingUCS2 {
		t.Errorf("a submit_sm with %d bytes left and a text of %d: %v", len(f.rest), len(content), f.err)
	}
	if r.class&esmClassHeader != 0 {
		r.header, content = content[:6], content[6:]
	}
	r.text = decode(r.coding, content)
	return r
}

func decode(coding byte, content []byte) string {
	if coding != codingUCS2 {
		return string(content)
	}
	var units []uint16
	for ; len(content) > 1; content = content[2:] {
		units = append(units, binary.BigEndian.Uint16(content))
	}
	return string(utf16.Decode(units))
}

// receipts collects the receipts of a client.
type receipts struct {
	panics bool // the next time
	mutex  sync.Mutex
	list   []models.Receipt
	came   chan models.Receipt
	err    error
}

func newReceipts() *receipts { return &receipts{came: make(chan models.Receipt, 100)} }

func (r *receipts) take(_ context.Context, receipt models.Receipt) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.panics {
		r.panics = false
		panic("index out of range")
	}
	if r.err != nil {
		err := r.err
		r.err = nil
		return err
	}
	r.list = append(r.list, receipt)
	r.came <- receipt
	return nil
}

const eventually = 20 * time.Second

func (r *receipts) wait(t testing.TB) models.Receipt {
	t.Helper()
	select {
	case got := <-r.came:
		return got
	case <-time.After(eventually):
		t.Fatal("no receipt came")
		return models.Receipt{}
	}
}

func options(address string) Options {
	guard, err := recovering.NewPrivate(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), "smpp")
	if err != nil {
		panic(err)
	}
	return Options{
		Guard:   guard,
		Address: address, SystemID: "referral", Password: "secret77", Source: Address{TON: 5, Text: "t2 ATS"}, Log: slog.New(slog.DiscardHandler),
		RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond, Throttle: time.Millisecond,
	}
}

// client returns a client that is bound to the peer.
func client(t testing.TB, o Options, r *receipts) *Client {
	t.Helper()
	c := running(t, o, r)
	until(t, "it is bound", func() bool { return c.Ready() == nil })
	return c
}

func running(t testing.TB, o Options, r *receipts) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx, r.take); err != nil {
			t.Errorf("Run ends with %v", err)
		}
	}()
	t.Cleanup(func() {
		stop()
		select {
		case <-done:
		case <-time.After(eventually):
			t.Error("Run does not end")
		}
	})
	return c
}

// until waits for something to become true.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(eventually); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to that: %s", what)
		}
	}
}
