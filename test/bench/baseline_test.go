package bench

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"encoding/binary"
	"iter"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

//go:embed baseline.sql
var baselineSchema string

// createBaseline makes the normalised tables, empty, beside the product's own.
func createBaseline(b *testing.B, db *sql.DB) {
	b.Helper()
	if _, err := db.Exec(baselineSchema); err != nil {
		b.Fatal(err)
	}
}

const (
	sessions     = 2
	invoiceCopy  = "COPY baseline.invoices (account_id, period, invoice_id, revision, currency, provenance) FROM STDIN BINARY"
	lineCopy     = "COPY baseline.invoice_lines (account_id, period, invoice_id, revision, line_no, line_id, service, from_day, to_day, amount_minor) FROM STDIN BINARY"
	copyPreamble = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// copyBatch is the rows of a transaction, encoded, by the statement that takes them.
type copyBatch struct {
	statements []string
	rows       [][]byte
	count      int // invoices
}

func newBaselineBatch() *copyBatch {
	return &copyBatch{statements: []string{invoiceCopy, lineCopy}, rows: [][]byte{[]byte(copyPreamble), []byte(copyPreamble)}}
}

// encodeBatches makes the baseline's rows of invoices, in transactions of so many.
func encodeBatches(invoices iter.Seq[*models.Invoice], inBatch int) (batches []*copyBatch) {
	for inv := range invoices {
		if len(batches) == 0 || batches[len(batches)-1].count == inBatch {
			batches = append(batches, newBaselineBatch())
		}
		batches[len(batches)-1].add(inv)
	}
	for _, c := range batches {
		c.end()
	}
	return batches
}

func (c *copyBatch) add(inv *models.Invoice) {
	c.count++
	provenance := make([]byte, 12) // as many bytes as the program's
	c.rows[0] = row(c.rows[0], inv.AccountID, int32(inv.Period), inv.ID, int32(inv.Revision), inv.Currency, provenance)
	for i, l := range inv.Lines {
		c.rows[1] = row(c.rows[1], inv.AccountID, int32(inv.Period), inv.ID, int32(inv.Revision), int32(i), l.ID, l.Service, l.From, l.To, int64(l.Amount))
	}
}

func (c *copyBatch) end() {
	for i := range c.rows {
		c.rows[i] = append(c.rows[i], 0xff, 0xff)
	}
}

// fillBaseline writes the invoices that [bills] makes.
func fillBaseline(b *testing.B, dsn string, n int, services []string) {
	b.Helper()
	batches := encodeBatches(bills(n, period, services...), inBatch(b))
	copyAll(b, dsn, [sessions][]*copyBatch{batches[:len(batches)/2], batches[len(batches)/2:]})
}

// copyAll sends the batches, those of each session over a connection of its own.
func copyAll(b *testing.B, dsn string, batches [sessions][]*copyBatch) {
	b.Helper()
	var work sync.WaitGroup
	for session := range sessions {
		work.Go(func() {
			ctx := context.Background()
			conn, err := pgx.Connect(ctx, dsn)
			if err != nil {
				b.Error(err)
				return
			}
			defer func() { _ = conn.Close(ctx) }()
			for _, batch := range batches[session] {
				if err := pgx.BeginFunc(ctx, conn, batch.send); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
}

func (c *copyBatch) send(tx pgx.Tx) error {
	for i, statement := range c.statements {
		if _, err := tx.Conn().PgConn().CopyFrom(context.Background(), bytes.NewReader(c.rows[i]), statement); err != nil {
			return err
		}
	}
	return nil
}

// row appends a row of a binary COPY.
func row(out []byte, values ...any) []byte {
	out = binary.BigEndian.AppendUint16(out, uint16(len(values)))
	for _, v := range values {
		switch v := v.(type) {
		case int64:
			out = binary.BigEndian.AppendUint64(append(out, 0, 0, 0, 8), uint64(v))
		case int32:
			out = binary.BigEndian.AppendUint32(append(out, 0, 0, 0, 4), uint32(v))
		case models.Date:
			const pgEpochDay = 10957
			out = binary.BigEndian.AppendUint32(append(out, 0, 0, 0, 4), uint32(int32(v-pgEpochDay)))
		case []byte:
			out = append(binary.BigEndian.AppendUint32(out, uint32(len(v))), v...)
		case string:
			out = append(binary.BigEndian.AppendUint32(out, uint32(len(v))), v...)
		}
	}
	return out
}
