// Package subprocess runs the server processes of the demo and of the tests so that
// none of them, and none of their temporary data, outlives the process that
// wanted it, even when that one is killed outright.
package subprocess

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Process is a started child.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start starts cmd and has the kernel send it onDeath when this process dies.
//
// The kernel ties that signal to the thread which forked, not to the process,
// so one thread is kept for the whole life of the child.
func Start(cmd *exec.Cmd, onDeath syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = onDeath

	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the child and returns what exec.Cmd.Wait said.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Signal sends sig; a child that has ended already is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to process %d: %w", sig, p.PID(), err)
	}
	return nil
}

// Stop asks with sig, and kills the child when it is not gone within patience.
func (p *Process) Stop(sig syscall.Signal, patience time.Duration) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return fmt.Errorf("process %d did not stop within %s and was killed", p.PID(), patience)
}

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
