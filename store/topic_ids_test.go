package store_test

import (
	"maps"
	"testing"
)

func TestTopicIDsAreKept(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	for _, note := range [][2]string{{"invoices", "a"}, {"results", "b"}, {"invoices", "c"}, {"invoices", "c"}} {
		if err := l.RecordTopicID(t.Context(), note[0], note[1]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.TopicIDs(t.Context())
	if want := map[string]string{"invoices": "c", "results": "b"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}
