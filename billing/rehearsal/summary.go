// Package rehearsal sums up what a run would post, and explains where the run that
// followed has posted something else. It is pure: values in, values out.
package rehearsal

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"referral/models"
)

// How much of a rehearsal is named; all of it is counted.
const (
	MaxDocuments = 100
	MaxAccounts  = 100
	MaxParked    = 100
	maxServices  = 100 // and one row for all others
)

// Summary sums up a rehearsal, account by account. Its memory does not grow with the
// accounts. Reset makes it ready.
type Summary struct {
	found    models.Rehearsal
	services map[string]models.CountedAmount
	percents map[int]models.CountedAmount
	held     map[string]models.CountedAmount
	bases    map[int64]models.SettlementBasis // of accounts that are settled and not seen yet
	amounts  []models.RehearsedAmount
}

// Reset begins again.
func (s *Summary) Reset() {
	*s = Summary{
		services: map[string]models.CountedAmount{}, percents: map[int]models.CountedAmount{}, held: map[string]models.CountedAmount{},
		bases: map[int64]models.SettlementBasis{},
	}
}

// Settle is a rule that also notes what each settlement went by.
func (s *Summary) Settle(rule models.SettleFunc) models.SettleFunc {
	return func(run models.Run, in *models.SettlementInput) models.SettlementResult {
		s.bases[in.AccountID] = basisOf(in)
		return rule(run, in)
	}
}

func basisOf(in *models.SettlementInput) models.SettlementBasis {
	b := models.SettlementBasis{Discounts: slices.Clone(in.Discounts), Earned: maps.Clone(in.Earned)}
	for i := range in.Invoices {
		inv := &in.Invoices[i]
		b.Invoices = append(b.Invoices, models.BasisInvoice{ID: inv.Invoice.ID, Revision: inv.Invoice.Revision, Sequence: inv.Sequence, Decided: inv.Invoice.Decided()})
	}
	return b
}

// See adds one account of the run itself.
func (s *Summary) See(out *models.SettlementResult) {
	s.found.Accounts++
	parked := s.keep(0, out)
	for i := range out.Adjustments {
		doc := &out.Adjustments[i]
		for j := range doc.Items {
			item := &doc.Items[j]
			add(s.services, item.Service, item.Amount)
			percent := largestPercent(item.Segments)
			s.percents[percent] = s.percents[percent].Add(models.Counted(1, item.Amount))
		}
	}
	for i := range out.Held {
		add(s.held, out.Held[i].Service, out.Held[i].Amount)
	}
	s.found.Parked = append(s.found.Parked, parked[:min(len(parked), MaxParked-len(s.found.Parked))]...)
	s.seeDocuments(out)
}

// SeeCorrection adds one account of a signed month whose differences the run carries.
func (s *Summary) SeeCorrection(month models.Period, out *models.SettlementResult) {
	s.keep(month, out)
	s.seeDocuments(out)
}

// keep notes what an account would get.
func (s *Summary) keep(month models.Period, out *models.SettlementResult) (parked []models.ParkedAccount) {
	parked = out.AllParked()
	amount := models.RehearsedAmount{
		Period: month, AccountID: out.AccountID, Packages: int64(len(out.Packages)), Parked: int64(len(parked)), Full: out.Full, Basis: s.bases[out.AccountID],
	}
	delete(s.bases, out.AccountID)
	for i := range out.Adjustments {
		doc := &out.Adjustments[i]
		amount.Documents++
		amount.Amount = amount.Amount.Add(doc.Amount)
		if !slices.Contains(amount.Reasons, doc.Reason) {
			amount.Reasons = append(amount.Reasons, doc.Reason)
		}
	}
	s.amounts = append(s.amounts, amount)
	return parked
}

// seeDocuments looks for the largest documents in an account, of whichever run.
func (s *Summary) seeDocuments(out *models.SettlementResult) {
	for i := range out.Adjustments {
		doc := &out.Adjustments[i]
		d := models.RehearsedDocument{
			AccountID: doc.AccountID, InvoiceID: doc.InvoiceID, Period: doc.Period, Currency: doc.Currency, Amount: doc.Amount, Reason: doc.Reason,
		}
		at, _ := slices.BinarySearchFunc(s.found.Largest, d, bySize)
		if at < MaxDocuments {
			s.found.Largest = slices.Insert(s.found.Largest, at, d)
			s.found.Largest = s.found.Largest[:min(len(s.found.Largest), MaxDocuments)]
		}
	}
}

func bySize(a, b models.RehearsedDocument) int {
	return cmp.Or(cmp.Compare(b.Amount.Abs(), a.Amount.Abs()), cmp.Compare(a.AccountID, b.AccountID), strings.Compare(a.InvoiceID, b.InvoiceID))
}

func largestPercent(segments []models.Segment) int {
	largest := 0
	for _, s := range segments {
		largest = max(largest, s.Percent())
	}
	return largest
}

// otherServices stands for the services beyond those that are named.
const otherServices = "…"

func add(sums map[string]models.CountedAmount, service string, amount models.Money) {
	if _, known := sums[service]; !known && len(sums) >= maxServices {
		service = otherServices
	}
	sums[service] = sums[service].Add(models.Counted(1, amount))
}

// ForgetAmounts drops what Amounts would hand over.
func (s *Summary) ForgetAmounts() { s.amounts = nil }

// Amounts hands over what was seen of each account since the last call.
func (s *Summary) Amounts() []models.RehearsedAmount {
	amounts := s.amounts
	s.amounts = nil
	return amounts
}

// Waiting is how many accounts Amounts would hand over.
func (s *Summary) Waiting() int { return len(s.amounts) }

// Found is the rehearsal, as far as single accounts tell.
func (s *Summary) Found() models.Rehearsal {
	r := s.found
	for service, sum := range s.services {
		r.Services = append(r.Services, models.ServiceSum{Service: service, Lines: sum.Count, Amount: sum.Amount})
	}
	slices.SortFunc(r.Services, func(a, b models.ServiceSum) int {
		return cmp.Or(cmp.Compare(b.Amount.Abs(), a.Amount.Abs()), strings.Compare(a.Service, b.Service))
	})
	for _, percent := range slices.Sorted(maps.Keys(s.percents)) {
		r.Percents = append(r.Percents, models.PercentSum{Percent: percent, Lines: s.percents[percent].Count, Amount: s.percents[percent].Amount})
	}
	for service, sum := range s.held {
		r.Held = append(r.Held, models.HeldService{Service: service, Lines: sum.Count, Amount: sum.Amount})
	}
	slices.SortFunc(r.Held, func(a, b models.HeldService) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), strings.Compare(a.Service, b.Service))
	})
	return r
}
