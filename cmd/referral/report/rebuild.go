package report

import (
	"fmt"
	"io"
	"time"

	"referral/models"
	"referral/rebuild"
)

// RebuildTable writes what a comparison with the rebuilt state found.
func RebuildTable(w io.Writer, r *rebuild.Result) {
	fmt.Fprintf(w, "%s compared\n\n", Quantity(r.Accounts, "account"))
	if len(r.Differences) == 0 {
		fmt.Fprintln(w, "All facts, what was derived from them, and the ledger follow from the messages.")
		return
	}
	meaning := []struct {
		kind rebuild.Kind
		text string
	}{
		{rebuild.Fact, "facts that differ: a message was lost, altered or never taken"},
		{rebuild.Derived, "results that do not follow from the facts"},
		{rebuild.Ledger, "breaks of the ledger with the rebuilt facts alone"},
		{rebuild.Removed, "facts whose messages retention has removed, and no archive has"},
		{rebuild.Unproven, "results that depend on such facts"},
	}
	var rows [][]string
	for _, m := range meaning {
		if n := r.Counts[m.kind]; n > 0 {
			rows = append(rows, []string{string(m.kind), Count(n), m.text})
		}
	}
	printTable(w, "Differences", []string{"kind", "number", "meaning"}, rows)
	rows = nil
	for i := range r.Differences {
		d := &r.Differences[i]
		rows = append(rows, []string{string(d.Kind), fmt.Sprint(d.AccountID), d.Subject, d.Live, d.Rebuilt, d.Source})
	}
	printTable(w, fmt.Sprintf("The first %s", Quantity(int64(len(rows)), "difference")), []string{"kind", "account", "what", "live", "rebuilt", "message"}, rows)
}

// AcceptanceTable writes the codes that clients were told are accepted, and are not.
func AcceptanceTable(w io.Writer, open []rebuild.Acceptance) {
	if len(open) == 0 {
		return
	}
	rows := make([][]string, len(open))
	for i, a := range open {
		now := "the request is not known"
		if a.Known {
			now = "not accepted: " + string(a.Reason)
		}
		rows[i] = []string{fmt.Sprint(a.AccountID), a.Code, fmt.Sprint(a.InviterID), a.On.String(), now}
	}
	fmt.Fprintln(w)
	printTable(w, "Not accepted, though the client was told so", []string{"account", "code", "inviter", "activated on", "now"}, rows)
}

// UntakenTable writes the published documents and packages that a restored ledger was not
// given.
func UntakenTable(w io.Writer, untaken []models.Untaken) {
	if len(untaken) == 0 {
		return
	}
	rows := make([][]string, len(untaken))
	for i, u := range untaken {
		if a := u.Adjustment; a != nil {
			rows[i] = []string{fmt.Sprint(a.AccountID), a.InvoiceID, a.Period.String(), fmt.Sprint(a.Sequence), a.ID.String(), a.Amount.String(), u.Reason}
		} else {
			rows[i] = []string{fmt.Sprint(u.Package.AccountID), u.Package.InvoiceID, u.Package.Period.String(), "", u.Package.ID.String(), "", u.Reason}
		}
	}
	fmt.Fprintln(w)
	printTable(w, "Published, and not in the ledger", []string{"account", "invoice", "period", "document", "id", "amount", "why"}, rows)
}

// LostTable writes the documents and packages that billing has booked, and that neither a
// restored ledger nor a topic has.
func LostTable(w io.Writer, booked []models.Result) {
	if len(booked) == 0 {
		return
	}
	rows := make([][]string, len(booked))
	for i, b := range booked {
		period := ""
		if p := models.PeriodOfID(b.AdjustmentID); p != 0 {
			period = p.String()
		}
		rows[i] = []string{fmt.Sprint(b.AccountID), period, b.AdjustmentID.String(), b.Amount.String(), b.At.UTC().Format(time.RFC3339)}
	}
	fmt.Fprintln(w)
	printTable(w, "Booked by billing, and neither in the ledger nor published", []string{"account", "period", "id", "amount", "answered"}, rows)
}
