package publisher

import (
	"context"
	"time"

	"referral/models"
)

// Ledger is all that the publisher asks of the storage.
type Ledger interface {
	// Lead tries to take the lead and does not wait for it. led is derived from
	// ctx and cancelled when the lock is lost; release gives the lead back. ok is
	// false, and the other results are nil, while another replica leads.
	Lead(ctx context.Context) (led context.Context, release func(), ok bool, err error)

	// UnpublishedChunks lists at most limit chunks in the order in which they were
	// posted. An account is in one chunk of a run at most; runs may post at once.
	UnpublishedChunks(ctx context.Context, limit int) ([]models.ChunkRef, error)
	// LoadChunk reads the documents of a chunk, in ledger order per account.
	LoadChunk(ctx context.Context, ref models.ChunkRef) (models.ChunkDocuments, error)
	// MarkPublished notes that all of a chunk is out. It may be repeated.
	MarkPublished(ctx context.Context, ref models.ChunkRef, at time.Time) error

	// OutboxEvents lists at most limit announcements, by Seq.
	OutboxEvents(ctx context.Context, limit int) ([]models.OutboxEvent, error)
	// DropOutboxEvents forgets announcements that are out. It may be repeated.
	DropOutboxEvents(ctx context.Context, seqs []int64) error
	// UnpublishedDeadLetters lists at most limit messages set aside and not yet published, by ID.
	UnpublishedDeadLetters(ctx context.Context, limit int) ([]models.DeadLetter, error)
	// MarkDeadLettersPublished notes that messages are out. It may be repeated.
	MarkDeadLettersPublished(ctx context.Context, ids []int64, at time.Time) error

	// Backlog counts the documents, announcements and messages set aside that
	// wait; oldest is the time of the oldest of them, zero when nothing waits.
	Backlog(ctx context.Context) (documents, announcements, setAsides int64, oldest time.Time, err error)
}
