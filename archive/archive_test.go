package archive

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"referral/models"
)

func create(t *testing.T, directory string, limit int64) *Writer {
	t.Helper()
	w, err := Create(t.Context(), directory, "one", func() { t.Error("waits for another process") })
	if err != nil {
		t.Fatal(err)
	}
	if limit > 0 {
		w.limit = limit
	}
	return w
}

func message(topic string, partition int, offset int64, value []byte) models.DecodedMessage {
	return models.DecodedMessage{Message: models.Message{
		Origin: models.Origin{Topic: topic, Partition: partition, Offset: offset}, Key: []byte("885"), Value: value,
		Headers: []models.Header{{Key: "ce_type", Value: []byte("x")}, {Key: "empty", Value: []byte{}}, {Key: "raw", Value: []byte{0xff, 0}}},
		At:      time.Date(2026, 4, 20, 12, 0, 0, 1e6, time.UTC),
	}}
}

func add(t *testing.T, w *Writer, batch ...models.DecodedMessage) []models.Disposition {
	t.Helper()
	dispositions, err := w.Ingest(t.Context(), batch, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dispositions
}

func closeArchive(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// readAll is every message of an archive, by topic and offset.
func readAll(t *testing.T, directory string, topics ...string) (all []models.Message) {
	t.Helper()
	r, err := Open(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		for _, s := range r.Of(topic) {
			if err := r.Read(s, func(m models.Message) error { all = append(all, m); return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// What comes out is what went in, to the byte, in the order of the offsets, whatever the
// size of the segments. A repeat is left out.
func TestMessagesComeBack(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	w := create(t, directory, 600)
	if err := w.RecordTopicID(t.Context(), "a", "id1"); err != nil {
		t.Fatal(err)
	}
	values := [][]byte{[]byte(`{"x":"Резервация"}`), {0xff, 0xfe}, nil, {}, []byte("<&>\u2028")}
	var want []models.Message
	for i := range int64(20) {
		m := message("a", 0, i*2, values[int(i)%len(values)])
		want = append(want, m.Message)
		if got := add(t, w, m, m); got[0] != models.Applied || got[1] != models.Repeated {
			t.Errorf("the dispositions are %v", got)
		}
	}
	closeArchive(t, w)
	if got := readAll(t, directory, "a"); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v, want\n%v", got, want)
	}
	r, err := Open(directory)
	if err != nil {
		t.Fatal(err)
	}
	if messages, errs := r.Verify(); messages != 20 || len(errs) > 0 || len(r.Segments) < 3 {
		t.Errorf("%d messages in %d segments, %v", messages, len(r.Segments), errs)
	}
}

// A process that is killed leaves an open segment, perhaps with half a line. The next one
// continues behind what is whole.
func TestKilledWriterIsContinued(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	w := create(t, directory, 0)
	add(t, w, message("a", 0, 0, []byte("v")), message("a", 0, 1, []byte("v")), message("a", 1, 7, []byte("v")))
	if err := w.lock.Release(); err != nil { // as the kernel does
		t.Fatal(err)
	}
	path := filepath.Join(directory, "a@", "0", fmt.Sprintf("%020d.jsonl", 0))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, `{"offset":2,"va`...), 0o600); err != nil {
		t.Fatal(err)
	}
	w = create(t, directory, 0)
	got := add(t, w, message("a", 0, 1, []byte("v")), message("a", 0, 2, []byte("v")), message("a", 1, 7, []byte("v")))
	if want := []models.Disposition{models.Repeated, models.Applied, models.Repeated}; !reflect.DeepEqual(got, want) {
		t.Errorf("the dispositions are %v, want %v", got, want)
	}
	closeArchive(t, w)
	if got := readAll(t, directory, "a"); len(got) != 4 {
		t.Errorf("%d messages, want 4", len(got))
	}

	// Killed between the manifest and the removal of the open segment.
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	closeArchive(t, create(t, directory, 0))
	if got := readAll(t, directory, "a"); len(got) != 4 {
		t.Errorf("%d messages, want 4", len(got))
	}
}

// A topic that was made again has a directory of its own, though its offsets begin again.
func TestTopicsMadeAgainAreKeptApart(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	w := create(t, directory, 0)
	for _, id := range []string{"id1", "id2"} {
		if err := w.RecordTopicID(t.Context(), "a", id); err != nil {
			t.Fatal(err)
		}
		if got := add(t, w, message("a", 0, 0, []byte(id))); got[0] != models.Applied {
			t.Errorf("%s: %v", id, got)
		}
	}
	closeArchive(t, w)
	if got := readAll(t, directory, "a"); len(got) != 2 || string(got[0].Value)+string(got[1].Value) != "id1id2" {
		t.Errorf("%v", got)
	}
}

// What the topic no longer held is named, once.
func TestGapsAreNamed(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	w := create(t, directory, 0)
	starts := map[string]map[int]int64{"a": {0: 5, 1: 0}}
	add(t, w, message("a", 0, 5, []byte("v")), message("a", 1, 0, []byte("v")))
	for range 2 {
		if err := w.NoteGaps(starts); err != nil {
			t.Fatal(err)
		}
	}
	closeArchive(t, w)
	w = create(t, directory, 0)
	add(t, w, message("a", 0, 9, []byte("v")))
	if err := w.NoteGaps(map[string]map[int]int64{"a": {0: 9, 1: 1}}); err != nil {
		t.Fatal(err)
	}
	closeArchive(t, w)
	r, err := Open(directory)
	if err != nil {
		t.Fatal(err)
	}
	want := []Gap{{Topic: "a", From: 0, To: 5}, {Topic: "a", From: 6, To: 9}}
	if !reflect.DeepEqual(r.Gaps, want) {
		t.Errorf("the gaps are %v, want %v", r.Gaps, want)
	}
}

func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*testing.T, string){
		"altered": func(t *testing.T, path string) {
			t.Helper()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"cut off": func(t *testing.T, path string) {
			t.Helper()
			if err := os.Truncate(path, 40); err != nil {
				t.Fatal(err)
			}
		},
		"missing": func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			w := create(t, directory, 0)
			add(t, w, message("a", 0, 0, []byte("v")), message("b", 0, 0, []byte("v")))
			closeArchive(t, w)
			r, err := Open(directory)
			if err != nil {
				t.Fatal(err)
			}
			damage(t, filepath.Join(directory, r.Of("a")[0].File))
			if _, errs := r.Verify(); len(errs) != 1 || !strings.Contains(errs[0].Error(), r.Of("a")[0].File) {
				t.Errorf("%v", errs)
			}
		})
	}
}

// A disk that is full fails the batch, which can be added again when there is room.
func TestFailedBatchIsAddedAgain(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	w := create(t, directory, 0)
	add(t, w, message("a", 0, 0, []byte("v")))
	s := w.open[partition{topic: "a"}]
	file := s.file
	readable, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.file = readable // every write fails
	batch := []models.DecodedMessage{message("a", 0, 1, []byte("v"))}
	if _, err := w.Ingest(t.Context(), batch, nil); err == nil {
		t.Error("a write that fails is no error")
	}
	s.file = file
	if err := readable.Close(); err != nil {
		t.Fatal(err)
	}
	if got := add(t, w, batch...); got[0] != models.Applied {
		t.Errorf("%v", got)
	}
	closeArchive(t, w)
	if got := readAll(t, directory, "a"); len(got) != 2 {
		t.Errorf("%d messages, want 2", len(got))
	}
}

func TestOneProcessWrites(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	w := create(t, directory, 0)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Create(ctx, directory, "two", cancel); err == nil {
		t.Error("two processes write")
	}
	closeArchive(t, w)
	if again := create(t, directory, 0); again.ID() != "one" {
		t.Errorf("the id is %s", again.ID())
	}
}
