package store

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A machine that is gone is noticed by the system. Only a network that loses packets could
// show it at work; what is asked of the system is checked.
func TestGoneMachineIsNoticed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	conn, err := dialServer(time.Minute)(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	raw, err := conn.(*questioned).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]struct{ option, want int }{
		"idle before a probe, in s": {unix.TCP_KEEPIDLE, 5},
		"between probes, in s":      {unix.TCP_KEEPINTVL, 5},
		"probes without an answer":  {unix.TCP_KEEPCNT, 3},
	} {
		var got int
		if controlErr := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, o.option) }); controlErr != nil || err != nil || got != o.want {
			t.Errorf("%s: %d, want %d; %v %v", name, got, o.want, controlErr, err)
		}
	}
}

// What takes its time is waited for as long as the server answers to the question, and as
// long as the driver wants to.
func TestServerMayWorkForLong(t *testing.T) {
	t.Parallel()
	away := errors.New("no route to host")
	for name, c := range map[string]struct {
		answers int // to the question, before it is silent or has done the work
		then    func(server net.Conn, driver *questioned) error
		want    string // what is said; empty for the answer
	}{
		"an answer without a question": {0, func(server net.Conn, _ *questioned) error { _, err := server.Write([]byte("done")); return err }, ""},
		"an answer after three":        {3, func(server net.Conn, _ *questioned) error { _, err := server.Write([]byte("done")); return err }, ""},
		"silence after two":            {2, nil, "no route to host"},
		"the driver gives up":          {2, func(_ net.Conn, driver *questioned) error { return driver.SetDeadline(time.Unix(1, 0)) }, "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := net.Pipe()
			t.Cleanup(func() { _, _ = client.Close(), server.Close() })
			var asked int
			q := &questioned{Conn: client, silence: 10 * time.Millisecond}
			do := make(chan error, 1)
			then := func() { go func() { do <- c.then(server, q) }() }
			q.ask = func() error {
				switch asked++; {
				case asked < c.answers:
				case c.then == nil:
					return away
				case asked == c.answers:
					then()
				}
				return nil
			}
			if c.answers == 0 {
				then()
			}
			b := make([]byte, 4)
			_, err := q.Read(b)
			switch {
			case c.want == "" && (err != nil || string(b) != "done"):
				t.Errorf("%q, %v", b, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
			var timeout net.Error
			if c.then == nil && errors.As(err, &timeout) && timeout.Timeout() {
				t.Error("the driver would use the connection again")
			}
			if c.then != nil {
				if err := <-do; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
