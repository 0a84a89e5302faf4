package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"referral/billing"
	"referral/models"
)

// reconcileReport is a reconciliation as the world sees it. The names are part
// of the contract with whoever reads the JSON.
type reconcileReport struct {
	Period     models.Period      `json:"period"`
	State      models.PeriodState `json:"state"`
	ClosedAt   time.Time          `json:"closed_at,omitzero"`
	Stale      int64              `json:"accounts_to_settle_again"`
	OtherTerms bool               `json:"other_terms"` // than those that the service works by
	CheckedAt  time.Time          `json:"checked_at"`

	Ties        bool               `json:"ties"`
	Nothing     bool               `json:"nothing"` // there was nothing to reconcile
	Accounts    int64              `json:"accounts"`
	Invoices    int64              `json:"invoices"`
	Documents   int64              `json:"documents"`
	Packages    int64              `json:"packages"`
	Overall     []controlReport    `json:"overall"`
	Controls    []controlReport    `json:"controls"`
	Foreign     foreignReport      `json:"posted_for_closed_periods"`
	Signed      *signatureReport   `json:"signed"`                // null unless the period is closed
	Corrections []correctionReport `json:"corrections"`           // posted since it was signed
	Moved       []movedReport      `json:"moved_between_periods"` // since then, by invoices whose period has changed
	Earlier     []signatureReport  `json:"earlier_signatures"`    // taken back by reopening
	Acts        []actReport        `json:"acts"`
	OnTheWay    int64              `json:"on_their_way"` // of the breaks: posted a short while ago, billing may still answer
	BreakCount  int64              `json:"break_count"`
	Breaks      []breakReport      `json:"breaks"` // the first of them
	Held        []heldReport       `json:"held"`
	NoticeCount int64              `json:"notice_count"`
	Notices     []noticeReport     `json:"notices"` // the first of them
}

// controlReport is a line of the control totals.
type controlReport struct {
	Kind       string      `json:"kind"`
	Percent    int         `json:"percent,omitempty"`
	SMS        int         `json:"sms,omitempty"` // size of the package
	Currency   string      `json:"currency,omitempty"`
	Ties       bool        `json:"ties"`
	Difference string      `json:"difference"` // in words; empty when it ties
	Entitled   totalReport `json:"entitled"`
	Posted     totalReport `json:"posted"`
	Published  totalReport `json:"published"`
	Answered   totalReport `json:"answered"`
	WrittenOff totalReport `json:"written_off"` // of what is published, rejected by billing and settled by hand
}

// totalReport is a number of lines, or packages, with their amount.
type totalReport struct {
	Count       int64        `json:"count"`
	AmountMinor models.Money `json:"amount_minor"`
}

type foreignReport struct {
	Documents   int64        `json:"documents"`
	AmountMinor models.Money `json:"amount_minor"`
}

type breakReport struct {
	Kind          billing.BreakKind `json:"kind"`
	AccountID     int64             `json:"account_id"`
	InvoiceID     string            `json:"invoice_id"`
	DocumentID    string            `json:"document_id"` // empty when none is to blame
	Lines         []string          `json:"lines"`
	ExpectedMinor models.Money      `json:"expected_minor"`
	ActualMinor   models.Money      `json:"actual_minor"`
	Detail        string            `json:"detail"`
}

type heldReport struct {
	Service     string       `json:"service"`
	Lines       int64        `json:"lines"`
	AmountMinor models.Money `json:"amount_minor"`
}

type noticeReport struct {
	Kind        billing.NoticeKind `json:"kind"`
	AccountID   int64              `json:"account_id"`
	InvoiceID   string             `json:"invoice_id"`
	AmountMinor models.Money       `json:"amount_minor"`
	Detail      string             `json:"detail"`
}

func newReconcileReport(info models.PeriodInfo, now time.Time) *reconcileReport {
	return &reconcileReport{
		Period: info.Period, State: info.State, ClosedAt: info.ClosedAt, Stale: info.Stale, CheckedAt: now.UTC(),
		Breaks: []breakReport{}, Held: []heldReport{}, Notices: []noticeReport{},
	}
}

func (t *reconcileReport) fill(r *billing.Reconciliation) {
	t.Ties, t.Nothing = r.Ties(), r.Empty()
	t.Accounts, t.Invoices, t.Documents, t.Packages = r.Accounts, r.Invoices, r.Documents, r.Packages
	t.Controls, t.Overall = controlReports(r.Lines()), controlReports(r.Overall())
	t.Foreign = foreignReport{r.Foreign.Count, r.Foreign.Amount}
	t.OnTheWay = r.OnTheWay
	t.BreakCount, t.NoticeCount = r.BreakCount, r.NoticeCount
	for i := range r.Breaks {
		t.Breaks = append(t.Breaks, breakReportOf(&r.Breaks[i]))
	}
	for _, n := range r.Notices {
		t.Notices = append(t.Notices, noticeReport{n.Kind, n.AccountID, n.InvoiceID, n.Amount, n.Detail})
	}
	slices.SortStableFunc(t.Notices, func(a, b noticeReport) int { return cmp.Compare(a.Kind, b.Kind) })
	for _, service := range slices.Sorted(maps.Keys(r.Held)) {
		t.Held = append(t.Held, heldReport{service, r.Held[service].Count, r.Held[service].Amount})
	}
}

func controlReports(lines []billing.ControlLine) []controlReport {
	list := make([]controlReport, len(lines))
	for i, l := range lines {
		list[i] = controlReport{
			Kind: l.Kind, Percent: l.Percent, Currency: l.Currency, Ties: l.Ties(), Difference: l.Difference(),
			Entitled: totalReportOf(l.Entitled), Posted: totalReportOf(l.Posted), Published: totalReportOf(l.Published), Answered: totalReportOf(l.Answered),
			WrittenOff: totalReportOf(l.WrittenOff),
		}
		if l.Currency == "" {
			list[i].SMS, list[i].Percent = l.Percent, 0
		}
	}
	return list
}

func totalReportOf(t billing.Total) totalReport { return totalReport{t.Count, t.Amount} }

// stageNames is the totals in the order in which they come about; stages is theirs.
var stageNames = []string{"entitled", "posted", "published", "answered", "written off"}

func (c *controlReport) stages() []totalReport {
	return []totalReport{c.Entitled, c.Posted, c.Published, c.Answered, c.WrittenOff}
}

func breakReportOf(b *billing.Break) breakReport {
	report := breakReport{
		Kind: b.Kind, AccountID: b.AccountID, InvoiceID: b.InvoiceID, Lines: append([]string{}, b.LineIDs...),
		ExpectedMinor: b.Expected, ActualMinor: b.Actual, Detail: b.Detail,
	}
	if b.DocumentID != (models.UUID{}) {
		report.DocumentID = b.DocumentID.String()
	}
	return report
}

// unnamed says how many are counted and not listed; empty when none is.
func unnamed(all int64, listed int, what string) string {
	if rest := all - int64(listed); rest > 0 {
		return fmt.Sprintf("and %s more", things(rest, what))
	}
	return ""
}

func writeReconcileJSON(w io.Writer, t *reconcileReport) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	if err := out.Encode(t); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
