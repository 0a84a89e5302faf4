package publisher

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/scram"

	"referral/models"
	"referral/test/kafkatest"
)

// kafkaTopics makes four topics that nobody else uses.
func kafkaTopics(t testing.TB, partitions int, configs ...kafka.ConfigEntry) Topics {
	t.Helper()
	tag := "publisher-test-" + rand.Text()
	made := Topics{Discounts: tag + "-discounts", Packages: tag + "-packages", Events: tag + "-events", DeadLetters: tag + "-dead"}
	kafkatest.Create(t, partitions, configs, made.Discounts, made.Packages, made.Events, made.DeadLetters)
	return made
}

func kafkaPublisher(t testing.TB, ledger Ledger, topics Topics, change ...func(*Options)) *Publisher {
	t.Helper()
	o := Options{
		Ledger: ledger, Brokers: []string{kafkatest.Address(t)}, Topics: topics,
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Now: time.Now, Transport: newTransport(t),
	}
	for _, c := range change {
		c(&o)
	}
	p, err := New(o)
	must(t, err)
	return p
}

func idsByAccount(t testing.TB, records []kafka.Message) map[int64][]string {
	t.Helper()
	ids := map[int64][]string{}
	for _, m := range records {
		var e struct {
			ID string `json:"id"`
		}
		must(t, json.Unmarshal(m.Value, &e))
		account, err := strconv.ParseInt(string(m.Key), 10, 64)
		must(t, err)
		ids[account] = append(ids[account], e.ID)
	}
	return ids
}

func TestAllGoesOutToKafka(t *testing.T) {
	const partitions = 6
	w := &world{ledger: newMemory()}
	for run := range int64(3) {
		for chunk := range 4 {
			var accounts []int64
			for n := range int64(300) {
				accounts = append(accounts, int64(chunk)*1000+n%100)
			}
			docs := chunkOf(run, chunk, accounts...)
			docs.Packages = []models.SMSPackage{smsPackage(int64(chunk)*1000, int(run))}
			w.ledger.add(docs)
		}
	}
	w.ledger.events = []models.OutboxEvent{{Seq: 1, ID: models.UUID{1}, Type: models.CodeIssued, AccountID: 10, At: postedAt}}
	value := []byte("{\x00\xff broken")
	w.ledger.deadLetters = []models.DeadLetter{{ID: 1, Message: models.Message{
		Value: value, Headers: []models.Header{{Key: "ce_id", Value: []byte("e-1")}}, Origin: models.Origin{Topic: "billing.invoices", Offset: 7},
	}}}
	made := kafkaTopics(t, partitions)
	drain(t, kafkaPublisher(t, w.ledger, made))

	sameDocuments(t, idsByAccount(t, kafkatest.Read(t, made.Discounts, partitions)), w.ledger.wantDocuments())
	if n := len(kafkatest.Read(t, made.Packages, partitions)); n != 12 {
		t.Errorf("%d packages, want 12", n)
	}
	if n := len(kafkatest.Read(t, made.Events, partitions)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	dead := kafkatest.Read(t, made.DeadLetters, partitions)
	if len(dead) != 1 || string(dead[0].Value) != string(value) || dead[0].Key != nil || len(dead[0].Headers) != 5 {
		t.Errorf("dead letters: %+v", dead)
	}
}

// An adjustment of 4 MiB is far over the topic's 1 MiB (Kafka's default), and passes compressed;
// one of noise does not, and is held.
func TestALargeAdjustmentPassesCompressed(t *testing.T) {
	docs := chunkOf(1, 1, 10, 11, 12)
	for len(docs.Adjustments[1].Items) < 25_000 {
		item := docs.Adjustments[1].Items[0]
		item.LineID = strconv.Itoa(len(docs.Adjustments[1].Items))
		docs.Adjustments[1].Items = append(docs.Adjustments[1].Items, item)
	}
	noise := chunkOf(2, 1, 20, 21)
	noise.Adjustments[0].Currency = incompressible(4 << 20)
	ledger := newMemory()
	ledger.add(docs)
	ledger.add(noise)
	made := kafkaTopics(t, 2, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "1048588"})
	err := kafkaPublisher(t, ledger, made).Drain(t.Context())
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "documents 20 ") || strings.Contains(err.Error(), "documents 11 ") {
		t.Errorf("Drain says %v", err)
	}
	records := kafkatest.Read(t, made.Discounts, 2)
	want := ledger.wantDocuments()
	delete(want, 20)
	sameDocuments(t, idsByAccount(t, records), want)
	if !slices.ContainsFunc(records, func(m kafka.Message) bool { return len(m.Value) > 4<<20 }) {
		t.Error("no record is over 4 MiB")
	}
}

func TestKafkaWithAPassword(t *testing.T) {
	mechanism, err := scram.Mechanism(scram.SHA512, kafkatest.Setting(t, "REFERRAL_TEST_KAFKA_USER"), kafkatest.Setting(t, "REFERRAL_TEST_KAFKA_PASSWORD"))
	must(t, err)
	ledger := newMemory()
	ledger.add(chunkOf(1, 1, 10))
	made := kafkaTopics(t, 1)
	transport := &kafka.Transport{SASL: mechanism}
	defer transport.CloseIdleConnections()
	drain(t, kafkaPublisher(t, ledger, made, func(o *Options) {
		o.Brokers, o.Transport = []string{kafkatest.Setting(t, "REFERRAL_TEST_KAFKA_SASL")}, transport
	}))
	if n := len(kafkatest.Read(t, made.Discounts, 1)); n != 1 {
		t.Errorf("%d records", n)
	}
}

// What BenchmarkDrain and BenchmarkWriter send: 200 000 adjustments of four
// lines in chunks of 4 000, on 8 partitions.
const (
	benchDocuments  = 200_000
	benchChunk      = 4_000
	benchPartitions = 8
)

func benchLedger() *memory {
	ledger := newMemory()
	for chunk := range benchDocuments / benchChunk {
		docs := models.ChunkDocuments{Ref: models.ChunkRef{RunID: 1, Chunk: chunk}, PostedAt: postedAt}
		for i := range benchChunk {
			n := chunk*benchChunk + i
			a := adjustment(int64(n), n)
			a.Amount -= models.Money(n * 7919 % 100_000)
			for _, service := range []string{"number", "recording", "integration"} {
				item := a.Items[0]
				item.LineID, item.Service, item.Amount = fmt.Sprint(len(a.Items)+1), service, a.Amount/models.Money(len(a.Items)+2)
				a.Items = append(a.Items, item)
			}
			docs.Adjustments = append(docs.Adjustments, a)
		}
		ledger.add(docs)
	}
	return ledger
}

func BenchmarkDrain(b *testing.B) {
	ledger, made := benchLedger(), kafkaTopics(b, benchPartitions)
	for b.Loop() {
		b.StopTimer()
		ledger.published = map[models.ChunkRef]bool{}
		p := kafkaPublisher(b, ledger, made)
		runtime.GC()
		b.StartTimer()
		drain(b, p)
	}
	b.ReportMetric(float64(b.N)*benchDocuments/b.Elapsed().Seconds(), "adjustments/s")
}

// BenchmarkWriter is the measure for BenchmarkDrain: kafka-go's Writer sends the
// same bytes, which are in memory already, as fast as it can.
func BenchmarkWriter(b *testing.B) {
	made := kafkaTopics(b, benchPartitions)
	messages := encoded(benchLedger())
	writer := &kafka.Writer{
		Addr: kafka.TCP(kafkatest.Address(b)), Topic: made.Discounts, Balancer: kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll, Compression: kafka.Snappy, BatchSize: 1000, BatchBytes: 900_000,
		BatchTimeout: 5 * time.Millisecond, Transport: &kafka.Transport{},
	}
	defer func() { must(b, writer.Close()) }()
	for b.Loop() {
		var calls sync.WaitGroup
		for part := range slices.Chunk(messages, len(messages)/4) {
			calls.Go(func() {
				for call := range slices.Chunk(part, benchChunk) {
					if err := writer.WriteMessages(b.Context(), call...); err != nil {
						b.Error(err)
					}
				}
			})
		}
		calls.Wait()
	}
	b.ReportMetric(float64(b.N)*benchDocuments/b.Elapsed().Seconds(), "adjustments/s")
}

func encoded(ledger *memory) []kafka.Message {
	encoder := NewEncoder("/referral")
	headers := []kafka.Header{{Key: "content-type", Value: []byte(ContentType)}}
	var messages []kafka.Message
	for _, ref := range ledger.unpublished() {
		docs := ledger.chunks[ref]
		for i := range docs.Adjustments {
			a := &docs.Adjustments[i]
			messages = append(messages, kafka.Message{
				Key: strconv.AppendInt(nil, a.AccountID, 10), Value: encoder.AppendAdjustment(nil, docs.PostedAt, a), Headers: headers,
			})
		}
	}
	return messages
}
