package billing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"referral/billing"
	"referral/models"
)

// visit is an account as finance would write it down: days are noon in Moscow.
type visit struct {
	registered, activated, promoEnded, left string
	friends                                 []string
}

func (v visit) open(t checker) *models.AccountHistory {
	t.Helper()
	c := &models.AccountHistory{Account: models.Account{
		ID: 885, Code: "C885", Profile: models.Profile{Name: "Резервация", PromoUntil: "2026-01-24"},
		RegisteredAt: noon(t, v.registered), PromoEndedAt: noon(t, v.promoEnded), TerminatedAt: noon(t, v.left),
	}}
	if v.activated != "" {
		c.Activations = append(c.Activations, &models.Activation{
			AccountID: 885, RequestedAt: noon(t, v.activated), Status: models.ActivationAccepted, InviterID: 7,
		})
	}
	for i, day := range v.friends {
		c.Referrals = append(c.Referrals, models.Referral{InviterID: 885, InviteeID: int64(901 + i), ActivatedAt: noon(t, day)})
	}
	return c
}

func noon(t checker, day string) time.Time {
	t.Helper()
	if day == "" {
		return time.Time{}
	}
	d := date(t, day).Time()
	return time.Date(d.Year(), d.Month(), d.Day(), 12, 0, 0, 0, loadZone(t, "Europe/Moscow"))
}

var spring = []string{"2026-01-10", "2026-03-05", "2026-04-20"}

func TestWhatAClientHasToday(t *testing.T) {
	for _, c := range []struct {
		name  string
		visit visit
		today string
		want  string // percent = invitee + inviter, step, until; friends on the climb of all; what the next one brings
	}{
		{"nobody yet", visit{registered: "2026-01-10"}, "2026-02-01", "0=0+0 step 0 until -; 0 of 0; next step 1: 20% to 2026-05-01"},
		{"the day of the first friend", visit{registered: "2025-01-10", friends: spring}, "2026-01-10", "20=0+20 step 1 until 2026-03-05; 1 of 3; next step 2: 40% to 2026-07-10"},
		{"the day before the second", visit{registered: "2025-01-10", friends: spring}, "2026-03-04", "20=0+20 step 1 until 2026-03-05; 1 of 3; next step 2: 40% to 2026-09-04"},
		{"the third friend's package", visit{registered: "2025-01-10", friends: spring}, "2026-03-05", "40=0+40 step 2 until 2026-04-20; 2 of 3; next step 3: 60% to 2027-03-05 and 1200 SMS"},
		{"three friends", visit{registered: "2025-01-10", friends: spring}, "2026-05-01", "60=0+60 step 3 until 2027-04-20; 3 of 3; next step 4: 80% to 2027-05-01"},
		{"the last day of the discount", visit{registered: "2025-01-10", friends: spring}, "2027-04-19", "60=0+60 step 3 until 2027-04-20; 3 of 3; next step 4: 80% to 2028-04-19"},
		{"after the end a climb begins again", visit{registered: "2025-01-10", friends: spring}, "2027-04-20", "0=0+0 step 0 until -; 0 of 3; next step 1: 20% to 2027-07-20"},
		{"both kinds, and the invitee's ends first", visit{registered: "2026-01-05", activated: "2026-01-06", promoEnded: "2026-02-01", friends: spring[:2]}, "2026-03-10",
			"60=20+40 step 2 until 2026-05-01; 2 of 2; next step 3: 60% to 2027-03-10 and 1200 SMS"},
		{"the promo has not ended", visit{registered: "2026-01-05", activated: "2026-01-06"}, "2026-03-10", "0=0+0 step 0 until -; 0 of 0; next step 1: 20% to 2026-06-10"},
		{"the discount is still to begin", visit{registered: "2026-01-05", activated: "2026-01-06", promoEnded: "2026-04-01"}, "2026-03-10", "0=0+0 step 0 until -; 0 of 0; next step 1: 20% to 2026-06-10"},
		{"an account that left", visit{registered: "2025-01-10", friends: spring, left: "2026-05-01"}, "2026-05-01", "0=0+0 step 0 until -; 0 of 3; next step 0: 0% to 1970-01-01"},
		{"the top of the ladder", visit{registered: "2025-01-10", friends: slices.Repeat([]string{"2026-04-01"}, 6)}, "2026-04-01", "100=0+100 step 5 until 2027-04-01; 6 of 6; next step 5: 100% to 2027-04-01"},
		{"at 100 % the end of the own discount changes nothing", visit{registered: "2026-03-05", activated: "2026-03-06", promoEnded: "2026-03-10", friends: slices.Repeat([]string{"2026-04-01"}, 5)}, "2026-04-01",
			"100=20+100 step 5 until 2027-04-01; 5 of 5; next step 5: 100% to 2027-04-01"},
	} {
		view := newProgramme(t, customerTerms()).PortalView(c.visit.open(t), date(t, c.today))
		if got := inWords(view); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func inWords(v billing.PortalView) string {
	until, sms := "-", ""
	if v.Current.Percent > 0 {
		until = v.Current.Until.String()
	}
	if v.Next.SMS > 0 {
		sms = fmt.Sprintf(" and %d SMS", v.Next.SMS)
	}
	return fmt.Sprintf("%d=%d+%d step %d until %s; %d of %d; next step %d: %d%% to %s%s", v.Current.Percent, v.Current.Invitee, v.Current.Inviter,
		v.Current.Step, until, v.OnLadder, v.Friends, v.Next.Step, v.Next.Percent, v.Next.End, sms)
}

func TestTheWindowForACode(t *testing.T) {
	for _, c := range []struct {
		name, registered, activated, today string
		last, closes                       string
		open                               bool
	}{
		{"a month", "2026-03-10", "", "2026-03-10", "2026-04-10", "2026-04-11T00:00:00+03:00", true},
		{"the last day still counts", "2026-03-10", "", "2026-04-10", "2026-04-10", "2026-04-11T00:00:00+03:00", true},
		{"the day after does not", "2026-03-10", "", "2026-04-11", "2026-04-10", "2026-04-11T00:00:00+03:00", false},
		{"the end of January", "2026-01-31", "", "2026-02-28", "2026-02-28", "2026-03-01T00:00:00+03:00", true},
		{"of a leap year", "2028-01-31", "", "2028-02-29", "2028-02-29", "2028-03-01T00:00:00+03:00", true},
		{"a code was accepted", "2026-03-10", "2026-03-11", "2026-03-12", "2026-04-10", "2026-04-11T00:00:00+03:00", false},
		{"not registered", "", "", "2026-03-12", "1970-01-01", "0001-01-01T00:00:00Z", false},
	} {
		w := newProgramme(t, customerTerms()).PortalView(visit{registered: c.registered, activated: c.activated}.open(t), date(t, c.today)).Window
		if w.LastDay.String() != c.last || w.ClosesAt.Format(time.RFC3339) != c.closes || w.Open != c.open {
			t.Errorf("%s: through %s, closes %s, open %t", c.name, w.LastDay, w.ClosesAt.Format(time.RFC3339), w.Open)
		}
	}
}

// The months of the window are those of the terms of today, also before an account
// is registered.
func TestTheWindowHasItsTerm(t *testing.T) {
	later := customerTerms()
	later.EffectiveFrom, later.WindowMonths = models.NewDate(2026, 4, 1), 2
	p := newProgramme(t, customerTerms(), later)
	for _, registered := range []string{"", "2026-03-10"} {
		for today, want := range map[string]int{"2026-03-31": 1, "2026-04-01": 2} {
			if w := p.PortalView(visit{registered: registered}.open(t), date(t, today)).Window; w.Months != want {
				t.Errorf("registered %q, on %s: %d months, want %d", registered, today, w.Months, want)
			}
		}
	}
}

// The window shown is the window judged by, also when terms that are announced
// put its end off or bring it forward.
func TestTheWindowIsWhatIsJudged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := []billing.Terms{customerTerms()}
		for i := range rapid.IntRange(0, 3).Draw(t, "changes") {
			v := customerTerms()
			v.EffectiveFrom = models.NewDate(2026, 1, 10+20*i+rapid.IntRange(0, 19).Draw(t, "from"))
			v.WindowMonths = rapid.IntRange(0, 4).Draw(t, "months")
			versions = append(versions, v)
		}
		p := newProgramme(t, versions...)
		a := &models.Account{ID: 885, RegisteredAt: noon(t, "2026-01-31").AddDate(0, 0, rapid.IntRange(-30, 60).Draw(t, "registered"))}
		today := p.Local(a.RegisteredAt) + models.Date(rapid.IntRange(0, 120).Draw(t, "today"))
		accepted := func(day models.Date) bool {
			at := day.Time().Add(9 * time.Hour) // noon in Moscow
			return p.CheckEligibility(billing.EligibilityRequest{Invitee: a, Inviter: &models.Account{ID: 1}, RequestedAt: at}) == ""
		}
		w := p.PortalView(&models.AccountHistory{Account: *a}, today).Window
		if w.Open != accepted(today) {
			t.Fatalf("on %s the window is shown open: %t, and judged otherwise", today, w.Open)
		}
		for day := today; w.Open && day <= w.LastDay; day++ {
			if !accepted(day) {
				t.Fatalf("open through %s, but a code of %s would be refused", w.LastDay, day)
			}
		}
		if w.Open && accepted(w.LastDay+1) {
			t.Fatalf("a code of the day after %s would be accepted", w.LastDay)
		}
	})
}

func TestHowAClientJoined(t *testing.T) {
	p := newProgramme(t, customerTerms())
	early := p.PortalView(visit{registered: "2026-01-05", activated: "2026-01-01"}.open(t), date(t, "2026-01-06"))
	if j := early.Joined; j == nil || j.On.String() != "2026-01-05" || j.Percent != 20 || j.Months != 3 {
		t.Errorf("an activation before the registration: %+v", j)
	}
	if w := early.Promised; w == nil || *w != (billing.PromisedInvitee{Percent: 20, Months: 3, PromoUntil: "2026-01-24"}) {
		t.Errorf("promised: %+v", w)
	}
	known := p.PortalView(visit{registered: "2026-01-05", activated: "2026-01-06", promoEnded: "2026-01-24"}.open(t), date(t, "2026-01-07"))
	if d := known.Invitee; known.Promised != nil || d == nil || d.From.String() != "2026-01-24" || d.To.String() != "2026-04-24" {
		t.Errorf("after the promo's end is known: promised %+v, discount %+v", known.Promised, d)
	}
	left := p.PortalView(visit{registered: "2026-01-05", activated: "2026-01-06", left: "2026-01-07"}.open(t), date(t, "2026-01-08"))
	if left.Promised != nil || left.Invitee != nil || !left.Terminated || left.Joined == nil {
		t.Errorf("an account that left: %+v", left)
	}
	waiting := visit{}.open(t)
	waiting.Activations = []*models.Activation{{AccountID: 885, Status: models.ActivationPending, Reason: models.NotRegistered}}
	if v := p.PortalView(waiting, date(t, "2026-01-08")); !v.Pending || v.Registered || v.Joined != nil {
		t.Errorf("an activation that waits: %+v", v)
	}
}

// Until the local day of its termination an account is a client like any other; a
// friend brings it no day beyond.
func TestAnAnnouncedTermination(t *testing.T) {
	p := newProgramme(t, customerTerms())
	c := visit{registered: "2026-01-05", activated: "2026-01-06", friends: spring}.open(t)
	c.Account.TerminatedAt = time.Date(2026, 4, 30, 21, 30, 0, 0, time.UTC) // half past midnight in Moscow
	before := p.PortalView(c, date(t, "2026-04-30"))
	if before.Terminated || before.TerminatedOn.String() != "2026-05-01" || before.Promised == nil {
		t.Errorf("the day before: %+v", before)
	}
	if got, want := inWords(before), "60=0+60 step 3 until 2026-05-01; 3 of 3; next step 4: 80% to 2026-05-01"; got != want {
		t.Errorf("the day before:\n got %s\nwant %s", got, want)
	}
	on := p.PortalView(c, date(t, "2026-05-01"))
	if !on.Terminated || on.TerminatedOn.String() != "2026-05-01" || on.Promised != nil || on.Current.Percent != 0 || on.Next.Step != 0 {
		t.Errorf("on the day: %+v", on)
	}
	if stays := p.PortalView(visit{registered: "2026-01-05"}.open(t), date(t, "2026-05-01")); stays.Terminated || stays.TerminatedOn != 0 {
		t.Errorf("an account that stays: %+v", stays)
	}
}

func TestTheTableOfSteps(t *testing.T) {
	v := newProgramme(t, customerTerms()).PortalView(visit{registered: "2025-01-10", friends: spring}.open(t), date(t, "2026-03-10"))
	want := []billing.PortalStep{{1, 20, 3, 0, false}, {2, 40, 6, 0, true}, {3, 60, 12, 1200, false}, {4, 80, 12, 0, false}, {5, 100, 12, 3200, false}}
	if !slices.Equal(v.Steps, want) {
		t.Errorf("steps %+v", v.Steps)
	}
}

func TestPackagesAndWhereTheyAre(t *testing.T) {
	went := func(ordinal int, answers ...models.ResultStatus) models.AuditPackage {
		p := models.AuditPackage{SMSPackage: models.SMSPackage{AccountID: 885, SMS: 1200, Ordinal: ordinal, GrantedOn: models.NewDate(2026, 4, 2), Period: 202604}}
		for i, s := range answers {
			p.Answers = append(p.Answers, models.Result{Status: s, At: time.Unix(int64(i), 0)})
		}
		return p
	}
	for _, c := range []struct {
		name    string
		friends []string
		gone    []models.AuditPackage
		want    string
	}{
		{"none yet", spring[:2], nil, "[]"},
		{"earned", spring, nil, "[{1200 2026-04-20 earned 2026-04}]"},
		{"ordered", spring, []models.AuditPackage{went(1)}, "[{1200 2026-04-20 ordered 2026-04}]"},
		{"credited", spring, []models.AuditPackage{went(1, models.ResultRejected, models.ResultApplied)}, "[{1200 2026-04-20 credited 2026-04}]"},
		{"refused", spring, []models.AuditPackage{went(1, models.ResultRejected)}, "[{1200 2026-04-20 rejected 2026-04}]"},
		{"a surplus keeps the day it went out for", spring[:2], []models.AuditPackage{went(1)}, "[{1200 2026-04-02 ordered 2026-04}]"},
		{"another of its size counts for it", spring, []models.AuditPackage{went(2)}, "[{1200 2026-04-02 ordered 2026-04}]"},
		{"two sizes", append(slices.Clone(spring), "2026-05-01", "2026-05-02"), []models.AuditPackage{went(1)}, "[{1200 2026-04-20 ordered 2026-04} {3200 2026-05-02 earned 2026-05}]"},
	} {
		account := visit{registered: "2025-01-10", friends: c.friends}.open(t)
		account.Packages = c.gone
		if got := fmt.Sprint(newProgramme(t, customerTerms()).PortalView(account, date(t, "2026-06-01")).Packages); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestEveryChangeHasItsReason(t *testing.T) {
	for _, c := range []struct {
		name  string
		visit visit
		today string
		want  string
	}{
		{"nothing", visit{registered: "2026-01-10"}, "2026-06-01", ""},
		{"friends, and the end", visit{registered: "2025-01-10", friends: spring}, "2027-06-01",
			"2027-04-20 0% ladder_end; 2026-04-20 60% step 3 friend 903; 2026-03-05 40% step 2 friend 902; 2026-01-10 20% step 1 friend 901"},
		{"what is to come is not told", visit{registered: "2025-01-10", friends: spring}, "2026-03-05", "2026-03-05 40% step 2 friend 902; 2026-01-10 20% step 1 friend 901"},
		{"two friends of one day", visit{registered: "2025-01-10", friends: []string{"2026-01-10", "2026-01-10"}}, "2026-01-10", "2026-01-10 40% step 2 friend 902; 2026-01-10 20% step 1 friend 901"},
		{"the own discount", visit{registered: "2026-01-05", activated: "2026-01-06", promoEnded: "2026-01-24"}, "2026-06-01", "2026-04-24 0% invitee_end; 2026-01-24 20% invitee_start"},
		{"both", visit{registered: "2026-01-05", activated: "2026-01-06", promoEnded: "2026-01-24", friends: []string{"2026-02-10"}}, "2026-06-01",
			"2026-05-10 0% ladder_end; 2026-04-24 20% step 1 invitee_end; 2026-02-10 40% step 1 friend 901; 2026-01-24 20% invitee_start"},
		{"on the day of the end a climb begins again", visit{registered: "2025-01-10", friends: []string{"2026-01-10", "2026-04-10"}}, "2026-04-10",
			"2026-04-10 20% step 1 friend 902; 2026-04-10 0% ladder_end; 2026-01-10 20% step 1 friend 901"},
		{"leaving ends all, and nothing comes after it", visit{registered: "2026-01-05", activated: "2026-01-06", promoEnded: "2026-01-24", friends: []string{"2026-02-10", "2026-03-01", "2026-04-01"}, left: "2026-03-01"}, "2026-06-01",
			"2026-03-01 0% termination; 2026-02-10 40% step 1 friend 901; 2026-01-24 20% invitee_start"},
		{"leaving without a discount", visit{registered: "2025-01-10", friends: []string{"2025-02-10"}, left: "2026-03-01"}, "2026-06-01", "2025-05-10 0% ladder_end; 2025-02-10 20% step 1 friend 901"},
		{"a friend who brings no more percent", visit{registered: "2025-01-10", friends: slices.Repeat([]string{"2026-04-01"}, 6)}, "2026-04-01",
			"2026-04-01 100% step 5 friend 906 keeps it to 2027-04-01; 2026-04-01 100% step 5 friend 905; 2026-04-01 80% step 4 friend 904; 2026-04-01 60% step 3 friend 903; 2026-04-01 40% step 2 friend 902; 2026-04-01 20% step 1 friend 901"},
		{"each later friend at 100 % moves the end", visit{registered: "2025-01-10", friends: append(slices.Repeat([]string{"2026-04-01"}, 5), "2026-05-10")}, "2026-05-10",
			"2026-05-10 100% step 5 friend 906 keeps it to 2027-05-10, which is later; 2026-04-01 100% step 5 friend 905; 2026-04-01 80% step 4 friend 904; 2026-04-01 60% step 3 friend 903; 2026-04-01 40% step 2 friend 902; 2026-04-01 20% step 1 friend 901"},
		{"nor beyond the day of leaving", visit{registered: "2025-01-10", friends: append(slices.Repeat([]string{"2026-04-01"}, 5), "2026-05-10"), left: "2026-06-01"}, "2026-05-10",
			"2026-05-10 100% step 5 friend 906 keeps it to 2026-06-01; 2026-04-01 100% step 5 friend 905; 2026-04-01 80% step 4 friend 904; 2026-04-01 60% step 3 friend 903; 2026-04-01 40% step 2 friend 902; 2026-04-01 20% step 1 friend 901"},
	} {
		var got []string
		for _, ch := range newProgramme(t, customerTerms()).Changes(c.visit.open(t), date(t, c.today)) {
			got = append(got, changeInWords(ch))
		}
		if said := strings.Join(got, "; "); said != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, said, c.want)
		}
	}
}

func changeInWords(c billing.DiscountChange) string {
	said := fmt.Sprintf("%s %d%%", c.On, c.Percent)
	if c.Step > 0 {
		said += fmt.Sprintf(" step %d", c.Step)
	}
	said += " " + string(c.Reason)
	if c.Friend > 0 {
		said += fmt.Sprintf(" %d", c.Friend)
	}
	if c.Kept {
		said += fmt.Sprintf(" keeps it to %s", c.End)
		if c.Extended {
			said += ", which is later"
		}
	}
	return said
}

// someVisit is an account with anything that may have happened to it.
func someVisit(t *rapid.T) *models.AccountHistory {
	start := noon(t, "2026-01-01")
	day := func(what string) time.Time {
		return start.AddDate(0, 0, rapid.IntRange(0, 500).Draw(t, what)).Add(time.Duration(rapid.IntRange(-12, 11).Draw(t, "hour")) * time.Hour)
	}
	maybe := func(what string) time.Time {
		if rapid.Bool().Draw(t, what) {
			return day(what)
		}
		return time.Time{}
	}
	c := &models.AccountHistory{Account: models.Account{ID: 885, RegisteredAt: start, PromoEndedAt: maybe("promo end"), TerminatedAt: maybe("left")}}
	if at := maybe("activated"); !at.IsZero() {
		c.Activations = []*models.Activation{{AccountID: 885, RequestedAt: at, Status: models.ActivationAccepted, InviterID: 7}}
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "friends") {
		c.Referrals = append(c.Referrals, models.Referral{InviterID: 885, InviteeID: int64(901 + i), ActivatedAt: day("friend")})
	}
	return c
}

// What is shown of a day is what its invoices are calculated with, and the history
// folds into it.
func TestWhatIsShownIsWhatIsReckoned(t *testing.T) {
	p := newProgramme(t, customerTerms())
	rapid.Check(t, func(t *rapid.T) {
		c := someVisit(t)
		entitlements := p.Entitlements(&c.Account, c.Accepted(), c.Referrals, c.Agreed)
		timeline := billing.Timeline(entitlements.Discounts)
		first := p.Local(c.Account.RegisteredAt)
		changes := p.Changes(c, first+2000)
		for day := first - 1; day < first+1000; day += models.Date(rapid.IntRange(1, 30).Draw(t, "days on")) {
			want := segmentOf(timeline, day)
			view := p.PortalView(c, day).Current
			if view.Percent != want.Percent() || view.Invitee != want.Invitee || view.Inviter != want.Inviter {
				t.Fatalf("on %s %+v is shown, %+v is calculated", day, view, want)
			}
			if view.Percent > 0 && (segmentOf(timeline, view.Until).Percent() == view.Percent || segmentOf(timeline, view.Until-1).Percent() != view.Percent) {
				t.Fatalf("on %s %d %% are said to hold until %s", day, view.Percent, view.Until)
			}
			if told := changeOn(changes, day); told.Percent != want.Percent() || told.Invitee != want.Invitee || told.Inviter != want.Inviter || told.Step != view.Step {
				t.Fatalf("on %s the history tells of %+v, %+v is calculated", day, told, want)
			}
			if upTo := p.Changes(c, day); len(upTo) > 0 && upTo[0] != changeOn(changes, day) || len(upTo) > len(changes) {
				t.Fatalf("the history up to %s is no part of the whole", day)
			}
		}
	})
}

func segmentOf(timeline []models.Segment, day models.Date) models.Segment {
	for _, s := range timeline {
		if s.From <= day && day < s.To {
			return s
		}
	}
	return models.Segment{}
}

// changeOn is the last change up to a day.
func changeOn(newestFirst []billing.DiscountChange, day models.Date) billing.DiscountChange {
	for _, c := range newestFirst {
		if c.On <= day {
			return c
		}
	}
	return billing.DiscountChange{}
}

// What the next friend is said to bring is what it brings.
func TestTheNextFriendKeepsItsWord(t *testing.T) {
	p := newProgramme(t, customerTerms())
	rapid.Check(t, func(t *rapid.T) {
		c := someVisit(t)
		c.Account.TerminatedAt = time.Time{}
		today := p.Local(c.Account.RegisteredAt) + models.Date(rapid.IntRange(0, 600).Draw(t, "today"))
		c.Referrals = slices.DeleteFunc(c.Referrals, func(r models.Referral) bool { return p.Local(r.ActivatedAt) > today })
		next := p.PortalView(c, today).Next
		c.Referrals = append(c.Referrals, models.Referral{InviterID: 885, InviteeID: 999, ActivatedAt: today.Time().Add(20 * time.Hour)})
		steps := p.Ladder(c.Referrals)
		if r := steps[len(steps)-1]; r.Step != next.Step || r.Percent != next.Percent || r.End != next.End || r.SMS != next.SMS {
			t.Fatalf("promised %+v, came %+v", next, r)
		}
	})
}

func TestMonthsAreSummedUp(t *testing.T) {
	c := visit{registered: "2025-01-10", friends: spring}.open(t)
	invoice := func(id string, period models.Period, currency string, amounts ...models.Money) *models.AuditInvoice {
		inv := models.AuditInvoice{Invoice: models.Invoice{AccountID: 885, ID: id, Revision: 1, Period: period, Currency: currency}}
		for i, amount := range amounts {
			inv.Invoice.Lines = append(inv.Invoice.Lines, models.Line{
				ID: fmt.Sprint(i), Service: "subscription", From: period.First(), To: period.End(), Amount: amount,
			})
		}
		c.Invoices = append(c.Invoices, inv)
		return &c.Invoices[len(c.Invoices)-1]
	}
	post := func(inv *models.AuditInvoice, amount models.Money) {
		inv.Documents = append(inv.Documents, models.AuditDocument{Adjustment: models.Adjustment{
			Amount: amount, Items: []models.AdjustmentItem{{LineID: "0", Service: "subscription", Amount: amount}},
		}})
	}
	invoice("DEC", 202512, "RUB", 100_000)
	invoice("APR-2", 202604, "RUB", 300_000)
	post(invoice("APR-1", 202604, "RUB", 300_000), -142_000)
	invoice("APR-3", 202604, "USD", 1_000)
	invoice("GONE", 202604, "RUB")
	post(invoice("CANCELLED", 202602, "RUB"), -20_000)
	var got []string
	for _, m := range newProgramme(t, customerTerms()).Months(c) {
		ids := ""
		for _, inv := range m.Invoices {
			ids += " " + inv.InvoiceID
		}
		got = append(got, fmt.Sprintf("%s %s %d%% %d %d %d%s", m.Period, m.Currency, m.Highest, m.Charged, m.Discount, m.Waiting, ids))
	}
	want := []string{
		"2026-04 RUB 60% 600000 -142000 -142000 APR-2 APR-1", "2026-04 USD 60% 1000 0 -473 APR-3",
		"2026-02 RUB 20% 0 -20000 20000 CANCELLED", "2025-12 RUB 0% 100000 0 0 DEC",
	}
	if !slices.Equal(got, want) {
		t.Errorf("months\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
