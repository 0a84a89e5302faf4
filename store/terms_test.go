package store_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
	"referral/store"
)

// adopt is what every program does when it starts.
func (l *life) adopt(p *billing.Programme) int {
	l.Helper()
	l.p = p
	changed, err := l.AdoptTerms(l.Context(), p.Digest(), l.p.Rederive(l.now))
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

// New terms: what follows from them is derived again, and the next runs post the
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
			return onceAdopted(func() error {
				_, err := l.carry(t.Context(), run, l.pay)
				return err
			})
		case 4:
			batch := l.deliveries(registered(990, "2026-04-02T08:00:00Z"), activated(990, 700, "2026-04-02T09:00:00Z"), april(990, 1, 100))
			return onceAdopted(func() error {
				_, err := l.Ingest(t.Context(), batch, l.derive)
				return err
			})
		}
		_, err := replicas[i].AdoptTerms(t.Context(), l.p.Digest(), l.p.Rederive(l.now))
		return err
	})
	l.calm()
	l.tie(202604, 202605)
}

// onceAdopted tries until the process has adopted the terms in force.
func onceAdopted(try func() error) (err error) {
	for range 10_000 {
		if err = try(); !errors.Is(err, store.ErrOtherTerms) {
			break
		}
	}
	return err
}

// generous is terms by which new clients get more.
func generous(t testing.TB) *billing.Programme {
	t.Helper()
	more := terms()
	more.Ladder[0].Percent, more.Ladder[1].Percent, more.Invitee.Percent = 30, 50, 70
	return programme(t, more)
}

// A process that goes on with the terms of before derives and posts nothing more
// by them; what needs no terms it does.
func TestTermsOfBeforeAreNotWorkedBy(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.adopt(l.p)
	l.climb()
	before, after := l.another(), l.another()
	before.adopt(l.p)
	run := before.phase(before.start(models.RunRequest{Period: 202604}), before.pay)
	after.adopt(generous(t))

	if _, _, err := before.WorkChunk(t.Context(), run, before.pay); !errors.Is(err, store.ErrOtherTerms) {
		t.Errorf("a chunk was settled by the terms of before: %v", err)
	}
	late := before.fact(models.PromoEnded{AccountID: 901, EndedAt: at("2026-04-15T21:00:00Z")})
	if _, err := before.Ingest(t.Context(), []models.DecodedMessage{late}, before.derive); !errors.Is(err, store.ErrOtherTerms) || errors.Is(err, models.ErrRefused) {
		t.Errorf("a fact was taken by the terms of before: %v", err)
	}
	before.facts(april(885, 2, 600000))
	after.take(late)
	after.finish(run, after.pay)
	after.calm()
	after.tie(202604, 202605)
}

// A chunk that is being settled as other terms are adopted is waited for, and put
// right by them.
func TestTermsWaitForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.adopt(l.p)
	l.climb()
	before, after := l.another(), l.another()
	before.adopt(l.p)
	run := l.phase(l.start(models.RunRequest{Period: 202604, Chunk: 1000}), l.pay)
	nothing := terms()
	for i := range nothing.Ladder {
		nothing.Ladder[i].Percent = 0
	}
	nothing.Invitee.Percent = 0
	p := programme(t, nothing)
	adopted := make(chan struct{})
	var once sync.Once
	_, worked, err := before.WorkChunk(t.Context(), run, func(r models.Run, c *models.SettlementInput) models.SettlementResult {
		once.Do(func() {
			go func() {
				defer close(adopted)
				after.adopt(p)
			}()
			l.waiting(1)
		})
		return before.pay(r, c)
	})
	if err != nil || !worked {
		t.Fatal(worked, err)
	}
	<-adopted
	if posted := l.number("SELECT count(*) FROM adjustments"); posted == 0 {
		t.Error("nothing was posted by the terms of before: there was nothing to wait for")
	}
	after.finish(run, after.pay)
	after.calm()
	after.tie(202604, 202605)
	if got := after.number("SELECT coalesce(sum(amount_minor), 0) FROM adjustments"); got != 0 {
		t.Errorf("by terms that give nothing the ledger comes to %s", models.Money(got))
	}
}

// Of two that adopt different terms at once, one has its way and the other is told.
func TestTwoTermsAtOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		l := newLife(t)
		l.adopt(l.p)
		l.climb()
		l.calm()
		p := []*billing.Programme{generous(t), programme(t, terms(), func() billing.Terms {
			other := terms()
			other.EffectiveFrom, other.Ladder[0].Percent = models.NewDate(2026, time.March, 1), 10
			return other
		}())}
		lives := []*life{l.another(), l.another()}
		failed := make([]error, len(lives))
		together(t, len(lives), func(i int) error {
			lives[i].p = p[i]
			_, failed[i] = lives[i].AdoptTerms(t.Context(), p[i].Digest(), lives[i].p.Rederive(lives[i].now))
			return nil
		})
		digest, err := l.TermsInForce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		won := slices.IndexFunc(p, func(p *billing.Programme) bool { return p.Digest() == digest })
		if won < 0 || failed[won] != nil {
			t.Fatalf("the terms in force are %q, the errors %v", digest, failed)
		}
		if err := failed[1-won]; err != nil && !errors.Is(err, store.ErrOtherTerms) {
			t.Errorf("the other was told %v", err)
		}
		lives[won].calm()
		lives[won].tie(202604, 202605)
	}
}
