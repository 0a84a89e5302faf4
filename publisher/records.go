package publisher

import (
	"bytes"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
)

// records reads messages as the records of a request, stamped with the time of
// sending: the broker's retention goes by it, and a message that waited here for
// days must not be deleted the moment it arrives.
type records struct {
	messages   []*message
	at         time.Time
	record     kafka.Record
	key, value content
}

// ReadRecord is the next record; it holds until the next call.
func (r *records) ReadRecord() (*kafka.Record, error) {
	if len(r.messages) == 0 {
		return nil, io.EOF
	}
	l := r.messages[0]
	r.messages = r.messages[1:]
	r.record = kafka.Record{Time: r.at, Key: r.key.of(l.key), Value: r.value.of(l.value), Headers: l.headers}
	return &r.record, nil
}

// content is a key or a value on its way, one after another.
type content struct{ bytes.Reader }

// of is nil, which stands for null, when there is none.
func (c *content) of(b []byte) kafka.Bytes {
	if b == nil {
		return nil
	}
	c.Reset(b)
	return c
}

// Close has nothing to give back.
func (c *content) Close() error { return nil }
