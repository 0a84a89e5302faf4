package models

import (
	"fmt"
	"time"
)

// ChunkRef names a part of a run: the unit of settling and of publishing. A
// document that is to be published again is a chunk of its own, of no run.
type ChunkRef struct {
	RunID  int64
	Chunk  int
	Resend int64 // of the document that is published again; 0 for a chunk of a run
}

// String names the chunk for people.
func (r ChunkRef) String() string {
	if r.Resend != 0 {
		return fmt.Sprintf("resend %d", r.Resend)
	}
	return fmt.Sprintf("chunk %d of run %d", r.Chunk, r.RunID)
}

// ChunkDocuments is what a chunk posted, in order per account.
type ChunkDocuments struct {
	Ref         ChunkRef
	From, To    int64     // the chunk's accounts, both ends included
	Posted      ChunkSize // as the run has noted it
	PostedAt    time.Time
	Trace       string // context of the trace of its posting; empty for none
	Adjustments []Adjustment
	Packages    []SMSPackage
}

// ChunkSize counts what a chunk posted.
type ChunkSize struct{ Documents, Packages int64 }

// String is the counts.
func (s ChunkSize) String() string {
	return fmt.Sprintf("%d documents, %d packages", s.Documents, s.Packages)
}

// Lacks tells whether anything of another size is missing here.
func (s ChunkSize) Lacks(posted ChunkSize) bool {
	return s.Documents < posted.Documents || s.Packages < posted.Packages
}

// Size counts the documents that are here.
func (d *ChunkDocuments) Size() ChunkSize {
	return ChunkSize{Documents: int64(len(d.Adjustments)), Packages: int64(len(d.Packages))}
}

// IncompleteChunk is a posted chunk of which the ledger shows less than its run
// has noted.
type IncompleteChunk struct {
	Ref           ChunkRef
	Posted, Found ChunkSize
}

// String says what is missing.
func (c IncompleteChunk) String() string {
	return fmt.Sprintf("run %d, chunk %d posted %s; the ledger shows %s", c.Ref.RunID, c.Ref.Chunk, c.Posted, c.Found)
}
