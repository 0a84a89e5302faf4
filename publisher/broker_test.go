package publisher

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"referral/internal/sleep"
	"referral/models"
)

var topics = Topics{Discounts: "discounts", Packages: "packages", Events: "events", DeadLetters: "dead"}

// postedAt is when every chunk of these tests was posted.
var postedAt = time.Date(2026, 5, 1, 0, 0, 5, 0, time.UTC)

func fakeBroker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	opts = append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.SeedTopics(4, topics.Discounts, topics.Packages, topics.Events, topics.DeadLetters),
	}, opts...)
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newTransport(t testing.TB) *kafka.Transport {
	transport := new(kafka.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// world is a broker, a ledger and the publishers between them.
type world struct {
	broker *kfake.Cluster
	ledger *memory
	reg    *prometheus.Registry
	log    *notebook
}

// notebook keeps what is logged.
type notebook struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (n *notebook) Write(b []byte) (int, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.text.Write(b)
}

func (n *notebook) count(text string) int {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return strings.Count(n.text.String(), text)
}

func newWorld(t testing.TB, opts ...kfake.Opt) *world {
	t.Helper()
	return &world{broker: fakeBroker(t, opts...), ledger: newMemory(), log: &notebook{}}
}

// publisher is one more replica. Its metrics are w.reg until the next one.
func (w *world) publisher(t testing.TB, change ...func(*Options)) *Publisher {
	t.Helper()
	w.reg = prometheus.NewRegistry()
	o := Options{
		Ledger: w.ledger, Brokers: w.broker.ListenAddrs(), Topics: topics, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Registerer: w.reg, Now: time.Now, Transport: newTransport(t),
		PollInterval: time.Millisecond, BacklogEvery: time.Millisecond, RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond,
		HeldRetryMin: time.Hour, HeldRetryMax: time.Hour,
	}
	for _, c := range change {
		c(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start runs a publisher until stop is called, which waits for its end.
func start(t testing.TB, p *Publisher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func drain(t testing.TB, p *Publisher) {
	t.Helper()
	if err := p.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for something that will be. The minute is no measure of speed:
// it ends a test that would never end.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !is() {
		if !sleep.For(ctx, time.Millisecond) {
			t.Fatal("it never came to be that ", what)
		}
	}
}

// read is all records of a topic, partition by partition.
func (w *world) read(t testing.TB, topic string) []*kgo.Record {
	t.Helper()
	offsets, left := map[int32]kgo.Offset{}, int64(0)
	for _, p := range w.broker.PartitionInfos(topic) {
		offsets[p.Partition] = kgo.NewOffset().AtStart()
		left += p.HighWatermark
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(w.broker.ListenAddrs()...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for int64(len(records)) < left {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		records = append(records, fetches.Records()...)
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
	return records
}

// documentsOf is the document ids of each account in the order in which a
// receiver that drops repeats takes them, and how many records there were.
func documentsOf(t testing.TB, records []*kgo.Record) (ids map[int64][]string, seen int) {
	t.Helper()
	ids = map[int64][]string{}
	for _, r := range records {
		var e struct {
			ID      string `json:"id"`
			Subject string `json:"subject"`
		}
		if err := json.Unmarshal(r.Value, &e); err != nil {
			t.Fatalf("%v in %s", err, r.Value)
		}
		if string(r.Key) != e.Subject {
			t.Errorf("key %s of a message about %s", r.Key, e.Subject)
		}
		account, err := strconv.ParseInt(e.Subject, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(ids[account], e.ID) {
			ids[account] = append(ids[account], e.ID)
		}
	}
	return ids, len(records)
}

// adjustment is the n-th document of an account.
func adjustment(account int64, n int) models.Adjustment {
	a := april885()
	a.ID = models.UUID{0: byte(account >> 24), 1: byte(account >> 16), 2: byte(account >> 8), 3: byte(account), 14: byte(n >> 8), 15: byte(n)}
	a.AccountID, a.Sequence = account, n
	a.InvoiceID = fmt.Sprintf("INV-2026-04-%d", account)
	return a
}

func smsPackage(account int64, n int) models.SMSPackage {
	id := adjustment(account, n).ID
	id[8] = 0xff
	return models.SMSPackage{
		ID: id, AccountID: account, SMS: 1200, Ordinal: n, GrantedOn: models.NewDate(2026, 4, 20), Period: 202604, PostingPeriod: 202604, Step: 3,
	}
}

// chunkOf is a chunk with one document for each mention of an account.
func chunkOf(run int64, chunk int, accounts ...int64) models.ChunkDocuments {
	docs := models.ChunkDocuments{Ref: models.ChunkRef{RunID: run, Chunk: chunk}, PostedAt: postedAt}
	times := map[int64]int{}
	for _, account := range accounts {
		times[account]++
		docs.Adjustments = append(docs.Adjustments, adjustment(account, int(run)*100+times[account]))
	}
	return docs
}

// wantDocuments is what the ledger holds, in ledger order per account.
func (m *memory) wantDocuments() map[int64][]string {
	want := map[int64][]string{}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	published := m.published
	m.published = nil
	refs := m.unpublished()
	m.published = published
	for _, ref := range refs {
		for _, a := range m.chunks[ref].Adjustments {
			want[a.AccountID] = append(want[a.AccountID], a.ID.String())
		}
	}
	return want
}

func sameDocuments(t testing.TB, got, want map[int64][]string) {
	t.Helper()
	for account, ids := range want {
		if !slices.Equal(got[account], ids) {
			t.Errorf("account %d\n got %v\nwant %v", account, got[account], ids)
		}
	}
	for account := range got {
		if want[account] == nil {
			t.Errorf("account %d got %v, want nothing", account, got[account])
		}
	}
}

// mentions tells whether a produce request carries a message of a key in which a
// text stands.
func mentions(req kmsg.Request, key, text string) bool {
	for _, t := range req.(*kmsg.ProduceRequest).Topics {
		for _, p := range t.Partitions {
			if batchMentions(p.Records, key, text) {
				return true
			}
		}
	}
	return false
}

func batchMentions(raw []byte, key, text string) bool {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(raw); err != nil {
		panic(err)
	}
	records, err := kfake.BatchRecords(batch)
	if err != nil {
		panic(err)
	}
	return slices.ContainsFunc(records, func(r kmsg.Record) bool {
		return string(r.Key) == key && bytes.Contains(r.Value, []byte(text))
	})
}

// deafDialer makes connections whose next answer, after armed, is lost together
// with the connection: the broker has done what it was asked, and nobody hears.
type deafDialer struct {
	armed chan struct{} // one token, one lost answer
}

func (d *deafDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &deafConn{Conn: c, armed: d.armed}, nil
}

type deafConn struct {
	net.Conn
	armed   chan struct{}
	produce bool // the last request was a large one
}

func (c *deafConn) Write(b []byte) (int, error) {
	// A request begins with its size and its key; produce is key 0.
	if len(b) >= 6 {
		c.produce = b[4] == 0 && b[5] == 0
	}
	return c.Conn.Write(b)
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.produce || err != nil {
		return n, err
	}
	select {
	case <-c.armed:
		_ = c.Close()
		return 0, net.ErrClosed
	default:
		return n, nil
	}
}

func (d *deafDialer) transport() *kafka.Transport { return &kafka.Transport{Dial: d.dial} }
