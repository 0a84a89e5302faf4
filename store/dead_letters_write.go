package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"referral/models"
)

// writeSetAsides keeps the messages that cannot be taken. A message delivered
// again, or put back by a person, is the same dead letter.
func (b *ingestion) writeSetAsides(context.Context) error {
	records := make([]deadLetterRecord, 0, len(b.faults))
	for i := range b.batch {
		fault, bad := b.faults[i]
		if letter, replayed := b.again[i]; replayed {
			b.writeOutcome(i, letter)
			continue
		}
		if !bad {
			continue
		}
		m := &b.batch[i].Message
		headers, err := json.Marshal(headerBytes(m.Headers))
		if err != nil {
			return fmt.Errorf("encoding the headers of a message: %w", err)
		}
		records = append(records, deadLetterRecord{
			Topic: m.Origin.Topic, Partition: m.Origin.Partition, Offset: m.Origin.Offset,
			Key: m.Key, Value: m.Value, Headers: string(headers), SentAt: m.At.UTC(),
			Reason: fault.Reason, Detail: storable(fault.Detail), SetAsideAt: b.now,
			EventType: storable(b.batch[i].Type), State: models.DeadLetterWaiting,
		})
	}
	writeAll(b.last, "setting messages aside", b.last.db.Clauses(clause.OnConflict{DoNothing: true}), records)
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

func headersOf(pairs [][2][]byte) []models.Header {
	headers := make([]models.Header, len(pairs))
	for i, p := range pairs {
		headers[i] = models.Header{Key: string(p[0]), Value: p[1]}
	}
	return headers
}

func (r *deadLetterRecord) setAside() (models.DeadLetter, error) {
	var headers [][2][]byte
	if err := json.Unmarshal([]byte(r.Headers), &headers); err != nil {
		return models.DeadLetter{}, fmt.Errorf("reading the headers of dead letter %d: %w", r.ID, err)
	}
	return models.DeadLetter{
		ID: r.ID,
		Message: models.Message{
			Origin: models.Origin{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset},
			Key:    r.Key, Value: r.Value, Headers: headersOf(headers), At: r.SentAt.UTC(),
		},
		Err: models.InputError{Reason: r.Reason, Detail: r.Detail},
		At:  r.SetAsideAt.UTC(),
	}, nil
}

func setAsides(records []deadLetterRecord) ([]models.DeadLetter, error) {
	list := make([]models.DeadLetter, 0, len(records))
	for i := range records {
		s, err := records[i].setAside()
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// UnpublishedDeadLetters is the oldest messages set aside that the dead-letter topic has not
// got yet.
func (s *Store) UnpublishedDeadLetters(ctx context.Context, limit int) ([]models.DeadLetter, error) {
	var records []deadLetterRecord
	err := s.gorm.WithContext(ctx).Where("published_at IS NULL").Order("id").Limit(limit).Find(&records).Error
	if err != nil {
		return nil, fmt.Errorf("reading messages set aside: %w", err)
	}
	return setAsides(records)
}

// MarkDeadLettersPublished notes that the dead-letter topic has these.
func (s *Store) MarkDeadLettersPublished(ctx context.Context, ids []int64, at time.Time) error {
	err := s.gorm.WithContext(ctx).Model(&deadLetterRecord{}).Where("id IN ?", ids).Update("published_at", at).Error
	if err != nil {
		return fmt.Errorf("marking dead letters as published: %w", err)
	}
	return nil
}
