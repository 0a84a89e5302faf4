package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// topicNumbers is the numbers that stand for topics in the provenance of facts.
type topicNumbers map[string]uint64

// topicNumbers is the numbers of at least the topics that a batch comes from. A
// topic that no fact has come from yet is given one, whatever becomes of the batch.
func (s *Store) topicNumbers(ctx context.Context, batch []models.DecodedMessage) (topicNumbers, error) {
	var known topicNumbers
	if p := s.topics.Load(); p != nil {
		known = *p
	}
	unknown := map[string]bool{}
	for i := range batch {
		if f := batch[i].Fact; f != nil && f.Provenance.Topic != "" && known[f.Provenance.Topic] == 0 {
			unknown[f.Provenance.Topic] = true
		}
	}
	if len(unknown) == 0 {
		return known, nil
	}
	err := s.write(ctx, "numbering the topics that facts come from", func(tx *tx) error {
		known = topicNumbers{}
		_, err := tx.pgx.Exec(ctx, "INSERT INTO topics (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", slices.Sorted(maps.Keys(unknown)))
		if err != nil {
			return err
		}
		return pgcopy.Each(ctx, tx.pgx, "topics", func(v [][]byte) { known[string(v[1])] = uint64(pgcopy.Int4(v[0])) }, selectTopics)
	})
	if err != nil {
		return nil, err
	}
	s.topics.Store(&known)
	return known, nil
}

// topicNames is the names of all topics.
func (t *tx) topicNames(ctx context.Context) (topicNames, error) {
	names := topicNames{}
	return names, pgcopy.Each(ctx, t.pgx, "topics", names.read, selectTopics)
}

const selectTopics = "SELECT topic_no, name FROM topics"

// pack appends a provenance in a few bytes: the number of the topic, the partition
// and the offset, or 0 and the key of a request; then the time in milliseconds of
// Unix time. Numbers are varints. Nothing stands for none.
func (n topicNumbers) pack(buf []byte, p models.Provenance) []byte {
	if p == (models.Provenance{}) {
		return buf
	}
	if number := n[p.Topic]; number > 0 {
		buf = binary.AppendUvarint(buf, number)
		buf = binary.AppendUvarint(buf, uint64(p.Partition))
		buf = binary.AppendUvarint(buf, uint64(p.Offset))
	} else {
		buf = append(append(buf, 0), p.Request[:]...)
	}
	return binary.AppendVarint(buf, p.At.UnixMilli())
}

// topicNames is the topics by the numbers that stand for them.
type topicNames map[uint64]string

// read takes a row of selectTopics.
func (n topicNames) read(v [][]byte) { n[uint64(pgcopy.Int4(v[0]))] = string(v[1]) }

// unpack reads what [topicNumbers.pack] wrote. Bytes that it did not write are of
// unknown provenance.
func (n topicNames) unpack(b []byte) (p models.Provenance) {
	next := func() uint64 {
		v, size := binary.Uvarint(b)
		b = b[max(size, 0):]
		return v
	}
	if len(b) == 0 {
		return p
	}
	if number := next(); number > 0 {
		p.Topic, p.Partition, p.Offset = n[number], int(next()), int64(next())
		if p.Topic == "" {
			p.Topic = fmt.Sprintf("topic number %d", number)
		}
	} else {
		b = b[copy(p.Request[:], b):]
	}
	if at, size := binary.Varint(b); size > 0 {
		p.At = time.UnixMilli(at).UTC()
	}
	return p
}
