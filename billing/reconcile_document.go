package billing

import (
	"fmt"
	"slices"

	"referral/models"
)

// entry is a document of the ledger with its progress.
type entry struct {
	*models.AuditDocument
	progress
	id  models.UUID  // that follows from its invoice and number
	sum models.Money // of its items
}

// progress is how far a document or a package has got: published, answered.
type progress struct {
	track
	isPublished bool
	resend      *models.Resend // that billing has not answered
	isRecent    bool           // posted, or sent again, within the grace
	isExcused   bool           // recent, so that it need not be published and answered yet
}

func (r *Reconciliation) progress(t track) progress {
	p := progress{track: t, resend: t.pending()}
	since := t.postedAt
	if p.resend != nil { // the rejection before it does not count any more
		since, p.isAnswered = p.resend.At, false
	}
	p.isRecent = r.grace.Grace > 0 && since.Add(r.grace.Grace).After(r.grace.Now)
	p.isExcused = p.isRecent && !r.grace.Strict
	// A document is marked as published when all of its chunk is: billing may be faster.
	p.isPublished = t.published || p.resend != nil || p.isRecent && t.isAnswered
	if t.shadow { // an older system bills it: nothing is published, and nobody answers
		p.isPublished, p.isExcused = true, true
	}
	return p
}

// inTotals tells which totals it counts in. What is excused counts as published and
// answered: otherwise the totals would differ without a break.
func (p *progress) inTotals() (published, answered bool) {
	return p.isPublished || p.isExcused, p.applied() || p.isExcused && !p.isAnswered
}

// unfinished is the break of a document that is not applied by billing; empty for one
// that is, or that is settled by hand.
func (p *progress) unfinished(name string) (kind BreakKind, detail string, onTheWay bool) {
	switch {
	case p.shadow && !p.isAnswered:
		return "", "", false
	case !p.isPublished:
		return BreakUnpublished, name + " has not been published", p.isRecent
	case p.resend != nil && !p.resend.Published:
		return BreakUnpublished, fmt.Sprintf("%s has not been published again, as %s requested on %s", name, p.resend.By, stamp(p.resend.At)), p.isRecent
	case p.resend != nil:
		return BreakUnanswered, fmt.Sprintf("billing has not answered %s since it was sent again on %s", name, stamp(p.resend.At)), p.isRecent
	case !p.isAnswered:
		return BreakUnanswered, "billing has not answered " + name, p.isRecent
	case p.applied() && p.writeOff != nil:
		return BreakPaidWrittenOff, fmt.Sprintf("billing booked %s on %s although %s wrote it off on %s", name, stamp(p.answer.At), p.writeOff.By, stamp(p.writeOff.At)), false
	case !p.applied() && p.writeOff == nil:
		return BreakRejected, fmt.Sprintf("billing rejected %s: %s", name, p.answer.Reason), false
	}
	return "", "", false
}

// noteWriteOff says in the report who settled a document by hand, and why.
func (r *Reconciliation) noteWriteOff(p *progress, n Notice, name string) {
	if w := p.writeOff; w != nil {
		n.Kind, n.Detail = NoticeWrittenOff, fmt.Sprintf("%s was written off by %s on %s: %s", name, w.By, stamp(w.At), w.Reason)
		r.note(n)
	}
}

// likelyAmount is what the document was posted with: what billing booked, if it has
// booked it, because it keeps its own records.
func (e *entry) likelyAmount() models.Money {
	if e.applied() {
		return e.answer.Amount
	}
	return e.Amount
}

func (r *Reconciliation) entry(d *models.AuditDocument) entry {
	e := entry{AuditDocument: d, id: documentID(d), sum: d.ItemSum()}
	t := trackOf(&d.DocumentHistory)
	if d.ID != e.id { // the answers found belong to another document
		t.answer, t.isAnswered = r.claim(e.id)
	}
	e.progress = r.progress(t)
	return e
}

// documentID is the identifier that follows from what a document says of itself.
func documentID(d *models.AuditDocument) models.UUID {
	return AdjustmentID(d.Period, d.InvoiceID, d.Sequence)
}

// lostID is the identifier of a document that the ledger does not hold: the one
// that billing has answered, whatever period the invoice was in then. known is false
// when billing has answered none.
func (r *Reconciliation) lostID(inv *models.AuditInvoice, sequence int) (id models.UUID, known bool) {
	for _, p := range r.orphaned {
		id = AdjustmentID(p, inv.Invoice.ID, sequence)
		if _, known = r.orphans[id]; known {
			return id, true
		}
	}
	return AdjustmentID(inv.Invoice.Period, inv.Invoice.ID, sequence), false
}

func (r *Reconciliation) entries(inv *models.AuditInvoice) []entry {
	entries := make([]entry, len(inv.Documents))
	for i := range inv.Documents {
		entries[i] = r.entry(&inv.Documents[i])
	}
	return entries
}

// claim finds the answer to a document that the ledger does not hold by that id. The
// answer is then explained.
func (r *Reconciliation) claim(id models.UUID) (models.Result, bool) {
	answer, known := r.orphans[id]
	delete(r.orphans, id)
	return answer, known
}

// finding is a break with its effect on the sums of the ledger: how far they are
// from what they were without it.
type finding struct {
	Break
	shift    models.Money
	unsure   bool // the amount is not known
	onTheWay bool // it was posted a short while ago, and nothing else is wrong
}

// inspect compares a document with itself, its publication and its answer.
func inspect(inv *models.AuditInvoice, e *entry) (finding, bool) {
	f := finding{shift: e.sum - e.likelyAmount()}
	f.Break = Break{AccountID: e.AccountID, InvoiceID: e.InvoiceID, DocumentID: e.id, Expected: e.Amount}
	name := fmt.Sprintf("document %d", e.Sequence)
	switch {
	case e.ID != e.id:
		f.Kind, f.Expected, f.Actual = BreakAltered, e.likelyAmount(), e.sum
		f.Detail = fmt.Sprintf("%s has the id %s, not the one that follows from its invoice and number", name, e.ID)
	case e.sum != e.Amount:
		f.Kind, f.Expected, f.Actual = BreakAltered, e.likelyAmount(), e.sum
		if e.sum == e.likelyAmount() {
			f.Actual = e.Amount
		}
		f.Detail = fmt.Sprintf("%s says %s, its items sum to %s", name, e.Amount, e.sum)
		if e.applied() {
			f.Detail += fmt.Sprintf(", billing booked %s", e.answer.Amount)
		}
	case e.Damage != nil:
		f.Kind, f.Actual = BreakAltered, e.Amount
		f.Detail = fmt.Sprintf("the days of %s cannot be read: %s", name, e.Damage)
	case e.InvoiceRevision == inv.Invoice.Revision && e.Currency != inv.Invoice.Currency:
		f.Kind, f.Actual = BreakAltered, e.Amount
		f.Detail = fmt.Sprintf("%s is in %s, its invoice in %s", name, e.Currency, inv.Invoice.Currency)
	default:
		if f.Kind, f.Detail, f.onTheWay = e.unfinished(name); f.Kind == BreakPaidWrittenOff {
			f.Expected, f.Actual = 0, e.answer.Amount
		}
		if f.Kind == "" && e.applied() && e.answer.Amount != e.Amount {
			f.Kind, f.Actual = answeredKind(e.Amount, e.answer.Amount), e.answer.Amount
			f.Detail = fmt.Sprintf("%s says %s, billing booked %s", name, e.Amount, e.answer.Amount)
		}
	}
	return f, f.Kind != ""
}

// maxGap limits how many missing documents between two numbers of an invoice are named.
// No invoice is settled so often, so in a longer gap a number was altered.
const maxGap = 1000

// gaps names the documents that are missing: the numbers between those there
// are, and those after them that billing has booked. lost is the answers.
func (r *Reconciliation) gaps(inv *models.AuditInvoice) (findings []finding, lost []models.Result) {
	missing := func(sequence int) {
		f, answer, known := r.missing(inv, sequence)
		findings = append(findings, f)
		if known {
			lost = append(lost, answer)
		}
	}
	last := 0
	for i := range inv.Documents {
		next := inv.Documents[i].Sequence
		if next-last > maxGap {
			f := finding{unsure: true}
			f.Break = Break{Kind: BreakMissing, AccountID: inv.Invoice.AccountID, InvoiceID: inv.Invoice.ID,
				Detail: fmt.Sprintf("documents %d to %d are not in the ledger", last+1, next-1)}
			findings, last = append(findings, f), next-1
		}
		for last++; last < next; last++ {
			missing(last)
		}
	}
	for last++; ; last++ {
		id, known := r.lostID(inv, last)
		switch {
		case !known:
			return findings, lost
		case r.orphans[id].Status == models.ResultApplied:
			missing(last)
		default:
			// Billing has booked nothing. What the ledger lacks shows in its lines.
			delete(r.orphans, id)
		}
	}
}

func (r *Reconciliation) missing(inv *models.AuditInvoice, sequence int) (f finding, answer models.Result, known bool) {
	id, _ := r.lostID(inv, sequence)
	f.Break = Break{Kind: BreakMissing, AccountID: inv.Invoice.AccountID, InvoiceID: inv.Invoice.ID, DocumentID: id,
		Detail: fmt.Sprintf("document %d is not in the ledger", sequence)}
	if answer, known = r.claim(f.DocumentID); known {
		f.Expected = answer.Amount
		f.Detail += ", though billing has answered it"
	}
	f.shift = -f.Expected
	f.unsure = !known || answer.Status != models.ResultApplied
	return f, answer, known
}

// lineDifferences is what the ledger lacks, or has too much, on an invoice. It
// names the document that would put it right, which is also the one that is
// missing when an invoice has lost its last.
func lineDifferences(inv *models.AuditInvoice, desired []models.AdjustmentItem) (Break, bool) {
	b := Break{AccountID: inv.Invoice.AccountID, InvoiceID: inv.Invoice.ID}
	for _, l := range compareLines(desired, inv.Documents) {
		if l.desired != l.posted {
			b.LineIDs = append(b.LineIDs, l.id)
		}
		b.Expected, b.Actual = b.Expected.Add(l.desired), b.Actual.Add(l.posted)
	}
	if len(b.LineIDs) == 0 {
		return Break{}, false
	}
	next := 1
	if n := len(inv.Documents); n > 0 {
		next = inv.Documents[n-1].Sequence + 1
	}
	b.DocumentID = AdjustmentID(inv.Invoice.Period, inv.Invoice.ID, next)
	b.Kind = postedKind(b.Expected, b.Actual)
	b.Detail = fmt.Sprintf("the facts give %s, the ledger holds %s", b.Expected, b.Actual)
	return b, true
}

// attribute attributes a difference to the documents that were altered or are missing,
// when they explain it. Otherwise the difference is a finding of its own.
func attribute(findings []finding, off Break, inv *models.AuditInvoice) []finding {
	causes := causesOf(findings, off.Actual-off.Expected)
	for _, f := range causes {
		if isAnsweredOtherwise(f.Kind) {
			f.Kind, f.Expected, f.Actual = BreakAltered, f.Actual, f.Expected
		}
		f.LineIDs = off.LineIDs
		f.Detail += "; " + off.Detail
	}
	if len(causes) > 0 {
		return findings
	}
	if d := inconsistent(inv); d != nil && !isAltered(findings, documentID(d)) {
		off.Kind, off.DocumentID = BreakAltered, documentID(d)
		off.Detail = fmt.Sprintf("the items of document %d do not follow from the days that they name; %s", d.Sequence, off.Detail)
		// The document may also wait for something; it is named once.
		findings = slices.DeleteFunc(findings, func(f finding) bool { return f.DocumentID == off.DocumentID })
	}
	return append(findings, finding{Break: off})
}

// isAltered tells whether a document is known to be altered, in amount.
func isAltered(findings []finding, id models.UUID) bool {
	return slices.ContainsFunc(findings, func(f finding) bool { return f.Kind == BreakAltered && f.DocumentID == id && f.shift != 0 })
}

// causesOf is the findings that together, or one of them alone, explain a difference of
// the ledger.
func causesOf(findings []finding, difference models.Money) []*finding {
	var movers []*finding
	var moved models.Money
	unsure := false
	for i := range findings {
		f := &findings[i]
		if f.Kind != BreakAltered && f.Kind != BreakMissing && !isAnsweredOtherwise(f.Kind) || f.shift == 0 && !f.unsure {
			continue
		}
		movers, moved, unsure = append(movers, f), moved.Add(f.shift), unsure || f.unsure
	}
	if unsure || moved == difference {
		return movers
	}
	for _, f := range movers {
		if f.shift == difference {
			return []*finding{f}
		}
	}
	return nil
}

// inconsistent is the first document whose amounts do not follow from the days that it
// names. It is nil when there is none, and when a document is of an earlier revision,
// whose lines are not loaded.
func inconsistent(inv *models.AuditInvoice) *models.AuditDocument {
	sums := map[string]models.Money{}
	for i := range inv.Documents {
		d := &inv.Documents[i]
		if d.InvoiceRevision != inv.Invoice.Revision || d.Sequence != i+1 {
			return nil
		}
		for j := range d.Items {
			item := &d.Items[j]
			sums[item.LineID] = sums[item.LineID].Add(item.Amount)
			if !follows(inv.Invoice.Lines, item, sums[item.LineID]) {
				return d
			}
		}
	}
	return nil
}

func follows(lines []models.Line, item *models.AdjustmentItem, sum models.Money) bool {
	if len(item.Segments) == 0 {
		return sum == 0
	}
	i := slices.IndexFunc(lines, func(l models.Line) bool { return l.ID == item.LineID })
	return i >= 0 && percentDays(item.Segments) <= 100*lines[i].Days() && sum == -DiscountOn(&lines[i], item.Segments)
}
