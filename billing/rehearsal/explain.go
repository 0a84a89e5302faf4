package rehearsal

import (
	"maps"
	"slices"
	"time"

	"referral/models"
)

// Explainer explains the differences between a rehearsal and the run that followed.
type Explainer struct {
	Period     models.Period
	Run        int64
	Kind       models.RunKind // of the rehearsal
	AsOf       time.Time      // of the rehearsal
	OtherTerms bool           // other terms were in force for the run
	Local      func(time.Time) models.Date
}

// Explain is the facts that explain why the run has posted other than was rehearsed for
// an account. history is the account soon after the run. None: nothing explains it.
func (e *Explainer) Explain(o *models.AccountOutcomes, history *models.AccountHistory) []models.DifferenceFact {
	var facts []models.DifferenceFact
	if e.OtherTerms {
		facts = append(facts, models.DifferenceFact{Kind: models.DiffTerms})
	}
	if o.Parked {
		facts = append(facts, models.DifferenceFact{Kind: models.DiffWasParked})
	}
	for _, p := range history.Parked {
		if p.Period == e.Period {
			facts = append(facts, models.DifferenceFact{Kind: models.DiffParked, InvoiceID: p.InvoiceID, Detail: p.Error})
		}
	}
	switch {
	case o.Basis != nil:
		facts = append(facts, e.invoices(o.Basis, history)...)
		facts = append(facts, e.entitlements(o.Basis, o.Basis.Earned, history)...)
	case e.Kind == models.RunDifferences:
		// It looked at those alone that a fact had touched.
		facts = append(facts, e.since(history)...)
	default:
		// It looked at every account with a discount on a day invoiced, or a package.
		facts = append(facts, e.entitlements(&models.SettlementBasis{}, e.earnedBefore(history), history)...)
		if len(facts) == 0 {
			facts = e.since(history)
		}
	}
	return facts
}

// invoices is what became of the invoices of the period since the rehearsal.
func (e *Explainer) invoices(before *models.SettlementBasis, history *models.AccountHistory) (facts []models.DifferenceFact) {
	for i := range history.Invoices {
		inv := &history.Invoices[i]
		if inv.Invoice.Period != e.Period {
			continue
		}
		at := slices.IndexFunc(before.Invoices, func(b models.BasisInvoice) bool { return b.ID == inv.Invoice.ID })
		fact := models.DifferenceFact{InvoiceID: inv.Invoice.ID, To: inv.Invoice.Revision, Provenance: known(inv.Provenance)}
		switch {
		case at < 0:
			fact.Kind = models.DiffInvoiceCame
			facts = append(facts, fact)
			continue
		case before.Invoices[at].Revision != inv.Invoice.Revision:
			fact.Kind, fact.From = models.DiffInvoiceRevised, before.Invoices[at].Revision
			facts = append(facts, fact)
		}
		facts = append(facts, services(before.Invoices[at].Decided, &inv.Invoice)...)
		if posted := e.postedBefore(inv); posted > before.Invoices[at].Sequence {
			facts = append(facts, models.DifferenceFact{
				Kind: models.DiffDocumentPosted, InvoiceID: inv.Invoice.ID, From: before.Invoices[at].Sequence, To: posted,
			})
		}
	}
	for _, b := range before.Invoices {
		here := slices.ContainsFunc(history.Invoices, func(inv models.AuditInvoice) bool { return inv.Invoice.ID == b.ID && inv.Invoice.Period == e.Period })
		if !here {
			facts = append(facts, models.DifferenceFact{Kind: models.DiffInvoiceMoved, InvoiceID: b.ID, From: b.Revision})
		}
	}
	return facts
}

// services is the services of an invoice about which staff had decided otherwise before.
func services(before map[string]models.ServiceClass, inv *models.Invoice) (facts []models.DifferenceFact) {
	now := inv.Decided()
	changed := map[string]bool{}
	for _, line := range inv.Lines {
		changed[line.Service] = before[line.Service] != now[line.Service]
	}
	for _, service := range slices.Sorted(maps.Keys(changed)) {
		if changed[service] {
			facts = append(facts, models.DifferenceFact{Kind: models.DiffService, InvoiceID: inv.ID, Detail: service})
		}
	}
	return facts
}

// postedBefore is the number of the last document on an invoice that an earlier run has
// posted.
func (e *Explainer) postedBefore(inv *models.AuditInvoice) (sequence int) {
	for i := range inv.Documents {
		if d := &inv.Documents[i]; d.RunID < e.Run {
			sequence = max(sequence, d.Sequence)
		}
	}
	return sequence
}

// entitlements is how discounts and packages differ, with the decisions of staff that were
// taken since.
func (e *Explainer) entitlements(before *models.SettlementBasis, earned map[int]int, history *models.AccountHistory) []models.DifferenceFact {
	facts := slices.Concat(e.discounts(before, history), packages(earned, history))
	if len(facts) > 0 {
		facts = append(facts, e.decisions(history)...)
	}
	return facts
}

// decisions is what staff has decided about the account's referrals since the rehearsal.
func (e *Explainer) decisions(history *models.AccountHistory) (facts []models.DifferenceFact) {
	for i := range history.Decisions {
		if d := &history.Decisions[i]; d.DecidedAt.After(e.AsOf) {
			facts = append(facts, models.DifferenceFact{Kind: models.DiffDecision, Day: e.day(d.DecidedAt), Other: d.AccountID, Detail: string(d.Kind)})
		}
	}
	return facts
}

// discounts is how the percents differ, with the facts of the day on which they begin to.
func (e *Explainer) discounts(before *models.SettlementBasis, history *models.AccountHistory) (facts []models.DifferenceFact) {
	from, to := e.days(history)
	for _, kind := range []models.DiscountKind{models.Agreed, models.Invitee, models.Inviter} {
		day, was, is, differs := firstDifference(before.Discounts, history.Stored.Discounts, kind, from, to)
		if !differs {
			continue
		}
		facts = append(facts, models.DifferenceFact{Kind: models.DiffPercent, Discount: kind, Day: day, From: was, To: is})
		facts = append(facts, e.causes(kind, day, history)...)
	}
	return facts
}

// days is the service days that the invoices of the period name, and the period itself.
func (e *Explainer) days(history *models.AccountHistory) (from, to models.Date) {
	from, to = e.Period.First(), e.Period.End()
	for i := range history.Invoices {
		inv := &history.Invoices[i].Invoice
		for j := range inv.Lines {
			if inv.Period == e.Period {
				from, to = min(from, inv.Lines[j].From), max(to, inv.Lines[j].End())
			}
		}
	}
	return from, to
}

// firstDifference is the first day in [from, to) on which the percents of a kind differ.
func firstDifference(before, now []models.Discount, kind models.DiscountKind, from, to models.Date) (day models.Date, was, is int, differs bool) {
	days := []models.Date{from}
	for _, d := range slices.Concat(before, now) {
		days = append(days, d.From, d.To)
	}
	slices.Sort(days)
	for _, day := range days {
		if day < from || day >= to {
			continue
		}
		if was, is := percentOn(before, kind, day), percentOn(now, kind, day); was != is {
			return day, was, is, true
		}
	}
	return 0, 0, 0, false
}

func percentOn(discounts []models.Discount, kind models.DiscountKind, day models.Date) int {
	for _, d := range discounts {
		if d.Kind == kind && d.From <= day && day < d.To {
			return d.Percent
		}
	}
	return 0
}

// causes is the facts dated on the day on which a discount begins to differ.
func (e *Explainer) causes(kind models.DiscountKind, day models.Date, history *models.AccountHistory) (facts []models.DifferenceFact) {
	on := func(at time.Time) bool { return !at.IsZero() && e.Local(at) == day }
	a := &history.Account
	if on(a.TerminatedAt) {
		facts = append(facts, models.DifferenceFact{Kind: models.DiffTerminated, Day: day, Provenance: known(a.Provenance.Terminated)})
	}
	if kind == models.Inviter {
		for _, r := range history.Referrals {
			if on(r.ActivatedAt) {
				facts = append(facts, models.DifferenceFact{Kind: models.DiffActivation, Day: day, Other: r.InviteeID})
			}
		}
		return facts
	}
	if on(a.PromoEndedAt) {
		facts = append(facts, models.DifferenceFact{Kind: models.DiffPromoEnded, Day: day, Provenance: known(a.Provenance.PromoEnded)})
	}
	if accepted := history.Accepted(); accepted != nil && on(accepted.RequestedAt) {
		facts = append(facts, models.DifferenceFact{Kind: models.DiffActivation, Day: day, Other: a.ID, Provenance: known(accepted.Provenance)})
	}
	return facts
}

// packages is how the numbers of packages earned differ.
func packages(before map[int]int, history *models.AccountHistory) (facts []models.DifferenceFact) {
	now := map[int]int{}
	for _, g := range history.Stored.Grants {
		now[g.SMS]++
	}
	sizes := maps.Clone(now)
	maps.Copy(sizes, before)
	for _, sms := range slices.Sorted(maps.Keys(sizes)) {
		if before[sms] != now[sms] {
			facts = append(facts, models.DifferenceFact{Kind: models.DiffPackage, Other: int64(sms), From: before[sms], To: now[sms]})
		}
	}
	return facts
}

// earnedBefore is the packages of other periods than this one.
func (e *Explainer) earnedBefore(history *models.AccountHistory) map[int]int {
	earned := map[int]int{}
	for _, g := range history.Stored.Grants {
		if g.GrantedOn.Period() != e.Period {
			earned[g.SMS]++
		}
	}
	return earned
}

// since is the facts whose messages were written after the rehearsal.
func (e *Explainer) since(history *models.AccountHistory) (facts []models.DifferenceFact) {
	add := func(p models.Provenance, fact models.DifferenceFact) {
		if p.At.After(e.AsOf) {
			fact.Provenance = &p
			facts = append(facts, fact)
		}
	}
	for i := range history.Invoices {
		if inv := &history.Invoices[i]; inv.Invoice.Period == e.Period {
			add(inv.Provenance, models.DifferenceFact{Kind: models.DiffInvoiceCame, InvoiceID: inv.Invoice.ID, To: inv.Invoice.Revision})
			for service := range inv.Invoice.Decided() {
				if inv.Invoice.Services[service].DecidedAt.After(e.AsOf) {
					facts = append(facts, models.DifferenceFact{Kind: models.DiffService, InvoiceID: inv.Invoice.ID, Detail: service})
				}
			}
		}
	}
	a := &history.Account
	add(a.Provenance.PromoEnded, models.DifferenceFact{Kind: models.DiffPromoEnded, Day: e.day(a.PromoEndedAt)})
	add(a.Provenance.Terminated, models.DifferenceFact{Kind: models.DiffTerminated, Day: e.day(a.TerminatedAt)})
	if accepted := history.Accepted(); accepted != nil {
		add(accepted.Provenance, models.DifferenceFact{Kind: models.DiffActivation, Day: e.day(accepted.RequestedAt), Other: a.ID})
	}
	return append(facts, e.decisions(history)...)
}

func (e *Explainer) day(at time.Time) models.Date {
	if at.IsZero() {
		return 0
	}
	return e.Local(at)
}

// known is where a fact came from, nil when that is not known.
func known(p models.Provenance) *models.Provenance {
	if p.At.IsZero() {
		return nil
	}
	return &p
}
