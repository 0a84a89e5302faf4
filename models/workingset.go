package models

// Standing is what the facts give one account: derived, and replaced whole
// whenever a fact changes it.
type Standing struct {
	Discounts []Discount // by kind, then by day
	Grants    []Grant    // by day earned, size and number
}

// WorkingSet is what the facts of one batch may touch, loaded and locked: the
// accounts they name, the owners of the codes entered, and the inviters of both.
type WorkingSet struct {
	Accounts    map[int64]*Account
	Codes       map[string]int64        // code -> owner
	Activations map[int64][]*Activation // an account's own requests, by arrival
	Referrals   map[int64][]Referral    // by inviter
	Standings   map[int64]Standing      // as stored before the batch
}

// NewWorkingSet is an empty set.
func NewWorkingSet() *WorkingSet {
	return &WorkingSet{
		Accounts:    map[int64]*Account{},
		Codes:       map[string]int64{},
		Activations: map[int64][]*Activation{},
		Referrals:   map[int64][]Referral{},
		Standings:   map[int64]Standing{},
	}
}

// Changes is what a batch of facts did to a working set.
type Changes struct {
	Accounts      []*Account    // new or changed
	Activations   []*Activation // new or newly judged
	Referrals     []Referral    // new, or with another ActivatedAt
	Standings     map[int64]Standing
	Announcements []Announcement
	Repeated      []int // which of the facts, by their order, changed nothing
}
