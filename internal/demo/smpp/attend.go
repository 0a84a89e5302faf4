package smpp

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"referral/internal/demo/parts/proc"
)

const glance = 500 * time.Millisecond // between two looks at the server

// attend starts the server again whenever somebody has ended it.
func (p *Peer) attend(ctx context.Context, log io.Writer) {
	defer close(p.attended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(glance):
		}
		if listening(p.port) {
			continue
		}
		_, _ = fmt.Fprintln(log, "the SMPP server has ended; starting it again")
		// Its threads may outlive its listening.
		_ = p.running().Stop(syscall.SIGKILL, stopPatience)
		if err := p.launch(ctx); err != nil && ctx.Err() == nil {
			_, _ = fmt.Fprintln(log, "starting the SMPP server again:", err)
		}
	}
}

func (p *Peer) running() *proc.Process {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.process
}

// listening tells whether somebody listens on a port, without knocking: a client
// that leaves at once is what the server dies of.
func listening(port int) bool {
	const state, listen = 3, "0A"
	suffix := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > state && f[state] == listen && strings.HasSuffix(f[1], suffix) {
				return true
			}
		}
	}
	return false
}
