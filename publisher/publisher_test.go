package publisher

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"referral/models"
)

func TestOptionsNameWhatIsMissing(t *testing.T) {
	_, err := New(Options{})
	for _, name := range []string{
		"Ledger", "Brokers", "Topics.Discounts", "Topics.Packages", "Topics.Events", "Topics.DeadLetters", "Transport", "Log", "Registerer", "Now",
	} {
		if err == nil || !strings.Contains(err.Error(), "option "+name+" is missing") {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestDrainPublishesAllThatIsThere(t *testing.T) {
	w := newWorld(t)
	w.ledger.add(chunkOf(1, 1, 10, 11, 10, 12))
	w.ledger.add(chunkOf(1, 2, 20, 21))
	second := chunkOf(2, 1, 10, 20)
	second.Packages = []models.SMSPackage{smsPackage(20, 1)}
	w.ledger.add(second)
	w.ledger.events = []models.OutboxEvent{{Seq: 1, ID: models.UUID{1}, Type: models.CodeIssued, AccountID: 10, At: postedAt}}
	p := w.publisher(t)
	drain(t, p)

	got, records := documentsOf(t, w.read(t, topics.Discounts))
	sameDocuments(t, got, w.ledger.wantDocuments())
	if records != 8 {
		t.Errorf("%d records for 8 adjustments", records)
	}
	if packages := w.read(t, topics.Packages); len(packages) != 1 || string(packages[0].Key) != "20" {
		t.Errorf("packages: %v", packages)
	}
	if events := w.read(t, topics.Events); len(events) != 1 || len(w.ledger.events) != 0 {
		t.Errorf("%d events, %d left", len(events), len(w.ledger.events))
	}
	if left := w.ledger.unpublished(); len(left) != 0 {
		t.Errorf("not marked: %v", left)
	}
	want := `
# HELP referral_publisher_published_messages_total Messages that all in-sync replicas of the broker acknowledged.
# TYPE referral_publisher_published_messages_total counter
referral_publisher_published_messages_total{topic="dead",type="dead-letter"} 0
referral_publisher_published_messages_total{topic="discounts",type="referral.discount-adjustment.v1"} 8
referral_publisher_published_messages_total{topic="events",type="referral.activated.v1"} 0
referral_publisher_published_messages_total{topic="events",type="referral.code-issued.v1"} 1
referral_publisher_published_messages_total{topic="events",type="referral.discount-changed.v1"} 0
referral_publisher_published_messages_total{topic="events",type="referral.refused.v1"} 0
referral_publisher_published_messages_total{topic="packages",type="referral.sms-package.v1"} 1
`
	must(t, testutil.GatherAndCompare(w.reg, strings.NewReader(want), "referral_publisher_published_messages_total"))
	must(t, p.Ready())
}

func TestDrainTakesMoreThanOneListing(t *testing.T) {
	w := newWorld(t)
	for chunk := range 7 {
		w.ledger.add(chunkOf(1, chunk, int64(chunk)))
		w.ledger.events = append(w.ledger.events, models.OutboxEvent{
			Seq: int64(chunk), ID: models.UUID{byte(chunk)}, Type: models.CodeIssued, AccountID: 10, At: postedAt,
		})
	}
	drain(t, w.publisher(t, func(o *Options) { o.ChunkBatch, o.OutboxBatch = 3, 2 }))
	if left := w.ledger.unpublished(); len(left) != 0 || len(w.ledger.events) != 0 {
		t.Errorf("left: %v, %v", left, w.ledger.events)
	}
}

// The partition of an account is the one that Java's clients choose, and every
// message says what it is.
func TestMessagesAreKeyedAndTyped(t *testing.T) {
	w := newWorld(t)
	var accounts []int64
	for account := range int64(100) {
		accounts = append(accounts, account*977)
	}
	w.ledger.add(chunkOf(1, 1, accounts...))
	drain(t, w.publisher(t))
	java := kgo.StickyKeyPartitioner(nil).ForTopic(topics.Discounts)
	for _, r := range w.read(t, topics.Discounts) {
		if want := java.Partition(&kgo.Record{Key: r.Key}, 4); int(r.Partition) != want {
			t.Errorf("account %s is on partition %d, Java says %d", r.Key, r.Partition, want)
		}
		if len(r.Headers) != 1 || r.Headers[0].Key != "content-type" || string(r.Headers[0].Value) != "application/cloudevents+json" {
			t.Errorf("headers: %v", r.Headers)
		}
	}
}

func TestFaultsOfTheBrokerAreWaitedOut(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   kfake.Fault
		repeats bool
	}{
		{"refused: no leader", kfake.Fault{Err: kerr.NotLeaderForPartition, Count: 5}, false},
		{"refused: too few replicas", kfake.Fault{Err: kerr.NotEnoughReplicas, Count: 5}, false},
		{"refused: no right yet", kfake.Fault{Err: kerr.TopicAuthorizationFailed, Count: 5}, false},
		{"written, but on too few replicas", kfake.Fault{Err: kerr.NotEnoughReplicasAfterAppend, Count: 3}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.fault.Keys, c.fault.Topic = []kmsg.Key{kmsg.Produce}, topics.Discounts
			faults := w.broker.Fault(c.fault)
			for run := range int64(3) {
				w.ledger.add(chunkOf(run, 1, 10, 11, 10, 12, 13, 14, 10))
			}
			p := w.publisher(t)
			drain(t, p)
			got, records := documentsOf(t, w.read(t, topics.Discounts))
			sameDocuments(t, got, w.ledger.wantDocuments())
			if repeated := records > 21; repeated != c.repeats {
				t.Errorf("%d records for 21 adjustments", records)
			}
			if n := testutil.ToFloat64(p.metrics.errors.WithLabelValues("write")); int(n) != faults.Hits() || n == 0 {
				t.Errorf("%v errors counted, %d were made", n, faults.Hits())
			}
		})
	}
}

func TestLostAnswersRepeatMessagesAndKeepTheirOrder(t *testing.T) {
	w := newWorld(t)
	for run := range int64(5) {
		w.ledger.add(chunkOf(run, 1, 10, 11, 10, 12, 13, 14, 10))
	}
	deaf := &deafDialer{armed: make(chan struct{}, 6)}
	for range 6 {
		deaf.armed <- struct{}{}
	}
	drain(t, w.publisher(t, func(o *Options) { o.Transport, o.BatchBytes = deaf.transport(), 1500 }))
	got, records := documentsOf(t, w.read(t, topics.Discounts))
	sameDocuments(t, got, w.ledger.wantDocuments())
	if records <= 35 || len(deaf.armed) != 0 {
		t.Errorf("%d records for 35 adjustments, although answers were lost (%d not)", records, len(deaf.armed))
	}
}

func TestAFailingPartitionIsNamedAndStopsOnlyItself(t *testing.T) {
	w := newWorld(t)
	w.ledger.add(chunkOf(1, 1, 10, 11, 12, 13, 14, 15, 16, 17))
	w.ledger.add(chunkOf(2, 1, 10, 11))
	failing := kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: []byte("10")}, 4)
	fault := w.broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: topics.Discounts, Partitions: []int32{int32(failing)}, Err: kerr.KafkaStorageError, Count: -1,
	})
	p := w.publisher(t)
	start(t, p)
	must(t, fault.Wait(t.Context(), 3))
	for i, info := range w.broker.PartitionInfos(topics.Discounts) {
		if i != failing {
			eventually(t, "the other partitions get theirs", func() bool {
				return w.broker.PartitionInfo(topics.Discounts, info.Partition).HighWatermark > 0
			})
		}
	}
	if err := p.Ready(); err == nil || !strings.Contains(err.Error(), "writing to topic discounts, partition") {
		t.Errorf("Ready says %v", err)
	}
	if w.ledger.isPublished(models.ChunkRef{RunID: 1, Chunk: 1}) || w.ledger.loaded(models.ChunkRef{RunID: 2, Chunk: 1}) > 0 {
		t.Error("the first run is marked, or the second one has begun, before all of the first is out")
	}
	fault.Remove()
	eventually(t, "all is published", func() bool { return w.ledger.isPublished(models.ChunkRef{RunID: 2, Chunk: 1}) })
	must(t, p.Ready())
	got, _ := documentsOf(t, w.read(t, topics.Discounts))
	sameDocuments(t, got, w.ledger.wantDocuments())
}

// Account 11's second document is too large for the topic. Nobody else waits for
// it, in this run or the next; what follows it waits.
func TestARefusedMessageHoldsItsAccountOnly(t *testing.T) {
	w := newWorld(t)
	first := chunkOf(1, 1, 10, 11, 12, 11, 13, 11, 14)
	first.Packages = []models.SMSPackage{smsPackage(10, 1), smsPackage(11, 1)}
	w.ledger.add(first)
	w.ledger.add(chunkOf(2, 1, 10, 11, 12))
	w.ledger.add(chunkOf(3, 1, 12))
	refused := adjustment(11, 102).ID.String()
	limit := w.broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: topics.Discounts, Err: kerr.MessageTooLarge, Count: -1,
		When: func(req kmsg.Request) bool { return mentions(req, "11", refused) },
	})
	var clock atomic.Int64
	p := w.publisher(t, func(o *Options) {
		o.Now = func() time.Time { return postedAt.Add(time.Duration(clock.Load())) }
		o.ChunkBatch = 1 // the held chunks must not crowd out the last one
	})
	start(t, p)
	eventually(t, "the last run is out", func() bool { return w.ledger.isPublished(models.ChunkRef{RunID: 3, Chunk: 1}) })

	got, records := documentsOf(t, w.read(t, topics.Discounts))
	want := w.ledger.wantDocuments()
	all := want[11]
	want[11] = all[:1]
	sameDocuments(t, got, want)
	if records != 8 {
		t.Errorf("%d records for 8 adjustments", records)
	}
	if packages := w.read(t, topics.Packages); len(packages) != 1 || string(packages[0].Key) != "10" {
		t.Errorf("packages: %v", packages)
	}
	if w.ledger.isPublished(first.Ref) || w.ledger.isPublished(models.ChunkRef{RunID: 2, Chunk: 1}) {
		t.Error("a chunk is marked although a document of it is not out")
	}
	held := `
# HELP referral_publisher_held_accounts Accounts (of dead letters: messages) held back because the broker refuses a message permanently.
# TYPE referral_publisher_held_accounts gauge
referral_publisher_held_accounts{stream="events"} 0
referral_publisher_held_accounts{stream="documents"} 1
referral_publisher_held_accounts{stream="dead-letters"} 0
# HELP referral_publisher_held_document_info 1 for what is held back, with the document that was refused; the first 50.
# TYPE referral_publisher_held_document_info gauge
referral_publisher_held_document_info{document="` + refused + `",id="11",stream="documents"} 1
`
	must(t, testutil.GatherAndCompare(w.reg, strings.NewReader(held), "referral_publisher_held_accounts", "referral_publisher_held_document_info"))
	must(t, p.Ready())

	// An hour later it is tried again, in vain; after another one the limit has been raised.
	clock.Add(int64(time.Hour))
	eventually(t, "it is refused again", func() bool { return w.log.count("refused permanently") == 2 })
	limit.Remove()
	clock.Add(int64(time.Hour))
	eventually(t, "the held documents are out", func() bool {
		return w.ledger.isPublished(first.Ref) && w.ledger.isPublished(models.ChunkRef{RunID: 2, Chunk: 1})
	})
	got, records = documentsOf(t, w.read(t, topics.Discounts))
	sameDocuments(t, got, w.ledger.wantDocuments())
	if records != 11 {
		t.Errorf("%d records for 11 adjustments", records)
	}
	if packages := w.read(t, topics.Packages); len(packages) != 2 {
		t.Errorf("packages: %v", packages)
	}
	if n := testutil.ToFloat64(p.metrics.held.WithLabelValues("documents")); n != 0 {
		t.Errorf("%v accounts are still held", n)
	}
}

func TestDrainSaysWhatIsHeld(t *testing.T) {
	w := newWorld(t)
	must(t, w.broker.CreateTopic("narrow", 1, map[string]string{"max.message.bytes": "2000"}))
	large := chunkOf(1, 1, 10, 11, 12)
	large.Adjustments[1].InvoiceID = incompressible(4000)
	w.ledger.add(large)
	err := w.publisher(t, func(o *Options) { o.Topics.Discounts = "narrow" }).Drain(t.Context())
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "documents 11 from document "+adjustment(11, 101).ID.String()) {
		t.Errorf("Drain says %v", err)
	}
	got, _ := documentsOf(t, w.read(t, "narrow"))
	want := w.ledger.wantDocuments()
	delete(want, 11)
	sameDocuments(t, got, want)
}

func TestAMessageOverTheOwnLimitIsNotEvenTried(t *testing.T) {
	w := newWorld(t)
	large := chunkOf(1, 1, 10, 11, 12)
	large.Adjustments[1].Currency = strings.Repeat("R", 5000)
	w.ledger.add(large)
	err := w.publisher(t, func(o *Options) { o.MaxMessage = 5000 }).Drain(t.Context())
	if !errors.Is(err, ErrHeld) {
		t.Errorf("Drain says %v", err)
	}
	if n := len(w.read(t, topics.Discounts)); n != 2 {
		t.Errorf("%d records, want those of the other two accounts", n)
	}
}

// A topic that refuses everybody is at fault itself: it is waited for.
// A document that somebody has made unreadable holds its account, and nobody else.
func TestADamagedDocumentHoldsItsAccountOnly(t *testing.T) {
	w := newWorld(t)
	first := chunkOf(1, 1, 10, 11, 11, 12)
	first.Adjustments[2].Damage = errors.New("segment of the ledger cannot be read")
	first.Packages = []models.SMSPackage{smsPackage(11, 1), smsPackage(12, 1)}
	w.ledger.add(first)
	w.ledger.add(chunkOf(2, 1, 11, 12))
	err := w.publisher(t).Drain(t.Context())
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "documents 11 from document "+first.Adjustments[2].ID.String()) {
		t.Errorf("Drain says %v", err)
	}
	got, _ := documentsOf(t, w.read(t, topics.Discounts))
	if len(got[10]) != 1 || len(got[11]) != 1 || len(got[12]) != 2 {
		t.Errorf("sent %v", got)
	}
	if packages := w.read(t, topics.Packages); len(packages) != 1 || string(packages[0].Key) != "12" {
		t.Errorf("packages: %v", packages)
	}
}

func TestWhereEverythingIsRefusedTheTopicIsAtFault(t *testing.T) {
	w := newWorld(t)
	w.ledger.add(chunkOf(1, 1, 10, 11, 12, 13, 14, 15))
	limit := w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topics.Discounts, Err: kerr.MessageTooLarge, Count: -1})
	p := w.publisher(t, func(o *Options) { o.MaxHeld = 2 })
	start(t, p)
	eventually(t, "Ready names it", func() bool {
		err := p.Ready()
		return errors.Is(err, kafka.MessageSizeTooLarge) && strings.Contains(err.Error(), "writing to topic discounts")
	})
	if n := testutil.ToFloat64(p.metrics.held.WithLabelValues("documents")); n != 2 {
		t.Errorf("%v accounts are held, the limit is 2", n)
	}
	limit.Remove()
	eventually(t, "Ready is content", func() bool { return p.Ready() == nil })
}

func TestFaultsOfTheLedgerAreWaitedOut(t *testing.T) {
	for _, call := range []string{
		"Lead", "UnpublishedChunks", "LoadChunk", "MarkPublished", "OutboxEvents", "DropOutboxEvents", "UnpublishedDeadLetters", "MarkDeadLettersPublished",
	} {
		t.Run(call, func(t *testing.T) {
			w := newWorld(t)
			w.ledger.add(chunkOf(1, 1, 10, 11))
			w.ledger.events = []models.OutboxEvent{{Seq: 1, Type: models.CodeIssued, AccountID: 10, At: postedAt}}
			w.ledger.deadLetters = []models.DeadLetter{{ID: 1}}
			w.ledger.fail[call] = 3
			p := w.publisher(t)
			drain(t, p)
			for _, topic := range []string{topics.Discounts, topics.Events, topics.DeadLetters} {
				if n := len(w.read(t, topic)); n == 0 || n > 2 {
					t.Errorf("%d records on %s", n, topic)
				}
			}
			if left := w.ledger.unpublished(); len(left) != 0 || w.ledger.fail[call] != 0 {
				t.Errorf("not marked: %v", left)
			}
			must(t, p.Ready())
		})
	}
}

func TestOneReplicaLeads(t *testing.T) {
	w := newWorld(t)
	w.ledger.add(chunkOf(1, 1, 10))
	_, release, _, err := w.ledger.Lead(t.Context())
	must(t, err)
	p := w.publisher(t)
	if err := p.Ready(); err == nil {
		t.Error("ready before it is known who leads")
	}
	if err := p.Drain(t.Context()); !errors.Is(err, ErrLedElsewhere) {
		t.Errorf("Drain says %v", err)
	}
	start(t, p)
	eventually(t, "it stands by", func() bool { return p.Ready() == nil })
	if len(w.read(t, topics.Discounts)) != 0 {
		t.Error("published without the lead")
	}
	release()
	eventually(t, "it has taken over", func() bool { return w.ledger.isPublished(models.ChunkRef{RunID: 1, Chunk: 1}) })
}

// The lead is lost in the middle of a request, which the broker carries out later
// than the next leader's: documents come twice, and in order.
func TestALeadLostMidwayRepeatsAndKeepsTheOrder(t *testing.T) {
	w := newWorld(t)
	for run := range int64(4) {
		for chunk := range 3 {
			base := int64(chunk * 10)
			w.ledger.add(chunkOf(run, chunk, base+1, base+2, base+1, base+3, base+1))
		}
	}
	var produced atomic.Int64
	w.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		if produced.Add(1)%7 == 0 {
			w.ledger.breakLock()
		}
		return nil, nil, false
	})
	small := func(o *Options) { o.BatchBytes = 1500 }
	stopFirst, stopSecond := start(t, w.publisher(t, small)), start(t, w.publisher(t, small))
	eventually(t, "all is marked", func() bool {
		w.ledger.mutex.Lock()
		defer w.ledger.mutex.Unlock()
		return len(w.ledger.unpublished()) == 0
	})
	stopFirst()
	stopSecond()
	got, _ := documentsOf(t, w.read(t, topics.Discounts))
	sameDocuments(t, got, w.ledger.wantDocuments())
	if w.ledger.leads < 3 {
		t.Errorf("the lead was taken %d times only", w.ledger.leads)
	}
}

func TestAnEndMarksWhatIsOut(t *testing.T) {
	w := newWorld(t)
	w.ledger.add(chunkOf(1, 1, 10))
	p := w.publisher(t)
	ctx, stop := context.WithCancel(t.Context())
	w.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		stop()
		return nil, nil, false
	})
	must(t, p.Run(ctx))
	if !w.ledger.isPublished(models.ChunkRef{RunID: 1, Chunk: 1}) {
		t.Error("the request on its way was not waited for")
	}
	if n := len(w.read(t, topics.Discounts)); n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestDrainGivesUpWithItsContextAndSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.ledger.add(chunkOf(1, 1, 10))
	fault := w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		_ = fault.Wait(ctx, 2)
	}()
	err := w.publisher(t).Drain(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, kafka.NotEnoughReplicas) {
		t.Errorf("Drain says %v", err)
	}
}

func TestAMissingTopicIsNamed(t *testing.T) {
	w := newWorld(t)
	w.ledger.add(chunkOf(1, 1, 10))
	p := w.publisher(t, func(o *Options) { o.Topics.Discounts = "elsewhere" })
	start(t, p)
	eventually(t, "Ready names the topic", func() bool {
		err := p.Ready()
		return errors.Is(err, kafka.UnknownTopicOrPartition) && strings.Contains(err.Error(), "elsewhere")
	})
}

func TestAnnouncementsGoOutInOrderPerAccount(t *testing.T) {
	w := newWorld(t)
	var want []string
	for seq := range int64(200) {
		a := models.OutboxEvent{Seq: seq, ID: models.UUID{0: 7, 15: byte(seq)}, Type: models.CodeIssued, AccountID: 10 + seq%3, At: postedAt}
		w.ledger.events = append(w.ledger.events, a)
		if a.AccountID == 10 {
			want = append(want, a.ID.String())
		}
	}
	w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topics.Events, Err: kerr.NotEnoughReplicasAfterAppend, Count: 4})
	drain(t, w.publisher(t, func(o *Options) { o.OutboxBatch, o.BatchBytes = 30, 1500 }))
	got, _ := documentsOf(t, w.read(t, topics.Events))
	if !slices.Equal(got[10], want) {
		t.Errorf("\n got %v\nwant %v", got[10], want)
	}
	if len(w.ledger.events) != 0 {
		t.Errorf("%d are left", len(w.ledger.events))
	}
}

func TestAnAnnouncementThatCannotBeWrittenHoldsItsAccountOnly(t *testing.T) {
	w := newWorld(t)
	add := func(seq, account int64, data map[string]any) {
		w.ledger.events = append(w.ledger.events, models.OutboxEvent{
			Seq: seq, ID: models.UUID{byte(seq)}, Type: models.CodeIssued, AccountID: account, At: postedAt, Data: data,
		})
	}
	add(1, 10, nil)
	add(2, 11, map[string]any{"percent": math.NaN()})
	for seq := int64(3); seq < 20; seq++ {
		add(seq, 10+seq%2, nil)
	}
	err := w.publisher(t, func(o *Options) { o.OutboxBatch = 2 }).Drain(t.Context())
	if !errors.Is(err, ErrHeld) {
		t.Errorf("Drain says %v", err)
	}
	got, _ := documentsOf(t, w.read(t, topics.Events))
	if len(got[10]) != 9 || len(got[11]) != 0 || len(w.ledger.events) != 10 {
		t.Errorf("sent %v, left %d", got, len(w.ledger.events))
	}
}

func TestSetAsidesKeepTheirBytes(t *testing.T) {
	w := newWorld(t)
	fault := models.InputError{Reason: models.BadField, Detail: "period is no month"}
	origin := models.Origin{Topic: "billing.invoices", Partition: 3, Offset: 1 << 40}
	value := []byte("{\"id\":\x00\xff broken")
	w.ledger.deadLetters = []models.DeadLetter{
		{ID: 1, Err: fault, Message: models.Message{Origin: origin, Key: []byte("885"), Value: value, Headers: []models.Header{
			{Key: "ce_id", Value: []byte("e-1")}, {Key: "error", Value: []byte("their own")}, {Key: "empty", Value: nil},
		}}},
		{ID: 2, Err: fault, Message: models.Message{Origin: origin}},
		{ID: 3, Err: fault, Message: models.Message{Origin: origin, Key: []byte{}, Value: []byte{}}},
	}
	drain(t, w.publisher(t))
	records := w.read(t, topics.DeadLetters)
	if len(records) != 3 || len(w.ledger.asideOut) != 3 {
		t.Fatalf("%d records, %d marked", len(records), len(w.ledger.asideOut))
	}
	for _, r := range records {
		var headers []string
		for _, h := range r.Headers {
			headers = append(headers, h.Key+"="+string(h.Value))
		}
		ours := []string{"error=bad_field: period is no month", "origin-topic=billing.invoices", "origin-partition=3", "origin-offset=1099511627776"}
		switch {
		case string(r.Key) == "885":
			theirs := []string{"ce_id=e-1", "error=their own", "empty="}
			if string(r.Value) != string(value) || !slices.Equal(headers, append(theirs, ours...)) {
				t.Errorf("value %q, headers %q", r.Value, headers)
			}
		case (r.Key == nil) != (r.Value == nil) || len(r.Value) > 0 || !slices.Equal(headers, ours):
			t.Errorf("key %q, value %q, headers %q", r.Key, r.Value, headers)
		}
	}
}

func TestASetAsideTooLargeForItsTopicStays(t *testing.T) {
	w := newWorld(t)
	must(t, w.broker.CreateTopic("narrow", 1, map[string]string{"max.message.bytes": "2000"}))
	for id := range int64(10) {
		size := 10
		if id == 2 || id == 5 {
			size = 4000
		}
		w.ledger.deadLetters = append(w.ledger.deadLetters, models.DeadLetter{ID: id, Message: models.Message{
			Origin: models.Origin{Topic: "billing.invoices", Offset: id}, Value: []byte(incompressible(size)),
		}})
	}
	err := w.publisher(t, func(o *Options) { o.Topics.DeadLetters, o.DeadLetterBatch = "narrow", 2 }).Drain(t.Context())
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "dead-letters 2 from document billing.invoices/0/2") {
		t.Errorf("Drain says %v", err)
	}
	if n := len(w.read(t, "narrow")); n != 8 || len(w.ledger.asideOut) != 8 {
		t.Errorf("%d records, %d marked, want 8", n, len(w.ledger.asideOut))
	}
}

func TestBacklogIsShownWhoeverLeads(t *testing.T) {
	w := newWorld(t)
	now := postedAt.Add(90 * time.Second)
	_, _, _, err := w.ledger.Lead(t.Context())
	must(t, err)
	w.ledger.add(chunkOf(1, 1, 10, 11))
	w.ledger.deadLetters = []models.DeadLetter{{ID: 1}}
	w.ledger.fail["Backlog"] = 2
	p := w.publisher(t, func(o *Options) { o.Now = func() time.Time { return now } })
	names := []string{"referral_publisher_backlog_messages", "referral_publisher_backlog_timestamp_seconds", "referral_publisher_backlog_oldest_age_seconds"}
	must(t, testutil.GatherAndCompare(w.reg, strings.NewReader(""), names...)) // unknown is not 0
	start(t, p)
	want := `
# HELP referral_publisher_backlog_messages Messages that are not published yet, by stream.
# TYPE referral_publisher_backlog_messages gauge
referral_publisher_backlog_messages{stream="events"} 0
referral_publisher_backlog_messages{stream="documents"} 2
referral_publisher_backlog_messages{stream="dead-letters"} 1
# HELP referral_publisher_backlog_timestamp_seconds When the backlog was last read from the database.
# TYPE referral_publisher_backlog_timestamp_seconds gauge
referral_publisher_backlog_timestamp_seconds ` + strconv.FormatFloat(float64(now.Unix()), 'g', -1, 64) + `
# HELP referral_publisher_backlog_oldest_age_seconds Age of the oldest message that is not published yet, when the backlog was last read.
# TYPE referral_publisher_backlog_oldest_age_seconds gauge
referral_publisher_backlog_oldest_age_seconds 90
`
	eventually(t, "the backlog is shown", func() bool {
		return testutil.GatherAndCompare(w.reg, strings.NewReader(want), names...) == nil
	})
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	o := Options{
		Ledger: newMemory(), Brokers: []string{"localhost:1"}, Topics: topics, Log: slog.New(slog.DiscardHandler),
		Registerer: prometheus.NewRegistry(), Now: time.Now, Transport: newTransport(t),
	}
	_, err := New(o)
	must(t, err)
	if _, err := New(o); err == nil {
		t.Error("two publishers on one registry")
	}
}

// Whatever the runs, the batches and the faults, every receiver that drops
// repeats gets each account's documents in ledger order, and all of them.
func TestOrderHoldsUnderAnyFaults(t *testing.T) {
	faults := []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.MessageTooLarge, kerr.UnknownServerError,
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer w.broker.Close()
		for run := range int64(rapid.IntRange(1, 4).Draw(rt, "runs")) {
			for chunk := range rapid.IntRange(1, 4).Draw(rt, "chunks") {
				accounts := rapid.SliceOfN(rapid.Int64Range(0, 7), 0, 30).Draw(rt, "accounts")
				for i := range accounts {
					accounts[i] += int64(chunk) * 8 // an account is in one chunk of a run at most
				}
				w.ledger.add(chunkOf(run, chunk, accounts...))
			}
		}
		for range rapid.IntRange(0, 6).Draw(rt, "faults") {
			after, seen := rapid.IntRange(0, 10).Draw(rt, "after"), 0
			w.broker.Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.Produce}, Err: rapid.SampledFrom(faults).Draw(rt, "fault"), Count: rapid.IntRange(1, 5).Draw(rt, "times"),
				When: func(kmsg.Request) bool { seen++; return seen > after },
			})
		}
		breaks := rapid.SliceOfN(rapid.IntRange(1, 100), 0, 5).Draw(rt, "requests at which the lead is lost")
		requests := 0
		w.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.broker.KeepControl()
			if requests++; slices.Contains(breaks, requests) {
				w.ledger.breakLock()
			}
			return nil, nil, false
		})
		p := w.publisher(t, func(o *Options) {
			o.BatchBytes = rapid.IntRange(1, 5000).Draw(rt, "batch bytes")
			o.ChunkBatch = rapid.IntRange(1, 5).Draw(rt, "chunk batch")
			o.Workers = rapid.IntRange(1, 4).Draw(rt, "workers")
			o.HeldRetryMin, o.HeldRetryMax = time.Nanosecond, time.Nanosecond
		})
		stop := start(t, p)
		eventually(t, "all is marked", func() bool {
			w.ledger.mutex.Lock()
			defer w.ledger.mutex.Unlock()
			return len(w.ledger.unpublished()) == 0
		})
		stop()
		got, _ := documentsOf(t, w.read(t, topics.Discounts))
		sameDocuments(t, got, w.ledger.wantDocuments())
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// incompressible is printable noise of a length, the same every time.
func incompressible(n int) string {
	b, state := make([]byte, n), uint64(88172645463325252)
	for i := range b {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		b[i] = '!' + byte(state%90)
	}
	return string(b)
}
