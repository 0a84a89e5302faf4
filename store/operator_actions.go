package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"referral/models"
)

type operatorActionRecord struct {
	ActionID int64 `gorm:"primaryKey;autoIncrement"`
	At       time.Time
	Who      string
	Role     models.Role
	What     models.OperatorActionKind
	Subject  string
	Reason   string
}

func (operatorActionRecord) TableName() string { return "operator_actions" }

func (r *operatorActionRecord) action() models.OperatorAction {
	return models.OperatorAction{At: r.At.UTC(), Who: r.Who, Role: r.Role, What: r.What, Subject: r.Subject, Reason: r.Reason}
}

// recordAction records an action of a person in the transaction that carries it out. One
// that was proposed is allowed here, or the transaction fails with a
// *models.ProposalRefusal.
func (t *tx) recordAction(a models.OperatorAction) error {
	if err := t.approve(&a); err != nil {
		return err
	}
	if a.At.IsZero() {
		a.At = t.now
	}
	record := operatorActionRecord{At: a.At, Who: a.Who, Role: a.Role, What: a.What, Subject: a.Subject, Reason: a.Reason}
	return wrap(fmt.Sprintf("recording that %s did %s of %s", a.Who, a.What, a.Subject), t.Create(&record).Error)
}

// RecordAction records an act that changes nothing else.
func (s *Store) RecordAction(ctx context.Context, a models.OperatorAction) error {
	return s.write(ctx, "recording an act", func(tx *tx) error { return tx.recordAction(a) })
}

// RecordConfiguration records that the service has started with a configuration, if it
// is another one than the last that was recorded.
func (s *Store) RecordConfiguration(ctx context.Context, digest string) error {
	return s.write(ctx, "recording the configuration", func(tx *tx) error {
		var last string
		_, err := tx.scan("reading the last configuration", []any{&last},
			"SELECT subject FROM operator_actions WHERE what = $1 ORDER BY entry DESC LIMIT 1", models.ActionConfiguration)
		if err != nil || last == digest {
			return err
		}
		return tx.recordAction(models.OperatorAction{Who: "referral serve", What: models.ActionConfiguration, Subject: digest})
	})
}

// Journal is up to limit entries of the journal before an entry, the newest first; all
// of them before 0.
func (s *Store) Journal(ctx context.Context, before int64, limit int) ([]models.JournalEntry, error) {
	return list(ctx, s, "reading the journal", scanJournalEntry, journalEntries+`
		WHERE entry < coalesce(nullif($1::bigint, 0), 9223372036854775807) ORDER BY entry DESC LIMIT $2`, before, limit)
}

// JournalEntryOf is the number of the entry that has a hash. found is false when there is
// none.
func (s *Store) JournalEntryOf(ctx context.Context, hash []byte) (entry int64, found bool, err error) {
	found, err = s.scan(ctx, "looking for an entry of the journal", []any{&entry}, "SELECT entry FROM operator_actions WHERE hash = $1", hash)
	return entry, found, err
}

// journalBatch is how many entries a check holds in memory.
const journalBatch = 5000

// CheckJournal verifies the whole journal.
func (s *Store) CheckJournal(ctx context.Context) (c models.JournalCheck, err error) {
	for last := int64(-1); ; {
		part, err := list(ctx, s, "reading the journal", scanJournalEntry, journalEntries+" WHERE entry > $1 ORDER BY entry LIMIT $2", last, journalBatch)
		if err != nil {
			return c, err
		}
		for i := range part {
			c.Add(&part[i])
			last = part[i].Entry
		}
		if len(part) < journalBatch {
			return c, nil
		}
	}
}

const journalEntries = "SELECT entry, hash, at, who, role, what, subject, reason FROM operator_actions"

func scanJournalEntry(row pgx.CollectableRow) (e models.JournalEntry, err error) {
	var hash []byte
	err = row.Scan(&e.Entry, &hash, &e.At, &e.Who, &e.Role, &e.What, &e.Subject, &e.Reason)
	copy(e.Hash[:], hash)
	e.At = e.At.UTC()
	return e, err
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

// RecordAct records an act that changes nothing else, or that other transactions have
// carried out.
func (s *Store) RecordAct(ctx context.Context, act models.OperatorAction) error {
	return s.write(ctx, "recording an act", func(tx *tx) error { return tx.recordAction(act) })
}
