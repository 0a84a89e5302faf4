package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/internal/demo/postgres"
	"referral/test/kafkaserver"
	"referral/test/smppserver"
	"referral/test/toolchain"
)

// environment is what the command gets, and how to end it.
type environment struct {
	mu        sync.Mutex
	variables []string
	stops     []func() error
}

// service is one of the things that can be started.
type service struct {
	name     string
	variable string // its main variable: when it is set, there is nothing to start
	start    func(*environment, context.Context, options, io.Writer) error
}

func services() []service {
	const chromium, axe, office = "REFERRAL_TEST_CHROMIUM", "REFERRAL_TEST_AXE", "REFERRAL_TEST_LIBREOFFICE"
	return []service{
		{"postgres", "REFERRAL_TEST_DSN", (*environment).postgres},
		{"kafka", "REFERRAL_TEST_KAFKA", (*environment).kafka},
		{"smpp", "REFERRAL_TEST_SMPP", (*environment).smpp},
		{"browser", chromium, program(chromium, toolchain.Chromium)},
		{"browser", axe, program(axe, toolchain.Axe)},
		{"office", office, program(office, toolchain.LibreOffice)},
		{"compiler", "", (*environment).compiler},
	}
}

func names() []string {
	var names []string
	for _, s := range services() {
		names = append(names, s.name)
	}
	return slices.Compact(names)
}

// startAll starts everything at once, since most of it is waiting. The returned
// environment must be stopped even after an error.
func startAll(ctx context.Context, o options, log io.Writer) (*environment, error) {
	began := time.Now()
	env := &environment{}
	var group errgroup.Group
	for _, s := range services() {
		switch {
		case !slices.Contains(o.with, s.name):
		case s.variable != "" && os.Getenv(s.variable) != "":
			_, _ = fmt.Fprintln(log, "using the", s.name, "that", s.variable, "names")
		default:
			group.Go(func() error { return s.start(env, ctx, o, log) })
		}
	}
	if err := group.Wait(); err != nil {
		return env, err
	}
	_, err := fmt.Fprintf(log, "ready after %.1f s\n", time.Since(began).Seconds())
	return env, err
}

func (e *environment) add(stop func() error, variables ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.variables = append(e.variables, variables...)
	if stop != nil {
		e.stops = append(e.stops, stop)
	}
}

func (e *environment) stop() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, stop := range slices.Backward(e.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// forTests gives up durability over a power cut, which no test causes, for speed.
// Commits stay synchronous: tests do kill servers.
func forTests() map[string]string {
	return map[string]string{
		"fsync": "off", "full_page_writes": "off",
		"max_connections": "200", "shared_buffers": "256MB", "max_wal_size": "2GB",
	}
}

// forBench is what a small production server has.
func forBench() map[string]string {
	return map[string]string{
		"max_connections": "200", "shared_buffers": "2GB", "effective_cache_size": "8GB",
		"work_mem": "32MB", "maintenance_work_mem": "512MB", "random_page_cost": "1.1",
		"max_wal_size": "8GB", "checkpoint_timeout": "15min", "wal_buffers": "64MB",
	}
}

func (e *environment) postgres(ctx context.Context, o options, log io.Writer) error {
	settings := forTests()
	if o.bench {
		settings = forBench()
	}
	server, err := postgres.Start(ctx, postgres.Options{Settings: settings, Log: log})
	if err != nil {
		return err
	}
	e.add(server.Stop, "REFERRAL_TEST_DSN="+server.DSN("postgres"))
	return nil
}

func (e *environment) kafka(ctx context.Context, o options, log io.Writer) error {
	broker, err := kafkaserver.Start(ctx, kafkaserver.Options{Log: log, Throughput: o.bench})
	if err != nil {
		return err
	}
	e.add(broker.Stop, "REFERRAL_TEST_KAFKA="+broker.Addr(), "REFERRAL_TEST_KAFKA_SASL="+broker.SASLAddr(),
		"REFERRAL_TEST_KAFKA_USER="+broker.User(), "REFERRAL_TEST_KAFKA_PASSWORD="+broker.Password(),
		"REFERRAL_TEST_KAFKA_TLS="+broker.TLSAddr(), "REFERRAL_TEST_KAFKA_AUTHORITY="+string(broker.Authority()))
	return nil
}

func (e *environment) smpp(ctx context.Context, _ options, log io.Writer) error {
	server, err := smppserver.Start(ctx, log)
	if err != nil {
		return err
	}
	e.add(server.Stop, "REFERRAL_TEST_SMPP="+server.Addr(),
		"REFERRAL_TEST_SMPP_USER="+smppserver.SystemID, "REFERRAL_TEST_SMPP_PASSWORD="+server.Password())
	return nil
}

// program finds a program or a script, whose path the variable gets.
func program(variable string, find func(context.Context, io.Writer) (string, error)) func(*environment, context.Context, options, io.Writer) error {
	return func(e *environment, ctx context.Context, _ options, log io.Writer) error {
		path, err := find(ctx, log)
		e.add(nil, variable+"="+path)
		return err
	}
}

func (e *environment) compiler(ctx context.Context, _ options, log io.Writer) error {
	cc, err := toolchain.CCompiler(ctx, log)
	e.add(nil, cc.Env...)
	return err
}
