package store_test

import (
	"testing"

	"referral/models"
	"referral/test/storetest"
)

// ingested is 24 months of invoices of 4000 accounts, all settled and answered.
func (l *life) ingested() {
	l.Helper()
	l.exec(`INSERT INTO accounts (account_id, code, registered_at) SELECT a, 'CODE' || a, '2023-01-01' FROM generate_series(1, 4000) a`)
	l.exec(`INSERT INTO discounts SELECT a, 'inviter', '2023-01-01', '2027-01-01', 20, 1 FROM generate_series(1, 4000) a`)
	l.exec(`INSERT INTO periods (period, min_day, max_day, started_at, settled_at)
		SELECT to_char(m, 'YYYYMM')::int, m, m + interval '1 month', now(), now() FROM generate_series('2024-04-01'::date, '2026-03-01', '1 month') m`)
	l.exec(`INSERT INTO invoice_ids SELECT a, period, 'INV-' || to_char(min_day, 'YYYY-MM') || '-' || a FROM periods, generate_series(1, 4000) a`)
	l.exec(`INSERT INTO invoices SELECT account_id, storage_period, storage_period, 1, invoice_id, 'RUB', E'1\tsubscription\t1000' FROM invoice_ids`)
	l.exec(`INSERT INTO adjustments (account_id, amount_minor, run_id, adjustment_id, storage_period, period, posting_period, sequence, invoice_revision, chunk_no,
			invoice_id, currency, reason, items)
		SELECT account_id, -200, period, (substr(encode(int8send((extract(epoch FROM min_day) * 1000)::bigint), 'hex'), 5) || '8000' ||
				'8' || substr(md5(invoice_id), 1, 15))::uuid, period, period, period, 1, 1, 0, invoice_id, 'RUB', 'run', E'1\tsubscription\t-200\t2026-03-01/2026-04-01@0+20'
		FROM invoices JOIN periods USING (period)`)
	l.exec(`INSERT INTO results (account_id, amount_minor, at, adjustment_id, status)
		SELECT account_id, amount_minor, to_date(period::text, 'YYYYMM') + interval '1 month', adjustment_id, 'applied' FROM adjustments`)
	l.exec(`INSERT INTO signatures (period, at, who, last_run, foreign_documents, foreign_amount) VALUES (202404, now(), 'finance', 1, 0, 0)`)
}

// However many months came before, with statistics of the tables and without: what a
// month costs does not depend on them. No table with rows of every month is read
// whole, and what is looked up for a list is looked up once for each member.
func TestCostOfAMonthDoesNotGrowWithHistory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		prepare string
	}{{"with statistics", "ANALYZE"}, {"without statistics", "DELETE FROM pg_statistic; UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			if err := l.Close(); err != nil { // only sessions that have ended tell what they did
				t.Fatal(err)
			}
			for _, table := range []string{"invoices", "adjustments", "results", "invoice_ids"} {
				l.exec("ALTER TABLE " + table + " SET (autovacuum_enabled = off)")
			}
			loading := *l
			loading.db = storetest.SQL(t, l.dsn)
			loading.ingested()
			loading.exec(c.prepare)
			if err := loading.db.Close(); err != nil {
				t.Fatal(err)
			}
			for _, work := range []struct {
				name string
				do   func(*life)
				most int64 // pages of these tables and their indexes
			}{
				{"taking invoices", func(l *life) { l.facts(bills(202604, 1)...) }, 10000},
				{"taking invoices again", func(l *life) { l.facts(bills(202603, 1)...) }, 10000},
				{"taking second revisions", func(l *life) { l.facts(bills(202604, 2)...) }, 20000},
				{"a fact about an account", func(l *life) { l.facts(models.Terminated{AccountID: 7, TerminatedAt: at("2026-04-20T09:00:00Z")}) }, 200},
				{"the month's run", func(l *life) { l.settle(models.RunRequest{Period: 202604, Accept: true, Chunk: 1000}) }, 40000},
				{"publishing", func(l *life) {
					for _, ref := range l.publishAll() {
						l.chunk(ref)
					}
				}, 100},
				{"differences", func(l *life) { l.settle(models.RunRequest{Period: 202603, Accept: true}) }, 100},
				{"reconciling a month", func(l *life) { l.breaks(202603) }, 150000},
				{"the latest bills of an account", func(l *life) {
					if _, err := l.PortalInvoices(t.Context(), 7, 202604, 3); err != nil {
						t.Error(err)
					}
				}, 200},
			} {
				before, process := l.reads(), l.another()
				work.do(process)
				if err := process.Close(); err != nil {
					t.Fatal(err)
				}
				after := l.reads()
				for table, n := range after.whole {
					if n > before.whole[table] {
						t.Errorf("%s reads the whole of %s", work.name, table)
					}
				}
				if n := after.pages - before.pages; n > work.most {
					t.Errorf("%s reads %d pages, more than %d", work.name, n, work.most)
				}
			}
		})
	}
}

// bills is a revision of a thousand invoices of a month.
func bills(period models.Period, revision int) (facts []models.FactData) {
	for account := int64(1); account <= 1000; account++ {
		facts = append(facts, invoice(account, period, revision, models.Money(1000*revision)))
	}
	return facts
}

// reads is how often tables with rows of every month were read whole, and how many
// pages of them and their indexes were looked at, by sessions that have ended.
type reads struct {
	whole map[string]int64
	pages int64
}

func (l *life) reads() reads {
	l.Helper()
	for l.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'") > 0 {
		if err := l.Context().Err(); err != nil {
			l.Fatal(err)
		}
	}
	s := reads{whole: map[string]int64{}}
	for _, table := range []string{"invoices", "adjustments", "results", "invoice_ids"} {
		s.whole[table] = l.number("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = $1", table)
		s.pages += l.number("SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit FROM pg_statio_user_tables WHERE relname = $1", table)
	}
	return s
}
