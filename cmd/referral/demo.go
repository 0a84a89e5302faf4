package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"referral/cmd/referral/config"
	"referral/cmd/referral/report"
	"referral/internal/demo/embeddedkafka"
	"referral/internal/demo/fakebilling"
	"referral/internal/demo/fakeoidc"
	"referral/internal/demo/postgres"
	"referral/internal/demo/workload"
	"referral/internal/subprocess"
	"referral/models"
	"referral/store"
	"referral/web/portal"
)

// demoOptions say how large the demo is.
type demoOptions struct {
	accounts int
	months   int
	seed     uint64
	once     bool
}

func newDemo(p process) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole system on one machine, with nothing installed beforehand",
		Long: `Starts an embedded broker and a private PostgreSQL (found on the machine, or fetched
once), makes up clients and their months, settles every month, stands for billing,
and prints the reconciliation and the explanation of one account. Then it serves
the personal account, in which one may sign in as any client, until Ctrl-C, or ends
with --once.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := configOf(cmd, p)
			if err != nil {
				return err
			}
			if o.accounts < 1 || o.months < 1 || o.months > 36 {
				return usageError("demo", errors.New("--accounts must be at least 1, --months 1 to 36"))
			}
			return runDemo(cmd.Context(), p, c, o)
		},
	}
	cmd.Flags().IntVar(&o.accounts, "accounts", 2000, "how many clients")
	cmd.Flags().IntVar(&o.months, "months", 8, "how many months of life, the last one being the month before this")
	cmd.Flags().Uint64Var(&o.seed, "seed", 885, "another seed, another life")
	cmd.Flags().BoolVar(&o.once, "once", false, "end instead of serving until Ctrl-C")
	return cmd
}

// demo is the system put together on one machine.
type demo struct {
	*app
	process
	built     *parts
	options   demoOptions
	life      *workload.Generator
	codes     *workload.Codes
	told      workload.Summary
	teller    *teller
	billing   *fakebilling.Billing
	identity  *fakeoidc.Provider
	posted    int
	overrides []string // environment under which the program's own commands find this system
}

func runDemo(ctx context.Context, p process, c *config.Config, o demoOptions) (err error) {
	d := &demo{process: p, options: o, codes: workload.NewCodes(o.accounts)}
	dir, err := os.MkdirTemp("", "referral-demo-*")
	if err != nil {
		return fmt.Errorf("making a directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	began := time.Now()
	fmt.Fprintln(p.out, "Starting an embedded broker and a private PostgreSQL …")
	database, err := postgres.Start(ctx, postgres.Options{Log: p.err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Stop()) }()
	kafkaBroker, err := embeddedkafka.Start(ctx, embeddedkafka.Options{DataDir: filepath.Join(dir, "broker"), Topics: demoTopics(c)})
	if err != nil {
		return err
	}
	defer kafkaBroker.Stop()
	if err := d.identify(ctx, c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.identity.Stop()) }()
	if err := d.prepare(ctx, c, database.DSN("postgres"), kafkaBroker.Addr()); err != nil {
		return err
	}
	defer d.close()
	fmt.Fprintf(p.out, "Ready after %s.\n\n", time.Since(began).Round(100*time.Millisecond))
	return d.live(ctx)
}

// demoPartitions is enough to show that order holds per account, not per topic.
const demoPartitions = 3

func demoTopics(c *config.Config) map[string]int {
	topics := map[string]int{}
	for _, name := range c.Kafka.Topics.Names() {
		topics[name] = demoPartitions
	}
	return topics
}

// prepare points the configuration at the private servers and opens the program
// on them.
func (d *demo) prepare(ctx context.Context, c *config.Config, dsn, brokerAddr string) error {
	admin, err := freeAddress(c.HTTP.Admin)
	if err != nil {
		return err
	}
	c.Kafka.Brokers, c.Database.DSN, c.HTTP.Admin = []string{brokerAddr}, config.DSN(dsn), admin
	c.Kafka.TLS, c.Kafka.SASL = config.TLS{}, config.SASL{}
	c.Log = config.Log{Level: "error", Format: "text"}
	d.overrides = []string{
		"REFERRAL_KAFKA_BROKERS=" + brokerAddr, "REFERRAL_DATABASE_DSN=" + dsn, "REFERRAL_HTTP_ADMIN=" + admin,
		"REFERRAL_LOG_LEVEL=error", "REFERRAL_KAFKA_TLS=false", "REFERRAL_KAFKA_SASL={}",
	}
	if d.app, err = newApp(c, d.process, false); err != nil {
		return err
	}
	if _, err := d.store.Migrate(ctx, store.Roles{}); err != nil {
		return err
	}
	if err := d.ready(ctx); err != nil {
		return err
	}
	first := d.programme.Local(d.now()).Period()
	for range d.options.months {
		first = first.Previous()
	}
	d.life, err = workload.New(workload.Options{Seed: d.options.seed, Accounts: d.options.accounts, First: first, Months: d.options.months})
	return err
}

// freeAddress is the address itself, or when somebody has it one with a free port.
func freeAddress(address string) (string, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return subprocess.FreeAddress()
	}
	free := listener.Addr().String()
	return free, listener.Close()
}

// live plays the months while the service runs, then shows what came of them.
func (d *demo) live(ctx context.Context) error {
	var err error
	if d.built, err = d.build(allParts); err != nil {
		return err
	}
	d.teller = newTeller(d.config)
	if d.billing, err = fakebilling.Start(ctx, fakebilling.Options{
		Brokers: d.config.Kafka.Brokers, Group: "demo-billing", Log: slog.New(slog.DiscardHandler),
		Discounts: d.config.Kafka.Topics.Discounts, Packages: d.config.Kafka.Topics.Packages, Results: d.config.Kafka.Topics.Results,
	}); err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	group, serving := errgroup.WithContext(serving)
	group.Go(func() error { return d.runParts(serving, d.built, []string{partConsumer, partPublisher}) })
	group.Go(func() error { return d.teller.learn(serving, d.codes) })
	var told error
	group.Go(func() error {
		defer stop()
		told = d.story(serving)
		return told
	})
	err = group.Wait()
	if told != nil {
		err = told // what went wrong first, not what it ended
	}
	if errors.Is(err, context.Canceled) {
		err = nil // Ctrl-C, or the end of the story, which ends the rest
	}
	return errors.Join(err, d.billing.Stop(), d.teller.close())
}

func (d *demo) story(ctx context.Context) error {
	if err := d.tell(ctx); err != nil {
		return err
	}
	if err := d.show(ctx); err != nil || d.options.once {
		return err
	}
	return d.stay(ctx)
}

// tell plays the months, one line of a table each.
func (d *demo) tell(ctx context.Context) error {
	fmt.Fprintf(d.out, "%d clients live %d months; messages come late, twice, in any order and broken.\n\n", d.options.accounts, d.options.months)
	const row = "%-8s  %9s  %9s  %9s  %16s  %8s  %7s  %11s\n"
	fmt.Fprintf(d.out, row, "month", "messages", "invoices", "documents", "discounts", "packages", "on hold", "late facts")
	began := time.Now()
	for phase := range d.life.Phases() {
		if err := d.month(ctx, phase, row); err != nil {
			return err
		}
	}
	fmt.Fprintf(d.out, "\nTold and settled in %s: %s messages, of them %s repeats and %s broken.\n\n", time.Since(began).Round(100*time.Millisecond),
		report.Count(d.told.Messages), report.Count(d.told.Repeats), report.Count(badOf(&d.told)))
	return nil
}

func badOf(s *workload.Summary) int64 {
	var n int64
	for _, count := range s.Bad {
		n += count
	}
	return n
}

// month tells one month, settles it, and settles again what came late for the
// months before.
func (d *demo) month(ctx context.Context, phase int, row string) error {
	messages, invoices := d.told.Messages, d.told.Good[workload.Invoices]
	if err := d.teller.tell(ctx, &d.told, withoutErrors(d.life.Registrations(phase))); err != nil {
		return err
	}
	if err := d.settled(ctx); err != nil {
		return err
	}
	issued, err := d.store.CodesIssued(ctx)
	if err != nil {
		return err
	}
	if err := d.teller.awaitCodes(ctx, d.codes, int(issued)); err != nil {
		return err
	}
	if err := d.teller.tell(ctx, &d.told, d.life.Rest(phase, d.codes.Code)); err != nil {
		return err
	}
	if err := d.settled(ctx); err != nil {
		return err
	}
	period := d.life.Period(phase)
	own, late, err := d.settleMonth(ctx, period)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, row, period, report.Count(d.told.Messages-messages), report.Count(d.told.Good[workload.Invoices]-invoices), report.Count(own.Documents),
		own.Amount, report.Count(own.Packages), report.Count(own.HeldLines), late.Amount)
	return nil
}

// settleMonth runs a month and the differences of the earlier ones, and waits
// until billing has answered.
func (d *demo) settleMonth(ctx context.Context, period models.Period) (own, late models.Totals, err error) {
	periods, err := d.store.Periods(ctx)
	if err != nil {
		return own, late, err
	}
	for _, info := range periods {
		if info.Period > period || info.Period < period && info.Stale == 0 {
			continue
		}
		runs, err := d.built.scheduler.Settler.Run(ctx, models.RunRequest{Period: info.Period})
		if err != nil {
			return own, late, err
		}
		if err := outcomeOf(runs); err != nil {
			return own, late, err
		}
		if info.Period == period {
			own = runs[0].Totals
		} else {
			late = late.Add(runs[0].Totals)
		}
	}
	d.posted += int(own.Documents + own.Packages + late.Documents + late.Packages)
	if err := d.billing.WaitFor(ctx, d.posted); err != nil {
		return own, late, err
	}
	return own, late, d.settled(ctx)
}

// show prints what came of it, by the program's own commands.
func (d *demo) show(ctx context.Context) error {
	last := d.life.Period(d.life.Phases() - 1)
	star, err := d.store.MostDiscounted(ctx, last)
	if err != nil {
		return err
	}
	commands := [][]string{{"reconcile", last.String()}}
	if star != 0 {
		commands = append(commands, []string{"explain", "account", fmt.Sprint(star)})
	}
	for _, args := range commands {
		if err := d.command(ctx, d.out, args...); err != nil {
			return err
		}
	}
	if d.life.Phases() > 1 {
		fmt.Fprintln(d.out, "The other months:")
	}
	for phase := range d.life.Phases() - 1 {
		period := d.life.Period(phase).String()
		if err := d.command(ctx, nil, "reconcile", period); err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  %s ties\n", period)
	}
	fmt.Fprintln(d.out)
	return nil
}

// command runs one of the program's commands on this system; with no out only
// its outcome counts.
func (d *demo) command(ctx context.Context, out io.Writer, args ...string) error {
	p := process{in: d.in, out: out, err: d.err, environ: slices.Concat(d.environ, d.overrides)}
	if out == nil {
		p.out = io.Discard
	} else {
		fmt.Fprintf(out, "$ referral %s\n", strings.Join(args, " "))
	}
	if status := run(ctx, args, p); status != exitDone {
		return errNo{fmt.Sprintf("`referral %s` ended with status %d", strings.Join(args, " "), status)}
	}
	return nil
}

// newcomers are clients who have registered these days and may still enter a
// code, for people who click through the demo.
const newcomers = 3

func (d *demo) welcome(ctx context.Context) error {
	return d.teller.tell(ctx, &d.told, func(yield func(workload.Message, error) bool) {
		for n := range newcomers {
			at := d.now().Add(-time.Duration(n) * 24 * time.Hour)
			if !yield(workload.Registration(int64(d.options.accounts+1+n), at), nil) {
				return
			}
		}
	})
}

// stay serves until somebody ends it.
func (d *demo) stay(ctx context.Context) error {
	if err := d.welcome(ctx); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "The personal account, as any client of the demo: %s%s\n", d.config.Cabinet.Public(d.config.HTTP.Cabinet), portal.BasePath)
	fmt.Fprintf(d.out, "Serving until Ctrl-C. Metrics and health: http://%s/metrics, /healthz, /readyz\n", d.config.HTTP.Admin)
	fmt.Fprintf(d.out, "The commands work on it too, under:\n  export %s %s\n", shellQuoted(d.overrides[0]), shellQuoted(d.overrides[1]))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.answer(ctx, d.built, allParts) })
	group.Go(func() error { return d.runParts(ctx, d.built, []string{partScheduler, partNotify}) })
	return group.Wait()
}

func shellQuoted(assignment string) string {
	name, value, _ := strings.Cut(assignment, "=")
	return name + "='" + value + "'"
}
