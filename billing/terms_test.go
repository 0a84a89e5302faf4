package billing_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

func TestTermsThatMakeNoSense(t *testing.T) {
	for _, c := range []struct {
		want   string // in the error
		change func(*billing.Terms)
	}{
		{"window", func(t *billing.Terms) { t.WindowMonths = -1 }},
		{"window", func(t *billing.Terms) { t.WindowMonths = 1201 }},
		{"invitee: -1 percent", func(t *billing.Terms) { t.Invitee.Percent = -1 }},
		{"invitee: 101 percent", func(t *billing.Terms) { t.Invitee.Percent = 101 }},
		{"invitee: 0 months", func(t *billing.Terms) { t.Invitee.Months = 0 }},
		{"invitee: 1201 months", func(t *billing.Terms) { t.Invitee.Months = 1201 }},
		{"no step", func(t *billing.Terms) { t.Ladder = nil }},
		{"step 2: 101 percent", func(t *billing.Terms) { t.Ladder[1].Percent = 101 }},
		{"step 5: 0 months", func(t *billing.Terms) { t.Ladder[4].Months = 0 }},
		{"step 3: a package of -1 SMS", func(t *billing.Terms) { t.Ladder[2].SMS = -1 }},
		{`"calls" is both`, func(t *billing.Terms) { t.Excluded = append(t.Excluded, "calls") }},
		{"brake", func(t *billing.Terms) { t.Brake.LargestTotal = -1 }},
		{"brake", func(t *billing.Terms) { t.Brake.LargestFull = -1 }},
		{"brake", func(t *billing.Terms) { t.Brake.LargestChange = -1 }},
		{"brake", func(t *billing.Terms) { t.Brake.SmallestCount = -1 }},
		{"two versions", func(t *billing.Terms) { t.EffectiveFrom = models.NewDate(2020, 1, 1) }},
	} {
		terms := customerTerms()
		terms.EffectiveFrom = models.NewDate(2026, 5, 1)
		c.change(&terms)
		_, err := billing.NewProgramme(time.UTC, []billing.Terms{terms, customerTerms()})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), terms.EffectiveFrom.String()) {
			t.Errorf("the error is %v, want one about %q that names the version", err, c.want)
		}
	}
	if _, err := billing.NewProgramme(nil, []billing.Terms{customerTerms()}); err == nil || !strings.Contains(err.Error(), "time zone") {
		t.Errorf("without a time zone: %v", err)
	}
	if _, err := billing.NewProgramme(time.UTC, nil); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("without a version: %v", err)
	}
}

func TestTermsAtTheirBounds(t *testing.T) {
	terms := customerTerms()
	terms.WindowMonths, terms.Invitee = 1200, billing.InviteeTerms{Percent: 0, Months: 1200}
	terms.Ladder = []billing.StepTerms{{Percent: 100, Months: 1}}
	newProgramme(t, terms)
	terms.WindowMonths, terms.Invitee = 0, billing.InviteeTerms{Percent: 100, Months: 1}
	newProgramme(t, terms)
}

// The longest terms, added to the last day of which facts are taken, still end on
// a day that can be written with a year of four digits.
func TestTheLongestTermsAtTheLastDay(t *testing.T) {
	terms := customerTerms()
	terms.WindowMonths, terms.Invitee = 1200, billing.InviteeTerms{Percent: 20, Months: 1200}
	terms.Ladder = []billing.StepTerms{{Percent: 20, Months: 1200}}
	p := newProgramme(t, terms)
	last := time.Date(models.LastYear, 12, 31, 23, 59, 59, 0, time.UTC)
	account := models.Account{ID: 885, RegisteredAt: last, PromoEndedAt: last}
	entitlements := p.Entitlements(&account, &models.Activation{AccountID: 885, RequestedAt: last}, []models.Referral{
		{InviterID: 885, InviteeID: 901, ActivatedAt: last}, {InviterID: 885, InviteeID: 902, ActivatedAt: last},
	}, nil)
	ends := []models.Date{p.LastActivationDay(&account, p.TermsOn(p.Local(last)))}
	for _, d := range entitlements.Discounts {
		ends = append(ends, d.To)
	}
	if len(ends) != 3 {
		t.Fatalf("discounts %+v", entitlements.Discounts)
	}
	for _, end := range ends {
		if read, err := models.ParseDate(end.String()); err != nil || read != end {
			t.Errorf("%s is read as %s (%v)", end, read, err)
		}
	}
}

func TestTheVersionOfADay(t *testing.T) {
	var versions []billing.Terms
	for _, from := range []string{"2026-05-01", "2020-01-01", "2026-02-10"} { // in any order
		v := customerTerms()
		v.EffectiveFrom = date(t, from)
		versions = append(versions, v)
	}
	p := newProgramme(t, versions...)
	if versions[0].EffectiveFrom != date(t, "2026-05-01") {
		t.Error("the caller's versions were put in another order")
	}
	for _, c := range []struct{ day, want string }{
		{"1999-01-01", "2020-01-01"}, {"2019-12-31", "2020-01-01"}, {"2020-01-01", "2020-01-01"},
		{"2026-02-09", "2020-01-01"}, {"2026-02-10", "2026-02-10"}, {"2026-04-30", "2026-02-10"},
		{"2026-05-01", "2026-05-01"}, {"2099-01-01", "2026-05-01"},
	} {
		if got := p.TermsOn(date(t, c.day)).EffectiveFrom; got.String() != c.want {
			t.Errorf("on %s the version of %s is in force, want %s", c.day, got, c.want)
		}
	}
}

func TestTheClassOfAService(t *testing.T) {
	first, second, third := customerTerms(), customerTerms(), customerTerms()
	second.EffectiveFrom, third.EffectiveFrom = models.NewDate(2026, 2, 1), models.NewDate(2026, 3, 1)
	first.Discounted, first.Excluded = []string{"calls", "radio"}, []string{"sms_package"}
	second.Discounted, second.Excluded = []string{"sms_package"}, []string{"calls", "fax"}
	third.Discounted, third.Excluded = []string{"calls", "fax"}, []string{"telex"}
	p := newProgramme(t, first, second, third)
	for _, c := range []struct {
		service                          string
		before, january, february, march billing.ServiceClass
	}{
		{"calls", billing.Discounted, billing.Discounted, billing.Excluded, billing.Discounted},
		{"sms_package", billing.Excluded, billing.Excluded, billing.Discounted, billing.Held}, // no longer listed
		{"fax", billing.Excluded, billing.Excluded, billing.Excluded, billing.Discounted},     // the word of the first that lists it
		{"telex", billing.Excluded, billing.Excluded, billing.Excluded, billing.Excluded},
		{"radio", billing.Discounted, billing.Discounted, billing.Held, billing.Held},
		{"video", billing.Held, billing.Held, billing.Held, billing.Held},
		{"", billing.Held, billing.Held, billing.Held, billing.Held},
		{"Calls", billing.Held, billing.Held, billing.Held, billing.Held},
	} {
		for day, want := range map[string]billing.ServiceClass{
			"2019-06-01": c.before, "2026-01-31": c.january, "2026-02-01": c.february, "2026-02-28": c.february, "2026-03-01": c.march,
		} {
			if got := p.Class(c.service, date(t, day)); got != want {
				t.Errorf("%q on %s is of class %d, want %d", c.service, day, got, want)
			}
		}
	}
}

// The digest is the same for the same terms, in any process and any order of the
// versions, and the brake, which grants nothing, is no part of it.
func TestDigestIsStable(t *testing.T) {
	second := customerTerms()
	second.EffectiveFrom = models.NewDate(2026, 5, 1)
	digest := newProgramme(t, customerTerms(), second).Digest()
	if again := newProgramme(t, customerTerms(), second).Digest(); again != digest {
		t.Error("the same terms have two digests")
	}
	if turned := newProgramme(t, second, customerTerms()).Digest(); turned != digest {
		t.Error("the order in which the versions are given changes the digest")
	}
	second.Brake = billing.Limits{LargestTotal: 1, LargestFull: 2, LargestChange: 3, SmallestCount: 4}
	p := newProgramme(t, customerTerms(), second)
	if braked := p.Digest(); braked != digest {
		t.Error("the brake changes the digest")
	}
	if p.Versions[1].Brake != second.Brake {
		t.Error("taking the digest took the brake off")
	}
}

// Whatever changes what is owed or who is let in changes the digest.
func TestDigestTellsTermsApart(t *testing.T) {
	terms := customerTerms()
	seen := map[string]int{newProgramme(t, terms).Digest(): -1}
	for i, change := range []func(*billing.Terms){
		func(t *billing.Terms) { t.EffectiveFrom++ },
		func(t *billing.Terms) { t.WindowMonths++ },
		func(t *billing.Terms) { t.RefuseOwnCompany = false },
		func(t *billing.Terms) { t.Invitee.Percent++ },
		func(t *billing.Terms) { t.Invitee.Months++ },
		func(t *billing.Terms) { t.Ladder[0].Percent++ },
		func(t *billing.Terms) { t.Ladder[4].Months++ },
		func(t *billing.Terms) { t.Ladder[2].SMS++ },
		func(t *billing.Terms) { t.Ladder = t.Ladder[:4] },
		func(t *billing.Terms) { t.Discounted = append(t.Discounted, "fax") },
		func(t *billing.Terms) { t.Excluded = append(t.Excluded, "fax") },
		func(t *billing.Terms) { t.Discounted = nil },
		func(t *billing.Terms) { t.Excluded = nil },
		func(t *billing.Terms) { t.Discounted = []string{"one two", "three"} },
		func(t *billing.Terms) { t.Discounted = []string{"one", "two three"} },
		func(t *billing.Terms) { t.Discounted = []string{"one", "two", "three"} },
		func(t *billing.Terms) { t.Discounted = []string{"one] Excluded:[two"} },
	} {
		changed := customerTerms()
		change(&changed)
		digest := newProgramme(t, changed).Digest()
		if other, twice := seen[digest]; twice {
			t.Errorf("changes %d and %d have one digest", i, other)
		}
		seen[digest] = i
	}
	p, err := billing.NewProgramme(loadZone(t, "Asia/Vladivostok"), []billing.Terms{terms})
	if err != nil {
		t.Fatal(err)
	}
	if _, same := seen[p.Digest()]; same {
		t.Error("the time zone does not change the digest")
	}
}

func TestAProgrammeKeepsItsVersions(t *testing.T) {
	versions := []billing.Terms{customerTerms()}
	p := newProgramme(t, versions...)
	versions[0].WindowMonths = 99
	if p.Versions[0].WindowMonths != 1 || !slices.Equal(p.Versions[0].Ladder, customerTerms().Ladder) {
		t.Error("the caller's slice is the programme's")
	}
}
