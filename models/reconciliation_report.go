package models

import "time"

// ReconciliationReport is what a reconciliation found, as it is kept.
type ReconciliationReport struct {
	CheckedAt time.Time      `json:"checked_at"`
	Accounts  int64          `json:"accounts"`
	Invoices  int64          `json:"invoices"`
	Documents int64          `json:"documents"`
	Packages  int64          `json:"packages"`
	OnTheWay  int64          `json:"on_the_way"` // posted a short while before, and not answered yet
	Overall   []ControlTotal `json:"overall"`
	Totals    []ControlTotal `json:"totals"`
	Breaks    []KeptBreak    `json:"breaks"` // the first of them
	Wrong     int64          `json:"wrong"`  // breaks in all
	Notices   int64          `json:"notices"`
}

// KeptBreak is one thing that did not tie.
type KeptBreak struct {
	Kind       string `json:"kind"`
	AccountID  int64  `json:"account_id"`
	InvoiceID  string `json:"invoice_id"`
	DocumentID UUID   `json:"document_id"`
	Expected   Money  `json:"expected"`
	Actual     Money  `json:"actual"`
	Detail     string `json:"detail"`
}
