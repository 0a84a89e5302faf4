package publisher

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/models"
)

// lacking is a chunk of accounts from 10 to 19 that the ledger shows less of than
// was posted.
func lacking(lack func(*models.ChunkDocuments)) (incomplete, whole models.ChunkDocuments) {
	whole = chunkOf(1, 1, 10, 11)
	whole.From, whole.To = 10, 19
	whole.Packages = []models.SMSPackage{smsPackage(10, 1)}
	whole.Posted = whole.Size()
	incomplete = whole
	incomplete.Adjustments = append([]models.Adjustment{}, whole.Adjustments...)
	lack(&incomplete)
	return incomplete, whole
}

// A chunk of which the ledger shows less than was posted is named, and neither
// sent nor marked, until it is whole. Later documents of its accounts wait for it,
// those of others do not.
func TestIncompleteChunkWaitsUntilItIsWhole(t *testing.T) {
	for name, lack := range map[string]func(*models.ChunkDocuments){
		"a document": func(d *models.ChunkDocuments) { d.Adjustments = d.Adjustments[:1] },
		"a package":  func(d *models.ChunkDocuments) { d.Packages = nil },
		"everything": func(d *models.ChunkDocuments) { d.Adjustments, d.Packages = nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			incomplete, whole := lacking(lack)
			w.ledger.add(incomplete)
			w.ledger.add(chunkOf(1, 2, 20))
			w.ledger.add(chunkOf(2, 1, 10, 20, 12))
			p := w.publisher(t, func(o *Options) { o.HeldRetryMin, o.HeldRetryMax = 10*time.Millisecond, 10*time.Millisecond })
			stop := start(t, p)
			eventually(t, "the chunk is named", func() bool {
				err := p.Ready()
				return err != nil && strings.Contains(err.Error(), "reading chunk 1 of run 1 whole") && strings.Contains(err.Error(), "the ledger shows")
			})
			eventually(t, "the other chunk is out", func() bool { return w.ledger.isPublished(models.ChunkRef{RunID: 1, Chunk: 2}) })
			eventually(t, "others' later documents are out", func() bool { return len(w.read(t, topics.Discounts)) == 2 })
			if left := w.ledger.waiting(); len(left) != 2 {
				t.Errorf("not marked: %v", left)
			}
			if n := testutil.ToFloat64(p.metrics.incomplete); n != 1 {
				t.Errorf("%v incomplete chunks are counted", n)
			}
			w.ledger.add(whole)
			eventually(t, "all is out", func() bool { return len(w.ledger.waiting()) == 0 })
			eventually(t, "it is ready again", func() bool { return p.Ready() == nil })
			stop()
			got, records := documentsOf(t, w.read(t, topics.Discounts))
			sameDocuments(t, got, w.ledger.wantDocuments())
			if records != 6 {
				t.Errorf("%d records for 6 documents", records)
			}
		})
	}
}

// What is not visible at once is read again without a word.
func TestChunkThatBecomesVisibleIsPublished(t *testing.T) {
	w := newWorld(t)
	incomplete, whole := lacking(func(d *models.ChunkDocuments) { d.Adjustments = nil })
	w.ledger.add(incomplete)
	w.ledger.whenLoaded = func(ref models.ChunkRef) { w.ledger.chunks[ref] = whole }
	drain(t, w.publisher(t))
	got, _ := documentsOf(t, w.read(t, topics.Discounts))
	sameDocuments(t, got, w.ledger.wantDocuments())
}

func TestDrainNamesShortChunk(t *testing.T) {
	w := newWorld(t)
	incomplete, _ := lacking(func(d *models.ChunkDocuments) { d.Packages = nil })
	w.ledger.add(incomplete)
	err := w.publisher(t).Drain(t.Context())
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "run 1, chunk 1 posted 2 documents, 1 packages; the ledger shows 2 documents, 0 packages") {
		t.Errorf("the error is %v", err)
	}
	if w.ledger.isPublished(incomplete.Ref) || len(w.read(t, topics.Discounts)) != 0 {
		t.Error("something of it went out")
	}
}
