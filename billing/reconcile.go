package billing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"referral/models"
)

// Bucket is a line of the control totals: which kind of discount (or package),
// and how much.
type Bucket struct {
	Kind     string // "invitee", "inviter", "both", "reversed" or "sms"
	Percent  int    // of the discount, or the size of the package
	Currency string // empty for packages
}

// Total is a sum with its number of parts: lines of invoices, or packages.
type Total struct {
	Count  int64
	Amount models.Money
}

// Control is the four totals that must agree, by bucket: what the facts entitle
// clients to, what the ledger holds, what the broker has, what billing booked.
type Control struct {
	Entitled  Total
	Posted    Total
	Published Total
	Answered  Total
}

// Ties tells whether the four agree.
func (c Control) Ties() bool {
	return c.Entitled == c.Posted && c.Posted == c.Published && c.Published == c.Answered
}

func (c Control) plus(o Control) Control {
	return Control{
		Entitled: c.Entitled.plus(o.Entitled), Posted: c.Posted.plus(o.Posted),
		Published: c.Published.plus(o.Published), Answered: c.Answered.plus(o.Answered),
	}
}

func (t Total) plus(o Total) Total {
	return Total{t.Count + o.Count, t.Amount.Add(o.Amount)}
}

// BreakKind classifies what does not tie.
type BreakKind string

// The kinds of break. Each names one document, invoice, package or account.
const (
	BreakNotPosted    BreakKind = "entitled-not-posted" // the ledger differs from what is owed
	BreakAltered      BreakKind = "document-altered"    // a document contradicts itself or its answer
	BreakMissing      BreakKind = "document-missing"    // a gap in the ledger
	BreakUnpublished  BreakKind = "not-published"
	BreakUnanswered   BreakKind = "not-answered"
	BreakRejected     BreakKind = "rejected"
	BreakStray        BreakKind = "no-such-invoice"
	BreakUnknownReply BreakKind = "answer-to-nothing"
	BreakStanding     BreakKind = "standing-differs" // what was derived differs from the facts
)

// Break is one thing that does not tie, by name.
type Break struct {
	Kind       BreakKind
	AccountID  int64
	InvoiceID  string
	DocumentID models.UUID // of the adjustment or package; zero when none is to blame
	LineIDs    []string
	Expected   models.Money
	Actual     models.Money
	Detail     string
}

// Notice is something worth knowing that does tie: a surplus package that a late
// fact left behind, a line on hold.
type Notice struct {
	Kind      string // "surplus-package", "held-line"
	AccountID int64
	InvoiceID string
	Detail    string
	Amount    models.Money
}

// Reconciliation compares the four totals of a period, account by account.
type Reconciliation struct {
	programme *Programme
	period    models.Period
	orphans   map[models.UUID]models.Result

	Accounts int64
	Controls map[Bucket]Control
	Breaks   []Break
	Notices  []Notice
	Held     map[string]Total // by service
	Foreign  Total            // posted into the period for earlier, closed ones
}

// NewReconciliation begins the reconciliation of a period.
func NewReconciliation(p *Programme, period models.Period, head models.AuditHead) *Reconciliation {
	r := &Reconciliation{
		programme: p, period: period, orphans: map[models.UUID]models.Result{},
		Controls: map[Bucket]Control{}, Held: map[string]Total{},
		Foreign: Total{head.ForeignDocuments, head.ForeignAmount},
	}
	for _, o := range head.Orphans {
		r.orphans[o.AdjustmentID] = o
	}
	return r
}

// Account takes in one account. What it is entitled to is computed from the facts
// alone, not from what was derived when they arrived.
func (r *Reconciliation) Account(c *models.AuditCase) {
	r.Accounts++
	standing := r.programme.Stand(&c.Account, c.Accepted(), c.Referrals)
	if !sameStanding(standing, c.Stored) {
		r.fail(Break{Kind: BreakStanding, AccountID: c.Account.ID, Detail: "the discounts kept for this account are not those that its facts give"})
	}
	timeline := Timeline(standing.Discounts)
	for i := range c.Invoices {
		r.invoice(timeline, &c.Invoices[i])
	}
	r.packages(c, standing)
	for i := range c.Strays {
		doc := &c.Strays[i]
		r.fail(Break{Kind: BreakStray, AccountID: doc.AccountID, InvoiceID: doc.InvoiceID, DocumentID: doc.ID,
			Actual: doc.Amount, Detail: "the ledger has a document on an invoice that never arrived"})
	}
}

// Close ends the reconciliation: answers that no break has explained are breaks
// of their own.
func (r *Reconciliation) Close() {
	for _, id := range slices.SortedFunc(maps.Keys(r.orphans), func(a, b models.UUID) int { return cmp.Compare(a.String(), b.String()) }) {
		o := r.orphans[id]
		r.fail(Break{Kind: BreakUnknownReply, AccountID: o.AccountID, DocumentID: id, Actual: o.Amount,
			Detail: "billing answered a document that the ledger does not hold"})
	}
	slices.SortStableFunc(r.Breaks, func(a, b Break) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.InvoiceID, b.InvoiceID))
	})
}

// Ties tells whether everything agrees.
func (r *Reconciliation) Ties() bool {
	for _, c := range r.Controls {
		if !c.Ties() {
			return false
		}
	}
	return len(r.Breaks) == 0
}

func (r *Reconciliation) fail(b Break) { r.Breaks = append(r.Breaks, b) }

func (r *Reconciliation) add(b Bucket, c Control) { r.Controls[b] = r.Controls[b].plus(c) }

// invoice compares one invoice: first every document with itself, its
// publication and its answer, then each line's sum with what is owed.
func (r *Reconciliation) invoice(timeline []models.Segment, inv *models.AuditInvoice) {
	desired := r.programme.Desire(timeline, &inv.Invoice)
	for _, h := range desired.Held {
		r.Held[h.Service] = r.Held[h.Service].plus(Total{1, h.Amount})
		r.Notices = append(r.Notices, Notice{Kind: "held-line", AccountID: h.AccountID, InvoiceID: h.InvoiceID,
			Detail: fmt.Sprintf("line %s: service %q is on no list", h.LineID, h.Service), Amount: h.Amount})
	}
	var faults []Break
	for i := range inv.Documents {
		if b, bad := inspect(&inv.Documents[i]); bad {
			faults = append(faults, b)
		}
	}
	faults = r.gaps(inv, faults)
	if off, differs := lineDifferences(inv, desired.Items); differs {
		faults = blame(faults, off)
	}
	r.Breaks = append(r.Breaks, faults...)
	r.control(inv, desired.Items)
}

// inspect holds a document against itself, its publication and its answer.
func inspect(d *models.AuditDocument) (Break, bool) {
	b := Break{AccountID: d.AccountID, InvoiceID: d.InvoiceID, DocumentID: d.ID, Expected: d.Amount, Actual: d.Amount}
	var sum models.Money
	for i := range d.Items {
		sum = sum.Add(d.Items[i].Amount)
	}
	answer, answered := models.Answer(d.Answers)
	switch {
	case d.ID != AdjustmentID(d.InvoiceID, d.Sequence):
		b.Kind, b.Detail = BreakAltered, fmt.Sprintf("document %d does not have the id that follows from its invoice and number", d.Sequence)
	case sum != d.Amount:
		b.Kind, b.Actual = BreakAltered, sum
		b.Detail = fmt.Sprintf("document %d says %s, its items sum to %s", d.Sequence, d.Amount, sum)
	case !d.Published:
		b.Kind, b.Actual, b.Detail = BreakUnpublished, 0, fmt.Sprintf("document %d has not been published", d.Sequence)
	case !answered:
		b.Kind, b.Actual, b.Detail = BreakUnanswered, 0, fmt.Sprintf("billing has not answered document %d", d.Sequence)
	case answer.Status == models.ResultRejected:
		b.Kind, b.Actual, b.Detail = BreakRejected, 0, fmt.Sprintf("billing rejected document %d: %s", d.Sequence, answer.Reason)
	case answer.Amount != d.Amount:
		b.Kind, b.Actual = BreakAltered, answer.Amount
		b.Detail = fmt.Sprintf("document %d says %s, billing booked %s", d.Sequence, d.Amount, answer.Amount)
	default:
		return Break{}, false
	}
	return b, true
}

// gaps names the documents that are missing: the numbers between those there
// are, and the next one when billing has answered it.
func (r *Reconciliation) gaps(inv *models.AuditInvoice, faults []Break) []Break {
	last := 0
	missing := func(sequence int) {
		id := AdjustmentID(inv.Invoice.ID, sequence)
		b := Break{Kind: BreakMissing, AccountID: inv.Invoice.AccountID, InvoiceID: inv.Invoice.ID, DocumentID: id,
			Detail: fmt.Sprintf("document %d is not in the ledger", sequence)}
		if answer, known := r.orphans[id]; known {
			b.Expected = answer.Amount
			b.Detail += ", though billing has answered it"
			delete(r.orphans, id)
		}
		faults = append(faults, b)
	}
	for i := range inv.Documents {
		for last+1 < inv.Documents[i].Sequence {
			last++
			missing(last)
		}
		last = inv.Documents[i].Sequence
	}
	for next := last + 1; ; next++ {
		if _, answered := r.orphans[AdjustmentID(inv.Invoice.ID, next)]; !answered {
			return faults
		}
		missing(next)
	}
}

// lineDifferences is what the ledger lacks, or has too much, on an invoice.
func lineDifferences(inv *models.AuditInvoice, desired []models.AdjustmentItem) (Break, bool) {
	b := Break{Kind: BreakNotPosted, AccountID: inv.Invoice.AccountID, InvoiceID: inv.Invoice.ID}
	sums := lineSums(inv.Documents)
	for i := range desired {
		b.Expected = b.Expected.Add(desired[i].Amount)
		if sums[desired[i].LineID] != desired[i].Amount {
			b.LineIDs = append(b.LineIDs, desired[i].LineID)
		}
		b.Actual = b.Actual.Add(sums[desired[i].LineID])
		delete(sums, desired[i].LineID)
	}
	for _, line := range slices.Sorted(maps.Keys(sums)) {
		if sums[line] != 0 {
			b.LineIDs = append(b.LineIDs, line)
			b.Actual = b.Actual.Add(sums[line])
		}
	}
	b.Detail = fmt.Sprintf("the facts give %s, the ledger holds %s", b.Expected, b.Actual)
	return b, len(b.LineIDs) > 0
}

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

// blame puts a difference down to the document that was altered or is missing,
// when there is one: it is the same fault seen from another side.
func blame(faults []Break, off Break) []Break {
	for i := range faults {
		if faults[i].Kind == BreakAltered || faults[i].Kind == BreakMissing {
			faults[i].LineIDs = off.LineIDs
			faults[i].Detail += "; " + off.Detail
			return faults
		}
	}
	return append(faults, off)
}

// control adds an invoice to the totals. An amount is put under the percents of
// the days that gave it, to the kopeck.
func (r *Reconciliation) control(inv *models.AuditInvoice, desired []models.AdjustmentItem) {
	currency := inv.Invoice.Currency
	for i := range desired {
		r.spread(currency, desired[i].Segments, desired[i].Amount, func(c *Control, t Total) { c.Entitled = c.Entitled.plus(t) })
	}
	segments := lastSegments(inv.Documents)
	for _, stage := range []struct {
		passes func(*models.AuditDocument) bool
		into   func(*Control, Total)
	}{
		{func(*models.AuditDocument) bool { return true }, func(c *Control, t Total) { c.Posted = c.Posted.plus(t) }},
		{func(d *models.AuditDocument) bool { return d.Published }, func(c *Control, t Total) { c.Published = c.Published.plus(t) }},
		{booked, func(c *Control, t Total) { c.Answered = c.Answered.plus(t) }},
	} {
		sums := map[string]models.Money{}
		for i := range inv.Documents {
			if !stage.passes(&inv.Documents[i]) {
				continue
			}
			for j := range inv.Documents[i].Items {
				item := &inv.Documents[i].Items[j]
				sums[item.LineID] = sums[item.LineID].Add(item.Amount)
			}
		}
		for line, amount := range sums {
			r.spread(currency, segments[line], amount, stage.into)
		}
	}
}

func booked(d *models.AuditDocument) bool {
	answer, ok := models.Answer(d.Answers)
	return ok && answer.Status == models.ResultApplied && answer.Amount == d.Amount
}

// lastSegments is the days behind each line's posted sum: those of its newest item.
func lastSegments(documents []models.AuditDocument) map[string][]models.Segment {
	last := map[string][]models.Segment{}
	for i := range documents {
		for j := range documents[i].Items {
			last[documents[i].Items[j].LineID] = documents[i].Items[j].Segments
		}
	}
	return last
}

// spread puts a line's amount into the buckets of its days. The parts sum to the
// amount exactly: each is a difference of rounded running shares.
func (r *Reconciliation) spread(currency string, segments []models.Segment, amount models.Money, into func(*Control, Total)) {
	put := func(b Bucket, t Total) {
		var c Control
		into(&c, t)
		r.add(b, c)
	}
	if amount == 0 {
		return
	}
	whole := 0
	for _, s := range segments {
		whole += s.Percent() * s.Days()
	}
	if whole == 0 {
		put(Bucket{Kind: "reversed", Currency: currency}, Total{1, amount})
		return
	}
	part, before := 0, models.Money(0)
	for i, s := range segments {
		part += s.Percent() * s.Days()
		running := share(amount, part, whole)
		t := Total{Amount: running - before}
		if i == len(segments)-1 {
			t.Count = 1 // a line is counted once, where its discount ends
		}
		put(Bucket{kindOfDays(s), s.Percent(), currency}, t)
		before = running
	}
}

func kindOfDays(s models.Segment) string {
	switch {
	case s.Invitee > 0 && s.Inviter > 0:
		return "both"
	case s.Invitee > 0:
		return string(models.Invitee)
	}
	return string(models.Inviter)
}

// packages compares the packages of the period: those earned in it with those
// that went out.
func (r *Reconciliation) packages(c *models.AuditCase, standing models.Standing) {
	earned, gone := map[int]int{}, map[int][]int{}
	for _, g := range standing.Grants {
		earned[g.SMS]++
	}
	for i := range c.Packages {
		gone[c.Packages[i].SMS] = append(gone[c.Packages[i].SMS], c.Packages[i].Ordinal)
	}
	for _, g := range standing.Grants {
		if g.GrantedOn.Period() == r.period && len(gone[g.SMS]) < earned[g.SMS] && !slices.Contains(gone[g.SMS], g.Ordinal) {
			r.add(Bucket{Kind: "sms", Percent: g.SMS}, Control{Entitled: Total{Count: 1}})
			r.fail(Break{Kind: BreakNotPosted, AccountID: g.AccountID, DocumentID: PackageID(g.AccountID, g.SMS, g.Ordinal),
				Detail: fmt.Sprintf("a package of %d SMS earned on %s has not gone out", g.SMS, g.GrantedOn)})
		}
	}
	for i := range c.Packages {
		if c.Packages[i].Period == r.period {
			r.onePackage(&c.Packages[i], earned[c.Packages[i].SMS], len(gone[c.Packages[i].SMS]))
		}
	}
}

func (r *Reconciliation) onePackage(p *models.AuditPackage, earned, gone int) {
	one := Total{Count: 1}
	control := Control{Entitled: one, Posted: one}
	if p.Ordinal > earned && gone > earned {
		r.Notices = append(r.Notices, Notice{Kind: "surplus-package", AccountID: p.AccountID,
			Detail: fmt.Sprintf("%d packages of %d SMS went out, the facts as they are now give %d; what went out is not taken back", gone, p.SMS, earned)})
	}
	answer, answered := models.Answer(p.Answers)
	b := Break{AccountID: p.AccountID, InvoiceID: p.InvoiceID, DocumentID: p.ID}
	switch {
	case p.ID != PackageID(p.AccountID, p.SMS, p.Ordinal):
		b.Kind, b.Detail = BreakAltered, "the package does not have the id that follows from its account, size and number"
	case !p.Published:
		b.Kind, b.Detail = BreakUnpublished, fmt.Sprintf("the package of %d SMS has not been published", p.SMS)
	case !answered:
		b.Kind, b.Detail = BreakUnanswered, fmt.Sprintf("billing has not answered the package of %d SMS", p.SMS)
	case answer.Status == models.ResultRejected:
		b.Kind, b.Detail = BreakRejected, fmt.Sprintf("billing rejected the package of %d SMS: %s", p.SMS, answer.Reason)
	}
	if p.Published {
		control.Published = one
	}
	if answered && answer.Status == models.ResultApplied {
		control.Answered = one
	}
	if b.Kind != "" {
		r.fail(b)
	}
	r.add(Bucket{Kind: "sms", Percent: p.SMS}, control)
}
