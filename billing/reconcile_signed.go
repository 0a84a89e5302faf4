package billing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"referral/models"
)

// bucketMoved is the line of signed totals that says what stood on the period's
// invoices by documents of other periods, less what its own documents put on
// invoices that had moved to others.
const bucketMoved = "moved"

// Correction is what later runs have posted to a signed period's documents, by the
// period that carries it.
type Correction struct {
	PostingPeriod models.Period
	Currency      string // empty for packages
	Documents     int64  // or packages
	Amount        models.Money
}

type correctionKey struct {
	into     models.Period
	currency string
}

// ledgerSums is what the reconciliation of a period needs to compare what was
// signed with what the ledger holds now.
type ledgerSums struct {
	signature   *models.Signature // nil unless the period is closed
	moved       map[string]models.Money
	corrections map[correctionKey]models.CountedAmount
}

func newLedgerSums(head *models.AuditHead) ledgerSums {
	s := ledgerSums{moved: map[string]models.Money{}, corrections: map[correctionKey]models.CountedAmount{}}
	if n := len(head.Signatures); n > 0 && head.Closed {
		s.signature = &head.Signatures[n-1]
	}
	return s
}

// document adds one document, on an invoice that belongs to the period or not.
func (s *ledgerSums) document(period models.Period, d *models.AuditDocument, currency string, belongs bool) {
	sum := d.ItemSum()
	switch own := d.Period == period; {
	case belongs && !own:
		s.moved[currency] = s.moved[currency].Add(sum)
	case !belongs && own:
		s.moved[currency] = s.moved[currency].Add(-sum)
	}
	if d.Period == period && s.isLater(d.RunID) {
		s.correct(correctionKey{d.PostingPeriod, currency}, sum)
	}
}

func (s *ledgerSums) sms(p *models.AuditPackage) {
	if s.isLater(p.RunID) {
		s.correct(correctionKey{p.PostingPeriod, ""}, 0)
	}
}

func (s *ledgerSums) isLater(run int64) bool { return s.signature != nil && run > s.signature.LastRun }

func (s *ledgerSums) correct(key correctionKey, amount models.Money) {
	s.corrections[key] = s.corrections[key].Add(models.Counted(1, amount))
}

// Signature is the one that counts; nil unless the period is closed.
func (r *Reconciliation) Signature() *models.Signature { return r.sums.signature }

// Corrections is what was posted to the period's documents after it was signed, by
// the period that carries it.
func (r *Reconciliation) Corrections() []Correction {
	keys := slices.SortedFunc(maps.Keys(r.sums.corrections), func(a, b correctionKey) int {
		return cmp.Or(cmp.Compare(a.into, b.into), cmp.Compare(a.currency, b.currency))
	})
	list := make([]Correction, len(keys))
	for i, key := range keys {
		t := r.sums.corrections[key]
		list[i] = Correction{key.into, key.currency, t.Count, t.Amount}
	}
	return list
}

// Moved is how far invoices that moved between periods after the signature change
// the period's totals, by currency.
func (r *Reconciliation) Moved() map[string]models.Money {
	moved := map[string]models.Money{}
	for currency, amount := range r.sums.moved {
		moved[currency] = amount
	}
	if r.sums.signature != nil {
		for _, t := range r.sums.signature.Totals {
			if t.Kind == bucketMoved {
				moved[t.Currency] = moved[t.Currency].Add(-t.Posted.Amount)
			}
		}
	}
	maps.DeleteFunc(moved, func(_ string, amount models.Money) bool { return amount == 0 })
	return moved
}

// ToSign is the totals as they are to be signed.
func (r *Reconciliation) ToSign() []models.ControlTotal {
	list := r.Lines()
	for _, currency := range slices.Sorted(maps.Keys(r.sums.moved)) {
		if amount := r.sums.moved[currency]; amount != 0 {
			list = append(list, models.ControlTotal{
				TotalKey: models.TotalKey{Kind: bucketMoved, Currency: currency}, Control: models.Control{Posted: models.Counted(0, amount)},
			})
		}
	}
	return list
}

// SignedLines is the control totals of a signature, in the order of
// [Reconciliation.Lines], and summed up.
func SignedLines(s *models.Signature) (lines, overall []models.ControlTotal) {
	controls := map[models.TotalKey]models.Control{}
	for _, t := range s.Totals {
		if t.Kind != bucketMoved {
			controls[t.TotalKey] = t.Control
		}
	}
	return inFixedOrder(controls), inFixedOrder(summedUp(controls))
}

// checkSigned holds that what was signed, and what was posted since, come to what
// the ledger holds, to the kopeck.
func (r *Reconciliation) checkSigned() {
	if r.sums.signature == nil || r.uncalculated > 0 {
		return
	}
	due := map[models.TotalKey]models.CountedAmount{}
	_, overall := SignedLines(r.sums.signature)
	for _, l := range overall {
		due[l.TotalKey] = l.Posted
	}
	for _, c := range r.Corrections() {
		b := overallBucket(models.TotalKey{Currency: c.Currency})
		due[b] = due[b].Add(models.Counted(c.Documents, c.Amount))
	}
	for currency, amount := range r.Moved() {
		b := overallBucket(models.TotalKey{Currency: currency})
		due[b] = due[b].Add(models.Counted(0, amount))
	}
	now := map[models.TotalKey]models.CountedAmount{}
	for _, l := range r.Overall() {
		now[l.TotalKey] = l.Posted
		due[l.TotalKey] = due[l.TotalKey].Add(models.CountedAmount{})
	}
	for _, b := range slices.SortedFunc(maps.Keys(due), func(a, b models.TotalKey) int { return cmp.Compare(a.Currency, b.Currency) }) {
		r.checkSignedBucket(b, due[b], now[b])
	}
}

func (r *Reconciliation) checkSignedBucket(b models.TotalKey, due, now models.CountedAmount) {
	switch {
	case b.Currency == "" && due.Count != now.Count:
		r.fail(Break{Kind: moreOrLess(now.Count > due.Count, BreakMoreThanSigned, BreakLessThanSigned), Detail: fmt.Sprintf(
			"packages: signed and posted since come to %d, the ledger holds %d", due.Count, now.Count)})
	case due.Amount != now.Amount:
		r.fail(Break{Kind: moreOrLess(now.Amount < due.Amount, BreakMoreThanSigned, BreakLessThanSigned), Expected: due.Amount, Actual: now.Amount,
			Detail: fmt.Sprintf("discounts in %s: signed and posted since come to %s, the ledger holds %s", b.Currency, due.Amount, now.Amount)})
	}
}
