package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
	"referral/store"
)

// What the main page is made of is what the rules need for it: the view of it is
// the same as that of everything known.
func TestTheMainPageHasWhatItNeeds(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(
		models.Registered{AccountID: 885, RegisteredAt: at("2025-06-01T09:00:00Z"), Profile: models.Profile{Name: "Резервация", TaxID: "1", PromoUntil: "2025-07-01"}},
		activated(885, 885, "2025-06-01T10:00:00Z"), // refused
		registered(900, "2026-04-01T08:00:00Z"), registered(901, "2026-04-01T08:00:00Z"), registered(902, "2026-04-01T08:00:00Z"),
		activated(900, 885, "2026-04-02T09:00:00Z"), activated(901, 885, "2026-04-03T09:00:00Z"), activated(902, 885, "2026-04-04T09:00:00Z"),
		models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-15T21:00:00Z")}, models.Terminated{AccountID: 901, TerminatedAt: at("2026-04-20T09:00:00Z")},
		april(885, 1, 300000), activated(999, 885, "2026-04-02T09:00:00Z"), // waits
	)
	l.settle(models.RunRequest{Period: 202604})
	l.facts(models.Result{AdjustmentID: billing.PackageID(885, 1200, 1), AccountID: 885, Status: models.ResultRejected, At: at("2026-05-01T00:00:00Z")})
	l.facts(models.Result{AdjustmentID: billing.PackageID(885, 1200, 1), AccountID: 885, Status: models.ResultApplied, At: at("2026-05-02T00:00:00Z")})
	for _, account := range []int64{885, 900, 901, 902, 999, 7} {
		page, _, known, err := l.PortalAccount(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		whole, found, err := l.AccountHistory(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		if known != found {
			t.Errorf("account %d: known %t, found %t", account, known, found)
		}
		if page.Account.Profile.TaxID != "" {
			t.Error("the page was given a tax id, which it does not show")
		}
		today := models.NewDate(2026, 5, 2)
		if got, want := fmt.Sprintf("%+v", *view(l.p, &page, today)), fmt.Sprintf("%+v", *view(l.p, &whole, today)); got != want {
			t.Errorf("account %d:\n page %s\nwhole %s", account, got, want)
		}
	}
	if c, _, _, _ := l.PortalAccount(t.Context(), 885); len(l.p.PortalView(&c, l.p.Local(l.now)).Packages) != 1 || c.Packages[0].Answers[0].Status != models.ResultApplied {
		t.Errorf("packages %+v", c.Packages)
	}
}

// view is what is shown, without addresses of memory in it.
func view(p *billing.Programme, c *models.AccountHistory, today models.Date) *struct {
	billing.PortalView
	Own     string
	Changes []billing.DiscountChange
} {
	v := p.PortalView(c, today)
	own := fmt.Sprintf("%+v %+v %+v", deref(v.Joined), deref(v.Promised), deref(v.Invitee))
	v.Joined, v.Promised, v.Invitee = nil, nil, nil
	return &struct {
		billing.PortalView
		Own     string
		Changes []billing.DiscountChange
	}{v, own, p.Changes(c, today)}
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func TestTakingPartWithoutACode(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	for range 2 {
		if err := l.JoinWithoutCode(t.Context(), 885); err != nil {
			t.Fatal(err)
		}
		l.now = l.now.Add(time.Hour)
	}
	if _, entered, known, err := l.PortalAccount(t.Context(), 885); !entered || known || err != nil {
		t.Errorf("entered %t, known %t, %v", entered, known, err)
	}
	if _, entered, _, _ := l.PortalAccount(t.Context(), 886); entered {
		t.Error("another account has entered too")
	}
	if got := l.dump("SELECT account_id, entered_at FROM memberships"); got != `(885,"2026-05-01 00:00:00+00")` {
		t.Errorf("kept is %s", got)
	}
}

// The list of friends, page by page, is all of them and nobody else's, in order,
// also when several came at one instant and when one comes between two pages.
func TestFriendsPageByPage(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	facts := []models.FactData{registered(885, "2025-06-01T09:00:00Z"), registered(886, "2025-06-01T09:00:00Z")}
	for i := range int64(7) {
		when := fmt.Sprintf("2026-04-%02dT09:00:00Z", 2+i/3)
		facts = append(facts, models.Registered{AccountID: 901 + i, RegisteredAt: at("2026-04-01T08:00:00Z"), Profile: models.Profile{Name: fmt.Sprint("Клиент ", i)}}, activated(901+i, 885, when))
	}
	l.facts(append(facts, registered(950, "2026-04-01T08:00:00Z"), activated(950, 886, "2026-04-03T09:00:00Z"))...)
	var got []string
	var mark models.ReferralCursor
	for page := 0; ; page++ {
		list, err := l.ReferredAccounts(t.Context(), 885, mark, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, f := range list {
			got = append(got, fmt.Sprint(f.InviteeID, f.Name, f.ActivatedAt.Day()))
		}
		last := list[len(list)-1]
		mark = models.ReferralCursor{ActivatedAt: last.ActivatedAt, InviteeID: last.InviteeID}
		if page == 0 {
			l.facts(registered(951, "2026-04-20T08:00:00Z"), activated(951, 885, "2026-04-21T09:00:00Z"))
		}
	}
	want := []string{"907Клиент 64", "906Клиент 53", "905Клиент 43", "904Клиент 33", "903Клиент 22", "902Клиент 12", "901Клиент 02"}
	if !slices.Equal(got, want) {
		t.Errorf("friends %q", got)
	}
}

// The page of an inviter with a hundred thousand friends is read from the index,
// and not sorted out of them.
func TestFriendsAreReadFromTheIndex(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.exec(`INSERT INTO referrals SELECT 1 + i % 3, i, timestamptz '2026-01-01' + i * interval '1 minute' FROM generate_series(10, 100000) i`)
	l.exec("VACUUM ANALYZE referrals")
	p := planOf(t, l.db, store.ReferredQuery, 1, nil, 0, 20)
	if !strings.Contains(p, "referrals_newest") || strings.Contains(p, "Sort") {
		t.Errorf("the plan is\n%s", p)
	}
}

func TestBillsOfTheLatestMonths(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	facts := []models.FactData{registered(885, "2025-06-01T09:00:00Z"), registered(900, "2026-01-02T08:00:00Z"), activated(900, 885, "2026-01-10T09:00:00Z")}
	for _, p := range []models.Period{202601, 202602, 202604} {
		for _, id := range []string{"A", "B"} {
			facts = append(facts, billOf(885, fmt.Sprint(id, p), p), billOf(886, fmt.Sprint("X", id, p), p))
		}
	}
	l.facts(facts...)
	l.settle(models.RunRequest{Period: 202602})
	for _, c := range []struct {
		before models.Period
		months int
		want   string
	}{
		{999912, 2, "A2026-02 1 1, A2026-04 1 0, B2026-02 1 1, B2026-04 1 0"},
		{202604, 2, "A2026-01 1 0, A2026-02 1 1, B2026-01 1 0, B2026-02 1 1"},
		{202602, 5, "A2026-01 1 0, B2026-01 1 0"},
		{202601, 5, ""},
	} {
		bills, err := l.PortalInvoices(t.Context(), 885, c.before, c.months)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, inv := range bills.Invoices {
			got = append(got, fmt.Sprint(inv.Invoice.ID, " ", len(inv.Invoice.Lines), " ", len(inv.Documents)))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%d before %s: %q, want %q", c.months, c.before, got, c.want)
		}
	}
}

func billOf(account int64, id string, p models.Period) *models.Invoice {
	return &models.Invoice{AccountID: account, ID: id, Revision: 1, Period: p, Currency: "RUB", Lines: []models.Line{
		{ID: "1", Service: "subscription", From: p.First(), To: p.End(), Amount: 1000},
	}}
}

// A bill is its account's: to every other account it is not there.
func TestABillIsItsOwners(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(885, "2025-06-01T09:00:00Z"), billOf(885, "MINE", 202604), billOf(886, "THEIRS", 202604))
	for id, want := range map[string]bool{"MINE": true, "THEIRS": false, "NOBODYS": false} {
		c, found, err := l.PortalInvoice(t.Context(), 885, id)
		if err != nil || found != want {
			t.Errorf("%s: found %t, %v", id, found, err)
		}
		if found && (len(c.Invoices) != 1 || c.Invoices[0].Invoice.ID != id || len(c.Invoices[0].Invoice.Lines) != 1) {
			t.Errorf("%s is %+v", id, c.Invoices)
		}
	}
}

func TestTheOutcomeOfAnActivation(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(885, "2026-04-01T09:00:00Z"), activated(885, 885, "2026-04-02T09:00:00.000001Z"), activated(999, 885, "2026-04-02T09:00:00Z"))
	for _, c := range []struct {
		account int64
		at      string
		want    string
	}{
		{885, "2026-04-02T12:00:00.000001+03:00", "refused own_code true"}, {999, "2026-04-02T09:00:00Z", "pending not_registered true"},
		{999, "2026-04-02T09:00:00.000001Z", "  false"}, {700, "2026-04-02T09:00:00Z", "  false"},
	} {
		a, found, err := l.ActivationOutcome(t.Context(), activated(c.account, 885, c.at).Key())
		if got := fmt.Sprint(a.Status, " ", a.Reason, " ", found); err != nil || got != c.want {
			t.Errorf("%d %s: %s, %v", c.account, c.at, got, err)
		}
	}
	other := activated(999, 885, "2026-04-02T09:00:00Z")
	other.Code = strings.ToLower(other.Code)
	if a, found, err := l.ActivationOutcome(t.Context(), other.Key()); found || err != nil {
		t.Errorf("a code that was not entered: %+v, %v", a, err)
	}
}

func tries(subject string, allowed int, ends time.Time) []models.AttemptLimit {
	return []models.AttemptLimit{
		{Scope: "account", Subject: subject, Ends: ends, Allowed: allowed},
		{Scope: "overall", Subject: "", Ends: ends.Add(time.Hour), Allowed: 1000},
	}
}

// However many try at one moment, the limit holds, nobody is kept out by what was
// given back, and what is over its limit counts nowhere.
func TestTriesAtOneMoment(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	replicas := []*life{l, l.another()}
	ends := l.now.Add(time.Hour)
	let := make([]bool, 60)
	together(t, len(let), func(i int) error {
		over, err := replicas[i%2].ReserveAttempt(t.Context(), tries(fmt.Sprint(i%3), 5, ends))
		let[i] = over.IsZero()
		if !let[i] && !over.Equal(ends) {
			t.Errorf("wait until %s, want %s", over, ends)
		}
		return err
	})
	passed := 0
	for _, ok := range let {
		if ok {
			passed++
		}
	}
	if passed != 15 {
		t.Errorf("%d of 60 tries of 3 accounts passed, want 5 each", passed)
	}
	if got := l.dump("SELECT scope, subject, tries FROM code_tries"); got != "(account,0,5)\n(account,1,5)\n(account,2,5)\n(overall,\"\",15)" {
		t.Errorf("counted are\n%s", got)
	}
	together(t, 15, func(i int) error { return replicas[i%2].ReturnAttempt(t.Context(), tries(fmt.Sprint(i%3), 5, ends)) })
	if n := l.number("SELECT sum(tries) FROM code_tries"); n != 0 {
		t.Errorf("%d tries are left when all were given back", n)
	}
	if over, err := l.ReserveAttempt(t.Context(), tries("0", 5, ends)); err != nil || !over.IsZero() {
		t.Errorf("after all was given back: %s, %v", over, err)
	}
}

// Anyone who is over its own limit moves nothing that others share; anyone who is let by
// its own and not by what is shared keeps its own. The wait is that of all limits
// that are reached.
func TestATryMovesAllCountersOrNone(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	ends := l.now.Add(time.Hour)
	counters := func(account string) []models.AttemptLimit {
		return []models.AttemptLimit{
			{Scope: "account", Subject: account, Ends: ends, Allowed: 1},
			{Scope: "address", Subject: "198.51.100.7", Ends: ends.Add(2 * time.Hour), Allowed: 2},
			{Scope: "overall", Subject: "", Ends: ends.Add(time.Hour), Allowed: 5},
		}
	}
	for _, c := range []struct {
		account string
		over    time.Duration // after the account's window; negative for none
		counted string
	}{
		{"885", -1, `(account,885,1)(address,198.51.100.7,1)(overall,"",1)`},
		{"885", 0, `(account,885,1)(address,198.51.100.7,1)(overall,"",1)`},
		{"886", -1, `(account,885,1)(account,886,1)(address,198.51.100.7,2)(overall,"",2)`},
		{"887", 2 * time.Hour, `(account,885,1)(account,886,1)(account,887,0)(address,198.51.100.7,2)(overall,"",2)`},
		{"886", 2 * time.Hour, `(account,885,1)(account,886,1)(account,887,0)(address,198.51.100.7,2)(overall,"",2)`},
	} {
		over, err := l.ReserveAttempt(t.Context(), counters(c.account))
		if err != nil || over.IsZero() != (c.over < 0) || c.over >= 0 && !over.Equal(ends.Add(c.over)) {
			t.Errorf("a try of %s: over until %s, %v", c.account, over, err)
		}
		if got := strings.ReplaceAll(l.dump("SELECT scope, subject, tries FROM code_tries"), "\n", ""); got != c.counted {
			t.Errorf("after a try of %s: %s\nwant %s", c.account, got, c.counted)
		}
	}
}

// A limit that was lowered holds at once, and one try too many can still be given
// back.
func TestALimitThatWasLowered(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	ends := l.now.Add(time.Hour)
	reserve := func(allowed int) bool {
		over, err := l.ReserveAttempt(t.Context(), tries("885", allowed, ends))
		if err != nil {
			t.Fatal(err)
		}
		return over.IsZero()
	}
	for range 3 {
		if !reserve(5) {
			t.Error("a try within the limit is refused")
		}
	}
	if reserve(2) {
		t.Error("the lower limit does not hold")
	}
	for range 2 {
		if err := l.ReturnAttempt(t.Context(), tries("885", 2, ends)); err != nil {
			t.Fatal(err)
		}
	}
	if !reserve(2) || reserve(2) {
		t.Error("what was given back does not count")
	}
}

func request(account int64, key, what string) models.ClientRequest {
	return models.ClientRequest{AccountID: account, Key: models.HashUUID("key", key), Digest: models.HashUUID("what", what)}
}

const (
	keep     = 24 * time.Hour
	patience = time.Minute
)

// A request is answered once, and its repeats get that answer: in whatever state
// they find it.
func TestARequestAndItsRepeats(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	began := l.now
	claim := func(r models.ClientRequest, want models.RequestStatus) models.RequestClaim {
		t.Helper()
		c, err := l.ClaimRequest(t.Context(), r, keep, patience)
		if err != nil || c.Status != want {
			t.Errorf("%s, %v, want %s", c.Status, err, want)
		}
		return c
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	r := request(885, "k", "activate ABC")
	first := claim(r, models.RequestOurs)
	claim(r, models.RequestUnderWay)
	claim(request(885, "k", "activate DEF"), models.RequestOther)
	claim(request(886, "k", "activate DEF"), models.RequestOurs) // another client's key is another key
	l.now = l.now.Add(2 * patience)
	second := claim(r, models.RequestOurs) // anyone who had it is taken for dead
	if !second.TakenAt.Equal(began) || second.ClaimedAt.Equal(first.ClaimedAt) {
		t.Errorf("taken over as %+v", second)
	}
	do(l.AnswerRequest(t.Context(), first, []byte("too late"))) // it was only slow
	do(l.AbandonRequest(t.Context(), first))
	claim(r, models.RequestUnderWay)
	do(l.AnswerRequest(t.Context(), second, []byte("yes")))
	do(l.AbandonRequest(t.Context(), second)) // an answer stays
	if c := claim(r, models.RequestAnswered); string(c.Answer) != "yes" || !c.TakenAt.Equal(began) {
		t.Errorf("the answer is %+v", c)
	}
	claim(request(885, "k", "activate DEF"), models.RequestOther)
	l.now = began.Add(keep + time.Second)
	if c := claim(request(885, "k", "activate DEF"), models.RequestOurs); !c.TakenAt.Equal(l.now) || c.Answer != nil {
		t.Errorf("a day later the key means %+v", c)
	}
}

func TestARequestThatWasGivenUp(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	r := request(885, "k", "x")
	c, err := l.ClaimRequest(t.Context(), r, keep, patience)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.AbandonRequest(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	l.now = l.now.Add(time.Second)
	again, err := l.ClaimRequest(t.Context(), r, keep, patience)
	if err != nil || again.Status != models.RequestOurs || !again.TakenAt.Equal(l.now) {
		t.Errorf("%+v, %v", again, err)
	}
}

// Of many that send one request at one moment one answers it.
func TestOneAnswers(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	replicas := []*life{l, l.another()}
	claims := make([]models.RequestClaim, 20)
	together(t, len(claims), func(i int) (err error) {
		claims[i], err = replicas[i%2].ClaimRequest(t.Context(), request(885, "k", "x"), keep, patience)
		return err
	})
	ours := 0
	for _, c := range claims {
		switch c.Status {
		case models.RequestOurs:
			ours++
		case models.RequestUnderWay:
		default:
			t.Errorf("a claim is %s", c.Status)
		}
	}
	if ours != 1 {
		t.Errorf("%d answer", ours)
	}
}
