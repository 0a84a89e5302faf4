package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/billing"
	"referral/models"
)

// Reconciliation is a reconciliation as it is printed. The names are part of the
// contract with those who read the JSON.
type Reconciliation struct {
	Period     models.Period      `json:"period"`
	State      models.PeriodState `json:"state"`
	ClosedAt   time.Time          `json:"closed_at,omitzero"`
	Stale      int64              `json:"accounts_to_settle_again"`
	OtherTerms bool               `json:"other_terms"` // than those in force
	CheckedAt  time.Time          `json:"checked_at"`

	Ties        bool         `json:"ties"`
	Nothing     bool         `json:"nothing"` // there was nothing to reconcile
	Accounts    int64        `json:"accounts"`
	Invoices    int64        `json:"invoices"`
	Documents   int64        `json:"documents"`
	Packages    int64        `json:"packages"`
	Overall     []Control    `json:"overall"`
	Controls    []Control    `json:"controls"`
	Foreign     Foreign      `json:"posted_for_closed_periods"`
	Signed      *Signature   `json:"signed"`                // null unless the period is closed
	Corrections []Correction `json:"corrections"`           // posted since it was signed
	Moved       []Moved      `json:"moved_between_periods"` // since then, by invoices whose period has changed
	Earlier     []Signature  `json:"earlier_signatures"`    // taken back by reopening
	Acts        []Act        `json:"acts"`
	OnTheWay    int64        `json:"on_their_way"` // of the breaks: posted within schedule.answer_grace, billing may still answer
	BreakCount  int64        `json:"break_count"`
	Breaks      []Break      `json:"breaks"` // the first of them
	Held        []Held       `json:"held"`
	NoticeCount int64        `json:"notice_count"`
	Notices     []Notice     `json:"notices"` // the first of them
}

// Control is a line of the control totals.
type Control struct {
	Kind       string `json:"kind"`
	Percent    int    `json:"percent,omitempty"`
	SMS        int    `json:"sms,omitempty"` // size of the package
	Currency   string `json:"currency,omitempty"`
	Ties       bool   `json:"ties"`
	Difference string `json:"difference"` // in words; empty when it ties
	Entitled   Total  `json:"entitled"`
	Posted     Total  `json:"posted"`
	Published  Total  `json:"published"`
	Answered   Total  `json:"answered"`
	WrittenOff Total  `json:"written_off"` // of what is published, rejected by billing and settled by hand
}

// Total is a number of lines, or packages, with their amount.
type Total struct {
	Count       int64        `json:"count"`
	AmountMinor models.Money `json:"amount_minor"`
}

// Foreign is what was posted into the period for closed ones.
type Foreign struct {
	Documents   int64        `json:"documents"`
	AmountMinor models.Money `json:"amount_minor"`
}

// Break is something that does not tie.
type Break struct {
	Kind          billing.BreakKind `json:"kind"`
	AccountID     int64             `json:"account_id"`
	InvoiceID     string            `json:"invoice_id"`
	DocumentID    string            `json:"document_id"` // empty when it is not about a document
	Lines         []string          `json:"lines"`
	ExpectedMinor models.Money      `json:"expected_minor"`
	ActualMinor   models.Money      `json:"actual_minor"`
	Detail        string            `json:"detail"`
}

// Held is the invoice lines of a service that the terms neither discount nor exclude.
type Held struct {
	Service     string       `json:"service"`
	Lines       int64        `json:"lines"`
	AmountMinor models.Money `json:"amount_minor"`
}

// Notice is something that ties and should be looked at.
type Notice struct {
	Kind        billing.NoticeKind `json:"kind"`
	AccountID   int64              `json:"account_id"`
	InvoiceID   string             `json:"invoice_id"`
	AmountMinor models.Money       `json:"amount_minor"`
	Detail      string             `json:"detail"`
}

// NewReconciliation is the report of a reconciliation of a period.
func NewReconciliation(info models.PeriodInfo, r *billing.Reconciliation, head *models.AuditHead, now time.Time) *Reconciliation {
	t := &Reconciliation{
		Period: info.Period, State: info.State, ClosedAt: info.ClosedAt, Stale: info.Stale, CheckedAt: now.UTC(),
		Ties: r.Ties(), Nothing: r.Empty(), Accounts: r.Accounts, Invoices: r.Invoices, Documents: r.Documents, Packages: r.Packages,
		Controls: controlsOf(r.Lines()), Overall: controlsOf(r.Overall()), Foreign: Foreign{r.Foreign.Count, r.Foreign.Amount},
		OnTheWay: r.OnTheWay, BreakCount: r.BreakCount, NoticeCount: r.NoticeCount,
		Breaks: []Break{}, Held: []Held{}, Notices: []Notice{},
	}
	for i := range r.Breaks {
		t.Breaks = append(t.Breaks, breakOf(&r.Breaks[i]))
	}
	for _, n := range r.Notices {
		t.Notices = append(t.Notices, Notice{n.Kind, n.AccountID, n.InvoiceID, n.Amount, n.Detail})
	}
	slices.SortStableFunc(t.Notices, func(a, b Notice) int { return cmp.Compare(a.Kind, b.Kind) })
	for _, service := range slices.Sorted(maps.Keys(r.Held)) {
		t.Held = append(t.Held, Held{service, r.Held[service].Count, r.Held[service].Amount})
	}
	t.addSignatures(r, head)
	return t
}

func controlsOf(lines []models.ControlTotal) []Control {
	list := make([]Control, len(lines))
	for i, l := range lines {
		list[i] = Control{
			Kind: l.Kind, Percent: l.Percent, Currency: l.Currency, Ties: l.Ties(), Difference: billing.Difference(l.Control),
			Entitled: totalOf(l.Entitled), Posted: totalOf(l.Posted), Published: totalOf(l.Published), Answered: totalOf(l.Answered),
			WrittenOff: totalOf(l.WrittenOff),
		}
		if l.Currency == "" {
			list[i].SMS, list[i].Percent = l.Percent, 0
		}
	}
	return list
}

func totalOf(t models.CountedAmount) Total { return Total{t.Count, t.Amount} }

// stageNames is the names of the totals of a control, stages the totals, in the same order.
var stageNames = []string{"entitled", "posted", "published", "answered", "written off"}

func (c *Control) stages() []Total {
	return []Total{c.Entitled, c.Posted, c.Published, c.Answered, c.WrittenOff}
}

func breakOf(b *billing.Break) Break {
	r := Break{
		Kind: b.Kind, AccountID: b.AccountID, InvoiceID: b.InvoiceID, Lines: append([]string{}, b.LineIDs...),
		ExpectedMinor: b.Expected, ActualMinor: b.Actual, Detail: b.Detail,
	}
	if b.DocumentID != (models.UUID{}) {
		r.DocumentID = b.DocumentID.String()
	}
	return r
}

// unlisted says how many are counted and not listed; empty when all are listed.
func unlisted(all int64, listed int, what string) string {
	if rest := all - int64(listed); rest > 0 {
		return fmt.Sprintf("and %s more", Quantity(rest, what))
	}
	return ""
}
