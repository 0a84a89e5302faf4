package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

// decide has Anna propose a decision and Boris approve it.
func (l *life) decide(d models.StaffDecision, check func(*models.WorkingSet, models.StaffDecision) (models.StaffDecision, error)) (models.StaffDecision, error) {
	l.Helper()
	what := models.OperatorActionKind(d.Kind)
	p, err := l.Propose(l.Context(), models.Proposal{What: what, Subject: d.Subject(), Proposer: anna, Reason: "a test"}, models.RoleFinance)
	if err != nil {
		l.Fatal(err)
	}
	return l.approveDecision(d, p.ID, boris, check)
}

func (l *life) approveDecision(d models.StaffDecision, proposal int64, by models.Person,
	check func(*models.WorkingSet, models.StaffDecision) (models.StaffDecision, error),
) (models.StaffDecision, error) {
	if d.ID == (models.UUID{}) {
		d.ID = models.HashUUID("decision", fmt.Sprint(proposal))
	}
	d.By, d.ApprovedBy, d.Reason = anna.Name, by.Name, "a test"
	return l.Decide(l.Context(), d, models.OperatorAction{
		Who: by.Name, Role: models.RoleController, What: models.OperatorActionKind(d.Kind), Subject: d.Subject(), Reason: d.Reason,
		Approval: &models.Approval{Proposal: proposal, By: by},
	}, check, l.derive)
}

func (l *life) decided(d models.StaffDecision) models.StaffDecision {
	l.Helper()
	d, err := l.decide(d, l.p.CheckDecision)
	if err != nil {
		l.Fatal(err)
	}
	return d
}

// adjustments is what the documents of an invoice say, in order.
func (l *life) adjustments(invoice string) string {
	l.Helper()
	return strings.Join(strings.Split(l.dump("SELECT sequence, reason, amount_minor, posting_period FROM adjustments WHERE invoice_id = $1", invoice), "\n"), " ")
}

const decisionsOfTests = "SELECT account_id, kind, inviter_id, code, from_day, decided_by, approved_by, reason FROM staff_decisions"

// A referral that is revoked takes the amounts back, in a month that was closed by a
// document of the next one, and its undoing gives them back.
func TestRevokedReferral(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 901, 902, 903)
	l.facts(models.PromoEnded{AccountID: 901, EndedAt: at("2026-04-01T00:00:00+03:00")}, april(885, 1, 300000), april(901, 1, 100000))
	l.calm()
	posted := l.dump(sums)
	revoke := models.StaffDecision{Kind: models.DecisionRevoke, AccountID: 901, From: models.FromTheStart}

	histories, codes, err := l.ConcernedBy(t.Context(), revoke)
	if err != nil {
		t.Fatal(err)
	}
	preview, err := l.p.PreviewDecision(histories, codes, revoke)
	if err != nil {
		t.Fatal(err)
	}
	want := []models.PreviewChange{
		{AccountID: 885, InvoiceID: "INV-2026-04-885", Period: 202604, Currency: "RUB", Amount: 60000},
		{AccountID: 885, Period: 202604, InvoiceID: "INV-2026-04-885", SMS: 1200},
		{AccountID: 901, InvoiceID: "INV-2026-04-901", Period: 202604, Currency: "RUB", Amount: 20000},
	}
	if whole := preview.Preview(); !slices.Equal(whole.Changes, want) || len(whole.Totals) != 1 || whole.Totals[0] != (models.PreviewTotal{Currency: "RUB", Accounts: 2, Amount: 80000}) {
		t.Errorf("the preview is %+v", whole)
	}
	if n := l.number("SELECT count(*) FROM stale"); n != 0 {
		t.Fatalf("a preview marks %d accounts", n)
	}

	p, err := l.Propose(t.Context(), models.Proposal{What: models.ActionRevoke, Subject: revoke.Subject(), Proposer: anna, Reason: "a test", Preview: preview.Preview()}, models.RoleFinance)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.approveDecision(revoke, p.ID, anna, l.p.CheckDecision)
	refused(t, err, models.ProposalOwn)
	other := revoke
	other.AccountID = 902
	_, err = l.approveDecision(other, p.ID, boris, l.p.CheckDecision)
	refused(t, err, models.ProposalMismatch)
	if n := l.number("SELECT count(*) FROM staff_decisions"); n != 0 || l.dump(sums) != posted {
		t.Fatal("something was decided by one person")
	}
	l.close(202604)
	revoke, err = l.approveDecision(revoke, p.ID, boris, l.p.CheckDecision)
	if err != nil {
		t.Fatal(err)
	}
	l.calm()
	if got := l.adjustments("INV-2026-04-885"); got != "(1,run,-180000,202604) (2,revoked,60000,202605)" {
		t.Errorf("the inviter's invoice has %s", got)
	}
	if got := l.adjustments("INV-2026-04-901"); got != "(1,run,-20000,202604) (2,revoked,20000,202605)" {
		t.Errorf("the invitee's invoice has %s", got)
	}
	l.tie(202604)
	c, entered, known, err := l.PortalAccount(t.Context(), 885)
	if err != nil || entered || !known {
		t.Fatal(entered, known, err)
	}
	if view := l.p.PortalView(&c, day("2026-04-20")); view.Friends != 2 || view.Current.Percent != 40 {
		t.Errorf("the client sees %d friends and %d %%", view.Friends, view.Current.Percent)
	}
	if list, err := l.ReferredAccounts(t.Context(), 885, models.ReferralCursor{}, 10); err != nil || len(list) != 3 {
		t.Errorf("%+v, %v", list, err)
	}

	var refusal billing.Refusal
	if _, err := l.decide(models.StaffDecision{Kind: models.DecisionRevoke, AccountID: 901, From: day("2026-05-01")}, l.p.CheckDecision); !errors.As(err, &refusal) {
		t.Errorf("it is revoked twice: %v", err)
	}
	l.decided(models.StaffDecision{Kind: models.DecisionUndo, AccountID: 901, Undoes: revoke.ID})
	l.calm()
	if got := l.adjustments("INV-2026-04-885"); got != "(1,run,-180000,202604) (2,revoked,60000,202605) (3,revoked,-60000,202605)" {
		t.Errorf("after the undoing the inviter's invoice has %s", got)
	}
	if l.dump(sums) != posted {
		t.Errorf("after the undoing the ledger comes to\n%s\nwant\n%s", l.dump(sums), posted)
	}
	l.tie(202604)
	l.facts(models.PromoEnded{AccountID: 902, EndedAt: at("2026-04-01T00:00:00+03:00")}, april(902, 1, 100000))
	l.calm()
	if got := l.adjustments("INV-2026-04-902"); got != "(1,late-fact,-20000,202605)" {
		t.Errorf("another account's invoice has %s", got)
	}
	const kept = "(901,revoke,885,\"\",1900-01-01,Anna,Boris,\"a test\")\n(901,undo,885,\"\",,Anna,Boris,\"a test\")"
	if got := l.dump(decisionsOfTests); got != kept {
		t.Errorf("the decisions are\n%s", got)
	}
	for _, change := range []string{"UPDATE staff_decisions SET reason = 'another'", "DELETE FROM staff_decisions", "TRUNCATE staff_decisions"} {
		if _, err := l.db.Exec(change); err == nil {
			t.Errorf("%s is allowed", change)
		}
	}
}

// A code is accepted for an account whose client was refused, and for one whose client
// asks only later; what is kept otherwise is a break by name.
func TestAcceptedCode(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(885, "2025-06-01T09:00:00Z"), registered(901, "2026-04-01T09:00:00Z"), registered(902, "2026-04-01T09:00:00Z"),
		activated(901, 885, "2026-05-20T09:00:00Z"), april(885, 1, 300000))
	l.calm()
	late := models.StaffDecision{Kind: models.DecisionAcceptCode, AccountID: 901, Code: codeOf(885), RequestedAt: at("2026-05-20T09:00:00Z")}
	late = l.decided(late)
	never := l.decided(models.StaffDecision{Kind: models.DecisionAcceptCode, AccountID: 902, Code: codeOf(885), RequestedAt: at("2026-04-16T00:00:00+03:00")})
	const requests = "SELECT account_id, status, reason, inviter_id, provenance IS NOT NULL FROM activations"
	if got := l.dump(requests); got != "(901,accepted,window_closed,885,t)\n(902,accepted,withdrawn,885,f)" {
		t.Errorf("the requests are\n%s", got)
	}
	l.calm()
	if got := l.adjustments("INV-2026-04-885"); got != "(1,late-fact,-30000,202604)" {
		t.Errorf("the invoice has %s", got)
	}
	l.tie(202604)
	l.facts(activated(902, 901, "2026-04-17T09:00:00Z"), activated(902, 885, "2026-04-16T00:00:00+03:00"))
	if got := l.dump(requests + " WHERE account_id = 902"); got != "(902,accepted,\"\",885,t)\n(902,refused,already_activated,0,t)" {
		t.Errorf("the requests of 902 are\n%s", got)
	}
	l.decided(models.StaffDecision{Kind: models.DecisionUndo, AccountID: 902, Undoes: never.ID})
	if got := l.dump("SELECT inviter_id FROM activations WHERE account_id = 902 AND status = 'accepted'"); got != "(901)" {
		t.Errorf("after the undoing the request that came first is not accepted: %s", got)
	}
	l.decided(models.StaffDecision{Kind: models.DecisionUndo, AccountID: 901, Undoes: late.ID})
	l.calm()
	l.tie(202604)
	if got := l.dump(requests + " WHERE account_id = 901"); got != "(901,refused,window_closed,0,t)" {
		t.Errorf("after the undoing the request of 901 is %s", got)
	}
	if got := l.dump("SELECT account_id, invitee_id FROM referrals"); got != "(901,902)" {
		t.Errorf("the referrals are %s", got)
	}
	l.exec("UPDATE referrals SET revoked_from = '2026-04-20'")
	breaks := l.breaks(202604)
	if !slices.ContainsFunc(breaks, func(b billing.Break) bool { return b.Kind == billing.BreakDecision && b.AccountID == 901 }) {
		t.Errorf("a referral that nobody has revoked is kept as revoked: %+v", breaks)
	}
}

// Decisions among facts and runs come to what they come to after all facts, in whatever
// order.
func TestDecisionsAmongFacts(t *testing.T) {
	t.Parallel()
	for round := range 3 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			h := newHistory(rand.New(rand.NewPCG(seed, 0)))
			l, after := newLife(t), newLife(t)
			owners, facts := h.owners(), h.facts()
			l.facts(owners...)
			var decided []models.StaffDecision
			for _, batch := range cut(h.Rand, facts, 8) {
				l.facts(batch...)
				d, err := l.decide(h.decision(decided), l.p.CheckDecision)
				if err == nil {
					decided = append(decided, d)
				} else if refusal := billing.Refusal(""); !errors.As(err, &refusal) {
					t.Fatal(err)
				}
				l.exec("UPDATE proposals SET state = 'rejected', decided_at = now(), decided_by = 'test' WHERE state = 'open'")
				if h.IntN(4) == 0 {
					l.settle(models.RunRequest{Period: historyPeriods[h.IntN(len(historyPeriods))], Accept: true})
				}
			}
			if len(decided) < 2 {
				t.Fatalf("only %d decisions were possible", len(decided))
			}
			l.calm()
			l.tie(historyPeriods...)

			after.facts(slices.Concat(owners, facts)...)
			for _, d := range shuffled(h.Rand, decided) {
				if _, err := after.decide(d, func(*models.WorkingSet, models.StaffDecision) (models.StaffDecision, error) { return d, nil }); err != nil {
					t.Fatal(err)
				}
			}
			after.calm()
			after.tie(historyPeriods...)
			const amounts = "SELECT account_id, invoice_id, line_id, sum(amount_minor) FROM adjustment_items GROUP BY 1, 2, 3 HAVING sum(amount_minor) <> 0"
			if got, want := l.dump(amounts), after.dump(amounts); got != want || want == "" {
				t.Errorf("the ledger comes to\n%s\ndecisions after all facts come to\n%s", got, want)
			}
			const derived = "SELECT account_id, kind, from_day, to_day, percent, step FROM discounts"
			if got, want := l.dump(derived), after.dump(derived); got != want {
				t.Errorf("the discounts are\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// decision is one that may be possible.
func (h *history) decision(decided []models.StaffDecision) models.StaffDecision {
	d := models.StaffDecision{Kind: models.DecisionRevoke, AccountID: historyInviters + 1 + h.Int64N(20-historyInviters), From: models.FromTheStart}
	switch h.IntN(4) {
	case 0:
		d.From = models.NewDate(2026, time.January, 1) + models.Date(h.IntN(150))
	case 1:
		d.Kind, d.From, d.Code, d.RequestedAt = models.DecisionAcceptCode, 0, codeOf(1+h.Int64N(historyInviters)), h.on(90)
	case 2:
		if len(decided) > 0 {
			of := decided[h.IntN(len(decided))]
			d.Kind, d.From, d.AccountID, d.Undoes = models.DecisionUndo, 0, of.AccountID, of.ID
		}
	}
	return d
}
