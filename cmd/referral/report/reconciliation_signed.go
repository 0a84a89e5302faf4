package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"referral/billing"
	"referral/models"
)

// Signature is finance's signature with the totals as they were signed.
type Signature struct {
	At         time.Time `json:"at"`
	By         string    `json:"by"`
	Reason     string    `json:"reason"`
	Override   string    `json:"override"`   // why it was closed in spite of the objections
	Objections []string  `json:"objections"` // none as a rule
	Overall    []Control `json:"overall"`
	Controls   []Control `json:"controls"`
	Foreign    Foreign   `json:"posted_for_closed_periods"`
}

// Correction is what was posted to the period's documents after it was
// signed, by the period that carries it.
type Correction struct {
	PostingPeriod models.Period `json:"posting_period"`
	Currency      string        `json:"currency"` // empty for packages
	Documents     int64         `json:"documents"`
	AmountMinor   models.Money  `json:"amount_minor"`
}

func (c Correction) kind() string {
	if c.Currency == "" {
		return "packages"
	}
	return "discounts"
}

// Moved is what invoices took with them that moved to another period since.
type Moved struct {
	Currency    string       `json:"currency"`
	AmountMinor models.Money `json:"amount_minor"`
}

// signedSum is a line of the equation signed + corrections + moved = now.
type signedSum struct {
	Currency                          string // empty for packages, whose amounts are numbers
	Signed, Corrections, Moved, Total models.Money
}

// Act is what a person did about the period, or the terms in force.
type Act struct {
	At     time.Time                 `json:"at"`
	By     string                    `json:"by"`
	What   models.OperatorActionKind `json:"what"`
	Reason string                    `json:"reason"`
}

func (t *Reconciliation) addSignatures(r *billing.Reconciliation, head *models.AuditHead) {
	t.Earlier, t.Corrections, t.Moved, t.Acts = []Signature{}, []Correction{}, []Moved{}, []Act{}
	for i := range head.Signatures {
		s := signatureOf(&head.Signatures[i])
		if &head.Signatures[i] == r.Signature() {
			t.Signed = &s
		} else {
			t.Earlier = append(t.Earlier, s)
		}
	}
	for _, c := range r.Corrections() {
		t.Corrections = append(t.Corrections, Correction{c.PostingPeriod, c.Currency, c.Documents, c.Amount})
	}
	if moved := r.Moved(); t.Signed != nil {
		for _, currency := range slices.Sorted(maps.Keys(moved)) {
			t.Moved = append(t.Moved, Moved{currency, moved[currency]})
		}
	}
	for _, a := range head.Acts {
		t.Acts = append(t.Acts, Act{a.At, a.Who, a.What, a.Reason})
	}
}

func signatureOf(s *models.Signature) Signature {
	lines, overall := billing.SignedLines(s)
	return Signature{
		At: s.At, By: s.Who, Reason: s.Reason, Override: s.Override, Objections: append([]string{}, s.Objections...),
		Overall: controlsOf(overall), Controls: controlsOf(lines), Foreign: Foreign{s.Foreign.Count, s.Foreign.Amount},
	}
}

// signedSums is the equation for every currency, then for packages.
func (t *Reconciliation) signedSums() []signedSum {
	sums := map[string]signedSum{}
	add := func(currency string, part signedSum) {
		s := sums[currency]
		sums[currency] = signedSum{currency, s.Signed.Add(part.Signed), s.Corrections.Add(part.Corrections), s.Moved.Add(part.Moved), s.Total.Add(part.Total)}
	}
	for _, c := range t.Signed.Overall {
		add(c.Currency, signedSum{Signed: c.posted()})
	}
	for _, c := range t.Corrections {
		amount := c.AmountMinor
		if c.Currency == "" {
			amount = models.Money(c.Documents)
		}
		add(c.Currency, signedSum{Corrections: amount})
	}
	for _, m := range t.Moved {
		add(m.Currency, signedSum{Moved: m.AmountMinor})
	}
	for _, c := range t.Overall {
		add(c.Currency, signedSum{Total: c.posted()})
	}
	var list []signedSum
	for _, currency := range slices.Backward(slices.Sorted(maps.Keys(sums))) {
		list = append(list, sums[currency])
	}
	return list
}

// posted is the amount posted; of packages, which cost nothing, how many.
func (c *Control) posted() models.Money {
	if c.Currency == "" {
		return models.Money(c.Posted.Count)
	}
	return c.Posted.AmountMinor
}

func (s *signedSum) cells() []string {
	name, cell := "discounts, "+s.Currency, models.Money.String
	if s.Currency == "" {
		name, cell = "SMS packages", func(n models.Money) string { return Count(int64(n)) }
	}
	row := []string{name, cell(s.Signed), cell(s.Corrections)}
	if s.Moved != 0 {
		return append(row, cell(s.Moved), cell(s.Total))
	}
	return append(row, "", cell(s.Total))
}

func printSigned(w io.Writer, t *Reconciliation) {
	for i := range t.Earlier {
		fmt.Fprintln(w, Printable(t.Earlier[i].takenBack()))
	}
	if len(t.Earlier) > 0 {
		fmt.Fprintln(w)
	}
	if t.Signed == nil {
		return
	}
	s := t.Signed
	fmt.Fprintf(w, "%s\n\n", Printable(s.headline()))
	printControls(w, "As signed", s.Controls, s.Overall)
	if s.Foreign.Documents > 0 {
		fmt.Fprintf(w, "Posted into this period for closed ones, as signed: %s, %s\n\n", Quantity(s.Foreign.Documents, "document"), s.Foreign.AmountMinor)
	}
	var rows [][]string
	for _, c := range t.Corrections {
		what, amount := "documents, "+c.Currency, c.AmountMinor.String()
		if c.Currency == "" {
			what, amount = "SMS packages", ""
		}
		rows = append(rows, []string{c.PostingPeriod.String(), what, Count(c.Documents), amount})
	}
	printRows(w, "Corrections posted since, by the period that carries them", []string{"posted to", "what", "number", "amount"}, rows)
	rows = nil
	for _, sum := range t.signedSums() {
		rows = append(rows, sum.cells())
	}
	printRows(w, "Signed and corrected", []string{"posted", "signed", "corrected since", "invoices moved", "now"}, rows)
}

func (s *Signature) headline() string {
	text := fmt.Sprintf("Signed by %s on %s", s.By, moment(s.At, ""))
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	text += "."
	if s.Override != "" {
		text += fmt.Sprintf(" OVERRIDDEN: %s; against: %s.", s.Override, strings.Join(s.Objections, "; "))
	}
	return text
}

// takenBack is a signature that reopening took back, with its totals.
func (s *Signature) takenBack() string {
	text := "Taken back by reopening: " + s.headline()
	for i := range s.Overall {
		sum := s.Overall[i].posted()
		if c := s.Overall[i].Currency; c != "" {
			text += fmt.Sprintf(" Discounts posted: %s %s.", sum, c)
		} else {
			text += fmt.Sprintf(" SMS packages posted: %s.", Count(int64(sum)))
		}
	}
	return text
}

func printActs(w io.Writer, t *Reconciliation) {
	var rows [][]string
	for _, a := range t.Acts {
		rows = append(rows, []string{moment(a.At, ""), a.By, string(a.What), a.Reason})
	}
	printRows(w, "Who did what about this period and the terms in force", []string{"when", "who", "what", "why"}, rows)
}

// SignatureText writes that a period was closed, and what was signed.
func SignatureText(w io.Writer, s *models.Signature) {
	fmt.Fprintf(w, "period %s is closed, signed by %s on %s\n", s.Period, s.Who, s.At.Format(time.RFC3339))
	_, overall := billing.SignedLines(s)
	for _, l := range overall {
		if l.Currency == "" {
			fmt.Fprintf(w, "signed: SMS packages posted: %s\n", Count(l.Posted.Count))
		} else {
			fmt.Fprintf(w, "signed: discounts posted %s %s, on %s\n", l.Posted.Amount, l.Currency, Quantity(l.Posted.Count, "line"))
		}
	}
	if s.Override != "" {
		fmt.Fprintf(w, "overridden: %s; against: %s\n", s.Override, strings.Join(s.Objections, "; "))
	}
}
