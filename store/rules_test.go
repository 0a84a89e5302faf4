package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"referral/billing"
	"referral/models"
)

// The store finds the period that is posted to as the rule does, whatever is closed.
func TestPostingPeriodIsThatOfTheRule(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	const months = 5
	for closed := range 1 << months {
		l.exec("DELETE FROM periods")
		p := models.Period(202611)
		for n := range months {
			l.exec(`INSERT INTO periods (period, min_day, max_day, started_at, settled_at, closed_at, closed_by)
				VALUES ($1, '2026-01-01', '2027-12-01', now(), now(), CASE WHEN $2 THEN now() END, CASE WHEN $2 THEN 'test' END)`, int(p), closed>>n&1 == 1)
			p = p.Next()
		}
		periods, err := l.Periods(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range periods {
			run, _, err := l.Rehearse(t.Context(), models.RunRequest{Period: info.Period}, l.pay, func(*models.SettlementResult) error { return nil }, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := billing.PostingPeriod(periods, info.Period); run.PostingPeriod != want {
				t.Errorf("closed %05b: %s posts to %s, the rule says %s", closed, info.Period, run.PostingPeriod, want)
			}
		}
	}
}

// The packages that wait in months without invoices are those that the rule would send
// when all months are run, the oldest first.
func TestPendingPackagesAreThoseOfTheRule(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	r := rand.New(rand.NewPCG(1, 1))
	named := map[models.Period]bool{202602: true, 202604: true}
	for p := range named {
		l.exec("INSERT INTO periods (period, min_day, max_day) VALUES ($1, '2026-01-01', '2026-12-01')", int(p))
	}
	want := map[models.Period]int64{}
	for account := range int64(200) {
		input := models.SettlementInput{AccountID: account, Earned: map[int]int{}}
		var grants []models.Grant
		for ordinal := range 4 {
			g := models.Grant{AccountID: account, SMS: 1200, Ordinal: ordinal + 1, GrantedOn: day("2026-01-01") + models.Date(r.IntN(150))}
			if r.IntN(3) > 0 {
				grants = append(grants, g)
				input.Earned[g.SMS]++
				l.exec("INSERT INTO package_grants VALUES ($1, $2, $3, $4, 1)", account, g.SMS, g.Ordinal, g.GrantedOn.String())
			}
			if r.IntN(3) == 0 {
				input.Packages = append(input.Packages, models.SMSPackage{AccountID: account, SMS: g.SMS, Ordinal: g.Ordinal})
				l.exec(`INSERT INTO sms_packages (account_id, sms, ordinal, package_id, granted_on, period, posting_period, invoice_id, step, run_id, chunk_no)
					VALUES ($1, $2, $3, $4, $5, 202601, 202601, '', 1, 1, 1)`, account, g.SMS, g.Ordinal, billing.PackageID(account, g.SMS, g.Ordinal).String(), g.GrantedOn.String())
			}
		}
		for p := models.Period(202601); p <= 202605; p = p.Next() {
			input.Grants = nil
			for _, g := range grants {
				if g.GrantedOn.Period() == p {
					input.Grants = append(input.Grants, g)
				}
			}
			sent := l.p.Settle(models.Run{Period: p, PostingPeriod: p}, &input).Packages
			input.Packages = append(input.Packages, sent...)
			if !named[p] && len(sent) > 0 {
				want[p] += int64(len(sent))
			}
		}
	}
	got, err := l.PendingPackages(t.Context(), day("2026-06-01"))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("waiting: %v, %v, by the rule %v", got, err, want)
	}
}
