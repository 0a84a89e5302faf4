package consumer

import (
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A producer that counts nanoseconds, or nonsense, must not stop its partition.
func TestTimestampsThatCannotBeStoredAreUnknown(t *testing.T) {
	day := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]time.Time{
		day:                            day,
		time.UnixMilli(-1):             time.UnixMilli(-1),
		time.UnixMilli(day.UnixNano()): {},
		time.UnixMilli(-1e15):          {},
		time.UnixMilli(math.MaxInt64):  {},
		time.UnixMilli(math.MinInt64):  {},
	} {
		if m := toMessage(&kgo.Record{Timestamp: at}); !m.At.Equal(want) {
			t.Errorf("%d ms: %s, want %s", at.UnixMilli(), m.At, want)
		}
	}
}

func TestFetchesShareTheMemory(t *testing.T) {
	timing := Timing{InFlight: 32 << 20}
	for partitions, want := range map[int]int32{0: 4 << 20, 1: 4 << 20, 8: 4 << 20, 32: 1 << 20, 1000: 256 << 10} {
		if got := timing.fetchBytes(partitions); got != want {
			t.Errorf("%d partitions: %d bytes a fetch, want %d", partitions, got, want)
		}
	}
}
