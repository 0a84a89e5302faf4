package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/billing"
)

// Explanation is why an invoice has the discount that it has, to the minor unit.
type Explanation struct {
	Invoice
	Period    string     `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Currency  string     `json:"currency"`
	Lines     []Line     `json:"lines" nullable:"false"`
	Documents []Document `json:"documents" nullable:"false" doc:"What was posted, in order"`
}

// Line is a line of an invoice with the days of its discount.
type Line struct {
	LineID      string `json:"line_id"`
	Service     string `json:"service"`
	Class       string `json:"class" enum:"discounted,excluded,held,gone" doc:"Gets a discount; never does; waits for the terms to name its service; is no line of the current revision"`
	From        string `json:"from,omitempty" format:"date"`
	To          string `json:"to,omitempty" format:"date" doc:"Exclusive"`
	Days        int    `json:"days"`
	Amount      int64  `json:"amount_minor"`
	Segments    []Days `json:"segments" nullable:"false" doc:"Only days that have a discount"`
	PercentDays int    `json:"percent_days" doc:"The percentages of all days added up"`
	Formula     string `json:"formula,omitempty" doc:"The calculation with its numbers, in major units of the currency" example:"3 000.00 × 1420 / (100 × 30) = 1 420.00"`
	Wanted      int64  `json:"wanted_minor" doc:"Owed, as added to the invoice"`
	Posted      int64  `json:"posted_minor"`
	Difference  int64  `json:"difference_minor" doc:"Owed and not posted yet"`
}

// Days is days with one percentage.
type Days struct {
	From    string `json:"from" format:"date"`
	To      string `json:"to" format:"date" doc:"Exclusive"`
	Days    int    `json:"days"`
	Invitee int    `json:"invitee_percent"`
	Inviter int    `json:"inviter_percent"`
	Percent int    `json:"percent" doc:"Both together, at most 100"`
}

// Document is what one settlement posted on the invoice.
type Document struct {
	AdjustmentID  string  `json:"adjustment_id" format:"uuid"`
	Sequence      int     `json:"sequence"`
	Reason        string  `json:"reason" enum:"run,late-fact,invoice-revised,revoked"`
	Revision      int     `json:"invoice_revision"`
	PostingPeriod string  `json:"posting_period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Amount        int64   `json:"amount_minor"`
	Items         []Item  `json:"items" nullable:"false"`
	State         string  `json:"state" enum:"posted,published,applied,rejected,resent,written_off" doc:"resent: published again after billing rejected it, and not answered since; written_off: rejected, and settled outside of the invoice"`
	Answer        *Answer `json:"answer,omitempty" doc:"Billing's latest; left out until there is one"`
}

// Item is what a document posted on a line.
type Item struct {
	LineID   string `json:"line_id"`
	Service  string `json:"service"`
	Amount   int64  `json:"amount_minor"`
	Segments []Days `json:"segments" nullable:"false" doc:"Of the whole discount, as it was owed then"`
}

// Answer is billing's answer to a document.
type Answer struct {
	Status string    `json:"status" enum:"applied,rejected"`
	Amount int64     `json:"amount_minor"`
	At     time.Time `json:"at"`
}

type (
	explanationIn struct {
		Invoice string `path:"invoice_id" maxLength:"200" example:"INV-2026-01-1"`
	}
	explanationOut struct{ Body Explanation }
)

func (a *API) explanation() {
	register(a, huma.Operation{
		OperationID: "explain-invoice", Method: http.MethodGet, Path: Prefix + "/invoices/{invoice_id}/explanation",
		Summary: "Why an invoice has the discount that it has", Tags: []string{"Account"},
	}, []kind{unknownInvoice}, func(ctx context.Context, account int64, in *explanationIn) (*explanationOut, error) {
		e, found, err := a.o.Service.Why(ctx, account, in.Invoice)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, problem(unknownInvoice)
		}
		return &explanationOut{newExplanation(&e)}, nil
	})
}

func newExplanation(e *billing.InvoiceExplanation) Explanation {
	return Explanation{
		Invoice: newInvoice(e.InvoiceSums), Period: e.Period.String(), Currency: e.Currency,
		Lines: each(e.ByLine, newLine), Documents: each(e.Documents, newDocument),
	}
}

func newLine(l billing.ExplainedLine) Line {
	return Line{
		LineID: l.LineID, Service: l.Service, Class: l.Class, From: dayOrNone(l.From), To: dayOrNone(l.To), Days: l.Days, Amount: int64(l.Amount),
		Segments: each(l.Segments, newDays), PercentDays: l.PercentDays, Formula: l.Formula,
		Wanted: int64(l.Wanted), Posted: int64(l.Posted), Difference: int64(l.Difference),
	}
}

func newDays(d billing.ExplainedDays) Days {
	return Days{d.From.String(), d.To.String(), d.Days, d.Invitee, d.Inviter, d.Percent}
}

func newDocument(d billing.ExplainedDocument) Document {
	out := Document{
		AdjustmentID: d.ID.String(), Sequence: d.Sequence, Reason: string(d.Reason), Revision: d.Revision, PostingPeriod: d.PostingPeriod.String(),
		Amount: int64(d.Amount), Items: each(d.Items, newItem), State: string(d.State),
	}
	if d.Answer != nil {
		out.Answer = &Answer{string(d.Answer.Status), int64(d.Answer.Amount), d.Answer.At}
	}
	return out
}

func newItem(i billing.ExplainedItem) Item {
	return Item{i.LineID, i.Service, int64(i.Amount), each(i.Days, newDays)}
}
