package report

import (
	"fmt"
	"io"

	"referral/models"
)

// runLine is a run as a line of JSON.
type runLine struct {
	Type          string          `json:"type"` // run; totals of a rehearsal
	Run           int64           `json:"run"`
	Period        models.Period   `json:"period"`
	PostingPeriod models.Period   `json:"posting_period"`
	Kind          models.RunKind  `json:"kind"`
	State         models.RunState `json:"state"`
	Brake         string          `json:"brake,omitempty"`
	Accounts      int64           `json:"accounts"`
	FullDiscount  int64           `json:"accounts_at_100_percent"`
	Documents     int64           `json:"documents"`
	Items         int64           `json:"items"`
	AmountMinor   models.Money    `json:"amount_minor"`
	Packages      int64           `json:"packages"`
	SMS           int64           `json:"sms"`
	HeldLines     int64           `json:"held_lines"`
	Parked        []parkedLine    `json:"parked"`
}

// parkedLine is an account that the run could not settle, or one invoice of it.
type parkedLine struct {
	AccountID int64  `json:"account_id"`
	InvoiceID string `json:"invoice_id,omitempty"`
	Error     string `json:"error"`
}

// RunLine writes a run, or the totals of a rehearsal, as a line of JSON.
func RunLine(w io.Writer, run models.Run, parked []models.ParkedAccount) error {
	return encode(w, runLineOf(run, parked), "")
}

// RunTable writes a run, or the totals of a rehearsal, for people.
func RunTable(w io.Writer, run models.Run, parked []models.ParkedAccount) {
	t := run.Totals
	verb := "posted"
	if run.State == models.RunBraked || run.ID == 0 {
		verb = "would be posted"
	}
	title := fmt.Sprintf("Run %d of %s (%s): %s", run.ID, run.Period, run.Kind, run.State)
	if run.ID == 0 {
		title = fmt.Sprintf("Rehearsal of %s (%s)", run.Period, run.Kind)
	}
	if run.PostingPeriod != run.Period {
		title += fmt.Sprintf(", posted to %s, for %s is closed", run.PostingPeriod, run.Period)
	}
	printTable(w, title, []string{"", verb}, [][]string{
		{"accounts", Count(t.Accounts)}, {"of them at 100 %", Count(t.Full)},
		{"documents", Count(t.Documents)}, {"lines", Count(t.Items)}, {"amount", t.Amount.String()},
		{"SMS packages", Count(t.Packages)}, {"SMS in them", Count(t.SMS)},
		{"lines on hold", Count(t.HeldLines)}, {"parked", Count(t.Parked)},
	})
	for _, what := range parked {
		fmt.Fprintf(w, "parked: %s\n", Printable(what.String()))
	}
}

func runLineOf(run models.Run, parked []models.ParkedAccount) runLine {
	t, what := run.Totals, "run"
	if run.ID == 0 {
		what = "totals"
	}
	line := runLine{
		Type: what, Run: run.ID, Period: run.Period, PostingPeriod: run.PostingPeriod, Kind: run.Kind, State: run.State, Brake: run.Brake,
		Accounts: t.Accounts, FullDiscount: t.Full, Documents: t.Documents, Items: t.Items, AmountMinor: t.Amount,
		Packages: t.Packages, SMS: t.SMS, HeldLines: t.HeldLines, Parked: make([]parkedLine, len(parked)),
	}
	for i, account := range parked {
		line.Parked[i] = parkedLine{account.AccountID, account.InvoiceID, account.Error}
	}
	return line
}
