package billing

import (
	"cmp"
	"slices"

	"referral/models"
)

// DiscountChange is what one event did to the client's percentage. A day with several of
// them ends with the percentage of the last. A friend who brings no higher percentage is
// a change too, because the end moves.
type DiscountChange struct {
	On      models.Date
	Percent int // from that day on, all kinds together
	Invitee int
	Inviter int
	Agreed  int
	Step    int // of the ladder from that day on; 0 when off it
	Reason  ChangeReason
	Friend  int64       // whose activation it was, for ChangeFriend; else 0
	End     models.Date // first day without the discount for friends, as known then; 0 when off the ladder
	// Kept is a friend who changed neither percentage nor step; Extended, one who
	// moved the end.
	Kept, Extended bool
}

// ChangeReason says why a percentage changed.
type ChangeReason string

// The reasons for a change.
const (
	ChangeFriend       ChangeReason = "friend"        // a friend activated the code
	ChangeLadderEnd    ChangeReason = "ladder_end"    // the discount for friends has run out
	ChangeInviteeStart ChangeReason = "invitee_start" // the new client's discount has begun
	ChangeInviteeEnd   ChangeReason = "invitee_end"   // it has run out
	ChangeAgreedStart  ChangeReason = "agreed_start"  // an agreed discount has begun
	ChangeAgreedEnd    ChangeReason = "agreed_end"    // it has run out
	ChangeTermination  ChangeReason = "termination"   // the account has left
	ChangeRevoked      ChangeReason = "revoked"       // a referral has no effect from that day on
)

// The order of what happens on one day: what ends makes room for what begins.
const (
	rankEnd = iota
	rankRevoked
	rankStart
	rankFriend
	rankTermination
)

// changeEvent is an event before it is known what it leads to.
type changeEvent struct {
	on     models.Date
	rank   int
	reason ChangeReason
	apply  func(*DiscountChange)
}

// Changes is every change of an account's percentage up to a day, the newest
// first.
func (p *Programme) Changes(c *models.AccountHistory, today models.Date) []DiscountChange {
	var changes []DiscountChange
	var now DiscountChange
	for _, e := range p.changeEvents(c) {
		next := now
		next.On, next.Reason, next.Friend = e.on, e.reason, 0
		e.apply(&next)
		next.Percent = models.Segment{Invitee: next.Invitee, Inviter: next.Inviter, Agreed: next.Agreed}.Percent()
		friend := e.reason == ChangeFriend
		next.Kept, next.Extended = friend && next.Percent == now.Percent && next.Step == now.Step, friend && next.End > now.End
		if e.on > today || e.reason == ChangeTermination && now.Percent == 0 && now.Step == 0 {
			break
		}
		if e.reason == ChangeRevoked && next.Percent == now.Percent && next.Step == now.Step && next.End == now.End {
			continue
		}
		now = next
		changes = append(changes, now)
	}
	slices.Reverse(changes)
	return changes
}

// changeEvents is what happens to an account's percentage, in order; after the
// termination nothing does.
func (p *Programme) changeEvents(c *models.AccountHistory) []changeEvent {
	events := slices.Concat(agreedEvents(c.Agreed), p.inviteeEvents(c), p.ladderEvents(c))
	if left := c.Account.TerminatedAt; !left.IsZero() {
		events = append(events, changeEvent{p.Local(left), rankTermination, ChangeTermination, func(d *DiscountChange) {
			d.Invitee, d.Inviter, d.Agreed, d.Step, d.End = 0, 0, 0, 0, 0
		}})
		events = beforeLeaving(events, p.Local(left))
	}
	// Stable, because several friends of one day are in order already.
	slices.SortStableFunc(events, func(a, b changeEvent) int {
		return cmp.Or(cmp.Compare(a.on, b.on), cmp.Compare(a.rank, b.rank))
	})
	return events
}

// beforeLeaving drops what would begin on the day that the account left, or
// later: it has no day.
func beforeLeaving(events []changeEvent, left models.Date) []changeEvent {
	return slices.DeleteFunc(events, func(e changeEvent) bool {
		return e.on > left || e.on == left && (e.rank == rankStart || e.rank == rankFriend)
	})
}

func agreedEvents(agreed []models.Discount) (events []changeEvent) {
	for _, d := range agreed {
		events = append(events,
			changeEvent{d.From, rankStart, ChangeAgreedStart, func(next *DiscountChange) { next.Agreed += d.Percent }},
			changeEvent{d.To, rankEnd, ChangeAgreedEnd, func(next *DiscountChange) { next.Agreed -= d.Percent }})
	}
	return events
}

func (p *Programme) inviteeEvents(c *models.AccountHistory) []changeEvent {
	d, ok := p.InviteeDiscount(&c.Account, c.Accepted())
	if !ok {
		return nil
	}
	ends := ChangeInviteeEnd
	if d.To == c.Accepted().RevokedFrom {
		ends = ChangeRevoked
	}
	return []changeEvent{
		{d.From, rankStart, ChangeInviteeStart, func(next *DiscountChange) { next.Invitee = d.Percent }},
		{d.To, rankEnd, ends, func(next *DiscountChange) { next.Invitee = 0 }},
	}
}

func (p *Programme) ladderEvents(c *models.AccountHistory) []changeEvent {
	var events []changeEvent
	for _, climb := range p.Climbs(c.Referrals) {
		if climb.From != 0 {
			events = append(events, p.revokedEvent(c, &climb))
		}
		for _, e := range p.climbEvents(c, climb.Steps) {
			if climb.holds(e.on) {
				events = append(events, e)
			}
		}
	}
	return events
}

// revokedEvent goes over to a climb with its first day.
func (p *Programme) revokedEvent(c *models.AccountHistory, climb *Climb) changeEvent {
	var at LadderStep
	for _, r := range climb.Steps {
		if r.On < climb.From && climb.From < r.End {
			at = r
		}
	}
	return changeEvent{climb.From, rankRevoked, ChangeRevoked, func(next *DiscountChange) {
		next.Inviter, next.Step, next.End = at.Percent, at.Step, 0
		if at.Step > 0 {
			next.End = p.untilLeaving(c, at.End)
		}
	}}
}

func (p *Programme) climbEvents(c *models.AccountHistory, steps []LadderStep) []changeEvent {
	var events []changeEvent
	for i, r := range steps {
		events = append(events, changeEvent{r.On, rankFriend, ChangeFriend, func(next *DiscountChange) {
			next.Inviter, next.Step, next.Friend, next.End = r.Percent, r.Step, r.InviteeID, p.untilLeaving(c, r.End)
		}})
		if i+1 == len(steps) || steps[i+1].Restart {
			events = append(events, changeEvent{r.End, rankEnd, ChangeLadderEnd, func(next *DiscountChange) {
				next.Inviter, next.Step, next.End = 0, 0, 0
			}})
		}
	}
	return events
}

// untilLeaving is the end of a discount, at the latest the day that the account leaves.
func (p *Programme) untilLeaving(c *models.AccountHistory, end models.Date) models.Date {
	if left := c.Account.TerminatedAt; !left.IsZero() {
		return min(end, p.Local(left))
	}
	return end
}
