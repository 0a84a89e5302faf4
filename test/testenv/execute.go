package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/term"

	"referral/internal/subprocess"
)

// execute runs the command and returns its exit status.
func execute(command, variables []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(command[0], command[1:]...) // ended by signals, as it would be without testenv
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// At a terminal the command must stay in the foreground group, where it gets
	// Ctrl-C from there; elsewhere a group of its own lets signals reach all of it.
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: !terminal}
	child, err := subprocess.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return exitFailure, err
	}
	forward(child, terminal, signals)
	err = child.Wait()
	if !terminal {
		// What the command left in its group would miss the servers; most often nothing.
		_ = syscall.Kill(-child.PID(), syscall.SIGKILL)
	}
	return statusOf(err)
}

// forward passes signals on until the child ends.
func forward(child *subprocess.Process, terminal bool, signals <-chan os.Signal) {
	pid := child.PID()
	if !terminal {
		pid = -pid // its group
	}
	for {
		select {
		case <-child.Done():
			return
		case sig := <-signals:
			if sig != syscall.SIGINT || !terminal {
				_ = syscall.Kill(pid, sig.(syscall.Signal)) // it may have ended this moment
			}
		}
	}
}

// statusOf is the status that a shell would return.
func statusOf(err error) (int, error) {
	const signalled = 128
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			return exitFailure, fmt.Errorf("run the command: %w", err)
		}
		return 0, nil
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return signalled + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
