package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"

	"referral/models"
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
func (b *ingestion) storeDeadLetters(context.Context) error {
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
		b.writes.Exec("storing a dead letter", `INSERT INTO dead_letters
				(topic, partition, "offset", key, value, headers, sent_at, reason, detail, set_aside_at, event_type, state, published_at)
			SELECT $1::text, $2::integer, $3::bigint, $4::bytea, CASE WHEN erased THEN NULL ELSE $5::bytea END, CASE WHEN erased THEN '[]' ELSE $6::jsonb END,
				$7::timestamptz, $8::text, $9::text, $10::timestamptz, $11::text, CASE WHEN erased THEN 'discarded' ELSE $12 END, CASE WHEN erased THEN $10 END
			FROM (SELECT EXISTS (SELECT FROM accounts WHERE account_id = ANY($13) AND erased_at IS NOT NULL) AS erased) e ON CONFLICT DO NOTHING`,
			m.Origin.Topic, m.Origin.Partition, m.Origin.Offset, m.Key, m.Value, headers, m.At, fault.Reason, validText(fault.Detail),
			b.now, validText(b.messages[i].Type), models.DeadLetterWaiting, append(accountsNamed(m.Value), models.KeyAccount(m.Key)))
	}
	return nil
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
