package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"referral/billing"
	"referral/models"
	"referral/test/storetest"
)

var (
	anna  = models.Person{Subject: "1", Name: "Anna"}
	boris = models.Person{Subject: "2", Name: "Boris"}
)

// proposeWriteOff has Anna propose to write a document off.
func (l *life) proposeWriteOff(id models.UUID) (models.Proposal, error) {
	return l.Propose(l.Context(), models.Proposal{
		What: models.ActionWriteOff, Subject: id.String(), Proposer: anna, Reason: "paid in cash",
		Preview: models.Preview{Changes: []models.PreviewChange{{AccountID: 885, InvoiceID: "INV-2026-04-885", Period: 202604, Currency: "RUB", Amount: -142000}}},
	}, models.RoleFinance)
}

func (l *life) approveWriteOff(id models.UUID, proposal int64, by models.Person) error {
	_, _, err := l.WriteOff(l.Context(), id, models.OperatorAction{
		Who: by.Name, Role: models.RoleController, What: models.ActionWriteOff, Subject: id.String(), Reason: "paid in cash",
		Approval: &models.Approval{Proposal: proposal, By: by},
	}, billing.MayWriteOff)
	return err
}

func refused(t *testing.T, err error, why models.ProposalObstacle) {
	t.Helper()
	var refusal *models.ProposalRefusal
	if !errors.As(err, &refusal) || refusal.Why != why {
		t.Errorf("%v, want a refusal: %s", err, why)
	}
}

// acts is what the journal says that people did, in order.
func (l *life) actsOfPersons() (acts []string) {
	l.Helper()
	entries, err := l.Journal(l.Context(), 0, 100)
	if err != nil {
		l.Fatal(err)
	}
	for _, e := range slices.Backward(entries) {
		acts = append(acts, fmt.Sprintf("%s (%s): %s %s", e.Who, e.Role, e.What, e.Subject))
	}
	return acts
}

// What is proposed happens when another person approves it, once, and in the same
// transaction.
func TestTwoPersonsWriteOff(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	made, err := l.proposeWriteOff(adjustment885)
	if err != nil || made.ID != 1 || made.State != models.ProposalOpen || made.Preview.Changes[0].Amount != -142000 {
		t.Fatalf("%+v, %v", made, err)
	}
	_, err = l.proposeWriteOff(adjustment885)
	refused(t, err, models.ProposalPending)
	refused(t, l.approveWriteOff(adjustment885, 1, anna), models.ProposalOwn)
	refused(t, l.approveWriteOff(adjustment885, 1, models.Person{Name: " anna"}), models.ProposalOwn)
	refused(t, l.approveWriteOff(adjustment885, 7, boris), models.ProposalUnknown)
	refused(t, l.approveWriteOff(package885, 1, boris), models.ProposalMismatch)
	if n := l.number("SELECT count(*) FROM document_write_offs"); n != 0 {
		t.Fatalf("%d documents are written off without a second person", n)
	}
	if err := l.approveWriteOff(adjustment885, 1, boris); err != nil {
		t.Fatal(err)
	}
	if n := l.number("SELECT count(*) FROM document_write_offs"); n != 1 {
		t.Errorf("%d documents are written off", n)
	}
	p, found, err := l.Proposal(l.Context(), 1)
	if err != nil || !found || p.State != models.ProposalApproved || p.Decider != boris || p.DecidedAt.IsZero() {
		t.Errorf("%+v, %v", p, err)
	}
	want := []string{
		"Anna (finance): propose proposal 1", "Boris (controller): approve proposal 1", "Boris (controller): write-off " + adjustment885.String(),
	}
	if acts := l.actsOfPersons(); !slices.Equal(acts, want) {
		t.Errorf("the journal says %q", acts)
	}
	_, _, err = l.writeOff(package885)
	if err != nil {
		t.Errorf("a command needs one person: %v", err)
	}
}

// An act that is no longer possible leaves its proposal open, and what was approved is
// not approved again.
func TestRefusedActLeavesItsProposalOpen(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	if _, err := l.proposeWriteOff(adjustment885); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.resend(adjustment885); err != nil {
		t.Fatal(err)
	}
	var refusal billing.Refusal
	if err := l.approveWriteOff(adjustment885, 1, boris); !errors.As(err, &refusal) {
		t.Errorf("a document that was sent again is written off: %v", err)
	}
	open, err := l.OpenProposals(l.Context(), 10)
	if err != nil || len(open) != 1 || open[0].ID != 1 {
		t.Fatalf("open: %+v, %v", open, err)
	}
	if err := l.RejectProposal(l.Context(), 1, boris, models.RoleController, "it was sent again"); err != nil {
		t.Fatal(err)
	}
	refused(t, l.RejectProposal(l.Context(), 1, boris, models.RoleController, "once more"), models.ProposalDecided)
	l.publishAll()
	l.answer(adjustment885, models.ResultRejected)
	refused(t, l.approveWriteOff(adjustment885, 1, boris), models.ProposalDecided)
	again, err := l.proposeWriteOff(adjustment885)
	if err != nil || again.ID == 1 {
		t.Fatalf("a rejected proposal keeps the act from being proposed again: %+v, %v", again, err)
	}
	if err := l.RejectProposal(l.Context(), again.ID, anna, models.RoleFinance, "my mistake"); err != nil {
		t.Fatal(err)
	}
	decided, err := l.DecidedProposals(l.Context(), 0, 10)
	if err != nil || len(decided) != 2 || decided[0].State != models.ProposalWithdrawn || decided[1].State != models.ProposalRejected || decided[1].Answer != "it was sent again" {
		t.Errorf("decided: %+v, %v", decided, err)
	}
	if earlier, err := l.DecidedProposals(l.Context(), again.ID, 10); err != nil || len(earlier) != 1 || earlier[0].ID != 1 {
		t.Errorf("before proposal %d: %+v, %v", again.ID, earlier, err)
	}
}

// A decision is not changed, by the program or behind it.
func TestDecidedProposalsStay(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	if _, err := l.proposeWriteOff(adjustment885); err != nil {
		t.Fatal(err)
	}
	if err := l.RejectProposal(l.Context(), 1, boris, models.RoleController, "no"); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"UPDATE proposals SET state = 'open', decided_at = NULL, decided_by = ''", "UPDATE proposals SET answer = 'yes'", "UPDATE proposals SET reason = 'another'",
		"DELETE FROM proposals", "TRUNCATE proposals",
	} {
		if _, err := storetest.SQL(t, l.dsn).Exec(statement); err == nil {
			t.Errorf("the database allows %s", statement)
		}
	}
}
