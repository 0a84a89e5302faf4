package bench

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"referral/billing"
	"referral/internal/storetest"
	"referral/models"
	"referral/scheduler"
	"referral/store"
)

const period = models.Period(202604)

func terms(b *testing.B) *billing.Programme {
	b.Helper()
	p, err := billing.NewProgramme(time.FixedZone("MSK", 3*60*60), []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, RefuseOwnCompany: true,
		Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{
			{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 60, Months: 12, SMS: 1200}, {Percent: 80, Months: 12}, {Percent: 100, Months: 12, SMS: 3200},
		},
		Discounted: []string{"subscription", "numbers", "calls", "recording"}, Excluded: []string{"sms_package"},
	}})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// fill makes n invoices of four lines (one of them never discounted), the
// accounts in random order as a month's billing leaves them; every fifth account
// has a discount that changes within the month.
func fill(b *testing.B, db *sql.DB, n int) {
	b.Helper()
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO invoices SELECT a, 202604, 'INV-2026-04-' || a, 1, 'RUB', md5(a::text)::uuid, now()
			FROM generate_series(1, %d) a ORDER BY hashint8(a)`, n),
		fmt.Sprintf(`INSERT INTO invoice_lines SELECT a, 202604, 'INV-2026-04-' || a, 1, l, (l + 1)::text,
			(ARRAY['subscription','numbers','calls','sms_package'])[l + 1], '2026-04-01', '2026-05-01', 10000 + (a::bigint * 7919 + l * 104729) %% 900000
			FROM generate_series(1, %d) a, generate_series(0, 3) l ORDER BY hashint8(a), l`, n),
		fmt.Sprintf(`INSERT INTO discounts SELECT a * 5, 'inviter', '2026-01-10', '2026-04-20', 40, 2 FROM generate_series(1, %d / 5) a`, n),
		fmt.Sprintf(`INSERT INTO discounts SELECT a * 5, 'inviter', '2026-04-20', '2027-04-20', 60, 3 FROM generate_series(1, %d / 5) a`, n),
		`INSERT INTO periods VALUES (202604, '2026-04-01', '2026-05-01')`,
		`VACUUM ANALYZE`, `CHECKPOINT`,
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSettle compares a month's run with the set-based SQL that an expert
// would write for the same rows, cut into chunks over two sessions.
func BenchmarkSettle(b *testing.B) {
	for _, n := range sizes(b, "10000,100000,1000000") {
		b.Run(fmt.Sprintf("invoices=%d", n), func(b *testing.B) {
			for range b.N {
				settleOnce(b, n)
			}
		})
	}
}

// settleOnce lets the run and the SQL take turns on the same invoices. What each
// has posted is held against the other, to the day segment, and thrown away.
func settleOnce(b *testing.B, n int) {
	s, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	fill(b, db, n)
	var m settleMeasure
	meters := newMeters(b, db, nil)
	var first models.Run
	for range rounds(b) {
		unpost(b, db)
		before, began := meters.read(), time.Now()
		postInSQL(b, db, n)
		inSQL := time.Since(began)
		m.sqlCPU.note(meters.read().minus(before))
		want := ledgerOf(b, db)

		unpost(b, db)
		forgetPeak(b)
		before, began = meters.read(), time.Now()
		first = settle(b, s)
		took := time.Since(began)
		m.cpu.note(meters.read().minus(before))
		m.peak = max(m.peak, peakMemory(b))
		if got := ledgerOf(b, db); got != want {
			b.Fatalf("the run has posted %+v, the SQL %+v", got, want)
		}
		m.run.note(took)
		m.sql.note(inSQL)
		m.turns.note(took, inSQL)
	}
	if first.Totals.Documents != int64(n/5) {
		b.Fatalf("%d documents of %d invoices", first.Totals.Documents, n)
	}
	began := time.Now()
	if again := settle(b, s); again.Totals.Documents != 0 {
		b.Fatalf("the second run posted %d documents", again.Totals.Documents)
	}
	b.ReportMetric(time.Since(began).Seconds()/time.Duration(m.run).Seconds(), "second/first")
	m.report(b, n)
}

// settleMeasure is what the rounds of a run and its baseline have come to.
type settleMeasure struct {
	run, sql    best
	cpu, sqlCPU thriftiest
	turns       pairs
	peak        float64 // MiB
}

func (m *settleMeasure) report(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(m.run.perSecond(n)/m.sql.perSecond(n), "x_of_sql")
	b.ReportMetric(m.turns.median(), "x_of_sql_in_pairs")
	b.ReportMetric(float64(spent(m.sqlCPU).sum())/float64(spent(m.cpu).sum()), "x_of_sql_cpu")
	m.cpu.report(b, n, "")
	m.sqlCPU.report(b, n, "sql_")
	b.ReportMetric(m.run.perSecond(n), "invoices/s")
	b.ReportMetric(m.sql.perSecond(n), "sql_invoices/s")
	b.ReportMetric(m.peak, "peak_MiB")
	b.ReportMetric(0, "ns/op")
}

func settle(b *testing.B, s *store.Store) models.Run {
	b.Helper()
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: s, Calendar: s, Programme: terms(b), Workers: 2, Chunk: 3000,
		Log: slog.New(slog.DiscardHandler), Metrics: scheduler.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	runs, err := settler.Run(context.Background(), models.RunRequest{Period: period})
	if err != nil {
		b.Fatal(err)
	}
	return runs[0]
}

// unpost empties the ledger, which defends itself against that, and forgets the runs.
func unpost(b *testing.B, db *sql.DB) {
	b.Helper()
	for _, statement := range []string{
		`BEGIN; SET LOCAL session_replication_role = replica;
			TRUNCATE adjustments, adjustment_items, runs, run_chunks, stale, held_lines, parked_accounts, sms_packages;
			UPDATE periods SET started_at = NULL, settled_at = NULL;
			COMMIT`,
		"CHECKPOINT",
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
}

// ledger is what has been posted: hash tells the items apart, days and all, in
// whatever order they were written.
type ledger struct {
	documents, items, amount int64
	hash                     string
}

func ledgerOf(b *testing.B, db *sql.DB) (l ledger) {
	b.Helper()
	if err := db.QueryRow("SELECT count(*), coalesce(sum(amount_minor), 0)::bigint FROM adjustments").Scan(&l.documents, &l.amount); err != nil {
		b.Fatal(err)
	}
	err := db.QueryRow(`SELECT count(*), coalesce(sum(hashtextextended(concat_ws('|', account_id, invoice_id, sequence, line_id, service, amount_minor, segments), 0)), 0)::text
		FROM adjustment_items`).Scan(&l.items, &l.hash)
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
	JOIN invoice_lines l ON l.account_id = d.account_id AND l.period = 202604 AND l.from_day < d.to_day AND l.to_day > d.from_day
	JOIN invoices i ON i.account_id = l.account_id AND i.period = 202604 AND i.invoice_id = l.invoice_id AND i.revision = l.revision
	WHERE d.account_id >= $1 AND d.account_id < $2 AND l.service IN ('subscription', 'numbers', 'calls', 'recording')
	GROUP BY l.account_id, l.invoice_id, l.line_id, l.service, i.revision, i.currency, l.amount_minor, l.to_day, l.from_day
), items AS (
	INSERT INTO adjustment_items SELECT account_id, invoice_id, 1, line_id, service, amount, segments FROM l WHERE amount <> 0
)
INSERT INTO adjustments SELECT account_id, invoice_id, 1, md5(invoice_id || '/1')::uuid, revision, 202604, 202604, currency,
	sum(amount), 'run', 1, 1, now()
FROM l WHERE amount <> 0 GROUP BY account_id, invoice_id, revision, currency`

func postInSQL(b *testing.B, db *sql.DB, n int) {
	b.Helper()
	const accountsPerChunk = 15000 // of them a fifth with a discount
	var sessions sync.WaitGroup
	for session := range 2 {
		sessions.Go(func() {
			for from := 1 + session*accountsPerChunk; from <= n; from += 2 * accountsPerChunk {
				if _, err := db.Exec(tunedSQL, from, from+accountsPerChunk); err != nil {
					b.Error(err)
				}
			}
		})
	}
	sessions.Wait()
}
