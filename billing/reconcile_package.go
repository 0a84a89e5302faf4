package billing

import (
	"fmt"
	"slices"

	"referral/models"
)

// packageCounts is an account's packages by size: how many the facts give, and
// the numbers of those that went out, of all periods.
type packageCounts struct {
	earned map[int]int
	gone   map[int][]int
}

func countPackages(c *models.AuditCase, standing models.Standing) packageCounts {
	counts := packageCounts{earned: map[int]int{}, gone: map[int][]int{}}
	for _, g := range standing.Grants {
		counts.earned[g.SMS]++
	}
	for i := range c.Packages {
		counts.gone[c.Packages[i].SMS] = append(counts.gone[c.Packages[i].SMS], c.Packages[i].Ordinal)
	}
	return counts
}

// owed tells whether a package earned has still to go out, as [Programme.Settle]
// sees it.
func (n packageCounts) owed(g models.Grant) bool {
	return len(n.gone[g.SMS]) < n.earned[g.SMS] && !slices.Contains(n.gone[g.SMS], g.Ordinal)
}

// packages compares the packages of the period: those earned in it with those
// that went out.
func (r *Reconciliation) packages(c *models.AuditCase, standing models.Standing) {
	if len(standing.Grants) == 0 && len(c.Packages) == 0 {
		return
	}
	counts := countPackages(c, standing)
	for _, g := range standing.Grants {
		switch {
		case g.GrantedOn.Period() != r.period:
			r.claimElsewhere(PackageID(g.AccountID, g.SMS, g.Ordinal))
		case counts.owed(g):
			r.notGone(g, r.packageInvoice(c))
			counts.gone[g.SMS] = append(counts.gone[g.SMS], g.Ordinal) // one that is named is not owed twice
		}
	}
	for i := range c.Packages {
		p := &c.Packages[i]
		if p.Period == r.period {
			r.onePackage(p, counts)
		} else {
			r.claimElsewhere(PackageID(p.AccountID, p.SMS, p.Ordinal))
		}
	}
}

// claimElsewhere leaves an answer to the reconciliation of its own period.
func (r *Reconciliation) claimElsewhere(id models.UUID) { delete(r.orphans, id) }

// packageInvoice is the invoice that a package of the period goes out on.
func (r *Reconciliation) packageInvoice(c *models.AuditCase) string {
	var own []models.InvoiceCase
	for i := range c.Invoices {
		if inv := &c.Invoices[i].Invoice; inv.Period == r.period {
			own = append(own, models.InvoiceCase{Invoice: *inv})
		}
	}
	return packageInvoice(own)
}

func (r *Reconciliation) notGone(g models.Grant, invoice string) {
	one := Total{Count: 1}
	control := Control{Entitled: one}
	b := Break{Kind: BreakNotPosted, AccountID: g.AccountID, InvoiceID: invoice, DocumentID: PackageID(g.AccountID, g.SMS, g.Ordinal),
		Detail: fmt.Sprintf("a package of %d SMS earned on %s has not gone out", g.SMS, g.GrantedOn)}
	if answer, known := r.claim(b.DocumentID); known {
		b.Kind = BreakMissing
		b.Detail = fmt.Sprintf("the package of %d SMS earned on %s is not in the ledger, though billing has answered it", g.SMS, g.GrantedOn)
		if answer.Status == models.ResultApplied {
			control.Answered = one
		}
	}
	r.add(Bucket{Kind: bucketPackage, Percent: g.SMS}, control)
	r.fail(b)
}

// onePackage holds a package that went out against itself, its publication and
// its answer. It counts as entitled even when the facts as they are now would not
// give it: what went out is not taken back, and is named as a surplus.
func (r *Reconciliation) onePackage(p *models.AuditPackage, counts packageCounts) {
	r.Packages++
	one := Total{Count: 1}
	control := Control{Entitled: one, Posted: one}
	earned, gone := counts.earned[p.SMS], len(counts.gone[p.SMS])
	if p.Ordinal > earned && gone > earned {
		r.note(Notice{Kind: NoticeSurplus, AccountID: p.AccountID, InvoiceID: p.InvoiceID,
			Detail: fmt.Sprintf("%d packages of %d SMS went out, the facts as they are now give %d; what went out is not taken back", gone, p.SMS, earned)})
	}
	id := PackageID(p.AccountID, p.SMS, p.Ordinal)
	answer, isAnswered := models.Answer(p.Answers)
	if p.ID != id {
		answer, isAnswered = r.claim(id)
	}
	if p.Published {
		control.Published = one
	}
	if isAnswered && answer.Status == models.ResultApplied {
		control.Answered = Total{1, answer.Amount}
	}
	r.add(Bucket{Kind: bucketPackage, Percent: p.SMS}, control)
	if b, bad := inspectPackage(p, id, answer, isAnswered); bad {
		r.fail(b)
	}
}

func inspectPackage(p *models.AuditPackage, id models.UUID, answer models.Result, isAnswered bool) (Break, bool) {
	b := Break{AccountID: p.AccountID, InvoiceID: p.InvoiceID, DocumentID: id}
	name := fmt.Sprintf("the package of %d SMS earned on %s", p.SMS, p.GrantedOn)
	switch {
	case p.ID != id:
		b.Kind, b.Detail = BreakAltered, fmt.Sprintf("%s has the id %s, not the one that follows from its account, size and number", name, p.ID)
	case !p.Published:
		b.Kind, b.Detail = BreakUnpublished, name+" has not been published"
	case !isAnswered:
		b.Kind, b.Detail = BreakUnanswered, "billing has not answered "+name
	case answer.Status != models.ResultApplied:
		b.Kind, b.Detail = BreakRejected, fmt.Sprintf("billing rejected %s: %s", name, answer.Reason)
	case answer.Amount != 0:
		b.Kind, b.Actual, b.Detail = BreakAnswerDiffers, answer.Amount, fmt.Sprintf("%s is free, billing booked %s", name, answer.Amount)
	default:
		return Break{}, false
	}
	return b, true
}
