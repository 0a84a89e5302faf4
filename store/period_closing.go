package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"referral/models"
)

// ClosePeriod signs a period off with the totals taken when its newest run was
// s.LastRun. s.Objections are those that the caller has found; what the database
// shows is added. With an override they are recorded, without one they hold: the
// error is then a *models.NotClosed with every reason.
//
// In the same transaction the report that freeze makes is kept, an event announces its
// digest together with the hash of the newest entry of the journal, and the order that
// the signature carries out ends. The error is models.ErrOrderLost when another process
// has taken the order up.
func (s *Store) ClosePeriod(ctx context.Context, signature models.Signature, freeze models.FreezeFunc) (signed models.Signature, err error) {
	p := signature.Period
	err = s.write(ctx, fmt.Sprintf("closing period %s", p), func(tx *tx) error {
		if err := tx.lock("out new facts", lockIngest); err != nil {
			return err
		}
		if err := tx.refuseUnrecovered(); err != nil {
			return err
		}
		if err := tx.endSigning(signature.Order); err != nil {
			return err
		}
		signed = signature
		signed.At = stored(tx.now) // as it is kept
		no, err := tx.findObstacles(&signed)
		if err != nil {
			return err
		}
		if no.Already != nil || len(no.Obstacles) > 0 || !signed.Overrides(no.Objections) {
			return no
		}
		if signed.Objections = no.Objections; len(signed.Objections) == 0 {
			signed.Override = "" // nothing had to be overridden
		}
		return tx.signOff(&signed, freeze)
	})
	var no *models.NotClosed
	if errors.As(err, &no) {
		return signed, no
	}
	return signed, err
}

func (t *tx) findObstacles(s *models.Signature) (*models.NotClosed, error) {
	no := &models.NotClosed{Period: s.Period, Objections: append([]string{}, s.Objections...)}
	var record periodRecord
	err := t.Where("period = ?", s.Period).Take(&record).Error
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, fmt.Errorf("reading period %s: %w", s.Period, err)
	}
	if record.ClosedAt != nil {
		no.Already = &models.Signature{Period: s.Period, Who: *record.ClosedBy, At: record.ClosedAt.UTC()}
		return no, nil
	}
	if record.SettledAt == nil {
		no.Obstacles = append(no.Obstacles, fmt.Sprintf("it has not been run: `referral run %s` first", s.Period))
	}
	if err := t.checkBooked(&record, no); err != nil {
		return nil, err
	}
	if err := t.checkRuns(s, no); err != nil {
		return nil, err
	}
	return no, t.checkWaiting(s.Period, no)
}

// checkBooked makes sure that a period of the shadow mode holds what the older system has
// given, and that nothing was posted to it since.
func (t *tx) checkBooked(p *periodRecord, no *models.NotClosed) error {
	if !p.Shadow {
		return nil
	}
	var booked bool
	_, err := t.scan("looking for what the older system has given", []any{&booked}, `SELECT coalesce(
		(SELECT EXISTS (SELECT 1 FROM booked_files f WHERE f.period = $1 AND f.run_id = r.run_id)
			FROM runs r WHERE period = $1 AND state IN ('done', 'incomplete') AND (documents > 0 OR kind = 'booked') ORDER BY run_id DESC LIMIT 1), false)`, p.Period)
	if err == nil && !booked {
		no.Obstacles = append(no.Obstacles, fmt.Sprintf("it was settled in shadow mode: `referral close %s --booked FILE` books what the older system has given", p.Period))
	}
	return err
}

// checkRuns makes sure that what is signed is final: nothing is being posted to the
// period, nor was since the totals were taken.
func (t *tx) checkRuns(s *models.Signature, no *models.NotClosed) error {
	var underWay, newer bool
	_, err := t.scan("looking for runs under way", []any{&underWay, &newer}, `SELECT coalesce(bool_or(state IN ('rehearsing', 'posting')), false), coalesce(bool_or(run_id > $2), false)
		FROM runs WHERE (period = $1 OR posting_period = $1) AND state NOT IN ('braked', 'abandoned')`, s.Period, s.LastRun)
	if err != nil {
		return err
	}
	switch {
	case underWay:
		no.Obstacles = append(no.Obstacles, "a run is under way that posts to it: close it when that has ended")
	case newer && len(no.Obstacles) == 0: // one that was not run has no totals
		return models.ErrPostedMeanwhile
	}
	return nil
}

func (t *tx) checkWaiting(p models.Period, no *models.NotClosed) error {
	var stale, notBooked int64
	var notBookedAmount models.Money
	var braked, shadow bool
	_, err := t.scan("looking for what waits in the period", []any{&stale, &braked, &shadow, &notBooked, &notBookedAmount}, `SELECT
		(SELECT count(DISTINCT account_id) FROM stale WHERE period = $1),
		EXISTS (SELECT 1 FROM runs WHERE posting_period = $1 AND state = 'braked'),
		EXISTS (SELECT 1 FROM periods WHERE period = $1 AND shadow),
		coalesce((SELECT not_booked FROM booked_files WHERE period = $1), 0), coalesce((SELECT not_booked_minor FROM booked_files WHERE period = $1), 0)`, p)
	if err != nil {
		return err
	}
	if stale > 0 {
		again := fmt.Sprintf("`referral run %s`", p)
		if shadow { // a run would bring the ledger to what the facts give
			again = fmt.Sprintf("`referral close %s --booked FILE`", p)
		}
		no.Objections = append(no.Objections, fmt.Sprintf("accounts to be settled again: %d (%s)", stale, again))
	}
	if notBooked > 0 {
		no.Objections = append(no.Objections, fmt.Sprintf("rows of the older system that are not booked: %d (%s together; `referral booked %s`)", notBooked, notBookedAmount, p))
	}
	if braked {
		no.Objections = append(no.Objections, "the brake holds a run that would post to it")
	}
	var open []models.Period
	err = t.Model(&periodRecord{}).Where("period < ? AND closed_at IS NULL", p).Order("period").Pluck("period", &open).Error
	if err != nil {
		return fmt.Errorf("looking for open periods: %w", err)
	}
	if len(open) > 0 {
		no.Objections = append(no.Objections, fmt.Sprintf("earlier periods are open: %s", listPeriods(open)))
	}
	return nil
}

// shownPeriods is how many open periods a message names.
const shownPeriods = 12

func listPeriods(periods []models.Period) string {
	var names []string
	for _, p := range periods[:min(len(periods), shownPeriods)] {
		names = append(names, p.String())
	}
	if rest := len(periods) - len(names); rest > 0 {
		names = append(names, fmt.Sprintf("and %d more", rest))
	}
	return strings.Join(names, ", ")
}

func (t *tx) signOff(s *models.Signature, freeze models.FreezeFunc) error {
	err := t.Model(&periodRecord{Period: s.Period}).Updates(map[string]any{"closed_at": s.At, "closed_by": s.Who}).Error
	if err != nil {
		return fmt.Errorf("marking period %s as closed: %w", s.Period, err)
	}
	id, err := t.saveSignature(s)
	if err != nil {
		return err
	}
	act := models.OperatorAction{
		At: s.At, Who: s.Who, Role: s.Role, What: models.ActionClose, Subject: s.Period.String(), Reason: s.Reason,
	}
	if s.Override != "" {
		act.Reason = s.Override + " (against: " + strings.Join(s.Objections, "; ") + ")"
		if s.ProposedBy == "" { // what two persons do is recorded as it was proposed
			act.What = models.ActionCloseOverride
		}
	}
	if err := t.recordAction(act); err != nil {
		return err
	}
	return t.keepReport(id, s, freeze)
}

// ReopenPeriod takes a signature back, while no later period is signed: later
// differences are posted to the period itself again. What was signed is kept. The error
// is a *models.NotReopened when it is not possible.
func (s *Store) ReopenPeriod(ctx context.Context, p models.Period, by models.OperatorAction) error {
	err := s.write(ctx, fmt.Sprintf("reopening period %s", p), func(tx *tx) error {
		if err := tx.lock("out new facts", lockIngest); err != nil {
			return err
		}
		if err := tx.checkReopening(p); err != nil {
			return err
		}
		err := tx.Model(&periodRecord{Period: p}).Updates(map[string]any{"closed_at": nil, "closed_by": nil}).Error
		if err != nil {
			return fmt.Errorf("marking it as open: %w", err)
		}
		return tx.recordAction(by)
	})
	return err
}

func (t *tx) checkReopening(p models.Period) error {
	var closed []models.Period
	err := t.Model(&periodRecord{}).Where("period >= ? AND closed_at IS NOT NULL", p).Order("period").Pluck("period", &closed).Error
	if err != nil {
		return fmt.Errorf("looking for closed periods: %w", err)
	}
	if len(closed) == 0 || closed[0] != p {
		return &models.NotReopened{Why: "it is not closed"}
	}
	if len(closed) > 1 {
		return &models.NotReopened{Why: "later periods are closed: " + listPeriods(closed[1:])}
	}
	var runs int64
	err = t.Model(&runRecord{}).Where("period = ? AND state IN ('rehearsing', 'posting')", p).Count(&runs).Error
	if err != nil {
		return fmt.Errorf("looking for runs under way: %w", err)
	}
	if runs > 0 {
		return &models.NotReopened{Why: "a run of it is under way; try again when that has ended"}
	}
	return nil
}
