package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"referral/models"
)

type proposalRecord struct {
	ProposalID      int64 `gorm:"primaryKey;autoIncrement"`
	What            models.OperatorActionKind
	Subject         string
	Details         []byte         `gorm:"type:jsonb"`
	Preview         models.Preview `gorm:"serializer:json"`
	Reason          string
	ProposedAt      time.Time
	ProposedBy      string
	ProposerSubject string
	State           models.ProposalState
	DecidedAt       *time.Time
	DecidedBy       string
	DeciderSubject  string
	Answer          string
}

func (proposalRecord) TableName() string { return "proposals" }

func (r *proposalRecord) proposal() models.Proposal {
	return models.Proposal{
		ID: r.ProposalID, What: r.What, Subject: r.Subject, Details: r.Details, Preview: r.Preview, Reason: r.Reason,
		ProposedAt: r.ProposedAt.UTC(), Proposer: models.Person{Subject: r.ProposerSubject, Name: r.ProposedBy},
		State: r.State, DecidedAt: zeroTime(r.DecidedAt), Decider: models.Person{Subject: r.DeciderSubject, Name: r.DecidedBy}, Answer: r.Answer,
	}
}

// Propose keeps a proposal for a second person to decide, and records who made it. The
// same act is proposed once at a time: the error is then a *models.ProposalRefusal.
func (s *Store) Propose(ctx context.Context, p models.Proposal, role models.Role) (made models.Proposal, err error) {
	err = s.write(ctx, fmt.Sprintf("proposing %s of %s", p.What, p.Subject), func(tx *tx) error {
		record := proposalRecord{
			What: p.What, Subject: p.Subject, Details: p.Details, Preview: p.Preview, Reason: p.Reason,
			ProposedAt: tx.now, ProposedBy: p.Proposer.Name, ProposerSubject: p.Proposer.Subject, State: models.ProposalOpen,
		}
		result := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&record)
		if result.Error != nil {
			return result.Error
		}
		if result.RowsAffected == 0 {
			return tx.proposedAlready(&p)
		}
		made = record.proposal()
		return tx.recordAction(models.OperatorAction{
			Who: p.Proposer.Name, Role: role, What: models.ActionPropose, Subject: models.ProposalSubject(made.ID),
			Reason: fmt.Sprintf("%s of %s: %s", p.What, p.Subject, p.Reason),
		})
	})
	return made, err
}

func (t *tx) proposedAlready(p *models.Proposal) error {
	var open []proposalRecord
	err := t.Where("what = ? AND subject = ? AND state = ?", p.What, p.Subject, models.ProposalOpen).Limit(1).Find(&open).Error
	if err != nil {
		return err
	}
	if len(open) == 0 {
		return errRetry // it has been decided in this moment
	}
	return &models.ProposalRefusal{Why: models.ProposalPending, Proposal: open[0].ProposalID, By: open[0].ProposedBy}
}

// proposalOf is the proposal that allows an act, locked; nil for an act that needs none.
// It is open, it proposes this act, and another person has made it; otherwise the error
// is a *models.ProposalRefusal.
func (t *tx) proposalOf(a *models.OperatorAction) (*proposalRecord, error) {
	if a.Approval == nil {
		return nil, nil
	}
	record, err := t.openProposal(a.Approval.Proposal)
	if err != nil {
		return nil, err
	}
	p := record.proposal()
	switch {
	case p.What != a.What || p.Subject != a.Subject:
		return nil, &models.ProposalRefusal{Why: models.ProposalMismatch, Proposal: p.ID}
	case p.Proposer.Is(a.Approval.By):
		return nil, &models.ProposalRefusal{Why: models.ProposalOwn, Proposal: p.ID, By: p.Proposer.Name}
	}
	return record, nil
}

// approve uses up the approval of an act, if it has one.
func (t *tx) approve(a *models.OperatorAction) error {
	record, err := t.proposalOf(a)
	if err != nil || record == nil {
		return err
	}
	if err := t.decideProposal(record, models.ProposalApproved, a.Approval.By, ""); err != nil {
		return err
	}
	return t.recordAction(models.OperatorAction{
		Who: a.Approval.By.Name, Role: a.Role, What: models.ActionApprove, Subject: models.ProposalSubject(record.ProposalID),
		Reason: "proposed by " + record.ProposedBy,
	})
}

// openProposal is a proposal that can be decided, locked.
func (t *tx) openProposal(id int64) (*proposalRecord, error) {
	var records []proposalRecord
	err := t.Clauses(clause.Locking{Strength: "UPDATE"}).Where("proposal_id = ?", id).Limit(1).Find(&records).Error
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading proposal %d: %w", id, err)
	case len(records) == 0:
		return nil, &models.ProposalRefusal{Why: models.ProposalUnknown, Proposal: id}
	case records[0].State != models.ProposalOpen:
		return nil, &models.ProposalRefusal{Why: models.ProposalDecided, Proposal: id, By: records[0].DecidedBy}
	}
	return &records[0], nil
}

func (t *tx) decideProposal(r *proposalRecord, state models.ProposalState, by models.Person, answer string) error {
	err := t.Model(&proposalRecord{}).Where("proposal_id = ?", r.ProposalID).Updates(map[string]any{
		"state": state, "decided_at": t.now, "decided_by": by.Name, "decider_subject": by.Subject, "answer": answer,
	}).Error
	return wrap(fmt.Sprintf("deciding proposal %d", r.ProposalID), err)
}

// RejectProposal ends a proposal without carrying it out, and records who did so and
// why. Its own proposer withdraws it. The error is a *models.ProposalRefusal when it is
// not open.
func (s *Store) RejectProposal(ctx context.Context, id int64, by models.Person, role models.Role, why string) error {
	return s.write(ctx, fmt.Sprintf("rejecting proposal %d", id), func(tx *tx) error {
		record, err := tx.openProposal(id)
		if err != nil {
			return err
		}
		state, what := models.ProposalRejected, models.ActionReject
		if p := record.proposal(); p.Proposer.Is(by) {
			state, what = models.ProposalWithdrawn, models.ActionWithdraw
		}
		if err := tx.decideProposal(record, state, by, why); err != nil {
			return err
		}
		return tx.recordAction(models.OperatorAction{Who: by.Name, Role: role, What: what, Subject: models.ProposalSubject(id), Reason: why})
	})
}

// Proposal is one proposal. found is false when there is none.
func (s *Store) Proposal(ctx context.Context, id int64) (p models.Proposal, found bool, err error) {
	list, err := s.proposals(ctx, func(q *gorm.DB) *gorm.DB { return q.Where("proposal_id = ?", id).Limit(1) })
	if err != nil || len(list) == 0 {
		return p, false, err
	}
	return list[0], true, nil
}

// OpenProposals is up to limit proposals that wait for a decision, the oldest first.
func (s *Store) OpenProposals(ctx context.Context, limit int) ([]models.Proposal, error) {
	return s.proposals(ctx, func(q *gorm.DB) *gorm.DB {
		return q.Where("state = ?", models.ProposalOpen).Order("proposal_id").Limit(limit)
	})
}

// DecidedProposals is up to limit decided proposals with numbers below before, the
// newest first; the newest of all before 0.
func (s *Store) DecidedProposals(ctx context.Context, before int64, limit int) ([]models.Proposal, error) {
	return s.proposals(ctx, func(q *gorm.DB) *gorm.DB {
		if before > 0 {
			q = q.Where("proposal_id < ?", before)
		}
		return q.Where("state <> ?", models.ProposalOpen).Order("proposal_id DESC").Limit(limit)
	})
}

func (s *Store) proposals(ctx context.Context, which func(*gorm.DB) *gorm.DB) ([]models.Proposal, error) {
	var records []proposalRecord
	err := which(s.gorm.WithContext(ctx)).Find(&records).Error
	return convert(records, (*proposalRecord).proposal), wrap("reading proposals", err)
}
