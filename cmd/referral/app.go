package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"referral/billing"
	"referral/cmd/referral/advice"
	"referral/cmd/referral/config"
	"referral/internal/renewal"
	"referral/internal/sleep"
	"referral/internal/tracing"
	"referral/models"
	"referral/scheduler"
	"referral/store"
)

// app is what the commands share: settings, rules, storage, log, metrics and output.
type app struct {
	config    *config.Config
	programme *billing.Programme
	store     *store.Store
	log       *slog.Logger
	registry  *prometheus.Registry
	traces    *tracing.Provider
	now       func() time.Time
	in        io.Reader
	out, err  io.Writer
	files     *renewal.Files
	security  func() (*kafkaSecurity, error)
	notReady  atomic.Pointer[error] // why the database was not usable when it was last checked
}

// How a command opens the database. In a read-only session the database itself
// refuses every change.
const (
	readOnly  = true
	readWrite = false
)

// onDatabase does the work of a command on a database whose settings and schema are
// those that this program needs.
func onDatabase(cmd *cobra.Command, p process, readOnly bool, work func(context.Context, *app) error) error {
	a, err := openApp(cmd, p, readOnly)
	if err != nil {
		return err
	}
	defer a.close()
	ctx := a.traces.Context(cmd.Context())
	if err := a.checkDatabase(ctx); err != nil {
		return err
	}
	if !readOnly {
		defer a.watchCommits(ctx)()
	}
	return work(ctx, a)
}

// watchInterval is how often a command looks whether commits wait.
const watchInterval = 5 * time.Second

// watchCommits logs, until stop is called, that commits wait for a standby. The command would
// wait without a word.
func (a *app) watchCommits(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for sleep.For(ctx, watchInterval) {
			if err := a.store.CheckCommits(ctx); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "the command may be waiting for the database", "error", advice.OfDatabase(err))
			}
		}
	})
	return func() {
		cancel()
		watch.Wait()
	}
}

// openApp is for a command that waits for the database, or makes its schema.
func openApp(cmd *cobra.Command, p process, readOnly bool) (*app, error) {
	c, err := loadConfig(cmd, p)
	if err != nil {
		return nil, err
	}
	if cmd.Name() != "serve" && c.Log.Level == "info" {
		c.Log.Level = "warn" // the output of the command says what it did
	}
	return newApp(c, p, readOnly)
}

func loadConfig(cmd *cobra.Command, p process) (*config.Config, error) {
	flag := cmd.Flags().Lookup("config")
	return config.Load(flag.Value.String(), flag.Changed, p.environ)
}

func newApp(c *config.Config, p process, readOnly bool) (*app, error) {
	if err := c.RequireDatabase(); err != nil {
		return nil, err
	}
	programme, err := c.Programme.Rules()
	if err != nil {
		return nil, err
	}
	a := &app{
		config: c, programme: programme, log: c.Log.Logger(p.err), registry: prometheus.NewRegistry(), now: wallClock(os.Getenv),
		in: p.in, out: p.out, err: p.err,
	}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	a.files = renewal.NewFiles(a.log, a.registry)
	if err := a.startTracing(); err != nil {
		return nil, err
	}
	a.security = sync.OnceValues(a.secureKafka)
	options, err := a.storeOptions(c.Database.Schema)
	if err != nil {
		return nil, err
	}
	options.ReadOnly, options.RehearsalFault, options.Rejected, options.Limited = readOnly, a.countRehearsalCacheErrors(), a.countRejectedStatements(), a.countLimitErrors()
	if a.store, err = store.Open(options); err != nil {
		return nil, err
	}
	a.registry.MustRegister(a.store.PoolStats())
	return a, nil
}

// storeOptions are how to open a schema of the database.
func (a *app) storeOptions(schema string) (store.Options, error) {
	d := &a.config.Database
	authorities, own, key := d.Certificates()
	dsn, err := renewal.Read(a.files, "database.dsn_file", d.Connection, d.DSNFile, authorities, own, key)
	if err != nil {
		return store.Options{}, err
	}
	return store.Options{
		DSN: dsn.Get(), CurrentDSN: dsn.Get, Schema: schema, MaxConnections: d.MaxConnections, StatementTimeout: d.StatementTimeout, Now: a.now,
	}, nil
}

func (a *app) startTracing() error {
	t := &a.config.Tracing
	transport, err := renewal.Transport(a.files, "tracing", t.Client, t.CAFile, t.CertFile, t.KeyFile)
	if err != nil {
		return err
	}
	headers, err := renewal.Read(a.files, "tracing.headers_file", t.Headers, t.HeadersFile)
	if err != nil {
		return err
	}
	a.traces, err = tracing.New(tracing.Options{
		Endpoint: t.Endpoint, Sampling: t.Sampling, Headers: headers.Get, Transport: transport, Version: version, Instance: uuid.NewString(),
		Log: a.log, Registerer: a.registry,
	})
	return err
}

func (a *app) countRehearsalCacheErrors() func(models.ChunkRef, error) {
	errs := promauto.With(a.registry).NewCounter(prometheus.CounterOpts{Namespace: "referral", Subsystem: "settlement", Name: "rehearsal_cache_errors_total",
		Help: "Rehearsed chunks that could not be written to or read from the temporary directory. They are settled again."})
	return func(chunk models.ChunkRef, err error) {
		errs.Inc()
		a.log.Warn("a rehearsed chunk was lost and is settled again; check the temporary directory",
			"run", chunk.RunID, "chunk", chunk.Chunk, "directory", os.TempDir(), "error", err)
	}
}

func (a *app) countRejectedStatements() func(sqlstate string) {
	return a.countBySQLState("rejected_statements_total",
		"Statements that the database rejects at every attempt, by SQLSTATE: the schema, a privilege or the server is not what the program needs.",
		"42501", "42703", "42P01")
}

func (a *app) countLimitErrors() func(sqlstate string) {
	return a.countBySQLState("limit_errors_total",
		"Statements and connections that failed because a limit of the database was reached, by SQLSTATE: disk (53100), memory (53200), connections (53300), database.statement_timeout (57014). They are tried again.",
		store.LimitStates()...)
}

// countBySQLState counts errors of the database. Those to expect start at 0.
func (a *app) countBySQLState(name, help string, expected ...string) func(sqlstate string) {
	errs := promauto.With(a.registry).NewCounterVec(prometheus.CounterOpts{Namespace: "referral", Subsystem: "database", Name: name, Help: help}, []string{"sqlstate"})
	for _, state := range expected {
		errs.WithLabelValues(state)
	}
	return func(state string) { errs.WithLabelValues(state).Inc() }
}

func (a *app) close() {
	a.traces.Close()
	if err := a.store.Close(); err != nil {
		a.log.Warn("closing the database", "error", err)
	}
}

func (a *app) checkDatabase(ctx context.Context) error {
	if err := a.store.CheckDatabase(ctx); err != nil {
		return err
	}
	return a.store.CheckSchema(ctx)
}

// prepareDatabase checks the database, puts the terms of the configuration in force, and
// records the configuration when it has changed.
func (a *app) prepareDatabase(ctx context.Context) error {
	if err := a.checkDatabase(ctx); err != nil {
		return err
	}
	changed, err := a.store.AdoptTerms(ctx, a.programme.Digest(), a.programme.Rederive(a.now()))
	if changed > 0 {
		a.log.WarnContext(ctx, "the terms have changed: entitlements were derived again, and the next runs post the differences", "accounts", changed)
	}
	if err != nil {
		return err
	}
	if !a.config.Publisher.Shadow {
		if err := a.store.LeaveShadowMode(ctx); err != nil {
			return err
		}
	}
	return a.store.RecordConfiguration(ctx, fmt.Sprintf("%x", sha256.Sum256([]byte(a.config.String()))))
}

func (a *app) settler(log *slog.Logger) (*scheduler.Settler, error) {
	return scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: a.store, Calendar: a.store, Programme: a.programme,
		Workers: a.config.Settle.Workers, Chunk: a.config.Settle.ChunkAccounts, Shadow: a.config.Publisher.Shadow,
		Log: log, Metrics: scheduler.NewMetrics(a.registry), Now: a.now,
	})
}

// newCode draws an invitation code. The codes are worth money, so nobody may be able
// to predict them.
func newCode() string {
	var code strings.Builder
	for range models.CodeLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(models.CodeAlphabet))))
		if err != nil {
			panic(fmt.Sprintf("reading random numbers: %v", err))
		}
		code.WriteByte(models.CodeAlphabet[n.Int64()])
	}
	return code.String()
}

// clockVariable is the name of an environment variable that names a file with the
// offset of the clock, such as "8h". Only the end-to-end tests set it, when they link
// their own program (-ldflags "-X …"): no configuration can move the clock of a
// program that was built as usual.
var clockVariable string

// wallClock is the clock of the machine, unless the tests move it.
func wallClock(getenv func(string) string) func() time.Time {
	if clockVariable == "" || getenv(clockVariable) == "" {
		return time.Now
	}
	file := getenv(clockVariable)
	return func() time.Time {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(fmt.Sprintf("reading the offset of the clock: %v", err)) // a mistake of the test
		}
		offset, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			panic(fmt.Sprintf("reading the offset of the clock from %s: %v", file, err))
		}
		return time.Now().Add(offset)
	}
}

func isTerminal(w any) bool {
	if o, ok := w.(*output); ok {
		w = o.to
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newBar is a progress bar, which is invisible unless w is a terminal.
func newBar(w io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionSetVisibility(isTerminal(w)), progressbar.OptionSetWidth(40),
		progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

// showRunProgress draws a bar on a terminal until the returned function is called.
func (a *app) showRunProgress(ctx context.Context, period models.Period) (stop func()) {
	if !isTerminal(a.err) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.drawRunProgress(ctx, period)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (a *app) drawRunProgress(ctx context.Context, period models.Period) {
	bar := newBar(a.err)
	defer bar.Clear() //nolint:errcheck // it is decoration
	for sleep.For(ctx, 200*time.Millisecond) {
		runs, err := a.store.ActiveRuns(ctx)
		if err != nil {
			return // the run reports it
		}
		for _, run := range runs {
			if done, all, err := a.store.Progress(ctx, run); err == nil && run.Period == period {
				bar.Describe(fmt.Sprintf("%s %s", run.Period, run.State))
				bar.ChangeMax(max(all, 1))
				_ = bar.Set(done)
			}
		}
	}
}

// countAccounts hands the accounts of a period on to see, and counts them on a terminal.
// The function stop takes the bar away.
func (a *app) countAccounts(ctx context.Context, period models.Period, see func(*models.AccountHistory)) (each func(*models.AccountHistory) error, stop func()) {
	bar := newBar(a.err)
	if isTerminal(a.err) {
		if size, err := a.store.AuditSize(ctx, period); err == nil { // otherwise reading the accounts fails too
			bar.ChangeMax64(max(size, 1))
			bar.Describe(fmt.Sprintf("%s accounts", period))
		}
	}
	each = func(c *models.AccountHistory) error {
		_ = bar.Add(1)
		see(c)
		return nil
	}
	return each, func() { _ = bar.Clear() }
}
