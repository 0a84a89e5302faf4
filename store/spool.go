package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"sync"

	"referral/models"
)

// spool keeps what a rehearsal has computed until it is posted, so that the
// brake does not cost a month's run a second reading. It is a file without a
// name, not memory, for that must not grow with the invoices; and it is only a
// shortcut: a chunk that is not in it, that a fact has touched since, or that does
// not come back as it was kept, is settled again.
type spool struct {
	fault func(models.ChunkRef, error) // hears of what could not be kept or read; nil hears nothing

	mu     sync.Mutex
	file   *os.File
	end    int64
	chunks map[models.ChunkRef]spooled
}

// spooled is one chunk's place in the file, and the stale marks that it answers.
type spooled struct {
	at    int64
	size  int
	sum   uint32
	marks map[int64]bool
}

// castagnoli is the checksum that processors reckon themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bookings is what a chunk writes: the rows of five tables, ready to be sent, and
// the accounts whose held lines they replace.
type bookings struct {
	documents, items, packages, held, moved rows
	accounts                                []int64
}

func (b *bookings) tables() []*rows {
	return []*rows{&b.documents, &b.items, &b.packages, &b.held, &b.moved}
}

func (b *bookings) encode() []byte {
	var out []byte
	for _, t := range b.tables() {
		out = binary.AppendVarint(out, int64(t.count))
		out = binary.AppendVarint(out, int64(len(t.buf)))
		out = append(out, t.buf...)
	}
	for _, id := range b.accounts {
		out = binary.AppendVarint(out, id)
	}
	return out
}

var errSpool = errors.New("the spool file is damaged")

func decodeBookings(in []byte) (*bookings, error) {
	b := &bookings{}
	next := func() int64 {
		v, n := binary.Varint(in)
		in = in[max(n, 0):]
		return v
	}
	for _, t := range b.tables() {
		t.count = int(next())
		size := int(next())
		if size < 0 || size > len(in) {
			return nil, errSpool
		}
		t.buf, in = in[:size:size], in[size:]
	}
	for len(in) > 0 {
		before := len(in)
		b.accounts = append(b.accounts, next())
		if len(in) == before {
			return nil, errSpool
		}
	}
	return b, nil
}

// put keeps a rehearsed chunk. When that fails the chunk is settled again later.
func (s *spool) put(ref models.ChunkRef, b *bookings, marks []int64) {
	data := b.encode()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.chunks, ref)
	if err := s.write(ref, data, marks); err != nil {
		s.report(ref, fmt.Errorf("keeping a rehearsed chunk: %w", err))
	}
}

func (s *spool) write(ref models.ChunkRef, data []byte, marks []int64) error {
	if err := s.open(); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(data, s.end); err != nil {
		return err
	}
	entry := spooled{at: s.end, size: len(data), sum: crc32.Checksum(data, castagnoli), marks: make(map[int64]bool, len(marks))}
	for _, id := range marks {
		entry.marks[id] = true
	}
	s.chunks[ref] = entry
	s.end += int64(len(data))
	return nil
}

func (s *spool) report(ref models.ChunkRef, err error) {
	if s.fault != nil {
		s.fault(ref, err)
	}
}

func (s *spool) open() error {
	if s.file != nil {
		return nil
	}
	file, err := os.CreateTemp("", "referral-run-*")
	if err != nil {
		return err
	}
	// Without a name it is gone with the process, however that ends.
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return err
	}
	s.file, s.chunks = file, map[models.ChunkRef]spooled{}
	return nil
}

// get is a chunk's bookings, when it was rehearsed here, every one of the stale
// marks that it has now was known then, and the file gives it back unharmed.
func (s *spool) get(ref models.ChunkRef, marks []int64) (*bookings, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, there := s.chunks[ref]
	if !there {
		return nil, false
	}
	for _, id := range marks {
		if !entry.marks[id] {
			return nil, false
		}
	}
	b, err := s.read(entry)
	if err != nil {
		delete(s.chunks, ref)
		s.report(ref, fmt.Errorf("reading a rehearsed chunk: %w", err))
		return nil, false
	}
	return b, true
}

func (s *spool) read(entry spooled) (*bookings, error) {
	data := make([]byte, entry.size)
	if _, err := s.file.ReadAt(data, entry.at); err != nil {
		return nil, err
	}
	if crc32.Checksum(data, castagnoli) != entry.sum {
		return nil, errSpool
	}
	return decodeBookings(data)
}

// drop forgets a chunk; the file shrinks to nothing with the last one.
func (s *spool) drop(ref models.ChunkRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.chunks, ref)
	s.shrink()
}

// forget drops what is left of a run.
func (s *spool) forget(run int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.chunks, func(ref models.ChunkRef, _ spooled) bool { return ref.RunID == run })
	s.shrink()
}

func (s *spool) shrink() {
	if s.file != nil && len(s.chunks) == 0 && s.file.Truncate(0) == nil {
		s.end = 0
	}
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file, s.chunks = nil, nil
	return err
}
