package subprocess

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options say how a server is run.
type Options struct {
	Name string // of the server, for errors and for its directory
	// Unprivileged has the server not run as root, and own its directory.
	Unprivileged bool
	// Prepare writes what the server needs into its directory. It is called once.
	Prepare func(ctx context.Context, dir string) error
	// Command returns the server's command. It is called at each start.
	Command func(ctx context.Context, dir string) *exec.Cmd
	// Ready returns nil once the server answers.
	Ready func(ctx context.Context) error
	// Interrupt asks the server to end in an orderly way, Abort ends it at once. It
	// gets Abort, too, when this process dies.
	Interrupt, Abort syscall.Signal
}

// Server is a running server. Its files are in a temporary directory, which is
// removed with it.
type Server struct {
	o       Options
	dir     *tempDir
	process *Process
}

const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 30 * time.Second
)

// StartServer starts a server and returns when it is ready.
func StartServer(ctx context.Context, o Options) (*Server, error) {
	dir, err := newTempDir("referral-" + o.Name)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, dir: dir}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", o.Name, err), dir.remove())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if s.o.Unprivileged && os.Geteuid() == 0 {
		if err := os.Chown(s.dir.path, nobody, nobody); err != nil {
			return fmt.Errorf("give the server its directory: %w", err)
		}
	}
	if err := s.o.Prepare(ctx, s.dir.path); err != nil {
		return err
	}
	return s.launch(ctx)
}

func (s *Server) launch(ctx context.Context) (err error) {
	file := filepath.Join(s.dir.path, "server.log")
	log, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	// The server does not end with ctx: Stop ends it, in an orderly way.
	cmd := s.o.Command(context.WithoutCancel(ctx), s.dir.path)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir.path, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if s.o.Unprivileged {
		cmd.SysProcAttr = Unprivileged()
	}
	cmd.SysProcAttr.Setpgid = true // Ctrl-C in a terminal must not reach the server before Stop
	if s.process, err = Start(cmd, s.o.Abort); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		text, readErr := os.ReadFile(file)
		return errors.Join(err, fmt.Errorf("the server's log ends with:\n%s", lastLines(string(text))), readErr, s.process.Stop(s.o.Abort, stopTimeout))
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	const pause = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := s.o.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.Done():
			return fmt.Errorf("the server ended: %w", s.process.Wait())
		case <-ctx.Done():
			return fmt.Errorf("wait for the server to answer: %w: %w", ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// Stop ends the server in an orderly way and removes its directory.
func (s *Server) Stop() error {
	if err := errors.Join(s.process.Stop(s.o.Interrupt, stopTimeout), s.dir.remove()); err != nil {
		return fmt.Errorf("stop %s: %w", s.o.Name, err)
	}
	return nil
}

// Kill ends the server at once, as a power cut would but for what the operating
// system keeps. Restart brings it back.
func (s *Server) Kill() error {
	if err := s.process.Stop(s.o.Abort, stopTimeout); err != nil {
		return fmt.Errorf("kill %s: %w", s.o.Name, err)
	}
	return nil
}

// Restart ends the server, if it runs, and starts it again on the same files.
func (s *Server) Restart(ctx context.Context) error {
	err := s.process.Stop(s.o.Interrupt, stopTimeout)
	if err == nil {
		err = s.launch(ctx)
	}
	if err != nil {
		return fmt.Errorf("restart %s: %w", s.o.Name, err)
	}
	return nil
}

func lastLines(text string) string {
	const enough = 20
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-enough):], "\n")
}

// Unprivileged has a command run as nobody when this is root, as whom some
// servers refuse to run.
func Unprivileged() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

const nobody = 65534
