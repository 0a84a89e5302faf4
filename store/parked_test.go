package store_test

import (
	"errors"
	"strings"
	"testing"

	"referral/models"
	"referral/store"
)

// An account that cannot be settled is parked and named; everybody else is paid,
// the run says that it is incomplete, and a later run settles the account.
func TestParkedAccounts(t *testing.T) {
	t.Parallel()
	overflow := april(885, 2, 1<<62, 1<<62, 1<<62)
	for name, c := range map[string]struct {
		spoil func(*life) store.Settle
		says  string
	}{
		"the arithmetic stops, through billing.Settle": {func(l *life) store.Settle {
			l.facts(overflow)
			return l.pay
		}, "overflow"},
		"the rules return an error, with documents": {func(l *life) store.Settle {
			return l.spoiled(885, func(o *models.AccountOutcome) { o.Err = errors.New("it is not to be settled") })
		}, "not to be settled"},
		"the error cannot be kept as it is": {func(l *life) store.Settle {
			return l.spoiled(885, func(o *models.AccountOutcome) {
				*o = models.AccountOutcome{AccountID: 885, Err: errors.New("bad \x00 and \xff")}
			})
		}, "bad \uFFFD and \uFFFD"},
		"the database refuses a line": {func(l *life) store.Settle {
			return l.spoiled(885, func(o *models.AccountOutcome) { o.Adjustments[0].Items[0].LineID = "1\x00" })
		}, "22021"},
		"the database refuses an item of nothing": {func(l *life) store.Settle {
			return l.spoiled(885, func(o *models.AccountOutcome) { o.Adjustments[0].Items[0].Amount = 0 })
		}, "23514"},
		"the database refuses a held line": {func(l *life) store.Settle {
			return l.spoiled(885, func(o *models.AccountOutcome) {
				o.Held = []models.HeldLine{{AccountID: 885, Period: 202604, Service: "\xff"}}
			})
		}, "22021"},
		"a discount ends on a day that nobody could read": {func(l *life) store.Settle {
			return l.spoiled(885, func(o *models.AccountOutcome) {
				s := &o.Adjustments[0].Items[0].Segments[0]
				s.From, s.To = day("9999-12-31"), day("9999-12-31")+1
			})
		}, "settling account 885: line 1 of invoice INV-2026-04-885 has a discount from 9999-12-31 to 10000-01-01"},
		"a package was earned on a day that nobody could read": {func(l *life) store.Settle {
			return l.spoiled(885, func(o *models.AccountOutcome) {
				o.Packages = []models.SMSPackage{{AccountID: 885, SMS: 1200, Ordinal: 1, GrantedOn: day("9999-12-31") + 1}}
			})
		}, "a package was earned on 10000-01-01"},
		"one line twice": {func(l *life) store.Settle {
			return l.spoiled(885, func(o *models.AccountOutcome) {
				a := &o.Adjustments[0]
				a.Items = append(a.Items, a.Items[0])
			})
		}, "23505"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, twin := newLife(t), newLife(t)
			l.climb()
			twin.climb()
			twin.settle(models.RunRequest{Period: 202604})
			run := l.finish(l.start(models.RunRequest{Period: 202604, Chunk: 3}), c.spoil(l))
			if run.State != models.RunIncomplete || run.Totals.Parked != 1 {
				t.Errorf("the run came to %+v", run)
			}
			parked, err := l.ParkedAccounts(t.Context(), run.ID, 10)
			if err != nil || len(parked) != 1 || parked[0].AccountID != 885 || !strings.Contains(parked[0].Error, c.says) {
				t.Errorf("parked: %v, %v; want 885 because of %q", parked, err, c.says)
			}
			others := "SELECT * FROM (" + ledger + ") x (kind, account_id) WHERE account_id <> 885"
			if got, want := l.dump(others), twin.dump(others); got != want {
				t.Errorf("the others got\n%s\nwant\n%s", got, want)
			}
			if n := l.number("SELECT count(*) FROM adjustments WHERE account_id = 885") + l.number("SELECT count(*) FROM sms_packages WHERE account_id = 885"); n != 0 {
				t.Errorf("%d documents of the parked account were posted", n)
			}
			l.halves()
			l.facts(april(885, 3, 300000, 1001))
			if later := l.settle(models.RunRequest{Period: 202604, Needed: true}); later.State != models.RunDone || later.Totals.Documents != 1 {
				t.Errorf("the later run came to %+v", later)
			}
			l.tie(202604)
		})
	}
}

// spoiled settles by the rules, but for one account.
func (l *life) spoiled(account int64, spoil func(*models.AccountOutcome)) store.Settle {
	return func(r models.Run, c *models.AccountCase) models.AccountOutcome {
		o := l.pay(r, c)
		if c.AccountID == account {
			spoil(&o)
		}
		return o
	}
}

// The account stays parked, night after night, until its cause is gone, and is
// tried every night.
func TestParkedAccountIsTriedAgain(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	bad := l.spoiled(885, func(o *models.AccountOutcome) { o.Err = errors.New("no") })
	for range 3 {
		if run := l.finish(l.start(models.RunRequest{Period: 202604, Needed: true}), bad); run.State != models.RunIncomplete || run.Totals.Parked != 1 {
			t.Errorf("the run came to %+v", run)
		}
	}
	if run := l.settle(models.RunRequest{Period: 202604, Needed: true}); run.State != models.RunDone {
		t.Errorf("the run came to %+v", run)
	}
	l.tie(202604)
}
