package store_test

import (
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

// adopt is what every program does when it starts.
func (l *life) adopt(p *billing.Programme) int {
	l.Helper()
	l.p = p
	changed, err := l.AdoptTerms(l.Context(), p.Digest(), func(set *models.WorkingSet, _ []*models.Fact) models.Changes {
		book := billing.NewBook(p, set, func() string { panic("no code is issued for new terms") })
		book.Restand(&models.Fact{Key: models.NewEventKey("terms", p.Digest()), At: l.now})
		return book.Close()
	})
	if err != nil {
		l.Fatal(err)
	}
	return changed
}

// robots is a bill with a service that no list names.
func robots(account int64) *models.Invoice {
	bill := april(account, 1, 1000, 500)
	bill.Lines[1].Service = "robot"
	return bill
}

// The first adoption only writes down what the terms are, and the same terms
// again change nothing.
func TestFirstTermsTouchNothing(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.calm()
	before := l.everything()
	for range 2 {
		if changed := l.adopt(l.p); changed != 0 {
			t.Errorf("%d accounts stand otherwise", changed)
		}
	}
	if l.everything() != before {
		t.Error("something has changed")
	}
	if digest, err := l.TermsInForce(t.Context()); err != nil || digest != l.p.Digest() {
		t.Errorf("the terms in force are %q, %v", digest, err)
	}
}

// New terms: what follows from them is derived anew, and the next runs post the
// difference, once.
func TestChangedTerms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(*billing.Terms)
		changed int
		want    string // what the ledger then comes to
	}{
		{"a held service is put on the list", func(t *billing.Terms) { t.Discounted = append(t.Discounted, "robot") }, 0,
			"(885,INV-2026-04-885,1,-400)\n(885,INV-2026-04-885,2,-200)\n(900,INV-2026-04-900,1,-107)\n(900,INV-2026-04-900,2,-53)"},
		{"a service is taken off the list", func(t *billing.Terms) { t.Discounted, t.Excluded = nil, []string{"subscription"} }, 0, ""},
		{"the ladder gives more", func(t *billing.Terms) { t.Ladder[1].Percent = 50 }, 1,
			"(885,INV-2026-04-885,1,-500)\n(900,INV-2026-04-900,1,-107)"},
		{"the ladder gives packages, to one without a bill too", func(t *billing.Terms) { t.Ladder[0].SMS = 77 }, 2,
			"(700,\"\",77,1)\n(885,\"\",77,1)\n(885,INV-2026-04-885,1,-400)\n(900,INV-2026-04-900,1,-107)"},
		{"new clients get nothing", func(t *billing.Terms) { t.Invitee.Percent = 0 }, 1, "(885,INV-2026-04-885,1,-400)"},
		{"only the brake", func(t *billing.Terms) { t.Brake.LargestTotal = 1 << 40 }, 0,
			"(885,INV-2026-04-885,1,-400)\n(900,INV-2026-04-900,1,-107)"},
		{"a version for the future", nil, 0, "(885,INV-2026-04-885,1,-400)\n(900,INV-2026-04-900,1,-107)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.adopt(l.p)
			l.inviter(885, 900, 901)
			l.inviter(700, 710)
			l.facts(models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-14T21:00:00Z")}, robots(885), robots(900), robots(999))
			l.calm()
			versions := []billing.Terms{terms()}
			if c.change == nil {
				future := terms()
				future.EffectiveFrom, future.Invitee.Percent = models.NewDate(2030, time.January, 1), 90
				versions = append(versions, future)
			} else {
				c.change(&versions[0])
			}
			if changed := l.adopt(programme(t, versions...)); changed != c.changed {
				t.Errorf("%d accounts stand otherwise, want %d", changed, c.changed)
			}
			l.calm()
			l.tie(202604)
			if got := l.dump(sums); got != c.want {
				t.Errorf("the ledger comes to\n%s\nwant\n%s", got, c.want)
			}
			posted := l.dump(ledger)
			if changed := l.adopt(l.p); changed != 0 {
				t.Errorf("adopted again, %d accounts stand otherwise", changed)
			}
			l.calm()
			l.settle(models.RunRequest{Period: 202604, Full: true})
			if l.dump(ledger) != posted {
				t.Error("the difference was posted twice")
			}
		})
	}
}

// Three replicas start with new terms at once, while facts come and a run is at
// work: the ledger follows the new terms.
func TestTermsChangeUnderARun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.adopt(l.p)
	l.climb()
	run := l.phase(l.start(models.RunRequest{Period: 202604, Chunk: 1}), l.pay)
	changed := terms()
	changed.Ladder[0].Percent, changed.Ladder[1].Percent, changed.Ladder[2].SMS = 33, 44, 55
	l.p = programme(t, changed)
	replicas := []*life{l, l.another(), l.another()}
	together(t, 5, func(i int) error {
		switch i {
		case 3:
			_, err := l.carry(t.Context(), run, l.pay)
			return err
		case 4:
			_, err := l.Take(t.Context(), l.deliveries(registered(990, "2026-04-02T08:00:00Z"), activated(990, 700, "2026-04-02T09:00:00Z"), april(990, 1, 100)), l.derive)
			return err
		}
		_, err := replicas[i].AdoptTerms(t.Context(), l.p.Digest(), func(set *models.WorkingSet, _ []*models.Fact) models.Changes {
			book := billing.NewBook(l.p, set, func() string { return "NONE" })
			book.Restand(&models.Fact{Key: models.NewEventKey("terms", l.p.Digest()), At: l.now})
			return book.Close()
		})
		return err
	})
	l.calm()
	l.tie(202604, 202605)
}
