package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"referral/models"
)

type operatorActionRecord struct {
	ActionID int64                 `gorm:"primaryKey;autoIncrement"`
	Action   models.OperatorAction `gorm:"embedded"`
}

func (operatorActionRecord) TableName() string { return "operator_actions" }

func (r *operatorActionRecord) action() models.OperatorAction {
	a := r.Action
	a.At = a.At.UTC()
	return a
}

// recordAction records an action of a person in the transaction that carries it out.
func (t *tx) recordAction(a models.OperatorAction) error {
	if a.At.IsZero() {
		a.At = t.now
	}
	record := operatorActionRecord{Action: a}
	return wrap(fmt.Sprintf("recording that %s did %s of %s", a.Who, a.What, a.Subject), t.Create(&record).Error)
}

// Actions is the recorded actions on some subjects, the oldest first.
func (s *Store) Actions(ctx context.Context, subjects ...string) ([]models.OperatorAction, error) {
	return actions(s.gorm.WithContext(ctx), subjects...)
}

func actions(db *gorm.DB, subjects ...string) ([]models.OperatorAction, error) {
	var records []operatorActionRecord
	err := db.Where("subject IN ?", subjects).Order("action_id").Find(&records).Error
	return convert(records, (*operatorActionRecord).action), wrap(fmt.Sprintf("reading the recorded actions on %v", subjects), err)
}
