package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"referral/internal/tracing"
	"referral/models"
)

type outboxRecord struct {
	AccountID int64
	Seq       int64     `gorm:"primaryKey;autoIncrement"`
	EventID   uuid.UUID `gorm:"type:uuid"`
	Type      models.OutboxEventType
	Data      string `gorm:"type:jsonb"`
	At        time.Time
	Trace     tracing.Context `gorm:"column:trace_context"`
}

func (outboxRecord) TableName() string { return "outbox" }

// OutboxEvents is the oldest events on their way out, in order per account.
func (s *Store) OutboxEvents(ctx context.Context, limit int) ([]models.OutboxEvent, error) {
	var records []outboxRecord
	if err := s.gorm.WithContext(ctx).Order("seq").Limit(limit).Find(&records).Error; err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	list := make([]models.OutboxEvent, len(records))
	for i, r := range records {
		list[i] = models.OutboxEvent{Seq: r.Seq, ID: models.UUID(r.EventID), Type: r.Type, AccountID: r.AccountID, At: r.At.UTC(), Trace: string(r.Trace)}
		// As text: a float would round large account ids.
		numbers := json.NewDecoder(strings.NewReader(r.Data))
		numbers.UseNumber()
		if err := numbers.Decode(&list[i].Data); err != nil {
			return nil, fmt.Errorf("reading outbox entry %d: %w", r.Seq, err)
		}
	}
	return list, nil
}

// DropOutboxEvents forgets events that the broker has.
func (s *Store) DropOutboxEvents(ctx context.Context, seqs []int64) error {
	return wrap("clearing the outbox", s.gorm.WithContext(ctx).Where("seq IN ?", seqs).Delete(&outboxRecord{}).Error)
}
