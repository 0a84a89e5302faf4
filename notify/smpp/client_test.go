package smpp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"referral/models"
)

const russian = "Приглашение в t2 АТС: скидка 20% на 3 мес. Код K7M2XQ9PR введите в течение месяца после регистрации: " +
	"https://lk.example.ru/referral?code=K7M2XQ9PR Отказ: https://lk.example.ru/referral/opt-out/ABCDEFGHIJKLMNOPQRSTUVWXYZ"

func message(text string) *models.InvitationMessage {
	return &models.InvitationMessage{ID: models.UUID{15: 77}, Channel: models.SMS, Recipient: "+79123456789", Text: text}
}

func send(t testing.TB, c *Client, text string) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually)
	defer cancel()
	return c.Send(ctx, message(text))
}

// is checks the kind of an error; nil stands for an unknown outcome.
func is(t *testing.T, ids []string, err, want error) {
	t.Helper()
	if err == nil || len(ids) != 0 {
		t.Fatalf("got %q, %v", ids, err)
	}
	for _, kind := range []error{models.ErrMessageRefused, models.ErrTransportBusy, models.ErrTransportUnreachable} {
		if errors.Is(err, kind) != errors.Is(kind, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if strings.Contains(err.Error(), "912") {
		t.Errorf("%v quotes the recipient", err)
	}
}

func TestShortMessage(t *testing.T) {
	p := newPeer(t, ok)
	c := client(t, options(p.listener.Addr().String()), newReceipts())
	if ids, err := send(t, c, "Code K7M2XQ9PR"); err != nil || !slices.Equal(ids, []string{"m1"}) {
		t.Fatalf("got %q, %v", ids, err)
	}
	want := received{source: Address{TON: 5, Text: "t2 ATS"}, to: Address{TON: 1, NPI: 1, Text: "79123456789"}, text: "Code K7M2XQ9PR"}
	if got := p.got(); len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLongRussianMessage(t *testing.T) {
	p := newPeer(t, ok)
	c := client(t, options(p.listener.Addr().String()), newReceipts())
	ids, err := send(t, c, russian)
	if err != nil || len(ids) != 4 {
		t.Fatalf("got %q, %v", ids, err)
	}
	var whole strings.Builder
	for i, part := range p.got() {
		whole.WriteString(part.text)
		if want := []byte{5, 0, 3, 77, 4, byte(i + 1)}; part.class != esmClassHeader || part.coding != codingUCS2 || !bytes.Equal(part.header, want) {
			t.Errorf("part %d: %+v", i+1, part)
		}
	}
	if whole.String() != russian {
		t.Errorf("got %q", whole.String())
	}
}

// A throttled message is sent again, and no part twice.
func TestThrottling(t *testing.T) {
	p := newPeer(t, saying(statusThrottled, statusQueueFull))
	c := client(t, options(p.listener.Addr().String()), newReceipts())
	if ids, err := send(t, c, "x"); err != nil || len(ids) != 1 {
		t.Errorf("got %q, %v", ids, err)
	}
	p = newPeer(t, saying(statusThrottled, statusThrottled, statusThrottled, statusThrottled))
	c = client(t, options(p.listener.Addr().String()), newReceipts())
	ids, err := send(t, c, "x")
	is(t, ids, err, models.ErrTransportBusy)
	if n := p.count(submitSM); n != maxFirstTries {
		t.Errorf("it was tried %d times", n)
	}
	// A part in the middle is waited for as long as it takes.
	p = newPeer(t, saying(statusOK, statusThrottled, statusThrottled, statusThrottled, statusThrottled, statusThrottled))
	c = client(t, options(p.listener.Addr().String()), newReceipts())
	if ids, err := send(t, c, russian); err != nil || len(ids) != 4 || p.count(submitSM) != 9 {
		t.Errorf("got %q, %v after %d", ids, err, p.count(submitSM))
	}
}

func TestStatuses(t *testing.T) {
	for st, want := range map[status]error{
		0x0B:              models.ErrMessageRefused, // no such destination
		0x01:              models.ErrMessageRefused,
		0x45:              models.ErrMessageRefused,
		0x400:             models.ErrMessageRefused, // the vendor's own
		statusSystemError: models.ErrTransportBusy,
		statusTemporary:   models.ErrTransportBusy,
		statusUnknown:     models.ErrTransportBusy,
		statusBadSource:   models.ErrTransportBusy,
		statusBadBind:     models.ErrTransportUnreachable,
	} {
		p := newPeer(t, saying(st, st, st, st))
		c := client(t, options(p.listener.Addr().String()), newReceipts())
		ids, err := send(t, c, "x")
		is(t, ids, err, want)
	}
}

// Parts that were sent are never sent again.
func TestPartOfAMessage(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		p := newPeer(t, saying(statusOK, statusOK, 0x0B))
		ids, err := send(t, client(t, options(p.listener.Addr().String()), newReceipts()), russian)
		is(t, ids, err, models.ErrMessageRefused)
		if n := p.count(submitSM); n != 3 {
			t.Errorf("%d parts were sent", n)
		}
	})
	t.Run("put off for too long", func(t *testing.T) {
		p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
			if p.command == submitSM && n > 1 {
				return []*pdu{{command: p.command | answer, status: statusThrottled, sequence: p.sequence}}
			}
			return ok(l, p, n)
		})
		o := options(p.listener.Addr().String())
		o.Throttle = time.Hour // the end finds it waiting, and not asking
		c := client(t, o, newReceipts())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var ids []string
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			ids, err = c.Send(ctx, message(russian))
		}()
		until(t, "it waits", func() bool {
			c.mutex.Lock()
			defer c.mutex.Unlock()
			return !c.throttled.IsZero()
		})
		cancel()
		<-done
		is(t, ids, err, models.ErrMessageRefused)
		if first := p.got()[0]; slices.ContainsFunc(p.got()[1:], func(r received) bool { return r.header[5] == first.header[5] }) {
			t.Error("the first part was sent twice")
		}
	})
	t.Run("no answer", func(t *testing.T) {
		p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
			if p.command == submitSM && n == 2 {
				return nil
			}
			return ok(l, p, n)
		})
		o := options(p.listener.Addr().String())
		o.Timeout = 200 * time.Millisecond
		ids, err := send(t, client(t, o, newReceipts()), russian)
		is(t, ids, err, nil)
	})
	t.Run("the connection breaks between parts", func(t *testing.T) {
		var once sync.Once
		p := newPeer(t, nil)
		p.answer = func(l *line, p *pdu, n int) []*pdu {
			if p.command == submitSM && n == 2 {
				once.Do(func() { _ = l.Close() })
				return nil
			}
			return ok(l, p, n)
		}
		ids, err := send(t, client(t, options(p.listener.Addr().String()), newReceipts()), russian)
		is(t, ids, err, nil) // nobody knows of part 2
		if n := p.count(submitSM); n != 2 {
			t.Errorf("%d parts were sent", n)
		}
	})
}

// The outcome of a message without an answer is unknown.
func TestNoAnswer(t *testing.T) {
	for name, answer := range map[string]func(l *line, p *pdu, n int) []*pdu{
		"silence":               func(*line, *pdu, int) []*pdu { return nil },
		"the connection breaks": func(l *line, _ *pdu, _ int) []*pdu { _ = l.Close(); return nil },
		"garbage": func(l *line, _ *pdu, _ int) []*pdu {
			_, _ = l.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			return nil
		},
		"a giant": func(l *line, _ *pdu, _ int) []*pdu {
			_, _ = l.Write(binary.BigEndian.AppendUint32(nil, 0x7FFFFFFF))
			return nil
		},
		"a dwarf": func(l *line, _ *pdu, _ int) []*pdu {
			_, _ = l.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
			return nil
		},
		"half a header": func(l *line, _ *pdu, _ int) []*pdu { _, _ = l.Write([]byte{0, 0, 0}); return nil },
		"another one's answer": func(_ *line, p *pdu, _ int) []*pdu {
			return []*pdu{{command: submitSM | answer, sequence: p.sequence + 5, body: []byte("x\x00")}}
		},
		"an answer to something else": func(_ *line, p *pdu, _ int) []*pdu {
			return []*pdu{{command: enquireLink | answer, sequence: p.sequence}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
				if p.command == submitSM {
					return answer(l, p, n)
				}
				return ok(l, p, n)
			})
			o := options(p.listener.Addr().String())
			o.Timeout = 200 * time.Millisecond
			ids, err := send(t, client(t, o, newReceipts()), "x")
			is(t, ids, err, nil)
			if n := p.count(submitSM); n != 1 {
				t.Errorf("it was sent %d times", n)
			}
		})
	}
}

func TestGenericNack(t *testing.T) {
	p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
		if p.command == submitSM {
			return []*pdu{{command: genericNack, status: statusBadCommand, sequence: p.sequence}}
		}
		return ok(l, p, n)
	})
	ids, err := send(t, client(t, options(p.listener.Addr().String()), newReceipts()), "x")
	is(t, ids, err, models.ErrMessageRefused)
}

func TestAcceptedWithoutAnID(t *testing.T) {
	p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
		if p.command == submitSM {
			return []*pdu{{command: p.command | answer, sequence: p.sequence, body: []byte("endless")}}
		}
		return ok(l, p, n)
	})
	if ids, err := send(t, client(t, options(p.listener.Addr().String()), newReceipts()), "x"); err != nil || len(ids) != 0 {
		t.Errorf("got %q, %v", ids, err)
	}
}

// No password is sent to a server with an untrusted certificate.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(nil) // has a certificate for 127.0.0.1
	server.StartTLS()
	defer server.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	p := newPeerOn(t, listener, ok)
	o := options(listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if ids, err := send(t, client(t, o, newReceipts()), "x"); err != nil || len(ids) != 1 {
		t.Errorf("got %q, %v", ids, err)
	}
	binds := p.count(bindTransceiver)
	for says, security := range map[string]*tls.Config{
		"unknown authority": {MinVersion: tls.VersionTLS12},
		"not smsc.example":  {MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "smsc.example"},
		"has expired":       {MinVersion: tls.VersionTLS12, RootCAs: roots, Time: func() time.Time { return server.Certificate().NotAfter.Add(time.Hour) }},
	} {
		o.TLS = security
		c := running(t, o, newReceipts())
		until(t, "it says "+says, func() bool { return strings.Contains(c.Ready().Error(), says) })
	}
	if p.count(bindTransceiver) != binds {
		t.Error("a password was sent to an untrusted server")
	}
	// An authority that is replaced is used by the next connection.
	o.TLS, o.Renew = nil, func(o *Options) { o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12} }
	if ids, err := send(t, client(t, o, newReceipts()), "x"); err != nil || len(ids) != 1 {
		t.Errorf("got %q, %v", ids, err)
	}
}

func TestUnreachable(t *testing.T) {
	c, err := New(options("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := c.Send(t.Context(), message("x"))
	is(t, ids, err, models.ErrTransportUnreachable)
	c = running(t, options("127.0.0.1:1"), newReceipts())
	until(t, "it says why", func() bool { return strings.Contains(c.Ready().Error(), "refused") })
}

func TestBindRefused(t *testing.T) {
	p := newPeer(t, ok)
	p.bind = statusBindFailed
	c := running(t, options(p.listener.Addr().String()), newReceipts())
	until(t, "it tries again", func() bool { return p.count(bindTransceiver) > 2 })
	if err := c.Ready(); !errors.Is(err, models.ErrTransportUnreachable) || !strings.Contains(err.Error(), "0xd") || strings.Contains(err.Error(), "secret77") {
		t.Errorf("Ready says %v", err)
	}
}

// A lost connection is replaced, whichever side has ended it.
func TestReconnecting(t *testing.T) {
	p := newPeer(t, ok)
	c := client(t, options(p.listener.Addr().String()), newReceipts())
	for round := range 3 {
		if round == 2 {
			p.mutex.Lock()
			l := p.lines[0]
			p.mutex.Unlock()
			l.say(&pdu{command: unbind, sequence: 1})
		} else {
			p.cut()
		}
		until(t, "it is bound again", func() bool { return p.count(bindTransceiver) == round+2 && c.Ready() == nil })
		if _, err := send(t, c, "x"); err != nil {
			t.Error(err)
		}
	}
}

// A silent peer gets enquire_link; without an answer the client reconnects.
func TestSilentPeer(t *testing.T) {
	var mute sync.Map
	p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
		if _, on := mute.Load("on"); on {
			return nil
		}
		return ok(l, p, n)
	})
	o := options(p.listener.Addr().String())
	o.Enquire, o.Timeout = 20*time.Millisecond, 200*time.Millisecond
	client(t, o, newReceipts())
	until(t, "it asks now and then", func() bool { return p.count(enquireLink) > 3 })
	if n := p.count(bindTransceiver); n != 1 {
		t.Errorf("it was bound %d times to a peer that answers", n)
	}
	mute.Store("on", true)
	until(t, "it connects again", func() bool { return p.count(bindTransceiver) > 1 })
}

func TestRequestsOfThePeer(t *testing.T) {
	answers := make(chan *pdu, 10)
	p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
		if p.command&answer != 0 {
			answers <- p
		}
		return ok(l, p, n)
	})
	client(t, options(p.listener.Addr().String()), newReceipts())
	p.mutex.Lock()
	l := p.lines[0]
	p.mutex.Unlock()
	for _, c := range []struct{ ask, want pdu }{
		{pdu{command: enquireLink, sequence: 5}, pdu{command: enquireLink | answer, sequence: 5}},
		{pdu{command: 0x103, sequence: 6}, pdu{command: genericNack, status: statusBadCommand, sequence: 6}},
		{pdu{command: deliverSM, sequence: 7, body: []byte("x")}, pdu{command: deliverSM | answer, status: statusSystemError, sequence: 7}},
	} {
		l.say(&c.ask)
		select {
		case got := <-answers:
			if got.command != c.want.command || got.status != c.want.status || got.sequence != c.want.sequence {
				t.Errorf("to %#x: got %+v, want %+v", c.ask.command, got, c.want)
			}
		case <-time.After(eventually):
			t.Fatalf("no answer to %#x", c.ask.command)
		}
	}
}

func TestPanicEndsTheSessionOnly(t *testing.T) {
	p := newPeer(t, ok)
	r := newReceipts()
	r.panics = true
	c := client(t, options(p.listener.Addr().String()), r)
	p.mutex.Lock()
	l := p.lines[0]
	p.mutex.Unlock()
	const text = "id:m1 sub:001 dlvrd:001 submit date:2605011200 done date:2605011201 stat:DELIVRD err:000 text:"
	l.say(&pdu{command: deliverSM, sequence: 1, body: delivering(4, text)})
	until(t, "it connects again", func() bool { return p.count(bindTransceiver) > 1 && c.Ready() == nil })
	p.mutex.Lock()
	l = p.lines[1]
	p.mutex.Unlock()
	l.say(&pdu{command: deliverSM, sequence: 1, body: delivering(4, text)})
	if got := r.wait(t); got.TransportID != "m1" {
		t.Errorf("got %+v", got)
	}
}

// A receipt that could not be recorded is requested again.
func TestReceiptsArePassedOn(t *testing.T) {
	answers := make(chan status, 10)
	p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
		if p.command == deliverSM|answer {
			answers <- p.status
		}
		return ok(l, p, n)
	})
	r := newReceipts()
	r.err = errors.New("no database")
	client(t, options(p.listener.Addr().String()), r)
	p.mutex.Lock()
	l := p.lines[0]
	p.mutex.Unlock()
	push := func(class byte, text string) status {
		t.Helper()
		l.say(&pdu{command: deliverSM, sequence: 1, body: delivering(class, text)})
		select {
		case st := <-answers:
			return st
		case <-time.After(eventually):
			t.Fatal("no answer")
			return 0
		}
	}
	const text = "id:m1 sub:001 dlvrd:001 submit date:2605011200 done date:2605011201 stat:DELIVRD err:000 text:"
	if st := push(4, text); st != statusTemporary {
		t.Errorf("while the database is away the peer is told %#x", st)
	}
	if st := push(4, text); st != statusOK {
		t.Errorf("then it is told %#x", st)
	}
	if got := r.wait(t); got != (models.Receipt{Transport: Name, TransportID: "m1", State: models.InvitationDelivered}) {
		t.Errorf("got %+v", got)
	}
	for _, other := range []string{"id:m1 stat:ENROUTE", "id:m1 stat:ACCEPTD", "id:m1 stat:UNKNOWN", "stat:DELIVRD", "nonsense"} {
		if st := push(4, other); st != statusOK {
			t.Errorf("%s: %#x", other, st)
		}
	}
	if st := push(0, text); st != statusOK { // a message of somebody's, not a receipt
		t.Errorf("a message: %#x", st)
	}
	if len(r.list) != 1 {
		t.Errorf("handed on: %+v", r.list)
	}
}

// delivering is the body of a deliver_sm.
func delivering(class byte, text string, optional ...byte) []byte {
	b := appendText(nil, "")
	b = appendAddress(b, Address{TON: 1, NPI: 1, Text: "79123456789"})
	b = appendAddress(b, Address{TON: 5, Text: "t2 ATS"})
	b = append(b, class, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(text)))
	b = append(b, text...)
	return append(b, optional...)
}

func TestWindow(t *testing.T) {
	var mutex sync.Mutex
	now, most := 0, 0
	release := make(chan struct{})
	p := newPeer(t, func(l *line, p *pdu, n int) []*pdu {
		if p.command != submitSM {
			return ok(l, p, n)
		}
		mutex.Lock()
		now++
		most = max(most, now)
		mutex.Unlock()
		go func() {
			<-release
			mutex.Lock()
			now--
			mutex.Unlock()
			l.say(ok(l, p, 1)...)
		}()
		return nil
	})
	o := options(p.listener.Addr().String())
	o.Window = 3
	c := client(t, o, newReceipts())
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			if _, err := send(t, c, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "the window is full", func() bool { return p.count(submitSM) == 3 })
	close(release)
	group.Wait()
	if most != 3 {
		t.Errorf("%d were on their way at once", most)
	}
}

// The client unbinds at the end, and does not wait long for an answer.
func TestUnbind(t *testing.T) {
	for name, answer := range map[string]func(*line, *pdu, int) []*pdu{"it answers": ok, "it does not": func(*line, *pdu, int) []*pdu { return nil }} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, answer)
			c, err := New(options(p.listener.Addr().String()))
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- c.Run(ctx, newReceipts().take) }()
			until(t, "it is bound", func() bool { return c.Ready() == nil })
			stop()
			if err := <-done; err != nil || p.count(unbind) != 1 {
				t.Errorf("got %v, and %d unbinds", err, p.count(unbind))
			}
			ids, err := c.Send(t.Context(), message("x"))
			is(t, ids, err, models.ErrTransportUnreachable)
		})
	}
}

func TestInvalidMessages(t *testing.T) {
	p := newPeer(t, ok)
	c := client(t, options(p.listener.Addr().String()), newReceipts())
	for _, to := range []string{"", "79123456789", "+", "+7912345678901234567890", "+7912\x00345", "+7 912", "friend@example.com"} {
		m := message("x")
		m.Recipient = to
		ids, err := c.Send(t.Context(), m)
		is(t, ids, err, models.ErrMessageRefused)
	}
	ids, err := send(t, c, strings.Repeat("я", maxParts*partUCS2+1))
	is(t, ids, err, models.ErrMessageRefused)
	if len(p.got()) != 0 {
		t.Errorf("the peer got %+v", p.got())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no port":                func(o *Options) { o.Address = "smsc" },
		"no system id":           func(o *Options) { o.SystemID = "" },
		"a long system id":       func(o *Options) { o.SystemID = strings.Repeat("x", 16) },
		"a long password":        func(o *Options) { o.Password = strings.Repeat("x", 9) },
		"a long type":            func(o *Options) { o.SystemType = strings.Repeat("x", 13) },
		"no source":              func(o *Options) { o.Source.Text = "" },
		"a long name as source":  func(o *Options) { o.Source.Text = strings.Repeat("x", 12) },
		"a long number":          func(o *Options) { o.Source = Address{Text: strings.Repeat("1", 21)} },
		"ids of an unknown kind": func(o *Options) { o.IDs = "octal" },
		"no log":                 func(o *Options) { o.Log = nil },
	} {
		o := options("smsc:2775")
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
