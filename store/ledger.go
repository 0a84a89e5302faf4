package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// UnpublishedChunks is the posted chunks that the broker has not got whole, and
// the documents to be published again, in the order in which they were posted: an
// account's documents lie in it in ledger order, whichever runs posted them at once.
func (s *Store) UnpublishedChunks(ctx context.Context, limit int) ([]models.ChunkRef, error) {
	var refs []models.ChunkRef
	err := s.gorm.WithContext(ctx).Raw(`SELECT run_id, chunk, resend FROM (
			SELECT posting, run_id, chunk_no AS chunk, 0 AS resend FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL
			UNION ALL SELECT posting, 0, 0, resend_id FROM document_resends WHERE published_at IS NULL) u
		ORDER BY posting, run_id, chunk, resend LIMIT ?`, limit).Scan(&refs).Error
	if err != nil {
		return nil, fmt.Errorf("looking for documents to publish: %w", err)
	}
	return refs, nil
}

// LoadChunk reads what a chunk posted, in order per account.
func (s *Store) LoadChunk(ctx context.Context, ref models.ChunkRef) (models.ChunkDocuments, error) {
	var doc models.ChunkDocuments
	err := s.snapshot(ctx, true, func(tx *tx) error {
		doc = models.ChunkDocuments{Ref: ref}
		if ref.Resend != 0 {
			return tx.loadResend(ctx, &doc)
		}
		return tx.loadChunk(ctx, &doc)
	})
	if err != nil {
		return doc, fmt.Errorf("loading %s: %w", ref, err)
	}
	return doc, nil
}

func (t *tx) loadChunk(ctx context.Context, doc *models.ChunkDocuments) error {
	var batch pgx.Batch
	queue(&batch, "settings", func([][]byte) {}, planByIndexes)
	queue(&batch, "the size of the chunk", func(v [][]byte) {
		doc.From, doc.To = getInt8(v[0]), getInt8(v[1])
		doc.Posted = models.ChunkSize{Documents: getInt8(v[2]), Packages: getInt8(v[3])}
		doc.Adjustments = make([]models.Adjustment, 0, doc.Posted.Documents)
	}, "SELECT from_account, to_account, documents, packages FROM run_chunks WHERE run_id = $1 AND chunk_no = $2", doc.Ref.RunID, doc.Ref.Chunk)
	const ofChunk = "run_id = $1 AND chunk_no = $2"
	queueDocuments(&batch, doc, ofChunk, doc.Ref.RunID, doc.Ref.Chunk)
	queuePackages(&batch, doc, ofChunk, doc.Ref.RunID, doc.Ref.Chunk)
	if err := t.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("reading documents: %w", err)
	}
	// Most often they lie as they were written, which is in order; having the
	// database make sure of it takes a quarter of the query.
	if !slices.IsSortedFunc(doc.Adjustments, ledgerOrder) {
		slices.SortFunc(doc.Adjustments, ledgerOrder)
	}
	return nil
}

// queueDocuments reads documents as they were posted, in any order.
func queueDocuments(batch *pgx.Batch, doc *models.ChunkDocuments, which string, args ...any) {
	texts := newUnpacker()
	queue(batch, "documents", func(v [][]byte) {
		doc.PostedAt = getTime(v[documentWidth])
		doc.Adjustments = append(doc.Adjustments, readDocument(v, texts))
	}, "SELECT "+documentColumns+", posted_at FROM adjustments a WHERE "+which, args...)
}

// queuePackages reads packages as they were posted, in order.
func queuePackages(batch *pgx.Batch, doc *models.ChunkDocuments, which string, args ...any) {
	queue(batch, "packages", func(v [][]byte) {
		doc.PostedAt = getTime(v[9])
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
		AccountID: getInt8(v[0]), InvoiceID: string(v[1]), Sequence: getInt4(v[2]), ID: getUUID(v[3]), InvoiceRevision: getInt4(v[4]),
		Period: models.Period(getInt4(v[5])), PostingPeriod: models.Period(getInt4(v[6])), Currency: texts.words.of(v[7]),
		Amount: models.Money(getInt8(v[8])), Reason: models.AdjustmentReason(texts.words.of(v[9])),
	}
	a.Items, a.Damage = texts.itemsOf(v[10])
	return a
}

const packageColumns = "account_id, sms, ordinal, package_id, granted_on, period, posting_period, invoice_id, step"

func readPackage(v [][]byte) models.SMSPackage {
	return models.SMSPackage{
		AccountID: getInt8(v[0]), SMS: getInt4(v[1]), Ordinal: getInt4(v[2]), ID: getUUID(v[3]), GrantedOn: getDate(v[4]),
		Period: models.Period(getInt4(v[5])), PostingPeriod: models.Period(getInt4(v[6])), InvoiceID: string(v[7]), Step: getInt2(v[8]),
	}
}

// MarkPublished notes that the broker has a chunk whole.
func (s *Store) MarkPublished(ctx context.Context, ref models.ChunkRef, at time.Time) error {
	if ref.Resend != 0 {
		return s.markResent(ctx, ref.Resend, at)
	}
	err := s.gorm.WithContext(ctx).Model(&chunkRecord{}).Where("run_id = ? AND chunk_no = ?", ref.RunID, ref.Chunk).
		Update("published_at", at).Error
	if err != nil {
		return fmt.Errorf("marking %s as published: %w", ref, err)
	}
	return nil
}

// OutboxEvents is the oldest events on their way out, in order per account.
func (s *Store) OutboxEvents(ctx context.Context, limit int) ([]models.OutboxEvent, error) {
	var records []outboxRecord
	if err := s.gorm.WithContext(ctx).Order("seq").Limit(limit).Find(&records).Error; err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	list := make([]models.OutboxEvent, len(records))
	for i, r := range records {
		list[i] = models.OutboxEvent{Seq: r.Seq, ID: models.UUID(r.EventID), Type: r.Type, AccountID: r.AccountID, At: r.At.UTC()}
		// As text: a float would round large account ids.
		numbers := json.NewDecoder(strings.NewReader(r.Data))
		numbers.UseNumber()
		if err := numbers.Decode(&list[i].Data); err != nil {
			return nil, fmt.Errorf("reading outbox entry %d: %w", r.Seq, err)
		}
	}
	return list, nil
}

// DropOutboxEvents forgets events that the broker has.
func (s *Store) DropOutboxEvents(ctx context.Context, seqs []int64) error {
	if err := s.gorm.WithContext(ctx).Where("seq IN ?", seqs).Delete(&outboxRecord{}).Error; err != nil {
		return fmt.Errorf("clearing the outbox: %w", err)
	}
	return nil
}

// Backlog is what waits to be published, and since when.
func (s *Store) Backlog(ctx context.Context) (documents, announcements, setAsides int64, oldest time.Time, err error) {
	var since sql.NullTime
	err = s.sql.QueryRowContext(ctx, `SELECT
		(SELECT coalesce(sum(documents + packages), 0)::bigint FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL)
			+ (SELECT count(*) FROM document_resends WHERE published_at IS NULL),
		(SELECT count(*) FROM outbox),
		(SELECT count(*) FROM dead_letters WHERE published_at IS NULL),
		LEAST((SELECT min(posted_at) FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL),
			(SELECT min(requested_at) FROM document_resends WHERE published_at IS NULL),
			(SELECT min(set_aside_at) FROM dead_letters WHERE published_at IS NULL))`).
		Scan(&documents, &announcements, &setAsides, &since)
	if err != nil {
		return 0, 0, 0, time.Time{}, fmt.Errorf("measuring the publisher's backlog: %w", err)
	}
	return documents, announcements, setAsides, since.Time, nil
}
