package publisher

import (
	"strconv"

	"github.com/segmentio/kafka-go"
)

// letter is one message on its way out, and what became of it.
type letter struct {
	key, value []byte
	headers    []kafka.Header
	hold       int64 // what to hold when the broker refuses it: an account, or a set-aside message
	row        int   // its place in what was read from the ledger
	fault      error // it has no form that could be sent

	sent bool // acknowledged by all in-sync replicas
}

// size is what the letter adds to an uncompressed request, at most.
func (l *letter) size() int {
	const recordOverhead = 32
	n := len(l.key) + len(l.value) + recordOverhead
	for i := range l.headers {
		n += len(l.headers[i].Key) + len(l.headers[i].Value) + 10
	}
	return n
}

// page holds the letters of one piece of work and the bytes that they point to,
// both reused for the next piece.
type page struct {
	buf     []byte
	letters []letter
}

func (pg *page) reset() {
	clear(pg.letters)
	pg.buf, pg.letters = pg.buf[:0], pg.letters[:0]
}

// add takes a letter to an account whose value write appends to the page.
func (pg *page) add(account int64, row int, headers []kafka.Header, write func(dst []byte) ([]byte, error)) {
	start := len(pg.buf)
	pg.buf = strconv.AppendInt(pg.buf, account, 10)
	middle := len(pg.buf)
	buf, err := write(pg.buf)
	pg.buf = buf
	pg.letters = append(pg.letters, letter{
		key: buf[start:middle:middle], value: buf[middle:len(buf):len(buf)],
		headers: headers, hold: account, row: row, fault: err,
	})
}
