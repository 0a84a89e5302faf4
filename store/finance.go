package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// monthsQuery is the periods $1, or every one for NULL, with what their runs have posted. What a run has posted
// is counted in its own row, so that no document is read.
const monthsQuery = `WITH posted AS (
	SELECT period, posting_period, sum(documents)::bigint AS documents, sum(amount)::bigint AS amount, sum(packages)::bigint AS packages
	FROM runs WHERE state IN ('done', 'incomplete') AND ($1::integer[] IS NULL OR period = ANY($1) OR posting_period = ANY($1)) GROUP BY period, posting_period),
months AS (SELECT period FROM (SELECT period FROM periods UNION SELECT posting_period FROM posted) m WHERE $1::integer[] IS NULL OR period = ANY($1))
SELECT m.period, p.started_at, p.settled_at, p.closed_at, p.closed_by, coalesce(p.shadow, false), coalesce(s.accounts, 0),
	coalesce(own.documents, 0), coalesce(own.amount, 0), coalesce(own.packages, 0),
	coalesce(others.documents, 0), coalesce(others.amount, 0), coalesce(own.documents_away, 0), coalesce(own.amount_away, 0),
	g.at, coalesce(g.who, ''), coalesce(g.amount, 0), c.checked_at, coalesce(c.breaks, 0),
	coalesce(h.lines, 0), coalesce(h.amount, 0),
	r.run_id, r.state, r.kind, coalesce(r.brake, ''), r.started_at, r.finished_at,
	coalesce(k.rows, 0),
	(SELECT max(o.finished_at) FROM run_orders o WHERE o.period = m.period AND o.what = 'rehearse' AND o.state = 'done')
FROM months m
LEFT JOIN periods p ON p.period = m.period
LEFT JOIN (SELECT period, count(DISTINCT account_id) AS accounts FROM stale WHERE $1::integer[] IS NULL OR period = ANY($1) GROUP BY period) s ON s.period = m.period
LEFT JOIN (SELECT period, count(*) AS lines, sum(amount_minor)::bigint AS amount FROM held_lines
	WHERE decided = 0 AND ($1::integer[] IS NULL OR period = ANY($1)) GROUP BY period) h ON h.period = m.period
LEFT JOIN LATERAL (SELECT sum(documents)::bigint AS documents, sum(amount)::bigint AS amount, sum(packages)::bigint AS packages,
	(sum(documents) FILTER (WHERE posting_period <> period))::bigint AS documents_away, (sum(amount) FILTER (WHERE posting_period <> period))::bigint AS amount_away
	FROM posted o WHERE o.period = m.period) own ON true
LEFT JOIN LATERAL (SELECT sum(documents)::bigint AS documents, sum(amount)::bigint AS amount
	FROM posted o WHERE o.posting_period = m.period AND o.period <> m.period) others ON true
LEFT JOIN LATERAL (SELECT s.at, s.who, (SELECT coalesce(sum(t.posted_amount), 0)::bigint FROM signed_totals t WHERE t.signature_id = s.signature_id) AS amount
	FROM signatures s WHERE s.period = m.period ORDER BY s.signature_id DESC LIMIT 1) g ON true
LEFT JOIN LATERAL (SELECT checked_at, breaks FROM reconciliations c WHERE c.period = m.period ORDER BY c.checked_at DESC LIMIT 1) c ON true
LEFT JOIN LATERAL (SELECT * FROM runs r WHERE r.period = m.period AND r.state <> 'abandoned' ORDER BY r.run_id DESC LIMIT 1) r ON true
LEFT JOIN LATERAL (SELECT max(run_id) AS run_id FROM runs r WHERE r.period = m.period AND r.state IN ('done', 'incomplete')) ended ON true
LEFT JOIN (SELECT run_id, count(*) AS rows FROM parked_accounts GROUP BY run_id) k ON k.run_id = ended.run_id
ORDER BY m.period DESC`

// Months is every period that is known, the newest first. Its cost does not depend on
// the number of documents.
func (s *Store) Months(ctx context.Context) ([]models.MonthOverview, error) {
	return list(ctx, s, "reading the months", scanMonth, monthsQuery, nil)
}

// SomeMonths is those of the periods that are known, the newest first. Its cost does not
// depend on how many others there are.
func (s *Store) SomeMonths(ctx context.Context, periods ...models.Period) ([]models.MonthOverview, error) {
	numbers := make([]int32, len(periods))
	for i, p := range periods {
		numbers[i] = int32(p)
	}
	return list(ctx, s, "reading the months", scanMonth, monthsQuery, numbers)
}

func scanMonth(row pgx.CollectableRow) (m models.MonthOverview, err error) {
	var period periodStateRecord
	var signedAt, checked, runStarted, runFinished, rehearsed *time.Time
	var signed models.SignedMonth
	var run struct {
		id    *int64
		state *models.RunState
		kind  *models.RunKind
		brake string
	}
	err = row.Scan(&period.Period.Period, &period.Period.StartedAt, &period.Period.SettledAt, &period.Period.ClosedAt, &period.Period.ClosedBy, &period.Period.Shadow, &period.Stale,
		&m.Documents.Count, &m.Documents.Amount, &m.Packages, &m.Into.Count, &m.Into.Amount, &m.Away.Count, &m.Away.Amount,
		&signedAt, &signed.Who, &signed.Posted, &checked, &m.Breaks, &m.Held.Count, &m.Held.Amount,
		&run.id, &run.state, &run.kind, &run.brake, &runStarted, &runFinished, &m.Parked, &rehearsed)
	if err != nil {
		return m, err
	}
	period.Braked = run.state != nil && *run.state == models.RunBraked
	m.PeriodInfo, m.CheckedAt, m.RehearsedAt = period.info(), zeroTime(checked), zeroTime(rehearsed)
	if signedAt != nil {
		signed.At = zeroTime(signedAt)
		m.Signed = &signed
	}
	if run.id != nil {
		m.LastRun = &models.Run{
			ID: *run.id, Period: m.Period, Kind: *run.kind, State: *run.state, Brake: run.brake,
			StartedAt: zeroTime(runStarted), FinishedAt: zeroTime(runFinished),
		}
	}
	return m, nil
}

// searchLimit is how many accounts a search finds at most.
const searchLimit = 50

// searchQuery finds accounts by what $1 may be: the number of an account, a code, a
// tax id, an invoice, or a part of a name. $2 is the number, 0 for none, and $3 the
// account of a document, 0 for none.
const searchQuery = `SELECT a.account_id, a.name, a.tax_id, a.code, a.registered_at, f.invoice_id
FROM (SELECT account_id, max(invoice_id) AS invoice_id, min(rank) AS rank FROM (
	SELECT account_id, '' AS invoice_id, 0 AS rank FROM accounts WHERE account_id = $2::bigint
	UNION ALL SELECT account_id, '', 1 FROM codes WHERE code = upper($1)
	UNION ALL SELECT account_id, invoice_id, 1 FROM invoice_ids WHERE invoice_id = $1
	UNION ALL SELECT $3::bigint, $4::text, 1 WHERE $3::bigint <> 0
	UNION ALL SELECT account_id, '', 2 FROM accounts WHERE tax_id = $1 AND tax_id <> ''
	UNION ALL (SELECT account_id, '', 3 FROM accounts WHERE length($1) >= 3 AND strpos(lower(name), lower($1)) > 0 LIMIT $5)) every
	GROUP BY account_id) f
JOIN accounts a USING (account_id)
ORDER BY f.rank, a.account_id LIMIT $5`

// FindAccounts is the accounts that a text may mean, the likeliest first, at most 50:
// an account, a code, a tax id, an invoice, a document, or a part of a name.
func (s *Store) FindAccounts(ctx context.Context, text string, account int64, document models.UUID) ([]models.FoundAccount, error) {
	var owner models.LedgerDocument
	if document != (models.UUID{}) {
		var err error
		if owner, _, err = s.LedgerDocument(ctx, document); err != nil {
			return nil, err
		}
	}
	return list(ctx, s, "searching for an account", func(row pgx.CollectableRow) (f models.FoundAccount, err error) {
		var registered *time.Time
		err = row.Scan(&f.AccountID, &f.Name, &f.TaxID, &f.Code, &registered, &f.InvoiceID)
		f.RegisteredAt = zeroTime(registered)
		return f, err
	}, searchQuery, text, account, owner.AccountID, owner.InvoiceID, searchLimit)
}

// rejectedDocuments selects those whose latest answer is a rejection that nobody has
// decided about: neither written off nor sent again since.
const rejectedDocuments = `SELECT r.account_id, r.adjustment_id, r.at, r.reason FROM results r
LEFT JOIN (SELECT document_id, max(rejected_at) AS at FROM document_resends GROUP BY document_id) d ON d.document_id = r.adjustment_id
WHERE r.status = 'rejected'
	AND NOT EXISTS (SELECT 1 FROM results n WHERE n.adjustment_id = r.adjustment_id AND n.at > r.at)
	AND r.adjustment_id NOT IN (SELECT document_id FROM document_write_offs)
	AND (d.at IS NULL OR d.at < r.at)`

// Rejected is up to limit documents that billing has rejected and that wait for a
// decision, the oldest first. Answers to documents that the ledger does not hold are
// the reconciliation's.
func (s *Store) Rejected(ctx context.Context, limit int) ([]models.RejectedDocument, error) {
	found, err := list(ctx, s, "reading rejected documents", func(row pgx.CollectableRow) (d models.RejectedDocument, err error) {
		err = row.Scan(&d.AccountID, (*[16]byte)(&d.DocumentID), &d.RejectedAt, &d.Reason)
		d.RejectedAt = d.RejectedAt.UTC()
		return d, err
	}, rejectedDocuments+" ORDER BY r.at, r.adjustment_id LIMIT $1", limit)
	if err != nil {
		return nil, err
	}
	var rejected []models.RejectedDocument
	err = s.snapshot(ctx, "reading rejected documents", func(tx *tx) error {
		rejected = nil
		for _, d := range found {
			document, known, err := tx.ledgerDocument(ctx, d.DocumentID)
			if err != nil {
				return err
			}
			if known {
				d.AccountID, d.InvoiceID, d.Period, d.Amount, d.SMS = document.AccountID, document.InvoiceID, document.Period, document.Amount, document.SMS
				rejected = append(rejected, d)
			}
		}
		return nil
	})
	return rejected, err
}

// ParkedNow is up to limit accounts and invoices that the last run of their period
// could not settle, the newest periods first, with the time when a run first could not.
func (s *Store) ParkedNow(ctx context.Context, limit int) ([]models.ParkedAccount, error) {
	return list(ctx, s, "reading what is parked", func(row pgx.CollectableRow) (p models.ParkedAccount, err error) {
		err = row.Scan(&p.AccountID, &p.InvoiceID, &p.Period, &p.Error, &p.Since)
		p.Since = p.Since.UTC()
		return p, err
	}, "WITH a AS MATERIALIZED (SELECT "+parkedColumns+" FROM parked_accounts WHERE "+parkedByLastRun+` ORDER BY period DESC, account_id, invoice_id LIMIT $1)
		SELECT a.*, min(b.parked_at) FROM a JOIN parked_accounts b USING (account_id, invoice_id, period)
		GROUP BY a.account_id, a.invoice_id, a.period, a.error ORDER BY a.period DESC, a.account_id, a.invoice_id`, limit)
}

// HeldServices is the services that neither the terms nor staff has decided about, with
// the lines and the sum that wait for them, by name.
func (s *Store) HeldServices(ctx context.Context) (map[string]models.CountedAmount, error) {
	type service struct {
		Name   string
		Count  int64
		Amount models.Money
	}
	services, err := list(ctx, s, "reading held services", pgx.RowToStructByPos[service],
		"SELECT service, count(*), sum(amount_minor)::bigint FROM held_lines WHERE decided = 0 GROUP BY service")
	held := map[string]models.CountedAmount{}
	for _, found := range services {
		held[found.Name] = models.CountedAmount{Count: found.Count, Amount: found.Amount}
	}
	return held, err
}
