package fakebilling

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/internal/demo/embeddedkafka"
)

// desk is a broker with the three topics.
type desk struct {
	t      *testing.T
	broker *embeddedkafka.Broker
}

func newDesk(t *testing.T) desk {
	t.Helper()
	b, err := embeddedkafka.Start(t.Context(), embeddedkafka.Options{Topics: map[string]int{"discounts": 2, "packages": 2, "results": 2}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return desk{t, b}
}

func (d desk) start(answer func(Posting) Answer) *Billing {
	d.t.Helper()
	r, err := Start(context.Background(), Options{
		Brokers: []string{d.broker.Addr()}, Group: "billing", Discounts: "discounts", Packages: "packages", Results: "results",
		Answer: answer,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d desk) post(topic string, data ...string) {
	d.t.Helper()
	kind := "referral.discount-adjustment.v1"
	if topic == "packages" {
		kind = "referral.sms-package.v1"
	}
	w := &kafka.Writer{
		Addr: kafka.TCP(d.broker.Addr()), Topic: topic, Balancer: kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
	}
	defer func() { _ = w.Close() }()
	for _, one := range data {
		value := fmt.Sprintf(`{"specversion":"1.0","id":"x","source":"/referral","type":%q,"time":"2026-05-01T00:00:00Z","data":%s}`, kind, one)
		if err := w.WriteMessages(d.t.Context(), kafka.Message{Key: []byte("885"), Value: []byte(value)}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// answer is what of a result tests look at.
type answer struct {
	ID     string `json:"adjustment_id"`
	Status string `json:"status"`
	Amount int64  `json:"amount_minor"`
	Reason string `json:"reason"`
}

func (d desk) answers(n int) map[answer]int {
	d.t.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{d.broker.Addr()}, GroupID: "looking", Topic: "results", StartOffset: kafka.FirstOffset,
		MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond,
	})
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	got := map[answer]int{}
	for range n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			d.t.Fatalf("after the answers %v: %v", got, err)
		}
		var e struct{ Data answer }
		if err := json.Unmarshal(m.Value, &e); err != nil {
			d.t.Fatal(err)
		}
		got[e.Data]++
	}
	return got
}

func (d desk) wait(r *Billing, n int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	if err := r.WaitFor(ctx, n); err != nil {
		d.t.Fatal(err)
	}
}

const (
	april   = `{"adjustment_id":"a1","account_id":885,"invoice_id":"INV-1","period":"2026-04","posting_period":"2026-04","amount_minor":-142000}`
	further = `{"adjustment_id":"a2","account_id":885,"invoice_id":"INV-1","period":"2026-04","posting_period":"2026-05","amount_minor":2000}`
	refused = `{"adjustment_id":"a3","account_id":885,"invoice_id":"INV-2","period":"2026-04","posting_period":"2026-04","amount_minor":-700}`
	silent  = `{"adjustment_id":"a4","account_id":885,"invoice_id":"INV-3","period":"2026-04","posting_period":"2026-04","amount_minor":-800}`
	parcel  = `{"package_id":"p1","account_id":885,"sms":1200,"granted_on":"2026-04-20","period":"2026-04","invoice_id":null,"step":3,"amount_minor":0}`
)

func moody(p Posting) Answer {
	switch p.ID {
	case "a3":
		return Answer{Status: "rejected", Reason: "the invoice is paid"}
	case "a4":
		return Answer{}
	}
	return Applied(p)
}

func TestBooksEachPostingOnceAndAnswers(t *testing.T) {
	d := newDesk(t)
	r := d.start(moody)
	d.post("discounts", april, april, further, refused, silent, april)
	d.post("packages", parcel, parcel)
	d.wait(r, 5)
	d.awaitReceived(r, 8)

	want := Totals{Received: 8, Applied: 3, Rejected: 1, Unanswered: 1, Packages: 1, SMS: 1200}
	got := r.Totals()
	amounts := got.Amount
	got.Amount = nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("booked %+v, want %+v", got, want)
	}
	if !maps.Equal(amounts, map[string]int64{"2026-04": -142000, "2026-05": 2000}) {
		t.Errorf("booked %v", amounts)
	}
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	wantAnswers := map[answer]int{
		{"a1", "applied", -142000, ""}: 1, {"a2", "applied", 2000, ""}: 1,
		{"a3", "rejected", -700, "the invoice is paid"}: 1, {"p1", "applied", 0, ""}: 1,
	}
	if got := d.answers(4); !maps.Equal(got, wantAnswers) {
		t.Errorf("answers %v, want %v", got, wantAnswers)
	}
}

// awaitReceived waits for repeats too, which no number of decisions shows.
func (d desk) awaitReceived(r *Billing, n int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	for r.Totals().Received < n {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if r.Totals().Received >= n {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			d.t.Fatalf("%d messages received, want %d", r.Totals().Received, n)
		}
	}
}

func TestGoesOnWhereItWasStopped(t *testing.T) {
	d := newDesk(t)
	first := d.start(nil)
	d.post("discounts", april)
	d.wait(first, 1)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	d.post("discounts", further)
	second := d.start(nil)
	d.wait(second, 1)
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := second.Totals().Amount; !maps.Equal(got, map[string]int64{"2026-05": 2000}) {
		t.Errorf("the second one booked %v", got)
	}
}

func TestAnAnswerGivenAgainIsTheSameEvent(t *testing.T) {
	d := decided{Posting{ID: "a1", AccountID: 885, Amount: -5, At: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}, Answer{Status: "applied"}}
	if one, two := d.message(), d.message(); string(one.Value) != string(two.Value) {
		t.Errorf("%s\n%s", one.Value, two.Value)
	}
}

func TestAPostingThatCannotBeReadEndsIt(t *testing.T) {
	d := newDesk(t)
	r := d.start(nil)
	d.post("discounts", `{"account_id":885}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.WaitFor(ctx, 1); err == nil || ctx.Err() != nil {
		t.Errorf("waiting says %v, want the reason of the end", err)
	}
	if err := r.Stop(); err == nil {
		t.Error("stopped as if nothing had happened")
	}
}

func TestRefusesHalfTheOptions(t *testing.T) {
	if _, err := Start(t.Context(), Options{Brokers: []string{"127.0.0.1:1"}}); err == nil {
		t.Error("started without a group and topics")
	}
}
