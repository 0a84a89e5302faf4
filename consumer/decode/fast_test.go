package decode

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"referral/models"
)

// newFullDecoder reads everything with jx.
func newFullDecoder(t testing.TB) *Decoder {
	t.Helper()
	d := newTestDecoder(t)
	for _, kind := range d.kinds {
		kind.fast = nil
	}
	return d
}

// sameAsFull holds the fast reader's promise about one message.
func sameAsFull(t interface {
	Helper()
	Fatalf(string, ...any)
}, quick, full *Decoder, m models.Message) {
	t.Helper()
	got, want := quick.Decode(m), full.Decode(m)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\n got %+v %+v\nwant %+v %+v", m.Value, got.Fact, got.Err, want.Fact, want.Err)
	}
}

// pieces are what [TestFastReaderChangesNothing] puts in: everything that JSON, the
// envelope and an invoice are sensitive to.
var pieces = []string{
	``, `{`, `}`, `[`, `]`, `,`, `:`, `"`, `\`, ` `, "\n", "\t", "\x00", "\x7f", `ы`, "\xff", `0`, `1`, `-`, `-0`, `00`, `.`, `1.0`, `1e2`, `.0`, `e0`, `e400000000`, `-1000000000000000`, `1000000000000000`, `\ud800`, `\ud83d\ude00`, "\ufeff", `null`, `true`, `""`, `"x"`,
	`9223372036854775807`, `9223372036854775808`, `1000000000000001`, `-1000000000000001`, `2147483648`, `"2026-02-30"`, `"2026-04"`, `"2026-13"`, `"1899-12"`, `"3000-01"`,
	`"2028-02-29"`, `"2027-06-01"`, `"1899-12-31"`, `"2999-12-31"`, `"9999-12-31"`, `"1.0"`, `\u0061`, `"RUB"`, `"EUR"`, `"rub"`, `"2"`, `"` + strings.Repeat("ы", 200) + `"`, `"` + strings.Repeat("x", 201) + `"`,
	`"line_id"`, `"service"`, `"from"`, `"amount_minor"`, `"lines":[],`, `"revision":1,`, `"account_id":7,`, `"currency":"RUB",`, `"unknown":"text",`,
	`"unknown":{"a":[1]},`, `"type":"pbx.registered.v1",`, `"type":"billing.invoice-issued.v1",`, `"data":{},`, `"data_base64":"e30=",`, `"time":null,`,
	`"time":"2026-05-01T00:00:00.1234567+03:00",`, `"2026-05-01t00:00:00z"`, `"2026-06-30T23:59:60Z"`, `"2026-05-01T00:00:00,5Z"`, `"2026-05-01T0:00:00Z"`,
	`"2026-05-01T00:00:00+24:00"`, `"2999-12-31T23:59:59-01:00"`, `"subject":"885",`, `"datacontenttype":"application/json",`,
}

// Each piece is put in the place of every token, before it, and into it.
func TestFastReaderChangesNothing(t *testing.T) {
	quick, full := newTestDecoder(t), newFullDecoder(t)
	data := invoiceOf(2)
	structured, bare := structuredMessage(topics.Invoices, "", ""), binaryMessage(topics.Invoices, "billing.invoice-issued.v1", "")
	for value, m := range map[string]models.Message{
		structuredValue("billing.invoice-issued.v1", "1", data): structured,
		data: bare,
		string(dataFirst(topics.Invoices, "billing.invoice-issued.v1", invoiceOf(1)).Value):    structured,
		string(dataInBase64(topics.Invoices, "billing.invoice-issued.v1", invoiceOf(1)).Value): structured,
	} {
		for _, token := range regexp.MustCompile(`"[^"]*"|[-0-9]+|[^\s]`).FindAllStringIndex(value, -1) {
			from, to := token[0], token[1]
			for _, piece := range pieces {
				for _, cut := range [][2]int{{from, to}, {from, from}, {(from + to) / 2, (from + to) / 2}} {
					m.Value = []byte(value[:cut[0]] + piece + value[cut[1]:])
					sameAsFull(t, quick, full, m)
				}
			}
		}
	}
}

// Whole fields that come twice, are left out or change places hit the fast reader's
// bookkeeping more often than blind edits do.
func TestFastReaderKeepsAccountOfFields(t *testing.T) {
	quick, full := newTestDecoder(t), newFullDecoder(t)
	object := func(t *rapid.T, label string, fields ...string) string {
		return "{" + strings.Join(rapid.Permutation(fields).Draw(t, label), ",") + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		more := func(label string, fields ...string) []string {
			extras := []string{`"note":"x"`, `"note":7`, `"to":"2026-05-01"`, `"lines":[]`, `"source":"/s"`}
			fields = append(fields, rapid.SliceOfN(rapid.SampledFrom(extras), 0, 2).Draw(t, label)...)
			return fields[rapid.IntRange(0, 1).Draw(t, label+" short of"):]
		}
		line := object(t, "line", more("of a line", `"line_id":"1"`, `"service":"calls"`, `"from":"2026-04-01"`, `"to":"2026-04-30"`, `"amount_minor":-5`)...)
		inv := object(t, "invoice", more("of an invoice", `"invoice_id":"I"`, `"account_id":1`, `"period":"2026-04"`, `"revision":2`, `"currency":"RUB"`,
			`"lines":[`+line+`]`)...)
		m := structuredMessage(topics.Invoices, "", "")
		m.Value = []byte(object(t, "event", more("of an event", `"specversion":"1.0"`, `"id":"1"`, `"source":"/s"`, `"type":"billing.invoice-issued.v1"`,
			`"data":`+inv)...))
		sameAsFull(t, quick, full, m)
	})
}

// What is written as usual is read by the fast reader, or it would be of no use: in any
// order of the fields, with the envelope's usual extras, and in either mode.
func TestFastReaderReadsWhatIsWrittenAsUsual(t *testing.T) {
	kind := newTestDecoder(t).kinds[topics.Invoices]
	for name, value := range map[string]string{
		"as in the contract": structuredValue("billing.invoice-issued.v1", "1", invoiceOf(4)),
		"with blanks":        strings.NewReplacer(`,"`, ", \n\t\"", `":`, `": `).Replace(structuredValue("billing.invoice-issued.v1", "1", invoiceOf(4))),
		"with a subject": edit(structuredValue("billing.invoice-issued.v1", "1", invoiceOf(1)),
			`"data":`, `"subject":"885","datacontenttype":"application/json","traceparent":"00-1-2-3","data":`),
		"in another order": `{"data":` + invoiceOf(2) + `,"type":"billing.invoice-issued.v1","source":"/счета","id":"1","specversion":"1.0"}`,
	} {
		m := structuredMessage(topics.Invoices, "", "")
		m.Value = []byte(value)
		e := envelope{kind: kind}
		if !readFast(m.Value, func(r *fastReader) { structured.readFast(r, &e) }) {
			t.Errorf("%s: the fast reader fails at %s", name, value)
		}
	}
	if !readFast([]byte(invoiceOf(20)), func(r *fastReader) { kind.fast(r) }) {
		t.Error("the fast reader fails at bare data")
	}
}
