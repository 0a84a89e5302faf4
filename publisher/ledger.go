package publisher

import (
	"context"
	"time"

	"referral/models"
)

// Ledger is what the publisher needs of the storage.
type Ledger interface {
	// Lead tries to take the leader lock and does not wait for it. led is derived from
	// ctx and cancelled when the lock is lost; release gives it back. ok is false, and
	// the other results are nil, while another replica leads.
	Lead(ctx context.Context) (led context.Context, release func(), ok bool, err error)

	// UnpublishedChunks lists at most limit chunks in the order in which they were
	// posted. An account is in one chunk of a run at most; runs may post at once.
	UnpublishedChunks(ctx context.Context, limit int) ([]models.ChunkRef, error)
	// LoadChunk reads the documents of a chunk, in ledger order per account.
	LoadChunk(ctx context.Context, ref models.ChunkRef) (models.ChunkDocuments, error)
	// MarkPublished marks all of a chunk as published. It may be repeated.
	MarkPublished(ctx context.Context, ref models.ChunkRef, at time.Time) error

	// OutboxEvents lists at most limit events, by Seq.
	OutboxEvents(ctx context.Context, limit int) ([]models.OutboxEvent, error)
	// DropOutboxEvents deletes published events. It may be repeated.
	DropOutboxEvents(ctx context.Context, seqs []int64) error
	// UnpublishedDeadLetters lists at most limit dead letters, by ID.
	UnpublishedDeadLetters(ctx context.Context, limit int) ([]models.DeadLetter, error)
	// MarkDeadLettersPublished marks dead letters as published. It may be repeated.
	MarkDeadLettersPublished(ctx context.Context, ids []int64, at time.Time) error

	// Backlog counts the documents, events and dead letters that are not published;
	// oldest is the time of the oldest of them, zero when there is none.
	Backlog(ctx context.Context) (documents, events, deadLetters int64, oldest time.Time, err error)
}
