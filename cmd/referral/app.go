package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"referral/billing"
	"referral/cmd/referral/config"
	"referral/models"
	"referral/scheduler"
	"referral/store"
)

// app is what the commands share: settings, rules, storage, log and metrics.
type app struct {
	config    *config.Config
	programme *billing.Programme
	store     *store.Store
	log       *slog.Logger
	registry  *prometheus.Registry
	now       func() time.Time
	unfit     atomic.Pointer[error] // why the database cannot be worked on yet
}

// configOf loads the configuration that a command was given.
func configOf(cmd *cobra.Command, p process) (*config.Config, error) {
	flag := cmd.Flags().Lookup("config")
	return config.Load(flag.Value.String(), flag.Changed, p.environ)
}

// openReadOnly prepares a command that only looks: the database itself refuses
// whatever it would write.
func openReadOnly(cmd *cobra.Command, p process) (*app, error) { return openChecked(cmd, p, true) }

// openMigrated prepares a command that changes the database.
func openMigrated(cmd *cobra.Command, p process) (*app, error) { return openChecked(cmd, p, false) }

// openChecked makes sure that the database is fit and that its schema is the one
// that this program knows.
func openChecked(cmd *cobra.Command, p process, readOnly bool) (*app, error) {
	a, err := openApp(cmd, p, readOnly)
	if err != nil {
		return nil, err
	}
	if err := a.checkDatabase(cmd.Context()); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// openApp prepares a command that waits for the database, or makes its schema.
func openApp(cmd *cobra.Command, p process, readOnly bool) (*app, error) {
	c, err := configOf(cmd, p)
	if err != nil {
		return nil, err
	}
	if cmd.Name() != "serve" && c.Log.Level == "info" {
		c.Log.Level = "warn" // a command at the prompt says in its answer what it did
	}
	return newApp(c, p, readOnly)
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
	}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	a.store, err = store.Open(store.Options{
		DSN: string(c.Database.DSN), MaxConnections: c.Database.MaxConnections,
		StatementTimeout: c.Database.StatementTimeout, ReadOnly: readOnly, Now: a.now, RehearsalFault: a.spoolFaults(), Rejected: a.rejections(),
	})
	if err != nil {
		return nil, err
	}
	a.registry.MustRegister(a.store.PoolStats())
	return a, nil
}

// spoolFaults counts the rehearsed chunks that the temporary directory lost. The
// ledger is none the worse for it, the disk may be.
func (a *app) spoolFaults() func(models.ChunkRef, error) {
	faults := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "referral", Subsystem: "settlement", Name: "rehearsal_cache_errors_total",
		Help: "Rehearsed chunks that could not be written to or read from the temporary directory. They are settled again."})
	a.registry.MustRegister(faults)
	return func(chunk models.ChunkRef, err error) {
		faults.Inc()
		a.log.Warn("a rehearsed chunk is lost and is settled again; look at the temporary directory",
			"run", chunk.RunID, "chunk", chunk.Chunk, "directory", os.TempDir(), "error", err)
	}
}

// rejections counts the statements that the database rejects whatever the data.
func (a *app) rejections() func(string) {
	rejections := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "referral", Subsystem: "database", Name: "rejected_statements_total",
		Help: "Statements that the database rejects at every attempt, by SQLSTATE: the schema, a privilege or the server is not what the program needs."},
		[]string{"sqlstate"})
	a.registry.MustRegister(rejections)
	for _, state := range []string{"42501", "42703", "42P01"} { // the ones to expect begin at 0
		rejections.WithLabelValues(state)
	}
	return func(state string) { rejections.WithLabelValues(state).Inc() }
}

func (a *app) close() {
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

// ready makes sure that the database is fit, that the schema is the one this
// program knows and that what was derived follows the terms of the configuration.
func (a *app) ready(ctx context.Context) error {
	if err := a.checkDatabase(ctx); err != nil {
		return err
	}
	return a.adoptTerms(ctx)
}

func (a *app) adoptTerms(ctx context.Context) error {
	changed, err := a.store.AdoptTerms(ctx, a.programme.Digest(), a.programme.Rederive(a.now()))
	if changed > 0 {
		a.log.Warn("the terms have changed: what they grant was derived again, and differences will be posted by the next runs", "accounts", changed)
	}
	return err
}

func (a *app) settler(log *slog.Logger) (*scheduler.Settler, error) {
	return scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: a.store, Calendar: a.store, Programme: a.programme,
		Workers: a.config.Settle.Workers, Chunk: a.config.Settle.ChunkAccounts,
		Log: log, Metrics: scheduler.NewMetrics(a.registry), Now: a.now,
	})
}

// newCode draws an invitation code. The codes are worth money: the source must
// be one that nobody can foresee.
func newCode() string {
	var code strings.Builder
	for range models.CodeLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(models.CodeAlphabet))))
		if err != nil {
			panic(fmt.Sprintf("no randomness: %v", err))
		}
		code.WriteByte(models.CodeAlphabet[n.Int64()])
	}
	return code.String()
}

// periodArg reads the period that a command was given.
func periodArg(args []string) (models.Period, error) {
	p, err := parsePeriod(args[0])
	return p, usageError("period", err)
}

// parsePeriod reads a period of the years in which facts are taken: in another one
// there is nothing to be found.
func parsePeriod(s string) (models.Period, error) {
	p, err := models.ParsePeriod(s)
	if err == nil && !models.YearTaken(p.Year()) {
		err = fmt.Errorf("%s must lie in the years %d to %d", p, models.FirstYear, models.LastYear)
	}
	return p, err
}
