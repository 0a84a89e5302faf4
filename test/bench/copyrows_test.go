package bench

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"referral/internal/demo/workload"
	"referral/models"
	"referral/test/storetest"
)

// copyRows writes the normalised rows of the invoices that the consumer takes,
// neither decoding nor checking anything: made beforehand and held in memory, in
// the order in which they come from the broker, half of them by each session.
func copyRows(b *testing.B, n int) measured {
	b.Helper()
	dsn := storetest.DSN(b)
	db := storetest.SQL(b, dsn)
	createBaseline(b, db)
	var batches [sessions][]*copyBatch
	for session := range batches {
		batches[session] = encodeBatches(arrivals(n, session), inBatch(b))
	}
	m := begin(b, db, nil)
	copyAll(b, dsn, batches)
	result := m.end()
	checkRows(b, db, "baseline.", n)
	retire(b, db)
	return result
}

// copyOwnRows writes the rows of the product's own tables, as the consumer has
// made them in the database from.
func copyOwnRows(b *testing.B, from string, n int) measured {
	b.Helper()
	_, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	batches := readBatches(b, from, tablesOf(b, db, "invoices", "invoice_lines", "invoice_ids"), n, inBatch(b))
	m := begin(b, db, nil)
	copyAll(b, dsn, batches)
	result := m.end()
	checkRows(b, db, "", n)
	retire(b, db)
	return result
}

// tablesOf leaves those names that are tables of the product.
func tablesOf(b *testing.B, db *sql.DB, names ...string) (tables []string) {
	b.Helper()
	query(b, db, func(scan func(...any)) {
		var name string
		scan(&name)
		tables = append(tables, name)
	}, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename = ANY($1) ORDER BY array_position($1, tablename::text)", names)
	return tables
}

// readBatches reads the rows of tables with n invoices in the order in which they
// were written, and deals them out to batches for the sessions.
func readBatches(b *testing.B, dsn string, tables []string, n, inBatch int) (batches [sessions][]*copyBatch) {
	b.Helper()
	all := make([]*copyBatch, (n+inBatch-1)/inBatch)
	for i := range all {
		all[i] = &copyBatch{}
		batches[i%sessions] = append(batches[i%sessions], all[i])
	}
	for t, table := range tables {
		for _, c := range all {
			c.statements = append(c.statements, "COPY "+table+" FROM STDIN BINARY")
			c.rows = append(c.rows, []byte(copyPreamble))
		}
		var rows [][]byte
		for row := range binaryRows(b, dsn, table) {
			rows = append(rows, row)
		}
		for i, row := range rows {
			c := all[i*len(all)/len(rows)]
			c.rows[t] = append(c.rows[t], row...)
		}
	}
	for _, c := range all {
		c.end()
	}
	return batches
}

// binaryRows is the rows of a table as COPY … TO STDOUT BINARY has them.
func binaryRows(b *testing.B, dsn, table string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conn.Close(ctx) }()
		r, w := io.Pipe()
		go func() {
			_, err := conn.PgConn().CopyTo(ctx, w, "COPY "+table+" TO STDOUT BINARY")
			_ = w.CloseWithError(err)
		}()
		in := bufio.NewReaderSize(r, 1<<20)
		if _, err := in.Discard(len(copyPreamble)); err != nil {
			b.Fatal(err)
		}
		for {
			row, err := binaryRow(in)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatalf("reading %s: %v", table, err)
			}
			if !yield(row) {
				break
			}
		}
		_, _ = io.Copy(io.Discard, in)
	}
}

// binaryRow reads a row whole; [io.EOF] after the last one.
func binaryRow(in *bufio.Reader) ([]byte, error) {
	var number [4]byte
	if _, err := io.ReadFull(in, number[:2]); err != nil {
		return nil, err
	}
	fields := int16(binary.BigEndian.Uint16(number[:2]))
	if fields < 0 {
		return nil, io.EOF
	}
	row := binary.BigEndian.AppendUint16(nil, uint16(fields))
	for range fields {
		if _, err := io.ReadFull(in, number[:]); err != nil {
			return nil, err
		}
		row = append(row, number[:]...)
		size := max(int(int32(binary.BigEndian.Uint32(number[:]))), 0) // -1 is a null
		at := len(row)
		row = append(row, make([]byte, size)...)
		if _, err := io.ReadFull(in, row[at:]); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// inFetch is about how many invoices the consumer gets from a partition before
// those of its next one: 4 MiB.
const inFetch = 5000

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
	for inv := range workload.Bulk(seed, n, period) {
		p := kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: strconv.AppendInt(nil, inv.AccountID, 10)}, all...)
		dealt[p] = append(dealt[p], inv)
	}
	return dealt
}
