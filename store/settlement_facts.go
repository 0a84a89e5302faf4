package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// loadFacts reads what is known of the accounts, all in one round trip.
func (l *inputLoader) loadFacts(ctx context.Context) error {
	if len(l.ids) == 0 {
		return nil
	}
	var batch pgcopy.Batch
	var discounts []models.Discount
	if s := l.scope; s.kind == models.RunDifferences {
		batch.Each("discounts", func(v [][]byte) { discounts = append(discounts, readDiscount(v, l.texts.words)) },
			"SELECT "+discountColumns+` FROM discounts WHERE account_id = ANY($1) AND to_day > $2 AND from_day < $3
			ORDER BY account_id, kind, from_day`, l.ids, s.min.Time(), s.max.Time())
	}
	l.texts.queueServices(&batch)
	queueRevisions(&batch, &l.revisions, l.texts, l.scope.period, l.ids)
	l.queuePosted(&batch)
	l.queueGrants(&batch)
	l.queueRevocations(&batch)
	if err := batch.Send(ctx, l.pgx); err != nil {
		return err
	}
	l.assignDiscounts(discounts)
	l.chooseRevisions()
	l.sumPosted()
	return nil
}

// chooseRevisions gives each account the invoices whose highest revision lies in the
// period.
func (l *inputLoader) chooseRevisions() {
	passed := map[staleMark]bool{}
	eachInvoice(l.revisions, func(highest revision, periods []models.Period) {
		switch {
		case highest.Period == l.scope.period:
			c := l.account(highest.AccountID)
			c.Invoices = append(c.Invoices, models.InvoiceInput{Invoice: *highest.Invoice, Settled: l.scope.settled})
			if highest.stored != l.scope.period {
				l.input.elsewhere[invoiceKey{highest.AccountID, highest.ID}] = highest.stored
			}
		case slices.Contains(periods, l.scope.period):
			l.forwardMark(passed, staleMark{highest.Period, highest.AccountID})
		}
	})
}

// ledgerColumns is what settling needs of the ledger.
const ledgerColumns = "account_id, invoice_id, sequence, invoice_revision, items, posted_at"

// posting is a document of the ledger as settling needs it.
type posting struct {
	account            int64
	invoice            string
	sequence, revision int
	items              []models.AdjustmentItem
	damage             error
	at                 time.Time
}

// queuePosted reads what the ledger holds on the invoices that are stored under the
// period, whatever period it was posted for.
func (l *inputLoader) queuePosted(batch *pgcopy.Batch) {
	batch.Each("the ledger", l.readPosted, "SELECT "+ledgerColumns+" FROM adjustments WHERE storage_period = $2 AND account_id = ANY($1)", l.ids, l.scope.period)
}

// loadMovedPostings reads what it holds on those that have moved here.
func (l *inputLoader) loadMovedPostings(ctx context.Context) error {
	if len(l.input.elsewhere) == 0 {
		return nil
	}
	accounts, periods := map[int64]bool{}, map[models.Period]bool{}
	for key, stored := range l.input.elsewhere {
		accounts[key.account], periods[stored] = true, true
	}
	l.postings = l.postings[:0]
	err := pgcopy.Each(ctx, l.pgx, "the ledger of moved invoices", l.readPosted,
		"SELECT "+ledgerColumns+" FROM adjustments WHERE storage_period = ANY($2) AND account_id = ANY($1)", sortedIDs(accounts), numbersOf(periods))
	l.sumPosted()
	return err
}

func (l *inputLoader) readPosted(v [][]byte) {
	p := posting{account: pgcopy.Int8(v[0]), invoice: string(v[1]), sequence: pgcopy.Int4(v[2]), revision: pgcopy.Int4(v[3]), at: pgcopy.Time(v[5])}
	p.items, p.damage = l.texts.itemsOf(v[4])
	l.postings = append(l.postings, p)
}

// sumPosted gives the invoices the sums of what the ledger holds on them. A document
// that cannot be read parks its invoice: what is owed cannot be told without it.
func (l *inputLoader) sumPosted() {
	slices.SortFunc(l.postings, func(a, b posting) int { return cmp.Compare(a.sequence, b.sequence) })
	for _, p := range l.postings {
		inv := invoiceOf(l.account(p.account), p.invoice)
		if inv == nil {
			continue
		}
		inv.Sequence, inv.Revision, inv.Settled = p.sequence, p.revision, p.at
		if p.damage != nil {
			inv.Damage = fmt.Errorf("document %d of the ledger: %w", p.sequence, p.damage)
		}
		for _, item := range p.items {
			addPosted(inv, item)
		}
	}
}

func invoiceOf(c *models.SettlementInput, id string) *models.InvoiceInput {
	for i := range c.Invoices {
		if c.Invoices[i].Invoice.ID == id {
			return &c.Invoices[i]
		}
	}
	return nil
}

// addPosted adds an item to the sum of its line. Lines stay in the order of their ids.
func addPosted(inv *models.InvoiceInput, item models.AdjustmentItem) {
	at, known := slices.BinarySearchFunc(inv.Posted, item.LineID, func(l models.PostedLine, id string) int { return strings.Compare(l.LineID, id) })
	if !known {
		inv.Posted = slices.Insert(inv.Posted, at, models.PostedLine{LineID: item.LineID})
	}
	line := &inv.Posted[at]
	line.Service, line.Amount = max(line.Service, item.Service), line.Amount.Add(item.Amount)
}

// forwardMark has an account looked at in the period that an invoice has moved to.
// A run of this period may have been posting on the invoice when it moved, and
// the other period may have been settled before that could be seen. Only marks
// made by facts are passed on, and once: the copy has the negative id, or
// two invoices that change places would be passed back and forth endlessly.
func (l *inputLoader) forwardMark(passed map[staleMark]bool, to staleMark) {
	id, asked := l.asked[to.account]
	if !asked || to.period == l.scope.period || passed[to] {
		return
	}
	passed[to] = true
	l.input.moved.Row(3).Int4(int(to.period)).Int8(to.account).Int8(-id)
}

// queueGrants reads what the accounts ever earned, and of it what is due in the
// period.
func (l *inputLoader) queueGrants(batch *pgcopy.Batch) {
	batch.Each("package grants", func(v [][]byte) {
		g := readGrant(v)
		c := l.account(g.AccountID)
		if c.Earned == nil {
			c.Earned = map[int]int{}
			l.granted = append(l.granted, c.AccountID)
		}
		c.Earned[g.SMS]++
		if g.GrantedOn.Period() == l.scope.period {
			c.Grants = append(c.Grants, g)
		}
	}, selectGrants, l.ids)
}

// queueRevocations reads when a referral of the accounts, of either side, was last
// revoked, or a revocation undone.
func (l *inputLoader) queueRevocations(batch *pgcopy.Batch) {
	batch.Each("revocations", func(v [][]byte) { l.account(pgcopy.Int8(v[0])).RevokedAt = pgcopy.Time(v[1]) },
		`WITH revocation AS (
			SELECT account_id, inviter_id, decided_at FROM staff_decisions d WHERE kind = $2
				OR EXISTS (SELECT 1 FROM staff_decisions r WHERE r.account_id = d.account_id AND r.decision_id = d.undoes AND r.kind = $2))
		SELECT id, max(decided_at) FROM (SELECT account_id AS id, decided_at FROM revocation UNION ALL SELECT inviter_id, decided_at FROM revocation) r
		WHERE id = ANY($1) GROUP BY id`, l.ids, models.DecisionRevoke)
}

// loadSentPackages reads the packages that were posted for these accounts, of any period.
func (l *inputLoader) loadSentPackages(ctx context.Context) error {
	if len(l.granted) == 0 {
		return nil
	}
	return pgcopy.Each(ctx, l.pgx, "posted packages", func(v [][]byte) {
		c := l.account(pgcopy.Int8(v[0]))
		c.Packages = append(c.Packages, models.SMSPackage{AccountID: c.AccountID, SMS: pgcopy.Int4(v[1]), Ordinal: pgcopy.Int4(v[2])})
	}, "SELECT account_id, sms, ordinal FROM given_packages WHERE account_id = ANY($1)", l.granted)
}
