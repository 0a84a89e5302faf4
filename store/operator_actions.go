package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"referral/models"
)

type operatorActionRecord struct {
	ActionID int64 `gorm:"primaryKey;autoIncrement"`
	At       time.Time
	Who      string
	What     models.OperatorActionKind
	Subject  string
	Reason   string
}

func (operatorActionRecord) TableName() string { return "operator_actions" }

// recordAction records an act of a person in the transaction that carries it out.
func (t *tx) recordAction(a models.OperatorAction) error {
	if a.At.IsZero() {
		a.At = t.now
	}
	record := operatorActionRecord{At: a.At, Who: a.Who, What: a.What, Subject: a.Subject, Reason: a.Reason}
	if err := t.Create(&record).Error; err != nil {
		return fmt.Errorf("recording that %s did %s of %s: %w", a.Who, a.What, a.Subject, err)
	}
	return nil
}

// Actions is the recorded acts on some subjects, the oldest first.
func (s *Store) Actions(ctx context.Context, subjects ...string) ([]models.OperatorAction, error) {
	return actions(s.gorm.WithContext(ctx), subjects...)
}

func actions(db *gorm.DB, subjects ...string) ([]models.OperatorAction, error) {
	var records []operatorActionRecord
	err := db.Where("subject IN ?", subjects).Order("action_id").Find(&records).Error
	if err != nil {
		return nil, fmt.Errorf("reading the recorded acts on %v: %w", subjects, err)
	}
	list := make([]models.OperatorAction, len(records))
	for i, r := range records {
		list[i] = models.OperatorAction{At: r.At.UTC(), Who: r.Who, What: r.What, Subject: r.Subject, Reason: r.Reason}
	}
	return list, nil
}
