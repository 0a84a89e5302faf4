package e2e

import (
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"

	"referral/internal/demo/workload"
	"referral/models"
	"referral/test/reference"
)

// fact is a structured message; its id must be new in the world.
func fact(topic, source, kind, id string, account int64, data string, args ...any) message {
	return message{topic: topic, key: strconv.FormatInt(account, 10), value: fmt.Appendf(nil,
		`{"specversion":"1.0","id":%q,"source":%q,"type":%q,"time":"2026-03-01T00:00:00Z","data":%s}`,
		id, source, kind, fmt.Sprintf(data, args...))}
}

func registration(account int64, at string) message {
	return fact("registered", "/pbx", "pbx.registered.v1", fmt.Sprint("r-", account), account,
		`{"account_id":%d,"name":"Клиент","tax_id":"77%08d","registered_at":%q}`, account, account, at)
}

func promoEnd(account int64, at string) message {
	return fact("promo_ended", "/pbx", "pbx.promo-ended.v1", fmt.Sprint("p-", account), account,
		`{"account_id":%d,"promo_ended_at":%q}`, account, at)
}

func activation(account int64, code, at string) message {
	return fact("activation", "/cabinet", "referral.activation-requested.v1", fmt.Sprint("a-", account), account,
		`{"account_id":%d,"code":%q,"requested_at":%q}`, account, code, at)
}

// invoice is a bill of one subscription for March 2026.
func invoice(account, amount int64) message {
	return fact("invoices", "/billing", "billing.invoice-issued.v1", fmt.Sprint("i-", account), account,
		`{"invoice_id":"INV-2026-03-%d","account_id":%d,"period":"2026-03","revision":1,"currency":"RUB",
		"lines":[{"line_id":"1","service":"subscription","from":"2026-03-01","to":"2026-04-01","amount_minor":%d}]}`, account, account, amount)
}

// mirror is a reference model that gets every message that the world gets.
type mirror struct {
	w     *world
	model *reference.Model
}

func newMirror(w *world) mirror {
	return mirror{w, reference.New(func(code string) (int64, bool) {
		for account, issued := range w.codes {
			if issued == code {
				return account, true
			}
		}
		return 0, false
	})}
}

// send sends good messages to the world and to the model.
func (m mirror) send(all ...message) {
	m.w.t.Helper()
	for _, one := range all {
		m.take(one)
	}
	m.w.send(all...)
}

func (m mirror) take(one message) {
	m.w.t.Helper()
	var headers []models.Header
	for _, h := range one.headers {
		headers = append(headers, models.Header{Key: h.Key, Value: h.Value})
	}
	if err := m.model.Take(headers, one.value); err != nil {
		m.w.t.Fatalf("the model cannot take %s: %v", one.value, err)
	}
}

// run settles a period in both.
func (m mirror) run(period string) {
	m.w.t.Helper()
	if err := m.model.Run(period); err != nil {
		m.w.t.Fatal(err)
	}
	m.w.must("run", period)
}

// wanted is what the model says.
func (m mirror) wanted() wanted {
	want := wanted{
		lines: m.model.Lines(), packages: m.model.Packages(),
		outside: map[refusal]int{}, inside: map[decision]int{},
	}
	for _, r := range m.model.Refused() {
		want.outside[refusal{r.AccountID, r.Code, r.Reason}]++
		want.inside[decision{r.AccountID, r.Code, r.Reason}]++
	}
	return want
}

// ofLife is a message of a made-up life.
func ofLife(m *workload.Message) message {
	out := message{topic: string(m.Topic), key: string(m.Key), value: m.Value, headers: []kafka.Header{}}
	for _, h := range m.Headers {
		out.headers = append(out.headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return out
}
