package billing

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"referral/models"
)

// InvoiceExplanation is why an invoice has the discount that it has, to the
// kopeck: its current lines with their arithmetic, and every document posted.
type InvoiceExplanation struct {
	InvoiceSums
	AccountID int64               `json:"account_id"`
	Account   Explanation         `json:"account"` // without its invoices
	ByLine    []ExplainedLine     `json:"by_line"`
	Documents []ExplainedDocument `json:"documents"` // by sequence
}

// ExplainedLine is a line of an invoice with the days of its discount.
type ExplainedLine struct {
	LineID      string          `json:"line_id"`
	Service     string          `json:"service"`
	Class       string          `json:"class"`         // "discounted", "excluded", "held", or "gone": no line of the current revision
	From        models.Date     `json:"from,omitzero"` // of the service period
	To          models.Date     `json:"to,omitzero"`   // exclusive
	Days        int             `json:"days"`
	Amount      models.Money    `json:"amount_minor"`
	Segments    []ExplainedDays `json:"segments"` // only days that have a discount
	PercentDays int             `json:"percent_days"`
	Formula     string          `json:"formula,omitempty"`
	Wanted      models.Money    `json:"wanted_minor"` // as added to the invoice
	Posted      models.Money    `json:"posted_minor"`
	Difference  models.Money    `json:"difference_minor"` // still to be posted

	Decision *ExplainedServiceDecision `json:"decision,omitempty"` // of staff, that the class comes from; nil where the terms give it
}

// ExplainedServiceDecision is what staff decided about a service that the terms do not name.
type ExplainedServiceDecision struct {
	ID         models.UUID         `json:"decision_id"`
	Service    string              `json:"service"`
	Class      models.ServiceClass `json:"class" enum:"discounted,excluded"`
	DecidedAt  time.Time           `json:"decided_at"`
	By         string              `json:"by"`
	ApprovedBy string              `json:"approved_by"`
	Reason     string              `json:"reason"`
}

func (p *Programme) explainService(d models.ServiceDecision) *ExplainedServiceDecision {
	return &ExplainedServiceDecision{d.ID, d.Service, d.Class, p.inZone(d.DecidedAt), d.By, d.ApprovedBy, d.Reason}
}

// Rounded reports whether the discount of a line was rounded to a whole kopeck. The factors
// are reduced first, because their product could overflow.
func (l *ExplainedLine) Rounded() bool {
	whole := int64(100 * l.Days)
	return whole > 0 && (int64(l.Amount)%whole)*(int64(l.PercentDays)%whole)%whole != 0
}

// ExplainedDays is a stretch of days with one percentage.
type ExplainedDays struct {
	From        models.Date `json:"from"`
	To          models.Date `json:"to"` // exclusive
	Days        int         `json:"days"`
	Invitee     int         `json:"invitee_percent"`
	Inviter     int         `json:"inviter_percent"`
	Agreed      int         `json:"agreed_percent,omitempty"`
	Percent     int         `json:"percent"` // all together, at most 100
	PercentDays int         `json:"percent_days"`
}

// ExplainedDocument is a document of the ledger and how far it got.
type ExplainedDocument struct {
	Sequence      int                     `json:"sequence"`
	ID            models.UUID             `json:"adjustment_id"`
	Reason        models.AdjustmentReason `json:"reason"`
	Revision      int                     `json:"invoice_revision"`
	PostingPeriod models.Period           `json:"posting_period"`
	Amount        models.Money            `json:"amount_minor"`
	Items         []ExplainedItem         `json:"items"`
	Published     bool                    `json:"published"`
	Answer        *Answered               `json:"answer"`
	State         DocumentState           `json:"state"`
	Decisions     []Decision              `json:"decisions,omitempty"`
}

// ExplainedItem is the difference that a document posted on a line.
type ExplainedItem struct {
	LineID  string          `json:"line_id"`
	Service string          `json:"service"`
	Amount  models.Money    `json:"amount_minor"`
	Days    []ExplainedDays `json:"segments"` // of the whole discount, as it was wanted then
}

// ExplainInvoice says why an invoice of the account has the discount that it has.
// found is false when the account has no such invoice.
func (p *Programme) ExplainInvoice(c *models.AccountHistory, id string) (e InvoiceExplanation, found bool) {
	inv, found := invoiceOf(c, id)
	if !found {
		return e, false
	}
	entitlements := p.EntitlementsOf(c)
	timeline := Timeline(entitlements.Discounts)
	e = InvoiceExplanation{
		InvoiceSums: p.explainSums(timeline, c, inv), AccountID: inv.Invoice.AccountID, Account: p.Explain(c), Documents: []ExplainedDocument{},
	}
	cause := failure(func() { e.ByLine = p.explainLines(timeline, inv) })
	if cause != nil {
		e.ByLine = []ExplainedLine{} // an invoice that cannot be settled has no arithmetic to show
	}
	if cause != nil && e.Parked == "" {
		e.Parked = fmt.Sprint(cause)
	}
	e.Account.Invoices = nil
	for i := range inv.Documents {
		e.Documents = append(e.Documents, p.explainDocument(&inv.Documents[i]))
	}
	return e, true
}

func invoiceOf(c *models.AccountHistory, id string) (*models.AuditInvoice, bool) {
	for i := range c.Invoices {
		if c.Invoices[i].Invoice.ID == id {
			return &c.Invoices[i], true
		}
	}
	return nil, false
}

func (p *Programme) explainLines(timeline []models.Segment, inv *models.AuditInvoice) []ExplainedLine {
	lines := []ExplainedLine{}
	posted, wanted := lineSums(inv.Documents), map[string]models.Money{}
	for _, item := range p.Desire(timeline, &inv.Invoice).Items {
		wanted[item.LineID] = item.Amount
	}
	for i := range inv.Invoice.Lines {
		e := p.explainLine(timeline, &inv.Invoice, &inv.Invoice.Lines[i])
		e.Wanted, e.Posted = wanted[e.LineID], posted[e.LineID]
		e.Difference = e.Wanted.Add(-e.Posted)
		delete(posted, e.LineID)
		lines = append(lines, e)
	}
	for _, line := range slices.Sorted(maps.Keys(posted)) {
		lines = append(lines, ExplainedLine{
			LineID: line, Service: serviceOf(inv.Documents, line), Class: "gone", Segments: []ExplainedDays{},
			Posted: posted[line], Difference: -posted[line],
		})
	}
	return lines
}

func serviceOf(documents []models.AuditDocument, line string) string {
	for i := range documents {
		for _, item := range documents[i].Items {
			if item.LineID == line {
				return item.Service
			}
		}
	}
	return ""
}

func (p *Programme) explainLine(timeline []models.Segment, inv *models.Invoice, l *models.Line) ExplainedLine {
	class := p.ClassOf(inv, l)
	e := ExplainedLine{
		LineID: l.ID, Service: l.Service, Class: class.String(), From: l.From, To: l.End(), Days: l.Days(), Amount: l.Amount,
		Segments: []ExplainedDays{},
	}
	if class != Held && p.Class(l.Service, l.From) == Held {
		e.Decision = p.explainService(inv.Services[l.Service])
	}
	if class != Discounted {
		return e
	}
	segments := Within(nil, timeline, l)
	e.Segments, e.PercentDays = explainDays(segments), percentDays(segments)
	if e.PercentDays > 0 {
		e.Formula = formula(l.Amount, e.PercentDays, l.Days())
	}
	return e
}

// String is the class in a word.
func (c ServiceClass) String() string {
	switch c {
	case Discounted:
		return "discounted"
	case Excluded:
		return "excluded"
	}
	return "held"
}

func explainDays(segments []models.Segment) []ExplainedDays {
	days := make([]ExplainedDays, len(segments))
	for i, s := range segments {
		days[i] = ExplainedDays{s.From, s.To, s.Days(), s.Invitee, s.Inviter, s.Agreed, s.Percent(), s.PercentDays()}
	}
	return days
}

// formula is the arithmetic of a line with its numbers, in major units:
// "3 000.00 × 1420 / (100 × 30) = 1 420.00", and the fraction of 0.01 when there
// was one to be rounded.
func formula(amount models.Money, percentDays, days int) string {
	part, whole := big.NewInt(int64(percentDays)), big.NewInt(100*int64(days))
	quotient, rest := new(big.Int).QuoRem(new(big.Int).Mul(big.NewInt(int64(amount)), part), whole, new(big.Int))
	said := fmt.Sprintf("%s × %d / (100 × %d) = ", amount, percentDays, days)
	rounded := share(amount, percentDays, 100*days)
	if rest.Sign() == 0 {
		return said + models.Money(quotient.Int64()).String()
	}
	sign := ""
	if amount < 0 {
		sign = "-"
	}
	return fmt.Sprintf("%s%s%s and %s/%s of 0.01, rounded to %s", said, sign, models.Money(quotient.Abs(quotient).Int64()), rest.Abs(rest), whole, rounded)
}

func (p *Programme) explainDocument(d *models.AuditDocument) ExplainedDocument {
	t := trackOf(&d.DocumentHistory)
	e := ExplainedDocument{
		Sequence: d.Sequence, ID: d.ID, Reason: d.Reason, Revision: d.InvoiceRevision, PostingPeriod: d.PostingPeriod, Amount: d.Amount,
		Items: []ExplainedItem{}, Published: d.Published, Answer: p.answerOf(d.Answers),
		State: t.state(), Decisions: p.decisions(&t),
	}
	for _, item := range d.Items {
		e.Items = append(e.Items, ExplainedItem{item.LineID, item.Service, item.Amount, explainDays(item.Segments)})
	}
	return e
}
