package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"

	"referral/models"
	"referral/test/reference"
)

func newGenerator(t testing.TB, o Options) *Generator {
	t.Helper()
	if o.First == 0 {
		o.First = 202603
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// codeOf is a code that names its owner.
func codeOf(account int64) (string, bool) { return fmt.Sprintf("CODE-%d", account), true }

func ownerOf(code string) (int64, bool) {
	var owner int64
	_, err := fmt.Sscanf(code, "CODE-%d", &owner)
	return owner, err == nil
}

// generate passes all messages to each, and calls run after each phase.
func generate(t testing.TB, g *Generator, each func(Message), run func(models.Period)) {
	t.Helper()
	for phase := range g.Phases() {
		for m := range g.Registrations(phase) {
			each(m)
		}
		for m, err := range g.Rest(phase, codeOf) {
			if err != nil {
				t.Fatal(err)
			}
			each(m)
		}
		run(g.Period(phase))
	}
}

func noRun(models.Period) {}

func TestSameSeedGivesSameMessages(t *testing.T) {
	t.Parallel()
	told := func(seed uint64) string {
		var b bytes.Buffer
		generate(t, newGenerator(t, Options{Seed: seed, Accounts: 100, Months: 3}), func(m Message) {
			fmt.Fprintf(&b, "%s %s %s %v\n", m.Topic, m.Key, m.Value, m.Headers)
		}, noRun)
		return b.String()
	}
	first := told(7)
	if again := told(7); again != first {
		t.Error("seed 7 gave different messages")
	}
	if first == told(8) {
		t.Error("seeds 7 and 8 gave the same messages")
	}
}

// The decision that the generator expects of every activation is that of the rules.
func TestExpectedDecisionsFollowTheRules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		var told Summary
		model := reference.New(ownerOf)
		generate(t, newGenerator(t, Options{Seed: seed, Accounts: 500, Months: 4, First: 202511}), func(m Message) {
			told.Count(&m)
			if m.Expected.Bad == "" && m.Topic != Invoices {
				if err := model.Take(m.Headers, m.Value); err != nil {
					t.Fatalf("%s: %v", m.Value, err)
				}
			}
		}, noRun)

		got := map[models.Reason]int64{"": int64(len(model.Accepted())), models.NotRegistered: int64(model.Pending())}
		for _, r := range model.Refused() {
			got[models.Reason(r.Reason)]++
		}
		if !maps.Equal(got, told.Activations) {
			t.Errorf("seed %d: the rules give %v, the generator expects %v", seed, got, told.Activations)
		}
	}
}

func TestSmallWorkloadHasEveryCase(t *testing.T) {
	t.Parallel()
	var told Summary
	binary := 0
	generate(t, newGenerator(t, Options{Seed: 1, Accounts: 400, Months: 3}), func(m Message) {
		told.Count(&m)
		if len(m.Headers) > 1 {
			binary++
		}
	}, noRun)

	for _, f := range append(BadMessages(1), Message{Expected: Expected{Fault: "another body of the same revision and event"}}, Message{Expected: Expected{Fault: "another body of the same revision"}}) {
		if told.Faults[f.Expected.Fault] == 0 {
			t.Errorf("no message with the fault %q", f.Expected.Fault)
		}
	}
	for _, reason := range []models.Reason{
		"", models.NotRegistered, models.UnknownCode, models.OwnCode, models.OwnCompany, models.AlreadyActivated, models.WindowClosed,
	} {
		if told.Activations[reason] == 0 {
			t.Errorf("no activation comes to %q", reason)
		}
	}
	for _, topic := range []Topic{Registered, PromoEnded, Terminated, Activation, Invoices} {
		if told.Good[topic] == 0 {
			t.Errorf("nothing on topic %s", topic)
		}
	}
	if told.Repeats == 0 || binary == 0 {
		t.Errorf("%d repeats and %d messages in binary mode", told.Repeats, binary)
	}
	if lines := float64(told.Lines) / float64(told.Good[Invoices]); lines < 3.5 || lines > 4.5 {
		t.Errorf("%.1f lines an invoice, want about 4", lines)
	}
}

// What the reference model calculates has each of the cases that a comparison with
// the program must cover.
func TestWorkloadHasPackagesAndDiscountedCredits(t *testing.T) {
	t.Parallel()
	model := reference.New(ownerOf)
	generate(t, newGenerator(t, Options{Seed: 1, Accounts: 400, Months: 3}), func(m Message) {
		if m.Expected.Bad == "" {
			if err := model.Take(m.Headers, m.Value); err != nil {
				t.Fatal(err)
			}
		}
	}, func(p models.Period) {
		if err := model.Run(p.String()); err != nil {
			t.Fatal(err)
		}
	})
	sizes := map[int]int{}
	for p, n := range model.Packages() {
		sizes[p.SMS] += n
	}
	if sizes[1200] == 0 || sizes[3200] == 0 || len(model.Lines()) < 100 {
		t.Errorf("packages by size %v, %d lines with a discount", sizes, len(model.Lines()))
	}
	credits := 0
	for _, amount := range model.Lines() {
		if amount > 0 {
			credits++
		}
	}
	if credits == 0 {
		t.Error("no credit is discounted")
	}
}

func TestRequestsOfOneClientKeepTheirOrder(t *testing.T) {
	t.Parallel()
	last := map[int64]string{}
	generate(t, newGenerator(t, Options{Seed: 3, Accounts: 2000, Months: 3}), func(m Message) {
		if m.Topic != Activation || m.Expected.Bad != "" || m.Expected.Repeat {
			return
		}
		if before := last[m.Expected.AccountID]; before >= m.Expected.Event {
			t.Errorf("account %d: %s is sent after %s", m.Expected.AccountID, m.Expected.Event, before)
		}
		last[m.Expected.AccountID] = m.Expected.Event
	}, noRun)
}

func TestStructuredMessagesAreJSON(t *testing.T) {
	t.Parallel()
	generate(t, newGenerator(t, Options{Seed: 5, Accounts: 200, Months: 2}), func(m Message) {
		if m.Expected.Bad == "" && !json.Valid(m.Value) {
			t.Fatalf("not JSON: %s", m.Value)
		}
	}, noRun)
}

func TestCleanWorkloadHasNoFaultyMessages(t *testing.T) {
	t.Parallel()
	generate(t, newGenerator(t, Options{Seed: 5, Accounts: 200, Months: 2, Clean: true}), func(m Message) {
		if m.Expected.Bad != "" {
			t.Errorf("%s: %s", m.Expected.Bad, m.Expected.Fault)
		}
	}, noRun)
}

func TestUnknownCodeIsAnError(t *testing.T) {
	t.Parallel()
	none := func(int64) (string, bool) { return "", false }
	for _, err := range newGenerator(t, Options{Seed: 5, Accounts: 100, Months: 1}).Rest(0, none) {
		if err != nil {
			if !errors.Is(err, ErrUnknownCode) {
				t.Errorf("got %v, want ErrUnknownCode", err)
			}
			return
		}
	}
	t.Error("all activations were generated without a code")
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no accounts":     {Accounts: 0, Months: 1, First: 202601},
		"no month":        {Accounts: 1, Months: 0, First: 202601},
		"a 13th month":    {Accounts: 1, Months: 1, First: 202613},
		"too many months": {Accounts: 1, Months: 121, First: 202601},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCodesAreLearnedFromEvents(t *testing.T) {
	t.Parallel()
	var codes Codes
	for _, value := range []string{
		`{"type":"referral.code-issued.v1","data":{"account_id":2,"code":"ABCDEFGH2"}}`,
		`{"type":"referral.code-issued.v1","data":{"account_id":2,"code":"OTHER"}}`,
		`{"type":"referral.refused.v1","data":{"account_id":3,"code":"ABC","reason":"own_code"}}`,
	} {
		if err := codes.Learn([]byte(value)); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
	if code, ok := codes.Code(2); code != "ABCDEFGH2" || !ok {
		t.Errorf("account 2 has the code %q, %v", code, ok)
	}
	if code, ok := codes.Code(3); ok {
		t.Errorf("account 3 has the code %q", code)
	}
	if codes.Known() != 1 {
		t.Errorf("%d codes known, want 1", codes.Known())
	}
}

func TestBulkMessagesCarryTheBulkInvoices(t *testing.T) {
	t.Parallel()
	var messages []Message
	for m := range BulkMessages(1, 50, 202603) {
		messages = append(messages, m)
	}
	i := 0
	for inv := range Bulk(1, 50, 202603) {
		var told struct {
			Data struct {
				ID    string `json:"invoice_id"`
				Lines []struct {
					Amount int64 `json:"amount_minor"`
				}
			}
		}
		if err := json.Unmarshal(messages[i].Value, &told); err != nil {
			t.Fatal(err)
		}
		if told.Data.ID != inv.ID || len(told.Data.Lines) != 4 || told.Data.Lines[3].Amount != int64(inv.Lines[3].Amount) {
			t.Errorf("invoice %v has the message %s", inv, messages[i].Value)
		}
		i++
	}
	if i != 50 || len(messages) != 50 {
		t.Errorf("%d invoices and %d messages, want 50", i, len(messages))
	}
}

func BenchmarkGenerator(b *testing.B) {
	b.ReportAllocs()
	g := newGenerator(b, Options{Seed: 1, Accounts: 20_000, Months: 2, Clean: true})
	messages := 0
	for b.Loop() {
		generate(b, g, func(Message) { messages++ }, noRun)
	}
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkBulkMessages(b *testing.B) {
	b.ReportAllocs()
	messages := 0
	for b.Loop() {
		for range BulkMessages(1, 10_000, 202603) {
			messages++
		}
	}
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}
