package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"referral/models"
	"referral/store/pgcopy"
)

// findReplays finds the messages of the batch that a person has replayed, and locks
// their dead letters. A header alone proves nothing: the message must be the one that
// was replayed, or the one that was rejected.
func (b *ingestion) findReplays(context.Context) error {
	named := map[int]int64{}
	ids := map[int64]bool{}
	for i := range b.messages {
		if id := b.messages[i].Message.DeadLetterOf(); id != 0 {
			named[i], ids[id] = id, true
		}
	}
	if len(named) == 0 {
		return nil
	}
	var records []deadLetterRecord
	err := b.Clauses(clause.Locking{Strength: "UPDATE"}).Where("id IN ?", sortedIDs(ids)).Order("id").Find(&records).Error
	if err != nil {
		return fmt.Errorf("reading the dead letters of replayed messages: %w", err)
	}
	b.replays = map[int]int64{}
	for i, id := range named {
		known := slices.IndexFunc(records, func(r deadLetterRecord) bool { return r.ID == id })
		if known >= 0 && records[known].isReplay(&b.messages[i].Message) {
			b.replays[i] = id
		}
	}
	return nil
}

func (r *deadLetterRecord) isReplay(m *models.Message) bool {
	if m.Origin.Topic != r.Topic || !bytes.Equal(m.Key, r.Key) {
		return false
	}
	return bytes.Equal(m.Value, r.Value) || r.Corrected != nil && bytes.Equal(m.Value, r.Corrected)
}

// storeReplayOutcome notes whether a replayed message was accepted, once for each
// message, however often it is delivered.
func (b *ingestion) storeReplayOutcome(i int, letter int64) {
	m := &b.messages[i].Message
	fault, failed := b.faults[i]
	b.writes.Exec("storing the outcome of a replay", `WITH added AS (
			INSERT INTO dead_letter_outcomes (dead_letter_id, topic, partition, "offset", sent_at, at, taken, reason, detail)
			VALUES ($1, $2, $3, $4, $5, $6, $7::boolean, $8::text, $9::text) ON CONFLICT DO NOTHING RETURNING taken, reason, detail)
		UPDATE dead_letters d SET
			state = CASE WHEN a.taken THEN 'resolved' WHEN d.state = 'discarded' THEN d.state ELSE 'waiting' END,
			latest_reason = CASE WHEN a.taken THEN d.latest_reason ELSE a.reason END,
			latest_detail = CASE WHEN a.taken THEN d.latest_detail ELSE a.detail END
		FROM added a WHERE d.id = $1`,
		letter, m.Origin.Topic, m.Origin.Partition, m.Origin.Offset, m.At.UTC(), b.now, !failed, string(fault.Reason), validText(fault.Detail))
}

// storeDeadLetters keeps the messages that were rejected. Of one about an account whose
// personal data were erased the body is not kept. A message delivered again, or
// replayed by a person, is the same dead letter.
func (b *ingestion) storeDeadLetters(ctx context.Context) error {
	erased, err := b.erasedAmong(ctx)
	if err != nil {
		return err
	}
	for i := range b.messages {
		if letter, replayed := b.replays[i]; replayed {
			b.storeReplayOutcome(i, letter)
			continue
		}
		fault, rejected := b.faults[i]
		if !rejected {
			continue
		}
		m := &b.messages[i].Message
		headers, err := json.Marshal(headerBytes(m.Headers))
		if err != nil {
			return fmt.Errorf("encoding the headers of a message: %w", err)
		}
		value, state, published := m.Value, models.DeadLetterWaiting, (*time.Time)(nil)
		if slices.ContainsFunc(accountsAbout(m), func(id int64) bool { return erased[id] }) {
			value, headers, state, published = nil, []byte("[]"), models.DeadLetterDiscarded, &b.now
		}
		b.writes.Exec("storing a dead letter", `INSERT INTO dead_letters
				(topic, partition, "offset", key, value, headers, sent_at, reason, detail, set_aside_at, event_type, state, published_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
			m.Origin.Topic, m.Origin.Partition, m.Origin.Offset, m.Key, value, headers, m.At, fault.Reason, validText(fault.Detail),
			b.now, validText(b.messages[i].Type), state, published)
	}
	return nil
}

// accountsAbout is the accounts that a message is about, as far as it can be read.
func accountsAbout(m *models.Message) []int64 {
	return append(accountsNamed(m.Value), models.KeyAccount(m.Key))
}

// erasedAmong is the accounts that rejected messages are about and whose personal data were
// erased. None is erased while the batch holds the ingest barrier.
func (b *ingestion) erasedAmong(ctx context.Context) (map[int64]bool, error) {
	var ids []int64
	for i := range b.faults {
		if _, replayed := b.replays[i]; !replayed {
			ids = append(ids, accountsAbout(&b.messages[i].Message)...)
		}
	}
	erased := map[int64]bool{}
	if len(ids) == 0 {
		return erased, nil
	}
	return erased, pgcopy.Each(ctx, b.pgx, "accounts that were erased", func(v [][]byte) { erased[pgcopy.Int8(v[0])] = true },
		"SELECT account_id FROM accounts WHERE account_id = ANY($1) AND erased_at IS NOT NULL", ids)
}

// headerBytes is headers as pairs of bytes. A key may hold what no database text
// can, and has to leave as it came.
func headerBytes(headers []models.Header) [][2][]byte {
	pairs := make([][2][]byte, len(headers))
	for i, h := range headers {
		pairs[i] = [2][]byte{[]byte(h.Key), h.Value}
	}
	return pairs
}
