package consumer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"referral/models"
)

// transactionCases is what the contract says of producers with transactions.
var transactionCases = map[string]func(*testing.T, []string){
	"waits for an open transaction and takes it when it commits": takesCommitted,
	"takes nothing of an aborted transaction":                    dropsAborted,
	"tells the transactions of several producers apart":          tellsProducersApart,
	"takes nothing of what aborts after a restart":               dropsAbortedAfterRestart,
	"takes nothing of what aborts after an empty transaction":    dropsAbortedAfterEmpty,
	"reads transactions that span fetches and compressed ones":   readsLongTransactions,
	"takes a message that looks like a control record":           takesLookAlike,
	"names a transaction that is left open":                      namesOpenTransaction,
}

// transactor is a producer with transactions.
type transactor struct {
	r      *rig
	client *kgo.Client
}

func (r *rig) transactor(name string, more ...kgo.Opt) *transactor {
	r.t.Helper()
	return &transactor{r, r.newClient(append(more, kgo.TransactionalID(r.group+name))...)}
}

func (p *transactor) begin() {
	p.r.t.Helper()
	p.r.must(p.client.BeginTransaction())
}

// send says that accounts have left, and waits until that is on the topic.
func (p *transactor) send(accounts ...int) {
	p.r.t.Helper()
	for _, account := range accounts {
		p.sendValue(leaver(account))
	}
}

func (p *transactor) sendValue(value string) {
	p.r.t.Helper()
	p.r.must(p.client.ProduceSync(p.r.context(), &kgo.Record{Topic: p.r.topics.Terminated, Value: []byte(value)}).FirstErr())
}

func (p *transactor) end(how kgo.TransactionEndTry) {
	p.r.t.Helper()
	p.r.must(p.client.EndTransaction(p.r.context(), how))
}

// untilHeld waits until the consumer has heard of so many messages and waits
// behind an open transaction.
func (m *member) untilHeld(end int64) {
	m.r.t.Helper()
	m.r.until(fmt.Sprintf("waiting behind an open transaction, with the end at %d", end), func() bool {
		for _, p := range m.positions.list() {
			p.mu.Lock()
			held := p.topic == m.r.topics.Terminated && p.end == end && !p.open.IsZero()
			p.mu.Unlock()
			if held {
				return true
			}
		}
		return false
	})
}

// wantAccounts compares whom the facts taken so far are about, in order.
func (r *rig) wantAccounts(want ...int64) {
	r.t.Helper()
	var got []int64
	for _, f := range r.store.facts() {
		got = append(got, f.Data.Account())
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("facts about %v, want %v", got, want)
	}
}

func takesCommitted(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	m := r.start()
	p := r.transactor("a")
	r.sendLeavers(0, 1, 2)
	p.begin()
	p.send(2, 3)
	r.sendLeavers(0, 4, 5)
	m.untilHeld(4)
	r.untilCommitted(r.topics.Terminated, 0, 1)
	r.wantAccounts(1)
	if got := m.lag(); got != 3 {
		t.Errorf("a lag of %d, want the 3 messages that wait", got)
	}
	p.end(kgo.TryCommit)
	r.untilCommitted(r.topics.Terminated, 0, 5) // behind the marker
	r.wantAccounts(1, 2, 3, 4)
	r.until("no lag", func() bool { return m.lag() == 0 })
}

func dropsAborted(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	m := r.start()
	p := r.transactor("a")
	p.begin()
	p.send(1, 2)
	r.sendLeavers(0, 3, 4)
	m.untilHeld(3)
	p.end(kgo.TryAbort)
	r.untilCommitted(r.topics.Terminated, 0, 4)
	r.wantAccounts(3)
	p.begin()
	p.send(4)
	p.end(kgo.TryAbort)
	r.untilCommitted(r.topics.Terminated, 0, 6) // though nothing that counts is behind it
	p.begin()
	p.send(5)
	p.end(kgo.TryCommit)
	r.untilCommitted(r.topics.Terminated, 0, 8)
	r.wantAccounts(3, 5)
	if got := len(r.store.faults()); got != 0 {
		t.Errorf("%d messages set aside, want none", got)
	}
}

func tellsProducersApart(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	a, b, c := r.transactor("a"), r.transactor("b"), r.transactor("c")
	for _, p := range []*transactor{a, b, c} {
		p.begin()
	}
	a.send(1)
	b.send(2)
	c.send(3)
	r.sendLeavers(0, 4, 5)
	b.send(5)
	a.send(6)
	a.end(kgo.TryCommit)
	a.begin()
	a.send(7)
	b.end(kgo.TryAbort)
	b.begin()
	b.send(8)
	c.send(9)
	a.end(kgo.TryAbort)
	c.end(kgo.TryCommit)
	b.send(10)
	b.end(kgo.TryCommit)
	a.begin()
	a.send(11)
	a.end(kgo.TryAbort)
	r.start()
	r.untilCommitted(r.topics.Terminated, 0, 11+6)
	r.wantAccounts(1, 3, 4, 6, 8, 9, 10)
}

func dropsAbortedAfterRestart(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	first := r.start()
	p, q := r.transactor("a"), r.transactor("b")
	r.sendLeavers(0, 1, 2)
	p.begin()
	q.begin()
	p.send(2)
	q.send(3)
	first.untilHeld(3)
	first.leave()
	second := r.start()
	second.untilHeld(3)
	p.send(4)
	p.end(kgo.TryAbort)
	q.end(kgo.TryCommit)
	r.untilCommitted(r.topics.Terminated, 0, 6)
	r.wantAccounts(1, 3)
}

// abortEmpty begins and aborts a transaction that writes nothing, which is what a
// producer leaves whose first message failed: the partition gets a marker of an
// abort, and no transaction that belongs to it.
func (r *rig) abortEmpty(name string) {
	r.t.Helper()
	id := r.group + name
	begin := kmsg.NewPtrInitProducerIDRequest()
	begin.SetVersion(3)
	begin.TransactionalID, begin.TransactionTimeoutMillis = &id, int32(patience.Milliseconds())
	producer, err := begin.RequestWith(r.context(), r.client)
	r.must(err)
	r.must(kerr.ErrorForCode(producer.ErrorCode))
	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.SetVersion(3)
	add.TransactionalID, add.ProducerID, add.ProducerEpoch = id, producer.ProducerID, producer.ProducerEpoch
	add.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: r.topics.Terminated, Partitions: []int32{0}}}
	_, err = add.RequestWith(r.context(), r.client)
	r.must(err)
	end := kmsg.NewPtrEndTxnRequest()
	end.SetVersion(3)
	end.TransactionalID, end.ProducerID, end.ProducerEpoch = id, producer.ProducerID, producer.ProducerEpoch
	ended, err := end.RequestWith(r.context(), r.client)
	r.must(err)
	r.must(kerr.ErrorForCode(ended.ErrorCode))
}

func dropsAbortedAfterEmpty(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	r.abortEmpty("a")
	p := r.transactor("a") // the same producer to the broker
	p.begin()
	p.send(1)
	p.end(kgo.TryAbort)
	r.sendLeavers(0, 2, 3)
	r.start()
	r.untilCommitted(r.topics.Terminated, 0, 4) // behind two markers
	r.wantAccounts(2)
}

func readsLongTransactions(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	var want []int64
	end := int64(0)
	for n, codec := range []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	} {
		kept := r.transactor(fmt.Sprint("kept", n), kgo.ProducerBatchCompression(codec))
		dropped := r.transactor(fmt.Sprint("dropped", n), kgo.ProducerBatchCompression(codec))
		kept.begin()
		dropped.begin()
		for i := range 15 {
			account := 100*(n+1) + i
			for _, p := range []*transactor{dropped, kept} {
				p.sendValue(edit(leaver(account), `{"account_id"`, `{"filler":"`+noise(100_000)+`","account_id"`))
				end++
				account += 50
			}
			want = append(want, int64(account-50))
		}
		dropped.end(kgo.TryAbort)
		kept.end(kgo.TryCommit)
		end += 2
	}
	r.start(func(o *Options) { o.Timing.InFlight = 1 << 20 })
	r.untilCommitted(r.topics.Terminated, 0, end)
	r.wantAccounts(want...)
}

func takesLookAlike(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	for _, kind := range []byte{0, 1} {
		record := &kgo.Record{Topic: r.topics.Terminated, Key: []byte{0, 0, 0, kind}, Value: []byte{0, 0, 0, 0, 0, 7}}
		r.must(r.client.ProduceSync(r.context(), record).FirstErr())
	}
	r.start()
	r.untilCommitted(r.topics.Terminated, 0, 2)
	faults := r.store.faults()
	if len(faults) != 2 || faults[0].Err.Reason != models.BadUnreadable || string(faults[1].Message.Key) != "\x00\x00\x00\x01" {
		t.Errorf("set aside: %+v, want both messages", faults)
	}
}

func namesOpenTransaction(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	p := r.transactor("a")
	p.begin()
	p.send(1)
	r.sendLeavers(0, 2, 3)
	m := r.start(func(o *Options) { o.Timing.StallAfter = 200 * time.Millisecond })
	r.until("the transaction in the log", func() bool {
		return r.log.says(`"level":"WARN"`, "waits behind an open transaction", r.topics.Terminated, `"offset":0`, `"waiting":2`)
	})
	if got := m.gauge("referral_consumer_open_transaction_age_seconds", r.topics.Terminated); got <= 0 {
		t.Errorf("open for %v s by the metrics", got)
	}
	if got := sum(m.metrics.stalls); got != 0 {
		t.Errorf("%v stalls counted, though a producer is to blame", got)
	}
	m.wantReady()
	p.end(kgo.TryCommit)
	r.untilCommitted(r.topics.Terminated, 0, 3)
	r.until("nothing open by the metrics", func() bool {
		return m.gauge("referral_consumer_open_transaction_age_seconds", r.topics.Terminated) == 0
	})
}
