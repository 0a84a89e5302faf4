package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/billing"
	"referral/models"
	"referral/web/jsonapi"
)

// Explanation is how the discount on an invoice was calculated, to the minor unit.
type Explanation struct {
	Invoice
	Period    models.Period `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Currency  string        `json:"currency"`
	Lines     []Line        `json:"lines" nullable:"false"`
	Documents []Document    `json:"documents" nullable:"false" doc:"Posted adjustments, by sequence"`
}

// Line is an invoice line with the days of its discount.
type Line struct {
	LineID      string       `json:"line_id"`
	Service     string       `json:"service"`
	Class       string       `json:"class" enum:"discounted,excluded,held,gone" doc:"discounted: gets a discount; excluded: never gets one; held: the terms do not name its service yet; gone: not a line of the current revision"`
	From        models.Date  `json:"from,omitempty" format:"date"`
	To          models.Date  `json:"to,omitempty" format:"date" doc:"Exclusive"`
	Days        int          `json:"days"`
	Amount      models.Money `json:"amount_minor"`
	Segments    []Segment    `json:"segments" nullable:"false" doc:"Only days with a discount"`
	PercentDays int          `json:"percent_days" doc:"The sum of the percentages of all days"`
	Formula     string       `json:"formula,omitempty" doc:"The calculation with its numbers, in major units of the currency" example:"3 000.00 × 1420 / (100 × 30) = 1 420.00"`
	Wanted      models.Money `json:"wanted_minor" doc:"Owed, as added to the invoice"`
	Posted      models.Money `json:"posted_minor"`
	Difference  models.Money `json:"difference_minor" doc:"Owed and not posted yet"`
}

// Segment is consecutive days with one percentage.
type Segment struct {
	From    models.Date `json:"from" format:"date"`
	To      models.Date `json:"to" format:"date" doc:"Exclusive"`
	Days    int         `json:"days"`
	Invitee int         `json:"invitee_percent"`
	Inviter int         `json:"inviter_percent"`
	Agreed  int         `json:"agreed_percent,omitempty" doc:"Agreed with the client outside the rules"`
	Percent int         `json:"percent" doc:"The sum of all, at most 100"`
}

// Document is an adjustment that was posted on the invoice.
type Document struct {
	AdjustmentID  models.UUID             `json:"adjustment_id" format:"uuid"`
	Sequence      int                     `json:"sequence"`
	Reason        models.AdjustmentReason `json:"reason" enum:"run,late-fact,invoice-revised,revoked,booked-elsewhere" doc:"booked-elsewhere: brings the ledger to what an older system has given in the month"`
	Revision      int                     `json:"invoice_revision"`
	PostingPeriod models.Period           `json:"posting_period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Amount        models.Money            `json:"amount_minor"`
	Items         []Item                  `json:"items" nullable:"false"`
	State         billing.DocumentState   `json:"state" enum:"posted,published,applied,rejected,resent,written_off,shadow" doc:"shadow: an older system bills the month, and it is not published; resent: published again after billing rejected it, and not answered since; written_off: rejected, and settled outside of the invoice"`
	Answer        *Answer                 `json:"answer,omitempty" doc:"Billing's latest; omitted until there is one"`
}

// Item is the amount of a document for one line.
type Item struct {
	LineID   string       `json:"line_id"`
	Service  string       `json:"service"`
	Amount   models.Money `json:"amount_minor"`
	Segments []Segment    `json:"segments" nullable:"false" doc:"Of the whole discount as it was owed then"`
}

// Answer is billing's answer to a document.
type Answer struct {
	Status models.ResultStatus `json:"status" enum:"applied,rejected"`
	Amount models.Money        `json:"amount_minor"`
	At     time.Time           `json:"at"`
}

type explanationInput struct {
	Invoice string `path:"invoice_id" maxLength:"200" example:"INV-2026-01-1"`
}

func (a *API) registerExplanation() {
	register(a, huma.Operation{
		OperationID: "explain-invoice", Method: http.MethodGet, Path: "/invoices/{invoice_id}/explanation",
		Summary: "Explain the discount on an invoice", Tags: []string{"Account"},
	}, []jsonapi.Kind{unknownInvoice}, func(ctx context.Context, account int64, in *explanationInput) (Explanation, error) {
		e, found, err := a.service.ExplainInvoice(ctx, account, in.Invoice)
		if err == nil && !found {
			err = jsonapi.NewProblem(unknownInvoice)
		}
		return newExplanation(&e), err
	})
}

func newExplanation(e *billing.InvoiceExplanation) Explanation {
	return Explanation{
		Invoice: newInvoice(e.InvoiceSums), Period: e.Period, Currency: e.Currency,
		Lines: each(e.ByLine, newLine), Documents: each(e.Documents, newDocument),
	}
}

func newLine(l billing.ExplainedLine) Line {
	return Line{
		LineID: l.LineID, Service: l.Service, Class: l.Class, From: l.From, To: l.To, Days: l.Days, Amount: l.Amount,
		Segments: each(l.Segments, newSegment), PercentDays: l.PercentDays, Formula: l.Formula,
		Wanted: l.Wanted, Posted: l.Posted, Difference: l.Difference,
	}
}

func newSegment(d billing.ExplainedDays) Segment {
	return Segment{From: d.From, To: d.To, Days: d.Days, Invitee: d.Invitee, Inviter: d.Inviter, Agreed: d.Agreed, Percent: d.Percent}
}

func newDocument(d billing.ExplainedDocument) Document {
	out := Document{
		AdjustmentID: d.ID, Sequence: d.Sequence, Reason: d.Reason, Revision: d.Revision, PostingPeriod: d.PostingPeriod,
		Amount: d.Amount, Items: each(d.Items, newItem), State: d.State,
	}
	if d.Answer != nil {
		out.Answer = &Answer{Status: d.Answer.Status, Amount: d.Answer.Amount, At: d.Answer.At}
	}
	return out
}

func newItem(i billing.ExplainedItem) Item {
	return Item{LineID: i.LineID, Service: i.Service, Amount: i.Amount, Segments: each(i.Days, newSegment)}
}
