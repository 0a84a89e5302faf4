package decode

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"referral/models"
)

func instantOf(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

// examples is one message of each topic with what it says.
func examples(t *testing.T) []example {
	day := models.NewDate
	return []example{
		{topics.Registered, "pbx.registered.v1", registeredData, models.Registered{
			AccountID: 885, RegisteredAt: instantOf(t, "2026-01-10T09:00:00Z"),
			Profile: models.Profile{Name: "Резервация", TaxID: "7707083893", Email: "a@example.test", Phone: "+70000000000",
				PromoUntil: "2026-01-24", At: instantOf(t, "2026-05-01T00:00:00Z")},
		}},
		{topics.PromoEnded, "pbx.promo-ended.v1", promoEndedData, models.PromoEnded{
			AccountID: 885, EndedAt: instantOf(t, "2026-01-23T21:00:00Z")}},
		{topics.Terminated, "pbx.terminated.v1", terminatedData, models.Terminated{
			AccountID: 885, TerminatedAt: instantOf(t, "2026-07-01T12:00:00Z")}},
		{topics.Activation, "referral.activation-requested.v1", activationData, models.ActivationRequested{
			AccountID: 901, Code: "ABC234DEF", RequestedAt: instantOf(t, "2026-02-01T10:00:00Z")}},
		{topics.Invoices, "billing.invoice-issued.v1", invoiceData, &models.Invoice{
			AccountID: 885, ID: "INV-2026-04-885", Revision: 1, Period: 202604, Currency: "RUB",
			Lines: []models.Line{{ID: "1", Service: "subscription", From: day(2026, 4, 1), To: day(2026, 5, 1), Amount: 300000}}}},
		{topics.Results, "billing.adjustment-result.v1", resultData, models.Result{
			AdjustmentID: models.UUID{0x0b, 0x5f, 0x5b, 0x6e, 0x5f, 0x0c, 0x5a, 0x2b, 0x8a, 0x2b, 0x4a, 0x2b, 0x9a, 0x2b, 0, 1},
			AccountID:    885, Status: models.ResultApplied, Amount: -142000, At: instantOf(t, "2026-05-01T04:00:00Z")}},
	}
}

type example struct {
	topic, event, data string
	want               models.FactData
}

func TestDecodeReadsEveryTopicInEveryMode(t *testing.T) {
	decoder := newTestDecoder(t)
	modes := map[string]func(topic, event, data string) models.Message{
		"structured":                     structuredMessage,
		"binary":                         binaryMessage,
		"structured without headers":     without("content-type", structuredMessage),
		"structured as application/json": as("Application/JSON", structuredMessage),
		"structured, header in capitals": as("APPLICATION/CloudEvents+JSON;Charset=utf-8", structuredMessage),
		"binary, keys in capitals":       shouted(binaryMessage),
		"binary without content-type":    without("content-type", binaryMessage),
		"data before the type":           dataFirst,
		"data in base64":                 dataInBase64,
	}
	for name, message := range modes {
		t.Run(name, func(t *testing.T) {
			for _, e := range examples(t) {
				m := message(e.topic, e.event, e.data)
				got := decoder.Decode(m)
				if got.Err != nil {
					t.Fatalf("%s: %v", e.topic, got.Err)
				}
				want := &models.Fact{
					At: instantOf(t, "2026-05-01T00:00:00Z"), Provenance: models.Provenance{Origin: m.Origin, At: arrived}, Data: e.want,
				}
				if !reflect.DeepEqual(got.Fact, want) {
					t.Errorf("%s:\n got %+v\nwant %+v", e.topic, got.Fact, want)
				}
			}
		})
	}
}

type maker func(topic, event, data string) models.Message

func without(key string, make maker) maker {
	return func(topic, event, data string) models.Message {
		m := make(topic, event, data)
		var kept []models.Header
		for _, h := range m.Headers {
			if h.Key != key {
				kept = append(kept, h)
			}
		}
		m.Headers = kept
		return m
	}
}

func as(media string, make maker) maker {
	return func(topic, event, data string) models.Message {
		m := make(topic, event, data)
		m.Headers[0].Value = []byte(media)
		return m
	}
}

func shouted(make maker) maker {
	return func(topic, event, data string) models.Message {
		m := make(topic, event, data)
		for i := range m.Headers {
			m.Headers[i].Key = strings.ToUpper(m.Headers[i].Key)
		}
		return m
	}
}

func dataFirst(topic, event, data string) models.Message {
	m := structuredMessage(topic, event, data)
	m.Value = fmt.Appendf(nil, ` { "data" : %s , "extension":{"a":[1,null,"\u0000"]},"type":%q,"source":"/test",
		"time":"2026-05-01T03:00:00+03:00","id":"1","specversion":"1.0"}`+"\n", data, event)
	return m
}

func dataInBase64(topic, event, data string) models.Message {
	m := structuredMessage(topic, event, data)
	m.Value = fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":"/test","type":%q,"time":"2026-05-01T00:00:00Z","data":null,"data_base64":%q}`,
		event, base64.StdEncoding.EncodeToString([]byte(data)))
	return m
}

func TestDecodeOptionalFields(t *testing.T) {
	decoder := newTestDecoder(t)
	registered := func(value string) models.Registered {
		t.Helper()
		d := decoder.Decode(models.Message{Origin: models.Origin{Topic: topics.Registered}, Value: []byte(value), At: arrived})
		if d.Err != nil {
			t.Fatal(d.Err)
		}
		if want := instantOf(t, "2026-05-01T00:00:05Z"); !strings.Contains(value, `"time":"`) && d.Fact.At != want {
			t.Errorf("a fact without a time is dated %v, want the broker's %v", d.Fact.At, want)
		}
		return d.Fact.Data.(models.Registered)
	}
	const bare = `{"account_id":885,"name":"","tax_id":"","registered_at":"2026-01-10T09:00:00.123456789Z"%s}`
	const event = `{"specversion":"1.0","id":"1","source":"/s","type":"pbx.registered.v1","data":%s%s}`
	for _, optional := range []string{``, `,"promo_until":null,"email":null,"phone":null`, `,"promo_until":"","email":"","phone":""`} {
		got := registered(fmt.Sprintf(event, fmt.Sprintf(bare, optional), `,"time":null`))
		at := instantOf(t, "2026-01-10T09:00:00.123456Z")
		want := models.Registered{AccountID: 885, RegisteredAt: at, Profile: models.Profile{At: at}}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", optional, got, want)
		}
	}
}

// Nothing is calculated with a planned end or an event's own time: any will do.
func TestDecodeTakesAnyDateThatIsNotReckonedWith(t *testing.T) {
	for _, c := range []struct{ topic, event, data, time string }{
		{topics.Registered, "pbx.registered.v1", edit(registeredData, `2026-01-24`, `9999-12-31`), "2026-05-01"},
		{topics.Registered, "pbx.registered.v1", registeredData, "9999-12-31"},
		{topics.Registered, "pbx.registered.v1", registeredData, "0001-01-01"},
		{topics.Invoices, "billing.invoice-issued.v1", invoiceData, "9999-12-31"},
		{topics.Invoices, "billing.invoice-issued.v1", invoiceData, "0001-01-01"},
	} {
		m := structuredMessage(c.topic, c.event, c.data)
		m.Value = []byte(edit(string(m.Value), `"time":"2026-05-01`, `"time":"`+c.time))
		if d := newTestDecoder(t).Decode(m); d.Err != nil {
			t.Errorf("%s: %+v", m.Value, d.Err)
		}
	}
}

func TestDecodeTakesWhatIsJustWithinBounds(t *testing.T) {
	decoder := newTestDecoder(t)
	for name, data := range map[string]string{
		"the largest amount":            edit(invoiceData, `300000`, `1000000000000000`),
		"the smallest amount":           edit(invoiceData, `300000`, `-1000000000000000`),
		"366 days of service":           edit(invoiceData, `2026-05-01`, `2027-04-02`),
		"a period that ends before":     edit(invoiceData, `2026-05-01`, `2025-01-01`),
		"a single day":                  edit(invoiceData, `2026-05-01`, `2026-04-01`),
		"no lines: a cancelled invoice": edit(invoiceData, `[{"line_id":"1","service":"subscription","from":"2026-04-01","to":"2026-05-01","amount_minor":300000}]`, `[]`),
		"the earliest month":            edit(invoiceData, `"2026-04"`, `"1900-01"`),
		"the latest month":              edit(invoiceData, `"2026-04"`, `"2999-12"`),
		"the earliest day":              edit(edit(invoiceData, `2026-04-01`, `1900-01-01`), `2026-05-01`, `1900-01-01`),
		"the latest day":                edit(edit(invoiceData, `2026-04-01`, `2999-12-31`), `2026-05-01`, `2999-12-31`),
		"an id of 200 letters":          edit(invoiceData, `INV-2026-04-885`, strings.Repeat("Ы", 200)),
		"a leap day":                    edit(invoiceData, `"from":"2026-04-01"`, `"from":"2028-02-29"`),
		"the largest account":           edit(invoiceData, `"account_id":885`, `"account_id":9223372036854775807`),
		"an escaped field name":         edit(invoiceData, `"account_id"`, `"account\u005fid"`),
		"minus nought":                  edit(invoiceData, `300000`, `-0`),
		"a sum of the largest amount":   edit(invoiceData, `]`, `,`+lineOf("2", "1000000000000000")+`,`+lineOf("3", "-300000")+`]`),
		"a sum back within bounds":      edit(invoiceData, `]`, `,`+lineOf("2", "1000000000000000")+`,`+lineOf("3", "1000000000000000")+`,`+lineOf("4", "-1000000000000000")+`,`+lineOf("5", "-300000")+`]`),
		"a pair of surrogates":          edit(invoiceData, `INV-2026-04-885`, `\uD83D\uDE00`),
		"a replacement character":       edit(invoiceData, `INV-2026-04-885`, `\ufffd`),
		"an escaped backslash before u": edit(invoiceData, `INV-2026-04-885`, `\\ud800`),
		"half of a pair nobody reads":   edit(invoiceData, `"revision":1`, `"revision":1,"\ud800":"\udc00"`),
		"an unknown field of any kind":  edit(invoiceData, `"revision":1`, `"revision":1,"x":{"y":[1.5e3,true,null,"\u0000"]}`),
	} {
		if d := decoder.Decode(structuredMessage(topics.Invoices, "billing.invoice-issued.v1", data)); d.Err != nil {
			t.Errorf("%s: %v", name, d.Err)
		}
	}
	value := structuredValue("billing.invoice-issued.v1", "1", invoiceData)
	value = edit(value, `{"specversion"`, `{"x":"`+strings.Repeat("x", MaxValue-len(value)-len(`"x":"",`))+`","specversion"`)
	m := structuredMessage(topics.Invoices, "", "")
	if m.Value = []byte(value); len(m.Value) != MaxValue {
		t.Fatalf("the test's value has %d bytes", len(m.Value))
	}
	if d := decoder.Decode(m); d.Err != nil {
		t.Errorf("exactly 1 MiB: %v", d.Err)
	}
}

// edit replaces a part of a text that must be there.
func edit(s, old, new string) string {
	if !strings.Contains(s, old) {
		panic("the example lacks " + old)
	}
	return strings.Replace(s, old, new, 1)
}

func lineOf(id, amount string) string {
	return `{"line_id":"` + id + `","service":"x","from":"2026-04-01","to":"2026-05-01","amount_minor":` + amount + `}`
}

// Two ids that differ stay two, whatever they are made of.
func TestDecodeKeepsIdsApart(t *testing.T) {
	decoder := newTestDecoder(t)
	seen := map[string]string{}
	for _, id := range []string{`I\ud800`, `I\ud801`, `I\udc00`, `I\ufffd`, `I\ud83d\ude00`, `I\ud83d\ude01`, `I\\ud800`, `I\ufffd\ufffd`, `I\ud800\ud801`} {
		d := decoder.Decode(structuredMessage(topics.Invoices, "billing.invoice-issued.v1", edit(invoiceData, `INV-2026-04-885`, id)))
		if d.Err != nil {
			continue
		}
		got := d.Fact.Data.(*models.Invoice).ID
		if other, twice := seen[got]; twice {
			t.Errorf("%s and %s are both read as %q", other, id, got)
		}
		seen[got] = id
	}
	if len(seen) != 5 {
		t.Errorf("read %d ids, want the 5 that are valid: %q", len(seen), seen)
	}
}

func TestDecodeReadsEverySpellingOfAWholeNumber(t *testing.T) {
	decoder := newTestDecoder(t)
	zeros := strings.Repeat("0", 500_000)
	for spelling, want := range map[string]int64{
		`885`: 885, `885.0`: 885, `8.85e2`: 885, `8.85E+2`: 885, `88500e-2`: 885, `885e0`: 885, `885.000e-0`: 885, `0.885e3`: 885, `0.00885E0005`: 885,
		`9007199254740993`: 9007199254740993, `9007199254740993.0`: 9007199254740993, `9.007199254740993e15`: 9007199254740993, `90071992547409930e-1`: 9007199254740993,
		`9223372036854775807.00`: 9223372036854775807, `9.223372036854775807e18`: 9223372036854775807, `1e18`: 1_000_000_000_000_000_000,
		`0.` + zeros + `885e500003`: 885, `885` + zeros + `e-500000`: 885, `885.` + zeros: 885, `885e` + zeros: 885,
	} {
		d := decoder.Decode(structuredMessage(topics.Terminated, "pbx.terminated.v1", edit(terminatedData, `885`, spelling)))
		if d.Err != nil {
			t.Errorf("%.40s: %v", spelling, d.Err)
		} else if got := d.Fact.Data.Account(); got != want {
			t.Errorf("%.40s is %d, want %d", spelling, got, want)
		}
	}
	for spelling, want := range map[string]models.Money{
		`-0.0`: 0, `0e400000000`: 0, `-0.000e-99999999999`: 0, `-1.42e5`: -142000, `-142000.0`: -142000, `-1e15`: -1_000_000_000_000_000,
	} {
		d := decoder.Decode(structuredMessage(topics.Results, "billing.adjustment-result.v1", edit(resultData, `-142000`, spelling)))
		if d.Err != nil {
			t.Errorf("%s: %v", spelling, d.Err)
		} else if got := d.Fact.Data.(models.Result).Amount; got != want {
			t.Errorf("%s is %d, want %d", spelling, got, want)
		}
	}
}

func TestDecodeNamesBadData(t *testing.T) {
	decoder := newTestDecoder(t)
	invoiceEvent, resultEvent := "billing.invoice-issued.v1", "billing.adjustment-result.v1"
	const years = `must lie in the years 1900 to 2999; send no date that stands for "never" or "not known"`
	const unpaired = `must not contain an unpaired surrogate, an escape from \ud800 to \udfff without its other half`
	const sum = "data.lines: must sum to an amount from -1000000000000000 to 1000000000000000"
	second := `,{"line_id":"1","service":"x","from":"2026-04-01","to":"2026-05-01","amount_minor":1}]`
	for _, bad := range []struct {
		name, topic, event, data, detail string
	}{
		{"no object", topics.Invoices, invoiceEvent, `[]`, "data: must be an object, but is of type array"},
		{"account as a string", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `"885","period`), "data.account_id: must be an integer, but is of type string"},
		{"account with a fraction", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `885.5,"period`), "data.account_id: must be an integer, but has a fraction"},
		{"account with a fraction by its exponent", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `885e-1,"period`), "data.account_id: must be an integer, but has a fraction"},
		{"account next to a whole number", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `1.`+strings.Repeat("0", 400)+`1,"period`), "data.account_id: must be an integer, but has a fraction"},
		{"account with a monstrous exponent", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `885e400000000,"period`), "data.account_id: must be an integer from 1 to 9223372036854775807"},
		{"account with an exponent beyond 64 bits", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `885e99999999999999999999,"period`), "data.account_id: must be an integer from 1 to 9223372036854775807"},
		{"account with such an exponent below nought", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `885e-99999999999999999999,"period`), "data.account_id: must be an integer, but has a fraction"},
		{"account as a number in a string", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `"8.85e2","period`), "data.account_id: must be an integer, but is of type string"},
		{"account nought", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `0,"period`), "data.account_id: must be an integer from 1 to 9223372036854775807"},
		{"account below nought", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `-1,"period`), "data.account_id: must be an integer from 1 to 9223372036854775807"},
		{"account beyond 64 bits", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `9223372036854775808,"period`), "data.account_id: must be an integer from 1 to 9223372036854775807"},
		{"account null", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `null,"period`), "data.account_id: must be an integer, but is of type null"},
		{"account true", topics.Invoices, invoiceEvent, edit(invoiceData, `885,"period`, `true,"period`), "data.account_id: must be an integer, but is of type bool"},
		{"account missing", topics.Invoices, invoiceEvent, edit(invoiceData, `"account_id":885,`, ``), "data.account_id: missing; it is required"},
		{"account in another case", topics.Invoices, invoiceEvent, edit(invoiceData, `account_id`, `Account_ID`), "data.account_id: missing; it is required"},
		{"account given twice", topics.Invoices, invoiceEvent, edit(invoiceData, `"revision":1`, `"revision":1,"account_id":886`), "data.account_id: given twice"},
		{"invoice id empty", topics.Invoices, invoiceEvent, edit(invoiceData, `INV-2026-04-885`, ``), "data.invoice_id: must not be empty"},
		{"invoice id too long", topics.Invoices, invoiceEvent, edit(invoiceData, `INV-2026-04-885`, strings.Repeat("x", 201)), "data.invoice_id: has 201 characters; at most 200 are taken"},
		{"invoice id with a NUL", topics.Invoices, invoiceEvent, edit(invoiceData, `INV-2026-04-885`, `INV\u0000`), "data.invoice_id: must not contain a NUL character"},
		{"invoice id with half of a pair", topics.Invoices, invoiceEvent, edit(invoiceData, `INV-2026-04-885`, `I\ud800`), "data.invoice_id: " + unpaired},
		{"line id with the other half", topics.Invoices, invoiceEvent, edit(invoiceData, `"line_id":"1"`, `"line_id":"\udc00"`), "data.lines[0].line_id: " + unpaired},
		{"service with the halves swapped", topics.Invoices, invoiceEvent, edit(invoiceData, `subscription`, `\ude00\ud83d`), "data.lines[0].service: " + unpaired},
		{"invoice id a number", topics.Invoices, invoiceEvent, edit(invoiceData, `"INV-2026-04-885"`, `7`), "data.invoice_id: must be a string, but is of type number"},
		{"month 13", topics.Invoices, invoiceEvent, edit(invoiceData, `"2026-04"`, `"2026-13"`), "data.period: must be a month like 2026-04"},
		{"month in one digit", topics.Invoices, invoiceEvent, edit(invoiceData, `"2026-04"`, `"2026-4"`), "data.period: must be a month like 2026-04"},
		{"a day for a month", topics.Invoices, invoiceEvent, edit(invoiceData, `"2026-04"`, `"2026-04-01"`), "data.period: must be a month like 2026-04"},
		{"month as a number", topics.Invoices, invoiceEvent, edit(invoiceData, `"2026-04"`, `202604`), "data.period: must be a month like 2026-04, but is of type number"},
		{"month of 1899", topics.Invoices, invoiceEvent, edit(invoiceData, `"2026-04"`, `"1899-12"`), "data.period: " + years},
		{"month of 3000", topics.Invoices, invoiceEvent, edit(invoiceData, `"2026-04"`, `"3000-01"`), "data.period: " + years},
		{"month of the year 0", topics.Invoices, invoiceEvent, edit(invoiceData, `"2026-04"`, `"0000-01"`), "data.period: " + years},
		{"revision nought", topics.Invoices, invoiceEvent, edit(invoiceData, `"revision":1`, `"revision":0`), "data.revision: must be an integer from 1 to 2147483647"},
		{"revision missing", topics.Invoices, invoiceEvent, edit(invoiceData, `"revision":1,`, ``), "data.revision: missing; it is required"},
		{"currency in small letters", topics.Invoices, invoiceEvent, edit(invoiceData, `RUB`, `rub`), "data.currency: must be three capital letters like RUB"},
		{"currency of two letters", topics.Invoices, invoiceEvent, edit(invoiceData, `RUB`, `RU`), "data.currency: must be three capital letters like RUB"},
		{"currency in Cyrillic", topics.Invoices, invoiceEvent, edit(invoiceData, `RUB`, `РУБ`), "data.currency: must be three capital letters like RUB"},
		{"lines missing", topics.Invoices, invoiceEvent, `{"invoice_id":"I","account_id":885,"period":"2026-04","revision":1,"currency":"RUB"}`, "data.lines: missing; it is required"},
		{"lines null", topics.Invoices, invoiceEvent, `{"invoice_id":"I","account_id":885,"period":"2026-04","revision":1,"currency":"RUB","lines":null}`, "data.lines: must be an array, but is of type null"},
		{"a line that is a number", topics.Invoices, invoiceEvent, edit(invoiceData, `[{`, `[5,{`), "data.lines[0]: must be an object, but is of type number"},
		{"line id twice", topics.Invoices, invoiceEvent, edit(invoiceData, `]`, second), "data.lines[1].line_id: is that of lines[0] again; each line needs its own"},
		{"line id missing", topics.Invoices, invoiceEvent, edit(invoiceData, `"line_id":"1",`, ``), "data.lines[0].line_id: missing; it is required"},
		{"service empty", topics.Invoices, invoiceEvent, edit(invoiceData, `subscription`, ``), "data.lines[0].service: must not be empty"},
		{"amount beyond 10^15", topics.Invoices, invoiceEvent, edit(invoiceData, `300000`, `1000000000000001`), "data.lines[0].amount_minor: must be an integer from -1000000000000000 to 1000000000000000"},
		{"amount beyond -10^15", topics.Invoices, invoiceEvent, edit(invoiceData, `300000`, `-1000000000000001`), "data.lines[0].amount_minor: must be an integer from -1000000000000000 to 1000000000000000"},
		{"currency of another programme", topics.Invoices, invoiceEvent, edit(invoiceData, `RUB`, `USD`), "data.currency: must be RUB, the currency of the programme (programme.currency)"},
		{"amount in the second line", topics.Invoices, invoiceEvent, edit(edit(invoiceData, `]`, second), `"amount_minor":1}]`, `"amount_minor":"1"}]`), "data.lines[1].amount_minor: must be an integer, but is of type string"},
		{"lines that sum to too much", topics.Invoices, invoiceEvent, edit(edit(invoiceData, `]`, `,`+lineOf("2", "1")+`]`), `300000`, `1000000000000000`), sum},
		{"lines that sum to too little", topics.Invoices, invoiceEvent, edit(edit(invoiceData, `]`, `,`+lineOf("2", "-1000000000000000")+`]`), `300000`, `-1000000000000000`), sum},
		{"a 30th of February", topics.Invoices, invoiceEvent, edit(invoiceData, `"from":"2026-04-01"`, `"from":"2026-02-30"`), "data.lines[0].from: must be a date like 2026-04-20"},
		{"a time for a date", topics.Invoices, invoiceEvent, edit(invoiceData, `"to":"2026-05-01"`, `"to":"2026-05-01T00:00:00Z"`), "data.lines[0].to: must be a date like 2026-04-20"},
		{"a date of 1899", topics.Invoices, invoiceEvent, edit(invoiceData, `"from":"2026-04-01"`, `"from":"1899-12-31"`), "data.lines[0].from: " + years},
		{"the last day that can be written", topics.Invoices, invoiceEvent, edit(edit(invoiceData, `2026-04-01`, `9999-12-31`), `2026-05-01`, `9999-12-31`), "data.lines[0].from: " + years},
		{"a period of service into the year 3000", topics.Invoices, invoiceEvent, edit(edit(invoiceData, `2026-04-01`, `2999-12-01`), `2026-05-01`, `3000-01-01`), "data.lines[0].to: " + years},
		{"367 days of service", topics.Invoices, invoiceEvent, edit(invoiceData, `2026-05-01`, `2027-04-03`), "data.lines[0].to: ends a service period of 367 days; at most 366 are taken"},
		{"name a number", topics.Registered, "pbx.registered.v1", edit(registeredData, `"Резервация"`, `5`), "data.name: must be a string, but is of type number"},
		{"name missing", topics.Registered, "pbx.registered.v1", edit(registeredData, `"name":"Резервация",`, ``), "data.name: missing; it is required"},
		{"name with a NUL", topics.Registered, "pbx.registered.v1", edit(registeredData, `Резервация`, `\u0000`), "data.name: must not contain a NUL character"},
		{"name with half of a pair", topics.Registered, "pbx.registered.v1", edit(registeredData, `Резервация`, `\ud83d!`), "data.name: " + unpaired},
		{"tax id with two first halves", topics.Registered, "pbx.registered.v1", edit(registeredData, `7707083893`, `\ud83d\ud83d\ude00`), "data.tax_id: " + unpaired},
		{"email with half of a pair", topics.Registered, "pbx.registered.v1", edit(registeredData, `a@example.test`, `\ud83d\u0041`), "data.email: " + unpaired},
		{"phone with half of a pair", topics.Registered, "pbx.registered.v1", edit(registeredData, `+70000000000`, `\uDBFF\\ude00`), "data.phone: " + unpaired},
		{"promo until with half of a pair", topics.Registered, "pbx.registered.v1", edit(registeredData, `2026-01-24`, `\udfff`), "data.promo_until: " + unpaired},
		{"name too long", topics.Registered, "pbx.registered.v1", edit(registeredData, `Резервация`, strings.Repeat("я", 1001)), "data.name: has 1001 characters; at most 1000 are taken"},
		{"tax id a number", topics.Registered, "pbx.registered.v1", edit(registeredData, `"7707083893"`, `7707083893`), "data.tax_id: must be a string, but is of type number"},
		{"email an object", topics.Registered, "pbx.registered.v1", edit(registeredData, `"a@example.test"`, `{}`), "data.email: must be a string, but is of type object"},
		{"promo until a time", topics.Registered, "pbx.registered.v1", edit(registeredData, `2026-01-24`, `2026-01-24T00:00:00Z`), "data.promo_until: must be a date like 2026-04-20"},
		{"registered at a date", topics.Registered, "pbx.registered.v1", edit(registeredData, `2026-01-10T09:00:00Z`, `2026-01-10`), "data.registered_at: must be a time like 2026-01-10T09:00:00Z (RFC 3339)"},
		{"registered at without a zone", topics.Registered, "pbx.registered.v1", edit(registeredData, `09:00:00Z`, `09:00:00`), "data.registered_at: must be a time like 2026-01-10T09:00:00Z (RFC 3339)"},
		{"registered at a number", topics.Registered, "pbx.registered.v1", edit(registeredData, `"2026-01-10T09:00:00Z"`, `1768035600`), "data.registered_at: must be a time like 2026-01-10T09:00:00Z, but is of type number"},
		{"registered in 1899", topics.Registered, "pbx.registered.v1", edit(registeredData, `2026-01-10T`, `1899-12-31T`), "data.registered_at: " + years},
		{"registered in the year 3000 of UTC", topics.Registered, "pbx.registered.v1", edit(registeredData, `2026-01-10T09:00:00Z`, `2999-12-31T23:59:59-01:00`), "data.registered_at: " + years},
		{"a promo period until no day", topics.Registered, "pbx.registered.v1", edit(registeredData, `2026-01-24`, `9999-13-31`), "data.promo_until: must be a date like 2026-04-20"},
		{"a promo period that never ends", topics.PromoEnded, "pbx.promo-ended.v1", `{"account_id":885,"promo_ended_at":"9999-12-31T00:00:00Z"}`, "data.promo_ended_at: " + years},
		{"a termination at no time", topics.Terminated, "pbx.terminated.v1", `{"account_id":885,"terminated_at":"0001-01-01T00:00:00Z"}`, "data.terminated_at: " + years},
		{"promo end missing", topics.PromoEnded, "pbx.promo-ended.v1", `{"account_id":885}`, "data.promo_ended_at: missing; it is required"},
		{"termination missing", topics.Terminated, "pbx.terminated.v1", `{"account_id":885}`, "data.terminated_at: missing; it is required"},
		{"code empty", topics.Activation, "referral.activation-requested.v1", edit(activationData, `ABC234DEF`, ``), "data.code: must not be empty"},
		{"code with half of a pair", topics.Activation, "referral.activation-requested.v1", edit(activationData, `ABC234DEF`, `\uD800\uE000`), "data.code: " + unpaired},
		{"requested at missing", topics.Activation, "referral.activation-requested.v1", `{"account_id":901,"code":"A"}`, "data.requested_at: missing; it is required"},
		{"an id that is no UUID", topics.Results, resultEvent, edit(resultData, `0b5f5b6e-`, `0b5f5b6g-`), "data.adjustment_id: must be a UUID, the adjustment_id or package_id that was sent"},
		{"a status nobody knows", topics.Results, resultEvent, edit(resultData, `applied`, `Applied`), "data.status: must be applied or rejected"},
		{"a status that is a number", topics.Results, resultEvent, edit(resultData, `"applied"`, `1`), "data.status: must be a string, but is of type number"},
		{"reason with half of a pair", topics.Results, resultEvent, edit(resultData, `"at"`, `"reason":"\ud800 ","at"`), "data.reason: " + unpaired},
		{"answer without a time", topics.Results, resultEvent, edit(resultData, `,"at":"2026-05-01T04:00:00Z"`, ``), "data.at: missing; it is required"},
		{"answer without an amount", topics.Results, resultEvent, edit(resultData, `"amount_minor":-142000,`, ``), "data.amount_minor: missing; it is required"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			for _, message := range []maker{structuredMessage, dataFirst, dataInBase64, binaryMessage} {
				m := message(bad.topic, bad.event, bad.data)
				wantFault(t, decoder.Decode(m), m, models.BadField, bad.detail)
			}
		})
	}
}

func wantFault(t *testing.T, got models.DecodedMessage, m models.Message, reason models.BadInput, detail string) {
	t.Helper()
	want := models.DecodedMessage{Message: m, Type: got.Type, Err: &models.InputError{Reason: reason, Detail: detail}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got fact %+v, fault %v\nwant fault %v", got.Fact, got.Err, want.Err)
	}
}

func TestDecodeNamesBadEnvelopes(t *testing.T) {
	const notJSON = "the value is not valid JSON"
	const mark = "begins with a byte order mark (EF BB BF), which JSON must not have; send it without"
	const unpaired = `must not contain an unpaired surrogate, an escape from \ud800 to \udfff without its other half`
	decoder := newTestDecoder(t)
	good := structuredValue("pbx.terminated.v1", "1", terminatedData)
	for _, bad := range []struct {
		name, value string
		reason      models.BadInput
		detail      string
	}{
		{"a tombstone", ``, models.BadUnreadable, "the message has no value (a tombstone); send the event itself"},
		{"spaces", `  `, models.BadUnreadable, notJSON},
		{"plain text", `hello`, models.BadUnreadable, notJSON},
		{"cut short", good[:len(good)-1], models.BadUnreadable, notJSON},
		{"cut short within the data", good[:len(good)-12], models.BadUnreadable, notJSON},
		{"a stray comma", edit(good, `}}`, `},}`), models.BadUnreadable, notJSON},
		{"a leading nought", edit(good, `885`, `0885`), models.BadUnreadable, notJSON},
		{"a raw line break in a string", edit(good, `/test`, "/te\nst"), models.BadUnreadable, notJSON},
		{"not a number", edit(good, `885`, `NaN`), models.BadUnreadable, notJSON},
		{"a byte order mark", "\ufeff" + good, models.BadUnreadable, "the value " + mark},
		{"a byte order mark and nothing else", "\ufeff", models.BadUnreadable, "the value " + mark},
		{"a byte order mark in base64", `{"specversion":"1.0","id":"1","source":"/s","type":"pbx.terminated.v1","data_base64":"77u/e30="}`, models.BadUnreadable, "the value is not a CloudEvent 1.0: data_base64: holds a value that " + mark},
		{"Latin-1", edit(good, `/test`, "/t\xe9st"), models.BadUnreadable, "the value is not valid UTF-8"},
		{"an array", `[` + good + `]`, models.BadUnreadable, "the value is not a CloudEvent: it must be an object, but is of type array"},
		{"a string", `"x"`, models.BadUnreadable, "the value is not a CloudEvent: it must be an object, but is of type string"},
		{"two events", good + good, models.BadUnreadable, "something follows the JSON value; send one event per message"},
		{"trailing garbage", good + ` x`, models.BadUnreadable, "something follows the JSON value; send one event per message"},
		{"no envelope", terminatedData, models.BadUnreadable, "the value is not a CloudEvent 1.0: specversion: missing; it is required"},
		{"another version", edit(good, `"1.0"`, `"0.3"`), models.BadUnreadable, `the value is not a CloudEvent 1.0: specversion: must be "1.0"`},
		{"version as a number", edit(good, `"1.0"`, `1.0`), models.BadUnreadable, "the value is not a CloudEvent 1.0: specversion: must be a string, but is of type number"},
		{"no id", edit(good, `"id":"1",`, ``), models.BadUnreadable, "the value is not a CloudEvent 1.0: id: missing; it is required"},
		{"an empty id", edit(good, `"id":"1"`, `"id":""`), models.BadUnreadable, "the value is not a CloudEvent 1.0: id: must not be empty"},
		{"an id with a NUL", edit(good, `"id":"1"`, `"id":"\u0000"`), models.BadUnreadable, "the value is not a CloudEvent 1.0: id: must not contain a NUL character"},
		{"an endless id", edit(good, `"id":"1"`, `"id":"`+strings.Repeat("x", 201)+`"`), models.BadUnreadable, "the value is not a CloudEvent 1.0: id: has 201 characters; at most 200 are taken"},
		{"an id with half of a pair", edit(good, `"id":"1"`, `"id":"\ud800"`), models.BadUnreadable, "the value is not a CloudEvent 1.0: id: " + unpaired},
		{"a source with half of a pair", edit(good, `/test`, `/\udc00`), models.BadUnreadable, "the value is not a CloudEvent 1.0: source: " + unpaired},
		{"a type with half of a pair", edit(good, `pbx.terminated.v1`, `pbx\udc00`), models.BadUnreadable, "the value is not a CloudEvent 1.0: type: " + unpaired},
		{"a surrogate in the bytes", edit(good, `/test`, "/\xed\xa0\x80"), models.BadUnreadable, "the value is not valid UTF-8"},
		{"an overlong letter", edit(good, `/test`, "/\xc1\x81"), models.BadUnreadable, "the value is not valid UTF-8"},
		{"id null", edit(good, `"id":"1"`, `"id":null`), models.BadUnreadable, "the value is not a CloudEvent 1.0: id: must be a string, but is of type null"},
		{"id twice", edit(good, `"id":"1"`, `"id":"1","id":"2"`), models.BadUnreadable, "the value is not a CloudEvent 1.0: id: given twice"},
		{"no source", edit(good, `"source":"/test",`, ``), models.BadUnreadable, "the value is not a CloudEvent 1.0: source: missing; it is required"},
		{"an endless source", edit(good, `/test`, strings.Repeat("x", 501)), models.BadUnreadable, "the value is not a CloudEvent 1.0: source: has 501 characters; at most 500 are taken"},
		{"no type", edit(good, `"type":"pbx.terminated.v1",`, ``), models.BadUnreadable, "the value is not a CloudEvent 1.0: type: missing; it is required"},
		{"a bad time", edit(good, `"time":"2026-05-01T00:00:00Z"`, `"time":"yesterday"`), models.BadUnreadable, "the value is not a CloudEvent 1.0: time: must be a time like 2026-01-10T09:00:00Z (RFC 3339)"},
		{"a time with a comma", edit(good, `"time":"2026-05-01T00:00:00Z"`, `"time":"2026-05-01T00:00:00,5Z"`), models.BadUnreadable, "the value is not a CloudEvent 1.0: time: must be a time like 2026-01-10T09:00:00Z (RFC 3339)"},
		{"another type", edit(good, `pbx.terminated.v1`, `pbx.terminated.v2`), models.BadUnknownType, `type "pbx.terminated.v2": this topic carries only pbx.terminated.v1; send the event to a topic of its own`},
		{"an endless type", edit(good, `pbx.terminated.v1`, strings.Repeat("t", 81)), models.BadUnknownType, `type "` + strings.Repeat("t", 80) + `"…: this topic carries only pbx.terminated.v1; send the event to a topic of its own`},
		{"no data", `{"specversion":"1.0","id":"1","source":"/s","type":"pbx.terminated.v1"}`, models.BadField, "data: missing; it is required"},
		{"data null", edit(good, `"data":`+terminatedData, `"data":null`), models.BadField, "data: missing; it is required"},
		{"data both ways", edit(good, `"data":`, `"data_base64":"e30=","data":`), models.BadField, "data: given twice, as data and data_base64"},
		{"data in bad base64", `{"specversion":"1.0","id":"1","source":"/s","type":"pbx.terminated.v1","data_base64":"*"}`, models.BadUnreadable, "the value is not a CloudEvent 1.0: data_base64: must be base64"},
		{"data of bad text in base64", `{"specversion":"1.0","id":"1","source":"/s","type":"pbx.terminated.v1","data_base64":"/w=="}`, models.BadUnreadable, "the value is not a CloudEvent 1.0: data_base64: holds a value that is not valid UTF-8"},
		{"deep nesting", edit(good, `"id"`, `"x":`+strings.Repeat("[", 500000)+`,"id"`), models.BadUnreadable, notJSON},
		{"over 1 MiB", good + strings.Repeat(" ", MaxValue+1-len(good)), models.BadTooLarge, "the value has 1048577 bytes, and at most 1048576 are read; split what it carries"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			m := structuredMessage(topics.Terminated, "", "")
			m.Value = []byte(bad.value)
			wantFault(t, decoder.Decode(m), m, bad.reason, bad.detail)
		})
	}
}

func TestDecodeNamesBadHeaders(t *testing.T) {
	decoder := newTestDecoder(t)
	const event = "pbx.terminated.v1"
	for _, bad := range []struct {
		name   string
		m      models.Message
		reason models.BadInput
		detail string
	}{
		{"a batch of events", as("application/cloudevents-batch+json", structuredMessage)(topics.Terminated, event, terminatedData),
			models.BadUnreadable, "the content-type is a CloudEvents format that is not read; send application/cloudevents+json"},
		{"another format", as("application/avro", structuredMessage)(topics.Terminated, event, terminatedData),
			models.BadUnreadable, "neither a structured CloudEvent (content-type) nor a binary one (ce_ headers)"},
		{"no id", without("ce_id", binaryMessage)(topics.Terminated, event, terminatedData),
			models.BadUnreadable, "the value is not a CloudEvent 1.0: id: missing; it is required"},
		{"no version", without("ce_specversion", binaryMessage)(topics.Terminated, event, terminatedData),
			models.BadUnreadable, "the value is not a CloudEvent 1.0: specversion: missing; it is required"},
		{"another type", binaryMessage(topics.Terminated, "x", terminatedData),
			models.BadUnknownType, `type "x": this topic carries only pbx.terminated.v1; send the event to a topic of its own`},
		{"garbage behind the data", binaryMessage(topics.Terminated, event, terminatedData+"]"),
			models.BadUnreadable, "something follows the JSON value; send one event per message"},
		{"data that is no JSON", binaryMessage(topics.Terminated, event, "<xml/>"),
			models.BadUnreadable, "the value is not valid JSON"},
		{"a header in Latin-1", with("ce_x", "\xff", binaryMessage)(topics.Terminated, event, terminatedData),
			models.BadUnreadable, "a ce_ header is not valid UTF-8"},
		{"an attribute twice", with("CE_ID", "2", binaryMessage)(topics.Terminated, event, terminatedData),
			models.BadUnreadable, "the value is not a CloudEvent 1.0: id: given twice"},
		{"a topic that is not read", structuredMessage("elsewhere", event, terminatedData),
			models.BadUnknownType, "the topic is none of those that are read"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			wantFault(t, decoder.Decode(bad.m), bad.m, bad.reason, bad.detail)
		})
	}
}

func with(key, value string, make maker) maker {
	return func(topic, event, data string) models.Message {
		m := make(topic, event, data)
		m.Headers = append(m.Headers, models.Header{Key: key, Value: []byte(value)})
		return m
	}
}

// The body of an invoice is what is read of it: neither how it was written, nor
// the envelope, nor fields that nobody knows.
func TestBodiesOfInvoicesAreToldApart(t *testing.T) {
	decoder := newTestDecoder(t)
	read := func(data string) *models.Invoice {
		t.Helper()
		d := decoder.Decode(structuredMessage(topics.Invoices, "billing.invoice-issued.v1", data))
		if d.Err != nil {
			t.Fatal(d.Err)
		}
		return d.Fact.Data.(*models.Invoice)
	}
	two := edit(invoiceData, `]`, `,{"line_id":"2","service":"numbers","from":"2026-04-01","to":"2026-05-01","amount_minor":5}]`)
	swapped := `{"lines":[
		{"amount_minor":5,"line_id":"2","service":"numbers","to":"2026-05-01","from":"2026-04-01","note":"x"},
		{"line_id":"1","service":"\u0073ubscription","from":"2026-04-01","to":"2026-05-01","amount_minor":300000}],
		"currency":"RUB","revision":1,"period":"2026-04","account_id":885,"invoice_id":"INV-2026-04-885","more":[]}`
	if one := read(two); !one.Same(read(two)) || !one.Same(read(swapped)) || !read(swapped).Same(one) {
		t.Error("the body depends on the order of fields and lines, on white space, escapes or unknown fields")
	}
	for _, change := range [][2]string{
		{`"account_id":885`, `"account_id":886`}, {`"2026-04"`, `"2026-05"`}, {`"line_id":"1"`, `"line_id":"3"`}, {`subscription`, `minutes`},
		{`"from":"2026-04-01"`, `"from":"2026-04-02"`}, {`"to":"2026-05-01"`, `"to":"2026-04-30"`}, {`300000`, `300001`},
		{`,{"line_id":"2"`, `,{"line_id":"4","service":"calls","from":"2026-04-01","to":"2026-05-01","amount_minor":0},{"line_id":"2"`},
	} {
		if other := read(edit(two, change[0], change[1])); other.Same(read(two)) || read(two).Same(other) {
			t.Errorf("%s does not show", change[1])
		}
	}
}

func TestDatesAreThoseOfTheCalendar(t *testing.T) {
	for _, year := range []int{1900, 2000, 2024, 2026, 2100, 2999} {
		for month := range 14 {
			for day := range 33 {
				s := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
				got, err := parseDate([]byte(s))
				want, wantErr := models.ParseDate(s)
				if got != want || (err == nil) != (wantErr == nil) {
					t.Errorf("%s is %v (%v), want %v (%v)", s, got, err, want, wantErr)
				}
			}
		}
	}
	for _, s := range []string{"", "2026-4-01", "2026/04/01", "2026-04-1 ", "+026-04-01", "２026-04-01", "2026-04-011"} {
		if _, err := parseDate([]byte(s)); err == nil {
			t.Errorf("%q is no date", s)
		}
	}
}

func TestResultTakesItsAccountFromTheKey(t *testing.T) {
	decoder := newTestDecoder(t)
	for key, want := range map[string]int64{"885": 885, "": 0, "INV-1": 0, "-5": 0, "+885": 0, "0885": 0, "885.0": 0, "0": 0, "99999999999999999999": 0} {
		m := structuredMessage(topics.Results, "billing.adjustment-result.v1", resultData)
		m.Key = []byte(key)
		if got := decoder.Decode(m).Fact.Data.Account(); got != want {
			t.Errorf("key %q: account %d, want %d", key, got, want)
		}
	}
}

func TestTopicsMustBeNamedAndDiffer(t *testing.T) {
	missing, twice := topics, topics
	missing.Results, twice.Results = "", topics.Invoices
	for want, bad := range map[string]Topics{
		"topics: a topic has no name": missing, `topics: "billing.invoices" is named twice`: twice,
	} {
		if _, err := New(bad, "RUB"); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New(topics, ""); err == nil {
		t.Error("no currency was taken for one")
	}
}

func TestInvoicesOfAnotherCurrencyAreSetAside(t *testing.T) {
	const event = "billing.invoice-issued.v1"
	decoder, err := New(topics, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	for form, m := range map[string]models.Message{
		"structured":  structuredMessage(topics.Invoices, event, invoiceData),
		"binary":      binaryMessage(topics.Invoices, event, invoiceData),
		"unusual way": structuredMessage(topics.Invoices, event, edit(invoiceData, `"revision":1`, `"revision":1.0`)),
	} {
		const want = "data.currency: must be EUR, the currency of the programme (programme.currency)"
		if got := decoder.Decode(m); got.Err == nil || got.Err.Detail != want {
			t.Errorf("%s: fact %+v, fault %v, want %s", form, got.Fact, got.Err, want)
		}
	}
}

// What cannot be read still says its type where it can, so that people find it.
func TestDecodeTellsTheTypeOfWhatItCannotRead(t *testing.T) {
	decoder := newTestDecoder(t)
	const event = "pbx.terminated.v1"
	long := strings.Repeat("t", 1000)
	for _, c := range []struct {
		name string
		m    models.Message
		want string
	}{
		{"readable", structuredMessage(topics.Terminated, event, terminatedData), event},
		{"data that is wrong", structuredMessage(topics.Terminated, event, `{"account_id":-1}`), event},
		{"another type", structuredMessage(topics.Terminated, "pbx.moved.v1", `{}`), "pbx.moved.v1"},
		{"binary", binaryMessage(topics.Terminated, "pbx.moved.v1", `{}`), "pbx.moved.v1"},
		{"broken behind the type", models.Message{Origin: models.Origin{Topic: topics.Terminated}, Value: []byte(`{"type":"pbx.moved.v1","data":{`)}, "pbx.moved.v1"},
		{"a type that is a number", models.Message{Origin: models.Origin{Topic: topics.Terminated}, Value: []byte(`{"type":7}`)}, ""},
		{"noise", models.Message{Origin: models.Origin{Topic: topics.Terminated}, Value: []byte("noise")}, ""},
		{"nothing", models.Message{Origin: models.Origin{Topic: topics.Terminated}}, ""},
		{"an endless type", structuredMessage(topics.Terminated, long, `{}`), long[:maxTypeKept]},
	} {
		if got := decoder.Decode(c.m); got.Type != c.want {
			t.Errorf("%s: type %q, want %q", c.name, got.Type, c.want)
		}
	}
}
