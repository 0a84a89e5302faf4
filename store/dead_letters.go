package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"referral/models"
)

func (r *deadLetterRecord) deadLetter() (models.DeadLetterRecord, error) {
	aside, err := r.setAside()
	if err != nil {
		return models.DeadLetterRecord{}, err
	}
	letter := models.DeadLetterRecord{
		DeadLetter: aside, Type: r.EventType, State: r.State, ReplayedAt: zeroTime(r.ReplayedAt), Corrected: r.Corrected != nil, FirstErr: aside.Err,
	}
	if r.Corrected != nil {
		letter.Message.Value = r.Corrected
	}
	if r.LatestReason != nil {
		letter.Err = models.InputError{Reason: *r.LatestReason, Detail: *r.LatestDetail}
	}
	return letter, nil
}

// ListDeadLetters is dead letters behind an id, by id, without their bodies.
func (s *Store) ListDeadLetters(ctx context.Context, f models.DeadLetterFilter, after int64, limit int) ([]models.DeadLetterRecord, error) {
	var records []deadLetterRecord
	err := selectDeadLetters(s.gorm.WithContext(ctx), f).Omit("value", "corrected").Where("id > ?", after).Order("id").Limit(limit).Find(&records).Error
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	list := make([]models.DeadLetterRecord, len(records))
	for i := range records {
		if list[i], err = records[i].deadLetter(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func selectDeadLetters(q *gorm.DB, f models.DeadLetterFilter) *gorm.DB {
	if len(f.States) > 0 {
		q = q.Where("state IN ?", f.States)
	}
	if f.Topic != "" {
		q = q.Where("topic = ?", f.Topic)
	}
	if f.Reason != "" {
		q = q.Where("coalesce(latest_reason, reason) = ?", f.Reason)
	}
	if f.Type != "" {
		q = q.Where("event_type = ?", f.Type)
	}
	if f.AccountID != 0 {
		q = q.Where("key = ?", []byte(strconv.FormatInt(f.AccountID, 10)))
	}
	if !f.Since.IsZero() {
		q = q.Where("set_aside_at >= ?", f.Since)
	}
	return q
}

// DeadLetter is one dead letter, whole. found is false when there is none.
func (s *Store) DeadLetter(ctx context.Context, id int64) (letter models.DeadLetterRecord, found bool, err error) {
	err = s.snapshot(ctx, true, func(tx *tx) error {
		record, ok, err := tx.deadLetterRecord(id)
		if found = ok; err != nil || !ok {
			return err
		}
		if letter, err = record.deadLetter(); err != nil {
			return err
		}
		letter.Outcomes, err = tx.replayOutcomes(id)
		return err
	})
	if err != nil {
		return letter, false, fmt.Errorf("reading dead letter %d: %w", id, err)
	}
	return letter, found, nil
}

func (t *tx) deadLetterRecord(id int64, locking ...clause.Expression) (record deadLetterRecord, found bool, err error) {
	var records []deadLetterRecord
	err = t.Clauses(locking...).Where("id = ?", id).Limit(1).Find(&records).Error
	if err != nil || len(records) == 0 {
		return record, false, err
	}
	return records[0], true, nil
}

type replayOutcomeRecord struct {
	Topic     string
	Partition int
	Offset    int64
	At        time.Time
	Taken     bool
	Reason    models.BadInput
	Detail    string
}

func (replayOutcomeRecord) TableName() string { return "dead_letter_outcomes" }

func (t *tx) replayOutcomes(id int64) ([]models.ReplayOutcome, error) {
	var records []replayOutcomeRecord
	if err := t.Where("dead_letter_id = ?", id).Order("at, sent_at").Find(&records).Error; err != nil {
		return nil, err
	}
	list := make([]models.ReplayOutcome, len(records))
	for i, r := range records {
		list[i] = models.ReplayOutcome{At: r.At.UTC(), Origin: models.Origin{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}}
		if !r.Taken {
			list[i].Err = &models.InputError{Reason: r.Reason, Detail: r.Detail}
		}
	}
	return list, nil
}

// ErrDeadLetterState says that a dead letter is not in a state for what was asked.
var ErrDeadLetterState = errors.New("the dead letter's state does not allow it")

// ReplayDeadLetter has send put a waiting message back, with another value when
// corrected is not nil, and records who did it. The dead letter stays locked until
// the message is out: killed before the end, it still waits, and a second replay
// of what may have gone out changes nothing. The consumer waits for the lock.
func (s *Store) ReplayDeadLetter(ctx context.Context, id int64, corrected []byte, act models.OperatorAction, send func(models.Message) error) error {
	err := s.write(ctx, func(tx *tx) error {
		record, found, err := tx.deadLetterRecord(id, clause.Locking{Strength: "UPDATE"})
		if err != nil {
			return err
		}
		if !found || record.State != models.DeadLetterWaiting {
			return ErrDeadLetterState
		}
		if corrected != nil {
			record.Corrected = corrected
		}
		letter, err := record.deadLetter()
		if err != nil {
			return err
		}
		if err := send(letter.Message); err != nil {
			return err
		}
		err = tx.Model(&deadLetterRecord{}).Where("id = ?", id).
			Updates(map[string]any{"state": models.DeadLetterReplayed, "replayed_at": tx.now, "corrected": record.Corrected}).Error
		if err != nil {
			return err
		}
		return tx.recordAction(act)
	})
	if err != nil {
		return fmt.Errorf("putting dead letter %d back: %w", id, err)
	}
	return nil
}

// DiscardDeadLetters discards those of some dead letters that wait, or that were
// put back and have not been read, and records who did it. It returns their ids.
func (s *Store) DiscardDeadLetters(ctx context.Context, ids []int64, act func(id int64) models.OperatorAction) (discarded []int64, err error) {
	err = s.write(ctx, func(tx *tx) error {
		var records []deadLetterRecord
		err := tx.Model(&records).Clauses(clause.Returning{Columns: []clause.Column{{Name: "id"}}}).
			Where("id = ANY(?)", idList(ids)).Where("state IN ?", []models.DeadLetterState{models.DeadLetterWaiting, models.DeadLetterReplayed}).
			Update("state", models.DeadLetterDiscarded).Error
		if err != nil {
			return err
		}
		discarded = make([]int64, len(records))
		for i := range records {
			discarded[i] = records[i].ID
			if err := tx.recordAction(act(records[i].ID)); err != nil {
				return err
			}
		}
		slices.Sort(discarded)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("discarding dead letters: %w", err)
	}
	return discarded, nil
}

// findReplays finds the messages of the batch that a person has put back, and
// locks their dead letters. A header alone proves nothing: the message must be the
// one that was put back, or the one that was set aside.
func (b *ingestion) findReplays(context.Context) error {
	said := map[int]int64{}
	ids := map[int64]bool{}
	for i := range b.batch {
		if id := b.batch[i].Message.DeadLetterOf(); id != 0 {
			said[i], ids[id] = id, true
		}
	}
	if len(said) == 0 {
		return nil
	}
	var records []deadLetterRecord
	err := b.Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ANY(?)", idList(sortedIDs(ids))).Order("id").Find(&records).Error
	if err != nil {
		return fmt.Errorf("looking for the dead letters of messages that were put back: %w", err)
	}
	b.again = map[int]int64{}
	for i, id := range said {
		known := slices.IndexFunc(records, func(r deadLetterRecord) bool { return r.ID == id })
		if known >= 0 && records[known].isReplay(&b.batch[i].Message) {
			b.again[i] = id
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

// writeOutcome notes what became of a message that was put back, once for each
// message, however often it is delivered.
func (b *ingestion) writeOutcome(i int, letter int64) {
	m := &b.batch[i].Message
	fault, failed := b.faults[i]
	b.last.exec("noting what became of a message that was put back", `WITH added AS (
			INSERT INTO dead_letter_outcomes (dead_letter_id, topic, partition, "offset", sent_at, at, taken, reason, detail)
			VALUES ($1, $2, $3, $4, $5, $6, $7::boolean, $8::text, $9::text) ON CONFLICT DO NOTHING RETURNING taken, reason, detail)
		UPDATE dead_letters d SET
			state = CASE WHEN a.taken THEN 'resolved' WHEN d.state = 'discarded' THEN d.state ELSE 'waiting' END,
			latest_reason = CASE WHEN a.taken THEN d.latest_reason ELSE a.reason END,
			latest_detail = CASE WHEN a.taken THEN d.latest_detail ELSE a.detail END
		FROM added a WHERE d.id = $1`,
		letter, m.Origin.Topic, m.Origin.Partition, m.Origin.Offset, m.At.UTC(), b.now, !failed, string(fault.Reason), storable(fault.Detail))
}
