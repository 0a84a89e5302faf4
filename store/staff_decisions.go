package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"referral/internal/tracing"
	"referral/models"
	"referral/store/pgcopy"
)

const staffDecisionColumns = "account_id, decision_id, kind, inviter_id, code, requested_at, from_day, undoes, decided_at, decided_by, approved_by, reason"

func readStaffDecision(v [][]byte) models.StaffDecision {
	d := models.StaffDecision{
		AccountID: pgcopy.Int8(v[0]), ID: pgcopy.UUID(v[1]), Kind: models.StaffDecisionKind(v[2]), InviterID: pgcopy.Int8(v[3]), Code: string(v[4]),
		RequestedAt: pgcopy.Time(v[5]), From: readDay(v[6]), DecidedAt: pgcopy.Time(v[8]), By: string(v[9]), ApprovedBy: string(v[10]), Reason: string(v[11]),
	}
	if v[7] != nil {
		d.Undoes = pgcopy.UUID(v[7])
	}
	return d
}

// Decide takes a decision of staff that check allows and completes, with all that derive
// makes of it, and records it by the action, which another person's proposal must allow.
func (s *Store) Decide(ctx context.Context, d models.StaffDecision, act models.OperatorAction,
	check func(*models.WorkingSet, models.StaffDecision) (models.StaffDecision, error), derive models.DeriveFunc,
) (decided models.StaffDecision, err error) {
	if act.Approval == nil {
		return d, errors.New("a decision on a referral needs the approval of a second person")
	}
	err = s.write(ctx, "deciding "+string(d.Kind)+" of "+d.Subject(), func(tx *tx) error {
		set, now, err := tx.lockConcerned(ctx, &d)
		if err != nil {
			return err
		}
		decided, err = check(set, d)
		if err != nil {
			return err
		}
		decided.DecidedAt = now
		if err := tx.carryOut(ctx, set, decided, derive); err != nil {
			return err
		}
		return tx.recordAction(act)
	})
	return decided, err
}

// carryOut saves a decision and what it makes of the facts.
func (t *tx) carryOut(ctx context.Context, set *models.WorkingSet, d models.StaffDecision, derive models.DeriveFunc) error {
	var undoes *[16]byte
	if d.Kind == models.DecisionUndo {
		undoes = (*[16]byte)(&d.Undoes)
	}
	changes := derive(set, []*models.Fact{{At: d.DecidedAt, Data: d}})
	var batch pgcopy.Batch
	batch.Exec("saving a decision of staff", "INSERT INTO staff_decisions ("+staffDecisionColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		d.AccountID, [16]byte(d.ID), d.Kind, d.InviterID, d.Code, nullTime(d.RequestedAt), optionalDay(d.From), undoes, d.DecidedAt, d.By, d.ApprovedBy, d.Reason)
	for i := range changes.OutboxEvents {
		changes.OutboxEvents[i].Trace = string(tracing.Current(ctx))
	}
	if err := saveChanges(&batch, changes, nil); err != nil {
		return err
	}
	markChanged(&batch, changes)
	return batch.Send(ctx, t.pgx)
}

// lockConcerned locks what a decision may change behind the ingest barrier, and reads it
// with the time by the clock that dates the documents of the ledger.
func (t *tx) lockConcerned(ctx context.Context, d *models.StaffDecision) (set *models.WorkingSet, now time.Time, err error) {
	var batch pgcopy.Batch
	batch.Exec("passing the ingest barrier", passBarrier, lockIngest.in(t.schema))
	t.queueHoldTerms(&batch, readTerms)
	batch.Each("the time", func(v [][]byte) { now = pgcopy.Time(v[0]) }, "SELECT now()")
	if err := batch.Send(ctx, t.pgx); err != nil {
		return nil, now, err
	}
	concerned, err := t.concernedBy(ctx, d)
	if err != nil {
		return nil, now, err
	}
	set = queueLocked(&batch, concerned.ids)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return nil, now, err
	}
	// What was read before the locks may have changed until they were held.
	if still, err := t.concernedBy(ctx, d); err != nil || !maps.Equal(still.ids, concerned.ids) || !maps.Equal(still.codes, concerned.codes) {
		return nil, now, errors.Join(err, errRetry)
	}
	set.Codes = concerned.codes
	batch.Each("imported referrals", func(v [][]byte) { set.Imported[d.AccountID] = readImportedReferral(v) }, selectImportedReferrals, []int64{d.AccountID})
	return set, now, batch.Send(ctx, t.pgx)
}

// concerned is the accounts that a decision may change: its own, its inviter, and the
// owners of all codes that the account has entered, with these codes.
type concerned struct {
	ids   map[int64]bool
	codes map[string]int64
}

func (t *tx) concernedBy(ctx context.Context, d *models.StaffDecision) (concerned, error) {
	c := concerned{ids: map[int64]bool{d.AccountID: true}, codes: map[string]int64{}}
	entered := map[string]bool{}
	if d.Code != "" {
		entered[models.NormalCode(d.Code)] = true
	}
	var batch pgcopy.Batch
	batch.Each("the requests of the account", func(v [][]byte) {
		entered[models.NormalCode(string(v[0]))] = true
		if inviter := pgcopy.Int8(v[1]); inviter != 0 {
			c.ids[inviter] = true
		}
	}, `SELECT code, inviter_id FROM activations WHERE account_id = $1
		UNION ALL SELECT code, inviter_id FROM staff_decisions WHERE account_id = $1`, d.AccountID)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return c, err
	}
	err := pgcopy.Each(ctx, t.pgx, "the owners of the codes", func(v [][]byte) {
		owner := pgcopy.Int8(v[1])
		c.codes[string(v[0])], c.ids[owner] = owner, true
	}, "SELECT code, account_id FROM codes WHERE code = ANY($1)", slices.Sorted(maps.Keys(entered)))
	return c, err
}

// ConcernedBy is all that is known of the accounts that a decision may change, for its
// preview, and the owners of the codes that its account has entered.
func (s *Store) ConcernedBy(ctx context.Context, d models.StaffDecision) (histories []models.AccountHistory, codes map[string]int64, err error) {
	err = s.snapshot(ctx, "looking for what a decision changes", func(tx *tx) error {
		c, err := tx.concernedBy(ctx, &d)
		if err != nil {
			return err
		}
		l := newHistoryLoader(tx, sortedIDs(c.ids), 0)
		if err := l.loadFacts(ctx); err != nil {
			return err
		}
		histories, codes = l.list, c.codes
		return l.loadLedger(ctx, l.queuePackages)
	})
	return histories, codes, err
}

// queueDecisionsOnInvitees reads the decisions on the referrals of the accounts. Those on
// their own are read with the working set.
func (l *historyLoader) queueDecisionsOnInvitees(batch *pgcopy.Batch) {
	batch.Each("decisions on invitees", func(v [][]byte) {
		d := readStaffDecision(v)
		if c := l.account(d.InviterID); d.AccountID != d.InviterID {
			c.Decisions = append(c.Decisions, d)
		}
	}, "SELECT "+staffDecisionColumns+" FROM staff_decisions WHERE inviter_id = ANY($1)", l.ids)
}

// StaffDecision is a decision of staff. found is false when there is none of that id.
func (s *Store) StaffDecision(ctx context.Context, id models.UUID) (d models.StaffDecision, found bool, err error) {
	err = s.snapshot(ctx, "looking for decision "+id.String(), func(tx *tx) error {
		found = false
		return pgcopy.Each(ctx, tx.pgx, "decisions", func(v [][]byte) { d, found = readStaffDecision(v), true },
			"SELECT "+staffDecisionColumns+" FROM staff_decisions WHERE decision_id = $1", [16]byte(id))
	})
	return d, found, err
}
