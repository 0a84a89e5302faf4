package models

import "time"

// Stats is what an operator watches and only the storage knows.
type Stats struct {
	Accounts           int64 // an estimate
	PendingActivations int64 // wait for a registration
	Promised           int64 // discounts that wait for a promo end
	Stale              int64 // marks that wait for the nightly catch-up
	DeadLetters        int64 // that wait for a person
	Held               map[string]int64
	PendingPackages    map[Period]int64         // of months past that no invoice has named
	Runs               map[RunState]int64       // that want attention or work
	Breaks             map[Period]int64         // of the last reconciliation
	Lacking            map[Period]CountedAmount // accounts, and kopecks, entitled but not discounted, by the last reconciliation
	Excess             map[Period]CountedAmount // accounts, and kopecks, discounted but not entitled
	LastSuccess        time.Time
	RunOrders          map[RunOrderState]int64 // that have not ended
	OldestOrder        time.Time               // of those; zero without any
}
