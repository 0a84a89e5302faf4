// Package monthreport is the report that finance signs: what it says, and the form in
// which it is hashed and kept. It is pure: values in, bytes out.
package monthreport

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/models"
)

// Format names the form of the report. What a report of this form says, and the order of
// its fields, never changes; a report that says more has another name: the one that names
// decisions on services is FormatServices.
const (
	Format         = "referral.month-report.v1"
	FormatServices = "referral.month-report.v2"
)

// Report is a signed month. Its fields are in the order of the canonical form; see
// docs/month-report.md. Amounts are kopecks, signed as added to an invoice.
type Report struct {
	Format       string        `json:"format"`
	Period       models.Period `json:"period"`
	SignedAt     time.Time     `json:"signed_at"`
	SignedBy     string        `json:"signed_by"`
	ProposedAt   *time.Time    `json:"proposed_at"` // null: signed by one person, by a command
	ProposedBy   string        `json:"proposed_by"`
	Reason       string        `json:"reason"`
	Override     string        `json:"override"`
	Objections   []string      `json:"objections"`
	ReconciledAt time.Time     `json:"reconciled_at"`
	LastRun      int64         `json:"last_run"`
	Program      string        `json:"program"`
	TermsDigest  string        `json:"terms_digest"`
	Accounts     int64         `json:"accounts"`
	Invoices     int64         `json:"invoices"`
	Documents    int64         `json:"documents"`
	Packages     int64         `json:"packages"`
	Overall      []Total       `json:"overall"`
	Totals       []Total       `json:"totals"`
	Services     []Service     `json:"services"`
	Into         []Elsewhere   `json:"corrections_into"`
	Away         []Elsewhere   `json:"corrections_out"`
	Steps        []Step        `json:"steps"`
	Lacking      Sum           `json:"entitled_not_discounted"`
	Excess       Sum           `json:"discounted_not_entitled"`
	BreakCount   int64         `json:"break_count"`
	Breaks       []Break       `json:"breaks"`
	Waiting      Waiting       `json:"waiting"`
	Register     Register      `json:"register"`

	ServiceDecisions []ServiceDecision `json:"service_decisions,omitempty" nullable:"false"` // in force; of FormatServices
}

// ServiceDecision is what two persons have decided about a service that the terms do not
// name.
type ServiceDecision struct {
	ID         string              `json:"decision_id"`
	Service    string              `json:"service"`
	Class      models.ServiceClass `json:"class" enum:"discounted,excluded"`
	DecidedAt  time.Time           `json:"decided_at"`
	By         string              `json:"decided_by"`
	ApprovedBy string              `json:"approved_by"`
	Reason     string              `json:"reason"`
}

// ServiceDecisionOf is a decision as reports say it.
func ServiceDecisionOf(d *models.ServiceDecision) ServiceDecision {
	return ServiceDecision{d.ID.String(), d.Service, d.Class, d.DecidedAt.UTC(), d.By, d.ApprovedBy, d.Reason}
}

// Sum is an amount with the number of its parts.
type Sum struct {
	Count  int64        `json:"count"`
	Amount models.Money `json:"amount_minor"`
}

// Control is the totals that must agree.
type Control struct {
	Entitled   Sum `json:"entitled"`
	Posted     Sum `json:"posted"`
	Published  Sum `json:"published"`
	Answered   Sum `json:"answered"`
	WrittenOff Sum `json:"written_off"`
}

// Total is a line of the control totals.
type Total struct {
	Kind     string `json:"kind"`
	Percent  int    `json:"percent"` // or the size of a package
	Currency string `json:"currency"`
	Control
}

// Service is the control totals of the lines of one service.
type Service struct {
	Service  string `json:"service"`
	Currency string `json:"currency"`
	Control
}

// Elsewhere is what was posted between this period and another one.
type Elsewhere struct {
	Period    models.Period `json:"period"`
	Documents int64         `json:"documents"`
	Amount    models.Money  `json:"amount_minor"`
	Packages  int64         `json:"packages"`
}

// Step is how many accounts have a discount on the last day of the period.
type Step struct {
	Kind     models.DiscountKind `json:"kind"`
	Step     int                 `json:"step"`
	Percent  int                 `json:"percent"`
	Accounts int64               `json:"accounts"`
}

// Break is one thing that did not tie.
type Break struct {
	Kind       string       `json:"kind"`
	AccountID  int64        `json:"account_id"`
	InvoiceID  string       `json:"invoice_id"`
	DocumentID string       `json:"document_id"`
	Expected   models.Money `json:"expected_minor"`
	Actual     models.Money `json:"actual_minor"`
	Detail     string       `json:"detail"`
}

// Waiting is what waits in the period.
type Waiting struct {
	Stale    int64            `json:"stale_accounts"`
	Held     []Held           `json:"held"`
	Parked   []Parked         `json:"parked"`
	Packages []WaitingPackage `json:"packages"`
}

// Held is lines of a service that the terms do not name.
type Held struct {
	Service string       `json:"service"`
	Lines   int64        `json:"lines"`
	Amount  models.Money `json:"amount_minor"`
}

// Parked is an account, or one invoice of it, that could not be settled.
type Parked struct {
	AccountID int64  `json:"account_id"`
	InvoiceID string `json:"invoice_id"`
	Error     string `json:"error"`
}

// WaitingPackage is packages earned in an earlier month that no invoice has named.
type WaitingPackage struct {
	Period   models.Period `json:"period"`
	Packages int64         `json:"packages"`
}

// Register is what was posted into the period, with the digests of its lists.
type Register struct {
	Documents       int64        `json:"documents"`
	Amount          models.Money `json:"amount_minor"`
	DocumentsSHA256 string       `json:"documents_sha256"`
	Packages        int64        `json:"packages"`
	SMS             int64        `json:"sms"`
	PackagesSHA256  string       `json:"packages_sha256"`
}

// Basis is what a report is made of.
type Basis struct {
	Signature *models.Signature
	Found     *models.ReconciliationReport
	Ledger    *models.Ledger
	Waiting   *models.Waiting
	Packages  map[models.Period]int64 // of earlier months that no invoice has named
	Program   string
	Terms     string // digest of those in force
}

// Found is the part of a report that says what a reconciliation has found.
func Found(found *models.ReconciliationReport) *Report {
	return &Report{
		ReconciledAt: found.CheckedAt.UTC(), Accounts: found.Accounts, Invoices: found.Invoices, Documents: found.Documents, Packages: found.Packages,
		Overall: totalsOf(found.Overall), Totals: totalsOf(found.Totals),
		Services: list(found.Services, func(t models.ServiceTotal) Service { return Service{t.Service, t.Currency, controlOf(&t.Control)} }),
		Steps:    list(found.Steps, func(c models.StepCount) Step { return Step(c) }),
		Lacking:  Sum(found.Lacking), Excess: Sum(found.Excess), BreakCount: found.Wrong, Breaks: list(found.Breaks, breakOf),
	}
}

// Of is the report of a month.
func Of(b Basis) *Report {
	s, r := b.Signature, Found(b.Found)
	r.Format, r.Period, r.SignedAt, r.SignedBy, r.ProposedBy = Format, s.Period, s.At.UTC(), s.Who, s.ProposedBy
	r.Reason, r.Override, r.Objections = s.Reason, s.Override, append([]string{}, s.Objections...)
	r.LastRun, r.Program, r.TermsDigest = s.LastRun, b.Program, b.Terms
	r.Into, r.Away = list(b.Ledger.Into, elsewhere), list(b.Ledger.Away, elsewhere)
	r.Waiting, r.Register = waitingOf(b.Waiting, b.Packages), RegisterOf(&b.Ledger.Register)
	for _, d := range b.Waiting.Services {
		r.Format = FormatServices
		r.ServiceDecisions = append(r.ServiceDecisions, ServiceDecisionOf(&d))
	}
	if !s.ProposedAt.IsZero() {
		at := s.ProposedAt.UTC()
		r.ProposedAt = &at
	}
	return r
}

// list converts values. It is never nil: an empty list is written as one.
func list[A, B any](values []A, convert func(A) B) []B {
	converted := make([]B, len(values))
	for i := range values {
		converted[i] = convert(values[i])
	}
	return converted
}

func totalsOf(totals []models.ControlTotal) []Total {
	return list(totals, func(t models.ControlTotal) Total { return Total{t.Kind, t.Percent, t.Currency, controlOf(&t.Control)} })
}

func controlOf(c *models.Control) Control {
	return Control{Sum(c.Entitled), Sum(c.Posted), Sum(c.Published), Sum(c.Answered), Sum(c.WrittenOff)}
}

func elsewhere(p models.PostedElsewhere) Elsewhere {
	return Elsewhere{p.Period, p.Documents.Count, p.Documents.Amount, p.Packages}
}

func breakOf(b models.KeptBreak) Break {
	document := ""
	if b.DocumentID != (models.UUID{}) {
		document = b.DocumentID.String()
	}
	return Break{b.Kind, b.AccountID, b.InvoiceID, document, b.Expected, b.Actual, b.Detail}
}

func waitingOf(w *models.Waiting, packages map[models.Period]int64) Waiting {
	waiting := Waiting{Stale: w.Stale, Held: []Held{}, Packages: []WaitingPackage{}}
	for _, service := range slices.Sorted(maps.Keys(w.Held)) {
		waiting.Held = append(waiting.Held, Held{service, w.Held[service].Count, w.Held[service].Amount})
	}
	for _, period := range slices.Sorted(maps.Keys(packages)) {
		waiting.Packages = append(waiting.Packages, WaitingPackage{period, packages[period]})
	}
	waiting.Parked = list(w.Parked, func(p models.ParkedAccount) Parked { return Parked{p.AccountID, p.InvoiceID, p.Error} })
	slices.SortFunc(waiting.Parked, func(a, b Parked) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.InvoiceID, b.InvoiceID))
	})
	return waiting
}

// RegisterOf is a register as reports say it.
func RegisterOf(r *models.Register) Register {
	return Register{
		Documents: r.Documents.Count, Amount: r.Documents.Amount, DocumentsSHA256: hex.EncodeToString(r.DocumentsSHA256[:]),
		Packages: r.Packages, SMS: r.SMS, PackagesSHA256: hex.EncodeToString(r.PackagesSHA256[:]),
	}
}

// Canonical is the form in which a report is hashed and kept: one line of JSON without
// spaces, fields in the order of Report, amounts and counts as integers, times in UTC.
func (r *Report) Canonical() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("writing the report of %s: %w", r.Period, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Read reads a report in its canonical form.
func Read(canonical []byte) (*Report, error) {
	r := &Report{}
	if err := json.Unmarshal(canonical, r); err != nil {
		return nil, fmt.Errorf("reading a signed report: %w", err)
	}
	if r.Format != Format && r.Format != FormatServices {
		return nil, fmt.Errorf("the signed report has the form %q; this program reads %q and %q", r.Format, Format, FormatServices)
	}
	return r, nil
}
