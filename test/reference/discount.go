package reference

import (
	"fmt"
	"sort"
	"time"
)

// horizon is further than any line of a test reaches.
const horizonMonths = 60

type step struct {
	percent int
	months  int
	sms     int
}

// ladder is the customer's table of discounts, step 1 first.
func ladder() []step {
	return []step{{20, 3, 0}, {40, 6, 0}, {60, 12, 1200}, {80, 12, 0}, {100, 12, 3200}}
}

// numberedPackage is one package earned: the how-manieth of its size.
type numberedPackage struct {
	Package
	ordinal int
}

type earned struct {
	numberedPackage
	on day
}

// benefits is what one account gets on each day.
type benefits struct {
	percent map[day]int
	earned  []earned
}

func (m *Model) benefits(a *account) benefits {
	l := m.byFriends(a)
	m.applyOwnDiscount(a, &l)
	a.applyAgreed(&l)
	for d := range l.percent {
		if !a.terminated.IsZero() && !d.Before(localDay(a.terminated)) {
			delete(l.percent, d)
		}
	}
	return l
}

// applyOwnDiscount adds the new client's own discount.
func (m *Model) applyOwnDiscount(a *account, l *benefits) {
	own, inviter := m.current(a)
	if own == nil || a.promoEnded.IsZero() {
		return
	}
	until, revoked := m.revoked(a, inviter)
	start := laterOf(localDay(a.promoEnded), localDay(laterOf(own.RequestedAt, a.registeredAt)))
	for d := start; d.Before(monthsLater(start, 3)) && (!revoked || d.Before(until)); d = dayAfter(d) {
		l.percent[d] = min(100, l.percent[d]+20)
	}
}

// byFriends takes each day from the walk up the ladder with the friends who are not
// revoked by that day.
func (m *Model) byFriends(a *account) benefits {
	friends := m.friendsInOrder(a)
	l := benefits{percent: map[day]int{}}
	if len(friends) == 0 {
		return l
	}
	walks, given := map[string]benefits{}, map[numberedPackage]bool{}
	first := localDay(friends[0].when())
	for d := first; d.Before(monthsLater(first, horizonMonths)); d = dayAfter(d) {
		var counted []invited
		who := ""
		for _, f := range friends {
			if !f.revoked || d.Before(f.until) {
				counted = append(counted, f)
				who += fmt.Sprint(f.by.id, " ")
			}
		}
		if _, known := walks[who]; !known {
			walks[who] = a.walk(counted)
		}
		walk := walks[who]
		if percent := walk.percent[d]; percent > 0 {
			l.percent[d] = percent
		}
		for _, e := range walk.earned {
			if e.on.Equal(d) && !given[e.numberedPackage] {
				given[e.numberedPackage] = true
				l.earned = append(l.earned, e)
			}
		}
	}
	return l
}

// walk goes through the days from the first friend on, and up the ladder.
func (a *account) walk(friends []invited) benefits {
	l := benefits{percent: map[day]int{}}
	if len(friends) == 0 {
		return l
	}
	steps, given := ladder(), map[int]int{}
	at, end := 0, day{} // on no step
	first := localDay(friends[0].when())
	for d := first; d.Before(monthsLater(first, horizonMonths)); d = dayAfter(d) {
		if at > 0 && !d.Before(end) {
			at = 0
		}
		for len(friends) > 0 && localDay(friends[0].when()).Equal(d) {
			friends = friends[1:]
			before := at
			at = min(at+1, len(steps))
			end = laterOf(end, monthsLater(d, steps[at-1].months))
			if sms := steps[at-1].sms; sms > 0 && at > before {
				given[sms]++
				l.earned = append(l.earned, earned{numberedPackage{Package{a.id, sms}, given[sms]}, d})
			}
		}
		if at > 0 {
			l.percent[d] = steps[at-1].percent
		}
	}
	return l
}

func (m *Model) friendsInOrder(a *account) []invited {
	var friends []invited
	for _, by := range m.accounts {
		at, inviter := m.current(by)
		if inviter != a {
			continue
		}
		f := invited{by: by, at: at}
		f.until, f.revoked = m.revoked(by, a)
		friends = append(friends, f)
	}
	sort.Slice(friends, func(i, j int) bool {
		if x, y := friends[i].when(), friends[j].when(); !x.Equal(y) {
			return x.Before(y)
		}
		return friends[i].by.id < friends[j].by.id
	})
	return friends
}

func (i invited) when() time.Time { return laterOf(i.at.RequestedAt, i.by.registeredAt) }
