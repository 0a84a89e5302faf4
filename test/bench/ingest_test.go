package bench

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"referral/billing"
	"referral/consumer"
	"referral/consumer/decode"
	"referral/internal/demo/workload"
	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

// BenchmarkIngest compares taking invoices from the broker into the database with
// COPY of rows made beforehand, which is as fast as the database can be: of the
// same invoices as normalised rows, and of the rows that the product itself makes
// of them. It is also compared with GORM row by row, which is what one would write
// first.
func BenchmarkIngest(b *testing.B) {
	for _, n := range sizes(b, "100000") {
		b.Run(fmt.Sprintf("invoices=%d", n), func(b *testing.B) {
			for range b.N {
				ingest(b, n)
			}
		})
	}
}

func ingest(b *testing.B, n int) {
	k := newBroker(b)
	const toWarmUp = 100_000 // messages, until a broker that has just started is compiled
	topics := ingestTopics(b, k)
	k.fill(b, topics.Invoices, bulk(toWarmUp, period))
	ingestOnce(b, k, topics, toWarmUp)
	topics = ingestTopics(b, k)
	k.fill(b, topics.Invoices, bulk(n, period))

	const rowByRow = 2000
	var subject, copying, own, each, batched series
	for range rounds(b) {
		m, dsn := ingestOnce(b, k, topics, n)
		subject = append(subject, m)
		copying = append(copying, copyRows(b, n))
		own = append(own, copyOwnRows(b, dsn, n))
		each = append(each, measured{took: rowsByGORM(b, rowByRow, 1)})
		batched = append(batched, measured{took: rowsByGORM(b, rowByRow, 1000)})
	}
	compare(b, n, "invoices", subject, copying, "copy")
	compare(b, n, "invoices", subject, own, "own_copy")
	b.ReportMetric(subject.perSecond(n)/each.perSecond(rowByRow), "x_of_gorm")
	b.ReportMetric(subject.perSecond(n)/batched.perSecond(rowByRow), "x_of_gorm_in_batches")
	subject.report(b, n, "invoices")
	subject.reportVolume(b, n, 820, 1108)
}

func ingestTopics(b *testing.B, k *broker) decode.Topics {
	b.Helper()
	names := k.topics(b, "registered", "promo-ended", "terminated", "activation", "invoices", "results")
	return decode.Topics{
		Registered: names["registered"], PromoEnded: names["promo-ended"], Terminated: names["terminated"],
		Activation: names["activation"], Invoices: names["invoices"], Results: names["results"],
	}
}

func bulk(n int, period models.Period) iter.Seq[kafka.Message] {
	return func(yield func(kafka.Message) bool) {
		for m := range workload.BulkMessages(seed, n, period) {
			out := kafka.Message{Key: m.Key, Value: m.Value}
			for _, h := range m.Headers {
				out.Headers = append(out.Headers, kafka.Header{Key: h.Key, Value: h.Value})
			}
			if !yield(out) {
				return
			}
		}
	}
}

// ingestOnce takes all that is on the topics into an empty database.
func ingestOnce(b *testing.B, k *broker, topics decode.Topics, n int) (m measured, dsn string) {
	b.Helper()
	s, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	m = consume(b, k, s, db, usualTerms(b), topics, fmt.Sprint(topics.Invoices, ".", time.Now().UnixNano()), n)
	checkRows(b, db, "", n)
	retire(b, db)
	return m, dsn
}

// consume lets a consumer as the program has it take n facts from the topics: the
// time from its joining the group to the last commit.
func consume(b *testing.B, k *broker, s *store.Store, db *sql.DB, p *billing.Programme, topics decode.Topics, group string, n int) measured {
	b.Helper()
	counting := &countingStore{Store: s, want: int64(n), all: make(chan struct{})}
	c, err := consumer.New(consumer.Options{
		Brokers: []string{k.address}, Group: group, Topics: topics,
		Currency: "RUB", Workers: sessions, BatchSize: inBatch(b), Store: counting, Derive: p.Derive(codes()),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		b.Fatal(err)
	}
	m := begin(b, db, k)
	ctx, stop := context.WithCancel(b.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- c.Run(ctx) }()
	awaitGroup(c)
	m.start()
	<-counting.all
	result := m.end()
	stop()
	if err := <-stopped; err != nil {
		b.Fatal(err)
	}
	return result
}

// awaitGroup waits until the group has let the consumer in, which is a matter of
// the broker's.
func awaitGroup(c *consumer.Consumer) {
	for c.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
}

// countingStore tells when so many facts have been committed.
type countingStore struct {
	*store.Store
	taken atomic.Int64
	want  int64
	all   chan struct{}
}

func (s *countingStore) Ingest(ctx context.Context, batch []models.DecodedMessage, derive models.DeriveFunc) ([]models.Disposition, error) {
	fate, err := s.Store.Ingest(ctx, batch, derive)
	if err != nil {
		return nil, err
	}
	applied := int64(0)
	for i := range fate {
		if fate[i] == models.Applied {
			applied++
		}
	}
	if applied > 0 && s.taken.Add(applied) == s.want {
		close(s.all)
	}
	return fate, nil
}

func checkRows(b *testing.B, db *sql.DB, schema string, n int) {
	b.Helper()
	for table, want := range map[string]int{"invoices": n, "invoice_lines": 4 * n} {
		var rows int
		if err := db.QueryRow("SELECT count(*) FROM " + schema + table).Scan(&rows); err != nil {
			b.Fatal(err)
		}
		if rows != want {
			b.Fatalf("%s%s has %d rows, not %d", schema, table, rows, want)
		}
	}
}
