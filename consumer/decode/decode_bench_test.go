package decode

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"referral/models"
)

// BenchmarkDecode reads what arrives most: invoices of four lines.
func BenchmarkDecode(b *testing.B) {
	decoder := newTestDecoder(b)
	for _, message := range []struct {
		name string
		m    models.Message
	}{
		{"invoice of 4 lines", structuredMessage(topics.Invoices, "billing.invoice-issued.v1", invoiceOf(4))},
		{"invoice of 4 lines, binary mode", binaryMessage(topics.Invoices, "billing.invoice-issued.v1", invoiceOf(4))},
		{"invoice of 100 lines", structuredMessage(topics.Invoices, "billing.invoice-issued.v1", invoiceOf(100))},
		{"registration", structuredMessage(topics.Registered, "pbx.registered.v1", registeredData)},
	} {
		b.Run(message.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(message.m.Value)))
			for b.Loop() {
				if d := decoder.Decode(message.m); d.Err != nil {
					b.Fatal(d.Err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkBareJSON is the yardstick: the standard library filling plain structs
// from the same invoice of four lines, without a check, a digest or a fact.
func BenchmarkBareJSON(b *testing.B) {
	value := structuredMessage(topics.Invoices, "billing.invoice-issued.v1", invoiceOf(4)).Value
	b.ReportAllocs()
	for b.Loop() {
		var event struct {
			Specversion, ID, Source, Type, Time string
			Data                                struct {
				InvoiceID string `json:"invoice_id"`
				AccountID int64  `json:"account_id"`
				Period    string
				Revision  int
				Currency  string
				Lines     []struct {
					LineID            string `json:"line_id"`
					Service, From, To string
					Amount            int64 `json:"amount_minor"`
				}
			}
		}
		if err := json.Unmarshal(value, &event); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func invoiceOf(lines int) string {
	var w strings.Builder
	w.WriteString(`{"invoice_id":"INV-2026-04-885","account_id":885,"period":"2026-04","revision":1,"currency":"RUB","lines":[`)
	for i := range lines {
		if i > 0 {
			w.WriteByte(',')
		}
		fmt.Fprintf(&w, `{"line_id":"%d","service":"subscription","from":"2026-04-01","to":"2026-05-01","amount_minor":%d}`, i+1, 300000+i)
	}
	w.WriteString(`]}`)
	return w.String()
}
