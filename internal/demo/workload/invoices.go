package workload

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"referral/models"
)

// revision is one revision of an invoice and when it is sent.
type revision struct {
	invoice models.Invoice
	event   string
	phase   int
	repeat  bool // the same body was sent under another event
}

// variant is what happens to a month's invoice.
type variant int

const (
	plain variant = iota
	late
	revisedAtOnce
	revisedLater
	cancelledAtOnce
	cancelledLater
	reissued
	outOfOrder
	sentTwice
	twoInvoices
)

// variants says how many of 1,000 invoices are of each variant; the rest is plain.
func variants() []struct {
	variant variant
	of      int
} {
	return []struct {
		variant variant
		of      int
	}{
		{late, 10}, {revisedAtOnce, 15}, {revisedLater, 15}, {cancelledAtOnce, 5}, {cancelledLater, 5},
		{reissued, 4}, {outOfOrder, 8}, {sentTwice, 6}, {twoInvoices, 6},
	}
}

func drawVariant(r *rand.Rand) variant {
	n := r.IntN(1000)
	for _, f := range variants() {
		if n < f.of {
			return f.variant
		}
		n -= f.of
	}
	return plain
}

// invoices is the revisions of an account's invoice of the month that phase month
// ends with. sentIn limits the work to what is sent in that phase.
func (g *Generator) invoices(a *account, month, sentIn int) []revision {
	period := g.Period(month)
	if month < 0 || !a.billedIn(g, period) {
		return nil
	}
	r := g.random(streamInvoice, int(a.id), month)
	f := drawVariant(r)
	if f == plain && month != sentIn {
		return nil
	}
	first := g.drawInvoice(r, a, period)
	next := g.later(month, 1)
	switch f {
	case late:
		return []revision{revisionIn(first, next)}
	case revisedAtOnce:
		return []revision{revisionIn(first, month), revisionIn(revise(r, first), month)}
	case revisedLater:
		return []revision{revisionIn(first, month), revisionIn(revise(r, first), next)}
	case cancelledAtOnce:
		return []revision{revisionIn(first, month), revisionIn(cancel(first), month)}
	case cancelledLater:
		return []revision{revisionIn(first, month), revisionIn(cancel(first), next)}
	case reissued:
		return []revision{revisionIn(first, month), revisionIn(cancel(first), month), revisionIn(revise(r, cancelled(first)), next)}
	case outOfOrder:
		return []revision{revisionIn(revise(r, first), month), revisionIn(first, next)}
	case sentTwice:
		again := revisionIn(first, month)
		again.event, again.repeat = again.event+"-again", true
		return []revision{revisionIn(first, month), again}
	case twoInvoices:
		second := g.drawInvoice(r, a, period)
		second.ID += "-2"
		return []revision{revisionIn(first, month), revisionIn(second, month)}
	}
	return []revision{revisionIn(first, month)}
}

func revisionIn(inv models.Invoice, phase int) revision {
	return revision{invoice: inv, event: fmt.Sprintf("i-%s-%d", inv.ID, inv.Revision), phase: phase}
}

// cancelled is the invoice as it was before its revision, ready to be revised
// once more.
func cancelled(inv models.Invoice) models.Invoice {
	inv.Revision++
	return inv
}

func cancel(inv models.Invoice) models.Invoice {
	inv.Revision++
	inv.Lines = nil
	return inv
}

// revise changes an amount and a term, and drops or adds a line.
func revise(r *rand.Rand, inv models.Invoice) models.Invoice {
	inv.Revision++
	inv.Lines = slices.Clone(inv.Lines)
	line := &inv.Lines[r.IntN(len(inv.Lines))]
	line.Amount = amount(r)
	last := &inv.Lines[len(inv.Lines)-1]
	if r.IntN(2) == 0 && len(inv.Lines) > 1 {
		inv.Lines = inv.Lines[:len(inv.Lines)-1]
		return inv
	}
	added := *last
	added.ID = strconv.Itoa(len(inv.Lines) + 1)
	added.Amount = amount(r)
	inv.Lines = append(inv.Lines, added)
	return inv
}

// drawInvoice generates the invoice of a month: two to six lines.
func (g *Generator) drawInvoice(r *rand.Rand, a *account, period models.Period) models.Invoice {
	inv := models.Invoice{
		AccountID: a.id, ID: invoiceID(period, a.id), Revision: 1, Period: period, Currency: "RUB",
		Lines: make([]models.Line, 2+r.IntN(5)),
	}
	from := min(max(period.First(), g.day(a.registered.at)), period.End()-1)
	for i := range inv.Lines {
		inv.Lines[i] = drawLine(r, i, from, period.End())
	}
	return inv
}

func invoiceID(period models.Period, account int64) string {
	b := append(make([]byte, 0, 24), "INV-"...)
	b = period.First().Time().AppendFormat(b, "2006-01")
	b = append(b, '-')
	return string(strconv.AppendInt(b, account, 10))
}

func drawLine(r *rand.Rand, i int, from, to models.Date) models.Line {
	l := models.Line{ID: strconv.Itoa(i + 1), Service: service(r, i), From: from, To: to, Amount: amount(r)}
	switch r.IntN(30) {
	case 0: // charged for one day
		l.From += models.Date(r.IntN(int(to - from)))
		l.To = l.From
	case 1: // began in the middle of the month
		l.From += models.Date(r.IntN(int(to - from)))
	case 2: // a recalculation that reaches back
		l.From -= models.Date(1 + r.IntN(60))
	case 3: // a quarter paid in advance
		l.To = l.From.AddMonths(3)
	}
	return l
}

// service of the i-th line: the subscription comes first; sometimes the service is
// neither discounted nor excluded in the terms.
func service(r *rand.Rand, i int) string {
	if i == 0 {
		return "subscription"
	}
	n := r.IntN(100)
	switch {
	case n < 25:
		return "numbers"
	case n < 50:
		return "calls"
	case n < 70:
		return "recording"
	case n < 85:
		return "sms_package"
	case n < 98:
		return "subscription"
	}
	return "pbx_museum"
}

// amount in minor units: mostly some hundreds of roubles, sometimes a few kopecks, on
// which rounding shows, a credit, or nothing.
func amount(r *rand.Rand) models.Money {
	n := r.IntN(100)
	switch {
	case n < 5:
		return models.Money(1 + r.IntN(9))
	case n < 11:
		return -models.Money(100 + r.IntN(60_000))
	case n < 12:
		return 0
	}
	return models.Money(1_000 + r.IntN(150_000))
}

// issuedAt is when billing makes the invoices of a month.
func (g *Generator) issuedAt(period models.Period, account int64) time.Time {
	year, month, day := period.End().Time().Date()
	return time.Date(year, month, day, 0, 0, int(account%7200), 0, g.zone)
}
