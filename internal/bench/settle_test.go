package bench

import (
	"context"
	"database/sql"
	"fmt"
	"os"
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

func settleOnce(b *testing.B, n int) {
	sqlTime, sqlSum := settleInSQL(b, n)
	s, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	fill(b, db, n)

	first, run := settle(b, s)
	peak := peakMemory(b)
	if int64(run.Totals.Amount) != sqlSum {
		b.Fatalf("the run came to %d kopecks, the SQL to %d", run.Totals.Amount, sqlSum)
	}
	second, again := settle(b, s)
	if again.Totals.Documents != 0 {
		b.Fatalf("the second run posted %d documents", again.Totals.Documents)
	}
	b.ReportMetric(sqlTime.Seconds()/first.Seconds(), "x_of_sql")
	b.ReportMetric(second.Seconds()/first.Seconds(), "second/first")
	b.ReportMetric(float64(n)/first.Seconds(), "invoices/s")
	b.ReportMetric(float64(n)/sqlTime.Seconds(), "sql_invoices/s")
	b.ReportMetric(peak, "peak_MiB")
	b.ReportMetric(0, "ns/op")
}

func settle(b *testing.B, s *store.Store) (time.Duration, models.Run) {
	b.Helper()
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: s, Calendar: s, Programme: terms(b), Workers: 2, Chunk: 3000,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Metrics: scheduler.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	runs, err := settler.Run(context.Background(), models.RunRequest{Period: period})
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(began), runs[0]
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

func settleInSQL(b *testing.B, n int) (took time.Duration, sum int64) {
	b.Helper()
	_, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	fill(b, db, n)
	const accountsPerChunk = 15000 // of them a fifth with a discount
	began := time.Now()
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
	took = time.Since(began)
	if err := db.QueryRow("SELECT sum(amount_minor) FROM adjustments").Scan(&sum); err != nil {
		b.Fatal(err)
	}
	return took, sum
}
