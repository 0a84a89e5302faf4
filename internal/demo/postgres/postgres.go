// Package postgres runs a private PostgreSQL server for the demo and for tests:
// nobody has to install, configure or clean up one.
package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/internal/subprocess"
	"referral/internal/toolcache"
)

// Options say how to run a server. The zero value is a temporary one on a free port.
type Options struct {
	// Dir keeps the data; a server started on it again finds them. Empty means a
	// temporary directory, which goes with the server.
	Dir string
	// Port on 127.0.0.1; 0 means a free one.
	Port int
	// Settings are added to the server's configuration.
	Settings map[string]string
	// Log gets progress in plain words; nil means none.
	Log io.Writer
}

// Server is a running PostgreSQL.
type Server struct {
	tool     toolcache.Tool
	dir      string
	temp     *subprocess.TempDir
	lock     *subprocess.Lock
	owner    *syscall.Credential
	password string
	port     int
	settings map[string]string
	process  *subprocess.Process
}

const (
	superuser     = "postgres"
	startPatience = time.Minute
	stopPatience  = 30 * time.Second
	tempPrefix    = "referral-postgres"
)

// Start finds or fetches PostgreSQL, makes a database cluster if Dir has none,
// and returns when the server answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	tool, err := toolcache.PostgreSQL(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	s := &Server{tool: tool, settings: o.Settings}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), s.release())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) error {
	if err := s.open(o.Dir); err != nil {
		return err
	}
	if err := s.chooseOwner(); err != nil {
		return err
	}
	if err := endOrphan(s.data()); err != nil {
		return err
	}
	if err := s.initialise(ctx, o.Log); err != nil {
		return err
	}
	return s.launch(ctx, o.Port)
}

// open takes the directory for this process alone.
func (s *Server) open(dir string) (err error) {
	if dir == "" {
		if s.temp, err = subprocess.NewTempDir(tempPrefix, inUse); err != nil {
			return err
		}
		s.dir = s.temp.Path
		return nil
	}
	if s.dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("find the data directory: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if s.lock, err = subprocess.TryLock(filepath.Join(s.dir, "lock")); errors.Is(err, subprocess.ErrLocked) {
		return fmt.Errorf("another process runs a server in %s: %w", s.dir, err)
	}
	return err
}

func (s *Server) data() string         { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string      { return filepath.Join(s.dir, "postgres.log") }
func (s *Server) passwordFile() string { return filepath.Join(s.dir, "password") }

// chooseOwner picks an unprivileged user when this is root, as whom PostgreSQL
// refuses to run. A cluster that exists keeps the owner it has.
func (s *Server) chooseOwner() error {
	if os.Geteuid() != 0 {
		return nil
	}
	const nobody = 65534
	s.owner = &syscall.Credential{Uid: nobody, Gid: nobody}
	if info, err := os.Stat(s.data()); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			s.owner = &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
		}
	}
	if err := os.Chown(s.dir, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
		return fmt.Errorf("give the data directory to an unprivileged user: %w", err)
	}
	return s.reachable(s.dir)
}

// reachable says in plain words what PostgreSQL would only call a permission problem.
func (s *Server) reachable(dir string) error {
	for dir = filepath.Dir(dir); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at the data directory's parents: %w", err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		mine := ok && stat.Uid == s.owner.Uid
		if info.Mode()&0o001 == 0 && !mine {
			return fmt.Errorf("%s is closed to the unprivileged user (uid %d) that PostgreSQL runs as: choose a data directory elsewhere, or do not run as root", dir, s.owner.Uid)
		}
		if dir == "/" {
			return nil
		}
	}
}

// initialise makes the cluster unless there is one.
func (s *Server) initialise(ctx context.Context, log io.Writer) error {
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err == nil {
		password, err := os.ReadFile(s.passwordFile())
		if err != nil {
			return fmt.Errorf("read the superuser's password: %w", err)
		}
		s.password = strings.TrimSpace(string(password))
		return nil
	}
	_, _ = fmt.Fprintln(log, "making a database cluster")
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("make a password: %w", err)
	}
	s.password = hex.EncodeToString(secret)
	if err := s.writePassword(); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + s.data(), "--username=" + superuser, "--pwfile=" + s.passwordFile(),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
	}
	if s.settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	cmd := s.command(ctx, "initdb", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		// Half a cluster would be taken for a whole one next time.
		return errors.Join(fmt.Errorf("make a database cluster: %w\n%s", err, out), os.RemoveAll(s.data()))
	}
	return nil
}

func (s *Server) writePassword() error {
	if err := os.WriteFile(s.passwordFile(), []byte(s.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the superuser's password: %w", err)
	}
	if s.owner != nil {
		if err := os.Chown(s.passwordFile(), int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			return fmt.Errorf("write the superuser's password: %w", err)
		}
	}
	return nil
}

// command prepares a program that runs as the owner, from a directory that the
// owner may enter.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := s.tool.Command(ctx, program, args...)
	// A user's own PG… variables must not reach a server that is not the user's.
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") })
	cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8")
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	return cmd
}

// launch starts the server. Between the choice of a free port and its use
// another program may take it, hence more than one try.
func (s *Server) launch(ctx context.Context, port int) error {
	const tries = 3
	var problem error
	for range tries {
		s.port = port
		if port == 0 {
			var err error
			if s.port, err = subprocess.FreePort(); err != nil {
				return err
			}
		}
		if problem = s.launchOnce(ctx); problem == nil || port != 0 || !errors.Is(problem, errEnded) {
			return problem
		}
	}
	return problem
}

var errEnded = errors.New("the server ended")

func (s *Server) launchOnce(ctx context.Context) (err error) {
	log, err := os.Create(s.logFile())
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	// Not ended with ctx: the server is stopped by Stop, in an orderly way.
	cmd := s.command(context.WithoutCancel(ctx), "postgres", s.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Setpgid = true // Ctrl-C in a terminal is for whoever calls Stop
	if s.process, err = subprocess.Start(cmd, syscall.SIGINT); err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		text, readErr := os.ReadFile(s.logFile())
		return errors.Join(err, fmt.Errorf("the server's log ends with:\n%s", lastLines(string(text))), readErr, s.process.Stop(syscall.SIGQUIT, stopPatience))
	}
	return nil
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses": "127.0.0.1",
		"port":             strconv.Itoa(s.port),
		// A socket's path is limited to about 100 bytes, and everybody has TCP.
		"unix_socket_directories": "",
		// Compiling queries needs LLVM, which a fetched server comes without.
		"jit": "off",
	}
	const socketLimit = 90
	if len(s.dir) < socketLimit {
		settings["unix_socket_directories"] = s.dir
	}
	if _, err := os.Stat("/usr/share/zoneinfo/UTC"); err != nil {
		settings["timezone"], settings["log_timezone"] = "GMT", "GMT" // the only ones that need no file
	}
	maps.Copy(settings, s.settings)
	args := []string{"-D", s.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// waitReady waits until the server answers a query.
func (s *Server) waitReady(ctx context.Context) error {
	const pause = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		problem := s.ping(ctx)
		if problem == nil {
			return nil
		}
		select {
		case <-s.process.Done():
			return fmt.Errorf("%w: %w", errEnded, s.process.Wait())
		case <-ctx.Done():
			return fmt.Errorf("wait for the server to answer: %w: %w", ctx.Err(), problem)
		case <-time.After(pause):
		}
	}
}

func (s *Server) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

// DSN is where a database of the server is reached, as its superuser.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Log is the file that the server writes its messages to.
func (s *Server) Log() string { return s.logFile() }

// Stop disconnects the clients, stops the server in an orderly way, and removes
// a temporary directory.
func (s *Server) Stop() error {
	if err := errors.Join(s.process.Stop(syscall.SIGINT, stopPatience), s.release()); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

// Kill ends the server at once, without a last checkpoint, as a power cut would but
// for what the operating system keeps; Restart brings it back.
func (s *Server) Kill() error {
	if err := s.process.Stop(syscall.SIGQUIT, stopPatience); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	return nil
}

// Restart stops the server, if it runs, and starts it on the same port and data.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.process.Stop(syscall.SIGINT, stopPatience); err != nil {
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	if err := s.launch(ctx, s.port); err != nil {
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	return nil
}

func (s *Server) release() error {
	if s.temp != nil {
		return s.temp.Remove()
	}
	if s.lock != nil {
		return s.lock.Release()
	}
	return nil
}

func lastLines(text string) string {
	const enough = 20
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-enough):], "\n")
}
