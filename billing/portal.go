package billing

import (
	"time"

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
	Friends      int              // accepted activations of its code, all of them
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
	Percent int // both together, at most 100
	Invitee int
	Inviter int
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
