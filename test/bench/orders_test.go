package bench

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"referral/billing"
	"referral/models"
	"referral/scheduler"
	"referral/signoff"
	"referral/store"
)

// BenchmarkRehearse compares a rehearsal that is ordered, with what it keeps of each
// account, with the run of the same month, rehearsed and posted. It also measures their
// comparison, which finds no difference.
func BenchmarkRehearse(b *testing.B) {
	for _, n := range sizes(b, "100000,1000000") {
		b.Run(fmt.Sprintf("invoices=%d", n), func(b *testing.B) {
			for range b.N {
				rehearseOnce(b, n)
			}
		})
	}
}

func rehearseOnce(b *testing.B, n int) {
	s, db, _, p := takenMonth(b, n)
	createBaseline(b, db) // which unpost empties
	execute(b, db, "VACUUM ANALYZE")
	o := newOrders(b, s, p)
	var rehearsals, runs, comparisons series
	for range rounds(b) {
		unpost(b, db)
		id := o.order(b, models.RunOrder{Period: period, What: models.OrderRehearsal}, models.ActionRehearse)
		rehearsals = append(rehearsals, o.carryOut(b, db))
		m := begin(b, db, nil)
		run := settle(b, s, p, period)
		runs = append(runs, m.end())
		comparisons = append(comparisons, o.carryOut(b, db))
		done, _, err := s.RunOrder(context.Background(), id)
		if err != nil || done.Rehearsal == nil || done.Comparison == nil {
			b.Fatalf("the rehearsal has come to %+v: %v", done, err)
		}
		if done.Rehearsal.Run.Totals != run.Totals || run.Totals.Documents != int64(n/inGroup*3) || done.Comparison.Run != run.ID || done.Comparison.Accounts != 0 {
			b.Fatalf("rehearsed %+v, posted %+v, compared %+v", done.Rehearsal.Run.Totals, run.Totals, done.Comparison)
		}
		if kept := count(b, db, fmt.Sprint("rehearsed_amounts WHERE order_id = ", id)); kept != n/inGroup*3 {
			b.Fatalf("%d accounts are kept", kept)
		}
	}
	compare(b, n, "invoices", rehearsals, runs, "run")
	b.ReportMetric(comparisons.best().Seconds()/rehearsals.best().Seconds(), "comparison/rehearsal")
	rehearsals.report(b, n, "invoices")
}

// BenchmarkSign compares the signature of a month that is ordered, which reconciles it and
// freezes its report, with its reconciliation alone.
func BenchmarkSign(b *testing.B) {
	for _, n := range sizes(b, "100000,1000000") {
		b.Run(fmt.Sprintf("invoices=%d", n), func(b *testing.B) {
			for range b.N {
				signOnce(b, n)
			}
		})
	}
}

func signOnce(b *testing.B, n int) {
	s, db, _, p := takenMonth(b, n)
	settle(b, s, p, period)
	execute(b, db, "UPDATE run_chunks SET published_at = now()")
	takeAll(b, s, p, answers(b, db, period))
	execute(b, db, "VACUUM ANALYZE")
	o := newOrders(b, s, p)
	var signatures, reconciliations series
	for range rounds(b) {
		m := begin(b, db, nil)
		reconcile(b, s, p, period)
		reconciliations = append(reconciliations, m.end())
		id := o.order(b, models.RunOrder{Period: period, What: models.OrderSign, Signing: &models.Signing{Reason: "it ties", ProposedBy: "Anna"}}, models.ActionClose)
		signatures = append(signatures, o.carryOut(b, db))
		done, _, err := s.RunOrder(context.Background(), id)
		if err != nil || done.State != models.OrderDone {
			b.Fatalf("the signature has come to %+v: %v", done, err)
		}
		if err := s.ReopenPeriod(context.Background(), period, models.OperatorAction{Who: "bench", What: models.ActionReopen, Subject: period.String()}); err != nil {
			b.Fatal(err)
		}
	}
	if signed := count(b, db, "signed_reports"); signed != rounds(b) {
		b.Fatalf("%d reports are signed", signed)
	}
	compare(b, n, "invoices", signatures, reconciliations, "reconciliation")
	signatures.report(b, n, "invoices")
}

// orders is a scheduler that carries out what persons order.
type orders struct {
	store     *store.Store
	scheduler *scheduler.Scheduler
}

func newOrders(b *testing.B, s *store.Store, p *billing.Programme) orders {
	b.Helper()
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: s, Calendar: s, Programme: p, Workers: sessions, Chunk: 3000,
		Log: slog.New(slog.DiscardHandler), Metrics: scheduler.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	signer := signoff.Signer{Store: s, Programme: p, Now: time.Now, Program: "bench", RequireTerms: func(context.Context) error { return nil }}
	never := cron.ConstantDelaySchedule{Delay: 1000 * time.Hour}
	worker, err := scheduler.New(scheduler.Options{
		Settler: settler, Auditor: s, Insight: s, Orders: s, Sign: signer.CarryOut, RunAt: never, CatchUp: never, Poll: time.Hour,
		Retention: scheduler.Retention{Cleaner: s, Schedule: never},
	})
	if err != nil {
		b.Fatal(err)
	}
	return orders{s, worker}
}

func (o *orders) order(b *testing.B, order models.RunOrder, what models.OperatorActionKind) int64 {
	b.Helper()
	order.By = models.Person{Name: "Boris"}
	made, _, err := o.store.OrderRun(context.Background(), order, models.OperatorAction{Who: "Boris", What: what, Subject: period.String()})
	if err != nil {
		b.Fatal(err)
	}
	return made.ID
}

// carryOut measures what waits for the scheduler.
func (o *orders) carryOut(b *testing.B, db *sql.DB) measured {
	b.Helper()
	m := begin(b, db, nil)
	if err := o.scheduler.CarryOutOrders(context.Background()); err != nil {
		b.Fatal(err)
	}
	return m.end()
}
