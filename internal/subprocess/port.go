package subprocess

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// given is the addresses that FreeAddress has returned in this process: nothing may
// listen on one yet when the next is asked for.
var given sync.Map

// FreeAddress is 127.0.0.1 with a TCP port that nothing listens on, another one at each
// call. The port is below the range from which the kernel serves outgoing connections,
// so that no client takes it while a server is restarted.
func FreeAddress() (string, error) {
	const lowest, highest, tries = 10000, 30000, 200
	for range tries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+rand.IntN(highest-lowest)))
		if _, named := given.LoadOrStore(address, true); named {
			continue
		}
		if listener, err := net.Listen("tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("find a free port on 127.0.0.1: %d tries between %d and %d failed", tries, lowest, highest)
}
