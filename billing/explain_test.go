package billing_test

import (
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

func TestTheFormulaInNumbers(t *testing.T) {
	for _, c := range []struct {
		amount   models.Money
		from, to models.Date
		want     string
	}{
		{30000, models.NewDate(2026, 4, 1), models.NewDate(2026, 5, 1), "300.00 × 600 / (100 × 30) = 60.00"},
		{-30000, models.NewDate(2026, 4, 1), models.NewDate(2026, 5, 1), "-300.00 × 600 / (100 × 30) = -60.00"},
		{12, models.NewDate(2026, 4, 1), models.NewDate(2026, 5, 1), "0.12 × 600 / (100 × 30) = 0.02 and 1200/3000 of 0.01, rounded to 0.02"},
		{-13, models.NewDate(2026, 4, 1), models.NewDate(2026, 5, 1), "-0.13 × 600 / (100 × 30) = -0.02 and 1800/3000 of 0.01, rounded to -0.03"},
		{-2, models.NewDate(2026, 4, 1), models.NewDate(2026, 5, 1), "-0.02 × 600 / (100 × 30) = -0.00 and 1200/3000 of 0.01, rounded to 0.00"},
		{100, models.NewDate(2026, 4, 7), models.NewDate(2026, 4, 7), "1.00 × 20 / (100 × 1) = 0.20"},
		{models.MaxAmount, models.NewDate(2026, 4, 1), models.NewDate(2026, 4, 4), "10 000 000 000 000.00 × 60 / (100 × 3) = 2 000 000 000 000.00"},
		{500, models.NewDate(2026, 1, 1), models.NewDate(2026, 2, 1), ""},
	} {
		a := newAudited(t)
		account := a.friendly(1)
		l := &account.Invoices[0].Invoice.Lines[0]
		l.From, l.To, l.Amount = c.from, c.to, c.amount
		e, found := a.p.ExplainInvoice(account, "INV-1")
		if !found || e.ByLine[0].Formula != c.want {
			t.Errorf("%+v: %q, want %q", *l, e.ByLine[0].Formula, c.want)
		}
		if line := e.ByLine[0]; line.Difference != line.Wanted-line.Posted || line.Posted != -6000 {
			t.Errorf("%+v", line)
		}
	}
}

// What is explained is what is settled: lines that are held, excluded or gone say
// so, and days of both discounts are held to 100 %.
func TestEveryKindOfLineIsExplained(t *testing.T) {
	terms := customerTerms()
	terms.Invitee.Percent = 90
	p, err := billing.NewProgramme(time.UTC, []billing.Terms{terms})
	if err != nil {
		t.Fatal(err)
	}
	c := audited{t: t, p: p}.friendly(1)
	c.Account.PromoEndedAt = time.Date(2026, 4, 11, 0, 0, 0, 0, time.UTC)
	c.Activations = []*models.Activation{{AccountID: 1, Status: models.ActivationAccepted, InviterID: 9, RequestedAt: c.Account.RegisteredAt}}
	inv := &c.Invoices[0].Invoice
	inv.Revision = 2
	inv.Lines[0].ID = "new"
	for _, service := range []string{"sms_package", "fax"} {
		line := inv.Lines[0]
		line.ID, line.Service = service, service
		inv.Lines = append(inv.Lines, line)
	}
	e, _ := p.ExplainInvoice(c, "INV-1")
	type said struct {
		class          string
		percentDays    int
		wanted, posted models.Money
	}
	want := []said{{"discounted", 10*20 + 20*100, -22000, 0}, {"excluded", 0, 0, 0}, {"held", 0, 0, 0}, {"gone", 0, 0, -6000}}
	for i, l := range e.ByLine {
		if got := (said{l.Class, l.PercentDays, l.Wanted, l.Posted}); i >= len(want) || got != want[i] {
			t.Errorf("line %s: %+v", l.LineID, got)
		}
	}
	if e.Difference != -16000 || e.Held != 1 || len(e.ByLine) != len(want) {
		t.Errorf("%+v", e.InvoiceSums)
	}
	if s := e.ByLine[0].Segments; len(s) != 2 || s[1].Invitee != 90 || s[1].Inviter != 20 || s[1].Percent != 100 {
		t.Errorf("days %+v", s)
	}
}

func TestPackagesAreExplained(t *testing.T) {
	a := newAudited(t)
	c := &models.AccountHistory{Account: models.Account{ID: 1}}
	for i := range 3 {
		c.Referrals = append(c.Referrals, models.Referral{InviterID: 1, InviteeID: int64(2 + i), ActivatedAt: time.Date(2026, 4, 1+i, 9, 0, 0, 0, time.UTC)})
	}
	if got := a.p.Explain(c).Packages; len(got) != 1 || got[0].Words != "earned, goes out with the run of 2026-04" || got[0].GoneOut {
		t.Errorf("earned: %+v", got)
	}
	c.Unnamed = []models.Period{202604}
	if got := a.p.Explain(c).Packages; len(got) != 1 || !strings.Contains(got[0].Words, "waits for the run of 2026-04") {
		t.Errorf("of a month that nobody names: %+v", got)
	}
	gone := models.AuditPackage{SMSPackage: models.SMSPackage{ID: billing.PackageID(1, 1200, 1), AccountID: 1, SMS: 1200, Ordinal: 1, Period: 202604}}
	c.Packages = []models.AuditPackage{gone}
	if got := a.p.Explain(c).Packages; len(got) != 1 || got[0].Words != "earned, and went out" || got[0].Period != 202604 {
		t.Errorf("gone out: %+v", got)
	}
	c.Referrals = nil
	if got := a.p.Explain(c).Packages; len(got) != 1 || got[0].Words != "went out; the facts as they are now do not give it, and it is not taken back" {
		t.Errorf("a surplus: %+v", got)
	}
}

func TestEveryDecisionHasWords(t *testing.T) {
	a := newAudited(t)
	for _, reason := range []models.Reason{
		models.NotRegistered, models.UnknownCode, models.OwnCode, models.OwnCompany, models.AlreadyActivated, models.WindowClosed, "yet_another",
	} {
		c := &models.AccountHistory{Account: models.Account{ID: 1, RegisteredAt: time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)},
			Activations: []*models.Activation{{AccountID: 1, Status: models.ActivationRefused, Reason: reason, RequestedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}}}
		e := a.p.Explain(c)
		if words := e.Activations[0].Words; words == "" || words == string(reason) {
			t.Errorf("%s: %q", reason, words)
		}
	}
}
