package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"referral/billing/whatif"
	"referral/models"
	"referral/scheduler"
)

// desk is the orders of persons, and what was kept of them.
type desk struct {
	orders      []*models.RunOrder
	notes       int                      // signs of a process at work
	lost        bool                     // another process has taken the order up
	accounts    []models.SettlementInput // that a rehearsal settles
	slow        time.Duration            // that each of them takes
	kept        []models.RehearsedAmount
	begun       int // rehearsals
	fails       error
	uncompared  bool
	compared    *models.RunComparison
	corrections []models.RunComparison // of signed months
	signed      []models.RunOrder
}

func (b *books) ClaimRunOrder(context.Context) (o models.RunOrder, found bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return o, false, errDown
	}
	for _, order := range b.desk.orders {
		if order.State == models.OrderWaiting {
			order.State = models.OrderWorking
			order.Attempt++
			return *order, true, nil
		}
	}
	return o, false, nil
}

func (b *books) NoteRunOrder(_ context.Context, o models.RunOrder) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desk.notes++
	b.desk.orders[o.ID-1].Through, b.desk.orders[o.ID-1].All = o.Through, o.All
	return !b.desk.lost, nil
}

func (b *books) ReleaseRunOrder(_ context.Context, o models.RunOrder) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desk.orders[o.ID-1].State = models.OrderWaiting
	return nil
}

func (b *books) EndRunOrder(_ context.Context, o models.RunOrder) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.State = models.OrderDone
	if o.Error != "" {
		o.State = models.OrderFailed
	}
	*b.desk.orders[o.ID-1] = o
	return nil
}

// sign looks at each account, and refuses when it is to fail.
func (b *books) sign(ctx context.Context, o *models.RunOrder, progress func(through, all int)) error {
	b.mu.Lock()
	accounts, slow, fails := len(b.desk.accounts), b.desk.slow, b.desk.fails
	b.mu.Unlock()
	for i := range accounts {
		progress(i, accounts)
		time.Sleep(slow)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if fails != nil {
		o.Signing.Refused = []string{"it does not tie: 2 breaks"}
		return fails
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desk.signed = append(b.desk.signed, *o)
	return nil
}

func (b *books) Rehearse(ctx context.Context, q models.RunRequest, settle models.SettleFunc, see func(*models.SettlementResult) error, progress func(through, all int) error) (models.Run, models.Totals, error) {
	b.mu.Lock()
	b.desk.begun++
	accounts, slow, fails := b.desk.accounts, b.desk.slow, b.desk.fails
	b.mu.Unlock()
	run := models.Run{Period: q.Period, PostingPeriod: q.Period, Kind: models.RunRegular, StartedAt: b.now()}
	for i := range accounts {
		if progress != nil {
			if err := progress(i, len(accounts)); err != nil {
				return run, models.Totals{}, err
			}
		}
		time.Sleep(slow)
		if ctx.Err() != nil {
			return run, models.Totals{}, ctx.Err()
		}
		out := settle(run, &accounts[i])
		run.Totals.Count(&out)
		if err := see(&out); err != nil {
			return run, models.Totals{}, err
		}
	}
	return run, models.Totals{}, fails
}

func (b *books) KeepRehearsed(_ context.Context, _ models.RunOrder, amounts []models.RehearsedAmount) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desk.kept = append(b.desk.kept, amounts...)
	return nil
}

func (b *books) ForgetRehearsed(_ context.Context, _ models.RunOrder, month models.Period) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desk.kept = slices.DeleteFunc(b.desk.kept, func(a models.RehearsedAmount) bool { return a.Period == month })
	return nil
}

func (b *books) RehearsedChanges(context.Context, models.RunOrder, int) ([]models.AccountChange, []int64, int64, error) {
	return []models.AccountChange{{AccountID: 1, Now: -5}}, []int64{1}, 7, nil
}

func (b *books) UncomparedRehearsal(context.Context) (o models.RunOrder, run models.Run, found bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return o, run, false, errDown
	}
	if !b.desk.uncompared || b.desk.compared != nil {
		return o, run, false, nil
	}
	return *b.desk.orders[0], models.Run{ID: 5, Period: 202604}, true, nil
}

// UncomparedCorrections is the run of March that has followed the rehearsal.
func (b *books) UncomparedCorrections(context.Context) (o models.RunOrder, run models.Run, found bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return o, run, false, errDown
	}
	if !b.desk.uncompared || len(b.desk.corrections) > 0 {
		return o, run, false, nil
	}
	return *b.desk.orders[0], models.Run{ID: 6, Period: 202603, PostingPeriod: 202604}, true, nil
}

func (b *books) RunDifferences(_ context.Context, _ models.RunOrder, month models.Period, _ int64, _ int) ([]models.AccountOutcomes, int64, error) {
	if month != 0 {
		return []models.AccountOutcomes{{AccountID: 3, Parked: true}}, 1, nil
	}
	return []models.AccountOutcomes{{AccountID: 1, Parked: true}, {AccountID: 2}}, 2, nil
}

func (b *books) AccountHistory(_ context.Context, account int64) (models.AccountHistory, bool, error) {
	return models.AccountHistory{Account: models.Account{ID: account}}, true, nil
}

func (b *books) KeepComparison(_ context.Context, _ int64, c *models.RunComparison) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.Period != 0 {
		b.desk.corrections = append(b.desk.corrections, *c)
		return nil
	}
	b.desk.compared = c
	return nil
}

// ordered puts an order on the desk.
func (b *books) ordered(o models.RunOrder) {
	b.change(func() {
		o.ID, o.State, o.Period = int64(len(b.desk.orders)+1), models.OrderWaiting, 202604
		b.desk.orders = append(b.desk.orders, &o)
	})
}

// clients is accounts with a discount of 20 % on an invoice of 1000 roubles each.
func clients(n int) (all []models.SettlementInput) {
	april := models.Period(202604)
	for i := range n {
		id := int64(i + 1)
		all = append(all, models.SettlementInput{
			AccountID: id, Discounts: []models.Discount{{AccountID: id, Kind: models.Inviter, From: april.First(), To: april.End(), Percent: 20, Step: 1}},
			Invoices: []models.InvoiceInput{{Invoice: models.Invoice{AccountID: id, ID: fmt.Sprint("INV-", id), Revision: 1, Period: april, Currency: "RUB", Lines: []models.Line{
				{ID: "1", Service: "subscription", From: april.First(), To: april.End(), Amount: 100000},
			}}}},
		})
	}
	return all
}

func quickly(o *scheduler.Options) { o.OrderPoll = 0 }

// A rehearsal is carried out within seconds of its order, says how far it is, and keeps
// what it finds and what each account would get.
func TestRehearsalIsOrdered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-03 12:00")
		b := newBooks(202604)
		b.periods[202604].State = models.PeriodRun
		b.periods[202603] = &models.PeriodInfo{Period: 202603, State: models.PeriodClosed, Stale: 1}
		b.desk.accounts, b.desk.slow = clients(150), time.Second
		r := newRig(t, b, quickly)
		stop := r.run(t)
		b.ordered(models.RunOrder{What: models.OrderRehearsal})
		time.Sleep(time.Minute)
		synctest.Wait()
		b.change(func() {
			if o := b.desk.orders[0]; o.All != 150 || o.Through < 50 || o.Through > 60 || o.State != models.OrderWorking {
				t.Errorf("after a minute: %+v", o)
			}
		})
		time.Sleep(5 * time.Minute)
		stop()
		o := b.desk.orders[0]
		if o.State != models.OrderDone || o.Rehearsal == nil {
			t.Fatalf("%+v", o)
		}
		found := o.Rehearsal
		if found.Run.Totals.Documents != 150 || found.Run.Totals.Amount != -150*20000 || len(found.Largest) != 100 || len(b.desk.kept) != 300 || found.Accounts != 150 || len(found.Carried) != 1 ||
			len(found.Changed) != 1 || found.FullMore != 7 || found.Terms != r.Settler.Programme.Digest() || found.Percents[0].Lines != 150 {
			t.Errorf("%+v, %d accounts are kept", found, len(b.desk.kept))
		}
		if k := b.desk.kept[299]; k.Period != 202603 || k.AccountID != 150 || k.Amount != -20000 || len(k.Reasons) != 1 || len(k.Basis.Invoices) != 1 {
			t.Errorf("kept of the signed month: %+v", k)
		}
		if k := b.desk.kept[0]; k.Period != 0 || k.Amount != -20000 || k.Basis.Invoices[0].ID != "INV-1" || k.Basis.Discounts[0].Percent != 20 {
			t.Errorf("kept of the first account: %+v", k)
		}
	})
}

// A run that is ordered is the run of the period; an accepted one passes the brake.
func TestRunIsOrdered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-01 02:00")
		b := newBooks(202604)
		b.brake[202604] = true
		r := newRig(t, b, quickly)
		stop := r.run(t)
		b.ordered(models.RunOrder{What: models.OrderRun})
		time.Sleep(5 * time.Second)
		b.change(func() {
			if b.runs[0].State != models.RunBraked || b.desk.orders[0].State != models.OrderDone {
				t.Errorf("%+v, %+v", b.runs[0], b.desk.orders[0])
			}
			b.runs[0].State = models.RunAbandoned // as the next run does
		})
		seen := models.Money(-35500000)
		b.ordered(models.RunOrder{What: models.OrderAcceptedRun, Accepted: &seen})
		time.Sleep(5 * time.Second)
		stop()
		if last := b.runs[len(b.runs)-1]; last.State != models.RunDone || !last.Accepted || last.AcceptedAmount != &seen || b.desk.orders[1].State != models.OrderDone {
			t.Errorf("%+v, %+v", last, b.desk.orders[1])
		}
	})
}

// What is ordered may fail, in whatever way: the person is told, and the next order is
// carried out. An order whose process is told to stop is given back.
func TestOrdersThatFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-03 12:00")
		b := newBooks(202604)
		b.periods[202604].State = models.PeriodRun
		b.desk.fails, b.desk.accounts, b.desk.slow = errors.New("the disk is full"), clients(1), time.Second
		r := newRig(t, b, quickly)
		stop := r.run(t)
		b.ordered(models.RunOrder{What: models.OrderRehearsal})
		time.Sleep(10 * time.Second)
		b.change(func() {
			if o := b.desk.orders[0]; o.State != models.OrderFailed || o.Error != "the disk is full" {
				t.Errorf("%+v", o)
			}
			b.panics[202604] = 1
		})
		b.ordered(models.RunOrder{What: models.OrderRun})
		b.ordered(models.RunOrder{What: models.OrderRehearsal, Attempt: 10})
		time.Sleep(10 * time.Second)
		b.change(func() {
			if o := b.desk.orders[1]; o.State != models.OrderFailed || !strings.Contains(o.Error, "money overflow") {
				t.Errorf("a panic: %+v", o)
			}
			if o := b.desk.orders[2]; o.State != models.OrderFailed || !strings.Contains(o.Error, "10 processes have ended") {
				t.Errorf("tried five times: %+v", o)
			}
			b.desk.fails, b.desk.accounts = nil, clients(1000)
		})
		b.ordered(models.RunOrder{What: models.OrderRehearsal})
		time.Sleep(10 * time.Second)
		b.change(func() { b.desk.lost = true })
		time.Sleep(10 * time.Second)
		b.change(func() {
			if o := b.desk.orders[3]; o.State != models.OrderWorking {
				t.Errorf("an order that another process has taken up: %+v", o)
			}
			b.desk.lost = false
		})
		b.ordered(models.RunOrder{What: models.OrderRehearsal})
		time.Sleep(10 * time.Second)
		stop()
		if o := b.desk.orders[4]; o.State != models.OrderWaiting {
			t.Errorf("an order that was under way at the end: %+v", o)
		}
	})
}

// A comparison says how many differences nothing explains, and the log does.
func TestComparisonIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-03 12:00")
		b := newBooks(202604)
		b.periods[202604].State = models.PeriodRun
		b.desk.uncompared = true
		r := newRig(t, b, quickly)
		b.desk.orders = []*models.RunOrder{{ID: 1, Period: 202604, State: models.OrderDone, Rehearsal: &models.Rehearsal{Terms: r.Settler.Programme.Digest()}}}
		stop := r.run(t)
		time.Sleep(5 * time.Second)
		stop()
		if c := b.desk.corrections; len(c) != 1 || c[0].Period != 202603 || c[0].Run != 6 || c[0].Accounts != 1 || c[0].Unexplained != 0 || c[0].Named[0].AccountID != 3 {
			t.Errorf("of March: %+v", c)
		}
		c := b.desk.compared
		if c == nil || c.Run != 5 || c.Accounts != 2 || c.Unexplained != 1 || c.OtherTerms || len(c.Named[0].Facts) != 1 {
			t.Fatalf("%+v", c)
		}
		if !strings.Contains(r.log.String(), "no fact explains it") || !slices.ContainsFunc(c.Named, func(o models.AccountOutcomes) bool { return o.AccountID == 2 && len(o.Facts) == 0 }) {
			t.Errorf("%+v\n%s", c, r.log)
		}
	})
}

func (b *books) ForEachAccount(_ context.Context, month models.Period, see func(*models.AccountHistory) error) error {
	b.mu.Lock()
	accounts, slow, fails := b.desk.accounts, b.desk.slow, b.desk.fails
	b.mu.Unlock()
	for i := range accounts {
		time.Sleep(slow)
		id := accounts[i].AccountID
		h := models.AccountHistory{Account: models.Account{ID: id}, Referrals: []models.Referral{{InviterID: id, InviteeID: 900 + id, ActivatedAt: accounts[i].Discounts[0].From.Time()}}}
		if month == accounts[i].Invoices[0].Invoice.Period {
			h.Invoices = []models.AuditInvoice{{Invoice: accounts[i].Invoices[0].Invoice}}
		}
		if err := see(&h); err != nil {
			return err
		}
	}
	return fails
}

// A comparison of terms looks at each of its months, says how far it is, and keeps what it
// has found; terms that cannot be read fail it.
func TestWhatIfIsOrdered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-03 12:00")
		b := newBooks(202604)
		b.periods[202604].State = models.PeriodRun
		b.desk.accounts, b.desk.slow = clients(20), time.Second
		r := newRig(t, b, quickly)
		stop := r.run(t)
		terms := *r.Settler.Programme.TermsOn(models.NewDate(2026, 4, 1))
		terms.Ladder = slices.Clone(terms.Ladder)
		terms.Ladder[0].Percent = 50
		text, err := json.Marshal(terms)
		if err != nil {
			t.Fatal(err)
		}
		b.ordered(models.RunOrder{What: models.OrderWhatIf, From: 202603, Terms: string(text)})
		time.Sleep(25 * time.Second)
		b.change(func() {
			if o := b.desk.orders[0]; o.Through != 1 || o.All != 2 || o.State != models.OrderWorking {
				t.Errorf("in the second month: %+v", o)
			}
		})
		time.Sleep(time.Minute)
		b.ordered(models.RunOrder{What: models.OrderWhatIf, From: 202604, Terms: "{"})
		b.ordered(models.RunOrder{What: "settle-twice"})
		time.Sleep(time.Minute)
		b.change(func() { b.desk.fails = errors.New("the disk is full") })
		b.ordered(models.RunOrder{What: models.OrderWhatIf, From: 202604, Terms: string(text)})
		time.Sleep(time.Minute)
		stop()
		var found whatif.Found
		if err := json.Unmarshal(b.desk.orders[0].WhatIf, &found); err != nil || b.desk.orders[0].State != models.OrderDone || len(b.runs) != 0 {
			t.Fatalf("%+v, %d runs: %v", b.desk.orders[0], len(b.runs), err)
		}
		if len(found.Months) != 2 || len(found.Months[0].Discounts) != 0 || found.Months[1].Affected != 20 || !slices.Equal(found.Total(), []whatif.DiscountSum{{Currency: "RUB", Pair: whatif.Pair{Present: -20 * 20000, Other: -20 * 50000}}}) {
			t.Errorf("%+v", found)
		}
		for i, want := range []string{"reading the terms of order 2", `does not know an order for "settle-twice"`, "the disk is full"} {
			if o := b.desk.orders[i+1]; o.State != models.OrderFailed || o.WhatIf != nil || !strings.Contains(o.Error, want) {
				t.Errorf("want %q: %+v", want, o)
			}
		}
	})
}

// A month is signed as ordered, with its progress; what stood against it is kept with an
// order that has failed, and one that another process has taken up is left to that one.
func TestSignatureIsOrdered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-03 12:00")
		b := newBooks(202604)
		b.periods[202604].State = models.PeriodRun
		b.desk.accounts, b.desk.slow = clients(60), time.Second
		r := newRig(t, b, quickly)
		stop := r.run(t)
		sign := func() models.RunOrder {
			return models.RunOrder{What: models.OrderSign, Signing: &models.Signing{Reason: "it ties"}}
		}
		b.ordered(sign())
		time.Sleep(40 * time.Second)
		b.change(func() {
			if o := b.desk.orders[0]; o.State != models.OrderWorking || o.All != 60 || o.Through < 30 || len(b.desk.signed) != 0 {
				t.Errorf("under way: %+v", o)
			}
		})
		time.Sleep(time.Minute)
		b.change(func() {
			if o := b.desk.orders[0]; o.State != models.OrderDone || len(b.desk.signed) != 1 || b.desk.signed[0].Signing.Reason != "it ties" {
				t.Errorf("signed: %+v, %+v", o, b.desk.signed)
			}
			b.desk.fails = &models.NotClosed{Period: 202604, Objections: []string{"it does not tie: 2 breaks"}}
		})
		b.ordered(sign())
		time.Sleep(2 * time.Minute)
		b.change(func() {
			if o := b.desk.orders[1]; o.State != models.OrderFailed || o.Error != "period 2026-04 cannot be closed: it does not tie: 2 breaks" || len(o.Signing.Refused) != 1 {
				t.Errorf("refused: %+v", o)
			}
			b.desk.fails = fmt.Errorf("closing: %w", models.ErrOrderLost)
		})
		b.ordered(sign())
		time.Sleep(2 * time.Minute)
		stop()
		if o := b.desk.orders[2]; o.State != models.OrderWorking || len(b.desk.signed) != 1 {
			t.Errorf("another process signs it: %+v", o)
		}
	})
}
