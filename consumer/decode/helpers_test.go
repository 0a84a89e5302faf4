package decode

import (
	"fmt"
	"testing"
	"time"

	"referral/models"
)

// topics are the default names of the contract.
var topics = Topics{
	Registered: "pbx.registered", PromoEnded: "pbx.promo-ended", Terminated: "pbx.terminated",
	Activation: "referral.activation-requested", Invoices: "billing.invoices", Results: "billing.adjustment-results",
}

// The published examples, one for each topic.
const (
	registeredData = `{"account_id":885,"name":"Резервация","tax_id":"7707083893","registered_at":"2026-01-10T09:00:00Z","promo_until":"2026-01-24","email":"a@example.test","phone":"+70000000000"}`
	promoEndedData = `{"account_id":885,"promo_ended_at":"2026-01-24T00:00:00+03:00"}`
	terminatedData = `{"account_id":885,"terminated_at":"2026-07-01T12:00:00Z"}`
	activationData = `{"account_id":901,"code":"ABC234DEF","requested_at":"2026-02-01T10:00:00Z"}`
	invoiceData    = `{"invoice_id":"INV-2026-04-885","account_id":885,"period":"2026-04","revision":1,"currency":"RUB","lines":[{"line_id":"1","service":"subscription","from":"2026-04-01","to":"2026-05-01","amount_minor":300000}]}`
	resultData     = `{"adjustment_id":"0b5f5b6e-5f0c-5a2b-8a2b-4a2b9a2b0001","status":"applied","amount_minor":-142000,"at":"2026-05-01T04:00:00Z"}`
)

var arrived = time.Date(2026, 5, 1, 0, 0, 5, 0, time.UTC)

func newTestDecoder(t testing.TB) *Decoder {
	t.Helper()
	d, err := New(topics, "RUB")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func structuredValue(event, id, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/test","type":%q,"time":"2026-05-01T00:00:00Z","data":%s}`, id, event, data)
}

func structuredMessage(topic, event, data string) models.Message {
	return models.Message{
		Origin: models.Origin{Topic: topic, Partition: 1, Offset: 7}, Key: []byte("885"), At: arrived,
		Value:   []byte(structuredValue(event, "1", data)),
		Headers: []models.Header{{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")}},
	}
}

func binaryMessage(topic, event, data string) models.Message {
	return models.Message{
		Origin: models.Origin{Topic: topic, Partition: 1, Offset: 7}, Key: []byte("885"), At: arrived,
		Value: []byte(data),
		Headers: []models.Header{
			{Key: "content-type", Value: []byte("application/json")},
			{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte("1")},
			{Key: "ce_source", Value: []byte("/test")}, {Key: "ce_type", Value: []byte(event)},
			{Key: "ce_time", Value: []byte("2026-05-01T00:00:00Z")},
		},
	}
}
