package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server whose starter was killed is told to stop by the kernel, but takes a
// moment; and the process id it left in its directory may belong to a stranger
// by now, which PostgreSQL itself cannot tell and refuses to start.

// inUse says whether a server still runs in the temporary directory dir.
func inUse(dir string) bool {
	_, running := owner(filepath.Join(dir, "data"))
	return running
}

// owner is the process that runs a server on the cluster in data.
func owner(data string) (pid int, running bool) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if pid, err = strconv.Atoi(first); err != nil {
		return 0, false
	}
	// Its arguments tell a server on this cluster from a stranger.
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return pid, err == nil && bytes.Contains(line, []byte(data))
}

// endOrphan waits for a server without a starter to stop, helps if it does not,
// and clears the process id it left. The caller holds the directory's lock, so
// no server with a starter is meant.
func endOrphan(data string) error {
	const pause = 100 * time.Millisecond
	deadline := time.Now().Add(stopPatience)
	pid, running := owner(data)
	for sig := syscall.SIGINT; running; pid, running = owner(data) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the server (process %d) that a killed process left behind: %w", pid, err)
		}
		if time.Now().After(deadline) {
			sig = syscall.SIGQUIT
		}
		if time.Now().After(deadline.Add(stopPatience)) {
			return fmt.Errorf("the server (process %d) that a killed process left behind does not stop", pid)
		}
		time.Sleep(pause)
	}
	if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear what a killed server left behind: %w", err)
	}
	return nil
}
