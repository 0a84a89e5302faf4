package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
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
	"referral/internal/sleep"
	"referral/internal/subprocess"
	"referral/models"
	"referral/store"
	"referral/web/auth"
	"referral/web/finance"
	"referral/web/portal"
)

// demoOptions is how large the demo is.
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
		Short: "The whole system on one machine, with nothing to install first",
		Long: `Starts an embedded Kafka broker and a private PostgreSQL (found on the machine, or
downloaded once), generates clients and their months, settles every month, plays the
part of billing, and prints the reconciliation of the last month and the explanation of
one account. Then it serves the personal account, where you can sign in as any client,
until Ctrl-C. With --once it ends instead.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd, p)
			if err != nil {
				return err
			}
			if o.accounts < 1 || o.months < 1 || o.months > 36 {
				return misuse(cmd, "--accounts must be at least 1, --months 1 to 36")
			}
			return runDemo(cmd.Context(), p, c, o)
		},
	}
	cmd.Flags().IntVar(&o.accounts, "accounts", 2000, "how many clients")
	cmd.Flags().IntVar(&o.months, "months", 8, "how many months, the last one being the month before this")
	cmd.Flags().Uint64Var(&o.seed, "seed", 885, "the same seed generates the same clients")
	cmd.Flags().BoolVar(&o.once, "once", false, "end instead of serving until Ctrl-C")
	return cmd
}

// demo is the whole system on one machine.
type demo struct {
	*app

	process     process
	service     *service
	options     demoOptions
	workload    *workload.Generator
	kafka       *workload.Kafka
	codes       workload.Codes
	sent        workload.Summary
	billing     *fakebilling.Billing
	provider    *fakeoidc.Provider
	staff       *fakeoidc.Provider
	posted      int
	environment []string // with which the commands of the program find this system
}

func runDemo(ctx context.Context, p process, c *config.Config, o demoOptions) (err error) {
	d := &demo{process: p, options: o}
	began := time.Now()
	fmt.Fprintln(p.out, "Starting an embedded Kafka broker and a private PostgreSQL …")
	database, err := postgres.Start(ctx, postgres.Options{Log: p.err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Stop()) }()
	broker, err := embeddedkafka.Start(demoPartitions, slices.Collect(maps.Values(c.Kafka.Topics.Names()))...)
	if err != nil {
		return err
	}
	defer broker.Stop()
	if err := d.startProvider(ctx, c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.provider.Stop()) }()
	if err := d.startStaffProvider(ctx, c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.staff.Stop()) }()
	if err := d.open(ctx, c, database.DSN("postgres"), broker.Addr()); err != nil {
		return err
	}
	defer d.close()
	fmt.Fprintf(p.out, "Ready after %s.\n\n", time.Since(began).Round(100*time.Millisecond))
	return d.run(ctx)
}

// demoPartitions is enough to show that messages are in order per account, not per topic.
const demoPartitions = 3

// startProvider starts an OpenID provider and configures sign-in with it.
func (d *demo) startProvider(ctx context.Context, c *config.Config) error {
	address, err := freeAddress(c.HTTP.Cabinet)
	if err != nil {
		return err
	}
	c.HTTP.Cabinet = address
	c.Cabinet = config.Default().Cabinet
	public := c.Cabinet.Public(address)
	d.provider, err = fakeoidc.Start(ctx, fakeoidc.Options{
		RedirectURIs: []string{public + portal.BasePath + auth.CallbackPath}, PostLogoutURIs: []string{public + portal.BasePath + auth.SignedOutPath}, Offer: d.offeredClients,
	})
	if err != nil {
		return err
	}
	s := &c.Cabinet.SignIn
	s.Issuer, s.ClientID, s.ClientSecret = d.provider.Issuer(), fakeoidc.ClientID, config.Secret(d.provider.ClientSecret())
	s.AccountClaim, s.Audience = fakeoidc.AccountClaim, fakeoidc.Audience
	if err := c.Validate(); err != nil {
		return errors.Join(err, d.provider.Stop())
	}
	return nil
}

// demoStaff is the persons of the demo, one of each role.
var demoStaff = []struct{ name, role, why string }{
	{"Анна Котова", "referral-finance", "бухгалтер: месяцы, реестр, выгрузки"},
	{"Борис Лебедев", "referral-controller", "контролер"},
	{"Вера Орлова", "referral-support", "поддержка: отвечает клиентам"},
	{"Глеб Соколов", "referral-auditor", "аудитор: смотрит все"},
}

// startStaffProvider starts an OpenID provider of the staff and configures the sign-in
// to the staff pages with it.
func (d *demo) startStaffProvider(ctx context.Context, c *config.Config) error {
	address, err := freeAddress(c.HTTP.Finance)
	if err != nil {
		return err
	}
	c.HTTP.Finance = address
	c.Finance = config.Default().Finance
	base := c.Finance.Public(address) + finance.BasePath
	var persons []fakeoidc.Client
	for i, person := range demoStaff {
		persons = append(persons, fakeoidc.Client{AccountID: int64(i + 1), Name: person.name, Why: person.why})
	}
	d.staff, err = fakeoidc.Start(ctx, fakeoidc.Options{
		RedirectURIs: []string{base + auth.CallbackPath}, PostLogoutURIs: []string{base + auth.SignedOutPath},
		Claims: func(number int64) map[string]any {
			if number < 1 || int(number) > len(demoStaff) {
				return nil
			}
			person := demoStaff[number-1]
			return map[string]any{"name": person.name, "roles": []string{person.role}}
		},
		Offer: func(context.Context) ([]fakeoidc.Client, error) { return persons, nil },
	})
	if err != nil {
		return err
	}
	s := &c.Finance.SignIn
	s.Issuer, s.ClientID, s.ClientSecret = d.staff.Issuer(), fakeoidc.ClientID, config.Secret(d.staff.ClientSecret())
	if err := c.Validate(); err != nil {
		return errors.Join(err, d.staff.Stop())
	}
	return nil
}

// offeredClients is the clients that the sign-in page offers: one of each interesting kind.
func (d *demo) offeredClients(ctx context.Context) ([]fakeoidc.Client, error) {
	found, err := d.store.DemoAccounts(ctx, d.programme.Local(d.now()))
	if err != nil {
		d.log.ErrorContext(ctx, "the sign-in page cannot offer clients", "error", err)
		return nil, err
	}
	var offered []fakeoidc.Client
	for _, c := range []fakeoidc.Client{
		{AccountID: found.Highest, Why: "выше всех на лестнице скидок"},
		{AccountID: found.Climber, Why: "привёл первого друга"},
		{AccountID: found.Packaged, Why: "заработал пакет SMS"},
		{AccountID: found.Promised, Why: "новый клиент: скидка ждёт конца промо-периода"},
		{AccountID: found.Newcomer, Why: "новый клиент: ещё может ввести код"},
	} {
		known := func(other fakeoidc.Client) bool { return other.AccountID == c.AccountID }
		if c.AccountID != 0 && !slices.ContainsFunc(offered, known) {
			offered = append(offered, c)
		}
	}
	return offered, nil
}

// open points the configuration at the private servers and opens the program on them.
func (d *demo) open(ctx context.Context, c *config.Config, dsn, broker string) error {
	admin, err := freeAddress(c.HTTP.Admin)
	if err != nil {
		return err
	}
	c.Kafka.Brokers, c.Database.DSN, c.HTTP.Admin = []string{broker}, config.DSN(dsn), admin
	c.Kafka.TLS, c.Kafka.SASL, c.Database.DSNFile = config.TLS{}, config.SASL{}, ""
	c.HTTP.CabinetTLS, c.HTTP.FinanceTLS, c.HTTP.AdminTLS = config.ServerTLS{}, config.ServerTLS{}, config.ServerTLS{}
	c.Log = config.Log{Level: "error", Format: "text"}
	d.environment = []string{
		"REFERRAL_KAFKA_BROKERS=" + broker, "REFERRAL_DATABASE_DSN=" + dsn, "REFERRAL_HTTP_ADMIN=" + admin,
		"REFERRAL_LOG_LEVEL=error", "REFERRAL_KAFKA_TLS=false", "REFERRAL_KAFKA_SASL={}",
	}
	if d.app, err = newApp(c, d.process, readWrite); err != nil {
		return err
	}
	if _, err := d.store.Migrate(ctx, store.Roles{}); err != nil {
		return err
	}
	if err := d.prepareDatabase(ctx); err != nil {
		return err
	}
	first := d.programme.Local(d.now()).Period()
	for range d.options.months {
		first = first.Previous()
	}
	d.workload, err = workload.New(workload.Options{Seed: d.options.seed, Accounts: d.options.accounts, First: first, Months: d.options.months})
	return err
}

// freeAddress is the address itself, or one with a free port when it is in use.
func freeAddress(address string) (string, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return subprocess.FreeAddress()
	}
	free := listener.Addr().String()
	return free, listener.Close()
}

// run plays the months while the service runs, then shows the results.
func (d *demo) run(ctx context.Context) error {
	var err error
	if d.service, err = d.build(allComponents); err != nil {
		return err
	}
	topics := d.config.Kafka.Topics
	if d.kafka, err = workload.NewKafka(d.config.Kafka.Brokers, topics.Names()); err != nil {
		return err
	}
	defer d.kafka.Close()
	if d.billing, err = fakebilling.Start(ctx, fakebilling.Options{
		Brokers: d.config.Kafka.Brokers, Group: "demo-billing",
		Discounts: topics.Discounts, Packages: topics.Packages, Results: topics.Results,
	}); err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	group, serving := errgroup.WithContext(serving)
	group.Go(func() error {
		return d.runComponents(serving, d.service, []string{componentConsumer, componentPublisher})
	})
	group.Go(func() error { return d.kafka.LearnCodes(serving, &d.codes) })
	var played error
	group.Go(func() error {
		defer stop()
		played = d.play(serving)
		return played
	})
	err = group.Wait()
	if played != nil {
		err = played // the cause, and not what it ended
	}
	if errors.Is(err, context.Canceled) {
		err = nil // Ctrl-C, or the end of the demo, which ends the rest
	}
	return errors.Join(err, d.billing.Stop())
}

func (d *demo) play(ctx context.Context) error {
	fmt.Fprintf(d.out, "%d clients, %d months. Messages arrive late, twice, in any order, and some are faulty.\n\n", d.options.accounts, d.options.months)
	const row = "%-8s  %9s  %9s  %9s  %16s  %8s  %7s  %11s\n"
	fmt.Fprintf(d.out, row, "month", "messages", "invoices", "documents", "discounts", "packages", "on hold", "late facts")
	began := time.Now()
	for phase := range d.workload.Phases() {
		if err := d.playMonth(ctx, phase, row); err != nil {
			return err
		}
	}
	faulty := int64(0)
	for _, count := range d.sent.Bad {
		faulty += count
	}
	fmt.Fprintf(d.out, "\nSettled in %s: %s messages, of them %s repeats and %s faulty.\n\n", time.Since(began).Round(100*time.Millisecond),
		report.Count(d.sent.Messages), report.Count(d.sent.Repeats), report.Count(faulty))
	if err := d.show(ctx); err != nil || d.options.once {
		return err
	}
	return d.serveUntilStopped(ctx)
}

// playMonth sends the messages of a month, settles it, and settles again what came late
// for the months before.
func (d *demo) playMonth(ctx context.Context, phase int, row string) error {
	messages, invoices := d.sent.Messages, d.sent.Good[workload.Invoices]
	if err := d.kafka.Send(ctx, &d.sent, d.workload.Registrations(phase)); err != nil {
		return err
	}
	if err := d.awaitConsumed(ctx); err != nil {
		return err
	}
	if err := d.awaitCodes(ctx); err != nil {
		return err
	}
	if err := d.kafka.SendUntilError(ctx, &d.sent, d.workload.Rest(phase, d.codes.Code)); err != nil {
		return err
	}
	if err := d.awaitConsumed(ctx); err != nil {
		return err
	}
	period := d.workload.Period(phase)
	if phase == d.workload.Phases()-1 {
		if err := d.rehearse(ctx, period); err != nil {
			return err
		}
	}
	own, late, err := d.settleMonth(ctx, period)
	if err == nil {
		// What the last night of the month would have expected; the months before are known.
		err = d.service.scheduler.Forecast(ctx, (period.End() - 1).Time())
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, row, period, report.Count(d.sent.Messages-messages), report.Count(d.sent.Good[workload.Invoices]-invoices), report.Count(own.Documents),
		own.Amount, report.Count(own.Packages), report.Count(own.HeldLines), late.Amount)
	return nil
}

// demoTimeout limits how long the demo waits for one thing.
const demoTimeout = 10 * time.Minute

func (d *demo) awaitConsumed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	return d.app.kafka().awaitFacts(ctx)
}

func (d *demo) awaitCodes(ctx context.Context) error {
	issued, err := d.store.CodesIssued(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	for d.codes.Known() < int(issued) {
		if !sleep.For(ctx, 20*time.Millisecond) {
			return fmt.Errorf("waiting for the invitation codes on the topic of events: %w", ctx.Err())
		}
	}
	return nil
}

// rehearse has a month rehearsed for the staff pages, as if the accountant had ordered it.
func (d *demo) rehearse(ctx context.Context, period models.Period) error {
	accountant := models.Person{Subject: "1", Name: demoStaff[0].name}
	_, _, err := d.store.OrderRun(ctx, models.RunOrder{Period: period, What: models.OrderRehearsal, By: accountant},
		models.OperatorAction{Who: accountant.Name, Role: models.RoleFinance, What: models.ActionRehearse, Subject: period.String()})
	if err != nil {
		return err
	}
	return d.service.scheduler.CarryOutOrders(ctx)
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
		runs, err := d.service.scheduler.Settler.Run(ctx, models.RunRequest{Period: info.Period})
		if err == nil {
			err = resultOf(runs)
		}
		if err != nil {
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
	return own, late, d.awaitConsumed(ctx)
}

// show prints the results by the commands of the program.
func (d *demo) show(ctx context.Context) error {
	last := d.workload.Phases() - 1
	if err := d.command(ctx, d.out, "reconcile", d.workload.Period(last).String()); err != nil {
		return err
	}
	account, err := d.store.MostDiscounted(ctx, d.workload.Period(last))
	if err == nil && account != 0 {
		err = d.command(ctx, d.out, "explain", "account", fmt.Sprint(account))
	}
	if err != nil {
		return err
	}
	if last > 0 {
		fmt.Fprintln(d.out, "The other months:")
	}
	for phase := range last {
		period := d.workload.Period(phase).String()
		if err := d.command(ctx, io.Discard, "reconcile", period); err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  %s ties\n", period)
	}
	fmt.Fprintln(d.out)
	if err := d.registerCompany(ctx, account); err != nil {
		return err
	}
	return d.keepFindings(ctx)
}

// companySize is how many clients of one company enter one code within an hour, so that
// there is something to suspect.
const companySize = 6

// registerCompany has clients of one company enter the code of an account.
func (d *demo) registerCompany(ctx context.Context, inviter int64) error {
	code, known := d.codes.Code(inviter)
	if !known {
		return nil
	}
	company := workload.Company(int64(d.options.accounts+newClients+1), companySize, code, d.now().Add(-24*time.Hour))
	if err := d.kafka.Send(ctx, &d.sent, slices.Values(company)); err != nil {
		return err
	}
	return d.awaitConsumed(ctx)
}

// keepFindings keeps for the staff pages what a night finds: the reconciliation of every
// month, the forecast and the suspicions.
func (d *demo) keepFindings(ctx context.Context) error {
	for phase := range d.workload.Phases() {
		if err := d.service.scheduler.ReconcilePeriod(ctx, d.workload.Period(phase)); err != nil {
			return err
		}
	}
	return errors.Join(d.service.scheduler.Forecast(ctx, d.now()), d.service.scheduler.Suspect(ctx))
}

// command runs a command of the program on this system.
func (d *demo) command(ctx context.Context, out io.Writer, args ...string) error {
	line := "referral " + strings.Join(args, " ")
	fmt.Fprintf(out, "$ %s\n", line)
	p := process{in: d.in, out: out, err: d.err, environ: slices.Concat(d.process.environ, d.environment)}
	if status := run(ctx, args, p); status != exitOK {
		return negativeResult(fmt.Sprintf("`%s` ended with status %d", line, status))
	}
	return nil
}

// newClients is how many clients register these days and may still enter a code, for
// people who try that.
const newClients = 3

func (d *demo) registerNewClients(ctx context.Context) error {
	return d.kafka.Send(ctx, &d.sent, func(yield func(workload.Message) bool) {
		for n := range newClients {
			at := d.now().Add(-time.Duration(n) * 24 * time.Hour)
			if !yield(workload.Registration(int64(d.options.accounts+1+n), at)) {
				return
			}
		}
	})
}

func (d *demo) serveUntilStopped(ctx context.Context) error {
	if err := d.registerNewClients(ctx); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "The personal account, as any client of the demo: %s%s\n", d.config.Cabinet.Public(d.config.HTTP.Cabinet), portal.BasePath)
	fmt.Fprintf(d.out, "The staff pages, as any of four members of staff: %s%s\n", d.config.Finance.Public(d.config.HTTP.Finance), finance.BasePath)
	fmt.Fprintf(d.out, "Serving until Ctrl-C. Metrics and health: http://%s/metrics, /healthz, /readyz\n", d.config.HTTP.Admin)
	fmt.Fprintf(d.out, "To use other commands on this system:\n  export %s %s\n", shellQuoted(d.environment[0]), shellQuoted(d.environment[1]))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.serveHTTP(ctx, d.service, allComponents) })
	group.Go(func() error { return d.runComponents(ctx, d.service, []string{componentScheduler, componentNotify}) })
	return group.Wait()
}

func shellQuoted(assignment string) string {
	name, value, _ := strings.Cut(assignment, "=")
	return name + "='" + value + "'"
}
