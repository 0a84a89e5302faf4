package billing

import (
	"fmt"

	"referral/models"
)

// packages compares the packages earned in the period with those in the ledger.
func (r *Reconciliation) packages(c *models.AccountHistory, entitlements models.Entitlements) {
	if len(entitlements.Grants) == 0 && len(c.Packages) == 0 {
		return
	}
	counts := countPackages(c, entitlements)
	for _, g := range entitlements.Grants {
		switch {
		case g.GrantedOn.Period() != r.period:
			r.leaveToOwnPeriod(PackageID(g.AccountID, g.SMS, g.Ordinal))
		case !counts.takeOwed(g):
		case r.shadow:
			r.note(Notice{Kind: NoticeShadowPackage, AccountID: g.AccountID,
				Detail: fmt.Sprintf("a package of %d SMS earned on %s is not imported as given: it goes out when the period is closed and shadow mode has ended", g.SMS, g.GrantedOn)})
		default:
			r.notPosted(g, r.packageInvoice(c))
		}
	}
	for i := range c.Packages {
		switch p := &c.Packages[i]; {
		case p.Imported:
		case p.Period == r.period:
			r.onePackage(p, counts)
		default:
			r.leaveToOwnPeriod(PackageID(p.AccountID, p.SMS, p.Ordinal))
		}
	}
}

// leaveToOwnPeriod leaves an answer to the reconciliation of its own period.
func (r *Reconciliation) leaveToOwnPeriod(id models.UUID) { delete(r.orphans, id) }

// packageInvoice is the invoice that a package of the period goes out on.
func (r *Reconciliation) packageInvoice(c *models.AccountHistory) string {
	var own []models.InvoiceInput
	for i := range c.Invoices {
		if inv := &c.Invoices[i].Invoice; inv.Period == r.period {
			own = append(own, models.InvoiceInput{Invoice: *inv})
		}
	}
	return packageInvoice(own)
}

func (r *Reconciliation) notPosted(g models.Grant, invoice string) {
	one := models.CountedAmount{Count: 1}
	control := models.Control{Entitled: one}
	b := Break{Kind: BreakNotPosted, AccountID: g.AccountID, InvoiceID: invoice, DocumentID: PackageID(g.AccountID, g.SMS, g.Ordinal),
		Detail: fmt.Sprintf("a package of %d SMS earned on %s has not gone out", g.SMS, g.GrantedOn)}
	if answer, known := r.claim(b.DocumentID); known {
		b.Kind = BreakMissing
		b.Detail = fmt.Sprintf("the package of %d SMS earned on %s is not in the ledger, though billing has answered it", g.SMS, g.GrantedOn)
		if answer.Status == models.ResultApplied {
			control.Answered = one
		}
	}
	r.add(models.TotalKey{Kind: bucketPackage, Percent: g.SMS}, control)
	r.fail(b)
}

// onePackage compares a package of the ledger with itself, its publication and its answer.
// It counts as entitled even when the facts do not give it any more: it is not taken
// back, and is reported as a surplus.
func (r *Reconciliation) onePackage(p *models.AuditPackage, counts packageCounts) {
	r.Packages++
	r.sums.sms(p)
	one := models.CountedAmount{Count: 1}
	control := models.Control{Entitled: one, Posted: one}
	earned, posted := counts.earned[p.SMS], len(counts.posted[p.SMS])
	if p.Ordinal > earned && posted > earned {
		r.note(Notice{Kind: NoticeSurplus, AccountID: p.AccountID, InvoiceID: p.InvoiceID,
			Detail: fmt.Sprintf("%d packages of %d SMS went out, the facts as they are now give %d; what went out is not taken back", posted, p.SMS, earned)})
	}
	id := PackageID(p.AccountID, p.SMS, p.Ordinal)
	t := trackOf(&p.DocumentHistory)
	if p.ID != id {
		t.answer, t.isAnswered = r.claim(id)
	}
	so := r.progress(t)
	isPublished, isBooked := so.inTotals()
	if isPublished {
		control.Published = one
	}
	if isBooked {
		control.Answered = models.Counted(1, t.answer.Amount)
	}
	if so.writeOff != nil {
		control.WrittenOff = one
		r.noteWriteOff(&so, Notice{AccountID: p.AccountID, InvoiceID: p.InvoiceID}, packageName(p)+" ("+id.String()+")")
	}
	r.add(models.TotalKey{Kind: bucketPackage, Percent: p.SMS}, control)
	if f, bad := inspectPackage(p, id, &so); bad {
		r.find(f)
	}
}

func inspectPackage(p *models.AuditPackage, id models.UUID, so *progress) (finding, bool) {
	f := finding{Break: Break{AccountID: p.AccountID, InvoiceID: p.InvoiceID, DocumentID: id}}
	name := packageName(p)
	switch {
	case p.ID != id:
		f.Kind, f.Detail = BreakAltered, fmt.Sprintf("%s has the id %s, not the one that follows from its account, size and number", name, p.ID)
	default:
		if f.Kind, f.Detail, f.onTheWay = so.unfinished(name); f.Kind == "" && so.applied() && so.answer.Amount != 0 {
			f.Kind, f.Actual, f.Detail = answeredKind(0, so.answer.Amount), so.answer.Amount, fmt.Sprintf("%s is free, billing booked %s", name, so.answer.Amount)
		}
	}
	return f, f.Kind != ""
}

func packageName(p *models.AuditPackage) string {
	return fmt.Sprintf("the package of %d SMS earned on %s", p.SMS, p.GrantedOn)
}
