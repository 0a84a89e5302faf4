package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"slices"
	"sync"

	"referral/models"
)

// rehearsalCache keeps what a rehearsal has computed until it is posted, so that the
// brake does not make a month's run read everything twice. It keeps it in memory up to
// a limit, and the rest in a file without a name, because memory must not grow with the
// invoices. A chunk that is not in it, that a fact has touched since, or whose checksum
// is wrong is settled again.
type rehearsalCache struct {
	fault func(models.ChunkRef, error) // called for what could not be written or read; may be nil

	room int // bytes that may be kept in memory

	mu      sync.Mutex
	memory  int // bytes of chunks kept in memory
	file    *os.File
	end     int64
	writing int // chunks that have a place and are not there yet
	chunks  map[models.ChunkRef]cachedChunk
}

// rehearsalMemory is how many bytes of chunks a store keeps in memory.
const rehearsalMemory = 16 << 20

// cachedChunk is one chunk, or its place in the file, the stale marks that it answers, and
// the decisions on services that it goes by.
type cachedChunk struct {
	data  []byte // nil for one in the file
	at    int64
	size  int
	sum   uint32
	marks map[int64]bool

	services map[string]models.ServiceDecision
}

// castagnoli is a checksum that processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRehearsalCache = errors.New("the file of rehearsed chunks is damaged")

// put keeps a rehearsed chunk. When that fails the chunk is settled again later.
// data is its ledger rows, and not needed afterwards.
func (s *rehearsalCache) put(ref models.ChunkRef, data []byte, marks []int64, services map[string]models.ServiceDecision) {
	entry := cachedChunk{size: len(data), sum: crc32.Checksum(data, castagnoli), marks: make(map[int64]bool, len(marks)), services: services}
	for _, id := range marks {
		entry.marks[id] = true
	}
	if s.putInMemory(ref, entry, data) {
		return
	}
	file, at, err := s.reserve(ref, len(data))
	if err == nil {
		_, err = file.WriteAt(data, at)
	}
	entry.at = at
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing--
	if err == nil && s.file == file {
		s.chunks[ref] = entry
	}
	if err != nil {
		s.report(ref, fmt.Errorf("keeping a rehearsed chunk: %w", err))
	}
}

// putInMemory keeps a chunk in memory, unless too much is there already.
func (s *rehearsalCache) putInMemory(ref models.ChunkRef, entry cachedChunk, data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(ref)
	if s.memory+len(data) > s.room {
		return false
	}
	entry.data = slices.Clone(data)
	s.memory += len(data)
	if s.chunks == nil {
		s.chunks = map[models.ChunkRef]cachedChunk{}
	}
	s.chunks[ref] = entry
	return true
}

func (s *rehearsalCache) remove(ref models.ChunkRef) {
	s.memory -= len(s.chunks[ref].data)
	delete(s.chunks, ref)
}

// reserve gives a chunk a place in the file, so that others need not wait until it
// is written.
func (s *rehearsalCache) reserve(ref models.ChunkRef, size int) (file *os.File, at int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing++
	if err := s.open(); err != nil {
		return nil, 0, err
	}
	at = s.end
	s.end += int64(size)
	return s.file, at, nil
}

func (s *rehearsalCache) report(ref models.ChunkRef, err error) {
	if s.fault != nil {
		s.fault(ref, err)
	}
}

func (s *rehearsalCache) open() error {
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
	s.file = file
	if s.chunks == nil {
		s.chunks = map[models.ChunkRef]cachedChunk{}
	}
	return nil
}

// get is the ledger rows of a chunk if it was rehearsed here, all the stale marks that
// it has now were known then, the same decisions on services were in force, and its
// checksum is right. They are in buf, which is returned grown.
func (s *rehearsalCache) get(ref models.ChunkRef, marks []int64, services map[string]models.ServiceDecision, room []byte) (*ledgerRows, []byte, bool) {
	file, entry, there := s.find(ref, marks, services)
	if !there {
		return nil, room, false
	}
	if entry.data != nil {
		b, err := decodeLedgerRows(entry.data)
		return b, room, err == nil
	}
	room = slices.Grow(room[:0], entry.size)[:entry.size]
	b, err := entry.read(file, room)
	if err != nil {
		s.discardDamaged(ref, fmt.Errorf("reading a rehearsed chunk: %w", err))
		return nil, room, false
	}
	return b, room, true
}

func (s *rehearsalCache) find(ref models.ChunkRef, marks []int64, services map[string]models.ServiceDecision) (*os.File, cachedChunk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, there := s.chunks[ref]
	there = there && maps.EqualFunc(entry.services, services, func(a, b models.ServiceDecision) bool { return a.ID == b.ID })
	for _, id := range marks {
		there = there && entry.marks[id]
	}
	return s.file, entry, there
}

// discardDamaged forgets a chunk that could not be read, unless others have posted it
// and the file has shrunk.
func (s *rehearsalCache) discardDamaged(ref models.ChunkRef, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.chunks[ref]; there {
		s.remove(ref)
		s.report(ref, err)
	}
}

func (e cachedChunk) read(file *os.File, data []byte) (*ledgerRows, error) {
	if _, err := file.ReadAt(data, e.at); err != nil {
		return nil, err
	}
	if crc32.Checksum(data, castagnoli) != e.sum {
		return nil, errRehearsalCache
	}
	return decodeLedgerRows(data)
}

// drop forgets a chunk; the file shrinks to nothing with the last one.
func (s *rehearsalCache) drop(ref models.ChunkRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(ref)
	s.shrink()
}

// forget drops what is left of a run.
func (s *rehearsalCache) forget(run int64) {
	s.forgetAll(func(other int64) bool { return other == run })
}

func (s *rehearsalCache) forgetAll(runs func(int64) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref := range s.chunks {
		if runs(ref.RunID) {
			s.remove(ref)
		}
	}
	s.shrink()
}

func (s *rehearsalCache) shrink() {
	if s.file != nil && len(s.chunks) == 0 && s.writing == 0 && s.file.Truncate(0) == nil {
		s.end = 0
	}
}

func (s *rehearsalCache) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file, s.chunks, s.memory = nil, nil, 0
	return err
}
