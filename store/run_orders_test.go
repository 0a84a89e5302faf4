package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing/rehearsal"
	"referral/models"
)

func (l *life) order(o models.RunOrder) (models.RunOrder, bool) {
	l.Helper()
	o.By = anna
	act := models.OperatorAction{Who: anna.Name, Role: models.RoleFinance, What: models.ActionRehearse, Subject: o.Period.String()}
	if o.What == "" {
		o.What = models.OrderRehearsal
	}
	order, made, err := l.OrderRun(l.Context(), o, act)
	if err != nil {
		l.Fatal(err)
	}
	return order, made
}

func (l *life) claim() models.RunOrder {
	l.Helper()
	o, found, err := l.ClaimRunOrder(l.Context())
	if err != nil || !found {
		l.Fatalf("no order is taken up: %t, %v", found, err)
	}
	return o
}

// rehearse carries an order for a rehearsal out, as the scheduler does.
func (l *life) rehearse(o models.RunOrder) models.Rehearsal {
	l.Helper()
	var s rehearsal.Summary
	settle := func(run models.Run, in *models.SettlementInput) models.SettlementResult {
		return s.Settle(l.pay)(run, in)
	}
	run, before, err := l.Rehearse(l.Context(), models.RunRequest{Period: o.Period, Full: o.Full, Chunk: 2}, settle,
		func(out *models.SettlementResult) error { s.See(out); return nil },
		func(through, _ int) error {
			if through > 0 {
				return nil
			}
			s.Reset()
			return l.ForgetRehearsed(l.Context(), o, 0)
		})
	if err == nil {
		err = l.KeepRehearsed(l.Context(), o, s.Amounts())
	}
	if err != nil {
		l.Fatal(err)
	}
	found := s.Found()
	found.AsOf, found.Before, found.Run = run.StartedAt, before, models.RehearsedRun{Period: run.Period, PostingPeriod: run.PostingPeriod, Kind: run.Kind, Totals: run.Totals}
	if found.Changed, found.NewFull, found.FullMore, err = l.RehearsedChanges(l.Context(), o, 3); err != nil {
		l.Fatal(err)
	}
	o.Rehearsal = &found
	if err := l.EndRunOrder(l.Context(), o); err != nil {
		l.Fatal(err)
	}
	return found
}

// Comparisons of the same terms over the same months that have not ended are one order;
// what one has found is kept, and it is not among the orders of its month.
func TestWhatIfIsKept(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	what := models.RunOrder{Period: 202604, From: 202602, What: models.OrderWhatIf, Terms: `{"Ladder":[{"Percent":10}]}`}
	first, made := l.order(what)
	again, twice := l.order(what)
	if !made || twice || again.ID != first.ID || first.Terms != what.Terms || first.From != 202602 {
		t.Errorf("made %+v and %+v", first, again)
	}
	otherTerms, otherMonths := what, what
	otherTerms.Terms, otherMonths.From = `{"Ladder":[{"Percent":20}]}`, 202603
	second, _ := l.order(otherTerms)
	third, _ := l.order(otherMonths)
	if second.ID == first.ID || third.ID == first.ID || third.ID == second.ID {
		t.Errorf("other comparisons are %d and %d, the first is %d", second.ID, third.ID, first.ID)
	}
	o := l.claim()
	if o.ID != first.ID || o.Terms != what.Terms || o.From != 202602 {
		t.Errorf("taken up: %+v", o)
	}
	o.WhatIf = []byte(`{"failed": 7}`)
	if err := l.EndRunOrder(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got, found, err := l.RunOrder(t.Context(), first.ID); err != nil || !found || got.State != models.OrderDone || string(got.WhatIf) != `{"failed": 7}` || got.Rehearsal != nil {
		t.Errorf("kept: %+v, %v", got, err)
	}
	list, err := l.WhatIfs(t.Context(), 2)
	if err != nil || len(list) != 2 || list[0].ID != third.ID || list[1].ID != second.ID {
		t.Errorf("listed: %+v, %v", list, err)
	}
	if orders, err := l.RunOrders(t.Context(), 202604, 10); err != nil || len(orders) != 0 {
		t.Errorf("orders of the month: %+v, %v", orders, err)
	}
	if repeated, made := l.order(what); !made || repeated.ID == first.ID {
		t.Errorf("after it has ended: %+v", repeated)
	}
}

// An order is made once however often it is asked for, is taken up once, and is taken up
// again when its process has died; that one can then change nothing.
func TestOrdersAreCarriedOutOnce(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	first, made := l.order(models.RunOrder{Period: 202604})
	again, twice := l.order(models.RunOrder{Period: 202604})
	if !made || twice || again.ID != first.ID || first.State != models.OrderWaiting || first.By != anna {
		t.Errorf("made %+v and %+v", first, again)
	}
	if n := l.number("SELECT count(*) FROM operator_actions WHERE what = 'rehearse'"); n != 1 {
		t.Errorf("%d acts are recorded", n)
	}
	other, _ := l.order(models.RunOrder{Period: 202604, What: models.OrderRun})
	taken := make([]models.RunOrder, 6)
	together(t, len(taken), func(i int) (err error) {
		taken[i], _, err = l.ClaimRunOrder(t.Context())
		return err
	})
	var ids []int64
	for _, o := range taken {
		if o.ID != 0 {
			ids = append(ids, o.ID)
		}
	}
	slices.Sort(ids)
	if !slices.Equal(ids, []int64{first.ID, other.ID}) {
		t.Fatalf("taken up are %v", ids)
	}
	dead := taken[slices.IndexFunc(taken, func(o models.RunOrder) bool { return o.ID == first.ID })]
	dead.Through, dead.All = 3, 7
	if held, err := l.NoteRunOrder(t.Context(), dead); err != nil || !held {
		t.Errorf("its own order is not held: %v", err)
	}
	if got, _, err := l.RunOrder(t.Context(), first.ID); err != nil || got.Through != 3 || got.All != 7 || got.State != models.OrderWorking || got.Seen.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if o, found, err := l.OrderInWork(t.Context()); err != nil || !found || o.ID != first.ID {
		t.Errorf("in work is %+v, %t, %v", o, found, err)
	}
	l.exec("UPDATE run_orders SET seen_at = now() - interval '61 seconds'")
	if o, found, err := l.OrderInWork(t.Context()); err != nil || found {
		t.Errorf("after a minute of silence %+v is in work, %v", o, err)
	}
	l.exec("UPDATE run_orders SET seen_at = now() WHERE order_id = $1", other.ID)
	if o := l.claim(); o.ID != first.ID || o.Attempt != 2 || o.All != 0 {
		t.Errorf("after a minute of silence: %+v", o)
	}
	dead.Error = "too late"
	if err := l.EndRunOrder(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	if held, err := l.NoteRunOrder(t.Context(), dead); err != nil || held {
		t.Errorf("the process that was taken for dead still holds the order: %v", err)
	}
	o, _, err := l.RunOrder(t.Context(), first.ID)
	if err != nil || o.State != models.OrderWorking || o.Error != "" {
		t.Errorf("it has ended the order: %+v, %v", o, err)
	}
	if err := l.ReleaseRunOrder(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o = l.claim()
	o.Error = "the disk is full\x00"
	if err := l.EndRunOrder(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	list, err := l.RunOrders(t.Context(), 202604, 10)
	if err != nil || len(list) != 2 || list[1].State != models.OrderFailed || list[1].Error != "the disk is full\uFFFD" || list[1].FinishedAt.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	if _, made := l.order(models.RunOrder{Period: 202604}); !made {
		t.Error("a failed order stands in the way of the next")
	}
	stats, err := l.Stats(t.Context())
	if err != nil || stats.RunOrders[models.OrderWaiting] != 1 || stats.RunOrders[models.OrderWorking] != 1 || !stats.OldestOrder.Equal(l.now) {
		t.Errorf("%+v, %v", stats, err)
	}
}

// The second person's approval, the act and the order are one transaction.
func TestAcceptedRunIsOrderedWithItsApproval(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	p, err := l.Propose(t.Context(), models.Proposal{What: models.ActionAcceptRun, Subject: "2026-04", Reason: "checked", Proposer: anna}, models.RoleFinance)
	if err != nil {
		t.Fatal(err)
	}
	seen := models.Money(-35500000)
	order := func(by models.Person) error {
		_, _, err := l.OrderRun(t.Context(), models.RunOrder{Period: 202604, What: models.OrderAcceptedRun, Accepted: &seen, By: by}, models.OperatorAction{
			Who: by.Name, Role: models.RoleController, What: models.ActionAcceptRun, Subject: "2026-04", Reason: "checked", Approval: &models.Approval{Proposal: p.ID, By: by},
		})
		return err
	}
	var refusal *models.ProposalRefusal
	if err := order(anna); !errors.As(err, &refusal) || refusal.Why != models.ProposalOwn || l.number("SELECT count(*) FROM run_orders") != 0 {
		t.Errorf("her own proposal: %v", err)
	}
	boris := models.Person{Subject: "f:8", Name: "Борис Лебедев"}
	if err := order(boris); err != nil {
		t.Fatal(err)
	}
	if o := l.claim(); o.What != models.OrderAcceptedRun || o.By != boris || o.Accepted == nil || *o.Accepted != seen {
		t.Errorf("%+v", o)
	}
	if err := order(boris); !errors.As(err, &refusal) || refusal.Why != models.ProposalDecided {
		t.Errorf("approved twice: %v", err)
	}
}

// A rehearsal keeps what it found, and the run that follows is compared with it: every
// kind of fact that came in between is named for the account that it has changed.
func TestRunIsComparedWithItsRehearsal(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.facts(registered(950, "2026-04-01T08:00:00+03:00"), april(950, 1, 70000), registered(951, "2026-03-20T08:00:00+03:00"), april(951, 1, 90000))
	l.order(models.RunOrder{Period: 202604})
	o := l.claim()
	found := l.rehearse(o)
	if found.Run.Totals.Documents == 0 || found.Run.Kind != models.RunRegular || len(found.Largest) != int(found.Run.Totals.Documents) || len(found.Services) == 0 {
		t.Fatalf("rehearsed %+v", found)
	}
	if found.Changed[0].Before != 0 || found.Changed[0].Now != found.Largest[0].Amount || len(found.Changed) != 3 {
		t.Errorf("against March: %+v", found.Changed)
	}
	last, there, err := l.LastRehearsal(t.Context(), 202604)
	if err != nil || !there || last.ID != o.ID || last.Rehearsal.Run.Totals != found.Run.Totals {
		t.Errorf("kept is %+v, %v", last, err)
	}
	if _, _, early, err := l.UncomparedRehearsal(t.Context()); err != nil || early {
		t.Errorf("compared before the run: %v", err)
	}
	l.now = l.now.Add(time.Hour)
	l.facts(
		april(885, 2, 500000), // revised
		april(700, 2),         // cancelled
		&models.Invoice{AccountID: 900, ID: "INV-NEW", Revision: 1, Period: 202604, Currency: "RUB", Lines: april(900, 1, 1000).Lines}, // came
		models.PromoEnded{AccountID: 901, EndedAt: at("2026-04-11T21:00:00Z")},
		activated(951, 950, "2026-04-10T12:00:00+03:00"), // makes 950 an inviter
	)
	run := l.settle(models.RunRequest{Period: 202604})
	got, compared, ready, err := l.UncomparedRehearsal(t.Context())
	if err != nil || !ready || got.ID != o.ID || compared.ID != run.ID {
		t.Fatalf("%+v with %+v, %t, %v", got, compared, ready, err)
	}
	named, all, err := l.RunDifferences(t.Context(), got, 0, run.ID, 1000)
	if err != nil || int(all) != len(named) {
		t.Fatal(all, err)
	}
	e := rehearsal.Explainer{Period: 202604, Run: run.ID, Kind: models.RunRegular, AsOf: found.AsOf, Local: l.p.Local}
	var explained []string
	for i := range named {
		history, _, err := l.AccountHistory(t.Context(), named[i].AccountID)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range e.Explain(&named[i], &history) {
			where := ""
			if f.Provenance != nil {
				where = " by " + f.Provenance.Topic
			}
			explained = append(explained, fmt.Sprintf("%d %s %s %d %d→%d%s", named[i].AccountID, f.Kind, f.InvoiceID, f.Other, f.From, f.To, where))
		}
	}
	slices.Sort(explained)
	want := []string{
		"700 invoice-revised INV-2026-04-700 0 1→2 by t",
		"885 invoice-revised INV-2026-04-885 0 1→2 by t",
		"900 invoice-came INV-NEW 0 0→1 by t",
		"901 percent  0 0→20", "901 promo-ended  0 0→0 by t",
		"950 activation  951 0→0", "950 percent  0 0→20",
	}
	if !slices.Equal(explained, want) {
		t.Errorf("explained:\n%s\nwant\n%s", strings.Join(explained, "\n"), strings.Join(want, "\n"))
	}
	if some, count, err := l.RunDifferences(t.Context(), got, 0, run.ID, 2); err != nil || len(some) != 2 || count != all {
		t.Errorf("%d of %d, %v", len(some), count, err)
	}
	if err := l.KeepComparison(t.Context(), o.ID, &models.RunComparison{Run: run.ID, Accounts: all, Named: named}); err != nil {
		t.Fatal(err)
	}
	if kept, _, err := l.RunOrder(t.Context(), o.ID); err != nil || kept.Comparison == nil || len(kept.Comparison.Named) != len(named) {
		t.Errorf("kept is %+v, %v", kept.Comparison, err)
	}
	if _, _, more, err := l.UncomparedRehearsal(t.Context()); err != nil || more {
		t.Errorf("compared again: %v", err)
	}
}

// A rehearsal that found no account is compared too; one whose amounts were deleted is not.
func TestEmptyRehearsalIsCompared(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(885, "2025-06-01T09:00:00Z"), april(885, 1, 300000))
	l.order(models.RunOrder{Period: 202604})
	o := l.claim()
	l.rehearse(o)
	l.facts(registered(900, "2026-04-01T08:00:00+03:00"), activated(900, 885, "2026-04-01T09:00:00+03:00"))
	run := l.settle(models.RunRequest{Period: 202604})
	if _, compared, found, err := l.UncomparedRehearsal(t.Context()); err != nil || !found || compared.ID != run.ID {
		t.Errorf("%+v, %t, %v", compared, found, err)
	}
	if named, all, err := l.RunDifferences(t.Context(), o, 0, run.ID, 10); err != nil || all != 1 || named[0].Basis != nil {
		t.Errorf("%+v of %d, %v", named, all, err)
	}
	l.exec("UPDATE run_orders SET result = jsonb_set(result, '{accounts}', '7')") // of which none is kept any more
	if _, _, found, err := l.UncomparedRehearsal(t.Context()); err != nil || found {
		t.Errorf("compared with what is deleted: %v", err)
	}
}

// An account at 100 % is named in the month in which it reaches it, and not in the next.
func TestRehearsalNamesAccountsNewAtFull(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	friends := []int64{1, 2, 3, 4, 5}
	l.inviter(885, friends...)
	l.facts(april(885, 1, 300000), invoice(885, 202605, 1, 300000))
	for period, want := range map[models.Period]int{202604: 1, 202605: 0} {
		l.order(models.RunOrder{Period: period})
		if found := l.rehearse(l.claim()); len(found.NewFull) != want || found.Run.Totals.Full != 1 {
			t.Errorf("%s: %v of %d", period, found.NewFull, found.Run.Totals.Full)
		}
	}
}

// What a rehearsal would correct in signed months is kept account by account, and each of
// their runs is compared with it: every difference is explained by a named fact.
func TestCorrectionsAreComparedWithTheirRehearsal(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.calm()
	if _, err := l.closes(202604, "Anna", "a test"); err != nil {
		t.Fatal(err)
	}
	l.facts(april(885, 2, 500000), april(700, 2, 100000)) // late, for a signed month
	rehearse := func() (models.RunOrder, []models.RehearsedAmount) {
		t.Helper()
		l.order(models.RunOrder{Period: 202605})
		o := l.claim()
		l.rehearse(o)
		var s rehearsal.Summary
		s.Reset()
		_, _, err := l.Rehearse(t.Context(), models.RunRequest{Period: 202604, Chunk: 2}, func(run models.Run, in *models.SettlementInput) models.SettlementResult {
			return s.Settle(l.pay)(run, in)
		}, func(out *models.SettlementResult) error { s.SeeCorrection(202604, out); return nil }, nil)
		if err == nil {
			err = l.KeepRehearsed(t.Context(), o, s.Amounts())
		}
		if err != nil {
			t.Fatal(err)
		}
		kept, all, err := l.RehearsedCorrections(t.Context(), o, 10)
		if err != nil || int(all) != len(kept) {
			t.Fatal(all, err)
		}
		return o, kept
	}
	_, kept := rehearse()
	if len(kept) != 2 || kept[0].AccountID != 885 || kept[1].AccountID != 700 || kept[0].Period != 202604 || kept[0].Documents != 1 || kept[0].Amount >= 0 || kept[1].Amount <= 0 ||
		!slices.Equal(kept[0].Reasons, []models.AdjustmentReason{models.ReasonInvoiceRevised}) {
		t.Fatalf("kept %+v", kept)
	}
	o, _ := rehearse() // the newer one counts
	if _, _, early, err := l.UncomparedCorrections(t.Context()); err != nil || early {
		t.Errorf("compared before the run: %v", err)
	}
	l.now = l.now.Add(time.Hour)
	l.facts(april(700, 3, 200000), april(900, 2, 900000)) // one that was rehearsed, one that was not
	run := l.settle(models.RunRequest{Period: 202604})
	got, compared, found, err := l.UncomparedCorrections(t.Context())
	if err != nil || !found || got.ID != o.ID || compared.ID != run.ID || compared.PostingPeriod != 202605 {
		t.Fatalf("%+v with %+v, %t, %v", got, compared, found, err)
	}
	named, all, err := l.RunDifferences(t.Context(), got, 202604, run.ID, 10)
	if err != nil || all != 2 {
		t.Fatalf("%+v of %d, %v", named, all, err)
	}
	e := rehearsal.Explainer{Period: 202604, Run: run.ID, Kind: models.RunDifferences, AsOf: got.Rehearsal.AsOf, Local: l.p.Local}
	var explained []string
	for i := range named {
		history, _, err := l.AccountHistory(t.Context(), named[i].AccountID)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range e.Explain(&named[i], &history) {
			explained = append(explained, fmt.Sprintf("%d %s %s %d→%d", named[i].AccountID, f.Kind, f.InvoiceID, f.From, f.To))
		}
	}
	slices.Sort(explained)
	if want := []string{"700 invoice-revised INV-2026-04-700 2→3", "900 invoice-came INV-2026-04-900 0→2"}; !slices.Equal(explained, want) {
		t.Errorf("explained %q, want %q", explained, want)
	}
	for range 2 { // by two processes
		if err := l.KeepComparison(t.Context(), o.ID, &models.RunComparison{Run: run.ID, Period: 202604, Accounts: all, Named: named}); err != nil {
			t.Fatal(err)
		}
	}
	whole, _, err := l.RunOrder(t.Context(), o.ID)
	if err != nil || len(whole.Corrected) != 1 || whole.Corrected[0].Period != 202604 || len(whole.Corrected[0].Named) != 2 || whole.Comparison != nil {
		t.Errorf("kept is %+v, %v", whole.Corrected, err)
	}
	if _, _, more, err := l.UncomparedCorrections(t.Context()); err != nil || more {
		t.Errorf("compared again: %v", err)
	}
}
