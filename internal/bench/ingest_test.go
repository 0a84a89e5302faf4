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

	"referral/consumer"
	"referral/internal/demo/clients"
	"referral/internal/storetest"
	"referral/models"
	"referral/store"
)

const seed = 7

// BenchmarkIngest compares taking invoices from the broker into the database
// with two ways of writing the same rows: COPY of rows made beforehand, which is
// as fast as the database can be, and GORM row by row, which is what one would
// write first.
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
	names := k.topics(b, "registered", "promo-ended", "terminated", "activation", "invoices", "results")
	topics := consumer.Topics{
		Registered: names["registered"], PromoEnded: names["promo-ended"], Terminated: names["terminated"],
		Activation: names["activation"], Invoices: names["invoices"], Results: names["results"],
	}
	k.fill(b, topics.Invoices, bulk(n))

	const rowByRow = 2000
	var subject, copying, each, batched best
	var subjectCPU, copyingCPU thriftiest
	var turns pairs
	peak := 0.0
	for range rounds(b) {
		took, cpu, used := ingestOnce(b, k, topics, n)
		subject.note(took)
		subjectCPU.note(cpu)
		peak = max(peak, used)
		copied, cpu := copyRows(b, n)
		copying.note(copied)
		copyingCPU.note(cpu)
		turns.note(took, copied)
		each.note(rowsByGORM(b, rowByRow, 1))
		batched.note(rowsByGORM(b, rowByRow, 1000))
	}
	b.ReportMetric(subject.perSecond(n)/copying.perSecond(n), "x_of_copy")
	b.ReportMetric(turns.median(), "x_of_copy_in_pairs")
	b.ReportMetric(float64(spent(copyingCPU).sum())/float64(spent(subjectCPU).sum()), "x_of_copy_cpu")
	subjectCPU.report(b, n, "")
	copyingCPU.report(b, n, "copy_")
	b.ReportMetric(subject.perSecond(n)/each.perSecond(rowByRow), "x_of_gorm")
	b.ReportMetric(subject.perSecond(n)/batched.perSecond(rowByRow), "x_of_gorm_in_batches")
	b.ReportMetric(subject.perSecond(n), "invoices/s")
	b.ReportMetric(copying.perSecond(n), "copy_invoices/s")
	b.ReportMetric(peak, "peak_MiB")
	b.ReportMetric(0, "ns/op")
}

func bulk(n int) iter.Seq[kafka.Message] {
	return func(yield func(kafka.Message) bool) {
		for m := range clients.BulkMessages(seed, n, period) {
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

// ingestOnce lets a consumer as the program has it take all that is on the
// topics into an empty database: the time from its joining the group to the last
// commit, the processor time until then, and the largest size of the process in
// MiB.
func ingestOnce(b *testing.B, k *broker, topics consumer.Topics, n int) (time.Duration, spent, float64) {
	b.Helper()
	s, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	settleDown(b, db)
	counting := &countingStore{Store: s, want: int64(n), all: make(chan struct{})}
	c, err := consumer.New(consumer.Options{
		Brokers: []string{k.address}, Group: topics.Invoices + "." + fmt.Sprint(time.Now().UnixNano()), Topics: topics,
		Currency: "RUB", Workers: sessions, BatchSize: inBatch(b), Store: counting, Derive: consumer.Derive(terms(b), func() string { b.Error("an invoice made a code"); return "" }),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		b.Fatal(err)
	}
	forgetPeak(b)
	meters := newMeters(b, db, k)
	ctx, stop := context.WithCancel(b.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- c.Run(ctx) }()
	began := joined(c)
	before := meters.read()
	<-counting.all
	took := time.Since(began)
	cpu := meters.read().minus(before)
	peak := peakMemory(b)
	stop()
	if err := <-stopped; err != nil {
		b.Fatal(err)
	}
	checkRows(b, db, n)
	return took, cpu, peak
}

// joined waits until the group has let the consumer in: how long that takes is
// the broker's affair, and no matter of speed.
func joined(c *consumer.Consumer) time.Time {
	for c.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	return time.Now()
}

// countingStore knows when everything has been committed.
type countingStore struct {
	*store.Store
	taken atomic.Int64
	want  int64
	all   chan struct{}
}

func (s *countingStore) Take(ctx context.Context, batch []models.Delivery, derive store.Derive) ([]models.Disposition, error) {
	fate, err := s.Store.Take(ctx, batch, derive)
	if err == nil && s.taken.Add(int64(len(batch))) == s.want {
		close(s.all)
	}
	return fate, err
}

// settleDown has the database write out what earlier measurements left behind.
func settleDown(b *testing.B, db *sql.DB) {
	b.Helper()
	if _, err := db.Exec("CHECKPOINT"); err != nil {
		b.Fatal(err)
	}
}

func checkRows(b *testing.B, db *sql.DB, n int) {
	b.Helper()
	for table, want := range map[string]int{"invoices": n, "invoice_lines": 4 * n, "dead_letters": 0} {
		var rows int
		if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&rows); err != nil {
			b.Fatal(err)
		}
		if rows != want {
			b.Fatalf("%s has %d rows, not %d", table, rows, want)
		}
	}
}
