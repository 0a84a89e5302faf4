// Command testenv runs a command with private servers and tools, whose addresses
// it puts into the environment:
//
//	bin/testenv [-with LIST] [-bench] -- command [argument…]
//
//	postgres  REFERRAL_TEST_DSN: a superuser's connection to a maintenance
//	          database; tests create databases of their own
//	kafka     REFERRAL_TEST_KAFKA: a broker's host:port; REFERRAL_TEST_KAFKA_SASL:
//	          the same with REFERRAL_TEST_KAFKA_USER and _PASSWORD
//	smpp      REFERRAL_TEST_SMPP: an SMPP server's host:port, with
//	          REFERRAL_TEST_SMPP_USER and _PASSWORD
//	browser   REFERRAL_TEST_CHROMIUM: a program that starts Chromium;
//	          REFERRAL_TEST_AXE: the script axe.min.js
//	office    REFERRAL_TEST_LIBREOFFICE: a program that starts LibreOffice
//	compiler  CC and CGO_ENABLED, for the race detector
//
// All are started unless -with names some or -bench is given (postgres and kafka).
// A variable that is set already stays, and its server is not started. To keep the
// servers running while working:
//
//	bin/testenv -- bash -c 'env | grep REFERRAL_TEST; sleep infinity'
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

	env, err := startAll(ctx, o, prefixed{stderr})
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
	all := strings.Join(names(), ",")
	with := flags.String("with", "", "start only these, separated by commas: "+all)
	flags.BoolVar(&o.bench, "bench", false, "set the servers up for measurements: durable and with a production's memory")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.command = flags.Args(); len(o.command) == 0 {
		return options{}, errors.New("no command given: testenv [-with LIST] [-bench] -- command [argument…]")
	}
	switch {
	case *with != "":
		o.with = strings.Split(*with, ",")
	case o.bench:
		o.with = []string{"postgres", "kafka"}
	default:
		o.with = names()
	}
	for _, name := range o.with {
		if !slices.Contains(names(), name) {
			return options{}, fmt.Errorf("-with: %q is not one of %s", name, all)
		}
	}
	return o, nil
}

// prefixed marks this program's own lines among those of the command.
type prefixed struct{ to io.Writer }

func (p prefixed) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(p.to, "testenv: %s", line)
	return len(line), err
}
