package billing

import (
	"cmp"
	"slices"
	"time"

	"referral/models"
)

// PortalView is what an account sees of the programme today. Of the case its own
// requests, its friends and its packages are looked at; invoices are not.
func (p *Programme) PortalView(c *models.AccountHistory, today models.Date) PortalView {
	a, own := &c.Account, c.Accepted()
	entitlements := p.Entitlements(a, own, c.Referrals)
	view := PortalView{
		Today: today, AccountID: a.ID, Name: a.Profile.Name, Code: a.Code,
		Registered: a.Registered(), Terminated: p.Terminated(a, today), Pending: pending(c.Activations),
		Joined: p.joinedBy(a, own), Promised: p.promised(a, own, today), Invitee: inviteeOf(entitlements),
		Window: p.window(a, own, today), Current: currentDiscount(entitlements.Discounts, today),
		Friends: len(c.Referrals), Packages: cabinetPackages(c, entitlements),
	}
	if !a.TerminatedAt.IsZero() {
		view.TerminatedOn = p.Local(a.TerminatedAt)
	}
	view.Offer = Offer(p.TermsOn(today).Invitee)
	climb := p.climbOn(c.Referrals, today)
	view.Next = p.nextFriend(climb, &view)
	if view.Current.Step > 0 {
		view.OnLadder = onClimb(climb)
	}
	view.Steps = p.cabinetSteps(today, view.Current.Step)
	return view
}

func pending(activations []*models.Activation) bool {
	return slices.ContainsFunc(activations, func(a *models.Activation) bool { return a.Status == models.ActivationPending })
}

func (p *Programme) joinedBy(a *models.Account, own *models.Activation) *JoinedBy {
	if own == nil {
		return nil
	}
	on := p.Local(ActivatedAt(own.RequestedAt, a))
	terms := p.TermsOn(on).Invitee
	return &JoinedBy{On: on, Percent: terms.Percent, Months: terms.Months}
}

// promised is kept up until the account has left: the promo period may end before.
func (p *Programme) promised(a *models.Account, own *models.Activation, today models.Date) *PromisedInvitee {
	if own == nil || !a.PromoEndedAt.IsZero() || p.Terminated(a, today) {
		return nil
	}
	by := p.joinedBy(a, own)
	return &PromisedInvitee{Percent: by.Percent, Months: by.Months, PromoUntil: a.Profile.PromoUntil}
}

func inviteeOf(s models.Entitlements) *models.Discount {
	for _, d := range s.Discounts {
		if d.Kind == models.Invitee {
			return &d
		}
	}
	return nil
}

func (p *Programme) window(a *models.Account, own *models.Activation, today models.Date) Window {
	months := p.TermsOn(today).WindowMonths
	if !a.Registered() {
		return Window{Months: months}
	}
	last := p.lastDayFrom(a, today)
	return Window{Months: months, LastDay: last, ClosesAt: p.begins(last + 1), Open: own == nil && today <= last}
}

// lastDayFrom is the last day on which a code may be entered without a break from
// a day on, which announced terms may put off or bring forward: each day is judged
// by its own. When that day is too late itself, it is the last day by its terms.
func (p *Programme) lastDayFrom(a *models.Account, day models.Date) models.Date {
	last := p.LastActivationDay(a, p.TermsOn(day))
	for i := range p.Versions {
		switch from := p.Versions[i].EffectiveFrom; {
		case from <= day || i == 0:
		case from > last+1:
			return last
		default:
			// As before, the terms end on the day before the next ones.
			if last = p.LastActivationDay(a, &p.Versions[i]); last < from {
				return from - 1
			}
		}
	}
	return last
}

// begins is the first instant of a day.
func (p *Programme) begins(day models.Date) time.Time {
	d := day.Time()
	return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, p.Zone)
}

func currentDiscount(discounts []models.Discount, today models.Date) CurrentDiscount {
	now := CurrentDiscount{Step: stepOn(discounts, today)}
	for _, s := range Timeline(discounts) {
		switch {
		case s.From <= today && today < s.To:
			now.Percent, now.Invitee, now.Inviter, now.Until = s.Percent(), s.Invitee, s.Inviter, s.To
		case s.From == now.Until && s.Percent() == now.Percent && now.Percent > 0:
			now.Until = s.To
		}
	}
	return now
}

func stepOn(discounts []models.Discount, day models.Date) int {
	for _, d := range discounts {
		if d.Kind == models.Inviter && d.From <= day && day < d.To {
			return d.Step
		}
	}
	return 0
}

// climbOn is the rungs up to a day.
func (p *Programme) climbOn(referrals []models.Referral, day models.Date) []LadderStep {
	rungs := p.Ladder(referrals)
	later := slices.IndexFunc(rungs, func(r LadderStep) bool { return r.On > day })
	if later >= 0 {
		rungs = rungs[:later]
	}
	return rungs
}

// onClimb is how many friends the last climb has.
func onClimb(rungs []LadderStep) int {
	for i, r := range slices.Backward(rungs) {
		if r.Restart {
			return len(rungs) - i
		}
	}
	return 0
}

func (p *Programme) nextFriend(rungs []LadderStep, view *PortalView) NextFriend {
	var last LadderStep
	if len(rungs) > 0 {
		last = rungs[len(rungs)-1]
	}
	next := p.climb(last, 0, view.Today)
	if view.Terminated {
		return NextFriend{SMS: next.SMS}
	}
	if view.TerminatedOn != 0 {
		next.End = min(next.End, view.TerminatedOn)
	}
	return NextFriend{Step: next.Step, Percent: next.Percent, End: next.End, SMS: next.SMS}
}

func (p *Programme) cabinetSteps(today models.Date, own int) []PortalStep {
	ladder := p.TermsOn(today).Ladder
	steps := make([]PortalStep, len(ladder))
	for i, row := range ladder {
		steps[i] = PortalStep{Friends: i + 1, Percent: row.Percent, Months: row.Months, SMS: row.SMS, Own: own == i+1}
	}
	return steps
}

// cabinetPackages is the packages that went out and those that are still owed, by
// day and size. One that was earned but counts as gone out already is not told
// twice.
func cabinetPackages(c *models.AccountHistory, entitlements models.Entitlements) []PortalPackage {
	var list []PortalPackage
	counts := countPackages(c, entitlements)
	earned := map[[2]int]models.Date{}
	for _, g := range entitlements.Grants {
		earned[[2]int{g.SMS, g.Ordinal}] = g.GrantedOn
		if counts.owed(g) {
			list = append(list, PortalPackage{SMS: g.SMS, EarnedOn: g.GrantedOn, State: PackageEarned, Period: g.GrantedOn.Period()})
		}
	}
	for i := range c.Packages {
		gone := &c.Packages[i]
		on, ok := earned[[2]int{gone.SMS, gone.Ordinal}]
		if !ok {
			on = gone.GrantedOn
		}
		list = append(list, PortalPackage{SMS: gone.SMS, EarnedOn: on, State: packageState(gone), Period: gone.Period})
	}
	slices.SortStableFunc(list, func(a, b PortalPackage) int {
		return cmp.Or(cmp.Compare(a.EarnedOn, b.EarnedOn), cmp.Compare(a.SMS, b.SMS))
	})
	return list
}

func packageState(p *models.AuditPackage) PackageState {
	t := packageTrack(p)
	switch t.state() {
	case DocumentApplied:
		return PackageCredited
	case DocumentRejected:
		return PackageRejected
	case DocumentWrittenOff:
		return PackageWrittenOff
	}
	return PackageOrdered
}
