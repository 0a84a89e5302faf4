package api

import (
	"context"
	"time"

	"referral/billing/monthreport"
	"referral/models"
	"referral/web/finance"
)

// Months is every billing period that is known.
type Months struct {
	Months []Month `json:"months" nullable:"false" doc:"The newest first"`
}

// Month is a billing period in the list of months.
type Month struct {
	Period        models.Period      `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	State         models.PeriodState `json:"state" enum:"open,run,closed"`
	Run           models.RunState    `json:"run,omitempty" enum:"rehearsing,braked,posting,done,incomplete" doc:"Of the newest run; omitted when none was made"`
	Brake         string             `json:"brake,omitempty" doc:"Why the brake holds the run"`
	Documents     monthreport.Sum    `json:"documents" doc:"Posted for the period, into whichever period"`
	Packages      int64              `json:"packages"`
	Into          monthreport.Sum    `json:"corrections_into" doc:"Posted into the period for closed ones"`
	Away          monthreport.Sum    `json:"corrections_out" doc:"Posted for the period into later ones"`
	Signed        *Signature         `json:"signed,omitempty" doc:"The newest signature"`
	ReconciledAt  *time.Time         `json:"reconciled_at,omitempty"`
	Breaks        int64              `json:"breaks" doc:"Found by the last reconciliation"`
	StaleAccounts int64              `json:"stale_accounts" doc:"To be settled again"`
	Held          monthreport.Sum    `json:"held" doc:"Lines of services that the terms do not name"`
	Parked        int64              `json:"parked" doc:"Accounts and invoices that the last run could not settle"`
}

// Signature is who signed a month, and what.
type Signature struct {
	At     time.Time    `json:"at"`
	Who    string       `json:"who"`
	Amount models.Money `json:"amount_minor"`
}

// MonthReport is a month with what its last reconciliation found. Its lists are those
// of the signed report, docs/month-report.md.
type MonthReport struct {
	Month
	Totals   []monthreport.Total   `json:"totals" nullable:"false" doc:"Control totals by kind of discount and percentage, and by size of package"`
	Overall  []monthreport.Total   `json:"overall" nullable:"false"`
	Services []monthreport.Service `json:"services" nullable:"false"`
	Steps    []monthreport.Step    `json:"steps" nullable:"false" doc:"Accounts with a discount on the last day"`
	Breaks   []monthreport.Break   `json:"named_breaks" nullable:"false" doc:"Up to 200, from skip on"`
	Booked   *BookedFile           `json:"older_system,omitempty" doc:"What an older system has given in the month, which was settled in shadow mode"`
}

const breaksPage = 200

type monthInput struct {
	Period string `path:"period" pattern:"^[0-9]{4}-[0-9]{2}$" example:"2026-04"`
	Skip   int    `query:"skip" minimum:"0" doc:"How many breaks to pass over"`
}

func (a *API) registerMonths() {
	register(a, get("list-months", "/months", "All billing periods", "Months", moneyRole), func(ctx context.Context, _ models.Staff, _ *struct{}) (Months, error) {
		months, err := a.service.Months(ctx)
		return Months{each(months, newMonth)}, err
	})
	register(a, get("get-month", "/months/{period}", "A billing period with its last reconciliation", "Months", moneyRole, notFound),
		func(ctx context.Context, _ models.Staff, in *monthInput) (MonthReport, error) {
			period, err := periodOf(in.Period)
			if err != nil {
				return MonthReport{}, err
			}
			m, known, err := a.service.Month(ctx, period, in.Skip, breaksPage)
			return newMonthReport(&m), found(known, err)
		})
}

func newMonth(m *models.MonthOverview) Month {
	out := Month{
		Period: m.Period, State: m.State, Documents: monthreport.Sum(m.Documents), Packages: m.Packages, Into: monthreport.Sum(m.Into), Away: monthreport.Sum(m.Away), ReconciledAt: known(m.CheckedAt),
		Breaks: m.Breaks, StaleAccounts: m.Stale, Held: monthreport.Sum(m.Held), Parked: m.Parked,
	}
	if m.LastRun != nil {
		out.Run, out.Brake = m.LastRun.State, m.LastRun.Brake
	}
	if m.Signed != nil {
		out.Signed = &Signature{At: m.Signed.At, Who: m.Signed.Who, Amount: m.Signed.Posted}
	}
	return out
}

func newMonthReport(m *finance.Month) MonthReport {
	checked := m.Checked
	if checked == nil {
		checked = &models.ReconciliationReport{}
	}
	r := monthreport.Found(checked)
	out := MonthReport{Month: newMonth(&m.MonthOverview), Totals: r.Totals, Overall: r.Overall, Services: r.Services, Steps: r.Steps, Breaks: r.Breaks}
	if b := m.Booked; b != nil {
		out.Booked = &BookedFile{
			SHA256: b.SHA256, BookedAt: b.At, Rows: b.Rows, Amount: b.Amount,
			NotBooked: b.NotBooked, NotBookedAmount: b.NotBookedAmount, Missing: each(b.Missing, newNotBooked),
		}
	}
	return out
}

// known is a time; nil for none.
func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
