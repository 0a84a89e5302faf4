package workload

import (
	"strconv"
	"time"

	"referral/models"
)

// The encoders below write JSON by hand: a benchmark of the reader must not be
// held up by the writer. They need no escaping, for every string is made here.

const (
	pbx     = "/pbx"
	cabinet = "/cabinet"
	billing = "/billing"
)

// event is a message in the making.
type event struct {
	topic   Topic
	id      string
	source  string
	kind    string
	account int64
	at      time.Time
	data    []byte
}

// message encodes the event, in structured or in binary mode.
func (e event) message(binary bool) Message {
	m := Message{
		Topic: e.topic, Key: strconv.AppendInt(nil, e.account, 10),
		Expected: Expected{AccountID: e.account, Event: e.id},
	}
	if binary {
		m.Value, m.Headers = e.data, e.headers()
		return m
	}
	m.Value = e.structured()
	m.Headers = []models.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
	return m
}

func (e event) headers() []models.Header {
	return []models.Header{
		{Key: "content-type", Value: []byte("application/json")},
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_id", Value: []byte(e.id)},
		{Key: "ce_source", Value: []byte(e.source)},
		{Key: "ce_type", Value: []byte(e.kind)},
		{Key: "ce_time", Value: e.at.UTC().AppendFormat(nil, time.RFC3339)},
		{Key: "ce_subject", Value: strconv.AppendInt(nil, e.account, 10)},
	}
}

func (e event) structured() []byte {
	b := make([]byte, 0, len(e.data)+240)
	b = appendText(b, `{"specversion":"1.0","id":`, e.id)
	b = appendText(b, `,"source":`, e.source)
	b = appendText(b, `,"type":`, e.kind)
	b = appendTime(b, `,"time":`, e.at.UTC())
	b = appendText(b, `,"subject":`, strconv.FormatInt(e.account, 10))
	b = append(b, `,"datacontenttype":"application/json","data":`...)
	b = append(b, e.data...)
	return append(b, '}')
}

func appendText(b []byte, field, text string) []byte {
	b = append(b, field...)
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

func appendInt(b []byte, field string, n int64) []byte {
	return strconv.AppendInt(append(b, field...), n, 10)
}

func appendTime(b []byte, field string, t time.Time) []byte {
	b = append(b, field...)
	b = append(b, '"')
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendDate(b []byte, field string, d models.Date) []byte {
	year, month, day := d.Time().Date()
	b = append(appendYearMonth(append(b, field...), year, month), '-')
	return append(b, byte('0'+day/10), byte('0'+day%10), '"')
}

func appendPeriod(b []byte, field string, p models.Period) []byte {
	return append(appendYearMonth(append(b, field...), int(p/100), time.Month(p%100)), '"')
}

// appendYearMonth appends "2026-04 with its opening quote; time's own formatting
// takes most of the time that an invoice takes.
func appendYearMonth(b []byte, year int, month time.Month) []byte {
	b = append(b, '"')
	b = strconv.AppendInt(b, int64(year), 10)
	return append(b, '-', byte('0'+month/10), byte('0'+month%10))
}

// appendInvoice appends the data of an invoice.
func appendInvoice(b []byte, inv *models.Invoice) []byte {
	b = appendText(b, `{"invoice_id":`, inv.ID)
	b = appendInt(b, `,"account_id":`, inv.AccountID)
	b = appendPeriod(b, `,"period":`, inv.Period)
	b = appendInt(b, `,"revision":`, int64(inv.Revision))
	b = appendText(b, `,"currency":`, inv.Currency)
	b = append(b, `,"lines":[`...)
	for i := range inv.Lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendLine(b, &inv.Lines[i])
	}
	return append(b, "]}"...)
}

func appendLine(b []byte, l *models.Line) []byte {
	b = appendText(b, `{"line_id":`, l.ID)
	b = appendText(b, `,"service":`, l.Service)
	b = appendDate(b, `,"from":`, l.From)
	b = appendDate(b, `,"to":`, l.To)
	b = appendInt(b, `,"amount_minor":`, int64(l.Amount))
	return append(b, '}')
}

// invoiceEvent is the event that brings an invoice.
func invoiceEvent(inv *models.Invoice, id string, at time.Time) event {
	return event{
		topic: Invoices, id: id, source: billing, kind: "billing.invoice-issued.v1", account: inv.AccountID, at: at,
		data: appendInvoice(make([]byte, 0, 120+100*len(inv.Lines)), inv),
	}
}
