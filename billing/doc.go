// Package billing is the rules of money: values in, values out. It has no clock,
// does no I/O and writes no log, so that every sum can be computed again by
// anyone, at any time, from the same facts.
//
// What is owed is a pure function of the facts ([Programme.Entitlements] for an
// account, [Programme.Settle] for its invoices); what is posted is the
// difference to what the ledger holds.
package billing
