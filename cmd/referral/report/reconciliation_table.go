package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"referral/models"
)

// maxListed limits the breaks, and the notices, that a table lists. The other formats
// hold more.
const maxListed = 100

// ReconciliationTable writes a reconciliation for people.
func ReconciliationTable(w io.Writer, t *Reconciliation) {
	printHeadline(w, t)
	printSigned(w, t)
	if !t.Nothing {
		title := "Control totals"
		if t.Signed != nil {
			title = "Control totals as they are now"
		}
		printControls(w, title, t.Controls, t.Overall)
		printBreaks(w, t)
		printHeld(w, t)
		printNotices(w, t)
	}
	printActs(w, t)
}

func printHeadline(w io.Writer, t *Reconciliation) {
	fmt.Fprintf(w, "Reconciliation of %s: %s\n", t.Period, t.headline())
	fmt.Fprintf(w, "%s.", t.stateText())
	if !t.Nothing {
		fmt.Fprintf(w, " Checked %s of the programme, with %s, %s and %s.", Quantity(t.Accounts, "account"),
			Quantity(t.Invoices, "invoice"), Quantity(t.Documents, "document"), Quantity(t.Packages, "SMS package"))
	}
	fmt.Fprintln(w)
	if t.Stale > 0 {
		fmt.Fprintf(w, "To be settled again, by the nightly catch-up or `referral run %[2]s`: %[1]s.\n", Quantity(t.Stale, "account"), t.Period)
	}
	if t.OtherTerms {
		fmt.Fprintln(w, "The terms of this configuration are not those in force: what follows is checked by this configuration.")
	}
	if t.Foreign.Documents > 0 {
		fmt.Fprintf(w, "Posted into this period for closed ones: %s, %s\n", Quantity(t.Foreign.Documents, "document"), t.Foreign.AmountMinor)
	}
	fmt.Fprintln(w)
}

func (t *Reconciliation) headline() string {
	switch {
	case t.Nothing && t.Signed == nil:
		return "there is nothing in this period, so it ties"
	case t.Ties:
		return "it ties"
	}
	return "IT DOES NOT TIE, " + Quantity(t.BreakCount, "break")
}

func (t *Reconciliation) stateText() string {
	switch t.State {
	case models.PeriodClosed:
		return "Closed on " + t.ClosedAt.Format(time.DateOnly)
	case models.PeriodRun:
		return "Run, not closed"
	}
	return "Open, not run yet"
}

// printControls prints control totals, if there are any.
func printControls(w io.Writer, title string, controls, overall []Control) {
	var rows [][]string
	for i := range controls {
		rows = append(rows, controlRow(controls[i].name(), &controls[i]))
	}
	for i := range overall {
		c := &overall[i]
		name := "all packages"
		if c.Currency != "" {
			name = fmt.Sprintf("all discounts, %s (%s)", c.Currency, Quantity(c.Entitled.Count, "line"))
		}
		rows = append(rows, controlRow(name, c))
	}
	printRows(w, title, slices.Concat([]string{""}, stageNames, []string{""}), rows)
}

// controlRow shows amounts; of packages, which cost nothing, how many.
func controlRow(name string, c *Control) []string {
	row := []string{name}
	for _, s := range c.stages() {
		if c.Currency == "" {
			row = append(row, Count(s.Count))
		} else {
			row = append(row, s.AmountMinor.String())
		}
	}
	if c.Ties {
		return append(row, "ties")
	}
	return append(row, "DIFFERS: "+c.Difference)
}

func (c *Control) name() string {
	if c.SMS > 0 {
		return fmt.Sprintf("package of %d SMS", c.SMS)
	}
	if c.Percent > 0 {
		return fmt.Sprintf("%s %d %%, %s", c.Kind, c.Percent, c.Currency)
	}
	return c.Kind + ", " + c.Currency
}

func printBreaks(w io.Writer, t *Reconciliation) {
	if t.BreakCount == 0 {
		return
	}
	fmt.Fprintf(w, "%s\n", Quantity(t.BreakCount, "break"))
	if t.OnTheWay > 0 {
		fmt.Fprintf(w, "  of them posted within schedule.answer_grace, so billing may still answer: %s\n", Count(t.OnTheWay))
	}
	named := t.Breaks[:min(len(t.Breaks), maxListed)]
	for i := range named {
		printBreak(w, &named[i])
	}
	printUnlisted(w, t.BreakCount, len(named), len(t.Breaks), "break")
}

func printBreak(w io.Writer, b *Break) {
	var place []string
	for _, part := range []struct{ what, name string }{
		{"account", string(accountIdentifier(b.AccountID))}, {"invoice", b.InvoiceID}, {"document", b.DocumentID}, {"lines", strings.Join(b.Lines, ", ")},
	} {
		if part.name != "" {
			place = append(place, part.what+" "+part.name)
		}
	}
	fmt.Fprintf(w, "  %-20s %s\n", b.Kind, Printable(strings.Join(place, "  ")))
	fmt.Fprintf(w, "  %-20s %s\n", "", Printable(b.Detail))
	if b.ExpectedMinor != b.ActualMinor {
		fmt.Fprintf(w, "  %-20s expected %s, found %s\n", "", b.ExpectedMinor, b.ActualMinor)
	}
}

func printHeld(w io.Writer, t *Reconciliation) {
	var rows [][]string
	for _, h := range t.Held {
		rows = append(rows, []string{h.Service, Count(h.Lines), h.AmountMinor.String()})
	}
	printRows(w, "On hold: services that the terms neither discount nor exclude", []string{"service", "lines", "charged"}, rows)
}

func printNotices(w io.Writer, t *Reconciliation) {
	if t.NoticeCount == 0 {
		return
	}
	fmt.Fprintf(w, "%s\n", Quantity(t.NoticeCount, "notice"))
	named := t.Notices[:min(len(t.Notices), maxListed)]
	for _, n := range named {
		about := n.Detail
		if n.AccountID != 0 {
			about = fmt.Sprintf("account %d  %s  %s", n.AccountID, n.InvoiceID, n.Detail)
		}
		fmt.Fprintf(w, "  %-20s %s\n", n.Kind, Printable(about))
	}
	printUnlisted(w, t.NoticeCount, len(named), len(t.Notices), "notice")
}

func printUnlisted(w io.Writer, all int64, listed, known int, what string) {
	if rest := unlisted(all, listed, what); rest != "" {
		fmt.Fprintf(w, "  … %s; --format json, csv or xlsx lists the first %s\n", rest, Count(int64(known)))
	}
	fmt.Fprintln(w)
}
