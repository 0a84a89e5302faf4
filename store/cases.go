package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

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
	c := &cases{index: map[int64]int{}}
	load := &caseLoader{tx: t, scope: s, cases: c, asked: map[int64]int64{}, words: words{}}
	for _, step := range []func(context.Context) error{load.candidates, load.facts, load.posted, load.gone} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// planByIndexes has the plans of this transaction follow the indexes: no statistics
// are needed to know that what a chunk looks at is little of what there is. The
// planner would read whole tables for long lists of accounts, plan anew for each
// list, and call in helpers for queries that keep the processors busy anyhow.
const planByIndexes = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
	set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true),
	set_config('max_parallel_workers_per_gather', '0', true)`

type caseLoader struct {
	*tx
	scope   scope
	cases   *cases
	ids     []int64
	asked   map[int64]int64 // marked accounts, each with a mark that a fact has made
	words   words           // services and line ids repeat: one copy of each
	granted []int64         // accounts that ever earned a package
	last    *models.AccountCase
}

// candidates completes the accounts and puts them in order. Whoever has a discount
// that counts is one: their discounts are read in the same pass.
func (l *caseLoader) candidates(ctx context.Context) error {
	var batch pgx.Batch
	var discounts []models.Discount
	s := l.scope
	queue(&batch, "settings", func([][]byte) {}, planByIndexes)
	queue(&batch, "stale accounts", l.marked,
		"SELECT account_id, id FROM stale WHERE period = $1 AND account_id >= $2 AND account_id <= $3", s.period, s.from, s.to)
	if s.kind != models.RunDifferences {
		queue(&batch, "discounts", func(v [][]byte) { discounts = append(discounts, l.discount(v)) },
			"SELECT "+discountColumns+` FROM discounts WHERE account_id >= $1 AND account_id <= $2 AND to_day > $3 AND from_day < $4
			ORDER BY account_id, kind, from_day`, s.from, s.to, s.min.Time(), s.max.Time())
		queue(&batch, "accounts owed a package", func(v [][]byte) { l.want(getInt8(v[0])) },
			"SELECT account_id FROM package_grants WHERE account_id >= $1 AND account_id <= $2 AND granted_on >= $3 AND granted_on < $4",
			s.from, s.to, s.period.First().Time(), s.period.End().Time())
	}
	if s.kind == models.RunFull {
		queue(&batch, "accounts posted to", func(v [][]byte) { l.want(getInt8(v[0])) },
			"SELECT account_id FROM adjustments WHERE account_id >= $1 AND account_id <= $2 AND period = $3", s.from, s.to, s.period)
	}
	if err := l.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("reading the accounts of a chunk: %w", err)
	}
	for i := range discounts {
		l.want(discounts[i].AccountID)
	}
	l.list()
	l.handOut(discounts)
	return nil
}

func (l *caseLoader) marked(v [][]byte) {
	account, id := getInt8(v[0]), getInt8(v[1])
	l.want(account)
	l.cases.marks = append(l.cases.marks, id)
	if id > 0 {
		l.asked[account] = id
	}
}

func (l *caseLoader) want(id int64) { l.cases.index[id] = -1 }

func (l *caseLoader) list() {
	l.ids = slices.Sorted(maps.Keys(l.cases.index))
	l.cases.list = make([]models.AccountCase, len(l.ids))
	for i, id := range l.ids {
		l.cases.list[i].AccountID = id
		l.cases.index[id] = i
	}
}

// account is the case of an account; most rows come by account.
func (l *caseLoader) account(id int64) *models.AccountCase {
	if l.last == nil || l.last.AccountID != id {
		l.last = &l.cases.list[l.cases.index[id]]
	}
	return l.last
}

const discountColumns = "account_id, kind, from_day, to_day, percent, step"

func (l *caseLoader) discount(v [][]byte) models.Discount {
	return models.Discount{
		AccountID: getInt8(v[0]), Kind: models.DiscountKind(l.words.of(v[1])),
		From: getDate(v[2]), To: getDate(v[3]), Percent: getInt2(v[4]), Step: getInt2(v[5]),
	}
}

// handOut gives each account its discounts, which come by account.
func (l *caseLoader) handOut(discounts []models.Discount) {
	for from, to := 0, 0; from < len(discounts); from = to {
		id := discounts[from].AccountID
		for to = from; to < len(discounts) && discounts[to].AccountID == id; to++ {
		}
		l.account(id).Discounts = discounts[from:to:to]
	}
}

// facts reads what is known of the accounts, all in one round trip.
func (l *caseLoader) facts(ctx context.Context) error {
	if len(l.ids) == 0 {
		return nil
	}
	var batch pgx.Batch
	var discounts []models.Discount
	if s := l.scope; s.kind == models.RunDifferences {
		queue(&batch, "discounts", func(v [][]byte) { discounts = append(discounts, l.discount(v)) },
			"SELECT "+discountColumns+` FROM discounts WHERE account_id = ANY($1) AND to_day > $2 AND from_day < $3
			ORDER BY account_id, kind, from_day`, l.ids, s.min.Time(), s.max.Time())
	}
	l.queueInvoices(&batch)
	l.queueGrants(&batch)
	lines := l.queueLines(&batch)
	if err := l.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("reading the facts of a chunk: %w", err)
	}
	lines.settle()
	l.handOut(discounts)
	return nil
}

// queueInvoices finds the invoices whose highest revision lies in the period.
func (l *caseLoader) queueInvoices(batch *pgx.Batch) {
	// The highest revision of the invoices that have more than a first, in any
	// period: an invoice may have moved.
	higher := map[invoiceKey]revision{}
	queue(batch, "revised invoices", func(v [][]byte) {
		higher[invoiceKey{getInt8(v[0]), string(v[1])}] = revision{number: getInt4(v[2]), period: models.Period(getInt4(v[3]))}
	}, `SELECT DISTINCT ON (account_id, invoice_id) account_id, invoice_id, revision, period FROM invoices
		WHERE account_id = ANY($1) AND revision > 1 ORDER BY account_id, invoice_id, revision DESC`, l.ids)
	passed := map[mark]bool{}
	queue(batch, "invoices", func(v [][]byte) {
		c, revision := l.account(getInt8(v[0])), getInt4(v[2])
		if len(higher) > 0 {
			if h := higher[invoiceKey{c.AccountID, string(v[1])}]; h.number > revision {
				l.passOn(passed, mark{h.period, c.AccountID})
				return
			}
		}
		c.Invoices = append(c.Invoices, models.InvoiceCase{Invoice: models.Invoice{
			AccountID: c.AccountID, ID: string(v[1]), Revision: revision, Period: l.scope.period, Currency: l.words.of(v[3]),
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

// lineLoader collects an account's lines: putting these few in order here is
// cheaper than having the database sort those of all accounts.
type lineLoader struct {
	*caseLoader
	of    *models.AccountCase
	at    int           // place of the invoice of the line before
	held  []numbered    // of one account
	lines []models.Line // room for many invoices' lines
}

// numbered is a line with its place in its invoice.
type numbered struct {
	invoice, no int
	line        models.Line
}

func (l *caseLoader) queueLines(batch *pgx.Batch) *lineLoader {
	lines := &lineLoader{caseLoader: l}
	queue(batch, "invoice lines", lines.read,
		`SELECT account_id, invoice_id, revision, line_id, service, from_day, to_day, amount_minor, line_no FROM invoice_lines
		WHERE account_id = ANY($1) AND period = $2 ORDER BY account_id`, l.ids, l.scope.period)
	return lines
}

func (l *lineLoader) read(v [][]byte) {
	if id := getInt8(v[0]); l.of == nil || l.of.AccountID != id {
		l.settle()
		l.of, l.at = l.account(id), 0
	}
	if i := l.place(v[1]); i >= 0 && l.of.Invoices[i].Invoice.Revision == getInt4(v[2]) {
		l.held = append(l.held, numbered{i, getInt4(v[8]), models.Line{
			ID: l.words.of(v[3]), Service: l.words.of(v[4]), From: getDate(v[5]), To: getDate(v[6]), Amount: models.Money(getInt8(v[7])),
		}})
	}
}

// settle gives the invoices of one account their lines.
func (l *lineLoader) settle() {
	byPlace := func(x, y numbered) int { return cmp.Or(cmp.Compare(x.invoice, y.invoice), cmp.Compare(x.no, y.no)) }
	if !slices.IsSortedFunc(l.held, byPlace) {
		slices.SortStableFunc(l.held, byPlace)
	}
	for from, to := 0, 0; from < len(l.held); from = to {
		start, invoice := len(l.lines), l.held[from].invoice
		if cap(l.lines)-start < len(l.held) {
			l.lines, start = make([]models.Line, 0, max(linesAtOnce, len(l.held))), 0
		}
		for to = from; to < len(l.held) && l.held[to].invoice == invoice; to++ {
			l.lines = append(l.lines, l.held[to].line)
		}
		l.of.Invoices[invoice].Invoice.Lines = l.lines[start:len(l.lines):len(l.lines)]
	}
	l.held = l.held[:0]
}

// linesAtOnce is how many lines room is made for.
const linesAtOnce = 1024

// place is where an invoice stands among those of the account, -1 when it does
// not. An invoice's lines mostly come together.
func (l *lineLoader) place(id []byte) int {
	if l.at < len(l.of.Invoices) && l.of.Invoices[l.at].Invoice.ID == string(id) {
		return l.at
	}
	at, found := slices.BinarySearchFunc(l.of.Invoices, id, func(c models.InvoiceCase, id []byte) int {
		return cmp.Compare(c.Invoice.ID, string(id))
	})
	if !found {
		return -1
	}
	l.at = at
	return at
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
	if len(accounts) == 0 {
		return nil
	}
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
			inv.Posted = append(inv.Posted, models.PostedLine{LineID: l.words.of(v[2]), Service: l.words.of(v[3]), Amount: models.Money(getInt8(v[4]))})
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

// queueGrants reads what the accounts ever earned, and of it what is due in the
// period.
func (l *caseLoader) queueGrants(batch *pgx.Batch) {
	queue(batch, "package grants", func(v [][]byte) {
		c := l.account(getInt8(v[0]))
		if c.Earned == nil {
			c.Earned = map[int]int{}
			l.granted = append(l.granted, c.AccountID)
		}
		g := models.Grant{AccountID: c.AccountID, SMS: getInt4(v[1]), Ordinal: getInt4(v[2]), GrantedOn: getDate(v[3]), Step: getInt2(v[4])}
		c.Earned[g.SMS]++
		if g.GrantedOn.Period() == l.scope.period {
			c.Grants = append(c.Grants, g)
		}
	}, `SELECT account_id, sms, ordinal, granted_on, step FROM package_grants
		WHERE account_id = ANY($1) ORDER BY account_id, granted_on, sms, ordinal`, l.ids)
}

// gone is the packages that went out to these accounts, of any period.
func (l *caseLoader) gone(ctx context.Context) error {
	if len(l.granted) == 0 {
		return nil
	}
	return each(ctx, l.pgx, "packages gone out", func(v [][]byte) {
		c := l.account(getInt8(v[0]))
		c.Packages = append(c.Packages, models.SMSPackage{AccountID: c.AccountID, SMS: getInt4(v[1]), Ordinal: getInt4(v[2])})
	}, "SELECT account_id, sms, ordinal FROM sms_packages WHERE account_id = ANY($1)", l.granted)
}
