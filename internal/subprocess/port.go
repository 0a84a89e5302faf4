package subprocess

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// given is the ports that FreePort has named in this process: nothing need listen on
// one yet when the next is asked for.
var given sync.Map

// FreePort finds a TCP port on 127.0.0.1 that nothing listens on, another one at
// each call. It stays below the range from which the kernel serves outgoing
// connections, so that a server restarted on the same port does not find it taken
// by a client.
func FreePort() (int, error) {
	const lowest, highest, tries = 10000, 30000, 200
	for range tries {
		port := lowest + rand.IntN(highest-lowest)
		if _, named := given.LoadOrStore(port, true); named {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("release port %d: %w", port, err)
		}
		return port, nil
	}
	return 0, fmt.Errorf("find a free port on 127.0.0.1: %d tries between %d and %d failed", tries, lowest, highest)
}

// FreeAddress is 127.0.0.1 with a free port.
func FreeAddress() (string, error) {
	port, err := FreePort()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}
