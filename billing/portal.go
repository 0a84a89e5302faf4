package billing

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"referral/models"
)

// PortalView is what a client sees of the programme on one day: derived from the
// facts alone, like everything that is owed.
type PortalView struct {
	Today        models.Date
	AccountID    int64
	Name         string
	Code         string // its own invitation code; empty until registered
	Registered   bool
	Terminated   bool             // today; TerminatedOn may be announced
	TerminatedOn models.Date      // first day without discounts; zero while no end is known
	Joined       *JoinedBy        // its own accepted activation; nil when it has none
	Pending      bool             // an activation of its own waits for the registration
	Window       Window           // until when a code may be entered
	Current      CurrentDiscount  // what it has today
	Offer        Offer            // what a friend's code entered today would bring
	Promised     *PromisedInvitee // nil unless an own discount waits for the promo end
	Invitee      *models.Discount // own discount as a new client, past, present or to come
	Friends      int              // accepted activations of its code, but for those revoked by today
	OnLadder     int              // friends on the climb that holds today; 0 without one
	Next         NextFriend       // what one more friend today would bring
	Steps        []PortalStep     // the customer's table of discounts
	Packages     []PortalPackage  // earned, by day
}

// Offer is a new client's discount by the terms of a day.
type Offer struct {
	Percent int
	Months  int
}

// JoinedBy is the code that a client joined with. Who owns it is not the
// client's business.
type JoinedBy struct {
	On      models.Date
	Percent int
	Months  int
	Revoked bool // today
}

// Window is until when a code may be entered.
type Window struct {
	Months   int         // after the registration, by the terms of today; 0: its day alone
	LastDay  models.Date // still counts; zero until registered
	ClosesAt time.Time   // the first instant that is too late
	Open     bool        // and no code has been accepted yet
}

// CurrentDiscount is the percentage of a day and where it comes from.
type CurrentDiscount struct {
	Percent int // all together, at most 100
	Invitee int
	Inviter int
	Agreed  int
	Step    int         // of the ladder; 0 when off it
	Until   models.Date // first day on which Percent is another, going by the facts of today; zero when Percent is 0
}

// PromisedInvitee is a new client's discount before its promo period has ended.
type PromisedInvitee struct {
	Percent    int
	Months     int
	PromoUntil string // the end that was planned at registration, "2026-01-24"; may be empty
}

// NextFriend is what one more friend would bring, were it to join today. For an
// account that has left that is a package at most.
type NextFriend struct {
	Step    int
	Percent int
	End     models.Date // first day without the discount; an announced termination brings it forward
	SMS     int         // package that would be earned; 0 for none
}

// PortalStep is a row of the customer's table.
type PortalStep struct {
	Friends int // 1, 2, 3 …; the last row stands for more as well
	Percent int
	Months  int
	SMS     int  // 0 for none
	Own     bool // the step that holds today
}

// PackageState is how far a package has got.
type PackageState string

// A package is earned by the facts, goes out with a month's run, and is credited
// or refused by billing. One that was refused may be ordered again, or be settled
// by hand.
const (
	PackageEarned     PackageState = "earned"
	PackageOrdered    PackageState = "ordered"
	PackageCredited   PackageState = "credited"
	PackageRejected   PackageState = "rejected"
	PackageWrittenOff PackageState = "written_off"
)

// PortalPackage is a package of SMS that the client has earned.
type PortalPackage struct {
	SMS      int
	EarnedOn models.Date
	State    PackageState
	Period   models.Period // of the run it goes out with
}

// PortalView is what an account sees of the programme today. It needs the account's own
// requests, its friends and its packages, and no invoices.
func (p *Programme) PortalView(c *models.AccountHistory, today models.Date) PortalView {
	a, own := &c.Account, c.Accepted()
	entitlements := p.EntitlementsOf(c)
	view := PortalView{
		Today: today, AccountID: a.ID, Name: a.Profile.Name, Code: a.Code,
		Registered: a.Registered(), Terminated: p.Terminated(a, today), Pending: pending(c.Activations),
		Joined: p.joinedBy(a, own, today), Promised: p.promised(a, own, today), Invitee: inviteeOf(entitlements),
		Window: p.window(a, own, today), Current: currentDiscount(entitlements.Discounts, today),
		Friends: friends(c.Referrals, today), Packages: portalPackages(c, entitlements),
	}
	if !a.TerminatedAt.IsZero() {
		view.TerminatedOn = p.Local(a.TerminatedAt)
	}
	view.Offer = Offer(p.TermsOn(today).Invitee)
	climb := p.stepsUpTo(c.Referrals, today)
	view.Next = p.nextFriend(climb, &view)
	if view.Current.Step > 0 {
		view.OnLadder = onClimb(climb)
	}
	view.Steps = p.portalSteps(today, view.Current.Step)
	return view
}

func friends(referrals []models.Referral, today models.Date) (n int) {
	for i := range referrals {
		if referrals[i].CountsOn(today) {
			n++
		}
	}
	return n
}

func pending(activations []*models.Activation) bool {
	return slices.ContainsFunc(activations, func(a *models.Activation) bool { return a.Status == models.ActivationPending })
}

func (p *Programme) joinedBy(a *models.Account, own *models.Activation, today models.Date) *JoinedBy {
	if own == nil {
		return nil
	}
	on := p.Local(ActivatedAt(own.RequestedAt, a))
	terms := p.TermsOn(on).Invitee
	revoked := own.RevokedFrom != 0 && own.RevokedFrom <= today
	return &JoinedBy{On: on, Percent: terms.Percent, Months: terms.Months, Revoked: revoked}
}

// promised is kept up until the account has left: the promo period may end before.
func (p *Programme) promised(a *models.Account, own *models.Activation, today models.Date) *PromisedInvitee {
	if own == nil || own.RevokedFrom != 0 || !a.PromoEndedAt.IsZero() || p.Terminated(a, today) {
		return nil
	}
	by := p.joinedBy(a, own, today)
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
	return Window{Months: months, LastDay: last, ClosesAt: p.Begins(last + 1), Open: own == nil && today <= last}
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

// Begins is the first instant of a day.
func (p *Programme) Begins(day models.Date) time.Time {
	d := day.Time()
	return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, p.Zone)
}

func currentDiscount(discounts []models.Discount, today models.Date) CurrentDiscount {
	now := CurrentDiscount{Step: StepOn(discounts, today)}
	for _, s := range Timeline(discounts) {
		switch {
		case s.From <= today && today < s.To:
			now.Percent, now.Invitee, now.Inviter, now.Agreed, now.Until = s.Percent(), s.Invitee, s.Inviter, s.Agreed, s.To
		case s.From == now.Until && s.Percent() == now.Percent && now.Percent > 0:
			now.Until = s.To
		}
	}
	return now
}

// StepOn is the step of the ladder that holds on a day, by the discounts; 0 when off it.
func StepOn(discounts []models.Discount, day models.Date) int {
	for _, d := range discounts {
		if d.Kind == models.Inviter && d.From <= day && day < d.To {
			return d.Step
		}
	}
	return 0
}

// stepsUpTo is the steps up to a day, on the ladder as it holds then.
func (p *Programme) stepsUpTo(referrals []models.Referral, day models.Date) []LadderStep {
	steps := p.climbOn(referrals, day).Steps
	later := slices.IndexFunc(steps, func(r LadderStep) bool { return r.On > day })
	if later >= 0 {
		steps = steps[:later]
	}
	return steps
}

// onClimb is how many friends the last climb has.
func onClimb(steps []LadderStep) int {
	for i, r := range slices.Backward(steps) {
		if r.Restart {
			return len(steps) - i
		}
	}
	return 0
}

func (p *Programme) nextFriend(steps []LadderStep, view *PortalView) NextFriend {
	var last LadderStep
	if len(steps) > 0 {
		last = steps[len(steps)-1]
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

func (p *Programme) portalSteps(today models.Date, own int) []PortalStep {
	ladder := p.TermsOn(today).Ladder
	steps := make([]PortalStep, len(ladder))
	for i, row := range ladder {
		steps[i] = PortalStep{Friends: i + 1, Percent: row.Percent, Months: row.Months, SMS: row.SMS, Own: own == i+1}
	}
	return steps
}

// portalPackages is the packages that went out and those that are still owed, by
// day and size. One that was earned but counts as gone out already is not told
// twice.
func portalPackages(c *models.AccountHistory, entitlements models.Entitlements) []PortalPackage {
	var list []PortalPackage
	counts := countPackages(c, entitlements)
	earned := map[[2]int]models.Date{}
	for _, g := range entitlements.Grants {
		earned[[2]int{g.SMS, g.Ordinal}] = g.GrantedOn
		if counts.takeOwed(g) {
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
	t := trackOf(&p.DocumentHistory)
	if p.Imported {
		return PackageCredited
	}
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

// FriendName is a friend's name as the inviter may see it on a day.
func (p *Programme) FriendName(name string, today models.Date) string {
	if p.TermsOn(today).ShowFriendNames {
		return name
	}
	return MaskName(name)
}

const mask = "***"

// MaskName keeps of each word of a name what its friends know it by and nobody
// else can tell it by: two letters at either end of a long word, one of a short
// one, at most half of it. The stars do not tell how many letters they hide.
// "ООО «Резервация»" becomes "О*** «Ре***ия»".
func MaskName(name string) string {
	var masked strings.Builder
	var word []string // letter by letter, each with its accents
	for _, r := range strings.ToValidUTF8(name, "") {
		switch {
		case unicode.IsMark(r) && len(word) > 0:
			word[len(word)-1] += string(r)
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			word = append(word, string(r))
		default:
			masked.WriteString(maskWord(word))
			word = nil
			masked.WriteRune(r)
		}
	}
	masked.WriteString(maskWord(word))
	return masked.String()
}

func maskWord(letters []string) string {
	n := len(letters)
	switch {
	case n == 0:
		return ""
	case n == 1:
		return mask
	case n < 4:
		return letters[0] + mask
	case n < 8:
		return letters[0] + mask + letters[n-1]
	}
	return strings.Join(letters[:2], "") + mask + strings.Join(letters[n-2:], "")
}
