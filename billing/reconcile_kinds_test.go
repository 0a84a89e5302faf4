package billing_test

import (
	"testing"

	"referral/billing"
	"referral/models"
)

// Each kind of discrepancy says in which direction it goes. An April invoice of
// 300.00 at 20 % is owed -60.00.
func TestKindsSayTheirDirection(t *testing.T) {
	a := newAudited(t)
	day := func(d int) models.Date { return models.NewDate(2026, 3, 10) + models.Date(d) }
	for _, c := range []struct {
		what  string
		spoil func(*models.AccountHistory)
		want  billing.BreakKind
	}{
		{"nothing is posted", func(c *models.AccountHistory) { c.Invoices[0].Documents = nil }, billing.BreakNotPosted},
		{"too little is posted", costs(60000), billing.BreakNotPosted},
		{"too much is posted", costs(15000), billing.BreakNotEntitled},
		{"billing booked less", answers(-5900), billing.BreakAnsweredLess},
		{"billing booked more", answers(-6100), billing.BreakAnsweredMore},
		{"more percent is kept", func(c *models.AccountHistory) { c.Stored.Discounts[0].Percent = 90 }, billing.BreakDerivedMore},
		{"less percent is kept", func(c *models.AccountHistory) { c.Stored.Discounts[0].Percent = 10 }, billing.BreakDerivedLess},
		{"nothing is kept", func(c *models.AccountHistory) { c.Stored = models.Entitlements{} }, billing.BreakDerivedLess},
		{"other days are kept", func(c *models.AccountHistory) {
			c.Stored.Discounts[0].From, c.Stored.Discounts[0].To = c.Stored.Discounts[0].From+1, c.Stored.Discounts[0].To+1
		}, billing.BreakDerivedOtherwise},
		{"a package is kept that was not earned", func(c *models.AccountHistory) {
			c.Stored.Grants = []models.Grant{{AccountID: 1, SMS: 1200, Ordinal: 1, GrantedOn: day(0), Step: 3}}
		}, billing.BreakDerivedMore},
	} {
		t.Run(c.what, func(t *testing.T) {
			account := a.friendly(1)
			c.spoil(account)
			r := a.reconcile(models.AuditHead{}, account)
			if len(r.Breaks) != 1 || r.Breaks[0].Kind != c.want {
				t.Errorf("%+v, want %s", r.Breaks, c.want)
			}
		})
	}
}

// costs revises the invoice: its one line now costs so much.
func costs(amount models.Money) func(*models.AccountHistory) {
	return func(c *models.AccountHistory) {
		c.Invoices[0].Invoice.Revision, c.Invoices[0].Invoice.Lines[0].Amount = 2, amount
	}
}

func answers(amount models.Money) func(*models.AccountHistory) {
	return func(c *models.AccountHistory) { c.Invoices[0].Documents[0].Answers[0].Amount = amount }
}

// A line of the control totals that does not tie says how.
func TestTheDifferenceOfControlTotals(t *testing.T) {
	line := func(amount models.Money) models.CountedAmount { return models.CountedAmount{Count: 1, Amount: amount} }
	packages := func(n int64) models.CountedAmount { return models.CountedAmount{Count: n} }
	for _, c := range []struct {
		control models.Control
		want    string
	}{
		{models.Control{Entitled: line(-5), Posted: line(-5), Published: line(-5), Answered: line(-5)}, ""},
		{models.Control{Entitled: line(-100000), Posted: line(-468026), Published: line(-5), Answered: line(-5)}, "posted more than entitled"},
		{models.Control{Entitled: line(-5), Posted: line(-4), Published: line(-5), Answered: line(-5)}, "posted less than entitled"},
		{models.Control{Entitled: line(-5), Posted: line(-5)}, "published less than posted"},
		{models.Control{Entitled: line(-5), Posted: line(-5), Published: line(-5), Answered: line(-6)}, "answered or written off more than published"},
		{models.Control{Entitled: packages(1), Posted: packages(2), Published: packages(2), Answered: packages(2)}, "posted more than entitled"},
		{models.Control{Entitled: packages(2), Posted: packages(1), Published: packages(1), Answered: packages(1)}, "posted less than entitled"},
	} {
		if got := billing.Difference(c.control); got != c.want || (got == "") != c.control.Ties() {
			t.Errorf("%+v: %q, want %q", c.control, got, c.want)
		}
	}
}
