package store

import (
	"context"
	"errors"

	"referral/models"
	"referral/store/pgcopy"
)

const serviceDecisionColumns = "decision_id, service, class, undoes, decided_at, decided_by, approved_by, reason"

func readServiceDecision(v [][]byte) models.ServiceDecision {
	d := models.ServiceDecision{
		ID: pgcopy.UUID(v[0]), Service: string(v[1]), Class: models.ServiceClass(v[2]),
		DecidedAt: pgcopy.Time(v[4]), By: string(v[5]), ApprovedBy: string(v[6]), Reason: string(v[7]),
	}
	if v[3] != nil {
		d.Undoes = pgcopy.UUID(v[3])
	}
	return d
}

const (
	allServiceDecisions = "SELECT " + serviceDecisionColumns + " FROM service_decisions d ORDER BY decided_at, decision_id"
	servicesInForce     = "SELECT " + serviceDecisionColumns + ` FROM service_decisions d
		WHERE class IS NOT NULL AND NOT EXISTS (SELECT 1 FROM service_decisions u WHERE u.undoes = d.decision_id)`
)

// queueServices has the invoices that are read after it know what staff has decided about
// services.
func (u *unpacker) queueServices(batch *pgcopy.Batch) {
	batch.Each("decisions on services", func(v [][]byte) {
		if u.services == nil {
			u.services = map[string]models.ServiceDecision{}
		}
		d := readServiceDecision(v)
		u.services[d.Service] = d
	}, servicesInForce)
}

// ServiceDecisions is all decisions of staff on services, the oldest first.
func (s *Store) ServiceDecisions(ctx context.Context) (all []models.ServiceDecision, err error) {
	err = s.snapshot(ctx, "reading the decisions on services", func(tx *tx) error {
		all, err = tx.serviceDecisions(ctx)
		return err
	})
	return all, err
}

func (t *tx) serviceDecisions(ctx context.Context) (all []models.ServiceDecision, err error) {
	err = pgcopy.Each(ctx, t.pgx, "decisions on services", func(v [][]byte) { all = append(all, readServiceDecision(v)) }, allServiceDecisions)
	return all, err
}

// DecideService takes a decision of staff on a service that check allows and completes,
// has all accounts settled again that have a line of it, and records it by the action,
// which another person's proposal must allow.
//
// Like a change of the terms it waits until nothing works by what was in force before,
// and has what began before it begin again: a settlement either goes by the decision or
// has saved the lines that the decision looks for.
func (s *Store) DecideService(ctx context.Context, d models.ServiceDecision, act models.OperatorAction,
	check func([]models.ServiceDecision, models.ServiceDecision) (models.ServiceDecision, error),
) (decided models.ServiceDecision, err error) {
	if act.Approval == nil {
		return d, errors.New("a decision on a service needs the approval of a second person")
	}
	err = s.write(ctx, "deciding "+d.Subject(), func(tx *tx) error {
		if err := tx.lockTermsToChange(); err != nil {
			return err
		}
		all, err := tx.serviceDecisions(ctx)
		if err != nil {
			return err
		}
		if decided, err = check(all, d); err != nil {
			return err
		}
		decided.DecidedAt = tx.now
		if err := tx.saveServiceDecision(decided); err != nil {
			return err
		}
		return tx.recordAction(act)
	})
	return decided, err
}

func (t *tx) saveServiceDecision(d models.ServiceDecision) error {
	var class *string
	var undoes *[16]byte
	if d.Class != "" {
		class = (*string)(&d.Class)
	} else {
		undoes = (*[16]byte)(&d.Undoes)
	}
	err := t.exec("saving a decision on a service", "INSERT INTO service_decisions ("+serviceDecisionColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		[16]byte(d.ID), d.Service, class, undoes, d.DecidedAt, d.By, d.ApprovedBy, d.Reason)
	if err != nil {
		return err
	}
	if err := t.exec("having what works by the terms begin again", "UPDATE programme_state SET terms_digest = terms_digest"); err != nil {
		return err
	}
	return t.exec("marking accounts for a decision on a service", `INSERT INTO stale (period, account_id)
		SELECT DISTINCT h.period, h.account_id FROM held_lines h JOIN periods p ON p.period = h.period
		WHERE h.service = $1 AND p.started_at IS NOT NULL`, d.Service)
}

// accountsWithService is those that have a line of the service $3, held or decided.
const accountsWithService = "SELECT DISTINCT account_id FROM held_lines WHERE service = $3"

// ForServiceDecision hands what a decision on a service may change to see: first all
// decisions on services, which begin completes the decision by, then every account with a
// line of the service, by id, with its facts and invoices and nothing of the ledger. Its
// memory does not grow with the accounts. It is never repeated.
func (s *Store) ForServiceDecision(ctx context.Context, begin func([]models.ServiceDecision) (models.ServiceDecision, error), see func(*models.AccountHistory) error) error {
	return s.once(ctx, beginReadOnly, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		all, err := tx.serviceDecisions(ctx)
		if err != nil {
			return err
		}
		d, err := begin(all)
		if err != nil {
			return err
		}
		return tx.walk(ctx, accountsWithService, d.Service, func(ids []int64) error {
			l := newHistoryLoader(tx, ids, 0)
			if err := l.loadFacts(ctx); err != nil {
				return err
			}
			return l.each(see)
		})
	})
}
