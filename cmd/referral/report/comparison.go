package report

import (
	"encoding/csv"
	"fmt"
	"io"

	"referral/billing/comparison"
	"referral/internal/spreadsheet"
	"referral/models"
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

// BookedTable writes what became of a file of what an older system has given.
func BookedTable(w io.Writer, f *models.BookedFile, rows []models.NotBooked) {
	fmt.Fprintf(w, "%s: %s given by the older system in %s, booked by run %d on %s\nSHA-256 of the file: %s\n",
		f.Period, f.Amount, Quantity(f.Rows, "row"), f.RunID, f.At.Format("2006-01-02 15:04:05 MST"), f.SHA256)
	NotBookedTable(w, f, rows)
}

// NotBookedTable writes the rows of such a file that are not booked.
func NotBookedTable(w io.Writer, f *models.BookedFile, rows []models.NotBooked) {
	fmt.Fprintf(w, "not booked: %s, %s together\n\n", Quantity(f.NotBooked, "row"), f.NotBookedAmount)
	if f.NotBooked == 0 {
		return
	}
	var cells [][]string
	for i := range rows {
		n := &rows[i]
		account := ""
		if n.AccountID != 0 {
			account = fmt.Sprint(n.AccountID)
		}
		cells = append(cells, []string{fmt.Sprint(n.Line), account, Printable(n.InvoiceID), n.Amount.String(), string(n.Reason), Printable(notBookedWords(n))})
	}
	printTable(w, fmt.Sprintf("Not booked (%d of %s)", len(rows), Count(f.NotBooked)), []string{"line", "account", "invoice", "amount", "reason", ""}, cells)
}

// NotBookedCSV writes the same, amounts in kopecks as they are added to invoices.
func NotBookedCSV(w io.Writer, rows []models.NotBooked) error {
	out := csv.NewWriter(w)
	cells := [][]string{{"line", "account", "invoice", "amount_minor", "reason", "explanation"}}
	for i := range rows {
		n := &rows[i]
		cells = append(cells, []string{
			fmt.Sprint(n.Line), fmt.Sprint(n.AccountID), spreadsheet.EscapeFormula(n.InvoiceID), fmt.Sprint(int64(n.Amount)), string(n.Reason), spreadsheet.EscapeFormula(notBookedWords(n)),
		})
	}
	return out.WriteAll(cells)
}

func notBookedWords(n *models.NotBooked) string {
	switch n.Reason {
	case models.NotBookedUnknownInvoice:
		return "no such invoice is known here"
	case models.NotBookedUnknownAccount:
		return "no such account is known here"
	case models.NotBookedOtherMonth:
		return "the invoice is one of " + n.Detail
	case models.NotBookedNoInvoice:
		return "the account has no invoice in the month"
	case models.NotBookedMeanwhile:
		return "something has come while it was booked, and the ledger holds " + n.Detail + ": repeat the command"
	}
	return n.Detail
}
