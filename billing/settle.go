package billing

import (
	"crypto/sha1" // it spreads identifiers; no secret depends on it
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"referral/models"
)

// namespace of the identifiers that follow from what they identify.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:referral:v1"))

// AdjustmentID is the identifier of the n-th document on an invoice, posted for a
// period: the same work done twice gets the same one. It is a UUID of version 8
// (RFC 9562) that begins, as one of version 7 does, with a time in milliseconds:
// the start of the period in UTC. The rest is a hash. So the identifiers of a
// period lie together in an index, and the period can be told from them.
func AdjustmentID(period models.Period, invoice string, sequence int) models.UUID {
	var room [128]byte
	name := append(append(room[:0], namespace[:]...), "adjustment/"...)
	name = append(append(name, invoice...), '/')
	sum := sha1.Sum(strconv.AppendInt(name, int64(sequence), 10))
	id := models.UUID(sum[:16])
	start := period.IDPrefix()
	copy(id[:], start[:])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}

// PackageID is the identifier of an inviter's n-th package of a size.
func PackageID(inviter int64, sms, ordinal int) models.UUID {
	return models.UUID(uuid.NewSHA1(namespace, fmt.Appendf(nil, "package/%d/%d/%d", inviter, sms, ordinal)))
}

// Posting is the circumstances of a settlement.
type Posting struct {
	Period  models.Period // settled
	Into    models.Period // posted to: another one once Period is closed
	Regular bool          // the month's own run, not a later difference
}

// Settle says what is to be posted for one account: per invoice what the facts
// owe minus what the ledger holds, and the packages due in the period that have
// not gone out. A panic in the arithmetic of one invoice parks that invoice, any
// other the account.
// Source: docs/programme.md, "Settlement: desired minus posted".
func (p *Programme) Settle(posting Posting, c *models.SettlementInput) (out models.SettlementResult) {
	out.AccountID = c.AccountID
	defer func() {
		if fault := recover(); fault != nil {
			out = models.SettlementResult{AccountID: c.AccountID, Err: fmt.Errorf("settling account %d: %v", c.AccountID, fault)}
		}
	}()
	timeline := Timeline(c.Discounts)
	for i := range c.Invoices {
		p.settleInvoice(posting, timeline, &c.Invoices[i], &out)
	}
	out.Packages = duePackages(posting, c)
	return out
}

func (p *Programme) settleInvoice(posting Posting, timeline []models.Segment, c *models.InvoiceInput, out *models.SettlementResult) {
	defer func() {
		if fault := recover(); fault != nil {
			out.Park(c.Invoice.ID, fmt.Errorf("it cannot be settled: %v", fault))
		}
	}()
	if c.Damage != nil {
		panic(c.Damage)
	}
	desired := p.Desire(timeline, &c.Invoice)
	doc, differs := difference(posting, c, desired.Items)
	if differs {
		out.Adjustments = append(out.Adjustments, doc)
	}
	out.Held = append(out.Held, desired.Held...)
	out.Full = out.Full || desired.Full
	out.Discounted = out.Discounted || desired.Discounted
}

// Desired is what the facts owe on one invoice.
type Desired struct {
	Items      []models.AdjustmentItem // the lines that get something, amounts as added to the invoice
	Held       []models.HeldLine
	Full       bool // a day of a line has 100 %
	Discounted bool // a line has a discount, be it of nothing
}

// Desire computes what is owed on an invoice from the discounts of its account.
// Packages of SMS are never discounted; a service on no list is held. An invoice
// whose lines cannot be read panics, as one whose sums overflow does.
func (p *Programme) Desire(timeline []models.Segment, inv *models.Invoice) Desired {
	var d Desired
	if len(timeline) == 0 {
		return d
	}
	if inv.Damage != nil {
		panic(inv.Damage)
	}
	arena := make([]models.Segment, 0, len(inv.Lines)*2)
	for i := range inv.Lines {
		l := &inv.Lines[i]
		start := len(arena)
		arena = Within(arena, timeline, l)
		segments := arena[start:len(arena):len(arena)]
		if len(segments) == 0 {
			continue
		}
		switch p.Class(l.Service, l.From) {
		case Held:
			d.Held = append(d.Held, models.HeldLine{
				AccountID: inv.AccountID, Period: inv.Period, InvoiceID: inv.ID, LineID: l.ID, Service: l.Service, Amount: l.Amount,
			})
		case Discounted:
			d.add(l, segments, len(inv.Lines)-i)
		}
	}
	return d
}

// add adds a line; there are so many more that may follow.
func (d *Desired) add(l *models.Line, segments []models.Segment, lines int) {
	for _, s := range segments {
		d.Full = d.Full || s.Percent() == 100
	}
	d.Discounted = true
	if amount := -DiscountOn(l, segments); amount != 0 {
		if d.Items == nil {
			d.Items = make([]models.AdjustmentItem, 0, lines)
		}
		d.Items = append(d.Items, models.AdjustmentItem{LineID: l.ID, Service: l.Service, Amount: amount, Segments: segments})
	}
}

// difference is the document that brings the ledger from posted to desired;
// there is none when they agree on every line.
func difference(posting Posting, c *models.InvoiceInput, desired []models.AdjustmentItem) (models.Adjustment, bool) {
	items := changedLines(desired, c.Posted)
	if len(items) == 0 {
		return models.Adjustment{}, false
	}
	doc := models.Adjustment{
		ID:        AdjustmentID(posting.Period, c.Invoice.ID, c.Sequence+1),
		Sequence:  c.Sequence + 1,
		AccountID: c.Invoice.AccountID, InvoiceID: c.Invoice.ID, InvoiceRevision: c.Invoice.Revision,
		Period: posting.Period, PostingPeriod: posting.Into, Currency: c.Invoice.Currency,
		Reason: reason(posting, c), Items: items,
	}
	for i := range items {
		doc.Amount = doc.Amount.Add(items[i].Amount)
	}
	if err := checkAmount(doc.Amount); err != nil {
		panic(err)
	}
	return doc, true
}

// checkAmount refuses a document that billing could not answer, and a few of which
// no total could hold.
func checkAmount(amount models.Money) error {
	if magnitude(amount) > models.MaxAmount {
		return fmt.Errorf("the document comes to %s, beyond any amount that is taken", amount)
	}
	return nil
}

func reason(posting Posting, c *models.InvoiceInput) models.AdjustmentReason {
	switch {
	case c.Sequence > 0 && c.Invoice.Revision > c.Revision:
		return models.ReasonInvoiceRevised
	case posting.Regular && c.Sequence == 0:
		return models.ReasonRun
	}
	return models.ReasonLateFact
}

func changedLines(desired []models.AdjustmentItem, posted []models.PostedLine) []models.AdjustmentItem {
	if len(posted) == 0 {
		return desired
	}
	items := make([]models.AdjustmentItem, 0, len(desired))
	for _, item := range desired {
		if i := slices.IndexFunc(posted, func(l models.PostedLine) bool { return l.LineID == item.LineID }); i >= 0 {
			item.Amount = item.Amount.Add(-posted[i].Amount)
		}
		if item.Amount != 0 {
			items = append(items, item)
		}
	}
	return append(items, reversed(desired, posted)...)
}

// reversed takes back what was posted on lines that are owed nothing any more.
func reversed(desired []models.AdjustmentItem, posted []models.PostedLine) []models.AdjustmentItem {
	var items []models.AdjustmentItem
	for _, l := range posted {
		owed := slices.ContainsFunc(desired, func(i models.AdjustmentItem) bool { return i.LineID == l.LineID })
		if !owed && l.Amount != 0 {
			items = append(items, models.AdjustmentItem{LineID: l.LineID, Service: l.Service, Amount: -l.Amount})
		}
	}
	return items
}

// duePackages is the packages of the period that have not gone out: as many of a
// size as the facts say, whatever day an earlier one was counted on. Source:
// docs/programme.md, "Settlement: desired minus posted".
func duePackages(posting Posting, c *models.SettlementInput) []models.SMSPackage {
	var due []models.SMSPackage
	for _, g := range c.Grants {
		gone := slices.Concat(goneOut(c.Packages, g.SMS), goneOut(due, g.SMS))
		if slices.Contains(gone, g.Ordinal) || len(gone) >= c.Earned[g.SMS] {
			continue
		}
		due = append(due, models.SMSPackage{
			ID: PackageID(c.AccountID, g.SMS, g.Ordinal), AccountID: c.AccountID, SMS: g.SMS, Ordinal: g.Ordinal,
			GrantedOn: g.GrantedOn, Period: posting.Period, PostingPeriod: posting.Into,
			InvoiceID: packageInvoice(c.Invoices), Step: g.Step,
		})
	}
	return due
}

func goneOut(packages []models.SMSPackage, sms int) []int {
	var ordinals []int
	for _, p := range packages {
		if p.SMS == sms {
			ordinals = append(ordinals, p.Ordinal)
		}
	}
	return ordinals
}

// packageInvoice is the invoice of the period that carries a package: the first
// by id that is not cancelled.
func packageInvoice(invoices []models.InvoiceInput) string {
	id := ""
	for i := range invoices {
		inv := &invoices[i].Invoice
		if len(inv.Lines) > 0 && (id == "" || inv.ID < id) {
			id = inv.ID
		}
	}
	return id
}
