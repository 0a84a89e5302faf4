package billing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/models"
)

// BreakKind classifies what does not tie.
type BreakKind string

// The kinds of break. Each names one document, invoice, package or account. More
// and less are of the discount that the client gets, or of packages.
const (
	BreakNotPosted      BreakKind = "entitled-not-posted"   // the ledger holds less than is owed
	BreakNotEntitled    BreakKind = "posted-not-entitled"   // the ledger holds more than is owed
	BreakOtherLines     BreakKind = "posted-on-other-lines" // as much as is owed, on other lines of the invoice
	BreakStray          BreakKind = "posted-without-invoice"
	BreakAltered        BreakKind = "document-altered" // a document contradicts itself, or billing and the facts together
	BreakMissing        BreakKind = "document-missing" // a gap in the ledger
	BreakUnpublished    BreakKind = "not-published"
	BreakIncomplete     BreakKind = "chunk-incomplete" // the ledger shows less than the run posted: nothing of the chunk is published
	BreakUnanswered     BreakKind = "not-answered"
	BreakRejected       BreakKind = "rejected"
	BreakPaidWrittenOff BreakKind = "booked-although-written-off"
	BreakAnsweredMore   BreakKind = "answered-more-than-posted" // billing booked more than the document says
	BreakAnsweredLess   BreakKind = "answered-less-than-posted"
	BreakUnknownReply   BreakKind = "answered-not-posted" // billing booked a document that the ledger does not hold
	// What is kept of an account's discounts and packages is more than its facts give,
	// less, or as much on other days.
	BreakDerivedMore      BreakKind = "derived-more-than-entitled"
	BreakDerivedLess      BreakKind = "derived-less-than-entitled"
	BreakDerivedOtherwise BreakKind = "derived-otherwise"
	BreakDecision         BreakKind = "decided-otherwise" // what is kept of requests and referrals contradicts the decisions of staff
	BreakNotCalculated    BreakKind = "not-calculated"    // the arithmetic of an account failed
	// What was signed, with the corrections posted since, is not what the ledger holds.
	BreakMoreThanSigned BreakKind = "posted-more-than-signed"
	BreakLessThanSigned BreakKind = "posted-less-than-signed"
	BreakTotals         BreakKind = "totals-differ" // no document explains it: a defect of the reconciliation
)

// Break is one thing that does not tie, by name.
type Break struct {
	Kind       BreakKind
	AccountID  int64
	InvoiceID  string
	DocumentID models.UUID // of the adjustment or package, or of the one that would put it right; zero when there is none
	LineIDs    []string
	Expected   models.Money
	Actual     models.Money
	Detail     string
}

// NoticeKind classifies notices.
type NoticeKind string

// A surplus package is not earned by the facts any more; the service of a held line is
// not named in the terms; packages wait for the run of an earlier month that no invoice
// has named; what was written off is settled by hand.
const (
	NoticeSurplus    NoticeKind = "surplus-package"
	NoticeHeld       NoticeKind = "held-line"
	NoticeWaiting    NoticeKind = "packages-waiting"
	NoticeWrittenOff NoticeKind = "written-off"
	// In a period of the shadow mode: a package that is owed and not imported as given; and,
	// once it is booked, an invoice on which the older system has given another amount.
	NoticeShadowPackage NoticeKind = "shadow-package"
	NoticeElsewhere     NoticeKind = "booked-elsewhere"
)

// Notice is something that ties but that finance should know.
type Notice struct {
	Kind      NoticeKind
	AccountID int64
	InvoiceID string
	Detail    string
	Amount    models.Money
}

// MaxNamed bounds the breaks, and the notices, that a reconciliation keeps by
// name. All of them are counted.
const MaxNamed = 10_000

// AnswerGrace is how long billing may take to answer a document: what was posted within
// Grace before Now and is not answered yet is on its way. With the zero AnswerGrace
// nothing is.
type AnswerGrace struct {
	Now    time.Time
	Grace  time.Duration
	Strict bool // what is on its way is counted, and is a break
}

// Reconciliation compares the totals of a period, account by account. Its
// size depends on what does not tie, never on the number of accounts.
type Reconciliation struct {
	programme *Programme
	period    models.Period
	grace     AnswerGrace
	closed    bool                          // the period is signed off
	shadow    bool                          // an older system has billed it
	before    bool                          // and so is the one before it
	orphans   map[models.UUID]models.Result // answers to documents that the ledger does not hold, not explained yet
	orphaned  []models.Period               // that the identifiers of these begin with
	sums      ledgerSums

	uncalculated int64 // accounts and invoices whose arithmetic failed

	Accounts    int64 // looked at
	Invoices    int64 // of the period, of these accounts
	Documents   int64 // on those invoices
	Packages    int64
	OnTheWay    int64 // of the documents and packages; unless the grace is strict, the totals count them as answered
	Controls    map[models.TotalKey]models.Control
	Breaks      []Break // the first MaxNamed by account
	BreakCount  int64
	Notices     []Notice // the first MaxNamed by account
	NoticeCount int64
	Held        map[string]models.CountedAmount // lines on hold by service
	Foreign     models.CountedAmount            // posted into the period for earlier, closed ones
	Lacking     models.CountedAmount            // accounts, and kopecks, entitled but not discounted
	Excess      models.CountedAmount            // accounts, and kopecks, discounted but not entitled

	kinds    map[string]int64 // breaks by kind
	noticed  map[NoticeKind]int64
	services map[serviceKey]models.Control
	steps    map[models.StepCount]int64
	causes   map[string]models.CountedAmount
	now      accountSums
}

// NewReconciliation begins the reconciliation of a period.
func NewReconciliation(p *Programme, period models.Period, head models.AuditHead, grace AnswerGrace) *Reconciliation {
	r := &Reconciliation{
		programme: p, period: period, grace: grace, closed: head.Closed, shadow: head.Shadow, before: head.PreviousClosed, orphans: map[models.UUID]models.Result{},
		Controls: map[models.TotalKey]models.Control{}, Held: map[string]models.CountedAmount{},
		Foreign: models.Counted(head.ForeignDocuments, head.ForeignAmount), sums: newLedgerSums(&head),
		kinds: map[string]int64{}, noticed: map[NoticeKind]int64{}, services: map[serviceKey]models.Control{}, steps: map[models.StepCount]int64{}, causes: map[string]models.CountedAmount{},
	}
	for _, o := range head.Orphans {
		latest := []models.Result{o}
		if before, more := r.orphans[o.AdjustmentID]; more {
			latest = append(latest, before)
		}
		r.orphans[o.AdjustmentID], _ = models.Answer(latest)
		if p := models.PeriodOfID(o.AdjustmentID); p != 0 && !slices.Contains(r.orphaned, p) {
			r.orphaned = append(r.orphaned, p)
		}
	}
	for _, c := range head.Incomplete {
		r.fail(Break{Kind: BreakIncomplete, Detail: c.String() + "; nothing of it is published until it is whole"})
	}
	for _, month := range slices.Sorted(maps.Keys(head.Waiting)) {
		r.note(Notice{Kind: NoticeWaiting, Detail: fmt.Sprintf(
			"packages earned in %s that have not gone out: %d; no invoice has named that month, so only `referral run %[1]s` runs it", month, head.Waiting[month])})
	}
	return r
}

// Account takes in one account. What it is entitled to is computed from the facts
// alone, not from what was derived when they arrived. When the arithmetic of the
// account or of an invoice fails, that is a break of its own.
func (r *Reconciliation) Account(c *models.AccountHistory) {
	r.Accounts++
	if cause := failure(func() { r.account(c) }); cause != nil {
		r.uncalculated++
		r.fail(Break{Kind: BreakNotCalculated, AccountID: c.Account.ID, Detail: fmt.Sprint("what the account is owed cannot be calculated: ", cause)})
	}
}

func (r *Reconciliation) account(c *models.AccountHistory) {
	r.now = accountSums{}
	entitlements := r.programme.EntitlementsOf(c)
	if !sameGrants(entitlements, c.Stored) {
		r.fail(Break{Kind: derivedKind(entitlements, c.Stored), AccountID: c.Account.ID, Detail: "the discounts kept for this account are not those that its facts give"})
	}
	if detail := contradiction(c); detail != "" {
		r.fail(Break{Kind: BreakDecision, AccountID: c.Account.ID, Detail: detail})
	}
	timeline := Timeline(entitlements.Discounts)
	for i := range c.Invoices {
		inv := &c.Invoices[i]
		if cause := failure(func() { r.anyInvoice(timeline, inv) }); cause != nil {
			r.uncalculated++
			r.fail(Break{Kind: BreakNotCalculated, AccountID: inv.Invoice.AccountID, InvoiceID: inv.Invoice.ID,
				Detail: fmt.Sprint("what is owed on the invoice cannot be calculated, so it is parked: ", cause)})
		}
	}
	r.packages(c, entitlements)
	for i := range c.Strays {
		r.stray(&c.Strays[i])
	}
	r.endAccount(entitlements)
}

// sameGrants compares entitlements, whatever the order of packages earned on one day.
func sameGrants(a, b models.Entitlements) bool {
	return slices.Equal(a.Discounts, b.Discounts) && slices.Equal(bySize(a.Grants), bySize(b.Grants))
}

func bySize(grants []models.Grant) []models.Grant {
	return slices.SortedFunc(slices.Values(grants), func(a, b models.Grant) int {
		return cmp.Or(cmp.Compare(a.SMS, b.SMS), cmp.Compare(a.Ordinal, b.Ordinal))
	})
}

// Close ends the reconciliation: answers that nothing has explained are breaks of
// their own.
func (r *Reconciliation) Close() {
	for _, id := range slices.SortedFunc(maps.Keys(r.orphans), func(a, b models.UUID) int { return slices.Compare(a[:], b[:]) }) {
		o := r.orphans[id]
		if o.Status == models.ResultApplied && r.namesOrphanOf(r.programme.Local(o.At).Period()) {
			r.fail(Break{Kind: BreakUnknownReply, AccountID: o.AccountID, DocumentID: id, Actual: o.Amount,
				Detail: "billing answered a document that the ledger does not hold"})
		}
	}
	r.checkSigned()
	if r.BreakCount == 0 && !r.totalsTie() {
		r.fail(Break{Kind: BreakTotals, Detail: "the control totals differ, and no document explains it: " + r.differences()})
	}
	slices.SortStableFunc(r.Breaks, func(a, b Break) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.InvoiceID, b.InvoiceID))
	})
}

// Ties tells whether everything agrees.
func (r *Reconciliation) Ties() bool { return r.BreakCount == 0 && r.totalsTie() }

func (r *Reconciliation) totalsTie() bool {
	for _, c := range r.Controls {
		if !c.Ties() {
			return false
		}
	}
	return true
}

// Empty tells whether there was nothing to reconcile.
func (r *Reconciliation) Empty() bool {
	return r.Invoices+r.Documents+r.Packages+r.BreakCount+r.Foreign.Count == 0
}

func (r *Reconciliation) fail(b Break) {
	r.BreakCount++
	r.kinds[string(b.Kind)]++
	if len(r.Breaks) < MaxNamed {
		r.Breaks = append(r.Breaks, b)
	}
}

// namesOrphanOf tells whether an answer without a document that is dated in a month is
// named under this period. Source: docs/rules.md, "Answers of billing".
func (r *Reconciliation) namesOrphanOf(month models.Period) bool {
	return r.period == month.Previous() && !r.closed || r.period == month && r.before
}

// find counts what is on its way; everything else is a break.
func (r *Reconciliation) find(f finding) {
	if f.onTheWay {
		r.OnTheWay++
	}
	if !f.onTheWay || r.grace.Strict {
		r.fail(f.Break)
	}
}

func (r *Reconciliation) note(n Notice) {
	r.NoticeCount++
	r.noticed[n.Kind]++
	if len(r.Notices) < MaxNamed {
		r.Notices = append(r.Notices, n)
	}
}

// anyInvoice takes in an invoice of any period.
func (r *Reconciliation) anyInvoice(timeline []models.Segment, inv *models.AuditInvoice) {
	if inv.Invoice.Period == r.period {
		r.invoice(timeline, inv)
	} else {
		r.otherInvoice(inv)
	}
}

// invoice compares one invoice: first every document with itself, its
// publication and its answer, then each line's sum with what is owed.
func (r *Reconciliation) invoice(timeline []models.Segment, inv *models.AuditInvoice) {
	r.Invoices++
	r.Documents += int64(len(inv.Documents))
	r.sum(inv, true)
	desired := r.programme.Desire(timeline, &inv.Invoice)
	r.addAsBefore(timeline, &inv.Invoice)
	r.hold(desired.Held)
	desired.Items = r.orBooked(inv, desired.Items)
	entries := r.entries(inv)
	findings, lost := r.gaps(inv)
	for i := range entries {
		r.noteDocument(&entries[i])
		if f, bad := inspect(inv, &entries[i]); bad {
			findings = append(findings, f)
		}
	}
	if off, differs := lineDifferences(inv, desired.Items); differs {
		findings = attribute(findings, off, inv)
	}
	for _, f := range findings {
		r.find(f)
	}
	r.control(inv, entries, desired.Items, lost)
}

// orBooked is what an invoice must hold: what the facts give or, in a period of the shadow
// mode that is closed or booked, what the older system has given, with a notice where that
// differs.
func (r *Reconciliation) orBooked(inv *models.AuditInvoice, desired []models.AdjustmentItem) []models.AdjustmentItem {
	booking := func(d models.AuditDocument) bool { return d.Reason == models.ReasonBookedElsewhere }
	if !r.shadow || !r.closed && !slices.ContainsFunc(inv.Documents, booking) {
		return desired
	}
	off, differs := lineDifferences(inv, desired)
	if !differs {
		return desired
	}
	r.note(Notice{Kind: NoticeElsewhere, AccountID: inv.Invoice.AccountID, InvoiceID: inv.Invoice.ID, Amount: off.Expected.Add(-off.Actual),
		Detail: fmt.Sprintf("the facts give %s, the older system has given %s", off.Expected, off.Actual)})
	var booked []models.AdjustmentItem
	lines := PostedLines(inv)
	for _, id := range slices.Sorted(maps.Keys(lines)) {
		if lines[id].Amount != 0 {
			booked = append(booked, models.AdjustmentItem{LineID: id, Service: serviceOn(inv, id), Amount: lines[id].Amount, Segments: lines[id].Segments})
		}
	}
	return booked
}

// NoticesOf is how many notices of a kind there are.
func (r *Reconciliation) NoticesOf(kind NoticeKind) int64 { return r.noticed[kind] }

func (r *Reconciliation) noteDocument(e *entry) {
	r.noteWriteOff(&e.progress, Notice{AccountID: e.AccountID, InvoiceID: e.InvoiceID, Amount: e.Amount}, fmt.Sprintf("document %d (%s)", e.Sequence, e.id))
}

func (r *Reconciliation) sum(inv *models.AuditInvoice, belongs bool) {
	for i := range inv.Documents {
		r.sums.document(r.period, &inv.Documents[i], inv.Invoice.Currency, belongs)
	}
}

func (r *Reconciliation) hold(held []models.HeldLine) {
	for _, h := range held {
		r.Held[h.Service] = r.Held[h.Service].Add(models.Counted(1, h.Amount))
		r.note(Notice{Kind: NoticeHeld, AccountID: h.AccountID, InvoiceID: h.InvoiceID,
			Detail: fmt.Sprintf("line %s: the terms neither discount nor exclude the service %q", h.LineID, h.Service), Amount: h.Amount})
	}
}

// otherInvoice explains answers by an invoice of another period, whose own reconciliation
// names what is wrong with it.
func (r *Reconciliation) otherInvoice(inv *models.AuditInvoice) {
	r.sum(inv, false)
	r.entries(inv)
	r.gaps(inv)
}

// stray is a document of the period whose invoice never arrived.
func (r *Reconciliation) stray(d *models.AuditDocument) {
	r.Documents++
	r.fail(Break{Kind: BreakStray, AccountID: d.AccountID, InvoiceID: d.InvoiceID, DocumentID: d.ID,
		Actual: d.Amount, Detail: "the ledger has a document on an invoice that never arrived"})
	inv := &models.AuditInvoice{Invoice: models.Invoice{AccountID: d.AccountID, ID: d.InvoiceID, Currency: d.Currency}, Documents: []models.AuditDocument{*d}}
	r.sum(inv, true)
	entries := r.entries(inv)
	r.noteDocument(&entries[0])
	r.control(inv, entries, nil, nil)
}

// Report is the reconciliation as it is kept, once it is closed.
func (r *Reconciliation) Report(at time.Time) models.ReconciliationReport {
	report := models.ReconciliationReport{
		CheckedAt: at.UTC(), Accounts: r.Accounts, Invoices: r.Invoices, Documents: r.Documents, Packages: r.Packages, OnTheWay: r.OnTheWay,
		Overall: r.Overall(), Totals: r.Lines(), Wrong: r.BreakCount, Notices: r.NoticeCount,
		Kinds: r.kinds, Services: r.Services(), Steps: r.Steps(), Causes: r.Causes(), Lacking: r.Lacking, Excess: r.Excess,
	}
	for i := range r.Breaks {
		b := &r.Breaks[i]
		report.Breaks = append(report.Breaks, models.KeptBreak{
			Kind: string(b.Kind), AccountID: b.AccountID, InvoiceID: b.InvoiceID, DocumentID: b.DocumentID,
			Expected: b.Expected, Actual: b.Actual, Detail: b.Detail,
		})
	}
	return report
}
