package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/models"
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
	err := s.write(ctx, func(tx *tx) error {
		known = topicNumbers{}
		_, err := tx.pgx.Exec(ctx, "INSERT INTO topics (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", slices.Sorted(maps.Keys(unknown)))
		if err != nil {
			return err
		}
		return tx.eachTopic(ctx, func(number uint64, name string) { known[name] = number })
	})
	if err != nil {
		return nil, fmt.Errorf("numbering the topics that facts come from: %w", err)
	}
	s.topics.Store(&known)
	return known, nil
}

func (t *tx) eachTopic(ctx context.Context, fn func(number uint64, name string)) error {
	return each(ctx, t.pgx, "topics", func(v [][]byte) { fn(uint64(getInt4(v[0])), string(v[1])) }, "SELECT topic_no, name FROM topics")
}

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

// provenance appends a provenance as a column.
func (r *rows) provenance(n topicNumbers, p models.Provenance) *rows {
	var room [48]byte // more than it can take
	return r.bytes(n.pack(room[:0], p))
}

// topicNames is the topics by the numbers that stand for them.
type topicNames map[uint64]string

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

// provenances finds where the facts of the accounts came from.
func (l *auditLoader) provenances(ctx context.Context) error {
	names := topicNames{}
	if err := l.eachTopic(ctx, func(number uint64, name string) { names[number] = name }); err != nil {
		return err
	}
	err := each(ctx, l.pgx, "the provenance of accounts", func(v [][]byte) {
		l.list[l.index[getInt8(v[0])]].Account.Provenance = models.AccountProvenance{
			Registered: names.unpack(v[1]), PromoEnded: names.unpack(v[2]), Terminated: names.unpack(v[3]), Profile: names.unpack(v[4]),
		}
	}, `SELECT account_id, registered_provenance, promo_ended_provenance, terminated_provenance, profile_provenance
		FROM accounts WHERE account_id = ANY($1)`, l.ids)
	if err != nil {
		return err
	}
	if err := l.activationProvenances(ctx, names); err != nil {
		return err
	}
	err = each(ctx, l.pgx, "the provenance of invoices", func(v [][]byte) {
		if inv := l.find(getInt8(v[0]), string(v[1])); inv != nil && inv.Invoice.Revision == getInt4(v[2]) {
			inv.Provenance = names.unpack(v[3])
		}
	}, "SELECT account_id, invoice_id, revision, provenance FROM invoices WHERE storage_period = "+anyPeriod+" AND account_id = ANY($1)", l.ids)
	if err != nil {
		return err
	}
	return l.answerProvenances(ctx, names)
}

func (l *auditLoader) activationProvenances(ctx context.Context, names topicNames) error {
	found := map[int64]models.Provenance{}
	err := each(ctx, l.pgx, "the provenance of activations", func(v [][]byte) { found[getInt8(v[0])] = names.unpack(v[1]) },
		"SELECT seq, provenance FROM activations WHERE account_id = ANY($1)", l.ids)
	for i := range l.list {
		for _, a := range l.list[i].Activations {
			a.Provenance = found[a.Seq]
		}
	}
	return err
}

func (l *auditLoader) answerProvenances(ctx context.Context, names topicNames) error {
	answers := map[answerKey]*models.Result{}
	var documents [][16]byte
	for i := range l.list {
		for _, r := range l.list[i].Answers() {
			answers[answerKey{r.AdjustmentID, r.At.UnixMicro(), r.Status}] = r
			documents = append(documents, r.AdjustmentID)
		}
	}
	return each(ctx, l.pgx, "the provenance of answers", func(v [][]byte) {
		if r := answers[answerKey{getUUID(v[0]), getTime(v[1]).UnixMicro(), models.ResultStatus(v[2])}]; r != nil {
			r.Provenance = names.unpack(v[3])
		}
	}, "SELECT adjustment_id, at, status, provenance FROM results WHERE adjustment_id = ANY($1::uuid[])", documents)
}
