package decode

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"referral/models"
)

// FuzzDecode holds the promise that any bytes give either a fact or a fault, and
// that a fact holds nothing that the storage would choke on.
func FuzzDecode(f *testing.F) {
	for _, e := range examples(&testing.T{}) {
		f.Add(e.topic, structuredValue(e.event, "1", e.data), "application/cloudevents+json", "", "")
		f.Add(e.topic, e.data, "application/json", "1.0", e.event)
		f.Add(e.topic, string(dataFirst(e.topic, e.event, e.data).Value), "", "", "")
		f.Add(e.topic, string(dataInBase64(e.topic, e.event, e.data).Value), "", "", "")
	}
	for _, id := range []string{`\ud800`, `\ud83d\ude00`, `\\ud800`, `\ufffd`, `\ud83d\ud83d\ude00`} {
		f.Add(topics.Invoices, structuredValue("billing.invoice-issued.v1", "1", edit(invoiceData, `INV-2026-04-885`, id)), "", "", "")
	}
	for _, number := range []string{`885.0`, `8.85e2`, `9007199254740993.0`, `885e400000000`, `885e-1`, `-0.0`} {
		f.Add(topics.Terminated, structuredValue("pbx.terminated.v1", "1", edit(terminatedData, `885`, number)), "", "", "")
	}
	decoder, full := newTestDecoder(f), newFullDecoder(f)
	f.Fuzz(func(t *testing.T, topic, value, media, version, event string) {
		m := models.Message{Origin: models.Origin{Topic: topic}, Value: []byte(value)}
		if media != "" {
			m.Headers = append(m.Headers, models.Header{Key: "content-type", Value: []byte(media)})
		}
		if version != "" {
			m.Headers = append(m.Headers, models.Header{Key: "ce_specversion", Value: []byte(version)},
				models.Header{Key: "ce_id", Value: []byte("1")}, models.Header{Key: "ce_source", Value: []byte("/s")},
				models.Header{Key: "ce_type", Value: []byte(event)})
		}
		sameAsFull(t, decoder, full, m)
		d := decoder.Decode(m)
		if (d.Fact == nil) == (d.Err == nil) {
			t.Fatalf("fact %v, fault %v", d.Fact, d.Err)
		}
		if d.Err != nil {
			if d.Err.Reason == "" || d.Err.Detail == "" || !utf8.ValidString(d.Err.Detail) {
				t.Fatalf("a fault without words: %+v", d.Err)
			}
			return
		}
		if !json.Valid([]byte(value)) {
			t.Fatal("taken, though it is no JSON")
		}
		if again := decoder.Decode(m); !reflect.DeepEqual(again.Fact, d.Fact) {
			t.Fatal("one message was read as two facts")
		}
		for _, s := range texts(d.Fact) {
			if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
				t.Fatalf("the database refuses %q", s)
			}
			if strings.ContainsRune(s, utf8.RuneError) && !sent(value, utf8.RuneError) {
				t.Fatalf("%q holds a replacement that nobody sent", s)
			}
		}
	})
}

// sent tells whether a value may hold a character, as it is, by an escape or in
// Base64.
func sent(value string, r rune) bool {
	return strings.ContainsRune(value, r) || strings.Contains(strings.ToLower(value), fmt.Sprintf(`\u%04x`, r)) || strings.Contains(value, "_base64")
}

// texts is every text of a fact that is stored.
func texts(f *models.Fact) []string {
	var all []string
	switch data := f.Data.(type) {
	case models.Registered:
		p := data.Profile
		all = append(all, p.Name, p.TaxID, p.Email, p.Phone, p.PromoUntil)
	case models.ActivationRequested:
		all = append(all, data.Code)
	case models.Result:
		all = append(all, data.Reason)
	case *models.Invoice:
		all = append(all, data.ID, data.Currency)
		for _, l := range data.Lines {
			all = append(all, l.ID, l.Service)
		}
	}
	return all
}
