package billing_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"referral/billing"
	"referral/models"
	"referral/test/reference"
)

// anImport is the rows of an older system about some accounts, in the order in which an
// import stores them. Whatever messages tell comes besides.
func anImport(t *rapid.T, m *maker, accounts int64) (rows []*models.Fact) {
	add := func(data models.FactData) {
		rows = append(rows, &models.Fact{At: m.start, Data: data})
	}
	var known []int64
	for id := int64(1); id <= accounts; id++ {
		if oneIn(t, 3) {
			continue
		}
		row := models.ImportedAccount{AccountID: id, TaxID: fmt.Sprint(1000 + id), RegisteredAt: m.day(t, id, -90, 20)}
		if rapid.Bool().Draw(t, "a promo end") {
			row.PromoEndsAt = m.day(t, id, -60, 90)
		}
		if oneIn(t, 6) {
			row.TerminatedAt = m.day(t, id, 20, 120)
		}
		if rapid.Bool().Draw(t, "a code") {
			row.Code = codeOf(id)
		}
		known = append(known, id)
		add(row)
	}
	for i, id := range known {
		if i > 0 && rapid.Bool().Draw(t, "was invited") {
			add(models.ImportedReferral{InviterID: known[rapid.IntRange(max(0, i-6), i-1).Draw(t, "inviter")], InviteeID: id, ActivatedAt: m.day(t, id, -80, 60)})
		}
	}
	for _, id := range known {
		if oneIn(t, 4) {
			add(models.ImportedPackage{AccountID: id, SMS: rapid.SampledFrom([]int{1200, 3200}).Draw(t, "sms"), GivenOn: models.NewDate(2025, 12, 1)})
		}
	}
	for _, id := range known {
		if oneIn(t, 4) {
			from := models.NewDate(2026, 1, 1) + models.Date(rapid.IntRange(-20, 100).Draw(t, "agreed from"))
			add(models.AgreedDiscount{AccountID: id, From: from, To: from + models.Date(rapid.IntRange(1, 90).Draw(t, "days")), Percent: rapid.IntRange(1, 100).Draw(t, "percent")})
		}
	}
	return rows
}

// tellImport tells a reference the rows of an older system.
func tellImport(t checker, m *reference.Model, rows []*models.Fact) {
	t.Helper()
	for _, f := range rows {
		switch d := f.Data.(type) {
		case models.ImportedAccount:
			m.ImportAccount(reference.Imported{AccountID: d.AccountID, TaxID: d.TaxID, RegisteredAt: d.RegisteredAt, PromoEndedAt: d.PromoEndsAt, TerminatedAt: d.TerminatedAt})
		case models.ImportedReferral:
			m.ImportReferral(d.InviterID, d.InviteeID, d.ActivatedAt)
		case models.ImportedPackage:
			m.ImportPackage(d.AccountID, d.SMS)
		case models.AgreedDiscount:
			if err := m.ImportDiscount(d.AccountID, d.Percent, d.From.String(), d.To.String()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// settleShadow settles a period in shadow mode, brings it to what an older system has given,
// and closes it. It returns the invoices on which nothing could be booked.
func (w *world) settleShadow(period models.Period, given models.Given) (parked []string) {
	w.Helper()
	w.clock = w.clock.Add(time.Second)
	run := models.Run{Period: period, PostingPeriod: period, Kind: models.RunRegular, Shadow: true}
	booking := run
	booking.Kind = models.RunBooked
	for _, id := range w.everyone() {
		out := w.programme.Settle(run, w.open(id, period))
		w.checkOutcome(run, &out)
		w.post(&out)
		out = billing.Book(given)(booking, w.open(id, period))
		if out.Err != nil || len(out.Packages) > 0 {
			w.Errorf("booking account %d: %+v", id, out)
		}
		for _, p := range out.Parked {
			parked = append(parked, p.InvoiceID)
		}
		w.post(&out)
	}
	w.periods[period], w.settled[period] = models.PeriodClosed, w.clock
	return parked
}

// Messages, an import at the beginning or in the middle of them, and months that are settled
// beside an older system and closed with what that has given: after each step the ledger
// holds what the reference says, and in the end what the facts give.
func TestImportsAndShadowMonths(t *testing.T) {
	t.Parallel()
	p := newProgramme(t, customerTerms())
	rapid.Check(t, func(t *rapid.T) {
		accounts := rapid.SampledFrom([]int64{6, 12, 3, 2}).Draw(t, "accounts")
		m := newMaker(t, p.Zone, accounts)
		m.made = someManyFacts(t, p.Zone, accounts)
		someInvoices(t, m, accounts)
		sameTax(m)
		rows := anImport(t, m, accounts)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 4))
		batches := inBatches(shuffled(m.made, random), 12, random)
		imported := rapid.SampledFrom([]int{0, len(batches) / 2}).Draw(t, "import before batch")
		shadow := models.NewPeriod(2026, 1)
		through := shadow.Next()

		w, want := newWorld(t, p), newReference()
		compare := func(after string) {
			ledger := map[[2]string]models.Money{}
			for line, amount := range want.Lines() {
				ledger[[2]string{line.InvoiceID, line.LineID}] = models.Money(amount)
			}
			if got := w.lineSums(); !maps.Equal(got, ledger) {
				t.Fatalf("%s, import before batch %d of %s,\nmessages %s\nthe ledger holds %v\nwant %v", after, imported, list(rows), list(slices.Concat(batches...)), got, ledger)
			}
		}
		run := func(period models.Period) {
			w.settle(period, false)
			if err := want.Run(period.String()); err != nil {
				t.Fatal(err)
			}
			compare("after a run of " + period.String())
		}
		for i, batch := range batches {
			if i == imported {
				w.take(rows...)
				tellImport(t, want, rows)
			}
			w.take(batch...)
			tell(t, want, batch)
			switch {
			case random.IntN(4) > 0:
			case shadow <= through:
				given := oldSystem{invoices: map[string]models.Money{}}
				if err := want.RunShadow(shadow.String()); err != nil {
					t.Fatal(err)
				}
				var notBooked []string
				for id, inv := range w.invoices {
					if inv.Period != shadow {
						continue
					}
					amount := models.Money(random.IntN(3) * random.IntN(5000))
					if amount > 0 {
						given.invoices[id] = -amount
					}
					if !want.Book(id, int64(-amount)) {
						notBooked = append(notBooked, id)
					}
				}
				parked := w.settleShadow(shadow, given)
				slices.Sort(parked)
				slices.Sort(notBooked)
				if !slices.Equal(parked, notBooked) {
					t.Fatalf("parked are %s, want %s", strings.Join(parked, " "), strings.Join(notBooked, " "))
				}
				compare("after the shadow month " + shadow.String())
				shadow = shadow.Next()
			default:
				run(models.NewPeriod(2026, time.Month(1+random.IntN(6))))
			}
		}
		for p := firstMonth; p <= lastMonth; p = p.Next() {
			run(p)
		}
		sent := map[reference.Package]int{}
		for id, packages := range w.packages {
			for _, p := range packages {
				sent[reference.Package{AccountID: id, SMS: p.SMS}]++
			}
		}
		if got := want.Packages(); !maps.Equal(sent, got) {
			t.Fatalf("packages that went out or were given: %v, want %v", sent, got)
		}
	})
}
