package billing_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

// said is an announcement as a line of text: its type, whom it is about, and its
// data by key.
func said(a models.OutboxEvent) string {
	words := []string{string(a.Type), fmt.Sprint(a.AccountID)}
	for _, key := range slices.Sorted(maps.Keys(a.Data)) {
		words = append(words, fmt.Sprintf("%s=%v", key, a.Data[key]))
	}
	return strings.Join(words, " ")
}

// Every event for CRM, notifications and analytics, with the fields that the
// contract gives its type.
func TestAnnouncements(t *testing.T) {
	w := newWorld(t, newProgramme(t, customerTerms()))
	noon := func(month time.Month, day int) time.Time {
		return time.Date(2026, month, day, 12, 0, 0, 0, w.programme.Zone)
	}
	for i, c := range []struct {
		data models.FactData
		want []string
	}{
		{models.Registered{AccountID: 885, RegisteredAt: noon(1, 1)}, []string{
			"referral.code-issued.v1 885 account_id=885 code=C00000885",
		}},
		{models.Registered{AccountID: 885, RegisteredAt: noon(1, 1)}, nil},
		{models.ActivationRequested{AccountID: 901, Code: "c0000 0885", RequestedAt: noon(1, 5)}, nil}, // waits
		{models.ActivationRequested{AccountID: 901, Code: "nobody's", RequestedAt: noon(1, 6)}, nil},
		{models.Registered{AccountID: 901, RegisteredAt: noon(1, 4)}, []string{
			"referral.code-issued.v1 901 account_id=901 code=C00000901",
			"referral.activated.v1 901 account_id=901 activated_on=2026-01-05 code=C00000885 inviter_id=885",
			"referral.discount-changed.v1 901 account_id=901 ends_on=<nil> kind=invitee percent=20 starts_on=<nil> step=0", // promised
			"referral.refused.v1 901 account_id=901 code=nobody's reason=unknown_code",
			"referral.discount-changed.v1 885 account_id=885 ends_on=2026-04-05 kind=inviter percent=20 starts_on=2026-01-05 step=1",
		}},
		{models.PromoEnded{AccountID: 901, EndedAt: noon(1, 20)}, []string{
			"referral.discount-changed.v1 901 account_id=901 ends_on=2026-04-20 kind=invitee percent=20 starts_on=2026-01-20 step=0",
		}},
		{models.PromoEnded{AccountID: 901, EndedAt: noon(1, 25)}, nil}, // not the earliest
		{models.Registered{AccountID: 902, RegisteredAt: noon(2, 1)}, []string{
			"referral.code-issued.v1 902 account_id=902 code=C00000902",
		}},
		{models.PromoEnded{AccountID: 902, EndedAt: noon(2, 1)}, nil},
		{models.ActivationRequested{AccountID: 902, Code: "C00000885", RequestedAt: noon(2, 2)}, []string{
			"referral.activated.v1 902 account_id=902 activated_on=2026-02-02 code=C00000885 inviter_id=885",
			"referral.discount-changed.v1 885 account_id=885 ends_on=2026-08-02 kind=inviter percent=40 starts_on=2026-02-02 step=2",
			"referral.discount-changed.v1 902 account_id=902 ends_on=2026-05-02 kind=invitee percent=20 starts_on=2026-02-02 step=0",
		}},
		{models.ActivationRequested{AccountID: 902, Code: "C00000901", RequestedAt: noon(2, 3)}, []string{
			"referral.refused.v1 902 account_id=902 code=C00000901 reason=already_activated",
		}},
		{models.Terminated{AccountID: 902, TerminatedAt: noon(3, 1)}, []string{
			"referral.discount-changed.v1 902 account_id=902 ends_on=2026-03-01 kind=invitee percent=20 starts_on=2026-02-02 step=0",
		}},
		{models.Terminated{AccountID: 902, TerminatedAt: noon(2, 2)}, []string{ // never had any
			"referral.discount-changed.v1 902 account_id=902 ends_on=2026-02-02 kind=invitee percent=0 starts_on=2026-02-02 step=0",
		}},
	} {
		before := len(w.announced)
		at := noon(5, i+1)
		w.take(&models.Fact{At: at, Data: c.data})
		var got []string
		for _, a := range w.announced[before:] {
			got = append(got, said(a))
			if !a.At.Equal(at) {
				t.Errorf("%s is dated %s, the fact that caused it %s", a.Type, a.At, at)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("after fact %d, %+v:\ngot\n  %s\nwant\n  %s", i, c.data, strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
		}
	}
}

// However the facts about a new client come, one by one or together, anyone who
// follows the announcements ends with what is so: a promise that will not come is
// withdrawn, and what never was is not announced.
func TestWhatWasPromisedIsWithdrawnInEveryOrder(t *testing.T) {
	p := newProgramme(t, customerTerms())
	noon := func(day int) time.Time { return time.Date(2026, 1, day, 12, 0, 0, 0, p.Zone) }
	const (
		promised  = "20 <nil> <nil>"
		broken    = "0 <nil> <nil>"
		dated     = "20 2026-01-20 2026-04-20"
		shortened = "20 2026-01-20 2026-02-10"
		withdrawn = "0 2026-01-20 2026-01-20"
	)
	facts := map[string]models.FactData{
		"activation": models.ActivationRequested{AccountID: 901, Code: codeOf(885), RequestedAt: noon(5)},
		"promo end":  models.PromoEnded{AccountID: 901, EndedAt: noon(20)},
		"left early": models.Terminated{AccountID: 901, TerminatedAt: noon(15)},
		"left later": models.Terminated{AccountID: 901, TerminatedAt: noon(41)}, // 10 February
	}
	for _, c := range []struct{ order, one, together []string }{
		{[]string{"activation", "promo end", "left early"}, []string{promised, dated, withdrawn}, []string{promised, broken}},
		{[]string{"activation", "left early", "promo end"}, []string{promised, broken}, []string{promised, broken}},
		{[]string{"promo end", "activation", "left early"}, []string{dated, withdrawn}, nil},
		{[]string{"promo end", "left early", "activation"}, nil, nil},
		{[]string{"left early", "activation", "promo end"}, nil, nil},
		{[]string{"left early", "promo end", "activation"}, nil, nil},

		{[]string{"activation", "promo end", "left later"}, []string{promised, dated, shortened}, []string{promised, shortened}},
		{[]string{"activation", "left later", "promo end"}, []string{promised, broken, shortened}, []string{promised, shortened}},
		{[]string{"promo end", "activation", "left later"}, []string{dated, shortened}, []string{shortened}},
		{[]string{"promo end", "left later", "activation"}, []string{shortened}, []string{shortened}},
		{[]string{"left later", "activation", "promo end"}, []string{shortened}, []string{shortened}},
		{[]string{"left later", "promo end", "activation"}, []string{shortened}, []string{shortened}},

		{[]string{"activation", "left later", "left early"}, []string{promised, broken}, []string{promised, broken}},
	} {
		for size, want := range map[int][]string{1: c.one, len(c.order): c.together} {
			w := newWorld(t, p)
			for _, id := range []int64{885, 901} {
				w.take(&models.Fact{Data: models.Registered{AccountID: id, RegisteredAt: noon(4)}})
			}
			var all []*models.Fact
			for _, name := range c.order {
				all = append(all, &models.Fact{Data: facts[name]})
			}
			for batch := range slices.Chunk(all, size) {
				w.take(batch...)
			}
			var got []string
			for _, a := range w.announced {
				if a.Data["kind"] == models.Invitee {
					got = append(got, fmt.Sprint(a.Data["percent"], a.Data["starts_on"], a.Data["ends_on"]))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v, in batches of %d: announced %q, want %q", c.order, size, got, want)
			}
			w.checkAnnounced()
		}
	}
}

// A registration that turns out to be earlier may move an activation under other
// terms: the promise is then another.
func TestAPromiseUnderEarlierTerms(t *testing.T) {
	w := newWorld(t, newProgramme(t, customerTerms(), quickTerms()))
	noon := func(month time.Month, day int) time.Time {
		return time.Date(2026, month, day, 12, 0, 0, 0, w.programme.Zone)
	}
	for _, data := range []models.FactData{
		models.Registered{AccountID: 885, RegisteredAt: noon(1, 1)},
		models.Registered{AccountID: 901, RegisteredAt: noon(2, 3)},
		models.ActivationRequested{AccountID: 901, Code: codeOf(885), RequestedAt: noon(1, 20)},
		models.Registered{AccountID: 901, RegisteredAt: noon(2, 2)},
		models.Registered{AccountID: 901, RegisteredAt: noon(1, 31)},
	} {
		w.take(&models.Fact{Data: data})
	}
	var got []any
	for _, a := range w.announced {
		if a.Data["kind"] == models.Invitee {
			got = append(got, a.Data["percent"])
		}
	}
	if fmt.Sprint(got) != "[30 20]" {
		t.Errorf("promised were %v per cent, want 30 and then 20", got)
	}
	w.checkAnnounced()
}

// A stretch of the ladder that is over, and is learnt of late, is not announced:
// the newest one stands. When it moves the newest one, that is.
func TestThePastOfTheLadderIsNotAnnounced(t *testing.T) {
	w := newWorld(t, newProgramme(t, customerTerms()))
	noon := func(month time.Month, day int) time.Time {
		return time.Date(2026, month, day, 12, 0, 0, 0, w.programme.Zone)
	}
	w.take(&models.Fact{Data: models.Registered{AccountID: 885, RegisteredAt: noon(1, 1)}})
	for _, c := range []struct {
		friend int64
		at     time.Time
		want   []string
	}{
		{901, noon(9, 1), []string{"20 2026-09-01 2026-12-01 1"}},
		{902, noon(2, 1), nil}, // a climb from February to May
		{903, noon(8, 1), []string{"40 2026-09-01 2027-03-01 2"}},
	} {
		before := len(w.announced)
		w.take(
			&models.Fact{Data: models.Registered{AccountID: c.friend, RegisteredAt: c.at}},
			&models.Fact{Data: models.ActivationRequested{
				AccountID: c.friend, Code: codeOf(885), RequestedAt: c.at,
			}},
		)
		var got []string
		for _, a := range w.announced[before:] {
			if a.Data["kind"] == models.Inviter {
				got = append(got, fmt.Sprint(a.Data["percent"], a.Data["starts_on"], a.Data["ends_on"], a.Data["step"]))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("friend %d: announced %q, want %q", c.friend, got, c.want)
		}
	}
}

// A batch that has to be taken again, because its transaction failed, announces
// the same things under the same ids.
func TestAnnouncementsOfABatchTakenAgain(t *testing.T) {
	p := newProgramme(t, customerTerms())
	take := func() models.Changes {
		book := billing.NewFactApplier(p, models.NewWorkingSet(), func() string { return "C00000885" })
		at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		for _, data := range []models.FactData{
			models.Registered{AccountID: 885, RegisteredAt: at},
			models.ActivationRequested{AccountID: 901, Code: "C00000885", RequestedAt: at},
			models.ActivationRequested{AccountID: 885, Code: "C00000885", RequestedAt: at},
			models.Terminated{AccountID: 902, TerminatedAt: at},
			&models.Invoice{AccountID: 903, ID: "INV-1"}, // no business of the book
			models.Result{AccountID: 904},
		} {
			book.Apply(&models.Fact{At: at, Data: data})
		}
		return book.Close()
	}
	first, again := take(), take()
	if !reflect.DeepEqual(first, again) {
		t.Errorf("taken again it comes to\n%+v\nfirst it was\n%+v", again, first)
	}
	var accounts []int64
	for _, a := range first.Accounts {
		accounts = append(accounts, a.ID)
	}
	if want := []int64{885, 901, 902}; !slices.Equal(accounts, want) {
		t.Errorf("accounts %v changed, want %v", accounts, want)
	}
	if len(first.Activations) != 2 || len(first.OutboxEvents) != 2 || len(first.Entitlements) != 0 {
		t.Errorf("changes %+v", first)
	}
}

// Terms that were replaced may be adopted again: what they announce then is another
// event, which a receiver that drops repeated ids must not drop.
func TestAnnouncementsOfTermsAdoptedAgain(t *testing.T) {
	p := newProgramme(t, customerTerms())
	announced := func(adopted time.Time) []models.OutboxEvent {
		at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		set := models.NewWorkingSet()
		set.Accounts[885] = &models.Account{ID: 885, Code: codeOf(885), RegisteredAt: at}
		set.Referrals[885] = []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: at}}
		return p.Rederive(adopted)(set, nil).OutboxEvents
	}
	adopted := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	first, retried, again := announced(adopted), announced(adopted), announced(adopted.Add(time.Hour))
	if len(first) != 1 || len(again) != 1 || first[0].ID == again[0].ID {
		t.Errorf("announced %+v, and later %+v", first, again)
	}
	if !reflect.DeepEqual(first, retried) {
		t.Errorf("announced %+v, and at another try %+v", first, retried)
	}
}

// What a fact does not change is not written again.
func TestAFactThatSaysNothingNewChangesNothing(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	set := models.NewWorkingSet()
	set.Accounts[885] = &models.Account{
		ID: 885, Code: "C00000885", Profile: models.Profile{Name: "Romashka", At: at}, RegisteredAt: at, PromoEndedAt: at, TerminatedAt: at,
	}
	set.Codes["C00000885"] = 885
	set.Activations[885] = []*models.Activation{{AccountID: 885, Code: "c0000-0001", RequestedAt: at, Status: models.ActivationRefused}}
	book := billing.NewFactApplier(newProgramme(t, customerTerms()), set, func() string { t.Error("a second code"); return "" })
	for _, data := range []models.FactData{
		models.Registered{AccountID: 885, RegisteredAt: at, Profile: models.Profile{Name: "Romashka", At: at}},
		models.Registered{AccountID: 885, RegisteredAt: at.Add(time.Second), Profile: models.Profile{Name: "Lutik", At: at}},
		models.PromoEnded{AccountID: 885, EndedAt: at.Add(time.Second)},
		models.Terminated{AccountID: 885, TerminatedAt: at.In(time.FixedZone("", 3600))},
		models.ActivationRequested{AccountID: 885, Code: "c0000-0001", RequestedAt: at.In(time.FixedZone("", 3600))},
	} {
		book.Apply(&models.Fact{At: at, Data: data})
	}
	c := book.Close()
	if len(c.Accounts)+len(c.Activations)+len(c.Referrals)+len(c.Entitlements)+len(c.OutboxEvents) > 0 {
		t.Errorf("changes %+v", c)
	}
	if !slices.Equal(c.Repeated, []int{0, 1, 2, 3, 4}) {
		t.Errorf("taken for repeats: %v", c.Repeated)
	}
}

// Grants are in the order in which the storage returns them, whatever the order
// of sizes on the ladder: otherwise what was derived would seem to have changed.
func TestGrantsAreInTheOrderOfTheStorage(t *testing.T) {
	terms := customerTerms()
	terms.Ladder = []billing.StepTerms{{Percent: 20, Months: 3, SMS: 3200}, {Percent: 40, Months: 6, SMS: 1200}, {Percent: 60, Months: 6, SMS: 3200}}
	at := time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)
	entitlements := newProgramme(t, terms).Entitlements(&models.Account{ID: 885}, nil, []models.Referral{
		{InviterID: 885, InviteeID: 901, ActivatedAt: at}, {InviterID: 885, InviteeID: 902, ActivatedAt: at}, {InviterID: 885, InviteeID: 903, ActivatedAt: at},
	}, nil)
	on := models.NewDate(2026, 4, 20)
	want := []models.Grant{
		{AccountID: 885, SMS: 1200, Ordinal: 1, GrantedOn: on, Step: 2},
		{AccountID: 885, SMS: 3200, Ordinal: 1, GrantedOn: on, Step: 1},
		{AccountID: 885, SMS: 3200, Ordinal: 2, GrantedOn: on, Step: 3},
	}
	if !slices.Equal(entitlements.Grants, want) {
		t.Errorf("%+v, want %+v", entitlements.Grants, want)
	}
}

// The fold puts the referrals in order for itself, not for its caller.
func TestTheLadderLeavesTheReferralsAlone(t *testing.T) {
	at := time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)
	referrals := []models.Referral{{InviterID: 885, InviteeID: 902, ActivatedAt: at.Add(1)}, {InviterID: 885, InviteeID: 901, ActivatedAt: at}}
	given := slices.Clone(referrals)
	if steps := newProgramme(t, customerTerms()).Ladder(referrals); len(steps) != 2 || steps[0].InviteeID != 901 {
		t.Errorf("the ladder is %+v", steps)
	}
	if !slices.Equal(referrals, given) {
		t.Errorf("the referrals have become %+v", referrals)
	}
}
