package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// UnpublishedChunks is the posted chunks that the broker has not got whole, and
// the documents to be published again, in the order in which they were posted: an
// account's documents lie in it in ledger order, whichever runs posted them at once.
func (s *Store) UnpublishedChunks(ctx context.Context, limit int) ([]models.ChunkRef, error) {
	return list(ctx, s, "looking for documents to publish", pgx.RowToStructByPos[models.ChunkRef], `SELECT run_id, chunk, resend FROM (
			SELECT posting, run_id, chunk_no AS chunk, 0 AS resend FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL AND NOT shadow
			UNION ALL SELECT posting, 0, 0, resend_id FROM document_resends WHERE published_at IS NULL) u
		ORDER BY posting, run_id, chunk, resend LIMIT $1`, limit)
}

// LoadChunk reads what a chunk posted, in order per account.
func (s *Store) LoadChunk(ctx context.Context, ref models.ChunkRef) (models.ChunkDocuments, error) {
	var doc models.ChunkDocuments
	err := s.snapshot(ctx, fmt.Sprintf("loading %s", ref), func(tx *tx) error {
		doc = models.ChunkDocuments{Ref: ref}
		if ref.Resend != 0 {
			return tx.loadResend(ctx, &doc)
		}
		return tx.loadChunk(ctx, &doc)
	})
	return doc, err
}

func (t *tx) loadChunk(ctx context.Context, doc *models.ChunkDocuments) error {
	var batch pgcopy.Batch
	batch.Exec("choosing the plans", planByIndexes)
	batch.Each("the size of the chunk", func(v [][]byte) {
		doc.From, doc.To = pgcopy.Int8(v[0]), pgcopy.Int8(v[1])
		doc.Posted = models.ChunkSize{Documents: pgcopy.Int8(v[2]), Packages: pgcopy.Int8(v[3])}
		doc.Trace = string(v[4])
		doc.Adjustments = make([]models.Adjustment, 0, doc.Posted.Documents)
	}, "SELECT from_account, to_account, documents, packages, trace_context FROM run_chunks WHERE run_id = $1 AND chunk_no = $2", doc.Ref.RunID, doc.Ref.Chunk)
	const ofChunk = "run_id = $1 AND chunk_no = $2"
	queueDocuments(&batch, doc, ofChunk, doc.Ref.RunID, doc.Ref.Chunk)
	queuePackages(&batch, doc, ofChunk, doc.Ref.RunID, doc.Ref.Chunk)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return err
	}
	// Mostly the rows are stored in this order; sorting them in the database would take
	// a quarter of the query.
	if !slices.IsSortedFunc(doc.Adjustments, ledgerOrder) {
		slices.SortFunc(doc.Adjustments, ledgerOrder)
	}
	return nil
}

// queueDocuments reads documents as they were posted, in any order.
func queueDocuments(batch *pgcopy.Batch, doc *models.ChunkDocuments, which string, args ...any) {
	texts := newUnpacker()
	batch.Each("documents", func(v [][]byte) {
		doc.PostedAt = pgcopy.Time(v[documentWidth])
		doc.Adjustments = append(doc.Adjustments, readDocument(v, texts))
	}, "SELECT "+documentColumns+", posted_at FROM adjustments a WHERE "+which, args...)
}

// queuePackages reads packages as they were posted, in order.
func queuePackages(batch *pgcopy.Batch, doc *models.ChunkDocuments, which string, args ...any) {
	batch.Each("packages", func(v [][]byte) {
		doc.PostedAt = pgcopy.Time(v[9])
		doc.Packages = append(doc.Packages, readPackage(v))
	}, "SELECT "+packageColumns+", posted_at FROM sms_packages WHERE "+which+" ORDER BY account_id, sms, ordinal", args...)
}

func ledgerOrder(a, b models.Adjustment) int {
	return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), strings.Compare(a.InvoiceID, b.InvoiceID), cmp.Compare(a.Sequence, b.Sequence))
}

// documentColumns, of which there are documentWidth, and readDocument belong together.
const (
	documentColumns = "a.account_id, a.invoice_id, a.sequence, a.adjustment_id, a.invoice_revision, a.period, a.posting_period, a.currency, a.amount_minor, a.reason, a.items"
	documentWidth   = 11
)

// readDocument reads one of many documents. One that somebody has made unreadable is
// damaged, and no other.
func readDocument(v [][]byte, texts *unpacker) models.Adjustment {
	a := models.Adjustment{
		AccountID: pgcopy.Int8(v[0]), InvoiceID: string(v[1]), Sequence: pgcopy.Int4(v[2]), ID: pgcopy.UUID(v[3]), InvoiceRevision: pgcopy.Int4(v[4]),
		Period: pgcopy.Period(v[5]), PostingPeriod: pgcopy.Period(v[6]), Currency: texts.words.intern(v[7]),
		Amount: pgcopy.Money(v[8]), Reason: models.AdjustmentReason(texts.words.intern(v[9])),
	}
	a.Items, a.Damage = texts.itemsOf(v[10])
	return a
}

const packageColumns = "account_id, sms, ordinal, package_id, granted_on, period, posting_period, invoice_id, step"

func readPackage(v [][]byte) models.SMSPackage {
	return models.SMSPackage{
		AccountID: pgcopy.Int8(v[0]), SMS: pgcopy.Int4(v[1]), Ordinal: pgcopy.Int4(v[2]), ID: pgcopy.UUID(v[3]), GrantedOn: pgcopy.Date(v[4]),
		Period: pgcopy.Period(v[5]), PostingPeriod: pgcopy.Period(v[6]), InvoiceID: string(v[7]), Step: pgcopy.Int2(v[8]),
	}
}

// MarkPublished notes that the broker has a chunk whole.
func (s *Store) MarkPublished(ctx context.Context, ref models.ChunkRef, at time.Time) error {
	what := fmt.Sprintf("marking %s as published", ref)
	if ref.Resend != 0 {
		return s.exec(ctx, what, "UPDATE document_resends SET published_at = $1 WHERE resend_id = $2", at, ref.Resend)
	}
	return s.exec(ctx, what, "UPDATE run_chunks SET published_at = $1 WHERE run_id = $2 AND chunk_no = $3", at, ref.RunID, ref.Chunk)
}

// Backlog is what waits to be published, and since when.
func (s *Store) Backlog(ctx context.Context) (documents, announcements, deadLetters int64, oldest time.Time, err error) {
	var since *time.Time
	_, err = s.scan(ctx, "measuring the publisher's backlog", []any{&documents, &announcements, &deadLetters, &since}, `SELECT
		(SELECT coalesce(sum(documents + packages), 0)::bigint FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL AND NOT shadow)
			+ (SELECT count(*) FROM document_resends WHERE published_at IS NULL),
		(SELECT count(*) FROM outbox),
		(SELECT count(*) FROM dead_letters WHERE published_at IS NULL),
		LEAST((SELECT min(posted_at) FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL AND NOT shadow),
			(SELECT min(requested_at) FROM document_resends WHERE published_at IS NULL),
			(SELECT min(set_aside_at) FROM dead_letters WHERE published_at IS NULL))`)
	return documents, announcements, deadLetters, zeroTime(since), err
}
