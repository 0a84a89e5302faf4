package store

import (
	"encoding/binary"
	"slices"
	"sync"

	"referral/models"
	"referral/store/pgcopy"
)

// ledgerRows is what a chunk writes: the rows of four tables, ready to be sent, and
// the accounts whose held lines they replace.
type ledgerRows struct {
	documents, packages, held, moved pgcopy.Rows
	accounts                         []int64 // in order
}

func (b *ledgerRows) tables() []*pgcopy.Rows {
	return []*pgcopy.Rows{&b.documents, &b.packages, &b.held, &b.moved}
}

func (b *ledgerRows) size() models.ChunkSize {
	return models.ChunkSize{Documents: int64(b.documents.Count()), Packages: int64(b.packages.Count())}
}

func (b *ledgerRows) appendTo(out []byte) []byte {
	size := binary.MaxVarintLen64 * len(b.accounts)
	for _, t := range b.tables() {
		size += t.EncodedSize()
	}
	out = slices.Grow(out, size)
	for _, t := range b.tables() {
		out = t.AppendTo(out)
	}
	for _, id := range b.accounts {
		out = binary.AppendVarint(out, id)
	}
	return out
}

// reset forgets the rows, and keeps their memory for others.
func (b *ledgerRows) reset() {
	for _, t := range b.tables() {
		t.Reset()
	}
	b.accounts = b.accounts[:0]
}

// chunkBuffers is the memory of a chunk's rows, for the next chunk to use again: growing
// to a megabyte step by step for every chunk took two fifths of the program's time.
type chunkBuffers struct {
	ledgerRows ledgerRows
	data       []byte // of ledger rows in the rehearsal cache
}

var chunkBufferPool = sync.Pool{New: func() any { return &chunkBuffers{} }}

func decodeLedgerRows(in []byte) (_ *ledgerRows, err error) {
	b := &ledgerRows{}
	for _, t := range b.tables() {
		if *t, in, err = pgcopy.Decode(in); err != nil {
			return nil, err
		}
	}
	for len(in) > 0 {
		id, n := binary.Varint(in)
		if n <= 0 {
			return nil, pgcopy.ErrDamaged
		}
		b.accounts, in = append(b.accounts, id), in[n:]
	}
	return b, nil
}

// ledgerRows makes the rows of a chunk's results. They are good until the next ones
// are made.
func (w *chunkWork) ledgerRows(c *settlementInput, results []models.SettlementResult) *ledgerRows {
	b := &w.buffers.ledgerRows
	b.reset()
	b.accounts = append(b.accounts, c.ids()...)
	b.moved.CopyFrom(&c.moved)
	for i := range results {
		o := &results[i]
		if o.Err != nil {
			continue
		}
		for j := range o.Adjustments {
			documentRow(b.documents.Row(14), w.ref(), &o.Adjustments[j], c.storedUnder(&o.Adjustments[j]))
		}
		for j := range o.Packages {
			packageRow(b.packages.Row(11), w.ref(), &o.Packages[j])
		}
		b.hold(o.Held, 0)
		b.hold(o.Decided, 1)
	}
	return b
}

// hold adds lines that the terms do not name; decided is 1 when staff has decided about them.
func (b *ledgerRows) hold(lines []models.HeldLine, decided int) {
	for _, h := range lines {
		b.held.Row(7).Int8(h.AccountID).Int4(int(h.Period)).Text(h.InvoiceID).Text(h.LineID).Text(h.Service).Int8(int64(h.Amount)).Int4(decided)
	}
}

// The columns of the ledger that the program gives values, in the order of documentRow and
// packageRow.
const (
	writtenDocumentColumns = "account_id, amount_minor, run_id, adjustment_id, storage_period, period, posting_period, " +
		"sequence, invoice_revision, chunk_no, invoice_id, currency, reason, items"
	writtenPackageColumns = "account_id, sms, ordinal, package_id, granted_on, period, posting_period, invoice_id, step, run_id, chunk_no"
)

func documentRow(row *pgcopy.Rows, of models.ChunkRef, a *models.Adjustment, stored models.Period) *pgcopy.Rows {
	return row.Int8(a.AccountID).Int8(int64(a.Amount)).Int8(of.RunID).UUID(a.ID).Int4(int(stored)).Int4(int(a.Period)).Int4(int(a.PostingPeriod)).
		Int4(a.Sequence).Int4(a.InvoiceRevision).Int4(of.Chunk).Text(a.InvoiceID).Text(a.Currency).Text(string(a.Reason)).
		Value(func(buf []byte) []byte { return appendItems(buf, a.Items) })
}

func packageRow(row *pgcopy.Rows, of models.ChunkRef, g *models.SMSPackage) *pgcopy.Rows {
	return row.Int8(g.AccountID).Int4(g.SMS).Int4(g.Ordinal).UUID(g.ID).Date(g.GrantedOn).
		Int4(int(g.Period)).Int4(int(g.PostingPeriod)).Text(g.InvoiceID).Int2(g.Step).
		Int8(of.RunID).Int4(of.Chunk)
}
