package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"referral/models"
)

// scope is the accounts of one period that are looked at together.
type scope struct {
	kind     models.RunKind
	period   models.Period
	from, to int64       // accounts, both inclusive
	min, max models.Date // bounds of the service periods invoiced
}

func (t *tx) scopeOf(r *runRecord, from, to int64) (scope, error) {
	var p periodRecord
	if err := t.Where("period = ?", r.Period).Limit(1).Find(&p).Error; err != nil {
		return scope{}, fmt.Errorf("reading period %s: %w", r.Period, err)
	}
	return scope{r.Kind, r.Period, from, to, models.Date(p.MinDay), models.Date(p.MaxDay)}, nil
}

// cases is the accounts of a scope with all that a settlement needs of them.
type cases struct {
	list  []models.AccountCase
	index map[int64]int
	marks []int64 // the stale marks that this settlement answers
	moved rows    // stale marks that it passes on to other periods
}

func (c *cases) ids() []int64 {
	ids := make([]int64, len(c.list))
	for i := range c.list {
		ids[i] = c.list[i].AccountID
	}
	return ids
}

// loadCases reads a scope. In a run of differences it holds the accounts marked
// stale; else also those that have a discount on a day invoiced or a package due.
func (t *tx) loadCases(ctx context.Context, s scope) (*cases, error) {
	if err := t.planForChunks(ctx); err != nil {
		return nil, err
	}
	c := &cases{index: map[int64]int{}}
	load := &caseLoader{tx: t, scope: s, cases: c, asked: map[int64]int64{}, words: map[string]string{}}
	for _, step := range []func(context.Context) error{
		load.marked, load.candidates, load.discounts, load.invoices, load.lines, load.posted, load.packages,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// planForChunks keeps the planner from reading whole tables for a chunk, which is
// what it makes of long lists of accounts, and from calling in helpers for
// queries that the run's own workers keep the processors busy with.
func (t *tx) planForChunks(ctx context.Context) error {
	_, err := t.pgx.Exec(ctx, `SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true),
		set_config('max_parallel_workers_per_gather', '0', true)`)
	if err != nil {
		return fmt.Errorf("preparing to read a chunk: %w", err)
	}
	return nil
}

type caseLoader struct {
	*tx
	scope scope
	cases *cases
	ids   []int64
	asked map[int64]int64   // marked accounts, each with a mark that a fact has made
	words map[string]string // services and line ids repeat: one copy of each
}

func (l *caseLoader) word(b []byte) string {
	if w, ok := l.words[string(b)]; ok {
		return w
	}
	w := string(b)
	l.words[w] = w
	return w
}

func (l *caseLoader) marked(ctx context.Context) error {
	return each(ctx, l.pgx, "stale accounts", func(v [][]byte) {
		account, id := getInt8(v[0]), getInt8(v[1])
		l.want(account)
		l.cases.marks = append(l.cases.marks, id)
		if id > 0 {
			l.asked[account] = id
		}
	}, "SELECT account_id, id FROM stale WHERE period = $1 AND account_id >= $2 AND account_id <= $3",
		l.scope.period, l.scope.from, l.scope.to)
}

func (l *caseLoader) want(id int64) {
	if _, ok := l.cases.index[id]; !ok {
		l.cases.index[id] = -1
	}
}

// candidates completes the accounts and puts them in order.
func (l *caseLoader) candidates(ctx context.Context) error {
	if err := l.unmarkedCandidates(ctx); err != nil {
		return err
	}
	l.ids = slices.Sorted(maps.Keys(l.cases.index))
	l.cases.list = make([]models.AccountCase, len(l.ids))
	for i, id := range l.ids {
		l.cases.list[i].AccountID = id
		l.cases.index[id] = i
	}
	return nil
}

func (l *caseLoader) unmarkedCandidates(ctx context.Context) error {
	s := l.scope
	if s.kind == models.RunDifferences {
		return nil
	}
	query := `SELECT account_id FROM discounts WHERE account_id >= $1 AND account_id <= $2 AND to_day > $3 AND from_day < $4
		UNION ALL SELECT account_id FROM package_grants WHERE account_id >= $1 AND account_id <= $2 AND granted_on >= $5 AND granted_on < $6`
	args := []any{s.from, s.to, s.min.Time(), s.max.Time(), s.period.First().Time(), s.period.End().Time()}
	if s.kind == models.RunFull {
		query += ` UNION ALL SELECT account_id FROM adjustments WHERE account_id >= $1 AND account_id <= $2 AND period = $7`
		args = append(args, s.period)
	}
	return each(ctx, l.pgx, "accounts owed something", func(v [][]byte) { l.want(getInt8(v[0])) }, query, args...)
}

func (l *caseLoader) account(b []byte) *models.AccountCase {
	return &l.cases.list[l.cases.index[getInt8(b)]]
}

func (l *caseLoader) discounts(ctx context.Context) error {
	return each(ctx, l.pgx, "discounts", func(v [][]byte) {
		c := l.account(v[0])
		c.Discounts = append(c.Discounts, models.Discount{
			AccountID: c.AccountID, Kind: models.DiscountKind(l.word(v[1])),
			From: getDate(v[2]), To: getDate(v[3]), Percent: getInt2(v[4]), Step: getInt2(v[5]),
		})
	}, `SELECT account_id, kind, from_day, to_day, percent, step FROM discounts
		WHERE account_id = ANY($1) AND to_day > $2 AND from_day < $3 ORDER BY account_id, kind, from_day`,
		l.ids, l.scope.min.Time(), l.scope.max.Time())
}

// invoices finds the invoices whose highest revision lies in the period.
func (l *caseLoader) invoices(ctx context.Context) error {
	higher, err := l.revised(ctx)
	if err != nil {
		return err
	}
	passed := map[mark]bool{}
	return each(ctx, l.pgx, "invoices", func(v [][]byte) {
		c, revision := l.account(v[0]), getInt4(v[2])
		if len(higher) > 0 {
			if h := higher[invoiceKey{c.AccountID, string(v[1])}]; h.number > revision {
				l.passOn(passed, mark{h.period, c.AccountID})
				return
			}
		}
		c.Invoices = append(c.Invoices, models.InvoiceCase{Invoice: models.Invoice{
			AccountID: c.AccountID, ID: string(v[1]), Revision: revision, Period: l.scope.period, Currency: l.word(v[3]),
		}})
	}, `SELECT account_id, invoice_id, revision, currency FROM invoices
		WHERE account_id = ANY($1) AND period = $2 ORDER BY account_id, invoice_id, revision`, l.ids, l.scope.period)
}

type invoiceKey struct {
	account int64
	invoice string
}

// passOn has an account looked at in the period that an invoice has moved to.
// A run of this period may have been posting on the invoice when it moved, and
// the other period may have been settled before that could be seen. Only marks
// made by facts are passed on, and once: their likeness there has the negative
// id, or two invoices that change places would be passed to and fro for ever.
func (l *caseLoader) passOn(passed map[mark]bool, to mark) {
	id, asked := l.asked[to.account]
	if !asked || to.period == l.scope.period || passed[to] {
		return
	}
	passed[to] = true
	l.cases.moved.row(3).int4(int(to.period)).int8(to.account).int8(-id)
}

// revised is the highest revision of the invoices that have more than a first,
// in any period: an invoice may have moved.
func (l *caseLoader) revised(ctx context.Context) (map[invoiceKey]revision, error) {
	higher := map[invoiceKey]revision{}
	err := each(ctx, l.pgx, "revised invoices", func(v [][]byte) {
		higher[invoiceKey{getInt8(v[0]), string(v[1])}] = revision{number: getInt4(v[2]), period: models.Period(getInt4(v[3]))}
	}, `SELECT DISTINCT ON (account_id, invoice_id) account_id, invoice_id, revision, period FROM invoices
		WHERE account_id = ANY($1) AND revision > 1 ORDER BY account_id, invoice_id, revision DESC`, l.ids)
	return higher, err
}

// lines come by account, as the index has them: putting an account's few lines
// in order here is cheaper than having the database sort all of them.
func (l *caseLoader) lines(ctx context.Context) error {
	var held []numbered
	settle := func() {
		slices.SortStableFunc(held, func(x, y numbered) int { return cmp.Compare(x.no, y.no) })
		for i := range held {
			held[i].of.Lines = append(held[i].of.Lines, held[i].line)
		}
		held = held[:0]
	}
	account := int64(0)
	err := each(ctx, l.pgx, "invoice lines", func(v [][]byte) {
		if id := getInt8(v[0]); id != account {
			settle()
			account = id
		}
		if inv := l.invoiceOf(v[0], v[1]); inv != nil && inv.Revision == getInt4(v[2]) {
			held = append(held, numbered{inv, getInt4(v[8]), models.Line{
				ID: l.word(v[3]), Service: l.word(v[4]), From: getDate(v[5]), To: getDate(v[6]), Amount: models.Money(getInt8(v[7])),
			}})
		}
	}, `SELECT account_id, invoice_id, revision, line_id, service, from_day, to_day, amount_minor, line_no FROM invoice_lines
		WHERE account_id = ANY($1) AND period = $2 ORDER BY account_id`, l.ids, l.scope.period)
	settle()
	return err
}

// numbered is a line with its place in its invoice.
type numbered struct {
	of   *models.Invoice
	no   int
	line models.Line
}

func (l *caseLoader) invoiceOf(account, invoice []byte) *models.Invoice {
	invoices := l.account(account).Invoices
	i, found := slices.BinarySearchFunc(invoices, invoice, func(c models.InvoiceCase, id []byte) int {
		return cmp.Compare(c.Invoice.ID, string(id))
	})
	if !found {
		return nil
	}
	return &invoices[i].Invoice
}

// cursor walks the invoices of sorted cases in step with sorted rows.
type cursor struct {
	list             []models.AccountCase
	account, invoice int
}

// seek is the invoice of an account, nil when the cases do not hold it. It must
// be asked in ascending order.
func (c *cursor) seek(account int64, invoice []byte) *models.InvoiceCase {
	for c.account < len(c.list) && c.list[c.account].AccountID < account {
		c.account, c.invoice = c.account+1, 0
	}
	if c.account == len(c.list) || c.list[c.account].AccountID != account {
		return nil
	}
	invoices := c.list[c.account].Invoices
	for c.invoice < len(invoices) && invoices[c.invoice].Invoice.ID < string(invoice) {
		c.invoice++
	}
	if c.invoice == len(invoices) || invoices[c.invoice].Invoice.ID != string(invoice) {
		return nil
	}
	return &invoices[c.invoice]
}

// posted is what the ledger holds on these invoices, whatever period it was
// posted for.
func (l *caseLoader) posted(ctx context.Context) error {
	accounts, invoices := l.invoiceKeys()
	at := cursor{list: l.cases.list}
	found := false
	err := each(ctx, l.pgx, "the ledger", func(v [][]byte) {
		if inv := at.seek(getInt8(v[0]), v[1]); inv != nil {
			inv.Sequence, inv.Revision, found = getInt4(v[2]), getInt4(v[3]), true
		}
	}, `SELECT a.account_id, a.invoice_id, a.sequence, a.invoice_revision
		FROM unnest($1::bigint[], $2::text[]) AS u (account_id, invoice_id) JOIN adjustments a
			ON a.account_id = u.account_id AND a.invoice_id = u.invoice_id COLLATE "C"
		ORDER BY a.account_id, a.invoice_id, a.sequence`, accounts, invoices)
	if err != nil || !found {
		return err
	}
	at = cursor{list: l.cases.list}
	return each(ctx, l.pgx, "the items of the ledger", func(v [][]byte) {
		if inv := at.seek(getInt8(v[0]), v[1]); inv != nil {
			inv.Posted = append(inv.Posted, models.PostedLine{LineID: l.word(v[2]), Service: l.word(v[3]), Amount: models.Money(getInt8(v[4]))})
		}
	}, `SELECT i.account_id, i.invoice_id, i.line_id, max(i.service), sum(i.amount_minor)::bigint
		FROM unnest($1::bigint[], $2::text[]) AS u (account_id, invoice_id) JOIN adjustment_items i
			ON i.account_id = u.account_id AND i.invoice_id = u.invoice_id COLLATE "C"
		GROUP BY i.account_id, i.invoice_id, i.line_id
		ORDER BY i.account_id, i.invoice_id, i.line_id`, accounts, invoices)
}

func (l *caseLoader) invoiceKeys() (accounts []int64, invoices []string) {
	for i := range l.cases.list {
		for j := range l.cases.list[i].Invoices {
			accounts = append(accounts, l.cases.list[i].AccountID)
			invoices = append(invoices, l.cases.list[i].Invoices[j].Invoice.ID)
		}
	}
	return accounts, invoices
}

// packages is the grants due in the period, and for their accounts what was ever
// earned and what went out.
func (l *caseLoader) packages(ctx context.Context) error {
	var ids []int64
	err := each(ctx, l.pgx, "package grants", func(v [][]byte) {
		c := l.account(v[0])
		if c.Earned == nil {
			c.Earned = map[int]int{}
			ids = append(ids, c.AccountID)
		}
		g := models.Grant{AccountID: c.AccountID, SMS: getInt4(v[1]), Ordinal: getInt4(v[2]), GrantedOn: getDate(v[3]), Step: getInt2(v[4])}
		c.Earned[g.SMS]++
		if g.GrantedOn.Period() == l.scope.period {
			c.Grants = append(c.Grants, g)
		}
	}, `SELECT account_id, sms, ordinal, granted_on, step FROM package_grants
		WHERE account_id = ANY($1) ORDER BY account_id, granted_on, sms, ordinal`, l.ids)
	if err != nil || len(ids) == 0 {
		return err
	}
	return each(ctx, l.pgx, "packages gone out", func(v [][]byte) {
		c := l.account(v[0])
		c.Packages = append(c.Packages, models.SMSPackage{AccountID: c.AccountID, SMS: getInt4(v[1]), Ordinal: getInt4(v[2])})
	}, "SELECT account_id, sms, ordinal FROM sms_packages WHERE account_id = ANY($1)", ids)
}
