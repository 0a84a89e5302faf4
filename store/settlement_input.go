package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// scope is the accounts of one period that are looked at together.
type scope struct {
	kind     models.RunKind
	period   models.Period
	from, to int64       // accounts, both inclusive
	min, max models.Date // bounds of the service periods invoiced
	settled  time.Time   // when its own run ended; zero until then
}

func (t *tx) loadScope(r *runRecord, from, to int64) (scope, error) {
	var p periodRecord
	if err := t.Where("period = ?", r.Period).Limit(1).Find(&p).Error; err != nil {
		return scope{}, fmt.Errorf("reading period %s: %w", r.Period, err)
	}
	return scope{r.Kind, r.Period, from, to, dayOf(p.MinDay), dayOf(p.MaxDay), zeroTime(p.SettledAt)}, nil
}

// settlementInput is the accounts of a scope with all that a settlement needs of them.
type settlementInput struct {
	list  []models.SettlementInput
	index map[int64]int
	marks []int64     // the stale marks that this settlement answers
	moved pgcopy.Rows // stale marks that it passes on to other periods

	services map[string]models.ServiceDecision // decisions of staff that are in force

	elsewhere map[invoiceKey]models.Period // where invoices are stored that have moved here from other periods
}

// storedUnder is the period that a document is stored under: that of its invoice.
func (c *settlementInput) storedUnder(a *models.Adjustment) models.Period {
	if len(c.elsewhere) > 0 {
		if stored, moved := c.elsewhere[invoiceKey{a.AccountID, a.InvoiceID}]; moved {
			return stored
		}
	}
	return a.Period
}

func (c *settlementInput) ids() []int64 {
	ids := make([]int64, len(c.list))
	for i := range c.list {
		ids[i] = c.list[i].AccountID
	}
	return ids
}

// loadInput reads a scope. In a run of differences it holds the accounts marked
// stale; else also those that have a discount on a day invoiced or a package due.
func (t *tx) loadInput(ctx context.Context, s scope) (*settlementInput, error) {
	c := &settlementInput{index: map[int64]int{}, elsewhere: map[invoiceKey]models.Period{}}
	load := &inputLoader{tx: t, scope: s, input: c, asked: map[int64]int64{}, texts: newUnpacker()}
	load.texts.skipSegments = true
	for _, step := range []func(context.Context) error{load.findAccounts, load.loadFacts, load.loadMovedPostings, load.loadSentPackages} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	c.services = load.texts.services
	return c, nil
}

// planByIndexes has the plans of this transaction use the indexes: a chunk or a batch
// reads a small part of each table. Otherwise the planner would read whole tables for long lists of accounts, plan again for each
// list, and start parallel workers although the processors are busy. Citus makes no generic
// plans of statements on several nodes.
const planByIndexes = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
	set_config('plan_cache_mode', CASE WHEN current_setting('citus.version', true) IS NULL THEN 'force_generic_plan' ELSE 'auto' END, true), set_config('jit', 'off', true),
	set_config('max_parallel_workers_per_gather', '0', true)`

type inputLoader struct {
	*tx
	scope   scope
	input   *settlementInput
	ids     []int64
	asked   map[int64]int64 // marked accounts, each with a mark that a fact has made
	texts   *unpacker
	granted []int64 // accounts that ever earned a package

	revisions []revision
	postings  []posting
	last      *models.SettlementInput
}

// findAccounts completes the accounts and puts them in order. An account that has a
// discount that counts is one: their discounts are read in the same pass.
func (l *inputLoader) findAccounts(ctx context.Context) error {
	var batch pgcopy.Batch
	var discounts []models.Discount
	s := l.scope
	batch.Exec("choosing the plans", planByIndexes)
	batch.Each("stale accounts", l.marked,
		"SELECT account_id, id FROM stale WHERE period = $1 AND account_id >= $2 AND account_id <= $3", s.period, s.from, s.to)
	if s.kind != models.RunDifferences {
		batch.Each("discounts", func(v [][]byte) { discounts = append(discounts, readDiscount(v, l.texts.words)) },
			"SELECT "+discountColumns+` FROM discounts WHERE account_id >= $1 AND account_id <= $2 AND to_day > $3 AND from_day < $4
			ORDER BY account_id, kind, from_day`, s.from, s.to, s.min.Time(), s.max.Time())
		batch.Each("accounts owed a package", func(v [][]byte) { l.add(pgcopy.Int8(v[0])) },
			"SELECT account_id FROM package_grants WHERE account_id >= $1 AND account_id <= $2 AND granted_on >= $3 AND granted_on < $4",
			s.from, s.to, s.period.First().Time(), s.period.End().Time())
	}
	if s.kind == models.RunFull || s.kind == models.RunBooked {
		batch.Each("accounts posted to", func(v [][]byte) { l.add(pgcopy.Int8(v[0])) },
			"SELECT account_id FROM ("+postedIn+") p WHERE account_id >= $1 AND account_id <= $2", s.from, s.to, s.period)
	}
	if err := batch.Send(ctx, l.pgx); err != nil {
		return err
	}
	for i := range discounts {
		l.add(discounts[i].AccountID)
	}
	l.index()
	l.assignDiscounts(discounts)
	return nil
}

func (l *inputLoader) marked(v [][]byte) {
	account, id := pgcopy.Int8(v[0]), pgcopy.Int8(v[1])
	l.add(account)
	l.input.marks = append(l.input.marks, id)
	if id > 0 {
		l.asked[account] = id
	}
}

func (l *inputLoader) add(id int64) { l.input.index[id] = -1 }

func (l *inputLoader) index() {
	l.ids = slices.Sorted(maps.Keys(l.input.index))
	l.input.list = make([]models.SettlementInput, len(l.ids))
	for i, id := range l.ids {
		l.input.list[i].AccountID = id
		l.input.index[id] = i
	}
}

// account is the input of an account; most rows come by account.
func (l *inputLoader) account(id int64) *models.SettlementInput {
	if l.last == nil || l.last.AccountID != id {
		l.last = &l.input.list[l.input.index[id]]
	}
	return l.last
}

// postedIn selects the accounts that documents of a period are about; $3 is the
// period.
const postedIn = `SELECT account_id FROM adjustments WHERE storage_period = $3
	UNION SELECT account_id FROM adjustments WHERE period <> storage_period AND period = $3`

// assignDiscounts gives each account its discounts, which come by account.
func (l *inputLoader) assignDiscounts(discounts []models.Discount) {
	for from, to := 0, 0; from < len(discounts); from = to {
		id := discounts[from].AccountID
		for to = from; to < len(discounts) && discounts[to].AccountID == id; to++ {
		}
		l.account(id).Discounts = discounts[from:to:to]
	}
}
