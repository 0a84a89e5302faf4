package models

import (
	"errors"
	"fmt"
	"time"
)

// Message is one record of a topic, as it came.
type Message struct {
	Origin  Origin
	Key     []byte
	Value   []byte
	Headers []Header
	At      time.Time // the broker's timestamp; zero when it is none
}

// DecodedMessage is a message and what was read from it: a fact, or an error.
type DecodedMessage struct {
	Message Message
	Type    string // of the event, as far as it can be read
	Fact    *Fact
	Err     *InputError
}

// InputError is why a message cannot be used. Detail says what is wrong and where, and
// never quotes personal data.
type InputError struct {
	Reason BadInput
	Detail string
}

// Error is the reason with its detail.
func (f *InputError) Error() string { return string(f.Reason) + ": " + f.Detail }

// Disposition is what became of one message.
type Disposition string

// A delivery is applied, says nothing that was not known already, or is set aside.
const (
	Applied      Disposition = "applied"
	Repeated     Disposition = "repeated"
	DeadLettered Disposition = "dead_letter"
)

// ErrRefused marks an error of the storage that lies in the data and would come
// again at every try, unlike a lost connection or a conflict with another transaction.
var ErrRefused = errors.New("the database refuses the data")

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
