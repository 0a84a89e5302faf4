package embeddedkafka

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

func TestAcceptsAMessageOverOneMebibyte(t *testing.T) {
	t.Parallel()
	b, err := Start(1, "events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w := &kafka.Writer{Addr: kafka.TCP(b.Addr()), Topic: "events", RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, BatchBytes: 8 << 20}
	defer func() { _ = w.Close() }()
	large := bytes.Repeat([]byte("long "), 300_000)
	if err := w.WriteMessages(ctx, kafka.Message{Value: large}); err != nil {
		t.Fatal(err)
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Addr()}, Topic: "events", MaxBytes: 16 << 20, MaxWait: time.Second})
	defer func() { _ = r.Close() }()
	m, err := r.ReadMessage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Value, large) {
		t.Errorf("got %d bytes back, want the %d that were sent", len(m.Value), len(large))
	}
}
