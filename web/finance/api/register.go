package api

import (
	"context"
	"net/url"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/finance"
)

// RegisterPage is a page of the documents posted into a period, with the totals of all that
// the filter lets through.
type RegisterPage struct {
	Documents []Document      `json:"documents" nullable:"false" doc:"By account, invoice and sequence"`
	Totals    []CurrencyTotal `json:"totals" nullable:"false" doc:"Of all documents, by currency"`
	Next      string          `json:"next,omitempty" doc:"The query of the next page; omitted on the last one"`
}

// CurrencyTotal is the number and the sum of documents in one currency.
type CurrencyTotal struct {
	Currency string       `json:"currency"`
	Count    int64        `json:"count"`
	Amount   models.Money `json:"amount_minor"`
}

// Document is an adjustment of the ledger.
type Document struct {
	DocumentID    models.UUID             `json:"adjustment_id" format:"uuid"`
	AccountID     int64                   `json:"account_id"`
	Name          string                  `json:"name"`
	TaxID         string                  `json:"tax_id"`
	InvoiceID     string                  `json:"invoice_id"`
	Sequence      int                     `json:"sequence"`
	Period        models.Period           `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	PostingPeriod models.Period           `json:"posting_period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Currency      string                  `json:"currency"`
	Amount        models.Money            `json:"amount_minor"`
	Reason        models.AdjustmentReason `json:"reason" enum:"run,late-fact,invoice-revised,revoked,booked-elsewhere"`
	PostedAt      time.Time               `json:"posted_at"`
	State         billing.DocumentState   `json:"state" enum:"posted,published,applied,rejected,resent,written_off,shadow"`
	AnsweredAt    *time.Time              `json:"answered_at,omitempty" doc:"When billing answered; omitted until it has"`
}

type registerInput struct {
	Period   string `path:"period" pattern:"^[0-9]{4}-[0-9]{2}$" doc:"That the documents were posted into" example:"2026-04"`
	Month    string `query:"month" doc:"Period of the invoice" example:"2026-03"`
	Client   string `query:"client" maxLength:"20" doc:"The number of an account, or a tax id"`
	Answer   string `query:"answer" enum:"none,applied,rejected" doc:"Billing's answer that counts"`
	Reason   string `query:"reason" enum:"run,late-fact,invoice-revised,revoked,booked-elsewhere"`
	Currency string `query:"currency" maxLength:"20"`
	From     string `query:"from" maxLength:"20" doc:"Smallest amount in rubles, signed" example:"-5000.00"`
	To       string `query:"to" maxLength:"20" doc:"Largest amount in rubles, signed"`
	Account  string `query:"account" maxLength:"20" doc:"These three are the next of the page before"`
	Invoice  string `query:"invoice" maxLength:"200"`
	Sequence string `query:"sequence" maxLength:"20"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (a *API) registerRegister() {
	register(a, get("list-documents", "/register/{period}", "The documents posted into a billing period", "Register", moneyRole, notFound, badFilter),
		func(ctx context.Context, _ models.Staff, in *registerInput) (r RegisterPage, err error) {
			posted, err := periodOf(in.Period)
			if err != nil {
				return r, err
			}
			filter, err := finance.ReadRegisterFilter(models.RegisterFilter{Posted: posted}, url.Values{
				"month": {in.Month}, "client": {in.Client}, "answer": {in.Answer}, "reason": {in.Reason}, "currency": {in.Currency}, "from": {in.From}, "to": {in.To},
				"account": {in.Account}, "invoice": {in.Invoice}, "sequence": {in.Sequence},
			})
			if err != nil {
				return r, err
			}
			page, next, err := a.service.Register(ctx, filter, in.Limit)
			if err != nil {
				return r, err
			}
			totals, err := a.service.RegisterTotals(ctx, filter)
			r = RegisterPage{Documents: each(page, newRegistered), Totals: each(totals, newCurrencyTotal)}
			if next != nil {
				r.Next = finance.RegisterQuery(filter, next).Encode()
			}
			return r, err
		})
}

func newCurrencyTotal(t *models.CurrencyTotal) CurrencyTotal {
	return CurrencyTotal{Currency: t.Currency, Count: t.Count, Amount: t.Amount}
}

func newRegistered(e *models.RegisterEntry) Document {
	return Document{
		DocumentID: e.DocumentID, AccountID: e.AccountID, Name: e.Name, TaxID: e.TaxID, InvoiceID: e.InvoiceID, Sequence: e.Sequence, Period: e.Period,
		PostingPeriod: e.PostingPeriod, Currency: e.Currency, Amount: e.Amount, Reason: e.Reason, PostedAt: e.PostedAt, State: billing.RegisterState(e), AnsweredAt: known(e.AnsweredAt),
	}
}
