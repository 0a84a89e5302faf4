package e2e

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// recreateTopics deletes input topics under a program that reads them, makes them
// again, and leaves that program running beside what comes.
func (p *faultyRun) recreateTopics() {
	w := p.w
	w.t.Helper()
	p.launch("--only=consumer,publisher,web").ready()
	w.removeTopics(w.topics["registered"], w.topics["invoices"])
	w.must("migrate")
}

// sendAgain sends messages until they are all there: the writer gives up soon on a topic
// that was deleted and made again, and on a leader that has just died. Repeats change
// nothing.
func (p *faultyRun) sendAgain(batch []message) {
	p.w.t.Helper()
	p.w.until("sending", func() (bool, string) {
		err := p.w.tryWrite(batch)
		return err == nil, fmt.Sprint(err)
	})
}

// sendInTransactions sends messages in transactions that commit, between the
// records of one that ends all discounts and aborts.
func (p *faultyRun) sendInTransactions(batch []message) {
	w := p.w
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	good, bad := p.producer("good"), p.producer("bad")
	for _, c := range []*kgo.Client{good, bad} {
		if err := c.BeginTransaction(); err != nil {
			w.t.Fatal(err)
		}
	}
	half := len(batch) / 2
	p.produce(ctx, bad, terminations(batch[:half]))
	p.produce(ctx, good, batch[:half])
	p.produce(ctx, bad, terminations(batch[half:]))
	p.produce(ctx, good, batch[half:])
	if err := good.EndTransaction(ctx, kgo.TryCommit); err != nil {
		w.t.Fatal(err)
	}
	if err := bad.EndTransaction(ctx, kgo.TryAbort); err != nil {
		w.t.Fatal(err)
	}
	good.Close()
	bad.Close()
}

func (p *faultyRun) producer(id string) *kgo.Client {
	p.w.t.Helper()
	const large = 16 << 20
	client, err := kgo.NewClient(kgo.SeedBrokers(p.w.servers.brokers()...), kgo.TransactionalID(p.w.name+"-"+id), kgo.ProducerBatchMaxBytes(large))
	if err != nil {
		p.w.t.Fatal(err)
	}
	return client
}

func (p *faultyRun) produce(ctx context.Context, client *kgo.Client, batch []message) {
	p.w.t.Helper()
	var records []*kgo.Record
	for _, m := range batch {
		r := &kgo.Record{Topic: p.w.topics[m.topic], Key: []byte(m.key), Value: m.value}
		for _, h := range m.headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		records = append(records, r)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		p.w.t.Fatalf("producing %d records: %v", len(records), err)
	}
}

// terminations end the discounts of all the accounts of a batch.
func terminations(batch []message) []message {
	var all []message
	seen := map[string]bool{}
	for _, m := range batch {
		var account int64
		if _, err := fmt.Sscan(m.key, &account); err != nil || seen[m.key] {
			continue
		}
		seen[m.key] = true
		one := fact("terminated", "/pbx", "pbx.terminated.v1", "aborted-"+m.key, account,
			`{"account_id":%d,"terminated_at":"2026-01-01T00:00:00Z"}`, account)
		one.headers = []kafka.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
		all = append(all, one)
	}
	return all
}
