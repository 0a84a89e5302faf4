package smppserver_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"referral/test/smppserver"
)

const (
	patience = 30 * time.Second
	response = 0x80000000
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setting is what testenv put into the environment.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatal(name + " is not set: run the tests with test/testenv (make test does)")
	}
	return value
}

// client says by hand what a real one would.
type client struct {
	t    *testing.T
	conn net.Conn
	next uint32
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	return speak(t, conn)
}

func speak(t *testing.T, conn net.Conn) *client {
	t.Helper()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { _ = conn.Close() }) // it may have been cut
	return &client{t: t, conn: conn}
}

func (c *client) send(command uint32, body ...[]byte) {
	c.t.Helper()
	c.next++
	whole := bytes.Join(body, nil)
	pdu := binary.BigEndian.AppendUint32(nil, uint32(16+len(whole)))
	pdu = binary.BigEndian.AppendUint32(pdu, command)
	pdu = binary.BigEndian.AppendUint32(pdu, 0)
	pdu = binary.BigEndian.AppendUint32(pdu, c.next)
	_, err := c.conn.Write(append(pdu, whole...))
	must(c.t, err)
}

// receive returns the next of the server's messages with that command id.
func (c *client) receive(command uint32) (status uint32, body []byte) {
	c.t.Helper()
	for {
		head := make([]byte, 16)
		_, err := io.ReadFull(c.conn, head)
		must(c.t, err)
		body := make([]byte, binary.BigEndian.Uint32(head)-16)
		_, err = io.ReadFull(c.conn, body)
		must(c.t, err)
		if binary.BigEndian.Uint32(head[4:]) == command {
			return binary.BigEndian.Uint32(head[8:]), body
		}
	}
}

func text(s string) []byte { return append([]byte(s), 0) }

func (c *client) bind(user, password string) uint32 {
	c.t.Helper()
	c.send(smppserver.BindTransceiver, text(user), text(password), text(""), []byte{0x34, 0, 0}, text(""))
	status, _ := c.receive(smppserver.BindTransceiver | response)
	if status == 0 {
		c.receive(smppserver.DeliverSM) // the server's greeting, which it sends once
		c.next = 0                      // sequence 1: the server's first request
		c.send(smppserver.DeliverSM|response, []byte{0})
		c.next = 1
	}
	return status
}

func (c *client) submit(class byte, payload []byte) {
	c.t.Helper()
	c.send(smppserver.SubmitSM, text(""), []byte{5, 0}, text("t2 ATS"), []byte{1, 1}, text("79161234567"),
		[]byte{class, 0, 0}, text(""), text(""), []byte{1, 0, 8, 0, byte(len(payload))}, payload)
	if status, _ := c.receive(smppserver.SubmitSM | response); status != 0 {
		c.t.Fatalf("submit_sm is answered with status %d", status)
	}
}

func ucs2(s string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		out = binary.BigEndian.AppendUint16(out, unit)
	}
	return out
}

func record(t *testing.T) *smppserver.Recorder {
	t.Helper()
	r, err := smppserver.NewRecorder(setting(t, "REFERRAL_TEST_SMPP"))
	must(t, err)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestRecorderReadsWhatTheServerAccepts(t *testing.T) {
	r := record(t)
	c := dial(t, r.Addr())
	if status := c.bind(setting(t, "REFERRAL_TEST_SMPP_USER"), setting(t, "REFERRAL_TEST_SMPP_PASSWORD")); status != 0 {
		t.Fatalf("bind is answered with status %d", status)
	}
	const whole = "Код — «K7M2XQ»"
	c.submit(0, ucs2(whole))
	// The parts may come in any order.
	c.submit(0x40, append([]byte{5, 0, 3, 77, 2, 2}, ucs2("клиент 😀")...))
	c.submit(0x40, append([]byte{5, 0, 3, 77, 2, 1}, ucs2("Дорогой ")...))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := r.Wait(ctx, 2)
	must(t, err)
	want := []smppserver.Message{
		{From: "t2 ATS", To: "79161234567", Text: whole, Parts: 1},
		{From: "t2 ATS", To: "79161234567", Text: "Дорогой клиент 😀", Parts: 2},
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("recorded %+v, want %+v", got, want)
	}
	if _, receipt := c.receive(smppserver.DeliverSM); !bytes.Contains(receipt, []byte("stat:DELIVRD")) {
		t.Errorf("the receipt is %q", receipt)
	}
}

func TestServerRefusesAWrongPassword(t *testing.T) {
	const wrongPassword = 0x0E
	if status := dial(t, record(t).Addr()).bind(setting(t, "REFERRAL_TEST_SMPP_USER"), "wrong"); status != wrongPassword {
		t.Errorf("bind is answered with status %#x", status)
	}
}

// Clients that break off at any point, as those of killed processes do, leave the
// server as it was for the others.
func TestServerOutlivesClientsThatLeave(t *testing.T) {
	r := record(t)
	user, password := setting(t, "REFERRAL_TEST_SMPP_USER"), setting(t, "REFERRAL_TEST_SMPP_PASSWORD")
	ask := func(c *client) {
		c.send(smppserver.BindTransceiver, text(user), text(password), text(""), []byte{0x34, 0, 0}, text(""))
	}
	for range 5 {
		for _, say := range []func(*client){
			func(*client) {},
			ask,
			func(c *client) { ask(c); c.receive(smppserver.BindTransceiver | response) },
			func(c *client) { ask(c); c.receive(smppserver.DeliverSM) },
			func(c *client) { ask(c); c.send(smppserver.Unbind) },
			func(c *client) { c.bind(user, password) },
		} {
			c := dial(t, r.Addr())
			say(c)
			must(t, c.conn.Close())
		}
	}
	c := dial(t, r.Addr())
	if status := c.bind(user, password); status != 0 {
		t.Fatalf("bind is answered with status %d", status)
	}
	c.submit(0, ucs2("Код"))
}

func TestCutEndsTheConnection(t *testing.T) {
	r := record(t)
	c := dial(t, r.Addr())
	if status := c.bind(setting(t, "REFERRAL_TEST_SMPP_USER"), setting(t, "REFERRAL_TEST_SMPP_PASSWORD")); status != 0 {
		t.Fatalf("bind is answered with status %d", status)
	}
	r.Cut()
	if _, err := io.ReadAll(c.conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection does not end: %v", err)
	}
}

func TestUnreadableMessagesAreErrors(t *testing.T) {
	// A real server would wait for the rest of this client's life.
	server, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	for name, sent := range map[string][]byte{
		"a body that ends too early": {0, 0, 0, 20, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 'x', 'x', 'x'},
		"an impossible length":       {0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		r, err := smppserver.NewRecorder(server.Addr().String())
		must(t, err)
		c := dial(t, r.Addr())
		_, err = c.conn.Write(sent)
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if _, err := r.Wait(ctx, 1); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: waiting for it ends with %v", name, err)
		}
		cancel()
		if err := r.Close(); err == nil {
			t.Errorf("%s passes for nothing wrong", name)
		}
	}
}
