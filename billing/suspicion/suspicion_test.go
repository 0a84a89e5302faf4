package suspicion_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/billing/suspicion"
	"referral/models"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// referral is "inviter>invitee", with a number of minutes after noon when one is given.
func referral(text string) models.Referral {
	var r models.Referral
	minutes := 0
	if n, _ := fmt.Sscanf(text, "%d>%d@%d", &r.InviterID, &r.InviteeID, &minutes); n < 2 {
		panic(text)
	}
	if !strings.Contains(text, "@") {
		minutes = int(r.InviteeID) * 24 * 60 // no two within an hour
	}
	r.ActivatedAt = noon.Add(time.Duration(minutes) * time.Minute)
	return r
}

func search(profiles map[int64]models.Profile, referrals ...string) []models.Suspicion {
	s := suspicion.New()
	known := map[int64]bool{}
	for _, text := range referrals {
		r := referral(text)
		for _, id := range []int64{r.InviterID, r.InviteeID} {
			if !known[id] {
				s.Account(id, profiles[id])
			}
			known[id] = true
		}
	}
	for _, text := range referrals {
		s.Referral(referral(text))
	}
	return s.Findings()
}

func TestFindings(t *testing.T) {
	t.Parallel()
	tax := func(id string) models.Profile { return models.Profile{TaxID: id} }
	mail := func(address string) models.Profile { return models.Profile{Email: address} }
	burst := strings.Fields("1>2@0 1>3@15 1>4@30 1>5@45 1>6@60")
	for name, c := range map[string]struct {
		profiles  map[int64]models.Profile
		referrals []string
		want      []string // signs: referrals
	}{
		"a chain":                   {referrals: []string{"1>2", "2>3", "3>4"}},
		"a ring of two":             {referrals: []string{"1>2", "2>1"}, want: []string{"ring: 2>1 1>2"}},
		"a ring of three":           {referrals: []string{"1>2", "2>3", "3>1"}, want: []string{"ring: 3>1 1>2 2>3"}},
		"what a ring invited":       {referrals: []string{"1>2", "2>1", "2>3", "3>4", "9>8"}, want: []string{"ring: 2>1 1>2"}},
		"two rings":                 {referrals: []string{"1>2", "2>1", "3>4", "4>3"}, want: []string{"ring: 2>1 1>2", "ring: 4>3 3>4"}},
		"one payer":                 {map[int64]models.Profile{1: tax("77"), 2: tax("77 ")}, []string{"1>2", "2>3"}, []string{"one-payer tax-id: 1>2"}},
		"no tax id is not the same": {map[int64]models.Profile{1: tax(""), 2: tax(" ")}, []string{"1>2"}, nil},
		"one tax id in a chain":     {map[int64]models.Profile{1: tax("77"), 2: tax("77"), 3: tax("77")}, []string{"1>2", "2>3", "3>4"}, []string{"tax-id: 1>2 2>3"}},
		"two clients with one tax id": {map[int64]models.Profile{2: tax("77"), 3: tax("77"), 4: tax("78")}, []string{"1>2", "1>3", "1>4"},
			[]string{"tax-id: 1>2 1>3"}},
		"one tax id of strangers": {map[int64]models.Profile{2: tax("77"), 4: tax("77")}, []string{"1>2", "3>4"}, nil},
		"a phone written in two ways": {map[int64]models.Profile{1: {TaxID: "1", Phone: "8 (921) 000-11-22"}, 2: {TaxID: "2", Phone: "+79210001122"}}, []string{"1>2"},
			[]string{"one-payer phone: 1>2"}},
		"one address":                     {map[int64]models.Profile{1: mail("A@mail.ru"), 2: mail("a@MAIL.ru")}, []string{"1>2"}, []string{"one-payer email: 1>2"}},
		"a domain":                        {map[int64]models.Profile{1: mail("a@romashka.ru"), 2: mail("b@romashka.ru")}, []string{"1>2"}, []string{"mail-domain: 1>2"}},
		"the domain of a public provider": {map[int64]models.Profile{1: mail("a@mail.ru"), 2: mail("b@mail.ru")}, []string{"1>2"}, nil},
		"a tax id and a domain": {map[int64]models.Profile{1: {TaxID: "77", Email: "a@romashka.ru"}, 2: {TaxID: "77", Email: "b@romashka.ru"}}, []string{"1>2"},
			[]string{"one-payer tax-id mail-domain: 1>2"}},
		"five within an hour":             {referrals: burst, want: []string{"burst: 1>2 1>3 1>4 1>5 1>6"}},
		"four within an hour":             {referrals: burst[:4]},
		"five in an hour and a minute":    {referrals: append(slices.Clone(burst[:4]), "1>6@61")},
		"six, of which each five are":     {referrals: append(slices.Clone(burst), "1>7@70"), want: []string{"burst: 1>2 1>3 1>4 1>5 1>6 1>7"}},
		"bursts on two days":              {referrals: append(slices.Clone(burst), "1>12@3000", "1>13@3000", "1>14@3000", "1>15@3000", "1>16@3000"), want: []string{"burst: 1>12 1>13 1>14 1>15 1>16", "burst: 1>2 1>3 1>4 1>5 1>6"}},
		"five of two inviters in an hour": {referrals: append(slices.Clone(burst[:4]), "7>6@60")},
	} {
		var got []string
		for _, f := range search(c.profiles, c.referrals...) {
			text := strings.Trim(fmt.Sprint(f.Signs), "[]") + ":"
			for _, r := range f.Referrals {
				text += fmt.Sprintf(" %d>%d", r.InviterID, r.InviteeID)
			}
			got = append(got, text)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// The order of arrival does not change what is found, and what grows is another finding.
func TestFingerprints(t *testing.T) {
	t.Parallel()
	ring := search(nil, "1>2", "2>3", "3>1")
	if again := search(nil, "3>1", "1>2", "2>3"); again[0].Fingerprint != ring[0].Fingerprint {
		t.Error("the order changes the fingerprint")
	}
	pair, more := map[int64]models.Profile{2: {TaxID: "7"}, 3: {TaxID: "7"}}, map[int64]models.Profile{2: {TaxID: "7", Phone: "1"}, 3: {TaxID: "7", Phone: "1"}}
	first := search(pair, "1>2", "1>3")
	if search(more, "1>2", "1>3")[0].Fingerprint == first[0].Fingerprint {
		t.Error("a further sign does not show")
	}
	pair[4] = pair[3]
	if search(pair, "1>2", "1>3", "1>4")[0].Fingerprint == first[0].Fingerprint {
		t.Error("a further account does not show")
	}
}

// The money at stake is what the ledger gave for the referrals, and nothing before them.
func TestPosted(t *testing.T) {
	t.Parallel()
	april := models.Period(202604)
	middle := april.First() + 15
	document := func(sequence int, amount models.Money, segments ...models.Segment) models.AuditDocument {
		return models.AuditDocument{Adjustment: models.Adjustment{Sequence: sequence, Items: []models.AdjustmentItem{{LineID: "1", Amount: amount, Segments: segments}}}}
	}
	c := &models.AccountHistory{Invoices: []models.AuditInvoice{{Invoice: models.Invoice{Currency: "RUB"}, Documents: []models.AuditDocument{
		document(1, -50000, models.Segment{From: april.First(), To: april.End(), Invitee: 20, Inviter: 20}),
		document(2, -10000, models.Segment{From: april.First(), To: middle, Invitee: 20, Inviter: 20}, models.Segment{From: middle, To: april.End(), Invitee: 20, Inviter: 40}),
		document(3, 0),
	}}, {Invoice: models.Invoice{Currency: "KZT"}, Documents: []models.AuditDocument{
		document(1, -700, models.Segment{From: april.First(), To: april.End(), Invitee: 20}),
	}}}}
	// Amounts of several currencies are not added up.
	if got := suspicion.Posted(c, suspicion.Side{Invited: true}); len(got) != 2 || got["KZT"] != -700 {
		t.Errorf("%v", got)
	}
	for name, want := range map[string]struct {
		side suspicion.Side
		sum  models.Money
	}{
		"not concerned":                 {suspicion.Side{}, 0},
		"as a new client":               {suspicion.Side{Invited: true}, -24000},
		"as an inviter":                 {suspicion.Side{From: april.First() - 40}, -36000},
		"as an inviter from the middle": {suspicion.Side{From: middle}, -24000},
		"as an inviter later":           {suspicion.Side{From: april.End()}, 0},
		"both":                          {suspicion.Side{Invited: true, From: 1}, -60000},
	} {
		if got := suspicion.Posted(c, want.side)["RUB"]; got != want.sum {
			t.Errorf("%s: %s, want %s", name, got, want.sum)
		}
	}
	programme := &billing.Programme{Zone: time.UTC}
	found := search(nil, "1>2", "2>1")[0]
	side := suspicion.Sides(programme, &found)[2]
	if want := (suspicion.Side{Invited: true, From: programme.Local(referral("2>1").ActivatedAt)}); side != want {
		t.Errorf("%+v, want %+v", side, want)
	}
}

// A day with more than 100 % belongs to the new client's discount first.
func TestPostedOfAFullDay(t *testing.T) {
	t.Parallel()
	april := models.Period(202604)
	c := &models.AccountHistory{Invoices: []models.AuditInvoice{{Documents: []models.AuditDocument{{Adjustment: models.Adjustment{Items: []models.AdjustmentItem{
		{LineID: "1", Amount: -10000, Segments: []models.Segment{{From: april.First(), To: april.End(), Invitee: 20, Inviter: 100}}},
	}}}}}}}
	if got := suspicion.Posted(c, suspicion.Side{Invited: true})[""]; got != -2000 {
		t.Errorf("%s", got)
	}
	if got := suspicion.Posted(c, suspicion.Side{From: 1})[""]; got != -8000 {
		t.Errorf("%s", got)
	}
}

func BenchmarkSearch(b *testing.B) {
	const accounts, referrals = 1_000_000, 300_000
	for b.Loop() {
		s := suspicion.New()
		for id := range int64(accounts) {
			s.Account(id, models.Profile{TaxID: fmt.Sprint(id / 3), Phone: fmt.Sprint(id / 2), Email: fmt.Sprintf("a@d%d.ru", id/5)})
		}
		for id := range int64(referrals) {
			s.Referral(models.Referral{InviterID: (id * 7) % accounts, InviteeID: id + 1, ActivatedAt: noon})
		}
		if len(s.Findings()) == 0 {
			b.Fatal("nothing is found")
		}
	}
}
