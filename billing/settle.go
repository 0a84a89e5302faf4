package billing

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/models"
)

// Settle says what a run posts for one account: for each invoice what the facts owe
// minus what the ledger holds, and the packages due in the period that are not in the
// ledger. A panic in the arithmetic of one invoice parks that invoice, any other the
// account.
// Source: docs/programme.md, "Settlement: desired minus posted".
func (p *Programme) Settle(run models.Run, c *models.SettlementInput) (out models.SettlementResult) {
	out.AccountID = c.AccountID
	cause := failure(func() {
		timeline := Timeline(c.Discounts)
		for i := range c.Invoices {
			invoice := &c.Invoices[i]
			if cause := failure(func() { p.settleInvoice(&run, timeline, invoice, c.RevokedAt, &out) }); cause != nil {
				out.Park(invoice.Invoice.ID, fmt.Errorf("it cannot be settled: %v", cause))
			}
		}
		if !run.Shadow { // the older system gives packages, or says that it has not
			out.Packages = duePackages(&run, c)
		}
	})
	if cause != nil {
		return models.SettlementResult{AccountID: c.AccountID, Err: fmt.Errorf("settling account %d: %v", c.AccountID, cause)}
	}
	return out
}

func (p *Programme) settleInvoice(run *models.Run, timeline []models.Segment, c *models.InvoiceInput, revoked time.Time, out *models.SettlementResult) {
	if c.Damage != nil {
		panic(c.Damage)
	}
	desired := p.Desire(timeline, &c.Invoice)
	doc, differs := difference(run, c, revoked, desired.Items)
	if differs {
		out.Adjustments = append(out.Adjustments, doc)
	}
	out.Held = append(out.Held, desired.Held...)
	out.Decided = append(out.Decided, desired.Decided...)
	out.Full = out.Full || desired.Full
	out.Discounted = out.Discounted || desired.Discounted
}

// Desired is what the facts owe on one invoice.
type Desired struct {
	Items      []models.AdjustmentItem // the lines that get something, amounts as added to the invoice
	Held       []models.HeldLine
	Decided    []models.HeldLine // lines that would be held but for a decision of staff
	Full       bool              // a day of a line has 100 %
	Discounted bool              // a line has a discount, even one of 0
}

// Desire calculates what is owed on an invoice from the discounts of its account. A
// service that neither the terms nor a decision of staff names is held. It panics when the lines cannot be read or
// the sums overflow.
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
		class := p.Class(l.Service, l.From)
		if class == Held {
			class = d.hold(inv, l)
		}
		if class == Discounted {
			d.add(l, segments, len(inv.Lines)-i)
		}
	}
	return d
}

// hold notes a line whose service the terms do not name, and returns the class that staff
// has decided for it.
func (d *Desired) hold(inv *models.Invoice, l *models.Line) ServiceClass {
	class := decidedClass(inv.Services[l.Service])
	list := &d.Held
	if class != Held {
		list = &d.Decided
	}
	*list = append(*list, models.HeldLine{
		AccountID: inv.AccountID, Period: inv.Period, InvoiceID: inv.ID, LineID: l.ID, Service: l.Service, Amount: l.Amount,
	})
	return class
}

// add adds a line; lines is how many there are from this one on.
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
func difference(run *models.Run, c *models.InvoiceInput, revoked time.Time, desired []models.AdjustmentItem) (models.Adjustment, bool) {
	items := changedLines(desired, c.Posted)
	if len(items) == 0 {
		return models.Adjustment{}, false
	}
	doc := document(run, c, reason(run, c, revoked), items)
	if err := checkAmount(doc.Amount); err != nil {
		panic(err)
	}
	return doc, true
}

// document is the next document on an invoice.
func document(run *models.Run, c *models.InvoiceInput, why models.AdjustmentReason, items []models.AdjustmentItem) models.Adjustment {
	doc := models.Adjustment{
		ID:        AdjustmentID(run.Period, c.Invoice.ID, c.Sequence+1),
		Sequence:  c.Sequence + 1,
		AccountID: c.Invoice.AccountID, InvoiceID: c.Invoice.ID, InvoiceRevision: c.Invoice.Revision,
		Period: run.Period, PostingPeriod: run.PostingPeriod, Currency: c.Invoice.Currency,
		Reason: why, Items: items,
	}
	for i := range items {
		doc.Amount = doc.Amount.Add(items[i].Amount)
	}
	return doc
}

// checkAmount refuses a document whose amount billing could not answer: answers are
// limited to models.MaxAmount.
func checkAmount(amount models.Money) error {
	if amount.Abs() > models.MaxAmount {
		return fmt.Errorf("the document comes to %s, beyond any amount that is taken", amount)
	}
	return nil
}

// reason says what made a difference; revoked is when a referral of the account was last
// revoked, or a revocation undone. Source: docs/rules.md, "Settlement and the brake".
func reason(run *models.Run, c *models.InvoiceInput, revoked time.Time) models.AdjustmentReason {
	switch {
	case c.Sequence > 0 && c.Invoice.Revision > c.Revision:
		return models.ReasonInvoiceRevised
	case run.Kind == models.RunRegular && c.Sequence == 0:
		return models.ReasonRun
	case revoked.After(c.Settled):
		return models.ReasonRevoked
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

// comparedLine is what a line should have in total, and what the ledger holds for it.
type comparedLine struct {
	id              string
	desired, posted models.Money
}

// compareLines compares the lines that are owed something, then those that only the
// ledger names, by id.
func compareLines(desired []models.AdjustmentItem, documents []models.AuditDocument) []comparedLine {
	posted := lineSums(documents)
	lines := make([]comparedLine, 0, len(desired))
	for i := range desired {
		id := desired[i].LineID
		lines = append(lines, comparedLine{id, desired[i].Amount, posted[id]})
		delete(posted, id)
	}
	for _, id := range slices.Sorted(maps.Keys(posted)) {
		lines = append(lines, comparedLine{id: id, posted: posted[id]})
	}
	return lines
}

// lineSums is what the documents of an invoice posted on each line.
func lineSums(documents []models.AuditDocument) map[string]models.Money {
	sums := map[string]models.Money{}
	for i := range documents {
		for j := range documents[i].Items {
			item := &documents[i].Items[j]
			sums[item.LineID] = sums[item.LineID].Add(item.Amount)
		}
	}
	return sums
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

// Book is a settlement that brings the ledger to what an older system has given, whatever
// the facts give. An invoice that is named neither itself nor by its account has been given
// nothing. What cannot be booked is parked, and the ledger is left there as it is.
func Book(given models.Given) models.SettleFunc {
	return func(run models.Run, c *models.SettlementInput) (out models.SettlementResult) {
		out.AccountID = c.AccountID
		var refused error
		cause := failure(func() {
			if whole, together := given.OnAccount(c.AccountID); together {
				refused = bookTogether(given, &run, c, whole, &out)
				return
			}
			for i := range c.Invoices {
				bookInvoice(given, &run, &c.Invoices[i], &out)
			}
		})
		if cause != nil {
			refused = fmt.Errorf("what the older system has given cannot be booked: %v", cause)
		}
		if refused != nil {
			return models.SettlementResult{AccountID: c.AccountID, Err: refused}
		}
		return out
	}
}

// bookInvoice books what was given on one invoice.
func bookInvoice(given models.Given, run *models.Run, c *models.InvoiceInput, out *models.SettlementResult) {
	amount, account, _ := given.OnInvoice(c.Invoice.ID)
	refused := unreadable(c)
	switch {
	case refused != nil:
	case account != 0 && account != c.Invoice.AccountID:
		refused = errors.New("the older system names another account with it")
	default:
		if cause := failure(func() { refused = bookOn(run, c, amount.Add(-postedOn(c)), out) }); cause != nil {
			refused = fmt.Errorf("%v", cause)
		}
	}
	if refused != nil {
		out.Park(c.Invoice.ID, fmt.Errorf("the older system has given %s on it, which cannot be booked: %w", amount, refused))
	}
}

// bookTogether books what was given on all invoices of an account on one of them.
func bookTogether(given models.Given, run *models.Run, c *models.SettlementInput, whole models.Money, out *models.SettlementResult) error {
	delta, on := whole, -1
	for i := range c.Invoices {
		invoice := &c.Invoices[i]
		_, _, named := given.OnInvoice(invoice.Invoice.ID)
		refused := unreadable(invoice)
		switch {
		case refused != nil:
			return fmt.Errorf("what the older system has given, %s, cannot be booked: invoice %s: %w", whole, invoice.Invoice.ID, refused)
		case named:
			return fmt.Errorf("the older system has given %s to the account, and something on its invoice %s: which of them counts must be decided", whole, invoice.Invoice.ID)
		case invoice.Invoice.Currency != c.Invoices[0].Invoice.Currency:
			return fmt.Errorf("the older system has given %s on invoices in %s and in %s: it must name the invoices", whole, c.Invoices[0].Invoice.Currency, invoice.Invoice.Currency)
		}
		if line, _ := bookedLine(invoice); on < 0 && line != "" {
			on = i
		}
		delta = delta.Add(-postedOn(invoice))
	}
	switch {
	case len(c.Invoices) == 0:
		return nil // it has none by now: the caller looks at what the ledger holds
	case on < 0 && delta != 0:
		return fmt.Errorf("the older system has given %s, and no invoice has a line to book that on", whole)
	case on < 0:
		return nil
	}
	return bookOn(run, &c.Invoices[on], delta, out)
}

// bookOn posts a difference on an invoice.
func bookOn(run *models.Run, c *models.InvoiceInput, delta models.Money, out *models.SettlementResult) error {
	if delta == 0 {
		return nil
	}
	line, service := bookedLine(c)
	if line == "" {
		return errors.New("it has no line to book that on")
	}
	if err := checkAmount(delta); err != nil {
		return err
	}
	out.Adjustments = append(out.Adjustments, document(run, c, models.ReasonBookedElsewhere, []models.AdjustmentItem{{LineID: line, Service: service, Amount: delta}}))
	out.Discounted = true
	return nil
}

// unreadable is why the lines of an invoice, or what the ledger holds on it, cannot be read.
func unreadable(c *models.InvoiceInput) error {
	if c.Damage != nil {
		return c.Damage
	}
	return c.Invoice.Damage
}

func postedOn(c *models.InvoiceInput) (sum models.Money) {
	for _, l := range c.Posted {
		sum = sum.Add(l.Amount)
	}
	return sum
}

// bookedLine is the line that a difference is booked on: the one with the largest
// discount, else the one with the largest charge, else any that the ledger names.
func bookedLine(c *models.InvoiceInput) (line, service string) {
	var most models.Money
	for _, l := range c.Posted {
		if size := l.Amount.Abs(); size > most {
			line, service, most = l.LineID, l.Service, size
		}
	}
	if line != "" {
		return line, service
	}
	for i := range c.Invoice.Lines {
		if l := &c.Invoice.Lines[i]; line == "" || l.Amount > most {
			line, service, most = l.ID, l.Service, l.Amount
		}
	}
	if line == "" && len(c.Posted) > 0 {
		return c.Posted[0].LineID, c.Posted[0].Service
	}
	return line, service
}
