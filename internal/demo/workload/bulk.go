package workload

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"

	"referral/models"
)

// bulkLines is the lines of each invoice of a bulk.
const bulkLines = 4

// Bulk is the invoices of the accounts 1 to n for a month, four lines each, of
// ordinary services, for benchmarks. All of them are valid. The caller may keep every
// value.
func Bulk(seed uint64, n int, period models.Period) iter.Seq[models.Invoice] {
	return func(yield func(models.Invoice) bool) {
		r := rand.New(rand.NewPCG(mix(seed+streamBulk<<56), uint64(period)))
		for account := range int64(n) {
			inv := models.Invoice{
				AccountID: account + 1, ID: invoiceID(period, account+1), Revision: 1, Period: period, Currency: "RUB",
				Lines: make([]models.Line, bulkLines),
			}
			for i := range inv.Lines {
				inv.Lines[i] = bulkLine(r, i, period)
			}
			if !yield(inv) {
				return
			}
		}
	}
}

func bulkLine(r *rand.Rand, i int, period models.Period) models.Line {
	services := [bulkLines]string{"subscription", "numbers", "calls", "recording"}
	return models.Line{
		ID: strconv.Itoa(i + 1), Service: services[i], From: period.First(), To: period.End(),
		Amount: models.Money(1_000 + r.IntN(150_000)),
	}
}

// BulkMessages is the same invoices as structured messages.
func BulkMessages(seed uint64, n int, period models.Period) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		at := period.End().Time()
		for inv := range Bulk(seed, n, period) {
			m := invoiceEvent(&inv, fmt.Sprintf("bulk-%s", inv.ID), at).message(false)
			m.Expected.Lines = len(inv.Lines)
			if !yield(m) {
				return
			}
		}
	}
}
