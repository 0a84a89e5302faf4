package bench

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/billing"
	"referral/models"
	"referral/scheduler"
	"referral/store"
	"referral/test/storetest"
)

// BenchmarkSettle compares a month's run with the set-based SQL that an expert
// would write for the normalised schema, cut into chunks over two sessions.
func BenchmarkSettle(b *testing.B) {
	for _, n := range sizes(b, "10000,100000,1000000") {
		b.Run(fmt.Sprintf("invoices=%d", n), func(b *testing.B) {
			for range b.N {
				settleOnce(b, n)
			}
		})
	}
}

// settleOnce lets the run and the SQL take turns on the same invoices, of four
// lines, one of them never discounted. What each has posted is compared, to the day
// segment, and thrown away.
func settleOnce(b *testing.B, n int) {
	s, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	takeAll(b, s, usualTerms(b), facts(bills(n, period, usualServices...)))
	createBaseline(b, db)
	fillBaseline(b, dsn, n, usualServices)
	// Every fifth account has a discount that changes within the month.
	execute(b, db,
		fmt.Sprintf(`INSERT INTO discounts SELECT a * 5, 'inviter', '2026-01-10', '2026-04-20', 40, 2 FROM generate_series(1, %d / 5) a`, n),
		fmt.Sprintf(`INSERT INTO discounts SELECT a * 5, 'inviter', '2026-04-20', '2027-04-20', 60, 3 FROM generate_series(1, %d / 5) a`, n),
		"VACUUM ANALYZE")
	var runs, inSQL series
	for range rounds(b) {
		unpost(b, db)
		m := begin(b, db, nil)
		postInSQL(b, db, n)
		inSQL = append(inSQL, m.end())
		want := ledgerOf(b, db, "baseline.")

		m = begin(b, db, nil)
		run := settle(b, s, usualTerms(b), period)
		runs = append(runs, m.end())
		if got := ledgerOf(b, db, ""); got != want {
			b.Fatalf("the run has posted %+v, the SQL %+v", got, want)
		}
		if run.Totals.Documents != int64(n/5) {
			b.Fatalf("%d documents of %d invoices", run.Totals.Documents, n)
		}
	}
	began := time.Now()
	if again := settle(b, s, usualTerms(b), period); again.Totals.Documents != 0 {
		b.Fatalf("the second run posted %d documents", again.Totals.Documents)
	}
	b.ReportMetric(time.Since(began).Seconds()/runs.best().Seconds(), "second/first")
	compare(b, n, "invoices", runs, inSQL, "sql")
	runs.report(b, n, "invoices")
	runs.reportVolume(b, n, 173, 202)
}

func settle(b *testing.B, s *store.Store, p *billing.Programme, month models.Period) models.Run {
	b.Helper()
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: s, Calendar: s, Programme: p, Workers: sessions, Chunk: 3000,
		Log: slog.New(slog.DiscardHandler), Metrics: scheduler.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	runs, err := settler.Run(context.Background(), models.RunRequest{Period: month})
	if err != nil {
		b.Fatal(err)
	}
	return runs[0]
}

// unpost empties both ledgers, which their triggers refuse, and removes the runs.
func unpost(b *testing.B, db *sql.DB) {
	b.Helper()
	tables := tablesOf(b, db, "adjustments", "adjustment_items", "runs", "run_chunks", "stale", "held_lines", "parked_accounts", "sms_packages")
	execute(b, db, `BEGIN; SET LOCAL session_replication_role = replica;
		TRUNCATE baseline.adjustments, baseline.adjustment_items, `+strings.Join(tables, ", ")+`;
		UPDATE periods SET started_at = NULL, settled_at = NULL;
		COMMIT`)
}

// ledger is what has been posted: hash tells the items apart, days and all, in
// whatever order they were written.
type ledger struct {
	documents, items, amount int64
	hash                     string
}

func ledgerOf(b *testing.B, db *sql.DB, schema string) (l ledger) {
	b.Helper()
	err := db.QueryRow("SELECT count(*), coalesce(sum(amount_minor), 0)::bigint FROM "+schema+"adjustments").Scan(&l.documents, &l.amount)
	if err != nil {
		b.Fatal(err)
	}
	err = db.QueryRow(`SELECT count(*), coalesce(sum(hashtextextended(concat_ws('|', account_id, invoice_id, sequence, line_id, service, amount_minor, segments), 0)), 0)::text
		FROM `+schema+"adjustment_items").Scan(&l.items, &l.hash)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// tunedSQL posts the documents and items of a range of accounts: one statement,
// no row looked at twice, the percents of a line added up by a join.
const tunedSQL = `WITH l AS MATERIALIZED (
	SELECT l.account_id, l.invoice_id, l.line_id, l.service, i.revision, i.currency,
		-round(l.amount_minor::numeric * sum(d.percent * (LEAST(d.to_day, l.to_day) - GREATEST(d.from_day, l.from_day)))
			/ (100 * (l.to_day - l.from_day)))::bigint AS amount,
		string_agg(GREATEST(d.from_day, l.from_day) || '/' || LEAST(d.to_day, l.to_day) || '@0+' || d.percent, ' ' ORDER BY d.from_day) AS segments
	FROM discounts d
	JOIN baseline.invoice_lines l ON l.account_id = d.account_id AND l.period = 202604 AND l.from_day < d.to_day AND l.to_day > d.from_day
	JOIN baseline.invoices i ON i.account_id = l.account_id AND i.period = 202604 AND i.invoice_id = l.invoice_id AND i.revision = l.revision
	WHERE d.account_id >= $1 AND d.account_id < $2 AND l.service IN ('subscription', 'numbers', 'calls', 'recording')
	GROUP BY l.account_id, l.invoice_id, l.line_id, l.service, i.revision, i.currency, l.amount_minor, l.to_day, l.from_day
), items AS (
	INSERT INTO baseline.adjustment_items SELECT account_id, invoice_id, 1, line_id, service, amount, segments FROM l WHERE amount <> 0
)
INSERT INTO baseline.adjustments SELECT account_id, invoice_id, 1, md5(invoice_id || '/1')::uuid, revision, 202604, 202604, currency,
	sum(amount), 'run', 1, 1, now()
FROM l WHERE amount <> 0 GROUP BY account_id, invoice_id, revision, currency`

func postInSQL(b *testing.B, db *sql.DB, n int) {
	b.Helper()
	const accountsPerChunk = 15000 // of them a fifth with a discount
	var work sync.WaitGroup
	for session := range sessions {
		work.Go(func() {
			for from := 1 + session*accountsPerChunk; from <= n; from += sessions * accountsPerChunk {
				if _, err := db.Exec(tunedSQL, from, from+accountsPerChunk); err != nil {
					b.Error(err)
				}
			}
		})
	}
	work.Wait()
}
