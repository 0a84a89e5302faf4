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

	"referral/internal/storetest"
	"referral/publisher"
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
	post(b, db, n)
	var subject, writer best
	var subjectCPU, writerCPU thriftiest
	var turns pairs
	meters := newMeters(b, db, k)
	peak := 0.0
	for range rounds(b) {
		names := k.topics(b, "discounts", "packages", "events", "dead-letters", "copies")
		p, err := publisher.New(publisher.Options{
			Ledger: s, Brokers: []string{k.address}, Log: slog.New(slog.DiscardHandler),
			Topics:     publisher.Topics{Discounts: names["discounts"], Packages: names["packages"], Events: names["events"], DeadLetters: names["dead-letters"]},
			Registerer: prometheus.NewRegistry(), Now: time.Now,
		})
		if err != nil {
			b.Fatal(err)
		}
		unpublish(b, db)
		forgetPeak(b)
		before, began := meters.read(), time.Now()
		if err := p.Drain(context.Background()); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		subject.note(took)
		subjectCPU.note(meters.read().minus(before))
		peak = max(peak, peakMemory(b))
		messages := k.read(b, names["discounts"], n)
		before = meters.read()
		written := write(b, k, names["copies"], messages)
		writer.note(written)
		writerCPU.note(meters.read().minus(before))
		turns.note(took, written)
	}
	b.ReportMetric(subject.perSecond(n)/writer.perSecond(n), "x_of_writer")
	b.ReportMetric(turns.median(), "x_of_writer_in_pairs")
	b.ReportMetric(float64(spent(writerCPU).sum())/float64(spent(subjectCPU).sum()), "x_of_writer_cpu")
	subjectCPU.report(b, n, "")
	writerCPU.report(b, n, "writer_")
	b.ReportMetric(subject.perSecond(n), "documents/s")
	b.ReportMetric(writer.perSecond(n), "writer_documents/s")
	b.ReportMetric(peak, "peak_MiB")
	b.ReportMetric(0, "ns/op")
}

func write(b *testing.B, k *broker, topic string, messages []kafka.Message) time.Duration {
	b.Helper()
	w := k.writer(topic)
	began := time.Now()
	err := w.WriteMessages(context.Background(), messages...)
	took := time.Since(began)
	if err := errors.Join(err, w.Close()); err != nil {
		b.Fatal(err)
	}
	return took
}

// post fills the ledger as a run does: documents of three items, two in three of
// them with two segments, in chunks of 3000 accounts.
func post(b *testing.B, db *sql.DB, n int) {
	b.Helper()
	for _, statement := range []string{
		`INSERT INTO runs (period, posting_period, kind, state, started_at) VALUES (202604, 202604, 'regular', 'done', now())`,
		fmt.Sprintf(`INSERT INTO adjustments SELECT a, 'INV-2026-04-' || a, 1, md5(a::text)::uuid, 1, 202604, 202604, 'RUB', -3 * (a %% 90000 + 1), 'run', 1,
			(a - 1) / 3000 + 1, now() FROM generate_series(1, %d) a`, n),
		fmt.Sprintf(`INSERT INTO adjustment_items SELECT a, 'INV-2026-04-' || a, 1, (l + 1)::text, (ARRAY['subscription','numbers','calls'])[l + 1], -(a %% 90000 + 1),
			CASE a %% 3 WHEN 0 THEN '2026-04-01/2026-05-01@20+0' ELSE '2026-04-01/2026-04-20@0+40 2026-04-20/2026-05-01@0+60' END
			FROM generate_series(1, %d) a, generate_series(0, 2) l`, n),
		`INSERT INTO run_chunks (run_id, chunk_no, from_account, to_account, state, documents, items, posted_at)
			SELECT run_id, chunk_no, min(account_id), max(account_id), 'posted', count(*), 3 * count(*), now() FROM adjustments GROUP BY run_id, chunk_no`,
		`VACUUM ANALYZE`, `CHECKPOINT`,
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
}

// unpublish has the next round send everything again.
func unpublish(b *testing.B, db *sql.DB) {
	b.Helper()
	if _, err := db.Exec("UPDATE run_chunks SET published_at = NULL"); err != nil {
		b.Fatal(err)
	}
}
