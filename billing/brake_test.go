package billing_test

import (
	"strings"
	"testing"

	"referral/billing"
	"referral/models"
)

func TestBrake(t *testing.T) {
	limits := billing.Limits{LargestTotal: 1_000_000, LargestFull: 50, LargestChange: 300, SmallestCount: 10}
	month := models.Totals{Accounts: 100, Full: 10, Amount: -100_000}
	for _, c := range []struct {
		name   string
		limits billing.Limits
		run    models.Totals
		before models.Totals
		want   []string // names of the limits
	}{
		{"a month like the last", limits, month, month, nil},
		{"the first month", limits, month, models.Totals{}, nil},
		{"nothing at all", limits, models.Totals{}, models.Totals{}, nil},

		{"exactly the largest total", limits, models.Totals{Accounts: 100, Amount: -1_000_000}, models.Totals{}, nil},
		{"a kopeck more", limits, models.Totals{Accounts: 100, Amount: -1_000_001}, models.Totals{}, []string{"largest_total"}},
		{"as much the other way", limits, models.Totals{Accounts: 100, Amount: 1_000_001}, models.Totals{}, []string{"largest_total"}},
		{"to a single account", limits, models.Totals{Accounts: 1, Amount: -1_000_001}, models.Totals{}, []string{"largest_total"}},
		{"no largest total", billing.Limits{}, models.Totals{Accounts: 100, Amount: -1e18}, models.Totals{}, nil},

		{"exactly half at 100 %", limits, models.Totals{Accounts: 100, Full: 50}, models.Totals{}, nil},
		{"one account more", limits, models.Totals{Accounts: 100, Full: 51}, models.Totals{}, []string{"largest_full_share"}},
		{"half of an odd number", limits, models.Totals{Accounts: 101, Full: 50}, models.Totals{}, nil},
		{"more than half of an odd number", limits, models.Totals{Accounts: 101, Full: 51}, models.Totals{}, []string{"largest_full_share"}},
		{"all, of too few to tell", limits, models.Totals{Accounts: 9, Full: 9}, models.Totals{}, nil},
		{"all, of just enough to tell", limits, models.Totals{Accounts: 10, Full: 10}, models.Totals{}, []string{"largest_full_share"}},
		{"no largest share", billing.Limits{}, models.Totals{Accounts: 100, Full: 100}, models.Totals{}, nil},

		{"four times the month before", limits, models.Totals{Accounts: 100, Amount: -400_000}, month, nil},
		{"a little more than that", limits, models.Totals{Accounts: 100, Amount: -400_001}, month, []string{"largest_change"}},
		{"more than that the other way", limits, models.Totals{Accounts: 100, Amount: 200_001}, month, []string{"largest_change"}},
		{"a month of little after one of much", limits, models.Totals{Accounts: 100}, month, nil},
		{"a month of little, at a closer limit", billing.Limits{LargestChange: 99}, models.Totals{Accounts: 100}, month, []string{"largest_change"}},
		{"a month before with too few to tell", limits, models.Totals{Accounts: 100, Amount: -900_000}, models.Totals{Accounts: 9, Amount: -1}, nil},
		{"a month before with just enough", limits, models.Totals{Accounts: 100, Amount: -900_000}, models.Totals{Accounts: 10, Amount: -1}, []string{"largest_change"}},
		{"too few now to tell", limits, models.Totals{Accounts: 9, Amount: -900_000}, month, nil},
		{"a month before that came to nothing", limits, models.Totals{Accounts: 100, Amount: -900_000}, models.Totals{Accounts: 100}, nil},
		{"no largest change", billing.Limits{}, models.Totals{Accounts: 100, Amount: -900_000}, models.Totals{Accounts: 100, Amount: -1}, nil},

		{
			"everything at once", limits, models.Totals{Accounts: 100, Full: 100, Amount: -2_000_000}, month,
			[]string{"largest_total", "largest_full_share", "largest_change"},
		},
	} {
		got := c.limits.Check(c.run, c.before)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
			continue
		}
		for i, limit := range c.want {
			if !strings.Contains(got[i], "("+limit+")") {
				t.Errorf("%s: %q does not name %s", c.name, got[i], limit)
			}
		}
	}
}

// A person reads why, with the figures and the setting to look for.
func TestTheBrakeSaysWhy(t *testing.T) {
	limits := billing.Limits{LargestTotal: 1_000_000, LargestFull: 50, LargestChange: 300}
	got := limits.Check(models.Totals{Accounts: 100, Full: 60, Amount: -1_234_567}, models.Totals{Accounts: 90, Amount: -100_000})
	for i, want := range []string{
		"the discounts total 12 345.67, more than the 10 000.00 allowed (largest_total)",
		"60 of 100 accounts reach 100 %, more than the 50 % allowed (largest_full_share)",
		"the discounts changed by 1135 % against the month before (1 000.00, then 12 345.67), more than the 300 % allowed (largest_change)",
	} {
		if i >= len(got) || got[i] != want {
			t.Errorf("%q, want as number %d %q", got, i, want)
		}
	}
}

// The brake is the one of the month that is settled; differences are too few to
// have shares or changes.
func TestTheBrakeOfARun(t *testing.T) {
	first, second := customerTerms(), customerTerms()
	first.Brake = billing.Limits{LargestTotal: 100, LargestFull: 50, LargestChange: 300, SmallestCount: 10}
	second.EffectiveFrom = models.NewDate(2026, 4, 2)
	second.Brake = billing.Limits{LargestTotal: 200, LargestFull: 60, LargestChange: 400, SmallestCount: 20}
	p := newProgramme(t, first, second)
	for _, c := range []struct {
		period models.Period
		kind   models.RunKind
		want   billing.Limits
	}{
		{202604, models.RunRegular, first.Brake},
		{202605, models.RunRegular, second.Brake},
		{202605, models.RunDifferences, billing.Limits{LargestTotal: 200, SmallestCount: 20}},
		{202605, models.RunFull, billing.Limits{LargestTotal: 200, SmallestCount: 20}},
	} {
		if got := p.LimitsFor(models.Run{Period: c.period, Kind: c.kind}); got != c.want {
			t.Errorf("a %s run of %s: %+v, want %+v", c.kind, c.period, got, c.want)
		}
	}
}

// Two persons accept a total that they saw: the run passes while it comes to about that, or
// is within the limits by itself. An acceptance of the command names no total.
func TestTheBrakeOfAnAcceptedRun(t *testing.T) {
	tight := customerTerms()
	tight.Brake = billing.Limits{LargestTotal: 1000}
	p := newProgramme(t, tight)
	seen := models.Money(-5000)
	for _, c := range []struct {
		name     string
		accepted bool
		amount   *models.Money
		total    models.Money
		want     int // reasons
	}{
		{"not accepted", false, nil, -5000, 1},
		{"accepted whatever it comes to", true, nil, -900_000, 0},
		{"what was seen", true, &seen, -5000, 0},
		{"a tenth more", true, &seen, -5500, 0},
		{"more than a tenth more", true, &seen, -5501, 2},
		{"a tenth less", true, &seen, -4500, 0},
		{"more than a tenth less", true, &seen, -4499, 2},
		{"the other way", true, &seen, 5000, 2},
		{"within the limits by itself", true, &seen, -1000, 0},
	} {
		run := models.Run{Period: 202604, Kind: models.RunDifferences, Accepted: c.accepted, AcceptedAmount: c.amount, Totals: models.Totals{Accounts: 1, Amount: c.total}}
		if got := p.Brake(run, models.Totals{}); len(got) != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	why := p.Brake(models.Run{Period: 202604, Accepted: true, AcceptedAmount: &seen, Totals: models.Totals{Amount: -123_456}}, models.Totals{})
	if len(why) != 2 || why[1] != "the discounts total 1 234.56, and 50.00 were accepted (accepted_total)" {
		t.Errorf("%q", why)
	}
}
