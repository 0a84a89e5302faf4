package publisher

import (
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"
)

// message is one message on its way out, and what became of it.
type message struct {
	key, value []byte
	headers    []kafka.Header
	hold       int64 // what to hold when the broker refuses it: an account, or a dead letter
	row        int   // its place in what was read from the ledger
	fault      error // it has no form that could be sent

	sent bool // acknowledged by all in-sync replicas
}

// size is what the message adds to an uncompressed request, at most.
func (m *message) size() int {
	const recordOverhead = 32
	n := len(m.key) + len(m.value) + recordOverhead
	for i := range m.headers {
		n += len(m.headers[i].Key) + len(m.headers[i].Value) + 10
	}
	return n
}

// buffer holds the messages of one piece of work and the bytes that they point to,
// both reused for the next piece.
type buffer struct {
	bytes    []byte
	messages []message
}

func (b *buffer) reset() {
	clear(b.messages)
	b.bytes, b.messages = b.bytes[:0], b.messages[:0]
}

// reserve makes room for messages of the size of those that are there. Without it the
// buffer would grow step by step, and the messages would keep each step in memory.
func (b *buffer) reserve(messages int) {
	if n := len(b.messages); n > 0 {
		b.bytes = slices.Grow(b.bytes, messages*len(b.bytes)/n*9/8)
		b.messages = slices.Grow(b.messages, messages)
	}
}

// add makes a message about an account; write appends its value to the buffer.
func (b *buffer) add(account int64, row int, headers []kafka.Header, write func(dst []byte) ([]byte, error)) {
	start := len(b.bytes)
	b.bytes = strconv.AppendInt(b.bytes, account, 10)
	middle := len(b.bytes)
	all, err := write(b.bytes)
	b.bytes = all
	b.messages = append(b.messages, message{
		key: all[start:middle:middle], value: all[middle:len(all):len(all)],
		headers: headers, hold: account, row: row, fault: err,
	})
}
