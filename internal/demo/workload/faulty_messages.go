package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"referral/models"
)

// fault is one way in which a message can be faulty.
type fault struct {
	name   string
	topic  Topic
	reason models.BadInput
	value  func(id, account string) string
	binary bool // sent without an envelope, with whatever headers are left
}

// tooLargeBlocks limits how many messages are over 1 MiB.
const tooLargeBlocks = 100

// addFaulty adds one faulty message to the block's phase. The faults take turns, so
// that some 600 account-months have all of them.
func (t *phaseMessages) addFaulty(n int, accounts []account) {
	all := faults()
	turn := n*t.options.Months + t.phase
	which := turn % (len(all) + 2)
	a := &accounts[min(firstOrdinary, len(accounts)-1)]
	switch {
	case which == len(all):
		t.addConflict(a, turn, "another body of the same revision and event", func(inv *models.Invoice, id string) string { return id })
	case which == len(all)+1:
		t.addConflict(a, turn, "another body of the same revision", func(inv *models.Invoice, id string) string { return id + "-other" })
	case all[which].reason != models.BadTooLarge || n < tooLargeBlocks:
		t.sequences = append(t.sequences, sequence{all[which].message(a.id, turn)})
	}
}

// BadMessages is one message of every kind that is faulty by itself, all with the key
// of one account.
func BadMessages(account int64) []Message {
	var all []Message
	for turn, f := range faults() {
		all = append(all, f.message(account, turn))
	}
	return all
}

// message makes a faulty message; turn distinguishes it from others with the same fault.
func (f *fault) message(account int64, turn int) Message {
	id := fmt.Sprintf("bad-%d", turn)
	m := Message{
		Topic: f.topic, Key: strconv.AppendInt(nil, account, 10),
		Value:    []byte(f.value(id, strconv.FormatInt(account, 10))),
		Expected: Expected{AccountID: account, Event: id, Fault: f.name, Bad: f.reason},
	}
	if !f.binary {
		m.Headers = []models.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
	}
	return m
}

// addConflict bills an account once more, and contradicts that invoice at once.
func (t *phaseMessages) addConflict(a *account, turn int, name string, id func(*models.Invoice, string) string) {
	period := t.Period(t.phase)
	inv := t.drawInvoice(t.random(streamInvoice, int(a.id), notSent), a, period)
	inv.ID = fmt.Sprintf("%s-C%d", inv.ID, turn)
	event := "c-" + inv.ID
	good := invoiceEvent(&inv, event, t.issuedAt(period, a.id)).message(false)
	good.Expected.Lines = len(inv.Lines)

	other := inv
	other.Lines = slices.Clone(inv.Lines)
	other.Lines[0].Amount += 1
	bad := invoiceEvent(&other, id(&inv, event), t.issuedAt(period, a.id)).message(false)
	bad.Expected.Fault, bad.Expected.Bad = name, models.BadConflict
	t.sequences = append(t.sequences, sequence{good, bad})
}

// faults is what can be wrong with a message that is faulty by itself.
func faults() []fault {
	all := unreadable()
	all = append(all, unknown()...)
	all = append(all, badFacts()...)
	all = append(all, badInvoices()...)
	all = append(all, badLines()...)
	return append(all, badResults()...)
}

func envelope(kind, source string, data string) func(id, account string) string {
	return func(id, account string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":%q,"type":%q,"time":"2026-03-01T00:00:00Z","datacontenttype":"application/json","data":%s}`,
			id, source, kind, strings.ReplaceAll(data, "ACCOUNT", account))
	}
}

func text(s string) func(id, account string) string {
	return func(_, account string) string { return strings.ReplaceAll(s, "ACCOUNT", account) }
}

func unreadable() []fault {
	const good = `{"account_id":ACCOUNT,"promo_ended_at":"2026-01-24T00:00:00+03:00"}`
	return []fault{
		{name: "cut off", topic: Registered, reason: models.BadUnreadable, value: text(`{"specversion":"1.0","id":"cut-ACCOUNT","sour`)},
		{name: "empty", topic: PromoEnded, reason: models.BadUnreadable, value: text("")},
		{name: "not JSON", topic: Terminated, reason: models.BadUnreadable, value: text("<terminated account='ACCOUNT'/>")},
		{name: "a list", topic: Activation, reason: models.BadUnreadable, value: text("[]")},
		{name: "no CloudEvent", topic: PromoEnded, reason: models.BadUnreadable, value: text(good), binary: true},
		{name: "no id", topic: PromoEnded, reason: models.BadUnreadable,
			value: text(`{"specversion":"1.0","source":"/pbx","type":"pbx.promo-ended.v1","data":` + good + `}`)},
		{name: "over 1 MiB", topic: Registered, reason: models.BadTooLarge,
			value: tooLarge},
	}
}

// tooLarge makes its text only when it is needed: the list of faults is made for
// every block.
func tooLarge(id, account string) string {
	data := `{"account_id":ACCOUNT,"name":"` + strings.Repeat("Длинное имя ", 60_000) + `","tax_id":"7707083893","registered_at":"2026-01-10T09:00:00Z"}`
	return envelope("pbx.registered.v1", pbx, data)(id, account)
}

func unknown() []fault {
	const good = `{"account_id":ACCOUNT,"promo_ended_at":"2026-01-24T00:00:00+03:00"}`
	return []fault{
		{name: "a type nobody knows", topic: Registered, reason: models.BadUnknownType, value: envelope("pbx.renamed.v1", pbx, good)},
		{name: "a type of another topic", topic: Registered, reason: models.BadUnknownType, value: envelope("pbx.promo-ended.v1", pbx, good)},
	}
}

func badFacts() []fault {
	registered := func(name, data string) fault {
		return fault{name: name, topic: Registered, reason: models.BadField, value: envelope("pbx.registered.v1", pbx, data)}
	}
	return []fault{
		registered("account id in quotes", `{"account_id":"ACCOUNT","name":"A","tax_id":"1","registered_at":"2026-01-10T09:00:00Z"}`),
		registered("account id with a fraction", `{"account_id":ACCOUNT.5,"name":"A","tax_id":"1","registered_at":"2026-01-10T09:00:00Z"}`),
		registered("no account id", `{"name":"A","tax_id":"1","registered_at":"2026-01-10T09:00:00Z"}`),
		registered("no registration date", `{"account_id":ACCOUNT,"name":"A","tax_id":"1"}`),
		registered("a date that is none", `{"account_id":ACCOUNT,"name":"A","tax_id":"1","registered_at":"2026-02-30T09:00:00Z"}`),
		registered("NUL in a name", `{"account_id":ACCOUNT,"name":"A\u0000B","tax_id":"1","registered_at":"2026-01-10T09:00:00Z"}`),
		{name: "no promo end", topic: PromoEnded, reason: models.BadField,
			value: envelope("pbx.promo-ended.v1", pbx, `{"account_id":ACCOUNT}`)},
		{name: "termination as a number", topic: Terminated, reason: models.BadField,
			value: envelope("pbx.terminated.v1", pbx, `{"account_id":ACCOUNT,"terminated_at":1767225600}`)},
		{name: "no code", topic: Activation, reason: models.BadField,
			value: envelope("referral.activation-requested.v1", cabinet, `{"account_id":ACCOUNT,"requested_at":"2026-01-10T09:00:00Z"}`)},
		{name: "NUL in a code", topic: Activation, reason: models.BadField,
			value: envelope("referral.activation-requested.v1", cabinet, `{"account_id":ACCOUNT,"code":"A\u0000","requested_at":"2026-01-10T09:00:00Z"}`)},
	}
}

func badInvoices() []fault {
	invoice := func(name, data string) fault {
		return fault{name: name, topic: Invoices, reason: models.BadField, value: envelope("billing.invoice-issued.v1", billing, data)}
	}
	return []fault{
		invoice("a thirteenth month", `{"invoice_id":"BAD-ACCOUNT","account_id":ACCOUNT,"period":"2026-13","revision":1,"currency":"RUB","lines":[]}`),
		invoice("a day as the month", `{"invoice_id":"BAD-ACCOUNT","account_id":ACCOUNT,"period":"2026-03-01","revision":1,"currency":"RUB","lines":[]}`),
		invoice("no invoice id", `{"account_id":ACCOUNT,"period":"2026-03","revision":1,"currency":"RUB","lines":[]}`),
		invoice("no revision", `{"invoice_id":"BAD-ACCOUNT","account_id":ACCOUNT,"period":"2026-03","currency":"RUB","lines":[]}`),
		invoice("no currency", `{"invoice_id":"BAD-ACCOUNT","account_id":ACCOUNT,"period":"2026-03","revision":1,"lines":[]}`),
		invoice("no lines at all", `{"invoice_id":"BAD-ACCOUNT","account_id":ACCOUNT,"period":"2026-03","revision":1,"currency":"RUB"}`),
	}
}

func badLines() []fault {
	line := func(name, line string) fault {
		return fault{name: name, topic: Invoices, reason: models.BadField, value: envelope("billing.invoice-issued.v1", billing,
			`{"invoice_id":"BAD-ACCOUNT","account_id":ACCOUNT,"period":"2026-03","revision":1,"currency":"RUB","lines":[`+
				`{"line_id":"1","service":"subscription","from":"2026-03-01","to":"2026-04-01","amount_minor":100},`+line+`]}`)}
	}
	return []fault{
		line("too dear", `{"line_id":"2","service":"calls","from":"2026-03-01","to":"2026-04-01","amount_minor":1000000000000001}`),
		line("too great a credit", `{"line_id":"2","service":"calls","from":"2026-03-01","to":"2026-04-01","amount_minor":-1000000000000001}`),
		line("half a kopeck", `{"line_id":"2","service":"calls","from":"2026-03-01","to":"2026-04-01","amount_minor":100.5}`),
		line("amount in quotes", `{"line_id":"2","service":"calls","from":"2026-03-01","to":"2026-04-01","amount_minor":"100"}`),
		line("longer than a year", `{"line_id":"2","service":"calls","from":"2026-03-01","to":"2027-03-03","amount_minor":100}`),
		line("no service", `{"line_id":"2","from":"2026-03-01","to":"2026-04-01","amount_minor":100}`),
		line("no first day", `{"line_id":"2","service":"calls","to":"2026-04-01","amount_minor":100}`),
		line("30 February", `{"line_id":"2","service":"calls","from":"2026-02-30","to":"2026-04-01","amount_minor":100}`),
	}
}

func badResults() []fault {
	result := func(name, data string) fault {
		return fault{name: name, topic: Results, reason: models.BadField, value: envelope("billing.adjustment-result.v1", billing, data)}
	}
	return []fault{
		result("an answer that is none", `{"adjustment_id":"6f1c1cf4-6f43-5a4d-9a5e-0f5f4b8f3f10","status":"perhaps","amount_minor":0,"at":"2026-04-01T00:00:00Z"}`),
		result("an answer to nothing", `{"status":"applied","amount_minor":0,"at":"2026-04-01T00:00:00Z"}`),
	}
}
