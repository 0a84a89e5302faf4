package publisher

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/internal/sleep"
	"referral/models"
	"referral/test/kafkatest"
)

// lawless is a ledger that lets everybody lead at once, as a lock does that is held
// by a session of somebody else. It is slow in places, to mix the leaders up.
type lawless struct {
	*memory
	pause func(ctx context.Context, call string, ref models.ChunkRef)
}

func (l *lawless) Lead(ctx context.Context) (context.Context, func(), bool, error) {
	led, cancel := context.WithCancel(ctx)
	return led, cancel, true, nil
}

func (l *lawless) LoadChunk(ctx context.Context, ref models.ChunkRef) (models.ChunkDocuments, error) {
	docs, err := l.memory.LoadChunk(ctx, ref)
	l.pause(ctx, "loaded", ref) // before it is sent
	return docs, err
}

func (l *lawless) MarkPublished(ctx context.Context, ref models.ChunkRef, at time.Time) error {
	l.pause(ctx, "sent", ref)
	return l.memory.MarkPublished(ctx, ref, at)
}

// firsts drops repeated deliveries, as billing does.
func firsts(ids map[int64][]string) map[int64][]string {
	first := map[int64][]string{}
	for account, list := range ids {
		for _, id := range list {
			if !slices.Contains(first[account], id) {
				first[account] = append(first[account], id)
			}
		}
	}
	return first
}

// overlapping is runs whose chunks have accounts in common.
func overlapping(ledger *memory, runs int) {
	for run := range int64(runs) {
		for chunk := range 3 {
			var accounts []int64
			for n := range int64(60) {
				accounts = append(accounts, int64(chunk)*1000+n%20)
			}
			ledger.add(chunkOf(run, chunk, accounts...))
		}
	}
}

// A leader that was left behind with a chunk in hands sends it when the other one
// is long past it: those are repeats, and the order of first deliveries holds.
func TestLeaderLeftBehindRepeatsOnly(t *testing.T) {
	const partitions = 3
	topics, ledger := kafkaTopics(t, partitions), newMemory()
	overlapping(ledger, 3)
	behind := make(chan struct{}) // closed when the other one has published all
	first := &lawless{memory: ledger, pause: func(_ context.Context, call string, _ models.ChunkRef) {
		if call == "loaded" {
			<-behind
		}
	}}
	done := make(chan error, 1)
	go func() { done <- kafkaPublisher(t, first, topics).Drain(t.Context()) }()
	eventually(t, "the first has a chunk in hands", func() bool { return ledger.loaded(models.ChunkRef{RunID: 0, Chunk: 0}) > 0 })
	second := &lawless{memory: ledger, pause: func(context.Context, string, models.ChunkRef) {}}
	must(t, kafkaPublisher(t, second, topics).Drain(t.Context()))
	close(behind)
	must(t, <-done)
	records := kafkatest.Read(t, topics.Discounts, partitions)
	sameDocuments(t, firsts(idsByAccount(t, records)), ledger.wantDocuments())
	if len(records) <= 3*3*60 {
		t.Errorf("%d records: the leader left behind has sent nothing", len(records))
	}
}

// Two leaders at once, mixed up at random and stopped and started again: nothing is
// marked as published that is not out, and the order of first deliveries holds.
func TestTwoLeadersAtOnceAreHarmless(t *testing.T) {
	const partitions, lives, runs = 3, 6, 12
	topics, ledger := kafkaTopics(t, partitions), newMemory()
	overlapping(ledger, runs)
	for n := range int64(300) {
		ledger.events = append(ledger.events, models.OutboxEvent{
			Seq: n + 1, ID: models.UUID{1, byte(n >> 8), byte(n)}, Type: models.CodeIssued, AccountID: n % 7, At: postedAt,
		})
	}
	wanted := announced(ledger.events)
	for life := range lives {
		ctx, stop := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for leader := range 2 {
			random := rand.New(rand.NewPCG(uint64(life), uint64(leader)))
			var mutex sync.Mutex
			marks := 0
			pause := func(ctx context.Context, call string, _ models.ChunkRef) {
				mutex.Lock()
				wait := time.Duration(random.IntN(20)) * time.Millisecond
				if call == "sent" {
					marks++
				}
				last := life == lives-1
				enough := marks > 2+random.IntN(8)
				mutex.Unlock()
				if enough && !last {
					stop() // in the middle of what both have in hands
				}
				sleep.For(ctx, wait)
			}
			p := kafkaPublisher(t, &lawless{memory: ledger, pause: pause}, topics, func(o *Options) {
				o.PollInterval, o.ChunkBatch, o.OutboxBatch = time.Millisecond, 2, 10
			})
			calls.Go(func() { _ = p.Run(ctx) })
		}
		if life == lives-1 {
			eventually(t, "all is marked", func() bool { return ledger.drained() })
			stop()
		}
		calls.Wait()
		stop()
		marked(t, ledger, kafkatest.Read(t, topics.Discounts, partitions))
	}
	sameDocuments(t, firsts(idsByAccount(t, kafkatest.Read(t, topics.Discounts, partitions))), ledger.wantDocuments())
	sameDocuments(t, firsts(idsByAccount(t, kafkatest.Read(t, topics.Events, partitions))), wanted)
}

func announced(list []models.OutboxEvent) map[int64][]string {
	ids := map[int64][]string{}
	for _, a := range list {
		ids[a.AccountID] = append(ids[a.AccountID], a.ID.String())
	}
	return ids
}

func (m *memory) drained() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.unpublished()) == 0 && len(m.events) == 0
}

// marked makes sure that all of what is marked as published is out.
func marked(t *testing.T, ledger *memory, records []kafka.Message) {
	t.Helper()
	out := map[string]bool{}
	for account, ids := range idsByAccount(t, records) {
		for _, id := range ids {
			out[fmt.Sprint(account, id)] = true
		}
	}
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	for ref := range ledger.published {
		for _, a := range ledger.chunks[ref].Adjustments {
			if !out[fmt.Sprint(a.AccountID, a.ID.String())] {
				t.Errorf("run %d, chunk %d is marked as published without document %s", ref.RunID, ref.Chunk, a.ID)
			}
		}
	}
}
