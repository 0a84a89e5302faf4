package embeddedkafka

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func start(t *testing.T, o Options) *Broker {
	t.Helper()
	b, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b
}

func write(t *testing.T, b *Broker, topic string, messages ...kafka.Message) error {
	t.Helper()
	w := &kafka.Writer{
		Addr: kafka.TCP(b.Addr()), Topic: topic, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, BatchBytes: 8 << 20, MaxAttempts: 1, Compression: kafka.Gzip,
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	return w.WriteMessages(t.Context(), messages...)
}

func readAll(t *testing.T, b *Broker, topic string, n int) [][]byte {
	t.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Addr()}, Topic: topic, MinBytes: 1, MaxBytes: 16 << 20, MaxWait: time.Second})
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var values [][]byte
	for range n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("read %d of %d messages: %v", len(values), n, err)
		}
		values = append(values, m.Value)
	}
	return values
}

func TestAcknowledgedRecordsOutliveTheBroker(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Topics: map[string]int{"letters": 1}}
	first := start(t, o)
	for i := range 3 {
		if err := write(t, first, "letters", kafka.Message{Value: fmt.Appendf(nil, "letter %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	first.Stop()

	o.Topics["parcels"] = 2
	second := start(t, o)
	for i, got := range readAll(t, second, "letters", 3) {
		if want := fmt.Sprintf("letter %d", i); string(got) != want {
			t.Errorf("record %d is %q, want %q", i, got, want)
		}
	}
	if got := len(second.Cluster().PartitionInfos("parcels")); got != 2 {
		t.Errorf("the topic added at the second start has %d partitions, want 2", got)
	}
}

func TestTakesAMessageOverOneMebibyte(t *testing.T) {
	b := start(t, Options{Topics: map[string]int{"letters": 1}})
	big := bytes.Repeat([]byte("long "), 300_000)
	if err := write(t, b, "letters", kafka.Message{Value: big}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, b, "letters", 1)[0]; !bytes.Equal(got, big) {
		t.Errorf("got %d bytes back, want the %d that were sent", len(got), len(big))
	}
}

func TestFaultsReachTheClient(t *testing.T) {
	b := start(t, Options{Topics: map[string]int{"letters": 1}})
	b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: 1})
	if err := write(t, b, "letters", kafka.Message{Value: []byte("refused")}); err == nil {
		t.Error("the broker took a message that the fault refuses")
	}
	if err := write(t, b, "letters", kafka.Message{Value: []byte("taken")}); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b, err := Start(ctx, Options{Topics: map[string]int{"letters": 1}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	b.Stop() // waits for the end if it is under way, and is harmless after it
	if err := write(t, b, "letters", kafka.Message{Value: []byte("late")}); err == nil {
		t.Error("a broker whose context has ended still takes messages")
	}
}

func TestRefusesWrongOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"a topic without partitions": {Topics: map[string]int{"letters": 0}},
		"a topic without a name":     {Topics: map[string]int{"": 1}},
		"a port that is none":        {Port: 70_000},
	} {
		if b, err := Start(t.Context(), o); err == nil {
			b.Stop()
			t.Errorf("%s: started", name)
		}
	}
}
