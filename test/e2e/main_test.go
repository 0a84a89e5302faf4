package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"referral/test/browser"
)

// environment is what TestMain has prepared for all tests: it is set once,
// before the first of them.
var environment struct {
	program string // path of the built program
	servers        // that all tests share
}

// clockVariable names the file by which a test moves the clock of its processes.
const clockVariable = "E2E_CLOCK"

// servers are those that a world is on.
type servers struct {
	dsn    string // of a superuser, to a database in which nothing is touched
	broker string // host:port, of a cluster several with commas
}

func (s servers) brokers() []string { return strings.Split(s.broker, ",") }

func TestMain(m *testing.M) {
	flag.Parse()
	status, err := prepareAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

func prepareAndRun(m *testing.M) (status int, err error) {
	environment.dsn, environment.broker = os.Getenv("REFERRAL_TEST_DSN"), os.Getenv("REFERRAL_TEST_KAFKA")
	if environment.dsn == "" || environment.broker == "" {
		return 0, fmt.Errorf("run me through make test: REFERRAL_TEST_DSN and REFERRAL_TEST_KAFKA must name a PostgreSQL and a Kafka")
	}
	folder, err := os.MkdirTemp("", "referral-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	environment.program = filepath.Join(folder, "referral")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-X main.clockVariable="+clockVariable, "-o", environment.program, "referral/cmd/referral")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` has it
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("building the program: %w", err)
	}
	// The tests wait for servers more than they calculate: more of them than there
	// are processors may run at a time.
	if err := flag.Set("test.parallel", "4"); err != nil {
		return 0, err
	}
	return browser.Run(m), nil
}
