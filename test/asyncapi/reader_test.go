package asyncapi_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"referral/consumer/decode"
	"referral/models"
	"referral/test/asyncapi"
)

// inputs is the messages of the input topics, by their names in asyncapi.yaml.
var inputs = map[string]string{
	"registered": "pbx.registered", "promoEnded": "pbx.promo-ended", "terminated": "pbx.terminated",
	"activationRequested": "referral.activation-requested", "invoiceIssued": "billing.invoices", "adjustmentResult": "billing.adjustment-results",
}

func newDecoder(t testing.TB) *decode.Decoder {
	t.Helper()
	d, err := decode.New(decode.Topics{
		Registered: inputs["registered"], PromoEnded: inputs["promoEnded"], Terminated: inputs["terminated"],
		Activation: inputs["activationRequested"], Invoices: inputs["invoiceIssued"], Results: inputs["adjustmentResult"],
	}, "RUB")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// anyEvent draws an event that the schema accepts, and that keeps what the schema
// cannot say.
func anyEvent(t *rapid.T, s schemas, name string) map[string]any {
	event := s.value(t, s.find(t, "messages/"+name+"/payload")).(map[string]any)
	if data := event["data"].(map[string]any); data["lines"] != nil {
		data["currency"] = "RUB"
		data["lines"] = keepingRules(data["lines"].([]any))
	}
	return event
}

// keepingRules changes lines so that they keep the rules about more than one value.
func keepingRules(lines []any) []any {
	sum := int64(0)
	for i, item := range lines {
		line := item.(map[string]any)
		line["line_id"] = fmt.Sprintf("%d%.100s", i, line["line_id"])
		from, _ := time.Parse(time.DateOnly, line["from"].(string))
		if to, _ := time.Parse(time.DateOnly, line["to"].(string)); to.Sub(from) > 366*24*time.Hour {
			line["to"] = line["from"]
		}
		amount, _ := line["amount_minor"].(json.Number).Int64()
		if sum+amount > int64(models.MaxAmount) || sum+amount < -int64(models.MaxAmount) {
			amount = -amount
		}
		sum += amount
		line["amount_minor"] = json.Number(fmt.Sprint(amount))
	}
	return lines
}

func structured(topic, value string) models.Message {
	return models.Message{
		Origin: models.Origin{Topic: topic}, Key: []byte("885"), At: time.Unix(1777600000, 0).UTC(), Value: []byte(value),
		Headers: []models.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}},
	}
}

func binary(topic string, event map[string]any, data string) models.Message {
	m := structured(topic, data)
	m.Headers[0].Value = []byte("application/json")
	for name, value := range event {
		if text, ok := value.(string); ok {
			m.Headers = append(m.Headers, models.Header{Key: "ce_" + name, Value: []byte(text)})
		}
	}
	return m
}

// Whatever the schema accepts is read, to the same fact in whatever spelling and mode.
func TestDecoderAcceptsWhatTheSchemaAccepts(t *testing.T) {
	c, s, decoder := contract(t), loadSchemas(t), newDecoder(t)
	for name, topic := range inputs {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				event := anyEvent(t, s, name)
				plain, err := json.Marshal(event)
				if err != nil {
					t.Fatal(err)
				}
				want := read(t, c, decoder, topic, string(plain), structured(topic, string(plain)))
				odd := spell(t, event)
				same(t, want, read(t, c, decoder, topic, odd, structured(topic, odd)), odd)
				data := spell(t, event["data"])
				same(t, want, read(t, c, decoder, topic, odd, binary(topic, event, data)), data)
				event["data_base64"] = base64.StdEncoding.EncodeToString([]byte(data))
				delete(event, "data")
				coded := spell(t, event)
				same(t, want, read(t, c, decoder, topic, coded, structured(topic, coded)), coded)
			})
		})
	}
}

// read decodes a message. valid is its value in structured mode, which the schema
// must accept, or the generator is wrong.
func read(t *rapid.T, c *asyncapi.Contract, d *decode.Decoder, topic, valid string, m models.Message) *models.Fact {
	t.Helper()
	if err := c.Validate(asyncapi.Message{Topic: topic, Key: "885", Value: []byte(valid)}); err != nil {
		t.Fatalf("the generator makes what the schema refuses: %v\n%s", err, valid)
	}
	delivery := d.Decode(m)
	if delivery.Err != nil {
		t.Fatalf("the schema accepts what is refused with %v\n%s", delivery.Err, m.Value)
	}
	return delivery.Fact
}

func same(t *rapid.T, want, got *models.Fact, text string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\n got %+v\nwant %+v", text, got, want)
	}
}

// beyondSchema is the faults of what a schema cannot refuse.
var beyondSchema = regexp.MustCompile(`^data\.currency: must be RUB, ` +
	`|^data\.lines\[\d+\]\.(line_id: is that of lines|to: ends a service period of )` +
	`|^data\.lines: must sum to ` +
	`|^data\.(\w+_)?at: must lie in the years 1900 to 2999`) // in UTC: the schema goes by the local day

// What the schema refuses is refused, and what it does not refuse is taken, but for
// a few rules that it has no words for.
func TestDecoderRefusesWhatTheSchemaRefuses(t *testing.T) {
	c, s, decoder := contract(t), loadSchemas(t), newDecoder(t)
	for name, topic := range inputs {
		t.Run(name, func(t *testing.T) {
			refused, taken := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				event := anyEvent(t, s, name)
				where := mutate(t, event)
				value := spell(t, event)
				wrong := c.Validate(asyncapi.Message{Topic: topic, Key: "885", Value: []byte(value)})
				d := decoder.Decode(structured(topic, value))
				switch {
				case wrong == nil && d.Err == nil:
					taken++
				case wrong != nil && d.Err != nil:
					refused++
				case wrong != nil:
					t.Fatalf("%s: read, though the schema refuses it: %v\n%s", where, wrong, value)
				case !beyondSchema.MatchString(d.Err.Detail):
					t.Fatalf("%s: the schema accepts what is refused with %v\n%s", where, d.Err, value)
				}
			})
			if refused < 20 || taken == 0 {
				t.Errorf("%d mutants were refused and %d taken: too few to tell anything", refused, taken)
			}
		})
	}
}
