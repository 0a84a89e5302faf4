// Package postgres runs a private PostgreSQL server for the demo and for tests:
// nobody has to install, configure or clean up one.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"referral/internal/subprocess"
	"referral/internal/toolcache"
)

// Options say how to run a server.
type Options struct {
	Settings map[string]string // added to the server's configuration
	Address  string            // host:port; a free one of this machine when empty
	// StandbyOf has the server begin as a copy of another one that runs, and follow it
	// until it is promoted.
	StandbyOf *Server
	Env       []string  // added to the environment of the server
	Log       io.Writer // gets progress; nil means none
}

// Server is a running PostgreSQL.
type Server struct {
	*subprocess.Server
	tool     toolcache.Tool
	settings map[string]string
	env      []string
	password string
	address  string
}

const superuser = "postgres"

// Start finds or downloads PostgreSQL and returns when the server answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	s := &Server{settings: o.Settings, env: o.Env, password: rand.Text(), address: o.Address}
	var err error
	if s.tool, err = toolcache.PostgreSQL(ctx, o.Log); err != nil {
		return nil, err
	}
	if s.address == "" {
		if s.address, err = subprocess.FreeAddress(); err != nil {
			return nil, err
		}
	}
	prepare := s.initialise
	if o.StandbyOf != nil {
		s.password = o.StandbyOf.password
		prepare = s.copyOf(o.StandbyOf)
	}
	s.Server, err = subprocess.StartServer(ctx, subprocess.Options{
		Name: "postgres", Unprivileged: true,
		Prepare: prepare, Command: s.server, Ready: s.ready,
		// SIGINT disconnects the clients and writes a checkpoint, SIGQUIT does not.
		Interrupt: syscall.SIGINT, Abort: syscall.SIGQUIT,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func dataIn(dir string) string { return filepath.Join(dir, "data") }

// initialise makes the database cluster.
func (s *Server) initialise(ctx context.Context, dir string) error {
	password := filepath.Join(dir, "password")
	// The directory is closed to others; the file is not, because initdb may run as
	// another user.
	if err := os.WriteFile(password, []byte(s.password), 0o644); err != nil {
		return fmt.Errorf("write the superuser's password: %w", err)
	}
	cmd := s.command(ctx, "initdb", "--pgdata="+dataIn(dir), "--username="+superuser, "--pwfile="+password,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = dir, subprocess.Unprivileged()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a database cluster: %w\n%s", err, out)
	}
	return nil
}

// copyOf makes a copy of a running server, which follows it once it is started.
func (s *Server) copyOf(primary *Server) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		cmd := s.command(ctx, "pg_basebackup", "--pgdata="+dataIn(dir), "--dbname="+primary.DSN("postgres"), "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
		cmd.Dir, cmd.SysProcAttr = dir, subprocess.Unprivileged()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("copy the primary: %w\n%s", err, out)
		}
		return nil
	}
}

// Address is the host:port of the server.
func (s *Server) Address() string { return s.address }

// Promote makes a standby a primary of its own.
func (s *Server) Promote(ctx context.Context) error {
	return s.execute(ctx, "SELECT pg_promote()")
}

// AwaitStandbys has every commit wait until that many standbys have it on their disks.
func (s *Server) AwaitStandbys(ctx context.Context, n int) error {
	names := ""
	if n > 0 {
		names = fmt.Sprintf("FIRST %d (*)", n)
	}
	return s.execute(ctx, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'", "SELECT pg_reload_conf()")
}

func (s *Server) execute(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err = conn.Exec(ctx, statement); err != nil {
			break
		}
	}
	return errors.Join(err, conn.Close(ctx))
}

func (s *Server) server(ctx context.Context, dir string) *exec.Cmd {
	host, port, _ := strings.Cut(s.address, ":")
	settings := map[string]string{
		"listen_addresses": host, "port": port, "unix_socket_directories": "",
		// Compiling queries needs LLVM, which a downloaded server comes without.
		"jit": "off",
	}
	if _, err := os.Stat("/usr/share/zoneinfo/UTC"); err != nil {
		settings["timezone"], settings["log_timezone"] = "GMT", "GMT" // the only ones that need no file
	}
	maps.Copy(settings, s.settings)
	args := []string{"-D", dataIn(dir)}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	cmd := s.command(ctx, "postgres", args...)
	cmd.Env = append(cmd.Env, s.env...)
	return cmd
}

// command prepares a program without the user's own PG… variables, which must not
// reach a server that is not the user's.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := s.tool.Command(ctx, program, args...)
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") })
	cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8")
	return cmd
}

func (s *Server) ready(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

// DSN is where a database of the server is reached, as its superuser.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password), Host: s.address,
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}
