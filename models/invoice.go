package models

import (
	"slices"
	"strings"
)

// Invoice is one revision of a client's bill, whole. A revision without lines
// cancels the invoice.
type Invoice struct {
	AccountID int64
	ID        string
	Revision  int
	Period    Period
	Currency  string
	Lines     []Line

	// Services is what staff decided about services that the terms do not name, as far as
	// it is in force, by service; nil for an invoice as it came. Invoices that were read
	// together share it: it is only read.
	Services map[string]ServiceDecision

	// Damage is why the stored lines cannot be read; nil for an invoice as it came.
	Damage error
}

// Decided is what staff has decided about services of its lines; nil for nothing.
func (i *Invoice) Decided() map[string]ServiceClass {
	var decided map[string]ServiceClass
	for j := range i.Lines {
		service := i.Lines[j].Service
		if d, ok := i.Services[service]; ok {
			if decided == nil {
				decided = map[string]ServiceClass{}
			}
			decided[service] = d.Class
		}
	}
	return decided
}

// Line is one charge (or credit) of an invoice for a stretch of service.
type Line struct {
	ID      string
	Service string
	From    Date
	To      Date // exclusive; To <= From means the single day From
	Amount  Money
}

// Same tells whether two messages about one revision say the same. The lines count
// as a set, each known by its id, which is unique.
func (i *Invoice) Same(o *Invoice) bool {
	return i.AccountID == o.AccountID && i.Period == o.Period && i.Currency == o.Currency &&
		(slices.Equal(i.Lines, o.Lines) || slices.Equal(byID(i.Lines), byID(o.Lines)))
}

func byID(lines []Line) []Line {
	return slices.SortedFunc(slices.Values(lines), func(a, b Line) int { return strings.Compare(a.ID, b.ID) })
}

// Days is the length of the service period, at least one.
func (l Line) Days() int { return int(l.End() - l.From) }

// End is the first day after the service period.
func (l Line) End() Date { return max(l.To, l.From+1) }
