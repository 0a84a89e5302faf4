package reference

import "time"

// told is which times of an account an older system has told, and no message since.
type told struct{ registered, promoEnded, terminated bool }

// Imported is what an older system knew of an account; a zero time says nothing.
type Imported struct {
	AccountID                                int64
	TaxID                                    string
	RegisteredAt, PromoEndedAt, TerminatedAt time.Time
}

// agreed is a discount that an older system has agreed with a client.
type agreed struct {
	from, to day // to is the first day without it
	percent  int
}

// ImportAccount enters a row of an older system. It goes behind what messages have told.
func (m *Model) ImportAccount(row Imported) {
	a := m.account(row.AccountID)
	for _, t := range []struct {
		known *time.Time
		told  *bool
		at    time.Time
	}{
		{&a.registeredAt, &a.told.registered, row.RegisteredAt},
		{&a.promoEnded, &a.told.promoEnded, row.PromoEndedAt},
		{&a.terminated, &a.told.terminated, row.TerminatedAt},
	} {
		if !t.at.IsZero() && (t.known.IsZero() || *t.told) {
			*t.known, *t.told = t.at, true
		}
	}
	if a.taxTold.IsZero() {
		a.taxID = row.TaxID
	}
	m.judgeWaiting(a)
}

// ImportReferral enters a referral that an older system has accepted. It is not judged, and
// one that was accepted by a message stays.
func (m *Model) ImportReferral(inviter, invitee int64, at time.Time) {
	a := m.account(invitee)
	if _, other := m.current(a); other == nil || a.imported != nil {
		a.imported = &possible{activation{AccountID: invitee, RequestedAt: at}, m.account(inviter)}
	}
}

// ImportPackage enters a package that an older system has given: it counts as one that went
// out, whatever its day.
func (m *Model) ImportPackage(account int64, sms int) {
	p := Package{account, sms}
	last := 0
	for ordinal := 1; ordinal <= horizonMonths; ordinal++ {
		if m.sent[numberedPackage{p, ordinal}] {
			last = ordinal
		}
	}
	m.sent[numberedPackage{p, last + 1}] = true
}

// ImportDiscount enters a discount that an older system has agreed with a client, from a day
// until another, which has it no more.
func (m *Model) ImportDiscount(account int64, percent int, from, until string) error {
	first, err := parseDay(from)
	if err != nil {
		return err
	}
	end, err := parseDay(until)
	if err != nil {
		return err
	}
	a := m.account(account)
	a.agreed = append(a.agreed, agreed{first, end, percent})
	return nil
}

// applyAgreed adds what an older system has agreed to what the rules give.
func (a *account) applyAgreed(l *benefits) {
	for _, g := range a.agreed {
		for d := g.from; d.Before(g.to); d = dayAfter(d) {
			l.percent[d] = min(100, l.percent[d]+g.percent)
		}
	}
}

// RunShadow settles a period beside an older system, which gives the packages.
func (m *Model) RunShadow(period string) error { return m.settleInvoices(period) }

// Book brings an invoice to what an older system has given on it, as added to the invoice.
// The difference is booked on one line: the one with the largest discount, else the one with
// the largest charge, the first of those that are equal, else the first that the ledger has
// ever named. It is not booked, and booked is false, on an invoice without any.
func (m *Model) Book(invoice string, amount int64) (booked bool) {
	inv := m.invoices[invoice]
	var sum, most int64
	on := ""
	for _, l := range inv.Lines {
		posted := m.ledger[Line{invoice, l.ID}]
		if sum += posted; max(posted, -posted) > most {
			on, most = l.ID, max(posted, -posted)
		}
	}
	for _, l := range inv.Lines {
		if most == 0 && (on == "" || l.Amount > amountOf(inv, on)) {
			on = l.ID
		}
	}
	if amount == sum {
		return true
	}
	if on == "" {
		on = m.named[invoice]
	}
	if on == "" {
		return false
	}
	at := Line{invoice, on}
	m.name(at)
	if m.ledger[at] += amount - sum; m.ledger[at] == 0 {
		delete(m.ledger, at)
	}
	return true
}

func amountOf(inv *invoice, id string) (amount int64) {
	for _, l := range inv.Lines {
		if l.ID == id {
			amount = l.Amount
		}
	}
	return amount
}
