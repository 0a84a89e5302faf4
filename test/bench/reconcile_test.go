package bench

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/billing"
	"referral/models"
	"referral/store"
)

// BenchmarkReconcile compares the reconciliation of a month, of whose accounts a
// fifth take part in the programme, with reading the rows of these once.
func BenchmarkReconcile(b *testing.B) {
	for _, n := range sizes(b, "1000000") {
		b.Run(fmt.Sprintf("invoices=%d", n), func(b *testing.B) {
			for range b.N {
				reconcileOnce(b, n)
			}
		})
	}
}

func reconcileOnce(b *testing.B, n int) {
	s, db, dsn, p := takenMonth(b, n)
	if run := settle(b, s, p, period); run.Totals.Documents != int64(n/inGroup*3) {
		b.Fatalf("%d documents of %d invoices", run.Totals.Documents, n)
	}
	execute(b, db, "UPDATE run_chunks SET published_at = now()")
	takeAll(b, s, p, answers(b, db, period))
	createBaseline(b, db)
	fillBaseline(b, dsn, n, usualServices)
	postInSQL(b, db, n)
	execute(b, db, "VACUUM ANALYZE")

	derived := []string{"accounts", "activations", "referrals", "discounts", "results"}
	normalised := append([]string{"baseline.invoices", "baseline.invoice_lines", "baseline.adjustments", "baseline.adjustment_items"}, derived...)
	own := append(tablesOf(b, db, "invoices", "invoice_lines", "adjustments", "adjustment_items"), derived...)
	var subject, reading, readingOwn series
	for range rounds(b) {
		m := begin(b, db, nil)
		reconcile(b, s, p, period)
		subject = append(subject, m.end())
		m = begin(b, db, nil)
		readOnce(b, dsn, normalised)
		reading = append(reading, m.end())
		m = begin(b, db, nil)
		readOnce(b, dsn, own)
		readingOwn = append(readingOwn, m.end())
	}
	compare(b, n, "invoices", subject, reading, "reading")
	compare(b, n, "invoices", subject, readingOwn, "reading_own")
	subject.report(b, n, "invoices")
}

// reconcile fails when something does not tie.
func reconcile(b *testing.B, s *store.Store, p *billing.Programme, month models.Period) {
	b.Helper()
	var r *billing.Reconciliation
	err := s.Audit(context.Background(), month, func(head models.AuditHead) error {
		r = billing.NewReconciliation(p, month, head, billing.AnswerGrace{Now: time.Now(), Strict: true})
		return nil
	}, func(c *models.AccountHistory) error {
		r.Account(c)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	r.Close()
	if r.BreakCount > 0 {
		b.Fatalf("%s does not tie: %d breaks, the first %+v", month, r.BreakCount, r.Breaks[0])
	}
}

// readOnce reads the rows of the accounts that take part, and throws them away.
func readOnce(b *testing.B, dsn string, tables []string) {
	b.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, table := range tables {
		statement := "COPY (SELECT * FROM " + table + " WHERE " + takesPart + ") TO STDOUT"
		if _, err := conn.PgConn().CopyTo(ctx, io.Discard, statement); err != nil {
			b.Fatalf("reading %s: %v", table, err)
		}
	}
}
