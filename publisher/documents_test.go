package publisher

import (
	"slices"
	"testing"

	"referral/models"
)

// Documents that are published again go one after another, and between what was
// posted before and after: two of them, or the next chunk, may be of one account.
func TestWhatIsPublishedAgainGoesAlone(t *testing.T) {
	chunk := func(run int64, n int) models.ChunkRef { return models.ChunkRef{RunID: run, Chunk: n} }
	again := func(resend int64) models.ChunkRef { return models.ChunkRef{Resend: resend} }
	for what, c := range map[string]struct {
		refs []models.ChunkRef
		want []int // chunks at once, one time after another
	}{
		"runs":                {[]models.ChunkRef{chunk(1, 1), chunk(1, 2), chunk(2, 1), chunk(1, 3)}, []int{2, 1, 1}},
		"resends":             {[]models.ChunkRef{again(1), again(2)}, []int{1, 1}},
		"between two of runs": {[]models.ChunkRef{chunk(1, 1), again(1), chunk(1, 2), chunk(1, 3)}, []int{1, 1, 2}},
	} {
		var got []int
		for refs := c.refs; len(refs) > 0; refs = refs[got[len(got)-1]:] {
			got = append(got, sameRun(refs))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}

// In shadow mode the ledger is not even asked what to publish.
func TestShadowModePublishesNoDocument(t *testing.T) {
	t.Parallel()
	d := documents{leaderSession: &leaderSession{options: Options{Shadow: true}}}
	if more, err := d.round(t.Context()); more || err != nil {
		t.Errorf("%t, %v", more, err)
	}
}
