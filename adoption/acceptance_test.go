package adoption_test

import (
	"database/sql"
	"encoding/csv"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/adoption"
	"referral/billing"
	"referral/models"
	"referral/scheduler"
	"referral/store"
	"referral/test/storetest"
)

// day is a day of the older system, counted from 1 January 2024.
type day int

func dayAt(year int, month time.Month, of int) day {
	return day(time.Date(year, month, of, 0, 0, 0, 0, time.UTC).Sub(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
}

func (d day) civil() time.Time { return time.Date(2024, 1, 1+int(d), 0, 0, 0, 0, time.UTC) }

func (d day) String() string { return d.civil().Format(time.DateOnly) }

// months later, on the same day or the last one of a shorter month.
func (d day) months(n int) day {
	at := d.civil()
	first := time.Date(at.Year(), at.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return dayAt(first.Year(), first.Month(), min(at.Day(), last))
}

// client is a client of the older system.
type client struct {
	id         int64
	registered day
	promo      day // 0 while it is not known
	terminated day // 0 for none
	invited    []day
	friends    []int64
	joined     day // on which it entered a code; 0 for none
	agreed     [3]day
	percent    int
	given      map[int]int // packages by size
}

var april, may = dayAt(2026, 4, 1), dayAt(2026, 5, 1)

// olderSystem is ten thousand clients as an older system has kept them. Every fifth one invites
// the next four, or some of them.
func olderSystem(r *rand.Rand) []*client {
	var all []*client
	for id := int64(1); id <= 10_000; id++ {
		c := &client{id: id, registered: april - day(40+r.IntN(500)), given: map[int]int{}}
		if r.IntN(10) > 0 { // behind, or ahead, also within the month
			c.promo = c.registered + day(14+r.IntN(90))
		}
		if r.IntN(40) == 0 {
			c.terminated = april - 20 + day(r.IntN(60))
		}
		if r.IntN(4) == 0 {
			c.percent = 1 + r.IntN(50)
			from := april - 40 + day(r.IntN(70))
			c.agreed = [3]day{from, from + day(r.IntN(60))} // the last day counts
		}
		all = append(all, c)
	}
	for i := 0; i+9 < len(all); i += 10 {
		inviter := all[i]
		for _, friend := range all[i+1 : i+2+r.IntN(8)] {
			friend.joined = max(friend.registered, april-300+day(r.IntN(290)))
			inviter.invited, inviter.friends = append(inviter.invited, friend.joined), append(inviter.friends, friend.id)
		}
	}
	return all
}

// ladder is the percentages of the customer's table by the days from which they hold, and
// the packages with their days.
func (c *client) ladder() (percents map[day]int, packages map[int][]day) {
	table := []struct{ percent, months, sms int }{{20, 3, 0}, {40, 6, 0}, {60, 12, 1200}, {80, 12, 0}, {100, 12, 3200}}
	invited := slices.Sorted(slices.Values(c.invited))
	percents, packages = map[day]int{}, map[int][]day{}
	step, end := -1, day(-1)
	for i, on := range invited {
		if step < 0 || on >= end {
			step, end = 0, on.months(table[0].months)
		} else {
			if step < 4 {
				if step++; table[step].sms > 0 {
					packages[table[step].sms] = append(packages[table[step].sms], on)
				}
			}
			end = max(end, on.months(table[step].months))
		}
		until := end
		if i+1 < len(invited) {
			until = min(until, invited[i+1])
		}
		for d := on; d < until; d++ {
			percents[d] = table[step].percent
		}
	}
	return percents, packages
}

// owed is the discount on an invoice for April, a day at a time.
func (c *client) owed(amount int64) int64 {
	percents, _ := c.ladder()
	var starts, ends day
	if c.joined > 0 && c.promo > 0 {
		starts = max(c.joined, c.promo)
		ends = starts.months(3)
	}
	sum := 0
	for d := april; d < may; d++ {
		if c.terminated > 0 && d >= c.terminated {
			break
		}
		percent := percents[d]
		if starts <= d && d < ends {
			percent += 20
		}
		if c.percent > 0 && c.agreed[0] <= d && d <= c.agreed[1] {
			percent += c.percent
		}
		sum += min(100, percent)
	}
	of := int64(may-april) * 100
	return (2*amount*int64(sum) + of) / (2 * of) // half up, as nothing is below zero
}

// files writes what the older system kept. It has given most packages earned before April.
func files(t *testing.T, r *rand.Rand, all []*client) string {
	t.Helper()
	rows := map[string][][]string{
		"accounts.csv":  {{"account", "name", "tax_id", "registered", "promo_end", "terminated", "existing_code"}},
		"referrals.csv": {{"inviter", "invitee", "activated"}},
		"packages.csv":  {{"account", "sms", "given"}},
		"discounts.csv": {{"account", "percent", "first_day", "last_day"}},
	}
	text := func(d day) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, c := range all {
		code := ""
		if c.id%3 > 0 {
			code = "OLD-" + number(c.id)
		}
		rows["accounts.csv"] = append(rows["accounts.csv"], []string{number(c.id), "name " + number(c.id), number(7_700_000_000 + c.id), text(c.registered), text(c.promo), text(c.terminated), code})
		for i, friend := range c.friends {
			rows["referrals.csv"] = append(rows["referrals.csv"], []string{number(c.id), number(friend), c.invited[i].String()})
		}
		_, packages := c.ladder()
		for _, size := range slices.Sorted(maps.Keys(packages)) {
			for _, on := range packages[size] {
				if on < april && r.IntN(5) > 0 {
					c.given[size]++
					rows["packages.csv"] = append(rows["packages.csv"], []string{number(c.id), strconv.Itoa(size), on.String()})
				}
			}
		}
		if c.percent > 0 {
			rows["discounts.csv"] = append(rows["discounts.csv"], []string{number(c.id), strconv.Itoa(c.percent), c.agreed[0].String(), c.agreed[1].String()})
		}
	}
	directory := t.TempDir()
	for name, lines := range rows {
		file, err := os.Create(filepath.Join(directory, name))
		if err == nil {
			err = csv.NewWriter(file).WriteAll(lines)
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// Ten thousand clients in mid-ladder are imported. The first month gives what a table made
// independently of the program says; no package is given twice, no discount is lost.
func TestFirstMonthAfterAnImport(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	clients := olderSystem(r)
	directory := files(t, r, clients)
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	db, dsn := storetest.Open(t, func() time.Time { return now })
	programme := terms(t)
	derive := deriving(programme)
	result, err := adoption.Import(t.Context(), adoption.Options{
		Directory: directory, Store: db, Derive: derive, Zone: programme.Zone, Now: now, Sizes: []int{1200, 3200}, Progress: func(string, int64) {},
	})
	if err != nil || !result.Imported {
		t.Fatalf("%+v, %v", result, err)
	}

	want, sums := map[int64]int64{}, int64(0)
	var invoices []models.DecodedMessage
	for _, c := range clients {
		amount := int64(100 + r.IntN(1_000_000))
		invoices = append(invoices, models.DecodedMessage{Fact: &models.Fact{At: now, Data: &models.Invoice{
			AccountID: c.id, ID: fmt.Sprint("INV-", c.id), Revision: 1, Period: 202604, Currency: "RUB",
			Lines: []models.Line{{ID: "1", Service: "subscription", From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 5, 1), Amount: models.Money(amount)}},
		}}})
		if owed := c.owed(amount); owed != 0 {
			want[c.id] = -owed
			sums -= owed
		}
	}
	for batch := range slices.Chunk(invoices, 2000) {
		if _, err := db.Ingest(t.Context(), batch, derive); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, db, programme)

	plain := storetest.SQL(t, dsn)
	got := map[int64]int64{}
	for _, c := range clients {
		if amount := number(t, plain, "SELECT coalesce(sum(amount_minor), 0)::bigint FROM adjustments WHERE storage_period = 202604 AND account_id = $1", c.id); amount != 0 {
			got[c.id] = int64(amount)
		}
	}
	for id, amount := range want {
		if got[id] != amount {
			t.Errorf("account %d gets %d, want %d: %+v", id, got[id], amount, *clients[id-1])
		}
	}
	if len(got) != len(want) || len(want) < 3000 {
		t.Errorf("%d accounts get a discount, want %d", len(got), len(want))
	}
	t.Logf("%d accounts get %d kopecks", len(want), sums)

	// Of the packages, only those earned in April go out.
	due := 0
	for _, c := range clients {
		_, packages := c.ladder()
		for size, days := range packages {
			for _, on := range days {
				if on >= april {
					due++
				}
			}
			if n := number(t, plain, "SELECT count(*) FROM given_packages WHERE account_id = $1 AND sms = $2", c.id, size); n > len(days) {
				t.Errorf("account %d has earned %d packages of %d SMS, and has got %d", c.id, len(days), size, n)
			}
		}
	}
	if n := number(t, plain, "SELECT count(*) FROM sms_packages"); n != due {
		t.Errorf("%d packages go out, want %d", n, due)
	}
}

func terms(t *testing.T) *billing.Programme {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		t.Fatal(err)
	}
	programme, err := billing.NewProgramme(zone, []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, RefuseOwnCompany: true, Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder:     []billing.StepTerms{{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 60, Months: 12, SMS: 1200}, {Percent: 80, Months: 12}, {Percent: 100, Months: 12, SMS: 3200}},
		Discounted: []string{"subscription"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return programme
}

// deriving is the rules with codes that are told apart.
func deriving(p *billing.Programme) models.DeriveFunc {
	var codes atomic.Int64
	return p.Derive(func() string { return fmt.Sprint("NEW", codes.Add(1)) })
}

func settle(t *testing.T, db *store.Store, p *billing.Programme) {
	t.Helper()
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: db, Calendar: db, Programme: p, Workers: 2, Chunk: 3000, Log: slog.New(slog.DiscardHandler), Metrics: scheduler.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	})
	if err == nil {
		_, err = settler.Run(t.Context(), models.RunRequest{Period: 202604, Accept: true})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
