package workload

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"referral/models"
)

// Sources of events.
const (
	pbx     = "/pbx"
	cabinet = "/cabinet"
	billing = "/billing"
)

// event is a CloudEvent to be sent.
type event struct {
	topic   Topic
	id      string
	source  string
	kind    string
	account int64
	at      time.Time
	data    any
}

// message encodes the event, in structured or in binary mode.
func (e event) message(binary bool) Message {
	account := strconv.FormatInt(e.account, 10)
	m := Message{Topic: e.topic, Key: []byte(account), Expected: Expected{AccountID: e.account, Event: e.id}}
	if binary {
		m.Value = encode(e.data)
		m.Headers = []models.Header{
			{Key: "content-type", Value: []byte("application/json")},
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_id", Value: []byte(e.id)},
			{Key: "ce_source", Value: []byte(e.source)},
			{Key: "ce_type", Value: []byte(e.kind)},
			{Key: "ce_time", Value: e.at.UTC().AppendFormat(nil, time.RFC3339)},
			{Key: "ce_subject", Value: []byte(account)},
		}
		return m
	}
	m.Value = encode(struct {
		SpecVersion string    `json:"specversion"`
		ID          string    `json:"id"`
		Source      string    `json:"source"`
		Type        string    `json:"type"`
		Time        time.Time `json:"time"`
		Subject     string    `json:"subject"`
		ContentType string    `json:"datacontenttype"`
		Data        any       `json:"data"`
	}{"1.0", e.id, e.source, e.kind, e.at.UTC(), account, "application/json", e.data})
	m.Headers = []models.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
	return m
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("an event of plain values: %v", err))
	}
	return text
}

// The data of the events, as the topics carry it.
type (
	registered struct {
		AccountID    int64     `json:"account_id"`
		Name         string    `json:"name"`
		TaxID        string    `json:"tax_id"`
		RegisteredAt time.Time `json:"registered_at"`
		Email        string    `json:"email,omitempty"`
		Phone        string    `json:"phone,omitempty"`
		PromoUntil   string    `json:"promo_until,omitempty"`
		Tariff       *tariff   `json:"tariff,omitempty"`
	}
	// tariff is a field that the program does not know, and must ignore.
	tariff struct {
		Plan  string `json:"plan"`
		Seats int    `json:"seats"`
	}
	promoEnded struct {
		AccountID    int64     `json:"account_id"`
		PromoEndedAt time.Time `json:"promo_ended_at"`
	}
	terminated struct {
		AccountID    int64     `json:"account_id"`
		TerminatedAt time.Time `json:"terminated_at"`
	}
	activation struct {
		AccountID   int64     `json:"account_id"`
		Code        string    `json:"code"`
		RequestedAt time.Time `json:"requested_at"`
	}
	invoice struct {
		ID        string        `json:"invoice_id"`
		AccountID int64         `json:"account_id"`
		Period    models.Period `json:"period"`
		Revision  int           `json:"revision"`
		Currency  string        `json:"currency"`
		Lines     []line        `json:"lines"`
	}
	line struct {
		ID      string      `json:"line_id"`
		Service string      `json:"service"`
		From    models.Date `json:"from"`
		To      models.Date `json:"to"`
		Amount  int64       `json:"amount_minor"`
	}
)

// invoiceEvent is the event that brings an invoice.
func invoiceEvent(inv *models.Invoice, id string, at time.Time) event {
	data := invoice{
		ID: inv.ID, AccountID: inv.AccountID, Period: inv.Period, Revision: inv.Revision, Currency: inv.Currency,
		Lines: make([]line, len(inv.Lines)),
	}
	for i, l := range inv.Lines {
		data.Lines[i] = line{ID: l.ID, Service: l.Service, From: l.From, To: l.To, Amount: int64(l.Amount)}
	}
	return event{topic: Invoices, id: id, source: billing, kind: "billing.invoice-issued.v1", account: inv.AccountID, at: at, data: data}
}
