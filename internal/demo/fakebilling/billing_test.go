package fakebilling

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/internal/demo/embeddedkafka"
)

// bench is a broker with the three topics.
type bench struct {
	t      *testing.T
	broker *embeddedkafka.Broker
}

func newBench(t *testing.T) bench {
	t.Helper()
	server, err := embeddedkafka.Start(2, "discounts", "packages", "results")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return bench{t, server}
}

func (b bench) start() *Billing {
	b.t.Helper()
	r, err := Start(context.Background(), Options{
		Brokers: []string{b.broker.Addr()}, Group: "billing", Discounts: "discounts", Packages: "packages", Results: "results",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b bench) post(topic string, data ...string) {
	b.t.Helper()
	kind := "referral.discount-adjustment.v1"
	if topic == "packages" {
		kind = "referral.sms-package.v1"
	}
	w := &kafka.Writer{
		Addr: kafka.TCP(b.broker.Addr()), Topic: topic, Balancer: kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
	}
	defer func() { _ = w.Close() }()
	for _, one := range data {
		value := fmt.Sprintf(`{"specversion":"1.0","id":"x","source":"/referral","type":%q,"time":"2026-05-01T00:00:00Z","data":%s}`, kind, one)
		if err := w.WriteMessages(b.t.Context(), kafka.Message{Key: []byte("885"), Value: []byte(value)}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// answer is what of a result tests look at.
type answer struct {
	ID     string `json:"adjustment_id"`
	Status string `json:"status"`
	Amount int64  `json:"amount_minor"`
}

func (b bench) answers(n int) map[answer]int {
	b.t.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{b.broker.Addr()}, GroupID: "test", Topic: "results", StartOffset: kafka.FirstOffset,
		MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond,
	})
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	got := map[answer]int{}
	for range n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			b.t.Fatalf("after the answers %v: %v", got, err)
		}
		var e struct{ Data answer }
		if err := json.Unmarshal(m.Value, &e); err != nil {
			b.t.Fatal(err)
		}
		got[e.Data]++
	}
	return got
}

func (b bench) wait(r *Billing, n int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if err := r.WaitFor(ctx, n); err != nil {
		b.t.Fatal(err)
	}
}

const (
	april    = `{"adjustment_id":"a1","account_id":885,"invoice_id":"INV-1","period":"2026-04","posting_period":"2026-04","amount_minor":-142000}`
	further  = `{"adjustment_id":"a2","account_id":885,"invoice_id":"INV-1","period":"2026-04","posting_period":"2026-05","amount_minor":2000}`
	last     = `{"adjustment_id":"a3","account_id":885,"invoice_id":"INV-2","period":"2026-04","posting_period":"2026-04","amount_minor":-700}`
	small    = `{"package_id":"p1","account_id":885,"sms":1200,"granted_on":"2026-04-20","period":"2026-04","invoice_id":null,"step":3,"amount_minor":0}`
	large    = `{"package_id":"p2","account_id":885,"sms":3200,"granted_on":"2026-04-21","period":"2026-04","invoice_id":null,"step":5,"amount_minor":0}`
	accepted = "applied"
)

func TestBooksEachPostingOnceAndAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	billing := b.start()
	// One account's postings keep their order: behind the last ones are no repeats.
	b.post("discounts", april, april, further, april, last)
	b.post("packages", small, small, large)
	b.wait(billing, 5)

	got := billing.Totals()
	amounts := got.Amount
	got.Amount = nil
	if want := (Totals{Adjustments: 3, Packages: 2, SMS: 4400}); !reflect.DeepEqual(got, want) {
		t.Errorf("booked %+v, want %+v", got, want)
	}
	if !maps.Equal(amounts, map[string]int64{"2026-04": -142700, "2026-05": 2000}) {
		t.Errorf("booked %v", amounts)
	}
	if err := billing.Stop(); err != nil {
		t.Error(err)
	}
	want := map[answer]int{
		{"a1", accepted, -142000}: 1, {"a2", accepted, 2000}: 1, {"a3", accepted, -700}: 1, {"p1", accepted, 0}: 1, {"p2", accepted, 0}: 1,
	}
	if got := b.answers(5); !maps.Equal(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
}

func TestGoesOnWhereItWasStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.start()
	b.post("discounts", april)
	b.wait(first, 1)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	b.post("discounts", further)
	second := b.start()
	b.wait(second, 1)
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := second.Totals().Amount; !maps.Equal(got, map[string]int64{"2026-05": 2000}) {
		t.Errorf("the second one booked %v", got)
	}
}

func TestAnAnswerGivenAgainIsTheSameEvent(t *testing.T) {
	t.Parallel()
	p := posting{id: "a1", account: 885, amount: -5, at: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	if one, two := p.answer(), p.answer(); string(one.Value) != string(two.Value) {
		t.Errorf("%s\n%s", one.Value, two.Value)
	}
}

func TestAPostingThatCannotBeReadEndsIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	billing := b.start()
	b.post("discounts", `{"account_id":885}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := billing.WaitFor(ctx, 1); err == nil || ctx.Err() != nil {
		t.Errorf("waiting returns %v, want the reason of the end", err)
	}
	if err := billing.Stop(); err == nil {
		t.Error("Stop returns no error")
	}
}
