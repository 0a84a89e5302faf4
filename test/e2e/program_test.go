package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/internal/subprocess"
)

// outcome is what a command did.
type outcome struct {
	status int
	stdout string
	stderr string
}

// command prepares the program with the world's configuration and overrides.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	if w.distributed && args[0] == "migrate" {
		args = append(args, "--distributed")
	}
	cmd := exec.CommandContext(ctx, w.binary, append(args, "--config", w.config)...)
	cmd.Env, cmd.Dir = w.variables, w.directory
	return cmd
}

// program runs a command to its end.
func (w *world) program(args ...string) outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := w.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("referral %s: %v", strings.Join(args, " "), err)
	}
	if ctx.Err() != nil {
		w.t.Fatalf("referral %s: not done after %s\n%s", strings.Join(args, " "), patience, stderr.String())
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command that has to succeed.
func (w *world) must(args ...string) outcome {
	w.t.Helper()
	o := w.program(args...)
	if o.status != 0 {
		w.t.Fatalf("referral %s: status %d\n%s%s", strings.Join(args, " "), o.status, o.stdout, o.stderr)
	}
	return o
}

// server is a `referral serve` under way.
type server struct {
	w      *world
	cmd    *exec.Cmd
	args   []string
	name   string // that the database knows the process by
	admin  string // address of the admin pages
	log    *transcript
	exited chan struct{}
	asked  atomic.Bool // to end
}

// transcript collects a log while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// tail is the end of the log.
func (l *transcript) tail() string {
	s := l.all()
	return s[max(0, len(s)-4000):]
}

func (l *transcript) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// launch starts serving and does not wait for anything.
func (w *world) launch(overrides []string, args ...string) *server {
	w.t.Helper()
	s := &server{w: w, args: args, admin: freeAddress(w), log: &transcript{}, exited: make(chan struct{})}
	s.cmd = w.command(context.Background(), append([]string{"serve"}, args...)...)
	s.cmd.Env = append(append(s.cmd.Env, "REFERRAL_HTTP_ADMIN="+s.admin, "REFERRAL_HTTP_CABINET=127.0.0.1:0",
		"REFERRAL_DATABASE_DSN="+asRole(w.t, w.dsn(), serviceRole)), overrides...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // its status is in ProcessState
	}()
	w.t.Cleanup(func() {
		s.kill()
		if w.t.Failed() {
			w.t.Logf("the end of the log of serve %v:\n%s", args, s.log.tail())
			s.keepLog()
		}
	})
	return s
}

// keepLog keeps the whole log; `go test -artifacts` says where.
func (s *server) keepLog() {
	s.w.t.Helper()
	name := fmt.Sprintf("serve-%d.log", s.cmd.Process.Pid)
	if err := os.WriteFile(filepath.Join(s.w.t.ArtifactDir(), name), []byte(s.log.all()), 0o600); err != nil {
		s.w.t.Error(err)
	}
}

// serve starts serving and waits until it is ready.
func (w *world) serve(args ...string) *server {
	w.t.Helper()
	s := w.launch(nil, args...)
	s.ready()
	return s
}

func freeAddress(w *world) string {
	w.t.Helper()
	address, err := subprocess.FreeAddress()
	if err != nil {
		w.t.Fatal(err)
	}
	return address
}

// ready waits until /readyz says yes.
func (s *server) ready() {
	s.w.t.Helper()
	s.answers("/readyz", http.StatusOK)
}

// answers waits until an admin page answers with a status.
func (s *server) answers(page string, status int) {
	s.w.t.Helper()
	s.await(fmt.Sprintf("%s with status %d", page, status), page, func(answer *http.Response) (bool, string) {
		return answer.StatusCode == status, answer.Status
	})
}

// await asks for an admin page until its answer is the one wanted, and fails when
// the process has ended.
func (s *server) await(what, page string, wanted func(*http.Response) (ok bool, state string)) {
	s.w.t.Helper()
	s.w.until(what, func() (bool, string) {
		select {
		case <-s.exited:
			s.w.t.Fatalf("serve has ended with status %d\n%s", s.cmd.ProcessState.ExitCode(), s.log.tail())
		default:
		}
		answer, err := http.Get("http://" + s.admin + page)
		if err != nil {
			return false, err.Error()
		}
		defer answer.Body.Close()
		return wanted(answer)
	})
}

// fetch is a page as text.
func (w *world) fetch(address string) string {
	w.t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// kill ends the process as a power cut would.
func (s *server) kill() {
	s.asked.Store(true)
	_ = s.cmd.Process.Kill() // it may have ended by itself
	<-s.exited
}

// pause stops the process in whatever it does, until it is resumed. It notices nothing.
func (s *server) pause() { s.signal(syscall.SIGSTOP) }

func (s *server) resume() { s.signal(syscall.SIGCONT) }

func (s *server) signal(sig syscall.Signal) {
	s.w.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.w.t.Fatalf("%s to serve %v: %v", sig, s.args, err)
	}
}

// stopWithin is what the contract gives a stop.
const stopWithin = 10 * time.Second

// stop asks the process to end and gives its status; one that takes too long
// is killed, and its status is none.
func (s *server) stop() int {
	s.w.t.Helper()
	s.asked.Store(true)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.w.t.Fatalf("asking serve to stop: %v", err)
	}
	late := time.AfterFunc(stopWithin, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	<-s.exited
	return s.cmd.ProcessState.ExitCode()
}

// expel takes the members of killed processes out of the consumer group: else
// the broker would wait out their session before it serves the next ones. A process
// that is alive joins it again.
func (w *world) expel() {
	w.t.Helper()
	var answer *kafka.DescribeGroupsResponse
	w.until("looking for the members of the group", func() (bool, string) {
		var err error
		answer, err = w.client.DescribeGroups(w.t.Context(), &kafka.DescribeGroupsRequest{GroupIDs: []string{w.name}})
		if err == nil && len(answer.Groups) == 1 {
			err = answer.Groups[0].Error
		}
		return err == nil && len(answer.Groups) == 1, fmt.Sprintf("%+v, %v", answer, err)
	})
	var members []kafka.LeaveGroupRequestMember
	for _, m := range answer.Groups[0].Members {
		members = append(members, kafka.LeaveGroupRequestMember{ID: m.MemberID})
	}
	if len(members) == 0 {
		return
	}
	if _, err := w.client.LeaveGroup(w.t.Context(), &kafka.LeaveGroupRequest{GroupID: w.name, Members: members}); err != nil {
		w.t.Fatalf("taking members out of the group: %v", err)
	}
}
