package scheduler

import (
	"context"
	"errors"
	"fmt"

	"referral/billing"
	"referral/billing/forecast"
	"referral/models"
)

// Auditor shows a period account by account, and keeps what was found.
type Auditor interface {
	Audit(ctx context.Context, period models.Period, begin func(models.AuditHead) error, see func(*models.AccountHistory) error) error
	RecordReconciliation(ctx context.Context, period models.Period, report models.ReconciliationReport) error
	CheckJournal(context.Context) (models.JournalCheck, error)
	KeepJournalCheck(ctx context.Context, c *models.JournalCheck, act *models.OperatorAction) error
	ClaimSlot(ctx context.Context, slot string) (bool, error)
}

// breaksLogged is how many breaks, or faults of the journal, the log names; the command names all.
const breaksLogged = 20

// reconcile reconciles every period that is run and not closed. Of replicas that fire
// together one does it.
func (s *Scheduler) reconcile(ctx context.Context, slot string) error {
	mine, err := s.Auditor.ClaimSlot(ctx, "reconcile@"+slot)
	if err != nil || !mine {
		return err
	}
	periods, err := s.Settler.Calendar.Periods(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, info := range periods {
		if info.State == models.PeriodRun {
			failed = errors.Join(failed, s.ReconcilePeriod(ctx, info.Period))
		}
	}
	return failed
}

// ReconcilePeriod reconciles a period, and keeps what it finds and what the discounts of
// the period came to.
func (s *Scheduler) ReconcilePeriod(ctx context.Context, period models.Period) error {
	var r *billing.Reconciliation
	var actual *forecast.Actual
	grace := billing.AnswerGrace{Now: s.Settler.Now(), Grace: s.AnswerGrace}
	err := s.Auditor.Audit(ctx, period, func(head models.AuditHead) error {
		r, actual = billing.NewReconciliation(s.Settler.Programme, period, head, grace), forecast.NewActual(period)
		return nil
	}, func(c *models.AccountHistory) error {
		r.Account(c)
		actual.Account(c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reconciling %s: %w", period, err)
	}
	r.Close()
	for _, b := range r.Breaks[:min(len(r.Breaks), breaksLogged)] {
		// Without the detail, which may quote billing's own words about a client.
		s.Settler.Log.ErrorContext(ctx, "does not tie; see `referral reconcile`", "period", period, "kind", b.Kind, "account", b.AccountID,
			"invoice", b.InvoiceID, "document", b.DocumentID)
	}
	if r.OnTheWay > 0 {
		s.Settler.Log.InfoContext(ctx, "posted a short while ago and not answered yet; the next night expects them", "period", period, "documents", r.OnTheWay)
	}
	return errors.Join(
		s.Auditor.RecordReconciliation(ctx, period, r.Report(s.Settler.Now())), s.Insight.ReplaceActualCosts(ctx, period, actual.Costs()))
}

// checkJournal verifies the whole journal, and keeps what it finds.
func (s *Scheduler) checkJournal(ctx context.Context, slot string) error {
	mine, err := s.Auditor.ClaimSlot(ctx, "journal@"+slot)
	if err != nil || !mine {
		return err
	}
	c, err := s.Auditor.CheckJournal(ctx)
	if err != nil {
		return fmt.Errorf("verifying the journal: %w", err)
	}
	for i := range c.Faults[:min(len(c.Faults), breaksLogged)] {
		// Without its text, which names persons.
		s.Settler.Log.ErrorContext(ctx, "the journal was changed outside the service; see `referral audit verify`",
			"kind", c.Faults[i].Kind, "from", c.Faults[i].From, "to", c.Faults[i].To)
	}
	return s.Auditor.KeepJournalCheck(ctx, &c, nil)
}
