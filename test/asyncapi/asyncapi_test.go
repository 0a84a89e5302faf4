package asyncapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"referral/billing"
	"referral/models"
	"referral/notify"
	"referral/notify/kafka"
	"referral/publisher"
	"referral/test/asyncapi"
)

func contract(t testing.TB) *asyncapi.Contract {
	t.Helper()
	c, err := asyncapi.Load("../../asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryTopicOfTheConfigurationHasAChannel(t *testing.T) {
	t.Parallel()
	want := []string{
		"billing.adjustment-results", "billing.adjustments.discounts", "billing.adjustments.sms-packages", "billing.invoices",
		"pbx.promo-ended", "pbx.registered", "pbx.terminated",
		"referral.activation-requested", "referral.dead-letters", "referral.events", "referral.notifications",
	}
	if got := slices.Sorted(slices.Values(contract(t).Topics())); !slices.Equal(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

// line is one message of testdata/inbound.jsonl.
type line struct {
	Topic string         `json:"topic"`
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

func inbound(t testing.TB) []line {
	t.Helper()
	text, err := os.ReadFile("testdata/inbound.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var lines []line
	for row := range bytes.Lines(text) {
		var l line
		if err := json.Unmarshal(row, &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

func (l line) message(t testing.TB) asyncapi.Message {
	t.Helper()
	value, err := json.Marshal(l.Value)
	if err != nil {
		t.Fatal(err)
	}
	return asyncapi.Message{Topic: l.Topic, Key: l.Key, Value: value}
}

func TestInboundMessagesAreValid(t *testing.T) {
	t.Parallel()
	c, lines := contract(t), inbound(t)
	if len(lines) < 10 {
		t.Fatalf("only %d lines", len(lines))
	}
	for _, l := range lines {
		if err := c.Validate(l.message(t)); err != nil {
			t.Errorf("%v: %v", l.Value["id"], err)
		}
	}
}

// optional fields may be missing, whereas all others that stand in the samples
// may not; foreign fields may be anything.
var (
	optional = []string{"time", "subject", "datacontenttype", "promo_until", "email", "phone", "reason"}
	foreign  = []string{"subject", "datacontenttype", "traceparent", "manager"}
)

// Every field of every sample, once left out and once of a wrong type.
func TestInboundMessagesWithAMissingFieldAreInvalid(t *testing.T) {
	t.Parallel()
	c := contract(t)
	for _, l := range inbound(t) {
		for path, object := range objects(l.Value, l.Topic) {
			for name, value := range maps.Clone(object) {
				valid := func(what string, want bool) {
					t.Helper()
					if err := c.Validate(l.message(t)); (err == nil) != want {
						t.Errorf("%s: %s.%s %s: %v", l.Value["id"], path, name, what, err)
					}
				}
				delete(object, name)
				valid("missing", slices.Contains(optional, name) || slices.Contains(foreign, name))
				object[name] = true
				valid("true", slices.Contains(foreign, name))
				object[name] = value
			}
		}
	}
}

// objects is a JSON object and all objects in it that the contract describes.
func objects(value map[string]any, path string) map[string]map[string]any {
	found := map[string]map[string]any{path: value}
	for name, inner := range value {
		if slices.Contains(foreign, name) {
			continue
		}
		switch inner := inner.(type) {
		case map[string]any:
			maps.Copy(found, objects(inner, path+"."+name))
		case []any:
			for i, element := range inner {
				maps.Copy(found, objects(element.(map[string]any), fmt.Sprintf("%s.%s[%d]", path, name, i)))
			}
		}
	}
	return found
}

func TestInboundMessagesWithABadValueAreInvalid(t *testing.T) {
	t.Parallel()
	const (
		registration = 0
		activation   = 6
		invoice      = 7
		answer       = 9
	)
	for _, c := range []struct {
		name   string
		sample int
		field  string // of the value, of its data, or of its first line
		value  any
	}{
		{"another version of CloudEvents", registration, "specversion", "0.3"},
		{"an event without an id", registration, "id", ""},
		{"a type of another topic", registration, "type", "pbx.terminated.v1"},
		{"a type that nobody knows", registration, "type", "pbx.registered.v9"},
		{"account 0", registration, "account_id", 0},
		{"an account as a string", registration, "account_id", "885"},
		{"an account with a fraction", registration, "account_id", 885.5},
		{"a NUL", registration, "name", "a\x00b"},
		{"a name of 1001 characters", registration, "name", strings.Repeat("я", 1001)},
		{"a time that is a date", registration, "registered_at", "2026-01-10"},
		{"a time without a zone", registration, "registered_at", "2026-01-10T09:00:00"},
		{"a time with a comma", registration, "registered_at", "2026-01-10T09:00:00,5Z"},
		{"an hour of one digit", registration, "registered_at", "2026-01-10T9:00:00Z"},
		{"an offset of a day", registration, "registered_at", "2026-01-10T09:00:00+24:00"},
		{"an offset of 60 minutes", registration, "registered_at", "2026-01-10T09:00:00+23:60"},
		{"a leap second at noon", registration, "registered_at", "2026-01-10T12:00:60Z"},
		{"a time at the end of the calendar", registration, "registered_at", "9999-12-31T00:00:00Z"},
		{"30 February", registration, "promo_until", "2026-02-30"},
		{"an empty code", activation, "code", ""},
		{"a code of 201 characters", activation, "code", strings.Repeat("A", 201)},
		{"a 13th month", invoice, "period", "2026-13"},
		{"a period that is a day", invoice, "period", "2026-04-01"},
		{"a year before any PBX", invoice, "period", "1899-12"},
		{"a month of the year 3000", invoice, "period", "3000-01"},
		{"a day of 1899", invoice, "from", "1899-12-31"},
		{"a day of the year 3000", invoice, "to", "3000-01-01"},
		{"revision 0", invoice, "revision", 0},
		{"roubles in small letters", invoice, "currency", "rub"},
		{"31 April", invoice, "from", "2026-04-31"},
		{"more than ten trillion roubles", invoice, "amount_minor", 1_000_000_000_000_001},
		{"less than minus ten trillion roubles", invoice, "amount_minor", -1_000_000_000_000_001},
		{"half a kopeck", invoice, "amount_minor", 0.5},
		{"lines that are no list", invoice, "lines", map[string]any{}},
		{"an answer that is neither", answer, "status", "maybe"},
		{"an answer to what is no UUID", answer, "adjustment_id", "INV-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := inbound(t)[c.sample]
			replaced := false
			for _, object := range objects(l.Value, "") {
				if _, there := object[c.field]; there && !replaced {
					object[c.field], replaced = c.value, true
				}
			}
			if err := contract(t).Validate(l.message(t)); err == nil || !replaced {
				t.Errorf("%s = %v passes for valid", c.field, c.value)
			}
		})
	}
}

// Everything that RFC 3339 allows, in the first and the last year.
func TestTimesInAnyZoneAreValid(t *testing.T) {
	t.Parallel()
	for _, at := range []string{
		"2026-01-10t09:00:00z", "2026-06-30T23:59:60Z", "2027-01-01T02:59:60+03:00", "2026-01-10T09:00:00.123456789012Z", "2026-01-10T09:00:00-00:00",
		"2000-01-01T00:00:00Z", "1899-12-31T23:00:00-01:00", "3000-01-01T02:59:59+03:00",
	} {
		l := inbound(t)[0]
		l.Value["data"].(map[string]any)["registered_at"] = at
		if err := contract(t).Validate(l.message(t)); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
}

func TestMessagesOfAnotherTopicAreInvalid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		message asyncapi.Message
		want    string
	}{
		{"an unknown topic", asyncapi.Message{Topic: "elsewhere"}, "no topic elsewhere"},
		{"no JSON", asyncapi.Message{Topic: "pbx.registered", Value: []byte("{")}, "not JSON"},
		{"no object", asyncapi.Message{Topic: "pbx.registered", Value: []byte("[]")}, `type ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := contract(t).Validate(c.message); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	sample := inbound(t)[0].message(t)
	sample.Key = "account-885"
	if err := contract(t).Validate(sample); err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("a key that is no account: %v", err)
	}
}

// The examples that people read must be right, too.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Channels map[string]struct {
			Address  string
			Messages map[string]any
		}
		Components struct {
			Messages map[string]struct {
				Examples []struct{ Payload map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, channel := range doc.Channels {
		for name := range channel.Messages {
			examples := doc.Components.Messages[name].Examples
			if len(examples) == 0 && name != "deadLetter" {
				t.Errorf("message %s has no example", name)
			}
			for _, example := range examples {
				value, err := json.Marshal(example.Payload)
				if err != nil {
					t.Fatal(err)
				}
				outbound, key := map[string]string{"content-type": publisher.ContentType}, "885"
				if subject, given := example.Payload["subject"].(string); given {
					key = subject
				}
				if err := contract(t).Validate(asyncapi.Message{Topic: channel.Address, Key: key, Headers: outbound, Value: value}); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// checkSent holds a message that the publisher writes against the contract.
func checkSent(t rapid.TB, c *asyncapi.Contract, topic string, account int64, value []byte) {
	t.Helper()
	err := c.Validate(asyncapi.Message{
		Topic: topic, Key: fmt.Sprint(account), Headers: map[string]string{"content-type": publisher.ContentType}, Value: value,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, value)
	}
}

func TestSentDocumentsAreValid(t *testing.T) {
	t.Parallel()
	c, encoder := contract(t), publisher.NewEncoder("/referral")
	rapid.Check(t, func(t *rapid.T) {
		a, p := anyAdjustment(t), anyPackage(t)
		at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns"))
		checkSent(t, c, "billing.adjustments.discounts", a.AccountID, encoder.AppendAdjustment(nil, at, &a))
		checkSent(t, c, "billing.adjustments.sms-packages", p.AccountID, encoder.AppendPackage(nil, at, &p))
	})
}

// Invitations as the sender's own writer writes them, whatever is in them.
func TestSentInvitationsAreValid(t *testing.T) {
	t.Parallel()
	c := contract(t)
	rapid.Check(t, func(t *rapid.T) {
		m := anyInvitation(t)
		event, err := kafka.Event(m)
		if err != nil {
			t.Fatal(err)
		}
		checkSent(t, c, "referral.notifications", m.AccountID, event)
	})
}

func anyInvitation(t *rapid.T) *models.InvitationMessage {
	terms := billing.Terms{
		Invitee: billing.InviteeTerms{Percent: rapid.IntRange(0, 100).Draw(t, "percent"), Months: rapid.IntRange(1, 24).Draw(t, "months")},
		Ladder:  []billing.StepTerms{{Percent: 20, Months: 3}}, WindowMonths: rapid.IntRange(0, 24).Draw(t, "window"), Discounted: []string{"s"},
	}
	programme, err := billing.NewProgramme(time.UTC, []billing.Terms{terms})
	if err != nil {
		t.Fatal(err)
	}
	w, err := notify.NewWriter(notify.WriterOptions{
		PublicURL: "https://lk.example.ru", Brand: rapid.StringMatching(`[^\r\n\x00]{1,20}`).Draw(t, "brand"), Programme: programme, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := w.Write(&models.ClaimedInvitation{
		Claim:     models.InvitationClaim{AccountID: anyAccount(t), ID: anyUUID(t)},
		Channel:   rapid.SampledFrom([]models.Channel{models.Email, models.SMS}).Draw(t, "channel"),
		Recipient: rapid.StringMatching(`[!-~]{1,254}`).Draw(t, "recipient"), Code: anyID(t, "code"), Token: anyID(t, "token"),
		CreatedAt: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestInvitationsThatBreakTheContractAreInvalid(t *testing.T) {
	t.Parallel()
	c := contract(t)
	m := models.InvitationMessage{
		ID: models.UUID{1}, AccountID: 885, Channel: models.Email, Recipient: "friend@example.com", Code: "K7M2XQ9PR", Subject: "Скидка",
		Link: "https://lk.example.ru/referral?code=K7M2XQ9PR", OptOutLink: "https://lk.example.ru/referral/opt-out/T", Text: "Код",
		CreatedAt: time.Unix(1777600000, 0),
	}
	event, err := kafka.Event(&m)
	if err != nil {
		t.Fatal(err)
	}
	good := string(event)
	message := func(value string) asyncapi.Message {
		return asyncapi.Message{
			Topic: "referral.notifications", Key: "885",
			Headers: map[string]string{"content-type": publisher.ContentType}, Value: []byte(value),
		}
	}
	if err := c.Validate(message(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"channel":"email"`, `"channel":"pigeon"`},
		{`"recipient":"friend@example.com"`, `"recipient":"friend@example.com\r\nBcc: x"`},
		{`"recipient":"friend@example.com"`, `"recipient":""`},
		{`"link":"https`, `"link":"javascript`},
		{`"subject":"Скидка",`, ``},
		{`"text":"Код"`, `"text":""`},
		{`"code":"K7M2XQ9PR",`, ``},
		{`,"opt_out_link":"https://lk.example.ru/referral/opt-out/T"`, ``},
		{`"invitation_id":"01`, `"invitation_id":"x1`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s does not stand in %s", change[0], good)
		}
		if err := c.Validate(message(bad)); err == nil {
			t.Errorf("%s passes for valid", change[1])
		}
	}
}

func anyID(t *rapid.T, what string) string {
	return strings.ReplaceAll(rapid.StringN(1, 200, -1).Draw(t, what), "\x00", "0")
}

func anyUUID(t *rapid.T) models.UUID {
	return models.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
}

func anyAccount(t *rapid.T) int64 { return rapid.Int64Range(1, 1<<63-1).Draw(t, "account") }

func anyPeriod(t *rapid.T) models.Period {
	return models.NewPeriod(rapid.IntRange(1900, 9998).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")))
}

func anyAdjustment(t *rapid.T) models.Adjustment {
	a := models.Adjustment{
		ID: anyUUID(t), Sequence: rapid.IntRange(1, 50).Draw(t, "sequence"), AccountID: anyAccount(t),
		InvoiceID: anyID(t, "invoice"), InvoiceRevision: rapid.IntRange(1, 1<<31-1).Draw(t, "revision"),
		Period: anyPeriod(t), PostingPeriod: anyPeriod(t), Currency: "RUB", Amount: models.Money(rapid.Int64().Draw(t, "amount")),
		Reason: rapid.SampledFrom([]models.AdjustmentReason{
			models.ReasonRun, models.ReasonLateFact, models.ReasonInvoiceRevised, models.ReasonRevoked,
		}).Draw(t, "reason"),
	}
	for range rapid.IntRange(1, 4).Draw(t, "items") {
		from := a.Period.First()
		item := models.AdjustmentItem{LineID: anyID(t, "line"), Service: anyID(t, "service"), Amount: -1}
		for range rapid.IntRange(0, 3).Draw(t, "segments") {
			to := from + models.Date(rapid.IntRange(1, 10).Draw(t, "days"))
			item.Segments = append(item.Segments, models.Segment{
				From: from, To: to, Invitee: 20, Inviter: rapid.SampledFrom([]int{0, 20, 100}).Draw(t, "inviter"),
			})
			from = to
		}
		a.Items = append(a.Items, item)
	}
	return a
}

func anyPackage(t *rapid.T) models.SMSPackage {
	return models.SMSPackage{
		ID: anyUUID(t), AccountID: anyAccount(t), SMS: rapid.IntRange(1, 5000).Draw(t, "sms"), GrantedOn: anyPeriod(t).First(),
		Period: anyPeriod(t), InvoiceID: rapid.SampledFrom([]string{"", "INV-1"}).Draw(t, "invoice"), Step: rapid.IntRange(1, 5).Draw(t, "step"),
	}
}

// What the programme really announces: a friend's whole story, with the refusals.
func TestSentEventsAreValid(t *testing.T) {
	t.Parallel()
	c, encoder := contract(t), publisher.NewEncoder("/referral")
	seen := map[models.OutboxEventType]int{}
	for _, a := range story(t) {
		value, err := encoder.AppendEvent(nil, &a)
		if err != nil {
			t.Fatal(err)
		}
		checkSent(t, c, "referral.events", a.AccountID, value)
		seen[a.Type]++
	}
	signed := models.OutboxEvent{ID: models.UUID{3}, Type: models.MonthSigned, At: time.Unix(1_777_777_777, 0), Data: map[string]any{
		"period": models.Period(202604), "signed_at": time.Unix(1_777_777_777, 0).UTC(), "report_sha256": strings.Repeat("0f", 32),
		"journal_entry": 7, "journal_hash": strings.Repeat("a1", 32),
	}}
	value, err := encoder.AppendEvent(nil, &signed)
	if err != nil {
		t.Fatal(err)
	}
	checkSent(t, c, "referral.events", 0, value)
	for _, kind := range []models.OutboxEventType{models.CodeIssued, models.Activated, models.Refused, models.DiscountChanged} {
		if seen[kind] == 0 {
			t.Errorf("nothing of type %s was announced", kind)
		}
	}
}

func story(t *testing.T) []models.OutboxEvent {
	t.Helper()
	programme, err := billing.NewProgramme(time.FixedZone("MSK", 3*60*60), []billing.Terms{{
		WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3}, Ladder: []billing.StepTerms{{Percent: 20, Months: 3}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{"AAAAAAAAA", "BBBBBBBBB"}
	book := billing.NewFactApplier(programme, models.NewWorkingSet(), func() string {
		code := codes[0]
		codes = codes[1:]
		return code
	})
	day := func(n int) time.Time { return time.Date(2026, 1, n, 9, 0, 0, 0, time.UTC) }
	for i, data := range []models.FactData{
		models.Registered{AccountID: 885, RegisteredAt: day(1)},
		models.Registered{AccountID: 901, RegisteredAt: day(2)},
		models.ActivationRequested{AccountID: 901, Code: "ZZZZZZZZZ", RequestedAt: day(3)},
		models.ActivationRequested{AccountID: 901, Code: "BBBBBBBBB", RequestedAt: day(4)},
		models.ActivationRequested{AccountID: 901, Code: "AAAAAAAAA", RequestedAt: day(5)},
		models.ActivationRequested{AccountID: 901, Code: "AAAAAAAAA", RequestedAt: day(6)},
		models.PromoEnded{AccountID: 901, EndedAt: day(7)},
	} {
		book.Apply(&models.Fact{At: day(i + 1), Data: data})
	}
	announcements := book.Close().OutboxEvents
	left := &models.Fact{At: day(8), Data: models.Terminated{AccountID: 901, TerminatedAt: day(1)}}
	book.Apply(left)
	return append(announcements, book.Close().OutboxEvents...)
}

func TestSentMessagesWithAFaultAreInvalid(t *testing.T) {
	t.Parallel()
	c := contract(t)
	a := models.Adjustment{
		ID: models.UUID{1}, Sequence: 1, AccountID: 885, InvoiceID: "INV-1", InvoiceRevision: 1, Period: 202604, PostingPeriod: 202604,
		Currency: "RUB", Amount: -1, Reason: models.ReasonRun,
		Items: []models.AdjustmentItem{{LineID: "1", Service: "s", Amount: -1, Segments: []models.Segment{{From: 20000, To: 20001, Invitee: 20}}}},
	}
	good := string(publisher.NewEncoder("/referral").AppendAdjustment(nil, time.Unix(1777600000, 0), &a))
	message := func(value string) asyncapi.Message {
		return asyncapi.Message{
			Topic: "billing.adjustments.discounts", Key: "885",
			Headers: map[string]string{"content-type": publisher.ContentType}, Value: []byte(value),
		}
	}
	if err := c.Validate(message(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"segments":[{"from":"2024-10-04","to":"2024-10-05","percent":20}]`, `"segments":null`},
		{`"percent":20`, `"percent":120`},
		{`"reason":"run"`, `"reason":"whim"`},
		{`"period":"2026-04"`, `"period":"2026-4"`},
		{`"subject":"885"`, `"subject":885`},
		{`"amount_minor":-1,"reason"`, `"amount_minor":-1.5,"reason"`},
		{`"datacontenttype":"application/json",`, ``},
		{`"time":"2026-05-01T01:46:40Z"`, `"time":"2026-05-01 01:46:40"`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s does not stand in %s", change[0], good)
		}
		if err := c.Validate(message(bad)); err == nil {
			t.Errorf("%s passes for valid", change[1])
		}
	}
	binary := message(good)
	binary.Headers["content-type"] = "application/json"
	if err := c.Validate(binary); err == nil {
		t.Error("the header of binary mode passes for valid")
	}
}

func TestDeadLettersNeedTheirOrigin(t *testing.T) {
	t.Parallel()
	c := contract(t)
	headers := map[string]string{
		"ce_id": "e-1", "error": "unreadable: no JSON", "origin-topic": "billing.invoices", "origin-partition": "3", "origin-offset": "1099511627776",
	}
	message := asyncapi.Message{Topic: "referral.dead-letters", Key: "\xff", Headers: headers, Value: []byte("\x00{")}
	if err := c.Validate(message); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"error", "origin-topic", "origin-partition", "origin-offset"} {
		message.Headers = maps.Clone(headers)
		delete(message.Headers, name)
		if err := c.Validate(message); err == nil {
			t.Errorf("a dead letter without %s passes for valid", name)
		}
	}
}
