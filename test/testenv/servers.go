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

// server is one of the things that can be started.
type server struct {
	name  string
	start func(*environment, context.Context, options, io.Writer) error
}

func servers() []server {
	return []server{
		{"postgres", (*environment).postgres},
		{"kafka", (*environment).kafka},
		{"smpp", (*environment).smpp},
		{"browser", (*environment).browser},
		{"compiler", (*environment).compiler},
	}
}

func names() []string {
	var names []string
	for _, s := range servers() {
		names = append(names, s.name)
	}
	return names
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
	var problems error
	for _, stop := range slices.Backward(e.stops) {
		problems = errors.Join(problems, stop())
	}
	e.stops = nil
	return problems
}

// forTests trades durability over a power cut, which no test causes, for speed.
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

// startAll starts everything at once, since most of it is waiting. The returned
// environment is to be stopped even after an error.
func startAll(ctx context.Context, o options, log io.Writer) (*environment, error) {
	began := time.Now()
	env := &environment{}
	var problems []error
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, s := range servers() {
		if !slices.Contains(o.with, s.name) {
			continue
		}
		wait.Go(func() {
			err := s.start(env, ctx, o, log)
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, err)
		})
	}
	wait.Wait()
	if err := errors.Join(problems...); err != nil {
		return env, err
	}
	_, _ = fmt.Fprintf(log, "ready after %.1f s\n", time.Since(began).Seconds())
	return env, nil
}

func (e *environment) postgres(ctx context.Context, o options, log io.Writer) error {
	const dsn = "REFERRAL_TEST_DSN"
	if os.Getenv(dsn) != "" {
		_, err := fmt.Fprintln(log, "using the PostgreSQL that", dsn, "names")
		return err
	}
	settings := forTests()
	if o.bench {
		settings = forBench()
	}
	server, err := postgres.Start(ctx, postgres.Options{Settings: settings, Log: log})
	if err != nil {
		return err
	}
	e.add(server.Stop, dsn+"="+server.DSN("postgres"))
	return nil
}

func (e *environment) kafka(ctx context.Context, o options, log io.Writer) error {
	const addr = "REFERRAL_TEST_KAFKA"
	if os.Getenv(addr) != "" {
		_, err := fmt.Fprintln(log, "using the Kafka that", addr, "names")
		return err
	}
	broker, err := kafkaserver.Start(ctx, kafkaserver.Options{Log: log, Throughput: o.bench})
	if err != nil {
		return err
	}
	e.add(broker.Stop, addr+"="+broker.Addr(), addr+"_SASL="+broker.SASLAddr(),
		addr+"_USER="+broker.User(), addr+"_PASSWORD="+broker.Password())
	return nil
}

func (e *environment) smpp(ctx context.Context, _ options, log io.Writer) error {
	const addr = "REFERRAL_TEST_SMPP"
	if os.Getenv(addr) != "" {
		_, err := fmt.Fprintln(log, "using the SMPP server that", addr, "names")
		return err
	}
	server, err := smppserver.Start(ctx, log)
	if err != nil {
		return err
	}
	e.add(server.Stop, addr+"="+server.Addr(), addr+"_USER="+server.SystemID(), addr+"_PASSWORD="+server.Password())
	return nil
}

// browser finds what pages are looked at and judged with; tests start it.
func (e *environment) browser(ctx context.Context, _ options, log io.Writer) error {
	for variable, find := range map[string]func(context.Context, io.Writer) (string, error){
		"REFERRAL_TEST_CHROMIUM": toolchain.Chromium,
		"REFERRAL_TEST_AXE":      toolchain.Axe,
	} {
		if os.Getenv(variable) != "" {
			continue
		}
		path, err := find(ctx, log)
		if err != nil {
			return err
		}
		e.add(nil, variable+"="+path)
	}
	return nil
}

// compiler finds what the race detector needs.
func (e *environment) compiler(ctx context.Context, _ options, log io.Writer) error {
	cc, err := toolchain.CCompiler(ctx, log)
	if err != nil {
		return err
	}
	e.add(nil, cc.Env...)
	return nil
}
