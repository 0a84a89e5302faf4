package publisher

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/internal/recovering"
	"referral/models"
)

// A panic ends neither the process nor the publishing, wherever in the work it
// happens: it is counted, named while it lasts, and what it cut short is done again.
func TestPanicsDoNotEndThePublisher(t *testing.T) {
	for name, spoil := range map[string]func(w *world, o *Options, panics *atomic.Int32){
		"loading a chunk": func(w *world, _ *Options, panics *atomic.Int32) {
			w.ledger.whenLoaded = func(models.ChunkRef) { panicWhile(panics) }
		},
		"between two calls": func(_ *world, o *Options, panics *atomic.Int32) {
			o.Now = func() time.Time { panicWhile(panics); return postedAt }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ledger.add(chunkOf(1, 1, 10, 11))
			var panics atomic.Int32
			panics.Store(3)
			p := w.publisher(t, func(o *Options) { spoil(w, o, &panics) })
			start(t, p)
			eventually(t, "all is out after the panics", func() bool { return w.ledger.isPublished(models.ChunkRef{RunID: 1, Chunk: 1}) })
			eventually(t, "it is ready again", func() bool { return p.Ready() == nil })
			got, _ := documentsOf(t, w.read(t, topics.Discounts))
			sameDocuments(t, got, w.ledger.wantDocuments())
			want := `
# HELP referral_panics_total Panics that were recovered, by component. What panicked is tried again.
# TYPE referral_panics_total counter
referral_panics_total{component="publisher"} 3
`
			must(t, testutil.GatherAndCompare(w.reg, strings.NewReader(want), "referral_panics_total"))
		})
	}
}

func panicWhile(left *atomic.Int32) {
	if left.Load() > 0 && left.Add(-1) >= 0 {
		panic("index out of range")
	}
}

// One that lasts is named by readiness.
func TestAPanicThatLasts(t *testing.T) {
	w := newWorld(t)
	w.ledger.add(chunkOf(1, 1, 10, 11))
	p := w.publisher(t, func(o *Options) {
		o.RetryMax = time.Hour
		o.Now = func() time.Time { panic("index out of range") }
	})
	start(t, p)
	eventually(t, "readiness names it", func() bool { return errors.Is(p.Ready(), recovering.ErrPanicked) })
	eventually(t, "it is counted", func() bool { return testutil.ToFloat64(p.metrics.errors.WithLabelValues(doingStreams)) == 1 })
}
