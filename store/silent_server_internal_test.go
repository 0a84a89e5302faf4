package store

import (
	"net"
	"testing"

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
	conn, err := dialServer(0)(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]struct{ option, want int }{
		"acknowledgement, in ms":    {unix.TCP_USER_TIMEOUT, 20_000},
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
