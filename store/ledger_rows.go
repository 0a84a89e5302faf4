package store

import (
	"encoding/binary"
	"slices"
	"sync"

	"referral/models"
)

// ledgerRows is what a chunk writes: the rows of four tables, ready to be sent, and
// the accounts whose held lines they replace.
type ledgerRows struct {
	documents, packages, held, moved rows
	accounts                         []int64 // in order
}

func (b *ledgerRows) tables() []*rows { return []*rows{&b.documents, &b.packages, &b.held, &b.moved} }

func (b *ledgerRows) size() models.ChunkSize {
	return models.ChunkSize{Documents: int64(b.documents.count), Packages: int64(b.packages.count)}
}

func (b *ledgerRows) appendTo(out []byte) []byte {
	size := binary.MaxVarintLen64 * (2*len(b.tables()) + len(b.accounts))
	for _, t := range b.tables() {
		size += len(t.buf) + len(copyTrailer)
	}
	out = slices.Grow(out, size)
	for _, t := range b.tables() {
		out = binary.AppendVarint(out, int64(t.count))
		out = binary.AppendVarint(out, int64(len(t.buf)))
		out = append(append(out, t.buf...), copyTrailer...)
	}
	for _, id := range b.accounts {
		out = binary.AppendVarint(out, id)
	}
	return out
}

// empty forgets the rows, and keeps their room for others.
func (b *ledgerRows) empty() {
	for _, t := range b.tables() {
		t.buf, t.count = t.buf[:0], 0
	}
	b.accounts = b.accounts[:0]
}

// workroom is the memory that a chunk's rows are made in, for the next chunk to
// use again: growing to a megabyte step by step, for every chunk again, took two
// fifths of the program's time.
type workroom struct {
	ledgerRows ledgerRows
	data       []byte // of ledger rows in the rehearsal cache
}

var workrooms = sync.Pool{New: func() any { return &workroom{} }}

func decodeLedgerRows(in []byte) (*ledgerRows, error) {
	b := &ledgerRows{}
	next := func() int64 {
		v, n := binary.Varint(in)
		in = in[max(n, 0):]
		return v
	}
	for _, t := range b.tables() {
		t.count = int(next())
		size := int(next())
		if size < 0 || size > len(in)-len(copyTrailer) {
			return nil, errRehearsalCache
		}
		whole := size + len(copyTrailer)
		t.buf, in = in[:size:whole], in[whole:] // the end is there already for [rows.send] to write again
	}
	for len(in) > 0 {
		before := len(in)
		b.accounts = append(b.accounts, next())
		if len(in) == before {
			return nil, errRehearsalCache
		}
	}
	return b, nil
}

// ledgerRows makes the rows of a chunk's outcomes. They are good until the next ones
// are made.
func (w *chunkWork) ledgerRows(c *settlementInput, outcomes []models.SettlementResult) *ledgerRows {
	b := &w.room.ledgerRows
	b.empty()
	b.accounts = append(b.accounts, c.ids()...)
	b.moved.buf, b.moved.count = append(b.moved.buf, c.moved.buf...), c.moved.count
	for i := range outcomes {
		o := &outcomes[i]
		if o.Err != nil {
			continue
		}
		for j := range o.Adjustments {
			w.document(&b.documents, &o.Adjustments[j], c.storedUnder(&o.Adjustments[j]))
		}
		for j := range o.Packages {
			w.smsPackage(&b.packages, &o.Packages[j])
		}
		for _, h := range o.Held {
			b.held.row(6).int8(h.AccountID).int4(int(h.Period)).text(h.InvoiceID).text(h.LineID).text(h.Service).int8(int64(h.Amount))
		}
	}
	return b
}

func (w *chunkWork) document(out *rows, a *models.Adjustment, stored models.Period) {
	out.row(14).int8(a.AccountID).int8(int64(a.Amount)).int8(w.run.ID).uuid(a.ID).int4(int(stored)).int4(int(a.Period)).int4(int(a.PostingPeriod)).
		int4(a.Sequence).int4(a.InvoiceRevision).int4(w.chunk.ChunkNo).text(a.InvoiceID).text(a.Currency).text(string(a.Reason)).
		sized(func(buf []byte) []byte { return appendItems(buf, a.Items) })
}

func (w *chunkWork) smsPackage(out *rows, g *models.SMSPackage) {
	out.row(11).int8(g.AccountID).int4(g.SMS).int4(g.Ordinal).uuid(g.ID).date(g.GrantedOn).
		int4(int(g.Period)).int4(int(g.PostingPeriod)).text(g.InvoiceID).int2(g.Step).
		int8(w.run.ID).int4(w.chunk.ChunkNo)
}
