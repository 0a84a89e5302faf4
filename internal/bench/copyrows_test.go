package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"iter"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"referral/internal/demo/clients"
	"referral/internal/storetest"
	"referral/models"
)

const (
	sessions     = 2
	invoiceCopy  = "COPY invoices (account_id, period, invoice_id, revision, currency, provenance) FROM STDIN BINARY"
	lineCopy     = "COPY invoice_lines (account_id, period, invoice_id, revision, line_no, line_id, service, from_day, to_day, amount_minor) FROM STDIN BINARY"
	copyPreamble = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// copyBatch is the rows of a batch, encoded.
type copyBatch struct {
	invoices, lines []byte
	count           int
}

// copyRows writes the very rows that the consumer would, neither decoding nor
// checking anything: made beforehand and held in memory, in the order in which they
// come from the broker, half of them by each session.
func copyRows(b *testing.B, n int) (time.Duration, spent) {
	b.Helper()
	_, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	batches := encodeBatches(n, inBatch(b))
	settleDown(b, db)
	meters := newMeters(b, db, nil)
	before := meters.read()
	began := time.Now()
	var work sync.WaitGroup
	for session := range sessions {
		work.Go(func() { copyBatches(b, dsn, batches[session]) })
	}
	work.Wait()
	took := time.Since(began)
	cpu := meters.read().minus(before)
	checkRows(b, db, n)
	return took, cpu
}

func copyBatches(b *testing.B, dsn string, batches []*copyBatch) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		b.Error(err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, batch := range batches {
		if err := pgx.BeginFunc(ctx, conn, batch.send); err != nil {
			b.Error(err)
			return
		}
	}
}

func (c *copyBatch) send(tx pgx.Tx) error {
	for _, part := range []struct {
		sql  string
		rows []byte
	}{{invoiceCopy, c.invoices}, {lineCopy, c.lines}} {
		if _, err := tx.Conn().PgConn().CopyFrom(context.Background(), bytes.NewReader(part.rows), part.sql); err != nil {
			return err
		}
	}
	return nil
}

// inFetch is about how many invoices the consumer gets from a partition before
// those of its next one: 4 MiB.
const inFetch = 5000

func encodeBatches(n, inBatch int) [sessions][]*copyBatch {
	var batches [sessions][]*copyBatch
	for session := range sessions {
		mine := &batches[session]
		for inv := range arrivals(n, session) {
			if len(*mine) == 0 || (*mine)[len(*mine)-1].count == inBatch {
				*mine = append(*mine, &copyBatch{invoices: []byte(copyPreamble), lines: []byte(copyPreamble)})
			}
			(*mine)[len(*mine)-1].add(inv)
		}
		for _, c := range *mine {
			c.end()
		}
	}
	return batches
}

// arrivals is the invoices of a session in the order in which they come from the
// broker: fetches of its partitions by turns.
func arrivals(n, session int) iter.Seq[*models.Invoice] {
	return func(yield func(*models.Invoice) bool) {
		dealt := deal(n)
		for len(dealt[session])+len(dealt[session+sessions]) > 0 {
			for partition := session; partition < partitions; partition += sessions {
				fetched := min(inFetch, len(dealt[partition]))
				for i := range fetched {
					if !yield(&dealt[partition][i]) {
						return
					}
				}
				dealt[partition] = dealt[partition][fetched:]
			}
		}
	}
}

func deal(n int) (dealt [partitions][]models.Invoice) {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	for inv := range clients.Bulk(seed, n, period) {
		p := kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: strconv.AppendInt(nil, inv.AccountID, 10)}, all...)
		dealt[p] = append(dealt[p], inv)
	}
	return dealt
}

func (c *copyBatch) add(inv *models.Invoice) {
	c.count++
	provenance := make([]byte, 12) // as many bytes as the program's
	c.invoices = row(c.invoices, inv.AccountID, int32(inv.Period), inv.ID, int32(inv.Revision), inv.Currency, provenance)
	for i, l := range inv.Lines {
		c.lines = row(c.lines, inv.AccountID, int32(inv.Period), inv.ID, int32(inv.Revision), int32(i), l.ID, l.Service, l.From, l.To, int64(l.Amount))
	}
}

func (c *copyBatch) end() {
	for _, rows := range []*[]byte{&c.invoices, &c.lines} {
		*rows = append(*rows, 0xff, 0xff)
	}
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
