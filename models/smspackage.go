package models

// Grant is an SMS package that an inviter has earned, by the facts.
type Grant struct {
	AccountID int64
	SMS       int
	Ordinal   int // 1 for the account's first package of this size
	GrantedOn Date
	Step      int
}

// SMSPackage is a package that went out: an entry of the ledger.
type SMSPackage struct {
	ID            UUID
	AccountID     int64
	SMS           int
	Ordinal       int
	GrantedOn     Date
	Period        Period
	PostingPeriod Period
	InvoiceID     string // empty when the account has no invoice in the period
	Step          int
}
