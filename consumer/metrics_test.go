package consumer

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kgo"

	"referral/models"
)

// shownIn are the series of a metric, by their labels' values.
func shownIn(t *testing.T, from prometheus.Gatherer, name string) map[string]*dto.Metric {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]*dto.Metric{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels string
			for _, label := range metric.GetLabel() {
				labels += label.GetValue() + " "
			}
			if family.GetName() == name {
				series[labels] = metric
			}
		}
	}
	return series
}

func TestCountersBeginAtZero(t *testing.T) {
	registry := prometheus.NewRegistry()
	r := &rig{brokers: []string{"localhost:1"}, group: "g", topics: topics, store: newMemory(), log: &logbook{}}
	if _, err := New(r.options(func(o *Options) { o.Registerer = registry })); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"dead_letters_total": {"unreadable", "unknown_type", "bad_field", "too_large", "conflict", "refused"},
		"messages_total":     {"applied pbx.terminated.v1", "dead_letter billing.invoice-issued.v1", "repeated pbx.registered.v1"},
		"commits_total":      {"committed", "fenced", "failed"}, "ingest_errors_total": {"refused", "failed"},
	}
	for _, name := range []string{"lost_messages_total", "offset_resets_total", "recreated_partitions_total", "stalls_total", "fetch_errors_total"} {
		want[name] = topics.All()
	}
	for name, labels := range want {
		shown := shownIn(t, registry, "referral_consumer_"+name)
		for _, label := range labels {
			if metric := shown[label+" "]; metric == nil || metric.GetCounter().GetValue() != 0 {
				t.Errorf("%s{%s} is %v before anything has happened, want 0", name, label, metric)
			}
		}
	}
}

func TestPosition(t *testing.T) {
	now := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return now.Add(d) }
	p := &position{taken: -1}
	check := func(step string, at time.Duration, lag int64, oldest, open time.Duration) {
		t.Helper()
		if f := p.stats(after(at)); f.lag != lag || f.oldest != oldest || f.open != open {
			t.Errorf("%s: %+v, want a lag of %d, %s old, open for %s", step, f, lag, oldest, open)
		}
	}
	p.began(topicID{1}, 5, false)
	p.heardEnd(now, 5)
	check("nothing to read", time.Minute, 0, 0, 0)
	p.heardEnd(after(time.Minute), 8)
	check("heard of 3 messages", 3*time.Minute, 3, 2*time.Minute, 0)
	p.fetched(6, now.Add(-time.Hour))
	p.fetched(7, now)
	p.fetched(8, after(time.Minute))
	check("fetched them", 3*time.Minute, 3, time.Hour+3*time.Minute, 0)
	p.stored(after(2*time.Minute), 7)
	check("took 2", 3*time.Minute, 1, 2*time.Minute, 0)
	check("the clock was set back", -time.Hour, 1, 0, 0)
	p.refetch()
	p.began(topicID{1}, 6, false)
	check("another generation begins before", 3*time.Minute, 1, 2*time.Minute, 0)
	p.fetched(7, now)
	p.fetched(8, after(time.Minute))
	check("what was taken is fetched again", 3*time.Minute, 1, 2*time.Minute, 0)
	p.stored(after(3*time.Minute), 8)
	check("took all", 4*time.Minute, 0, 0, 0)
	p.heardEnd(after(4*time.Minute), 10)
	p.heardStable(after(4*time.Minute), 8, 8)
	check("behind an open transaction", 6*time.Minute, 2, 2*time.Minute, 2*time.Minute)
	if _, _, _, hangs := p.hangs(after(5*time.Minute), 2*time.Minute); hangs {
		t.Error("a transaction hangs before its time")
	}
	if stable, waiting, since, hangs := p.hangs(after(6*time.Minute), 2*time.Minute); !hangs || stable != 8 || waiting != 2 || !since.Equal(after(4*time.Minute)) {
		t.Errorf("hangs %v at %d with %d waiting since %s", hangs, stable, waiting, since)
	}
	if _, _, _, hangs := p.hangs(after(7*time.Minute), 2*time.Minute); hangs {
		t.Error("a transaction is named twice")
	}
	p.heardStable(after(7*time.Minute), 10, 8)
	check("it has ended", 8*time.Minute, 2, 4*time.Minute, 0)
	p.began(topicID{2}, 0, true)
	p.heardEnd(after(9*time.Minute), 1)
	check("the topic was made again", 10*time.Minute, 1, time.Minute, 0)
}

func TestFiguresStayWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	cluster := embedded(t)
	r := newRig(t, cluster.ListenAddrs(), 1)
	r.store.before = func(context.Context, []models.DecodedMessage) error { return errors.New("down") }
	sent := time.Now().Add(-time.Hour)
	r.must(r.client.ProduceSync(r.context(), &kgo.Record{Topic: r.topics.Terminated, Value: []byte(leaver(1)), Timestamp: sent}).FirstErr())
	r.sendLeavers(0, 2, 11)
	var ahead atomic.Int64
	registry := prometheus.NewRegistry()
	m := r.start(func(o *Options) {
		o.Registerer = registry
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	shows := func(name string, least, most float64) bool {
		for _, metric := range shownIn(t, registry, "referral_consumer_"+name) {
			if hasLabels(metric, []string{"0", r.topics.Terminated}) {
				value := metric.GetGauge().GetValue()
				return least <= value && value <= most
			}
		}
		return false
	}
	const hour = 3600
	r.until("the stats", func() bool {
		return shows("lag_messages", 10, 10) && shows("oldest_unread_age_seconds", hour, 2*hour) &&
			len(shownIn(t, registry, "referral_consumer_lag_timestamp_seconds")) == 6
	})
	cluster.Close()
	m.wantUnready("broker")
	ahead.Store(int64(10 * time.Hour))
	if !shows("lag_messages", 10, 10) || !shows("oldest_unread_age_seconds", 11*hour, 12*hour) || !shows("open_transaction_age_seconds", 0, 0) {
		t.Errorf("with the broker away: a lag of %v, the oldest %v s old",
			shownIn(t, registry, "referral_consumer_lag_messages"), shownIn(t, registry, "referral_consumer_oldest_unread_age_seconds"))
	}
	if got := len(shownIn(t, registry, "referral_consumer_lag_timestamp_seconds")); got != 6 {
		t.Errorf("%d partitions shown, want 6", got)
	}
}

func TestFiguresGoWithThePartitions(t *testing.T) {
	t.Parallel()
	r := newRig(t, embedded(t).ListenAddrs(), 2)
	shown := func(m *member) []string {
		var all []string
		for labels := range shownIn(t, m.o.Registerer.(*prometheus.Registry), "referral_consumer_lag_messages") {
			all = append(all, labels)
		}
		slices.Sort(all)
		return all
	}
	first := r.start()
	r.until("all partitions with one member", func() bool { return len(shown(first)) == 12 })
	second := r.start()
	r.until("half of the partitions each", func() bool { return len(shown(first)) == 6 && len(shown(second)) == 6 })
	if both := slices.Concat(shown(first), shown(second)); len(slices.Compact(slices.Sorted(slices.Values(both)))) != 12 {
		t.Errorf("partitions shown: %v", both)
	}
}
