package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

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

// documentColumns and readDocument belong together.
const documentColumns = "account_id, invoice_id, sequence, adjustment_id, invoice_revision, period, posting_period, currency, amount_minor, reason"

// readDocument reads one more of documents, which repeat a few words.
func readDocument(v [][]byte, w words) models.Adjustment {
	return models.Adjustment{
		AccountID: getInt8(v[0]), InvoiceID: string(v[1]), Sequence: getInt4(v[2]), ID: getUUID(v[3]), InvoiceRevision: getInt4(v[4]),
		Period: models.Period(getInt4(v[5])), PostingPeriod: models.Period(getInt4(v[6])), Currency: w.of(v[7]),
		Amount: models.Money(getInt8(v[8])), Reason: models.AdjustmentReason(w.of(v[9])),
	}
}

// attachItems reads items, in ledger order, each to its document; those of other
// documents are passed over. Items whose days are alike share their segments.
func (t *tx) attachItems(ctx context.Context, docs []models.Adjustment, query string, args ...any) error {
	return t.attachManyItems(ctx, docs, 0, query, args...)
}

// attachManyItems is attachItems with room for about so many.
func (t *tx) attachManyItems(ctx context.Context, docs []models.Adjustment, many int, query string, args ...any) error {
	r := itemReader{docs: docs, segments: map[string]days{}, words: words{}, items: make([]models.AdjustmentItem, 0, many)}
	return each(ctx, t.pgx, "items", r.read, query, args...)
}

// itemReader walks documents and items in step. Days that somebody has made
// unreadable damage their document, and no other.
type itemReader struct {
	docs     []models.Adjustment     // those not passed yet
	items    []models.AdjustmentItem // of all documents, which share the room
	segments map[string]days
	words    words
}

// days is what a text of segments says.
type days struct {
	segments []models.Segment
	damage   error
}

func (r *itemReader) read(v [][]byte) {
	order := -1
	for len(r.docs) > 0 {
		if order = inLedger(&r.docs[0], v); order >= 0 {
			break
		}
		r.docs = r.docs[1:]
	}
	if order != 0 {
		return
	}
	doc, on := &r.docs[0], r.daysOf(v[6])
	if on.damage != nil {
		doc.Damage = on.damage
	}
	r.items = append(r.items, models.AdjustmentItem{
		LineID: r.words.of(v[3]), Service: r.words.of(v[4]), Amount: models.Money(getInt8(v[5])), Segments: on.segments,
	})
	first := len(r.items) - 1 - len(doc.Items)
	doc.Items = r.items[first:len(r.items):len(r.items)]
}

// inLedger compares a document's place with that of an item's document.
func inLedger(doc *models.Adjustment, item [][]byte) int {
	if c := cmp.Compare(doc.AccountID, getInt8(item[0])); c != 0 {
		return c
	}
	switch invoice := string(item[1]); {
	case doc.InvoiceID < invoice:
		return -1
	case doc.InvoiceID > invoice:
		return 1
	}
	return cmp.Compare(doc.Sequence, getInt4(item[2]))
}

func (r *itemReader) daysOf(text []byte) days {
	known, ok := r.segments[string(text)]
	if !ok {
		known.segments, known.damage = parseSegments(string(text))
		r.segments[string(text)] = known
	}
	return known
}

// words keeps one copy of each text of a reading.
type words map[string]string

func (w words) of(b []byte) string {
	if known, ok := w[string(b)]; ok {
		return known
	}
	text := string(b)
	w[text] = text
	return text
}

const packageColumns = "account_id, sms, ordinal, package_id, granted_on, period, posting_period, invoice_id, step"

func readPackage(v [][]byte) models.SMSPackage {
	return models.SMSPackage{
		AccountID: getInt8(v[0]), SMS: getInt4(v[1]), Ordinal: getInt4(v[2]), ID: getUUID(v[3]), GrantedOn: getDate(v[4]),
		Period: models.Period(getInt4(v[5])), PostingPeriod: models.Period(getInt4(v[6])), InvoiceID: string(v[7]), Step: getInt2(v[8]),
	}
}

func (t *tx) chunkPackages(ctx context.Context, doc *models.ChunkDocuments) error {
	return each(ctx, t.pgx, "packages", func(v [][]byte) {
		doc.PostedAt = getTime(v[9])
		doc.Packages = append(doc.Packages, readPackage(v))
	}, "SELECT "+packageColumns+", posted_at FROM sms_packages WHERE run_id = $1 AND chunk_no = $2 ORDER BY account_id, sms, ordinal",
		doc.Ref.RunID, doc.Ref.Chunk)
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

// Announcements is the oldest events on their way out, in order per account.
func (s *Store) Announcements(ctx context.Context, limit int) ([]models.Announcement, error) {
	var records []outboxRecord
	if err := s.gorm.WithContext(ctx).Order("seq").Limit(limit).Find(&records).Error; err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	list := make([]models.Announcement, len(records))
	for i, r := range records {
		list[i] = models.Announcement{Seq: r.Seq, ID: models.UUID(r.EventID), Type: r.Type, AccountID: r.AccountID, At: r.At.UTC()}
		// As text: a float would round large account ids.
		numbers := json.NewDecoder(strings.NewReader(r.Data))
		numbers.UseNumber()
		if err := numbers.Decode(&list[i].Data); err != nil {
			return nil, fmt.Errorf("reading outbox entry %d: %w", r.Seq, err)
		}
	}
	return list, nil
}

// DropAnnouncements forgets events that the broker has.
func (s *Store) DropAnnouncements(ctx context.Context, seqs []int64) error {
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
