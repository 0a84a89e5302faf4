package consumer

import "testing"

func TestFetchesShareTheMemory(t *testing.T) {
	timing := Timing{InFlight: 32 << 20}
	for partitions, want := range map[int]int32{0: 4 << 20, 1: 4 << 20, 8: 4 << 20, 32: 1 << 20, 1000: 256 << 10} {
		if got := timing.fetchBytes(partitions); got != want {
			t.Errorf("%d partitions: %d bytes a fetch, want %d", partitions, got, want)
		}
	}
}
