// Command testenv runs a command with a private PostgreSQL and a private Kafka,
// whose addresses it puts into the environment:
//
//	go run ./internal/demo/testenv [-no-kafka] [-bench] -- command [argument…]
//
// REFERRAL_TEST_DSN is a superuser's connection to a maintenance database; tests
// create databases of their own. REFERRAL_TEST_KAFKA is a broker's host:port,
// REFERRAL_TEST_KAFKA_SASL the same with REFERRAL_TEST_KAFKA_USER and _PASSWORD.
// What is set already is used as it is. To keep both servers up while working:
//
//	go run ./internal/demo/testenv -- bash -c 'env | grep REFERRAL_TEST; sleep infinity'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	noKafka bool
	bench   bool
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

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("testenv", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.noKafka, "no-kafka", false, "start no Kafka")
	flags.BoolVar(&o.bench, "bench", false, "set the servers up for measurements: durable and with a production's memory")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.command = flags.Args(); len(o.command) == 0 {
		return options{}, errors.New("no command given: testenv [-no-kafka] [-bench] -- command [argument…]")
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
