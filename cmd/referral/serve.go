package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"referral/consumer"
	"referral/consumer/decode"
	"referral/notify"
	"referral/publisher"
	"referral/scheduler"
	"referral/store"
	"referral/web"
)

// The parts of the service, which `--only` splits over machines.
const (
	partConsumer  = "consumer"
	partScheduler = "scheduler"
	partPublisher = "publisher"
	partWeb       = "web"
	partNotify    = "notify"
)

var allParts = []string{partConsumer, partScheduler, partPublisher, partNotify, partWeb}

func newServe(p process) *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Consume, schedule, publish and answer until SIGTERM",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(only) == 0 {
				return usageError("--only", fmt.Errorf("names no part; the parts are %s", strings.Join(allParts, ", ")))
			}
			for _, part := range only {
				if !slices.Contains(allParts, part) {
					return usageError("--only", fmt.Errorf("%q is no part of the service; the parts are %s", part, strings.Join(allParts, ", ")))
				}
			}
			a, err := openApp(cmd, p, false)
			if err != nil {
				return err
			}
			defer a.close()
			return a.serve(cmd.Context(), only)
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", allParts, "the `parts` to run")
	return cmd
}

// parts is the service put together, before it runs.
type parts struct {
	consumer  *consumer.Consumer
	publisher *publisher.Publisher
	scheduler *scheduler.Scheduler
	notifier  *notify.Notifier // nil unless it is to run: other machines need not have its secrets
	gauges    *scheduler.Gauges
}

// figuresEvery is how often the gauges are read from the database.
const figuresEvery = 15 * time.Second

// serve runs the parts until ctx is done. The admin address answers first, so
// that a caller waiting for readiness sees what it waits for.
func (a *app) serve(ctx context.Context, only []string) error {
	built, err := a.build(only)
	if err != nil {
		return err
	}
	asked := ctx
	group, ctx := errgroup.WithContext(ctx)
	if slices.Contains(only, partWeb) {
		group.Go(func() error { return a.answer(ctx, built, only) })
	}
	group.Go(func() error {
		if err := a.awaitReady(ctx); err != nil {
			return err
		}
		a.log.Info("serving", "parts", strings.Join(only, ","))
		return a.runParts(ctx, built, only)
	})
	err = group.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	a.log.Info("stopped", "because", context.Cause(asked))
	return nil
}

// answer serves the admin address, keeps its gauges true, and serves the personal
// account.
func (a *app) answer(ctx context.Context, built *parts, only []string) error {
	handler, err := a.admin(built, only)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return web.Serve(ctx, a.config.HTTP.Admin, handler) })
	group.Go(func() error { built.gauges.Follow(ctx, figuresEvery); return nil })
	group.Go(func() error { return a.servePortal(ctx) })
	return group.Wait()
}

func (a *app) admin(built *parts, only []string) (http.Handler, error) {
	return web.NewAdmin(web.Options{
		Gatherer: a.registry, Registerer: a.registry, Checks: a.checks(built, only), Advisory: advisory(built, only), Log: a.log,
	})
}

func (a *app) runParts(ctx context.Context, b *parts, only []string) error {
	group, ctx := errgroup.WithContext(ctx)
	for name, loop := range map[string]func(context.Context) error{
		partConsumer: b.consumer.Run, partScheduler: b.scheduler.Run, partPublisher: b.publisher.Run,
		partNotify: func(ctx context.Context) error { return b.notifier.Run(ctx) },
	} {
		if slices.Contains(only, name) {
			group.Go(func() error { return loop(ctx) })
		}
	}
	return group.Wait()
}

func (a *app) build(only []string) (*parts, error) {
	var b parts
	var err error
	if b.consumer, err = a.consumer(); err != nil {
		return nil, err
	}
	if b.publisher, err = a.publisher(); err != nil {
		return nil, err
	}
	if slices.Contains(only, partNotify) {
		if b.notifier, err = a.notifier(); err != nil {
			return nil, err
		}
	}
	if b.scheduler, err = a.scheduler(); err != nil {
		return nil, err
	}
	b.gauges, err = scheduler.NewGauges(a.registry, a.store, a.log, a.now)
	a.registry.MustRegister(newTermsInfo(a.programme.Digest(), a.store.TermsInForce))
	return &b, err
}

func (a *app) consumer() (*consumer.Consumer, error) {
	k := a.kafka()
	dialer, err := k.dialer()
	if err != nil {
		return nil, err
	}
	return consumer.New(consumer.Options{
		Brokers: k.Brokers, Group: k.Group, Dialer: dialer,
		Topics: decode.Topics{
			Registered: k.Topics.Registered, PromoEnded: k.Topics.PromoEnded, Terminated: k.Topics.Terminated,
			Activation: k.Topics.Activation, Invoices: k.Topics.Invoices, Results: k.Topics.Results,
		},
		Currency: a.config.Programme.Currency,
		Workers:  k.Workers, BatchSize: k.BatchSize, Linger: k.Linger,
		Timing: consumer.Timing{SessionTimeout: k.SessionTimeout},
		Store:  a.store, Derive: a.programme.Derive(newCode),
		Log: a.log, Registerer: a.registry, Now: a.now,
	})
}

func (a *app) publisher() (*publisher.Publisher, error) {
	k := a.kafka()
	transport, err := k.transport()
	if err != nil {
		return nil, err
	}
	return publisher.New(publisher.Options{
		Ledger: a.store, Brokers: k.Brokers, Transport: transport,
		Topics: publisher.Topics{
			Discounts: k.Topics.Discounts, Packages: k.Topics.Packages, Events: k.Topics.Events, DeadLetters: k.Topics.DeadLetters,
		},
		PollInterval: a.config.Publisher.Poll, Log: a.log, Registerer: a.registry, Now: a.now,
	})
}

// pollRuns is how often a replica looks for a run that it could help with, or
// that a killed process left behind.
const pollRuns = 15 * time.Second

func (a *app) scheduler() (*scheduler.Scheduler, error) {
	settler, err := a.settler(a.log)
	if err != nil {
		return nil, err
	}
	s := &a.config.Schedule
	runAt, catchUp, err := s.Schedules()
	if err != nil {
		return nil, err
	}
	retention, err := a.retention()
	if err != nil {
		return nil, err
	}
	return scheduler.New(scheduler.Options{
		Settler: settler, Auditor: a.store, RunAt: runAt, CatchUp: catchUp, Poll: pollRuns,
		Retention: retention, AnswerGrace: s.AnswerGrace, AwaitFacts: a.kafka().awaitConsumed,
	})
}

func (a *app) retention() (scheduler.Retention, error) {
	r := &a.config.Retention
	at, err := r.Schedule(a.config.Schedule.Timezone)
	return scheduler.Retention{Cleaner: a.store, Schedule: at, Keep: r.ByTable()}, err
}

// awaitReady waits for a database that does not answer yet. One that answers and
// cannot be worked on is for a person to fix: at the start that is an error, and
// when it comes up later the service says so in its readiness and asks again.
func (a *app) awaitReady(ctx context.Context) error {
	waited := false
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 15*time.Second) {
		err := a.ready(ctx)
		a.unfit.Store(&err)
		mayPass := unreachable(err) || waited && errors.Is(err, store.ErrUnfit)
		if err == nil || ctx.Err() != nil || !mayPass {
			return err
		}
		waited = true
		a.log.Error("the database cannot be worked on; trying again", "error", err, "wait", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// unreachable tells a database that is away, starting or stopping, or whose
// connection ended before the answer, from one that has answered.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var network net.Error
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08")
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn)
	return ended || errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err)
}

func (a *app) checks(b *parts, only []string) map[string]func(context.Context) error {
	checks := map[string]func(context.Context) error{
		"database": a.databaseReady,
		"schema":   a.store.CheckSchema,
		"terms":    a.termsReady,
		"broker":   a.kafka().ping,
	}
	for name, ready := range map[string]func() error{
		partConsumer: b.consumer.Ready, partPublisher: b.publisher.Ready, partScheduler: b.scheduler.Ready,
	} {
		if slices.Contains(only, name) {
			checks[name] = plainly(ready)
		}
	}
	return checks
}

// databaseReady is nil when the database answers and is fit to be worked on, which
// may change when another server takes its place.
func (a *app) databaseReady(ctx context.Context) error {
	if err := a.store.Ping(ctx); err != nil {
		return err
	}
	if err := a.unfit.Load(); err != nil && errors.Is(*err, store.ErrUnfit) {
		return *err
	}
	return a.store.CheckSettings(ctx)
}

func plainly(ready func() error) func(context.Context) error {
	return func(context.Context) error { return ready() }
}

// advisory is what does not take the process out of service: while a mail server
// is away, or a topic that few installations need is missing, invitations wait and
// all else works.
func advisory(b *parts, only []string) map[string]func(context.Context) error {
	if !slices.Contains(only, partNotify) {
		return nil
	}
	return map[string]func(context.Context) error{partNotify: plainly(b.notifier.Ready)}
}
