package scheduler_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"referral/models"
)

// insight is what the books hold for the forecast and the search, and what was kept.
type insight struct {
	accounts    []*models.AccountHistory
	profiles    map[int64]models.Profile
	referrals   []models.Referral
	asked       []models.Period // months of invoices
	forecast    models.Forecast
	actual      map[models.Period][]models.Cost
	search      models.SuspicionSearch
	suspicions  []models.Suspicion
	forecasts   int // how many were kept
	together    int // the most accounts that were read at once
	graphFailed error
}

func (b *books) ForEachEntitled(_ context.Context, _ models.Date, months []models.Period, see func(*models.AccountHistory) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.insight.asked = months
	for _, c := range b.insight.accounts {
		if err := see(c); err != nil {
			return err
		}
	}
	return nil
}

func (b *books) ReplaceForecast(_ context.Context, f models.Forecast) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.insight.forecast = f
	b.insight.forecasts++
	return nil
}

func (b *books) ReplaceActualCosts(_ context.Context, month models.Period, costs []models.Cost) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.insight.actual == nil {
		b.insight.actual = map[models.Period][]models.Cost{}
	}
	b.insight.actual[month] = costs
	return nil
}

func (b *books) ReferralGraph(_ context.Context, account func(int64, models.Profile), referral func(models.Referral)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, p := range b.insight.profiles {
		account(id, p)
	}
	for _, r := range b.insight.referrals {
		referral(r)
	}
	return b.insight.graphFailed
}

func (b *books) AccountHistories(_ context.Context, ids []int64, see func(*models.AccountHistory) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.insight.together = max(b.insight.together, len(ids))
	for _, c := range b.insight.accounts {
		if slices.Contains(ids, c.Account.ID) {
			if err := see(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *books) ReplaceSuspicions(_ context.Context, search models.SuspicionSearch, found []models.Suspicion) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.insight.search, b.insight.suspicions = search, found
	return nil
}

// After a night there is a forecast of the months to come, what the past ones came to,
// and the suspicions with the money that they concern.
func TestNightlyForecastAndSuspicions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(202603, 202604)
		for _, info := range b.periods {
			info.State = models.PeriodRun
		}
		april := models.Period(202604)
		at := func(day int) time.Time { return time.Date(2026, 4, day, 12, 0, 0, 0, moscow) }
		inviter := &models.AccountHistory{Account: models.Account{ID: 1}, Referrals: []models.Referral{{InviterID: 1, InviteeID: 2, ActivatedAt: at(1)}}}
		days := []models.Segment{{From: april.First(), To: april.End(), Inviter: 20}}
		inviter.Invoices = []models.AuditInvoice{{
			Invoice: models.Invoice{ID: "INV", Period: april, Currency: "RUB", Lines: []models.Line{
				{ID: "1", Service: "subscription", From: april.First(), To: april.End(), Amount: 310000},
			}},
			Documents: []models.AuditDocument{{Adjustment: models.Adjustment{Items: []models.AdjustmentItem{{LineID: "1", Amount: -62000, Segments: days}}}}},
		}}
		inviter.Stored.Discounts = []models.Discount{{Kind: models.Inviter, From: april.First(), To: april.End() + 60, Percent: 20, Step: 1}}
		invitee := &models.AccountHistory{Account: models.Account{ID: 2}}
		b.audited = []*models.AccountHistory{inviter}
		b.insight.accounts = []*models.AccountHistory{inviter, invitee}
		b.insight.profiles = map[int64]models.Profile{1: {TaxID: "77"}, 2: {TaxID: "77"}}
		b.insight.referrals = inviter.Referrals
		r := newRig(t, b)
		b.ahead = time.Until(time.Date(2026, 5, 9, 4, 0, 0, 0, moscow))
		stop := r.run(t)
		time.Sleep(time.Hour)
		stop()
		i := &b.insight
		if got := fmt.Sprint(i.asked, i.forecast.MadeFor, len(i.forecast.Costs)); got != "[2026-03 2026-04] 2026-05 2" {
			t.Errorf("the forecast: %s", got)
		}
		if c := i.forecast.Costs[0]; c.Amount != -62000 || c.Month != 202605 || c.Kind != models.Inviter || c.Step != 1 {
			t.Errorf("May is expected to cost %+v", c)
		}
		if costs := i.actual[april]; len(costs) != 1 || costs[0].Amount != -62000 || costs[0].Step != 1 {
			t.Errorf("April came to %+v", costs)
		}
		if i.search.Accounts != 2 || i.search.Referrals != 1 || i.search.Found != 1 || len(i.suspicions) != 1 {
			t.Fatalf("%+v found %+v", i.search, i.suspicions)
		}
		// June is 20 % of 3100.00 as well; the discount ends on 1 July.
		if s := i.suspicions[0]; !slices.Equal(s.Stakes, []models.Stake{{Currency: "RUB", Posted: -62000, Ahead: -124000}}) {
			t.Errorf("the suspicion concerns %+v", s.Stakes)
		}
		if r.failures(t) != 0 || r.Ready() != nil {
			t.Errorf("%v", r.Ready())
		}
	})
}

// A search that fails keeps what the one before found, does not keep the forecast from
// being made, and shows.
func TestNightlySearchFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBooks()
		b.insight.graphFailed = errDown
		b.insight.suspicions = []models.Suspicion{{}}
		r := newRig(t, b)
		b.ahead = time.Until(time.Date(2026, 5, 9, 4, 0, 0, 0, moscow))
		stop := r.run(t)
		time.Sleep(time.Hour)
		stop()
		if b.insight.forecasts != 1 || len(b.insight.suspicions) != 1 || r.Ready() == nil || r.failures(t) != 1 {
			t.Errorf("%d forecasts, suspicions %v, %v, %v failures", b.insight.forecasts, b.insight.suspicions, r.Ready(), r.failures(t))
		}
	})
}

// An account whose sums overflow is named, and hides no suspicion.
func TestSuspicionOfAnAbsurdAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBooks()
		absurd := models.AuditDocument{Adjustment: models.Adjustment{Items: []models.AdjustmentItem{{LineID: "1", Amount: -1 << 62}, {LineID: "1", Amount: -1 << 62}, {LineID: "1", Amount: -1 << 62}}}}
		b.insight.accounts = []*models.AccountHistory{{Account: models.Account{ID: 1}, Invoices: []models.AuditInvoice{{Documents: []models.AuditDocument{absurd}}}}}
		b.insight.profiles = map[int64]models.Profile{1: {TaxID: "77"}, 2: {TaxID: "77"}}
		b.insight.referrals = []models.Referral{{InviterID: 1, InviteeID: 2}}
		r := newRig(t, b)
		b.ahead = time.Until(time.Date(2026, 5, 9, 4, 0, 0, 0, moscow))
		stop := r.run(t)
		time.Sleep(time.Hour)
		stop()
		if len(b.insight.suspicions) != 1 || r.Ready() != nil || !strings.Contains(r.log.String(), "left out of the money that suspicions concern") {
			t.Errorf("%+v, %v\n%s", b.insight.suspicions, r.Ready(), r.log)
		}
	})
}

// Each night the whole journal is verified: once, however many replicas there are. What
// was found is kept, and the log says where without naming persons.
func TestNightlyCheckOfTheJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBooks()
		b.faults = []models.JournalFault{{Kind: models.JournalAltered, From: 3, To: 3, Who: "Anna"}}
		b.ahead = time.Until(time.Date(2026, 5, 9, 4, 0, 0, 0, moscow))
		r, replica := newRig(t, b), newRig(t, b)
		stop, end := r.run(t), replica.run(t)
		time.Sleep(25 * time.Hour)
		stop()
		end()
		log := r.log.String() + replica.log.String()
		if len(b.checks) != 2 || b.checks[0].Wrong != 1 || strings.Count(log, "kind=altered from=3") != 2 || strings.Contains(log, "Anna") || r.Ready() != nil {
			t.Errorf("%+v, %v\n%s", b.checks, r.Ready(), log)
		}
	})
}
