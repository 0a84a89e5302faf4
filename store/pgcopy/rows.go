// Package pgcopy moves many rows between Go and PostgreSQL in its binary format: rows
// are written by COPY, read without decoding their values into interfaces, and
// statements that belong together are sent in one round trip.
package pgcopy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// Rows builds the rows of a binary COPY in memory. Raw COPY is a tenth to a third
// faster than pgx.CopyFrom, and three times faster than batched INSERTs.
type Rows struct {
	buf   []byte
	count int
}

// header is the signature, the flags and the (empty) header extension.
var header = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)

// trailer ends the rows.
var trailer = []byte{0xff, 0xff}

// Count is the number of rows.
func (r *Rows) Count() int { return r.count }

// Row begins a row of n columns; exactly n values must follow.
func (r *Rows) Row(n int) *Rows {
	if len(r.buf) == 0 {
		r.buf = append(r.buf, header...)
	}
	r.count++
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(n))
	return r
}

// CopyFrom makes the rows those of another one.
func (r *Rows) CopyFrom(other *Rows) {
	r.buf, r.count = append(r.buf[:0], other.buf...), other.count
}

// Grow makes room for so many bytes at once: growing to the megabyte of a batch step
// by step copies it several times over.
func (r *Rows) Grow(bytes int) { r.buf = slices.Grow(r.buf, bytes) }

// Reset forgets the rows and keeps their memory.
func (r *Rows) Reset() { r.buf, r.count = r.buf[:0], 0 }

// Cap is the memory of the rows in bytes.
func (r *Rows) Cap() int { return cap(r.buf) }

func (r *Rows) size(n int) { r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(n)) }

// Int8 appends a bigint.
func (r *Rows) Int8(v int64) *Rows {
	r.size(8)
	r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(v))
	return r
}

// Int4 appends an integer.
func (r *Rows) Int4(v int) *Rows {
	r.size(4)
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(int32(v)))
	return r
}

// Int2 appends a smallint.
func (r *Rows) Int2(v int) *Rows {
	r.size(2)
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(int16(v)))
	return r
}

// Text appends a text.
func (r *Rows) Text(v string) *Rows {
	r.size(len(v))
	r.buf = append(r.buf, v...)
	return r
}

// Bytes appends a bytea.
func (r *Rows) Bytes(v []byte) *Rows {
	r.size(len(v))
	r.buf = append(r.buf, v...)
	return r
}

// Value appends a text or a bytea that write appends to what it is given.
func (r *Rows) Value(write func([]byte) []byte) *Rows {
	r.size(0)
	start := len(r.buf)
	r.buf = write(r.buf)
	binary.BigEndian.PutUint32(r.buf[start-4:], uint32(len(r.buf)-start))
	return r
}

// UUID appends a uuid.
func (r *Rows) UUID(v models.UUID) *Rows {
	r.size(16)
	r.buf = append(r.buf, v[:]...)
	return r
}

// PostgreSQL counts days and microseconds from 2000-01-01.
const (
	epochDay  = 10957
	epochUnix = epochDay * 24 * 60 * 60
)

// Date appends a date.
func (r *Rows) Date(v models.Date) *Rows { return r.Int4(int(v) - epochDay) }

// Time appends a timestamptz.
func (r *Rows) Time(v time.Time) *Rows { return r.Int8(v.UnixMicro() - epochUnix*1_000_000) }

// Send writes the rows to a table, which names all columns. They may only be reset
// afterwards.
func (r *Rows) Send(ctx context.Context, conn *pgx.Conn, table string) error {
	if r.count == 0 {
		return nil
	}
	r.buf = append(r.buf, trailer...)
	rows := source{}
	rows.bytes.Reset(r.buf)
	defer rows.drop()
	tag, err := conn.PgConn().CopyFrom(ctx, &rows, "COPY "+table+" FROM STDIN BINARY")
	if err != nil {
		return fmt.Errorf("writing %s: %w", table, err)
	}
	if n := int(tag.RowsAffected()); n != r.count {
		return fmt.Errorf("writing %s: %d of %d rows arrived", table, n, r.count)
	}
	return nil
}

// source is what is sent. When a connection ends, pgx returns while a goroutine of its own
// may still read: what is dropped is read no more, so that its memory can be used again.
type source struct {
	mu    sync.Mutex
	bytes bytes.Reader
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes.Read(p)
}

func (s *source) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes.Reset(nil)
}

// EncodedSize is at least the number of bytes that AppendTo appends.
func (r *Rows) EncodedSize() int { return 2*binary.MaxVarintLen64 + len(r.buf) + len(trailer) }

// AppendTo appends the rows in a form that Decode reads.
func (r *Rows) AppendTo(out []byte) []byte {
	out = binary.AppendVarint(out, int64(r.count))
	out = binary.AppendVarint(out, int64(len(r.buf)))
	return append(append(out, r.buf...), trailer...)
}

// ErrDamaged says that bytes are not what AppendTo appended.
var ErrDamaged = errors.New("the encoded rows are damaged")

// Decode reads the rows at the beginning of in, of which they stay a part, and returns
// what is behind them.
func Decode(in []byte) (r Rows, rest []byte, err error) {
	next := func() int {
		v, n := binary.Varint(in)
		in = in[max(n, 0):]
		return int(v)
	}
	r.count = next()
	size := next()
	if size < 0 || size > len(in)-len(trailer) {
		return r, nil, ErrDamaged
	}
	whole := size + len(trailer)
	r.buf = in[:size:whole] // Send writes the trailer over the one that is there
	return r, in[whole:], nil
}
