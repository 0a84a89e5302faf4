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
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"referral/cmd/referral/advice"
	"referral/cmd/referral/config"
	"referral/consumer"
	"referral/internal/sleep"
	"referral/notify"
	"referral/publisher"
	"referral/scheduler"
	"referral/store"
	"referral/web"
)

// The components of the service, which `--only` distributes over machines.
const (
	componentConsumer  = "consumer"
	componentScheduler = "scheduler"
	componentPublisher = "publisher"
	componentWeb       = "web"
	componentNotify    = "notify"
)

var allComponents = []string{componentConsumer, componentScheduler, componentPublisher, componentNotify, componentWeb}

func newServe(p process) *cobra.Command {
	var only []string
	var shadow bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the service until SIGTERM: consume, settle, publish, send invitations, serve HTTP",
		Long: `Runs the service until SIGTERM, then ends within 10 seconds. Its components are
consumer (facts from Kafka), scheduler (the month's run, the nightly catch-up and
reconciliation, retention), publisher (the ledger to Kafka), notify (invitations) and web
(personal account, staff pages, metrics and health). Any number of processes can run any
of them.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkComponents(cmd, only); err != nil {
				return err
			}
			a, err := openApp(cmd, p, readWrite)
			if err != nil {
				return err
			}
			defer a.close()
			a.config.Publisher.Shadow = a.config.Publisher.Shadow || shadow
			return a.serve(a.traces.Context(cmd.Context()), only)
		},
	}
	cmd.Flags().BoolVar(&shadow, "shadow", false, "settle beside an older system, and publish no document (publisher.shadow)")
	cmd.Flags().StringSliceVar(&only, "only", allComponents, "the `components` to run")
	return cmd
}

func checkComponents(cmd *cobra.Command, only []string) error {
	unknown := slices.IndexFunc(only, func(name string) bool { return !slices.Contains(allComponents, name) })
	if len(only) == 0 || unknown >= 0 {
		return misuse(cmd, "--only takes one or more of %s, not %q", strings.Join(allComponents, ", "), strings.Join(only, ","))
	}
	return nil
}

func newCheckConfig(p process) *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Check the configuration as `serve` would use it, and print it without its secrets",
		Long: `Reads the configuration, the environment, and the files of secrets and certificates
that they name, and builds the components of the service without running them: nothing
is connected to. Then it prints all settings, without secrets.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkComponents(cmd, only); err != nil {
				return err
			}
			a, err := openApp(cmd, p, readOnly)
			if err != nil {
				return err
			}
			defer a.close()
			if _, err := a.build(only); err != nil {
				return err
			}
			if slices.Contains(only, componentWeb) {
				if err := a.buildSites(); err != nil {
					return err
				}
			}
			fmt.Fprint(p.out, a.config)
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", allComponents, "the `components` that this configuration is for")
	return cmd
}

// buildSites builds what serveHTTP would serve.
func (a *app) buildSites() error {
	h := &a.config.HTTP
	for path, certificate := range map[string]*config.ServerTLS{"http.cabinet_tls": &h.CabinetTLS, "http.finance_tls": &h.FinanceTLS, "http.admin_tls": &h.AdminTLS} {
		if _, err := a.serverTLS(path, certificate); err != nil {
			return err
		}
	}
	if _, _, _, err := a.portal(a.config.Cabinet.Public(h.Cabinet)); err != nil {
		return err
	}
	if a.config.Finance.SignIn.Issuer == "" {
		return nil
	}
	_, _, err := a.finance(h.Finance)
	return err
}

// service is the components, before they run.
type service struct {
	consumer  *consumer.Consumer
	publisher *publisher.Publisher
	scheduler *scheduler.Scheduler
	notifier  *notify.Notifier // nil unless it is to run: other machines need no access to its secrets
	gauges    *scheduler.Gauges
}

// statsInterval is how often the gauges are read from the database.
const statsInterval = 15 * time.Second

// serve runs the components until ctx is done. The admin address answers first, so
// that /readyz says why the others wait.
func (a *app) serve(ctx context.Context, only []string) error {
	s, err := a.build(only)
	if err != nil {
		return err
	}
	whole := ctx
	group, ctx := errgroup.WithContext(ctx)
	if slices.Contains(only, componentWeb) {
		group.Go(func() error { return a.serveHTTP(ctx, s, only) })
	}
	group.Go(func() error {
		if err := a.awaitReady(ctx); err != nil {
			return err
		}
		a.log.InfoContext(ctx, "serving", "components", strings.Join(only, ","))
		if a.config.Publisher.Shadow {
			a.log.WarnContext(ctx, "shadow mode: months are settled beside an older system, and no document is published")
		}
		return a.runComponents(ctx, s, only)
	})
	err = awaitStop(whole, group.Wait)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	a.log.InfoContext(ctx, "stopped", "because", context.Cause(whole))
	return nil
}

// stopTimeout is how long a stop may take. What is under way by then waits for a server: a
// commit for the standby, an answer of a database that hangs.
const stopTimeout = 10 * time.Second

// awaitStop waits for work, and for no longer than stopTimeout once ctx is done. What is left
// is like that of a process that was killed: the next one finishes it.
func awaitStop(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stopTimeout):
		return fmt.Errorf("ending with work under way, %s after the signal to stop: see what the database or the brokers were waiting for; the next process takes the work up", stopTimeout)
	}
}

// serveHTTP serves the admin address and the personal account, and refreshes the gauges.
func (a *app) serveHTTP(ctx context.Context, s *service, only []string) error {
	handler, err := a.admin(s, only)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.serveAdmin(ctx, handler) })
	group.Go(func() error { s.gauges.Follow(ctx, statsInterval); return nil })
	group.Go(func() error { return a.servePortal(ctx) })
	group.Go(func() error { return a.serveFinance(ctx) })
	return group.Wait()
}

func (a *app) admin(s *service, only []string) (http.Handler, error) {
	return web.NewAdmin(web.Options{
		Gatherer: a.registry, Registerer: a.registry, Checks: a.checks(s, only), Advisory: advisoryChecks(s, only),
		Certificates: a.config.Certificates(), Log: a.log,
	})
}

func (a *app) runComponents(ctx context.Context, s *service, only []string) error {
	group, ctx := errgroup.WithContext(ctx)
	for name, runLoop := range map[string]func(context.Context) error{
		componentConsumer: s.consumer.Run, componentScheduler: s.scheduler.Run, componentPublisher: s.publisher.Run,
		componentNotify: func(ctx context.Context) error { return s.notifier.Run(ctx) },
	} {
		if slices.Contains(only, name) {
			group.Go(func() error { return runLoop(ctx) })
		}
	}
	return group.Wait()
}

func (a *app) build(only []string) (*service, error) {
	var s service
	var err error
	if s.consumer, err = a.consumer(); err != nil {
		return nil, err
	}
	if s.publisher, err = a.publisher(); err != nil {
		return nil, err
	}
	if slices.Contains(only, componentNotify) {
		if s.notifier, err = a.notifier(); err != nil {
			return nil, err
		}
	}
	if s.scheduler, err = a.scheduler(); err != nil {
		return nil, err
	}
	s.gauges, err = scheduler.NewGauges(a.registry, a.store, a.log, a.now)
	a.registry.MustRegister(&termsInfo{own: a.programme.Digest(), inForce: a.store.TermsInForce})
	return &s, err
}

func (a *app) consumer() (*consumer.Consumer, error) {
	return a.consumerOf(a.kafka(), a.store, a.registry)
}

// consumerOf takes what arrives on the topics of a cluster to a store, and what is on raw
// topics as it is.
func (a *app) consumerOf(k cluster, s consumer.Store, registerer prometheus.Registerer, raw ...string) (*consumer.Consumer, error) {
	dialer, err := k.dialer()
	if err != nil {
		return nil, err
	}
	return consumer.New(consumer.Options{
		Brokers: k.Brokers, Group: k.Group, Dialer: dialer,
		Topics:   k.factTopics(),
		Raw:      raw,
		Currency: a.config.Programme.Currency,
		Workers:  k.Workers, BatchSize: k.BatchSize, Linger: k.Linger,
		Timing: consumer.Timing{SessionTimeout: k.SessionTimeout},
		Store:  s, Derive: a.programme.Derive(newCode),
		Log: a.log, Registerer: registerer, Now: a.now,
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
		Shadow: a.config.Publisher.Shadow, PollInterval: a.config.Publisher.Poll, Log: a.log, Registerer: a.registry, Now: a.now,
	})
}

// pollRuns is how often a replica looks for a run that it can help with, or that a
// killed process left unfinished.
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
		Settler: settler, Auditor: a.store, Insight: a.store, Orders: a.store, Sign: a.signer().CarryOut, RunAt: runAt, CatchUp: catchUp, Poll: pollRuns,
		Retention: retention, AnswerGrace: s.AnswerGrace, AwaitFacts: a.kafka().awaitFacts,
	})
}

func (a *app) retention() (scheduler.Retention, error) {
	r := &a.config.Retention
	at, err := r.Schedule(&a.config.Schedule)
	return scheduler.Retention{Cleaner: a.store, Schedule: at, Keep: r.ByTable()}, err
}

// awaitReady waits for a database that does not answer or takes no writes yet. One that is
// set up otherwise than this program needs must be fixed by a person: at the start that is an
// error; when the service had to wait for it, /readyz says so and it is checked again.
func (a *app) awaitReady(ctx context.Context) error {
	waited := false
	waits := sleep.Backoff(250*time.Millisecond, 15*time.Second)
	for {
		err := a.prepareDatabase(ctx)
		a.notReady.Store(&err)
		again := mayPass(err) || waited && errors.Is(err, store.ErrUnfit)
		if err == nil || ctx.Err() != nil || !again {
			return err
		}
		waited = true
		a.log.ErrorContext(ctx, "the database is not ready; trying again", "error", advice.OfDatabase(err))
		if !sleep.Next(ctx, waits) {
			return ctx.Err()
		}
	}
}

// mayPass tells whether the database is unavailable, starting or stopping, has come upon a
// limit or a failure of its machine, takes no writes, or its connection ended before the answer.
func mayPass(err error) bool {
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var network net.Error
	if errors.As(err, &pg) {
		passing := []string{"08", "53", "57", "58", "XX"} // connection, resources, operator, system, internal error
		return pg.Code == "25006" || len(pg.Code) > 2 && slices.Contains(passing, pg.Code[:2])
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn)
	found := errors.Is(err, store.ErrReadOnly) || errors.Is(err, store.ErrSilent)
	return ended || found || errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err)
}

func (a *app) checks(s *service, only []string) map[string]func(context.Context) error {
	checks := map[string]func(context.Context) error{
		"database": a.databaseReady,
		"schema":   a.store.CheckSchema,
		"terms":    a.termsReady,
		"broker":   a.kafka().ping,
	}
	for name, ready := range map[string]func() error{
		componentConsumer: s.consumer.Ready, componentPublisher: s.publisher.Ready, componentScheduler: s.scheduler.Ready,
	} {
		if slices.Contains(only, name) {
			checks[name] = func(context.Context) error { return ready() }
		}
	}
	return checks
}

// databaseReady is nil when the database answers, commits, and has the settings that the
// program needs, which may change when another server takes its place.
func (a *app) databaseReady(ctx context.Context) error {
	if err := a.store.Ping(ctx); err != nil {
		return advice.OfDatabase(err)
	}
	if err := a.notReady.Load(); err != nil && errors.Is(*err, store.ErrUnfit) {
		return *err
	}
	if err := a.store.CheckSettings(ctx); err != nil {
		return err
	}
	return a.store.CheckCommits(ctx)
}

// advisoryChecks do not take the process out of service: while a mail server is
// unavailable, or a topic that few installations need is missing, invitations wait and
// all else works.
func advisoryChecks(s *service, only []string) map[string]func(context.Context) error {
	if !slices.Contains(only, componentNotify) {
		return nil
	}
	return map[string]func(context.Context) error{componentNotify: func(context.Context) error { return s.notifier.Ready() }}
}
