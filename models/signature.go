package models

import "time"

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
	Totals     []ControlTotal
}
