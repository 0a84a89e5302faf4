package consumer

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// topicPartition is a partition of a topic.
type topicPartition struct {
	topic     string
	partition int
}

func (p topicPartition) name() string { return p.topic + "/" + strconv.Itoa(p.partition) }

// arrival is a message that was fetched and is not stored yet.
type arrival struct {
	next int64 // offset behind it
	at   time.Time
}

// position is where a partition ends and how far it is stored, as last heard. It outlives
// generations, so that the metrics stay while the broker is away.
type position struct {
	topicPartition
	mu     sync.Mutex
	id     topicID   // of the topic that the offsets belong to
	end    int64     // offset behind the last message
	stable int64     // offset that no open transaction is before
	taken  int64     // offset behind the last message that the storage has; -1 when unknown
	heard  time.Time // when the broker last told of the end
	behind time.Time // since when it is known that messages wait; zero when none do
	open   time.Time // since when nothing but an open transaction holds them up
	warned bool      // of that transaction
	unread []arrival // in order
}

// began notes where a reader begins. Offsets of another topic are dropped.
func (p *position) began(id topicID, next int64, moved bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if moved {
		p.end, p.stable, p.unread = next, next, nil
		p.behind, p.open = time.Time{}, time.Time{}
	}
	if moved || p.taken < next {
		p.taken = next
	}
	p.id = id
}

// heardEnd notes where the broker says that the partition ends.
func (p *position) heardEnd(now time.Time, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end, p.heard = end, now
	p.compare(now)
}

// heardStable notes up to where no transaction is open, with next to be fetched.
func (p *position) heardStable(now time.Time, stable, next int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stable = stable
	switch {
	case next < stable || stable >= p.end:
		p.open, p.warned = time.Time{}, false
	case p.open.IsZero():
		p.open = now
	}
}

// fetched notes a message that is to be stored.
func (p *position) fetched(next int64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.unread); next > p.taken && (n == 0 || next > p.unread[n-1].next) {
		p.unread = append(p.unread, arrival{next, at})
	}
}

// refetch drops what was fetched and not stored, because the next reader fetches it again.
// It keeps the oldest, whose age the metrics show.
func (p *position) refetch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unread = slices.Clone(p.unread[:min(1, len(p.unread))])
}

// stored notes how far the partition is stored.
func (p *position) stored(now time.Time, next int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = next
	done := 0
	for done < len(p.unread) && p.unread[done].next <= next {
		done++
	}
	if p.unread = p.unread[done:]; len(p.unread) == 0 {
		p.unread = nil // and the memory with it
	}
	p.compare(now)
}

// compare keeps the time since when messages wait.
func (p *position) compare(now time.Time) {
	switch {
	case p.taken >= p.end:
		p.behind = time.Time{}
	case p.behind.IsZero():
		p.behind = now
	}
}

// of is how far a topic was stored and where it ended, if that was heard here.
func (p *position) of(id topicID) (taken, end int64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != id || p.heard.IsZero() {
		return -1, -1, false
	}
	return p.taken, p.end, true
}

// hangs tells, once for each transaction, that it has held up the partition for longer
// than usual.
func (p *position) hangs(now time.Time, usual time.Duration) (stable, waiting int64, since time.Time, hangs bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open.IsZero() || p.warned || now.Sub(p.open) < usual {
		return 0, 0, time.Time{}, false
	}
	p.warned = true
	return p.stable, p.end - p.stable, p.open, true
}

// stats is a position as the metrics show it.
type stats struct {
	lag    int64
	oldest time.Duration // age of the oldest message not taken
	open   time.Duration // of waiting behind an open transaction
	heard  time.Time
}

func (p *position) stats(now time.Time) stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := stats{heard: p.heard}
	if !p.open.IsZero() {
		f.open = max(0, now.Sub(p.open))
	}
	if p.taken >= p.end {
		return f
	}
	f.lag = p.end - p.taken
	oldest := p.behind
	if len(p.unread) > 0 && !p.unread[0].at.IsZero() {
		oldest = p.unread[0].at
	}
	f.oldest = max(0, now.Sub(oldest))
	return f
}

// positions are those of the partitions that this member has, or had when it last heard
// of the group.
type positions struct {
	now func() time.Time
	mu  sync.Mutex
	all map[topicPartition]*position
}

func newPositions(now func() time.Time) *positions {
	return &positions{now: now, all: map[topicPartition]*position{}}
}

// assigned keeps the positions of the partitions assigned, and drops all others.
func (p *positions) assigned(places []topicPartition) []*position {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := map[topicPartition]*position{}
	var all []*position
	for _, at := range places {
		known := p.all[at]
		if known == nil {
			known = &position{topicPartition: at, taken: -1}
		}
		known.refetch()
		kept[at] = known
		all = append(all, known)
	}
	p.all = kept
	return all
}

func (p *positions) list() []*position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.all))
}

func partitionGauge(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, name), help, []string{"topic", "partition"}, nil)
}

var (
	lagGauge = partitionGauge("lag_messages",
		"Messages of the partition that are not consumed yet, those of open transactions included, as of referral_consumer_lag_timestamp_seconds.")
	oldestGauge = partitionGauge("oldest_unread_age_seconds",
		"Age of the oldest message that is not consumed yet: by its timestamp once it is fetched, before that since the consumer learnt of it; "+
			"0 when none waits. It grows while the broker or the database is unavailable.")
	openGauge = partitionGauge("open_transaction_age_seconds",
		"How long the partition has waited for the end of a producer's transaction; 0 when it does not wait.")
	heardGauge = partitionGauge("lag_timestamp_seconds",
		"When the broker last reported the end of the partition.")
)

// Describe implements [prometheus.Collector].
func (p *positions) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{lagGauge, oldestGauge, openGauge, heardGauge} {
		descs <- desc
	}
}

// Collect implements [prometheus.Collector]: ages are those of the moment.
func (p *positions) Collect(metrics chan<- prometheus.Metric) {
	for _, position := range p.list() {
		f := position.stats(p.now())
		if f.heard.IsZero() {
			continue
		}
		gauge := func(desc *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value,
				position.topic, strconv.Itoa(position.partition))
		}
		gauge(lagGauge, float64(f.lag))
		gauge(oldestGauge, f.oldest.Seconds())
		gauge(openGauge, f.open.Seconds())
		gauge(heardGauge, float64(f.heard.UnixMilli())/1000)
	}
}
