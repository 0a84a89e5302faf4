package store

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"referral/models"
	"referral/store/pgcopy"
)

// revision is one revision of an invoice, and the period that it is stored under.
type revision struct {
	*models.Invoice
	stored models.Period
}

type invoiceKey struct {
	account int64
	invoice string
}

// storedAccounts is accounts by the periods that invoices or documents of theirs are stored
// under.
type storedAccounts map[models.Period]map[int64]bool

func (s storedAccounts) add(under models.Period, account int64) {
	if s[under] == nil {
		s[under] = map[int64]bool{}
	}
	s[under][account] = true
}

// sorted is each period with its accounts, in order.
func (s storedAccounts) sorted() iter.Seq2[models.Period, []int64] {
	return func(yield func(models.Period, []int64) bool) {
		for _, under := range sortedPeriods(s) {
			if !yield(under, sortedIDs(s[under])) {
				return
			}
		}
	}
}

// queueStoredInvoices reads all revisions of the invoices of the accounts that are stored
// under a period, in any order: one statement a period, because PostgreSQL before 17 tries
// every combination of two lists.
func queueStoredInvoices(batch *pgcopy.Batch, into *[]revision, texts *unpacker, p models.Period, accounts []int64) {
	batch.Each("invoices", func(v [][]byte) { *into = append(*into, readRevision(v, texts)) },
		"SELECT "+invoiceColumns+" FROM invoices WHERE storage_period = $2 AND account_id = ANY($1)", accounts, p)
}

// invoiceColumns and readRevision belong together.
const invoiceColumns = "account_id, storage_period, period, revision, invoice_id, currency, lines"

func readRevision(v [][]byte, texts *unpacker) revision {
	inv := &models.Invoice{
		AccountID: pgcopy.Int8(v[0]), Period: pgcopy.Period(v[2]), Revision: pgcopy.Int4(v[3]), ID: string(v[4]), Currency: texts.words.intern(v[5]),
		Services: texts.services,
	}
	inv.Lines, inv.Damage = texts.linesOf(v[6], inv.Period)
	return revision{inv, pgcopy.Period(v[1])}
}

// queueRevisions reads every revision of the invoices of accounts that are stored
// under a period, and of those that a revision has moved to it, in any order.
func queueRevisions(batch *pgcopy.Batch, into *[]revision, texts *unpacker, p models.Period, accounts []int64) {
	queueStoredInvoices(batch, into, texts, p, accounts)
	batch.Each("invoices that have moved", func(v [][]byte) { *into = append(*into, readRevision(v, texts)) }, movedRevisions, accounts, p)
}

// movedRevisions selects all revisions of the invoices of the accounts $1 that are
// stored under another period than $2 and that a revision has moved to it. Each is looked
// up by itself: without statistics the plan of a join is unpredictable.
const movedRevisions = `SELECT i.* FROM (SELECT DISTINCT storage_period, account_id, invoice_id FROM invoices
	WHERE period <> storage_period AND period = $2 AND account_id = ANY($1)) k
	CROSS JOIN LATERAL (SELECT ` + invoiceColumns + ` FROM invoices i
		WHERE i.storage_period = k.storage_period AND i.account_id = k.account_id AND i.invoice_id = k.invoice_id OFFSET 0) i`

// eachInvoice hands over the highest revision of each invoice, by account and id,
// with the periods of all its revisions, which are good until fn returns. It puts the
// revisions in order: the few of an account are cheaper to sort here than all of them
// in the database.
func eachInvoice(revisions []revision, fn func(highest revision, periods []models.Period)) {
	order := func(a, b revision) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), strings.Compare(a.ID, b.ID), cmp.Compare(a.Revision, b.Revision))
	}
	if !slices.IsSortedFunc(revisions, order) {
		slices.SortFunc(revisions, order)
	}
	var periods []models.Period
	for i, r := range revisions {
		periods = append(periods, r.Period)
		if next := i + 1; next < len(revisions) && revisions[next].AccountID == r.AccountID && revisions[next].ID == r.ID {
			continue
		}
		fn(r, periods)
		periods = periods[:0]
	}
}
