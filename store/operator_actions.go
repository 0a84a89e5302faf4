package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
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

// RecordAction records an act that changes nothing else, or that other transactions carry
// out.
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

// CheckJournal verifies the whole journal, also against what earlier checks saw.
func (s *Store) CheckJournal(ctx context.Context) (c models.JournalCheck, err error) {
	earlier, err := list(ctx, s, "reading the checks of the journal", scanJournalCheck, journalChecks+" WHERE wrong = 0 ORDER BY check_id")
	if err != nil {
		return c, err
	}
	c = models.CheckJournal(earlier)
	return c, s.checkJournal(ctx, &c, math.MinInt64)
}

// LastJournalCheck is the last check of the whole journal that was kept, and what has been
// added since, verified: of a journal that was never verified, all.
func (s *Store) LastJournalCheck(ctx context.Context) (kept, since models.JournalCheck, err error) {
	last, err := list(ctx, s, "reading the last check of the journal", scanJournalCheck, journalChecks+" ORDER BY check_id DESC LIMIT 1")
	if err != nil {
		return kept, since, err
	}
	from := int64(math.MinInt64)
	if len(last) > 0 {
		kept, from = last[0], last[0].Last
	}
	since = kept.Resume()
	return kept, since, s.checkJournal(ctx, &since, from)
}

// KeepJournalCheck keeps a check of the whole journal. act is that of the person who has
// asked for it; nil for the nightly one.
func (s *Store) KeepJournalCheck(ctx context.Context, c *models.JournalCheck, act *models.OperatorAction) error {
	return s.write(ctx, "keeping a check of the journal", func(tx *tx) error {
		faults, err := json.Marshal(append([]models.JournalFault{}, c.Faults...))
		if err != nil {
			return err
		}
		who := ""
		if act != nil {
			who = act.Who
			if err := tx.recordAction(*act); err != nil {
				return err
			}
		}
		return tx.exec("keeping a check of the journal", `INSERT INTO journal_checks (checked_at, who, entries, last_entry, head, wrong, faults)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, tx.now, who, c.Entries, c.Last, c.Head[:], c.Wrong, string(faults))
	})
}

// checkJournal has a check see the entries of the journal from one on.
func (s *Store) checkJournal(ctx context.Context, c *models.JournalCheck, from int64) error {
	for {
		part, err := list(ctx, s, "reading the journal", scanJournalEntry, journalEntries+" WHERE entry >= $1 ORDER BY entry LIMIT $2", from, journalBatch)
		if err != nil {
			return err
		}
		for i := range part {
			c.Add(&part[i])
			from = part[i].Entry + 1
		}
		if len(part) < journalBatch {
			c.End()
			return nil
		}
	}
}

const journalChecks = "SELECT checked_at, who, entries, last_entry, head, wrong, faults FROM journal_checks"

func scanJournalCheck(row pgx.CollectableRow) (c models.JournalCheck, err error) {
	var head []byte
	err = row.Scan(&c.At, &c.Who, &c.Entries, &c.Last, &head, &c.Wrong, &c.Faults)
	copy(c.Head[:], head)
	c.At = c.At.UTC()
	return c, err
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
