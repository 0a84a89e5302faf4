package reference

import (
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

func (a *account) benefits() benefits {
	l := benefits{percent: map[day]int{}}
	a.applyFriends(&l)
	a.applyOwnDiscount(&l)
	for d := range l.percent {
		if !a.terminated.IsZero() && !d.Before(localDay(a.terminated)) {
			delete(l.percent, d)
		}
	}
	return l
}

// applyOwnDiscount adds the new client's own discount.
func (a *account) applyOwnDiscount(l *benefits) {
	if a.own == nil || a.promoEnded.IsZero() {
		return
	}
	start := laterOf(localDay(a.promoEnded), localDay(laterOf(a.own.RequestedAt, a.registeredAt)))
	for d := start; d.Before(monthsLater(start, 3)); d = dayAfter(d) {
		l.percent[d] = min(100, l.percent[d]+20)
	}
}

// applyFriends walks through the days from the first friend on, and up the ladder.
func (a *account) applyFriends(l *benefits) {
	friends := a.friendsInOrder()
	if len(friends) == 0 {
		return
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
}

func (a *account) friendsInOrder() []invited {
	friends := append([]invited(nil), a.invited...)
	sort.Slice(friends, func(i, j int) bool {
		if x, y := friends[i].when(), friends[j].when(); !x.Equal(y) {
			return x.Before(y)
		}
		return friends[i].by.id < friends[j].by.id
	})
	return friends
}

func (i invited) when() time.Time { return laterOf(i.at.RequestedAt, i.by.registeredAt) }
