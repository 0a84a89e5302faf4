package report

import (
	"encoding/csv"
	"fmt"
	"io"

	"referral/billing/comparison"
	"referral/internal/spreadsheet"
)

// ComparisonTable writes what differs between an older system and this one. asAdded says
// that the file had a discount as a negative amount.
func ComparisonTable(w io.Writer, r *comparison.Result, asAdded bool) {
	sign := "a discount is positive"
	if asAdded {
		sign = "a discount is negative, as it is added to the invoice"
	}
	fmt.Fprintf(w, "%s: the file is read so that %s (--sign)\n", r.Period, sign)
	fmt.Fprintf(w, "the older system has given %s, the facts give %s, the difference is %s\n", r.Theirs, r.Ours, r.Theirs.Add(-r.Ours))
	fmt.Fprintf(w, "%s equal, %s different\n\n", Count(r.Equal), Count(r.Different))
	if r.Different == 0 {
		return
	}
	var rows [][]string
	for _, c := range r.Causes {
		rows = append(rows, []string{string(c.Cause), Count(c.Count), c.Theirs.String(), c.Ours.String(), c.Theirs.Add(-c.Ours).String()})
	}
	printTable(w, "By cause", []string{"cause", "number", "theirs", "ours", "difference"}, rows)
	rows = nil
	for i := range r.Differences {
		d := &r.Differences[i]
		rows = append(rows, []string{fmt.Sprint(d.AccountID), d.InvoiceID, d.Theirs.String(), d.Ours.String(), d.Theirs.Add(-d.Ours).String(), string(d.Cause), d.Words})
	}
	printTable(w, fmt.Sprintf("Differences (%d of %s)", len(rows), Count(r.Different)), []string{"account", "invoice", "theirs", "ours", "difference", "cause", ""}, rows)
}

// ComparisonCSV writes the differences that are named, amounts in kopecks.
func ComparisonCSV(w io.Writer, r *comparison.Result) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"account", "invoice", "theirs_minor", "ours_minor", "cause", "explanation"}}
	for i := range r.Differences {
		d := &r.Differences[i]
		rows = append(rows, []string{fmt.Sprint(d.AccountID), spreadsheet.EscapeFormula(d.InvoiceID), fmt.Sprint(int64(d.Theirs)), fmt.Sprint(int64(d.Ours)), string(d.Cause), d.Words})
	}
	return out.WriteAll(rows)
}
