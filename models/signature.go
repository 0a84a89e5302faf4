package models

import "time"

// CountedAmount is a sum with the number of its parts: lines of invoices, or packages.
type CountedAmount struct {
	Count  int64
	Amount Money
}

// SignedTotal is a line of the control totals as it was signed.
type SignedTotal struct {
	Kind       string
	Percent    int // of a discount, or the size of a package
	Currency   string
	Entitled   CountedAmount
	Posted     CountedAmount
	Published  CountedAmount
	Answered   CountedAmount
	WrittenOff CountedAmount
}

// Signature is finance's sign-off of a period, with what was signed.
type Signature struct {
	Period     Period
	At         time.Time
	Who        string
	Reason     string
	Override   string        // why the period was closed in spite of the objections
	Objections []string      // what stood against closing it
	LastRun    int64         // what later runs post to the period's documents is a correction
	Foreign    CountedAmount // documents posted into the period for closed ones
	Totals     []SignedTotal
}
