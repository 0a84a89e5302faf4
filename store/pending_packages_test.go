package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"referral/billing"
	"referral/models"
)

// earner is an account that earns a package on a day, with its third friend, and
// has a bill in the month after.
func (l *life) earner(account int64, on string) {
	l.Helper()
	l.facts(registered(account, "2025-06-01T09:00:00Z"), invoice(account, day(on).Period().Next(), 1, 1000))
	for friend := account + 1; friend <= account+3; friend++ {
		l.facts(registered(friend, on+"T08:00:00Z"), activated(friend, account, on+"T09:00:00Z"))
	}
}

func (l *life) wait(before string, want map[models.Period]int64) {
	l.Helper()
	got, err := l.PendingPackages(l.Context(), day(before))
	if err != nil {
		l.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.Errorf("before %s wait %v, want %v", before, got, want)
	}
}

func (l *life) notices(p models.Period) (said []string) {
	l.Helper()
	err := l.Audit(l.Context(), p, func(head models.AuditHead) error {
		for _, n := range billing.NewReconciliation(l.p, p, head, billing.AnswerGrace{}).Notices {
			said = append(said, string(n.Kind)+": "+n.Detail)
		}
		return nil
	}, func(*models.AccountHistory) error { return nil })
	if err != nil {
		l.Fatal(err)
	}
	return said
}

func (l *life) words(account int64) string {
	l.Helper()
	c, found, err := l.AccountHistory(l.Context(), account)
	if err != nil || !found {
		l.Fatalf("account %d: %t, %v", account, found, err)
	}
	packages := l.p.Explain(&c).Packages
	if len(packages) != 1 {
		l.Fatalf("account %d has the packages %+v", account, packages)
	}
	return packages[0].Words
}

// A package of a month that no invoice has named is not sent by the clock, and
// everybody is told: the gauge, the next month's reconciliation, the explanation.
// As soon as any invoice names the month, the clock makes its run.
func TestPackagesWaitForMonthsThatNobodyNames(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.earner(885, "2026-02-10")
	l.earner(700, "2026-02-20")
	l.earner(500, "2026-02-20")
	l.exec("UPDATE package_grants SET granted_on = '2026-01-20' WHERE account_id = 500") // of another month
	l.settle(models.RunRequest{Period: 202603})

	l.wait("2026-04-01", map[models.Period]int64{202601: 1, 202602: 2})
	l.wait("2026-02-01", map[models.Period]int64{202601: 1})
	figures, err := l.Stats(t.Context())
	if err != nil || fmt.Sprint(figures.PendingPackages) != fmt.Sprint(map[models.Period]int64{202601: 1, 202602: 2}) {
		t.Errorf("the figures say %v, %v", figures.PendingPackages, err)
	}
	want := []string{
		"packages-waiting: packages earned in 2026-01 that have not gone out: 1; no invoice has named that month, so only `referral run 2026-01` runs it",
		"packages-waiting: packages earned in 2026-02 that have not gone out: 2; no invoice has named that month, so only `referral run 2026-02` runs it",
	}
	if got := l.notices(202603); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the reconciliation of March says %q", got)
	}
	if got := l.notices(202602); fmt.Sprint(got) != fmt.Sprint(want[:1]) {
		t.Errorf("that of February, which names its own, says %q", got)
	}
	if got := l.words(885); got != "earned, waits for the run of 2026-02: no invoice has named that month yet; the schedule runs it once one does, `referral run 2026-02` at any time" {
		t.Errorf("the explanation says %q", got)
	}

	l.facts(invoice(999, 202602, 1, 1))
	l.wait("2026-04-01", map[models.Period]int64{202601: 1})
	if got := l.words(885); got != "earned, goes out with the run of 2026-02" {
		t.Errorf("once February is named, the explanation says %q", got)
	}
	periods, err := l.Periods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clock, err := cron.ParseStandard("0 3 1 * *")
	if err != nil {
		t.Fatal(err)
	}
	if missed := l.p.MissedPeriods(periods, clock, at("2026-04-10T09:00:00Z").In(moscow)); fmt.Sprint(missed) != "[2026-02]" {
		t.Errorf("the clock runs %v", missed)
	}
	l.settle(models.RunRequest{Period: 202602, Needed: true})
	l.settle(models.RunRequest{Period: 202601}) // by hand
	l.wait("2026-04-01", nil)
	if n := l.number("SELECT count(*) FROM sms_packages"); n != 3 {
		t.Errorf("%d packages have gone out", n)
	}
}

// A package that another of its size has gone out for does not wait.
func TestCountedPackagesDoNotWait(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.earner(885, "2026-04-20")
	l.facts(invoice(885, 202604, 1, 1000))
	l.settle(models.RunRequest{Period: 202604})
	for friend := int64(950); friend < 953; friend++ { // it is earned in March now
		l.facts(registered(friend, "2026-03-10T08:00:00Z"), activated(friend, 885, "2026-03-10T09:00:00Z"))
	}
	l.now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	l.wait("2026-06-01", nil)
}
