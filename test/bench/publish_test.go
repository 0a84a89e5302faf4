package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"referral/publisher"
	"referral/store"
	"referral/test/storetest"
)

// BenchmarkPublish compares sending the ledger out with kafka-go's Writer
// sending the very same messages from memory, in requests as large.
func BenchmarkPublish(b *testing.B) {
	for _, n := range sizes(b, "200000") {
		b.Run(fmt.Sprintf("adjustments=%d", n), func(b *testing.B) {
			for range b.N {
				publish(b, n)
			}
		})
	}
}

func publish(b *testing.B, n int) {
	k := newBroker(b)
	s, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	post(b, s, db, n)
	var subject, writer series
	for range rounds(b) {
		names := k.topics(b, "discounts", "packages", "events", "dead-letters", "copies")
		p := newPublisher(b, k, s, names)
		execute(b, db, "UPDATE run_chunks SET published_at = NULL")
		m := begin(b, db, k)
		if err := p.Drain(context.Background()); err != nil {
			b.Fatal(err)
		}
		subject = append(subject, m.end())
		messages := k.read(b, names["discounts"], n)
		m = begin(b, db, k)
		write(b, k, names["copies"], messages)
		writer = append(writer, m.end())
	}
	compare(b, n, "documents", subject, writer, "writer")
	subject.report(b, n, "documents")
}

func newPublisher(b *testing.B, k *broker, s *store.Store, names map[string]string) *publisher.Publisher {
	b.Helper()
	transport := new(kafka.Transport)
	b.Cleanup(transport.CloseIdleConnections)
	p, err := publisher.New(publisher.Options{
		Ledger: s, Brokers: []string{k.address}, Transport: transport, Log: slog.New(slog.DiscardHandler),
		Topics:     publisher.Topics{Discounts: names["discounts"], Packages: names["packages"], Events: names["events"], DeadLetters: names["dead-letters"]},
		Registerer: prometheus.NewRegistry(), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func write(b *testing.B, k *broker, topic string, messages []kafka.Message) {
	b.Helper()
	w := k.writer(topic)
	err := w.WriteMessages(context.Background(), messages...)
	if err := errors.Join(err, w.Close()); err != nil {
		b.Fatal(err)
	}
}

// post has a run post n documents of three items, two in three of them with two
// segments.
func post(b *testing.B, s *store.Store, db *sql.DB, n int) {
	b.Helper()
	takeAll(b, s, usualTerms(b), facts(bills(n, period, "subscription", "numbers", "calls")))
	execute(b, db,
		fmt.Sprintf("INSERT INTO discounts SELECT a, 'invitee', '2026-03-10', '2026-06-10', 20, 1 FROM generate_series(1, %d) a WHERE a %% 3 = 0", n),
		fmt.Sprintf("INSERT INTO discounts SELECT a, 'inviter', '2026-01-10', '2026-04-20', 40, 2 FROM generate_series(1, %d) a WHERE a %% 3 <> 0", n),
		fmt.Sprintf("INSERT INTO discounts SELECT a, 'inviter', '2026-04-20', '2027-04-20', 60, 3 FROM generate_series(1, %d) a WHERE a %% 3 <> 0", n))
	if run := settle(b, s, usualTerms(b), period); run.Totals.Documents != int64(n) {
		b.Fatalf("%d documents of %d invoices", run.Totals.Documents, n)
	}
	execute(b, db, "VACUUM ANALYZE")
}
