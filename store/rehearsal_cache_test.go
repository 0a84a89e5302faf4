package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"referral/models"
)

func booked(n int) *ledgerRows {
	b := &ledgerRows{accounts: []int64{1, 1 << 62, -5}}
	for i := range n {
		b.documents.Row(1).Text(fmt.Sprint("document ", i))
		b.held.Row(2).Text("held \x00\xff").Int8(int64(-i))
	}
	b.moved.Row(3).Int4(202604).Int8(885).Int8(-7)
	return b
}

func same(t *testing.T, got, want *ledgerRows) {
	t.Helper()
	if fmt.Sprint(got.accounts) != fmt.Sprint(want.accounts) {
		t.Errorf("accounts %v, want %v", got.accounts, want.accounts)
	}
	for i, table := range got.tables() {
		if got, w := table.AppendTo(nil), want.tables()[i].AppendTo(nil); !bytes.Equal(got, w) {
			t.Errorf("table %d: %d rows %q, want %q", i, table.Count(), got, w)
		}
	}
}

// What is cachedChunk comes back whole, as long as no mark has come that it knew
// nothing of.
func TestRehearsalCacheRoundTrip(t *testing.T) {
	t.Parallel()
	for _, room := range []int{0, 400, 1 << 20} { // all in the file, one in memory, both
		comeBack(t, &rehearsalCache{room: room})
	}
}

func comeBack(t *testing.T, s *rehearsalCache) {
	t.Cleanup(func() { _ = s.close() })
	one, other := models.ChunkRef{RunID: 1, Chunk: 1}, models.ChunkRef{RunID: 1, Chunk: 2}
	for ref, n := range map[models.ChunkRef]int{one: 0, other: 300} {
		s.put(ref, booked(n).appendTo(nil), []int64{10, 11}, nil)
	}
	for _, c := range []struct {
		ref   models.ChunkRef
		marks []int64
		n     int
		there bool
	}{
		{one, []int64{10, 11}, 0, true}, {other, []int64{11}, 300, true}, {other, nil, 300, true},
		{one, []int64{10, 12}, 0, false}, {models.ChunkRef{RunID: 2, Chunk: 1}, nil, 0, false},
	} {
		got, _, there := s.get(c.ref, c.marks, nil, nil)
		if there != c.there {
			t.Errorf("%v with marks %v: %t", c.ref, c.marks, there)
		}
		if there {
			same(t, got, booked(c.n))
		}
	}
}

// Whatever other processes post of what was rehearsed here, nothing of a run stays
// behind when it is over, and the file shrinks.
func TestRehearsalCacheForgetsRuns(t *testing.T) {
	t.Parallel()
	s := &rehearsalCache{room: 1000}
	t.Cleanup(func() { _ = s.close() })
	s.forget(1) // before there is a file
	for run := range int64(3) {
		for chunk := range 4 {
			s.put(models.ChunkRef{RunID: run, Chunk: chunk}, booked(10).appendTo(nil), nil, nil)
		}
	}
	s.drop(models.ChunkRef{RunID: 0, Chunk: 2}) // the one that was posted here
	s.forget(0)
	s.forget(1)
	if got, _, there := s.get(models.ChunkRef{RunID: 2, Chunk: 3}, nil, nil, nil); !there {
		t.Error("another run's chunk was forgotten")
	} else {
		same(t, got, booked(10))
	}
	if len(s.chunks) != 4 {
		t.Errorf("%d chunks are kept, want those of one run", len(s.chunks))
	}
	s.forget(2)
	if s.memory != 0 {
		t.Errorf("with nothing kept, %d bytes are counted", s.memory)
	}
	if info, err := s.file.Stat(); err != nil || info.Size() != 0 || s.end != 0 || len(s.chunks) != 0 {
		t.Errorf("with nothing kept the file has %d bytes, %v", info.Size(), err)
	}
}

// Chunks are kept, read and dropped at once: none gets another's bytes, also while
// the file shrinks under it, and in the end nothing is left.
func TestRehearsalCacheOfManyWorkers(t *testing.T) {
	t.Parallel()
	s := &rehearsalCache{room: 2000, fault: func(ref models.ChunkRef, err error) { t.Errorf("%v: %v", ref, err) }}
	t.Cleanup(func() { _ = s.close() })
	var workers sync.WaitGroup
	for run := range int64(8) {
		workers.Go(func() {
			for chunk := range 50 {
				ref := models.ChunkRef{RunID: run, Chunk: chunk}
				s.put(ref, booked(chunk+int(run)).appendTo(nil), nil, nil)
				got, _, there := s.get(ref, nil, nil, nil)
				if !there {
					t.Errorf("%v is not there", ref)
					continue
				}
				same(t, got, booked(chunk+int(run)))
				s.drop(ref)
			}
		})
	}
	workers.Wait()
	if info, err := s.file.Stat(); err != nil || info.Size() != 0 || s.end != 0 || s.writing != 0 || s.memory != 0 || len(s.chunks) != 0 {
		t.Errorf("with nothing kept the file has %d bytes, %v", info.Size(), err)
	}
}

// What does not come back as it was kept is said to be damaged, once, and never
// posted by half.
func TestDamagedRehearsalCache(t *testing.T) {
	t.Parallel()
	whole := booked(3).appendTo(nil)
	for cut := range whole {
		if b, err := decodeLedgerRows(whole[:cut]); err == nil && b.documents.Count() == 3 && b.held.Count() == 3 && b.moved.Count() == 1 && len(b.accounts) == 3 {
			t.Errorf("cut to %d of %d bytes it passed for whole", cut, len(whole))
		}
	}
	ref := models.ChunkRef{RunID: 1}
	harm := map[string]func(*os.File) error{
		"cut short": func(f *os.File) error { return f.Truncate(int64(len(whole)) - 1) },
		"empty":     func(f *os.File) error { return f.Truncate(0) },
		"closed":    func(f *os.File) error { return f.Close() },
	}
	for i, b := range whole {
		harm[fmt.Sprint("byte ", i)] = func(f *os.File) error {
			_, err := f.WriteAt([]byte{b ^ 4}, int64(i))
			return err
		}
	}
	for name, damage := range harm {
		var told []error
		s := &rehearsalCache{fault: func(of models.ChunkRef, err error) {
			if of == ref {
				told = append(told, err)
			}
		}}
		s.put(ref, booked(3).appendTo(nil), nil, nil)
		if err := damage(s.file); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, _, there := s.get(ref, nil, nil, nil); there {
				t.Errorf("%s: it was read", name)
			}
		}
		if len(told) != 1 {
			t.Errorf("%s: told %v", name, told)
		}
		_ = s.close()
	}
}

// Without room for the file, nothing is kept and the rehearsal goes on.
func TestRehearsalCacheWithoutRoom(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	told := 0
	s := &rehearsalCache{fault: func(models.ChunkRef, error) { told++ }}
	ref := models.ChunkRef{RunID: 1}
	s.put(ref, booked(1).appendTo(nil), nil, nil)
	if _, _, there := s.get(ref, nil, nil, nil); there || told != 1 {
		t.Errorf("kept: %t, told %d times", there, told)
	}
}

// The file of rehearsed chunks has no name, and is gone with the store.
func TestRehearsalCacheLeavesNoFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ignore := goleak.IgnoreCurrent()
	s := &rehearsalCache{}
	s.put(models.ChunkRef{RunID: 1}, booked(1).appendTo(nil), nil, nil)
	if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) != 0 {
		t.Errorf("files left: %v, %v", files, err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if err := s.close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	goleak.VerifyNone(t, ignore)
}

// Segments are kept as text that a person can read.
func TestSegmentsAsText(t *testing.T) {
	t.Parallel()
	segments := []models.Segment{
		{From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 4, 20), Inviter: 40}, {From: models.NewDate(2026, 4, 20), To: models.NewDate(2026, 5, 1), Invitee: 20, Inviter: 100},
		{From: models.NewDate(2026, 5, 1), To: models.NewDate(2026, 5, 2), Agreed: 15},
	}
	text := string(appendSegments(nil, segments))
	if text != "2026-04-01/2026-04-20@0+40 2026-04-20/2026-05-01@20+100 2026-05-01/2026-05-02@0+0+15" {
		t.Errorf("kept as %q", text)
	}
	if got, err := parseSegments(text); err != nil || fmt.Sprint(got) != fmt.Sprint(segments) {
		t.Errorf("read as %v, %v", got, err)
	}
	if got, err := parseSegments(""); err != nil || got != nil {
		t.Errorf("none is read as %v, %v", got, err)
	}
	for _, bad := range []string{"x", "2026-04-01", "2026-04-01/2026-04-31@0+1", "2026-04-01/2026-04-20@0", "2026-04-01/2026-04-20@+", "2026-04-01/2026-04-20@0+4o", "2026-04-01/2026-04-20@0+40+", "2026-04-01/2026-04-20@0+40+1+1"} {
		if got, err := parseSegments(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

// What may be written can be read, and what could not be read is not written, up
// to the last day of either end.
func TestSegmentsAreWrittenToBeRead(t *testing.T) {
	t.Parallel()
	check := func(t interface {
		Helper()
		Errorf(string, ...any)
	}, from, to models.Date) {
		t.Helper()
		want := []models.Segment{{From: from, To: to, Invitee: 20, Inviter: 100}}
		got, err := parseSegments(string(appendSegments(nil, want)))
		if reads := err == nil && slices.Equal(got, want); reads != writable(from, to) {
			t.Errorf("%s to %s: readable %t, writable %t", from, to, reads, writable(from, to))
		}
	}
	for _, near := range []models.Date{firstDay, lastDay, 0} {
		for from := near - 3; from < near+3; from++ {
			for to := from + 1; to < from+5; to++ {
				check(t, from, to)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		from := models.Date(rapid.Int32Range(-800_000, 3_000_000).Draw(t, "from"))
		check(t, from, from+models.Date(rapid.Int32Range(1, 400_000).Draw(t, "days")))
	})
}
