package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"referral/models"
)

type deadLetterRecord struct {
	ID          int64 `gorm:"primaryKey"`
	Topic       string
	Partition   int
	Offset      int64
	Key         []byte
	Value       []byte
	Headers     [][2][]byte `gorm:"serializer:json"` // keys as bytes: a key may hold what no text can
	SentAt      time.Time
	Reason      models.BadInput
	Detail      string
	SetAsideAt  time.Time
	PublishedAt *time.Time
	ReplayedAt  *time.Time

	EventType    string
	State        models.DeadLetterState
	Corrected    []byte
	LatestReason *models.BadInput
	LatestDetail *string
}

func (deadLetterRecord) TableName() string { return "dead_letters" }

// original is the dead letter as it was rejected first.
func (r *deadLetterRecord) original() models.DeadLetter {
	headers := make([]models.Header, len(r.Headers))
	for i, pair := range r.Headers {
		headers[i] = models.Header{Key: string(pair[0]), Value: pair[1]}
	}
	return models.DeadLetter{
		ID: r.ID,
		Message: models.Message{
			Origin: models.Origin{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset},
			Key:    r.Key, Value: r.Value, Headers: headers, At: r.SentAt.UTC(),
		},
		Err: models.InputError{Reason: r.Reason, Detail: r.Detail},
		At:  r.SetAsideAt.UTC(),
	}
}

// deadLetter is the dead letter as it stands: what was replayed last, and why that
// failed.
func (r *deadLetterRecord) deadLetter() models.DeadLetterRecord {
	original := r.original()
	letter := models.DeadLetterRecord{
		DeadLetter: original, Type: r.EventType, State: r.State, ReplayedAt: zeroTime(r.ReplayedAt), Corrected: r.Corrected != nil, FirstErr: original.Err,
	}
	if r.Corrected != nil {
		letter.Message.Value = r.Corrected
	}
	if r.LatestReason != nil {
		letter.Err = models.InputError{Reason: *r.LatestReason, Detail: *r.LatestDetail}
	}
	return letter
}

// ListDeadLetters is the dead letters behind an id, by id, without their bodies.
func (s *Store) ListDeadLetters(ctx context.Context, f models.DeadLetterFilter, after int64, limit int) ([]models.DeadLetterRecord, error) {
	var records []deadLetterRecord
	err := selectDeadLetters(s.gorm.WithContext(ctx), f).Omit("value", "corrected").Where("id > ?", after).Order("id").Limit(limit).Find(&records).Error
	return convert(records, (*deadLetterRecord).deadLetter), wrap("listing dead letters", err)
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
	err = s.snapshot(ctx, fmt.Sprintf("reading dead letter %d", id), func(tx *tx) error {
		record, ok, err := tx.deadLetterRecord(id)
		if found = ok; err != nil || !ok {
			return err
		}
		letter = record.deadLetter()
		letter.Outcomes, err = tx.replayOutcomes(id)
		return err
	})
	return letter, found, err
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

func (r *replayOutcomeRecord) outcome() models.ReplayOutcome {
	o := models.ReplayOutcome{At: r.At.UTC(), Origin: models.Origin{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}}
	if !r.Taken {
		o.Err = &models.InputError{Reason: r.Reason, Detail: r.Detail}
	}
	return o
}

func (t *tx) replayOutcomes(id int64) ([]models.ReplayOutcome, error) {
	var records []replayOutcomeRecord
	err := t.Where("dead_letter_id = ?", id).Order("at, sent_at").Find(&records).Error
	return convert(records, (*replayOutcomeRecord).outcome), err
}

// ReplayDeadLetter has send publish a waiting message again, with another value when
// corrected is not nil, and records who did it. The dead letter stays locked until
// the message is out: killed before the end, it still waits, and a second replay
// of what may have gone out changes nothing. The consumer waits for the lock.
func (s *Store) ReplayDeadLetter(ctx context.Context, id int64, corrected []byte, act models.OperatorAction, send func(models.Message) error) error {
	err := s.write(ctx, fmt.Sprintf("replaying dead letter %d", id), func(tx *tx) error {
		record, found, err := tx.deadLetterRecord(id, clause.Locking{Strength: "UPDATE"})
		if err != nil {
			return err
		}
		if !found || record.State != models.DeadLetterWaiting {
			return models.ErrDeadLetterState
		}
		if corrected != nil {
			record.Corrected = corrected
		}
		if _, err := tx.proposalOf(&act); err != nil { // before the message is out
			return err
		}
		if err := send(record.deadLetter().Message); err != nil {
			return err
		}
		err = tx.Model(&deadLetterRecord{}).Where("id = ?", id).
			Updates(map[string]any{"state": models.DeadLetterReplayed, "replayed_at": tx.now, "corrected": record.Corrected}).Error
		if err != nil {
			return err
		}
		return tx.recordAction(act)
	})
	return err
}

// DiscardDeadLetters discards those of some dead letters that wait, or that were
// replayed and have not been read, and records who did it. It returns their ids.
func (s *Store) DiscardDeadLetters(ctx context.Context, ids []int64, act func(id int64) models.OperatorAction) (discarded []int64, err error) {
	err = s.write(ctx, "discarding dead letters", func(tx *tx) error {
		var records []deadLetterRecord
		err := tx.Model(&records).Clauses(clause.Returning{Columns: []clause.Column{{Name: "id"}}}).
			Where("id IN ?", ids).Where("state IN ?", []models.DeadLetterState{models.DeadLetterWaiting, models.DeadLetterReplayed}).
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
	return discarded, err
}

// UnpublishedDeadLetters is the oldest dead letters that the dead-letter topic has not
// got yet.
func (s *Store) UnpublishedDeadLetters(ctx context.Context, limit int) ([]models.DeadLetter, error) {
	var records []deadLetterRecord
	err := s.gorm.WithContext(ctx).Where("published_at IS NULL").Order("id").Limit(limit).Find(&records).Error
	return convert(records, (*deadLetterRecord).original), wrap("reading dead letters to publish", err)
}

// MarkDeadLettersPublished notes that the dead-letter topic has these.
func (s *Store) MarkDeadLettersPublished(ctx context.Context, ids []int64, at time.Time) error {
	err := s.gorm.WithContext(ctx).Model(&deadLetterRecord{}).Where("id IN ?", ids).Update("published_at", at).Error
	return wrap("marking dead letters as published", err)
}
