package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// registerParts is where the documents posted into period $1 are: the first part reads
// the period's own rows by the key; the others find, by their small indexes, what is
// stored elsewhere.
var registerParts = []string{
	"storage_period = $1 AND posting_period = $1",
	"posting_period = $1 AND posting_period <> period AND storage_period <> $1",
	"posting_period = $1 AND period = $1 AND period <> storage_period",
}

// answeredWith selects documents by billing's answer that counts: a rejection does when
// billing has not applied the document later.
var answeredWith = map[models.ResultStatus]string{
	models.ResultNone:     "r.answered IS NULL",
	models.ResultRejected: "r.rejected > coalesce(r.applied, '-infinity')",
	models.ResultApplied:  "r.answered IS NOT NULL AND (r.rejected > coalesce(r.applied, '-infinity')) IS NOT TRUE",
}

// registerPage is the beginning of a statement on the documents that a filter lets through, as
// page: no more than limit, or all with 0. Of a distributed database each step reads tables
// of one kind, so that nothing is joined over its nodes.
func registerPage(f *models.RegisterFilter, limit int) (query string, args []any) {
	more := ""
	if limit > 0 {
		more = fmt.Sprintf(" ORDER BY %s LIMIT %d", registerOrder, limit)
	}
	if f.Answer == "" {
		documents, args := registerDocuments(f, more)
		return "WITH page AS (" + documents + more + ")", args
	}
	documents, args := registerDocuments(f, "")
	return "WITH found AS (" + documents + `),
	answers AS MATERIALIZED (SELECT adjustment_id, max(at) AS answered, max(at) FILTER (WHERE status = 'rejected') AS rejected, max(at) FILTER (WHERE status = 'applied') AS applied
		FROM results WHERE adjustment_id IN (SELECT adjustment_id FROM found) GROUP BY adjustment_id),
	page AS (SELECT f.* FROM found f LEFT JOIN answers r USING (adjustment_id) WHERE ` + answeredWith[f.Answer] + more + ")", args
}

// registerColumns is what the register shows of a document, and its chunk.
const registerColumns = "account_id, adjustment_id, invoice_id, sequence, period, posting_period, currency, amount_minor, reason, posted_at, run_id, chunk_no"

// registerDocuments selects the documents that a filter lets through, whatever was
// answered, each part with more added to it.
func registerDocuments(f *models.RegisterFilter, more string) (query string, args []any) {
	args = []any{f.Posted}
	var where strings.Builder
	add := func(condition string, value any) {
		args = append(args, value)
		fmt.Fprintf(&where, " AND "+condition, len(args))
	}
	if f.Period != 0 {
		add("period = $%d", f.Period)
	}
	if f.AccountID != 0 {
		add("account_id = $%d", f.AccountID)
	}
	if f.TaxID != "" {
		add("account_id IN (SELECT account_id FROM accounts WHERE tax_id = $%d AND tax_id <> '')", f.TaxID)
	}
	if f.Reason != "" {
		add("reason = $%d", f.Reason)
	}
	if f.Currency != "" {
		add("currency = $%d", f.Currency)
	}
	if f.AtLeast != nil {
		add("amount_minor >= $%d", *f.AtLeast)
	}
	if f.AtMost != nil {
		add("amount_minor <= $%d", *f.AtMost)
	}
	if c := f.After; c != (models.RegisterCursor{}) {
		args = append(args, c.AccountID, c.InvoiceID, c.Sequence)
		fmt.Fprintf(&where, " AND (account_id, invoice_id, sequence) > ($%d, $%d, $%d)", len(args)-2, len(args)-1, len(args))
	}
	parts := make([]string, len(registerParts))
	for i, part := range registerParts {
		parts[i] = "(SELECT " + registerColumns + " FROM adjustments WHERE " + part + where.String() + more + ")"
	}
	return strings.Join(parts, " UNION ALL "), args
}

// registerEntries is the documents of page as entries of the register.
const registerEntries = `,
names AS MATERIALIZED (SELECT account_id, name, tax_id FROM accounts WHERE account_id IN (SELECT account_id FROM page)),
last_answers AS MATERIALIZED (SELECT DISTINCT ON (adjustment_id) adjustment_id, status, at FROM results WHERE adjustment_id IN (SELECT adjustment_id FROM page)
	ORDER BY adjustment_id, at DESC, status DESC),
resent AS MATERIALIZED (SELECT document_id, max(rejected_at) AS rejected_at FROM document_resends WHERE account_id IN (SELECT account_id FROM page) GROUP BY document_id),
written_off AS MATERIALIZED (SELECT document_id FROM document_write_offs WHERE account_id IN (SELECT account_id FROM page))
SELECT d.account_id, coalesce(a.name, ''), coalesce(a.tax_id, ''), d.adjustment_id, d.invoice_id, d.sequence, d.period, d.posting_period,
	d.currency, d.amount_minor, d.reason, d.posted_at, c.published_at IS NOT NULL, coalesce(c.shadow, false), coalesce(r.status, ''), r.at,
	coalesce(s.rejected_at >= r.at, false), w.document_id IS NOT NULL
FROM page d
LEFT JOIN names a ON a.account_id = d.account_id
LEFT JOIN run_chunks c ON c.run_id = d.run_id AND c.chunk_no = d.chunk_no
LEFT JOIN last_answers r ON r.adjustment_id = d.adjustment_id
LEFT JOIN resent s ON s.document_id = d.adjustment_id
LEFT JOIN written_off w ON w.document_id = d.adjustment_id
ORDER BY ` + registerOrder

const registerOrder = "account_id, invoice_id, sequence"

// Register is up to limit documents that were posted into a period and that a filter
// lets through, by account, invoice and sequence.
func (s *Store) Register(ctx context.Context, f models.RegisterFilter, limit int) ([]models.RegisterEntry, error) {
	page, args := registerPage(&f, limit)
	return list(ctx, s, fmt.Sprintf("reading the register of %s", f.Posted), scanRegisterEntry, page+registerEntries, args...)
}

// RegisterTotals is the number and the sum of all documents that a filter lets through,
// by currency, whatever its cursor.
func (s *Store) RegisterTotals(ctx context.Context, f models.RegisterFilter) ([]models.CurrencyTotal, error) {
	f.After = models.RegisterCursor{}
	page, args := registerPage(&f, 0)
	return list(ctx, s, fmt.Sprintf("adding up the register of %s", f.Posted), func(row pgx.CollectableRow) (t models.CurrencyTotal, err error) {
		return t, row.Scan(&t.Currency, &t.Count, &t.Amount)
	}, page+" SELECT currency, count(*), sum(amount_minor)::bigint FROM page GROUP BY currency ORDER BY currency", args...)
}

// EachRegisterEntry hands every document that a filter lets through to see, in the order
// of [Store.Register], as one state of the database has them. Rows are streamed: memory
// does not grow with the register. It is not tried again: see may have written.
func (s *Store) EachRegisterEntry(ctx context.Context, f models.RegisterFilter, see func(*models.RegisterEntry) error) error {
	page, args := registerPage(&f, 0)
	err := s.consistent(ctx, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		rows, err := tx.pgx.Query(ctx, page+registerEntries, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			e, err := scanRegisterEntry(rows)
			if err != nil {
				return err
			}
			if err := see(&e); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return wrap(fmt.Sprintf("exporting the register of %s", f.Posted), classify(err))
}

func scanRegisterEntry(row pgx.CollectableRow) (e models.RegisterEntry, err error) {
	var answered *time.Time
	err = row.Scan(&e.AccountID, &e.Name, &e.TaxID, (*[16]byte)(&e.DocumentID), &e.InvoiceID, &e.Sequence, &e.Period, &e.PostingPeriod,
		&e.Currency, &e.Amount, &e.Reason, &e.PostedAt, &e.Published, &e.Shadow, &e.Answer, &answered, &e.Resent, &e.WrittenOff)
	e.PostedAt, e.AnsweredAt = e.PostedAt.UTC(), zeroTime(answered)
	return e, err
}
