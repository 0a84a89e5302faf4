package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// LoadChunk reads what a chunk posted.
func (s *Store) LoadChunk(ctx context.Context, ref models.ChunkRef) (models.ChunkDocuments, error) {
	doc := models.ChunkDocuments{Ref: ref}
	err := s.snapshot(ctx, true, func(tx *tx) error {
		doc = models.ChunkDocuments{Ref: ref}
		if ref.Resend != 0 {
			return tx.loadResend(ctx, &doc)
		}
		if err := tx.chunkAdjustments(ctx, &doc); err != nil {
			return err
		}
		return tx.chunkPackages(ctx, &doc)
	})
	if err != nil {
		return doc, fmt.Errorf("loading %s: %w", ref, err)
	}
	return doc, nil
}

// itemsOf is about how many items so many documents of a chunk have.
func itemsOf(posted models.ChunkSize, documents int) int {
	return (int(posted.Items)*documents + int(posted.Documents) - 1) / max(1, int(posted.Documents))
}

func (t *tx) chunkAdjustments(ctx context.Context, doc *models.ChunkDocuments) error {
	known := words{}
	var batch pgx.Batch
	queue(&batch, "settings", func([][]byte) {}, planByIndexes)
	queue(&batch, "the size of the chunk", func(v [][]byte) {
		doc.From, doc.To = getInt8(v[0]), getInt8(v[1])
		doc.Posted = models.ChunkSize{Documents: getInt8(v[2]), Items: getInt8(v[3]), Packages: getInt8(v[4])}
		doc.Adjustments = make([]models.Adjustment, 0, doc.Posted.Documents)
	}, "SELECT from_account, to_account, documents, items, packages FROM run_chunks WHERE run_id = $1 AND chunk_no = $2", doc.Ref.RunID, doc.Ref.Chunk)
	queue(&batch, "documents", func(v [][]byte) {
		doc.PostedAt = getTime(v[10])
		doc.Adjustments = append(doc.Adjustments, readDocument(v, known))
	}, "SELECT "+documentColumns+", posted_at FROM adjustments WHERE run_id = $1 AND chunk_no = $2", doc.Ref.RunID, doc.Ref.Chunk)
	if err := t.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("reading documents: %w", err)
	}
	// Most often they lie as they were written, which is in order; having the
	// database make sure of it takes a quarter of the query.
	if !slices.IsSortedFunc(doc.Adjustments, ledgerOrder) {
		slices.SortFunc(doc.Adjustments, ledgerOrder)
	}
	return t.chunkItems(ctx, doc.Adjustments, doc.Posted)
}

func ledgerOrder(a, b models.Adjustment) int {
	if a.AccountID != b.AccountID {
		return cmp.Compare(a.AccountID, b.AccountID)
	}
	return cmp.Or(cmp.Compare(a.InvoiceID, b.InvoiceID), cmp.Compare(a.Sequence, b.Sequence))
}

// itemsInRange reads all that lies between two accounts, itemsOneByOne each
// document's own. The first is twice as fast while most of what it reads is
// wanted: it need not look for anything. Once accounts have items of many months,
// or documents are scattered, it would read ever more in vain.
const (
	itemColumns  = "i.account_id, i.invoice_id, i.sequence, i.line_id, i.service, i.amount_minor, i.segments"
	itemsInRange = "SELECT " + itemColumns + ` FROM adjustment_items i
		WHERE i.account_id BETWEEN $1 AND $2 ORDER BY i.account_id, i.invoice_id, i.sequence, i.line_id`
	itemsOneByOne = "SELECT " + itemColumns + ` FROM unnest($1::bigint[], $2::text[], $3::integer[])
		WITH ORDINALITY AS d (account_id, invoice_id, sequence, n)
		JOIN adjustment_items i ON i.account_id = d.account_id AND i.invoice_id = d.invoice_id AND i.sequence = d.sequence
		ORDER BY d.n, i.line_id`
)

func (t *tx) chunkItems(ctx context.Context, docs []models.Adjustment, size models.ChunkSize) error {
	if len(docs) == 0 {
		return nil
	}
	dense, err := t.lieDensely(ctx, docs, size)
	if err != nil {
		return err
	}
	if dense {
		return t.attachManyItems(ctx, docs, int(size.Items), itemsInRange, docs[0].AccountID, docs[len(docs)-1].AccountID)
	}
	accounts, invoices, sequences := make([]int64, len(docs)), make([]string, len(docs)), make([]int32, len(docs))
	for i := range docs {
		accounts[i], invoices[i], sequences[i] = docs[i].AccountID, docs[i].InvoiceID, int32(docs[i].Sequence)
	}
	return t.attachManyItems(ctx, docs, int(size.Items), itemsOneByOne, accounts, invoices, sequences)
}

// lieDensely tells from the first few of many documents whether their items are
// most of those that lie between their accounts.
func (t *tx) lieDensely(ctx context.Context, docs []models.Adjustment, size models.ChunkSize) (dense bool, err error) {
	const sample, many = 20, 100
	if len(docs) < many {
		return false, nil
	}
	tooMany := 2*itemsOf(size, sample) + 1
	err = each(ctx, t.pgx, "a sample of the items", func(v [][]byte) { dense = int(getInt8(v[0])) < tooMany },
		"SELECT count(*) FROM (SELECT FROM adjustment_items WHERE account_id BETWEEN $1 AND $2 LIMIT $3) AS sample",
		docs[0].AccountID, docs[sample-1].AccountID, tooMany)
	return dense, err
}
