package models

// WorkingSet is what the facts of one batch may touch, loaded and locked: the
// accounts they name, the owners of the codes entered, and the inviters of both.
type WorkingSet struct {
	Accounts     map[int64]*Account
	Codes        map[string]int64        // code -> owner
	Activations  map[int64][]*Activation // an account's own requests, by arrival
	Referrals    map[int64][]Referral    // by inviter
	Entitlements map[int64]Entitlements  // as stored before the batch
}

// NewWorkingSet is an empty set.
func NewWorkingSet() *WorkingSet {
	return &WorkingSet{
		Accounts:     map[int64]*Account{},
		Codes:        map[string]int64{},
		Activations:  map[int64][]*Activation{},
		Referrals:    map[int64][]Referral{},
		Entitlements: map[int64]Entitlements{},
	}
}

// DeriveFunc says what facts do to the working set that they were loaded with. It is
// pure, so that the storage may call it again when a transaction is retried.
type DeriveFunc = func(*WorkingSet, []*Fact) Changes

// Changes is what a batch of facts did to a working set.
type Changes struct {
	Accounts     []*Account             // new or changed
	CodesIssued  []*Account             // of them, those that have got their code
	Activations  []*Activation          // new or newly judged
	Referrals    []Referral             // new, or with another ActivatedAt
	Entitlements map[int64]Entitlements // those that have changed
	Replaced     map[int64]Entitlements // what these were before
	OutboxEvents []OutboxEvent
	Repeated     []int // which of the facts, by their order, changed nothing
}
