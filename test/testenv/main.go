// Command testenv runs a command with private servers and tools, whose places it
// puts into the environment:
//
//	go run ./test/testenv [-with LIST] [-no-kafka] [-bench] -- command [argument…]
//
//	postgres  REFERRAL_TEST_DSN: a superuser's connection to a maintenance
//	          database; tests create databases of their own
//	kafka     REFERRAL_TEST_KAFKA: a broker's host:port; REFERRAL_TEST_KAFKA_SASL:
//	          the same with REFERRAL_TEST_KAFKA_USER and _PASSWORD
//	smpp      REFERRAL_TEST_SMPP: an SMPP server's host:port, with
//	          REFERRAL_TEST_SMPP_USER and _PASSWORD; _LOG is the file it writes to
//	browser   REFERRAL_TEST_CHROMIUM: a program that starts Chromium;
//	          REFERRAL_TEST_AXE: the script axe.min.js
//	compiler  CC and CGO_ENABLED, for the race detector
//
// All are started unless -with names some, -no-kafka is given (postgres and
// compiler) or -bench (postgres and kafka). What is set already is used as it
// is. To keep the servers up while working:
//
//	go run ./test/testenv -- bash -c 'env | grep REFERRAL_TEST; sleep infinity'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	status, err := run(os.Args[1:], os.Stderr)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "testenv:", err)
	}
	os.Exit(status)
}

type options struct {
	bench   bool
	with    []string
	command []string
}

func run(args []string, stderr io.Writer) (status int, err error) {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	if err != nil {
		return exitUsage, err
	}
	// Signals that arrive while the servers start end the start; later ones are
	// the command's.
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	env, err := startAll(ctx, o, &lines{to: stderr})
	defer func() {
		if stopErr := env.stop(); stopErr != nil {
			err = errors.Join(err, stopErr)
			status = max(status, exitFailure)
		}
	}()
	if err != nil {
		return exitFailure, err
	}
	return execute(o.command, env.variables, signals)
}

const usage = "testenv [-with LIST] [-no-kafka] [-bench] -- command [argument…]"

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("testenv", flag.ContinueOnError)
	flags.SetOutput(stderr)
	with := flags.String("with", "", "start only these, separated by commas: "+strings.Join(names(), ","))
	noKafka := flags.Bool("no-kafka", false, "start no Kafka, nor what only tests with Kafka use")
	flags.BoolVar(&o.bench, "bench", false, "set the servers up for measurements: durable and with a production's memory")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.command = flags.Args(); len(o.command) == 0 {
		return options{}, errors.New("no command given: " + usage)
	}
	switch {
	case *with != "":
		o.with = strings.Split(*with, ",")
	case *noKafka:
		o.with = []string{"postgres", "compiler"}
	case o.bench:
		o.with = []string{"postgres", "kafka"}
	default:
		o.with = names()
	}
	for _, name := range o.with {
		if !slices.Contains(names(), name) {
			return options{}, fmt.Errorf("-with: nothing is called %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	return o, nil
}

// lines marks what this program says, so that it is told from what the command says.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.to, "testenv: %s", p); err != nil {
		return 0, err
	}
	return len(p), nil
}
