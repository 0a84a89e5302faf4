package bench

import (
	"bytes"
	"context"
	"encoding/binary"
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
	rowsInBatch  = 2000 // invoices in a transaction, as the consumer has it
	invoiceCopy  = "COPY invoices (account_id, period, invoice_id, revision, currency, digest, taken_at) FROM STDIN BINARY"
	lineCopy     = "COPY invoice_lines (account_id, period, invoice_id, revision, line_no, line_id, service, from_day, to_day, amount_minor) FROM STDIN BINARY"
	inboxCopy    = "COPY inbox (event_key, account_id, digest, taken_at) FROM STDIN BINARY"
	copyPreamble = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// copyBatch is the rows of a batch, encoded.
type copyBatch struct {
	inbox, invoices, lines []byte
	count                  int
}

// copyRows writes the very rows that the consumer would, neither decoding nor
// checking anything: made beforehand and held in memory, in the order of the
// topic's partitions, half of them by each session.
func copyRows(b *testing.B, n int) time.Duration {
	b.Helper()
	_, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	batches := encodeBatches(n)
	settleDown(b, db)
	dbg := cpuMeter("copy")
	began := time.Now()
	var work sync.WaitGroup
	for session := range sessions {
		work.Go(func() { copyBatches(b, dsn, batches[session]) })
	}
	work.Wait()
	took := time.Since(began)
	dbg()
	checkRows(b, db, n)
	return took
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
	}{{invoiceCopy, c.invoices}, {lineCopy, c.lines}, {inboxCopy, c.inbox}} {
		if _, err := tx.Conn().PgConn().CopyFrom(context.Background(), bytes.NewReader(part.rows), part.sql); err != nil {
			return err
		}
	}
	return nil
}

func encodeBatches(n int) [sessions][]*copyBatch {
	var batches [sessions][]*copyBatch
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	now := time.Now()
	for inv := range clients.Bulk(seed, n, period) {
		key := kafka.Message{Key: strconv.AppendInt(nil, inv.AccountID, 10)}
		mine := &batches[kafka.Murmur2Balancer{}.Balance(key, all...)%sessions]
		if len(*mine) == 0 || (*mine)[len(*mine)-1].count == rowsInBatch {
			*mine = append(*mine, &copyBatch{inbox: []byte(copyPreamble), invoices: []byte(copyPreamble), lines: []byte(copyPreamble)})
		}
		(*mine)[len(*mine)-1].add(&inv, now)
	}
	for _, mine := range batches {
		for _, c := range mine {
			c.end()
		}
	}
	return batches
}

func (c *copyBatch) add(inv *models.Invoice, now time.Time) {
	c.count++
	// Any bytes that are as random as the hashes of the program will do.
	key, digest := models.NewEventKey("bulk", inv.ID), models.NewEventKey("digest", inv.ID)
	const pgEpoch = 946684800
	taken := now.UnixMicro() - pgEpoch*1_000_000
	c.inbox = row(c.inbox, key[:], inv.AccountID, digest[:], taken)
	c.invoices = row(c.invoices, inv.AccountID, int32(inv.Period), inv.ID, int32(inv.Revision), inv.Currency, digest[:], taken)
	for i, l := range inv.Lines {
		c.lines = row(c.lines, inv.AccountID, int32(inv.Period), inv.ID, int32(inv.Revision), int32(i), l.ID, l.Service, l.From, l.To, int64(l.Amount))
	}
}

func (c *copyBatch) end() {
	for _, rows := range []*[]byte{&c.inbox, &c.invoices, &c.lines} {
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
