package billing_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"referral/billing"
	"referral/models"
)

// These ids are in billing's books: they may never change. They were calculated
// with another program than ours.
func TestIdsFollowFromWhatTheyIdentify(t *testing.T) {
	for _, c := range []struct {
		got  models.UUID
		want string
	}{
		{billing.AdjustmentID(202604, "INV-2026-04-885", 1), "019d4657-0000-8a35-bad5-49c16793ec4d"},
		{billing.AdjustmentID(202604, "INV-2026-04-885", 2), "019d4657-0000-830c-b2a7-e5cf8974a3d0"},
		{billing.PackageID(885, 1200, 1), "d6f7f730-c26e-5d2a-8ed6-74b28ce6780a"},
		{billing.PackageID(885, 3200, 2), "77c4c1ea-f0df-5b79-a90b-04f63a31f556"},
	} {
		if c.got.String() != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
		if u := uuid.UUID(c.got); u.Version() != 5 && u.Version() != 8 || u.Variant() != uuid.RFC4122 {
			t.Errorf("%s is a UUID of version %s, variant %s", u, u.Version(), u.Variant())
		}
	}
}

func TestIdsDoNotCollide(t *testing.T) {
	seen := map[models.UUID]string{}
	see := func(id models.UUID, what string) {
		if other, twice := seen[id]; twice {
			t.Errorf("%s and %s have one id", what, other)
		}
		seen[id] = what
	}
	for _, invoice := range []string{"INV-1", "INV-11", "INV-1/1", "INV-1/1/1", "", "1"} {
		for n := range 200 {
			see(billing.AdjustmentID(202604, invoice, n), fmt.Sprintf("document %d on %q", n, invoice))
		}
	}
	for account := range int64(20) {
		for _, sms := range []int{1, 12, 120, 1200, 3200} {
			for n := range 20 {
				see(billing.PackageID(account, sms, n), fmt.Sprintf("package %d of %d to %d", n, sms, account))
			}
		}
	}
}

// case885 is an account with 20 % all April, and one invoice.
func case885(lines ...models.Line) *models.SettlementInput {
	return &models.SettlementInput{
		AccountID: 885,
		Discounts: []models.Discount{{AccountID: 885, Kind: models.Inviter, From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 5, 1), Percent: 20, Step: 1}},
		Invoices:  []models.InvoiceInput{{Invoice: models.Invoice{AccountID: 885, ID: "INV-1", Revision: 1, Period: 202604, Currency: "RUB", Lines: lines}}},
	}
}

func aprilLine(id string, amount models.Money) models.Line {
	return models.Line{ID: id, Service: "subscription", From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 5, 1), Amount: amount}
}

var april = models.Run{Period: 202604, PostingPeriod: 202604, Kind: models.RunRegular}

// One invoice whose sums do not fit is parked and named; the account's others, and
// its packages, are settled.
func TestAnInvoiceThatOverflowsIsParkedAlone(t *testing.T) {
	p := newProgramme(t, customerTerms())
	account := case885(aprilLine("1", 300_000), aprilLine("2", math.MaxInt64), aprilLine("3", math.MaxInt64), aprilLine("4", math.MaxInt64), aprilLine("5", math.MaxInt64), aprilLine("6", math.MaxInt64))
	account.Invoices = append(account.Invoices, case885(aprilLine("1", 300_000)).Invoices...)
	account.Invoices[1].Invoice.ID = "INV-2"
	account.Grants = []models.Grant{{AccountID: 885, SMS: 1200, Ordinal: 1, GrantedOn: models.NewDate(2026, 4, 20), Step: 3}}
	account.Earned = map[int]int{1200: 1}
	out := p.Settle(april, account)
	if out.Err != nil || len(out.Parked) != 1 || out.Parked[0].InvoiceID != "INV-1" || !strings.Contains(out.Parked[0].Err.Error(), "overflow") {
		t.Errorf("parked: %+v, %v", out.Parked, out.Err)
	}
	if len(out.Adjustments) != 1 || out.Adjustments[0].InvoiceID != "INV-2" || out.Adjustments[0].Amount != -60_000 || len(out.Packages) != 1 {
		t.Errorf("of the rest is posted %+v", out)
	}
	var totals models.Totals
	totals.Count(&out)
	if want := (models.Totals{Accounts: 1, Documents: 1, Items: 1, Amount: -60_000, Packages: 1, SMS: 1200, Parked: 1}); totals != want {
		t.Errorf("it is counted as %+v, want %+v", totals, want)
	}
}

// So is one with a document that no answer could be read to: a handful of them
// would be beyond any total, and stop the run for everybody.
func TestAnInvoiceBeyondAnyAmountIsParked(t *testing.T) {
	p := newProgramme(t, customerTerms())
	lines := []models.Line{}
	for i := range 5 {
		lines = append(lines, aprilLine(fmt.Sprint(i), models.MaxAmount))
	}
	if out := p.Settle(april, case885(lines...)); len(out.Parked) != 0 || out.Adjustments[0].Amount != -models.MaxAmount {
		t.Errorf("the largest document: %+v", out)
	}
	out := p.Settle(april, case885(append(lines, aprilLine("5", 3))...))
	if len(out.Parked) != 1 || out.Parked[0].InvoiceID != "INV-1" || len(out.Adjustments) != 0 || out.Err != nil {
		t.Errorf("one kopeck more: %+v", out)
	}
}

// Whatever the invoices of an account are, each comes to what it would alone.
func TestNoInvoiceHarmsAnother(t *testing.T) {
	p := newProgramme(t, customerTerms())
	amounts := rapid.OneOf(rapid.Int64Range(-300_000, 300_000), rapid.Int64Range(int64(-models.MaxAmount), int64(models.MaxAmount)), rapid.Int64())
	rapid.Check(t, func(t *rapid.T) {
		account := case885()
		account.Invoices = nil
		for i := range rapid.IntRange(1, 5).Draw(t, "invoices") {
			var lines []models.Line
			for j, amount := range rapid.SliceOfN(amounts, 0, 8).Draw(t, "lines") {
				lines = append(lines, aprilLine(fmt.Sprint(j), models.Money(max(amount, -math.MaxInt64))))
			}
			inv := case885(lines...).Invoices[0]
			inv.Invoice.ID = fmt.Sprintf("INV-%d", i)
			account.Invoices = append(account.Invoices, inv)
		}
		together := p.Settle(april, account)
		var apart models.SettlementResult
		for i := range account.Invoices {
			alone := *account
			alone.Invoices = account.Invoices[i : i+1]
			out := p.Settle(april, &alone)
			if out.Err != nil || len(out.Adjustments)+len(out.Parked) > 1 {
				t.Fatalf("alone: %+v", out)
			}
			apart.Adjustments, apart.Parked = append(apart.Adjustments, out.Adjustments...), append(apart.Parked, out.Parked...)
		}
		if together.Err != nil || !reflect.DeepEqual(together.Adjustments, apart.Adjustments) || !reflect.DeepEqual(together.Parked, apart.Parked) {
			t.Fatalf("together %+v, parked %+v, %v\napart %+v, parked %+v", together.Adjustments, together.Parked, together.Err, apart.Adjustments, apart.Parked)
		}
	})
}

func TestTheReasonOfADocument(t *testing.T) {
	noonOf := func(day int) time.Time { return time.Date(2026, 5, day, 12, 0, 0, 0, time.UTC) }
	p := newProgramme(t, customerTerms())
	for _, c := range []struct {
		name             string
		regular          bool
		sequence         int // of the last document
		posted, revision int // revision of the invoice then and now
		want             models.AdjustmentReason
		wantSequence     int
	}{
		{"the month's run", true, 0, 0, 1, models.ReasonRun, 1},
		{"the month's run on a revised invoice", true, 0, 0, 4, models.ReasonRun, 1},
		{"later, nothing posted before", false, 0, 0, 1, models.ReasonLateFact, 1},
		{"later, revised, nothing posted before", false, 0, 0, 2, models.ReasonLateFact, 1},
		{"later, the invoice as it was", false, 1, 1, 1, models.ReasonLateFact, 2},
		{"the run again, the invoice as it was", true, 1, 1, 1, models.ReasonLateFact, 2},
		{"later, the invoice revised", false, 1, 1, 2, models.ReasonInvoiceRevised, 2},
		{"the run again, the invoice revised", true, 3, 1, 2, models.ReasonInvoiceRevised, 4},
		{"later, revised and settled since", false, 5, 2, 2, models.ReasonLateFact, 6},
		{"a referral revoked since", false, 5, 2, 2, models.ReasonRevoked, 6},
		{"a referral revoked since, and the invoice revised", false, 1, 1, 2, models.ReasonInvoiceRevised, 2},
	} {
		account := case885(aprilLine("1", 300_000))
		inv := &account.Invoices[0]
		inv.Invoice.Revision, inv.Sequence, inv.Revision = c.revision, c.sequence, c.posted
		inv.Settled, account.RevokedAt = noonOf(2), noonOf(1)
		if strings.HasPrefix(c.name, "a referral revoked since") {
			account.RevokedAt = noonOf(3)
		}
		posting := april
		if !c.regular {
			posting.Kind = models.RunDifferences
		}
		docs := p.Settle(posting, account).Adjustments
		if len(docs) != 1 || docs[0].Reason != c.want || docs[0].Sequence != c.wantSequence || docs[0].InvoiceRevision != c.revision {
			t.Errorf("%s: %+v, want %s and document %d", c.name, docs, c.want, c.wantSequence)
		}
	}
}

// What the brake and the report need to know of an account besides its documents.
func TestWhatASettlementReports(t *testing.T) {
	p := newProgramme(t, customerTerms())
	excluded, held := aprilLine("2", 500), aprilLine("3", 700)
	excluded.Service, held.Service = "sms_package", "fax"
	account := case885(aprilLine("1", 300_000), excluded, held)
	account.Invoices[0].Posted = []models.PostedLine{{LineID: "1", Service: "subscription", Amount: -60_000}}
	out := p.Settle(april, account)
	if !out.Discounted || out.Full || out.Empty() || len(out.Adjustments) != 0 {
		t.Errorf("an account that has its discount: %+v", out)
	}
	if want := []models.HeldLine{{AccountID: 885, Period: 202604, InvoiceID: "INV-1", LineID: "3", Service: "fax", Amount: 700}}; !slices.Equal(out.Held, want) {
		t.Errorf("held %+v, want %+v", out.Held, want)
	}
	account.Discounts[0].Percent = 99
	if out := p.Settle(april, account); out.Full {
		t.Error("99 % counts as full")
	}
	account.Discounts[0].Percent, account.Discounts[0].To = 100, account.Discounts[0].From+1
	if out := p.Settle(april, account); !out.Full {
		t.Error("one day with 100 % does not count as full")
	}
	account.Discounts[0].Percent, account.Discounts[0].To = 100, models.NewDate(2026, 5, 1)
	account.Invoices[0].Invoice.Lines = []models.Line{excluded, held}
	if out := p.Settle(april, account); out.Full || out.Discounted {
		t.Errorf("100 %% on services that get nothing: %+v", out)
	}
}

// A package goes out as often as it was earned, whatever numbers went out before.
func TestPackagesGoOutByCount(t *testing.T) {
	p := newProgramme(t, customerTerms())
	for _, c := range []struct {
		name   string
		gone   []int
		grants []int // dated in the period
		earned int   // in all periods
		want   []int
	}{
		{"the first", nil, []int{1}, 1, []int{1}},
		{"it has gone out", []int{1}, []int{1}, 1, nil},
		{"the second, of another month", []int{1}, []int{2}, 2, []int{2}},
		{"two in one month", nil, []int{1, 2}, 2, []int{1, 2}},
		{"one of two has gone out", []int{1}, []int{1, 2}, 2, []int{2}},
		{"the other of two has gone out", []int{2}, []int{1, 2}, 2, []int{1}},
		{"nothing of this month", nil, nil, 1, nil},
		{"a number beyond what is earned has gone out", []int{2}, []int{1}, 1, nil},
		{"more went out than is earned", []int{1, 2}, []int{1}, 1, nil},
		{"a surplus serves for the next", []int{1, 2}, []int{2}, 2, nil},
		{"one went out beyond, one of two is due", []int{3}, []int{1, 2}, 2, []int{1}},
		{"two went out beyond, one of three is due", []int{4, 5}, []int{1, 2, 3}, 3, []int{1}},
	} {
		account := &models.SettlementInput{AccountID: 885, Earned: map[int]int{1200: c.earned, 3200: 7}}
		for _, n := range c.gone {
			account.Packages = append(account.Packages, models.SMSPackage{AccountID: 885, SMS: 1200, Ordinal: n})
		}
		account.Packages = append(account.Packages, models.SMSPackage{AccountID: 885, SMS: 3200, Ordinal: 1}) // another size
		for _, n := range c.grants {
			account.Grants = append(account.Grants, models.Grant{AccountID: 885, SMS: 1200, Ordinal: n, GrantedOn: models.NewDate(2026, 4, 20), Step: 3})
		}
		var got []int
		for _, pkg := range p.Settle(april, account).Packages {
			got = append(got, pkg.Ordinal)
			want := models.SMSPackage{
				ID: billing.PackageID(885, 1200, pkg.Ordinal), AccountID: 885, SMS: 1200, Ordinal: pkg.Ordinal,
				GrantedOn: models.NewDate(2026, 4, 20), Period: 202604, PostingPeriod: 202604, Step: 3,
			}
			if pkg != want {
				t.Errorf("%s: %+v, want %+v", c.name, pkg, want)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: numbers %v go out, want %v", c.name, got, c.want)
		}
	}
}

// The invoice that carries a package is the same in whatever order they are read.
func TestTheInvoiceOfAPackage(t *testing.T) {
	p := newProgramme(t, customerTerms())
	excluded := aprilLine("1", 500)
	excluded.Service = "sms_package"
	for _, c := range []struct {
		invoices []string // a cancelled one begins with X
		want     string
	}{
		{nil, ""}, {[]string{"X1"}, ""}, {[]string{"2"}, "2"}, {[]string{"2", "3"}, "2"}, {[]string{"3", "2"}, "2"},
		{[]string{"3", "X1", "2"}, "2"}, {[]string{"X1", "3", "X2"}, "3"},
	} {
		account := &models.SettlementInput{
			AccountID: 885, Earned: map[int]int{1200: 1},
			Grants: []models.Grant{{AccountID: 885, SMS: 1200, Ordinal: 1, GrantedOn: models.NewDate(2026, 4, 20), Step: 3}},
		}
		for _, name := range c.invoices {
			inv := models.Invoice{AccountID: 885, ID: strings.TrimPrefix(name, "X"), Period: 202604, Lines: []models.Line{excluded}}
			if strings.HasPrefix(name, "X") {
				inv.Lines = nil
			}
			account.Invoices = append(account.Invoices, models.InvoiceInput{Invoice: inv})
		}
		if got := p.Settle(april, account).Packages; len(got) != 1 || got[0].InvoiceID != c.want {
			t.Errorf("with the invoices %v: %+v, want it on %q", c.invoices, got, c.want)
		}
	}
}

// Whatever the discounts and the lines: packages of SMS get nothing, services on
// no list are named, no discount is larger than its line or of its sign, and
// items, documents and report agree.
func TestSMSPackagesAreNeverDiscounted(t *testing.T) {
	p := newProgramme(t, customerTerms())
	rapid.Check(t, func(t *rapid.T) {
		account := &models.SettlementInput{AccountID: 885, Discounts: someDiscounts(t, 4)}
		lines := map[string]models.Line{}
		for i := range rapid.IntRange(1, 3).Draw(t, "invoices") {
			inv := models.Invoice{AccountID: 885, ID: fmt.Sprint("INV-", i), Revision: 1, Period: 202604, Currency: "RUB"}
			for j := range rapid.IntRange(0, 4).Draw(t, "lines") {
				l := someLine(t)
				l.Amount /= 4 // or four of them would make a document beyond any amount
				l.ID, l.Service = fmt.Sprint(j), rapid.SampledFrom([]string{"subscription", "calls", "sms_package", "fax"}).Draw(t, "service")
				inv.Lines = append(inv.Lines, l)
				lines[inv.ID+"/"+l.ID] = l
			}
			account.Invoices = append(account.Invoices, models.InvoiceInput{Invoice: inv})
		}
		out := p.Settle(april, account)
		if out.Err != nil {
			t.Fatal(out.Err)
		}
		checkItems(t, &out, account.Discounts, lines)
	})
}

func checkItems(t checker, out *models.SettlementResult, discounts []models.Discount, lines map[string]models.Line) {
	t.Helper()
	got := map[string]models.Money{}
	var total models.Money
	for _, doc := range out.Adjustments {
		var sum models.Money
		for _, item := range doc.Items {
			got[doc.InvoiceID+"/"+item.LineID] = item.Amount
			sum += item.Amount
		}
		if sum != doc.Amount {
			t.Fatalf("%s: items of %s in a document of %s", doc.InvoiceID, sum, doc.Amount)
		}
		total += sum
	}
	var totals models.Totals
	totals.Count(out)
	if totals.Amount != total || totals.Items != int64(len(got)) || totals.Documents != int64(len(out.Adjustments)) {
		t.Fatalf("the report says %+v of %d items that sum to %s", totals, len(got), total)
	}
	for id, l := range lines {
		amount := got[id]
		held := slices.ContainsFunc(out.Held, func(h models.HeldLine) bool { return h.InvoiceID+"/"+h.LineID == id })
		switch l.Service {
		case "sms_package", "fax":
			if amount != 0 {
				t.Fatalf("%s on a line of %s", amount, l.Service)
			}
		default:
			if want := -dayByDay(discounts, &l); amount != want {
				t.Fatalf("%s on line %s, want %s", amount, id, want)
			}
			if l.Amount >= 0 && (amount > 0 || -amount > l.Amount) || l.Amount <= 0 && (amount < 0 || -amount < l.Amount) {
				t.Fatalf("%s on a line of %s", amount, l.Amount)
			}
		}
		hasDay := false
		for day := l.From; day < l.End(); day++ {
			hasDay = hasDay || percentOn(discounts, day) > 0
		}
		if held != (l.Service == "fax" && hasDay) {
			t.Fatalf("line %s of %s with discount days %t: held is %t", id, l.Service, hasDay, held)
		}
	}
}

// oldSystem is what an older system has given.
type oldSystem struct {
	invoices map[string]models.Money
	accounts map[int64]models.Money
	named    map[string]int64 // accounts that it names with invoices
}

func (o oldSystem) OnInvoice(id string) (models.Money, int64, bool) {
	amount, named := o.invoices[id]
	return amount, o.named[id], named
}

func (o oldSystem) OnAccount(id int64) (models.Money, bool) {
	amount, named := o.accounts[id]
	return amount, named
}

// Whatever is stored, and whatever an older system has given: each invoice holds that
// afterwards, or all invoices of the account together, or it is named as parked and holds
// what it did. What is booked and what is not make up what the older system has given.
func TestWhatIsBookedAndWhatIsNotMakeUpTheFile(t *testing.T) {
	amounts := rapid.OneOf(rapid.Int64Range(-500, 500), rapid.SampledFrom([]int64{
		int64(models.MaxAmount), -int64(models.MaxAmount), math.MaxInt64 / 3, -math.MaxInt64 / 3, math.MaxInt64, math.MinInt64,
	}))
	amount := rapid.Custom(func(t *rapid.T) models.Money { return models.Money(amounts.Draw(t, "amount")) })
	lines := rapid.Custom(func(t *rapid.T) []models.Line {
		var lines []models.Line
		for i := range rapid.IntRange(0, 2).Draw(t, "lines") {
			lines = append(lines, aprilLine(fmt.Sprint(i), amount.Draw(t, "charge")))
		}
		return lines
	})
	rapid.Check(t, func(t *rapid.T) {
		c := &models.SettlementInput{AccountID: 885}
		given := oldSystem{invoices: map[string]models.Money{}, accounts: map[int64]models.Money{}, named: map[string]int64{}}
		holds := map[string]*big.Int{} // the ledger before
		for i := range rapid.IntRange(0, 3).Draw(t, "invoices") {
			in := models.InvoiceInput{Invoice: models.Invoice{AccountID: 885, ID: fmt.Sprint("INV-", i), Revision: 1, Period: 202604, Lines: lines.Draw(t, "lines")}}
			in.Invoice.Currency = rapid.SampledFrom([]string{"RUB", "RUB", "RUB", "USD"}).Draw(t, "currency")
			holds[in.Invoice.ID] = new(big.Int)
			for n := range rapid.IntRange(0, 2).Draw(t, "posted") {
				posted := rapid.OneOf(amount, rapid.Just(models.Money(0))).Draw(t, "posted")
				in.Posted = append(in.Posted, models.PostedLine{LineID: fmt.Sprint(n), Amount: posted})
				holds[in.Invoice.ID].Add(holds[in.Invoice.ID], big.NewInt(int64(posted)))
				in.Sequence = 1
			}
			if rapid.IntRange(0, 9).Draw(t, "damage") == 0 {
				in.Damage = errors.New("it cannot be read")
			}
			c.Invoices = append(c.Invoices, in)
			if rapid.Bool().Draw(t, "named") {
				given.invoices[in.Invoice.ID] = amount.Draw(t, "given")
				given.named[in.Invoice.ID] = rapid.SampledFrom([]int64{0, 0, 885, 901}).Draw(t, "owner")
			}
		}
		together := rapid.IntRange(0, 2).Draw(t, "together") == 0
		if together {
			given.accounts[885] = amount.Draw(t, "given together")
		}

		out := billing.Book(given)(april, c)
		parked := map[string]bool{}
		for _, p := range out.Parked {
			parked[p.InvoiceID] = true
		}
		if out.Err != nil && len(out.Adjustments)+len(out.Parked) > 0 {
			t.Fatalf("the account is parked, and something is posted: %+v", out)
		}
		ledger := new(big.Int)
		for i := range c.Invoices {
			id := c.Invoices[i].Invoice.ID
			held := holds[id]
			for _, a := range out.Adjustments {
				if a.InvoiceID == id {
					held.Add(held, big.NewInt(int64(a.Amount)))
					if a.Amount.Abs() > models.MaxAmount || a.ItemSum() != a.Amount || a.Reason != models.ReasonBookedElsewhere || parked[id] {
						t.Fatalf("posted is %+v, parked are %v", a, out.Parked)
					}
				}
			}
			ledger.Add(ledger, held)
			amount := given.invoices[id]
			if out.Err == nil && !together && !parked[id] && held.Cmp(big.NewInt(int64(amount))) != 0 {
				t.Fatalf("%s holds %s, given was %d, and it is not parked", id, held, amount)
			}
		}
		if whole := given.accounts[885]; together && out.Err == nil && len(c.Invoices) > 0 && (ledger.Cmp(big.NewInt(int64(whole))) != 0 || len(given.invoices) > 0) {
			t.Fatalf("the account holds %s, given was %d beside %v, and it is not parked", ledger, whole, given.invoices)
		}
	})
}
