package adoption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"referral/models"
)

// memory is a storage that keeps rows by their keys.
type memory struct {
	lock  sync.Mutex
	rows  map[string]models.FactData
	known models.ImportKnown
}

func newMemory() *memory { return &memory{rows: map[string]models.FactData{}} }

func key(data models.FactData) string {
	switch d := data.(type) {
	case models.ImportedPackage:
		return fmt.Sprint(kindOf(data), d.AccountID, d.SMS, d.GivenOn)
	case models.AgreedDiscount:
		return fmt.Sprint(kindOf(data), d.AccountID, d.From)
	}
	return fmt.Sprint(kindOf(data), data.Account())
}

func (m *memory) ImportKnown(context.Context, models.ImportQuery) (models.ImportKnown, error) {
	return m.known, nil
}

func (m *memory) PreviewImport(_ context.Context, rows []models.Fact) (c models.ImportCounts, err error) {
	for _, f := range rows {
		switch before, known := m.rows[key(f.Data)]; {
		case !known:
			c.New++
		case before == f.Data:
			c.Same++
		default:
			c.Changed++
		}
	}
	return c, nil
}

func (m *memory) Import(ctx context.Context, rows []models.Fact, _ models.DeriveFunc) (models.ImportCounts, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	counts, err := m.PreviewImport(ctx, rows)
	for _, f := range rows {
		m.rows[key(f.Data)] = f.Data
		if gone := strings.Contains(fmt.Sprintf("%+v", f.Data), "Withdrawn:true"); gone {
			delete(m.rows, key(f.Data))
		}
	}
	return counts, err
}

func (m *memory) ForEachImported(_ context.Context, see func(models.Fact) error) error {
	for _, data := range m.rows {
		if err := see(models.Fact{Data: data}); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) ImportTotals(context.Context) (models.ImportTotals, error) {
	t := models.ImportTotals{Packages: map[int]int64{}}
	for _, data := range m.rows {
		switch d := data.(type) {
		case models.ImportedAccount:
			t.Accounts++
		case models.ImportedReferral:
			t.Referrals++
		case models.ImportedPackage:
			t.Packages[d.SMS]++
		case models.AgreedDiscount:
			t.Discounts++
			t.PercentDays += int64(d.Percent * int(d.To-d.From))
		}
	}
	return t, nil
}

var moscow = time.FixedZone("MSK", 3*60*60)

// run imports files by their names.
func run(t *testing.T, m *memory, texts map[string]string, change func(*Options)) *Result {
	t.Helper()
	o := Options{
		Directory: t.TempDir(), Store: m, Zone: moscow, Now: time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC), Sizes: []int{1200, 3200},
		Progress: func(string, int64) {},
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(o.Directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(&o)
	}
	r, err := Import(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func nothing(*Options) {}

const goodAccounts = "account,name,tax_id,registered,promo_end,terminated,existing_code\n885,Резервация,7707083893,2025-06-01,2025-06-15,,old 885\n901,,,2026-02-10T09:00:00+03:00,2026-05-10,,\n902,,,2026-02-10,,,\n"

func TestImportTakesFiles(t *testing.T) {
	t.Parallel()
	m := newMemory()
	texts := map[string]string{
		// As a Russian Excel saves it, with the columns in an order of its own.
		"accounts.csv":  "\ufeff" + strings.ReplaceAll("Existing Code,account,name,Tax ID,registered,promo end,terminated\nold 885,885,\"Резервация, ООО\",7707083893,2025-06-01,2025-06-15,\n,901,,,2026-02-10T09:00:00+03:00,2026-05-10,\n\n", ",", ";"),
		"referrals.csv": "inviter,invitee,activated\n885,901,2026-02-11\n",
		"packages.csv":  "account,sms,given\n885,1200,2026-03-02\n",
		"discounts.csv": "account,percent,first_day,last_day\n901,10,01.03.2026,31.03.2026\n901,20,2026-04-01,2026-04-01\n",
	}
	r := run(t, m, texts, nothing)
	if !r.Imported || r.FaultCount != 0 || r.PercentDays != 330 || r.Packages[1200] != 1 || r.Files[3].New != 2 {
		t.Errorf("%+v", r)
	}
	local := func(month time.Month, day int) time.Time { return time.Date(2025, month, day, 0, 0, 0, 0, moscow) }
	want := models.ImportedAccount{AccountID: 885, Name: "Резервация; ООО", TaxID: "7707083893", RegisteredAt: local(6, 1), PromoEndsAt: local(6, 15), Code: "OLD885"}
	if got := m.rows[key(want)]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if r := run(t, m, texts, nothing); r.Files[0].Same != 2 || r.Files[0].New+r.Files[0].Changed != 0 {
		t.Errorf("a repeat: %+v", r)
	}

	// The newest files do not have everything that earlier ones had.
	texts["discounts.csv"] = "account,percent,first_day,last_day\n901,15,2026-03-01,2026-03-31\n"
	if r := run(t, m, texts, func(o *Options) { o.DryRun = true }); r.Files[3].Changed != 1 || r.Files[3].Missing != 1 || r.Imported || r.PercentDays != 330 {
		t.Errorf("a dry run: %+v", r)
	}
	if r := run(t, m, texts, nothing); r.Files[3].Changed != 1 || r.Files[3].Missing != 1 || r.PercentDays != 15*31+20 {
		t.Errorf("a correction: %+v", r)
	}
	if r := run(t, m, texts, func(o *Options) { o.Remove = true }); r.Files[3].Missing != 1 || r.PercentDays != 15*31 {
		t.Errorf("what is missing is removed: %+v", r)
	}
}

// Each bad row is named with its file, line, column and value, and nothing is stored.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		texts map[string]string
		want  []string
	}{
		{"values", map[string]string{"accounts.csv": "account,registered,terminated\nx,2026-01-01,\n-1,,\n885,31/12/2025,\n886,2026-01-02,2026-01-01\n887,2027-01-01,\n888,3026-01-01,\n"}, []string{
			`accounts.csv line 2, account "x": it must be a whole number above zero`, `accounts.csv line 3, account "-1": it must be a whole number above zero`,
			`accounts.csv line 4, registered "31/12/2025": it must be a day such as 2026-04-20 or 20.04.2026, or a time such as 2026-04-20T12:00:00+03:00`,
			`accounts.csv line 5, terminated "2026-01-01": the account left before it was registered, on 2026-01-02`, `accounts.csv line 6, registered "2027-01-01": it is later than today`,
			`accounts.csv line 7, registered "3026-01-01": its year must be 1900 to 2999`, `accounts.csv line 7, registered "3026-01-01": it is later than today`,
		}},
		{"texts", map[string]string{"accounts.csv": "account,name,tax_id,existing_code\n885," + strings.Repeat("я", 1001) + ",,\n886,," + strings.Repeat("7", 201) + ",\n887,,," + strings.Repeat("K", 33) + "\n888,,,--\n889,,,\"A\nB\"\n"}, []string{
			`accounts.csv line 2, name "` + strings.Repeat("я", 60) + `…": it must have at most 1000 characters`, `accounts.csv line 3, tax_id "` + strings.Repeat("7", 60) + `…": it must have at most 200 characters`,
			`accounts.csv line 4, existing_code "` + strings.Repeat("K", 33) + `": it must have at most 32 characters`, `accounts.csv line 5, existing_code "--": it has no letter or digit`,
			`accounts.csv line 6, existing_code "A\nB": it has a character that cannot be typed`,
		}},
		{"quotes", map[string]string{"accounts.csv": "account,name\n885,ООО \"Ромашка\"\n886,\"Лютик\" 2\n887,\"ООО \"\"Василек\"\"\"\n"}, []string{
			`accounts.csv line 2: there is a quote in the field at byte 12: put the whole field in quotes, and double each one in it`,
			`accounts.csv line 3: there is a quote in the field at byte 16: put the whole field in quotes, and double each one in it`,
		}},
		{"years", map[string]string{"accounts.csv": goodAccounts, "discounts.csv": "account,percent,first_day,last_day\n901,10,2026-03-01,9999-12-31\n"}, []string{
			`discounts.csv line 2, last_day "9999-12-31": its year must be 1900 to 2999`,
		}},
		{"rows", map[string]string{"accounts.csv": "account,name\n885\n886,\xff\n"}, []string{
			`accounts.csv line 2: the row has 1 fields, the header 2`, `accounts.csv line 3: the row is not UTF-8: save the file as CSV in UTF-8`,
		}},
		{"one account twice, one code twice", map[string]string{"accounts.csv": "account,existing_code\n885,A-1\n885,B\n886,a 1\n887,C\n888,c\n"}, []string{
			`accounts.csv line 2, account: line 3 has the same account`, `accounts.csv line 3, account: line 2 has the same account`,
			`accounts.csv line 2, existing_code: line 4 has the same code`, `accounts.csv line 4, existing_code: line 2 has the same code`,
			`accounts.csv line 5, existing_code: line 6 has the same code`, `accounts.csv line 6, existing_code: line 5 has the same code`,
		}},
		{"a code of another account", map[string]string{"accounts.csv": "account,existing_code\n885,taken\n886,mine\n"}, []string{
			`accounts.csv line 2, existing_code "TAKEN": account 5 has this code already`,
		}},
		{"referrals", map[string]string{"accounts.csv": goodAccounts, "referrals.csv": "inviter,invitee,activated\n885,885,2026-02-11\n885,999,2026-02-11\n885,901,2026-02-11\n902,901,2026-02-12\n885,902,\n885,6,2026-02-01\n885,7,2026-05-01\n"}, []string{
			`referrals.csv line 2, invitee "885": the account cannot invite itself`, `referrals.csv line 6, activated: it is missing`, `referrals.csv line 8, activated "2026-05-01": it is later than today`,
			`referrals.csv line 3, invitee "999": the account is neither in accounts.csv, without fault, nor stored`,
			`referrals.csv line 7, invitee "6": the account has used the code of account 5 already`,
			`referrals.csv line 4, invitee: line 5 has the same invitee: an account uses one code, once`, `referrals.csv line 5, invitee: line 4 has the same invitee: an account uses one code, once`,
		}},
		{"a circle", map[string]string{"accounts.csv": goodAccounts, "referrals.csv": "inviter,invitee,activated\n885,901,2026-02-11\n901,902,2026-02-11\n902,885,2026-02-11\n"}, []string{
			`referrals.csv line 4, inviter "902": the referrals go round in a circle: 885 was invited by 902 was invited by 901 was invited by 885`,
			`referrals.csv line 3, inviter "901": the referrals go round in a circle: 885 was invited by 902 was invited by 901 was invited by 885`,
			`referrals.csv line 2, inviter "885": the referrals go round in a circle: 885 was invited by 902 was invited by 901 was invited by 885`,
		}},
		{"packages", map[string]string{"accounts.csv": goodAccounts, "packages.csv": "account,sms,given\n885,1200,2026-03-02\n885,1200,2026-03-02\n885,1000,2026-03-02\n885,1200,2026-05-02\n"}, []string{
			`packages.csv line 4, sms "1000": no step of the terms gives a package of this size`, `packages.csv line 5, given "2026-05-02": it is later than today`,
			`packages.csv line 3, given: line 2 gives the same package`,
		}},
		{"discounts", map[string]string{"accounts.csv": goodAccounts, "discounts.csv": "account,percent,first_day,last_day\n901,10,2026-03-01,2026-03-31\n901,10,2026-03-31,2026-04-30\n901,101,2026-06-01,2026-06-01\n901,5,2026-07-02,2026-07-01\n902,0,2026-07-01,x\n"}, []string{
			`discounts.csv line 4, percent "101": it must be 1 to 100`, `discounts.csv line 5, last_day "2026-07-01": it is before the first day, 2026-07-02`,
			`discounts.csv line 6, percent "0": it must be a whole number above zero`, `discounts.csv line 6, last_day "x": it must be a day such as 2026-04-20 or 20.04.2026`, `discounts.csv line 6, last_day "x": it is before the first day, 2026-07-01`,
			`discounts.csv line 2, first_day: line 3 has a discount of the same account on days of this one`, `discounts.csv line 3, first_day: line 2 has a discount of the same account on days of this one`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			m.known = models.ImportKnown{Owners: map[string]int64{"TAKEN": 5, "MINE": 886}, Accounts: map[int64]bool{6: true, 7: true}, Inviters: map[int64]models.KnownInviter{6: {ID: 5}, 7: {ID: 885}}}
			r := run(t, m, c.texts, nothing)
			var got []string
			for _, f := range r.Faults {
				got = append(got, f.String())
			}
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(c.want)); !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if r.Imported || len(m.rows) > 0 {
				t.Errorf("%d rows are stored", len(m.rows))
			}
		})
	}
}

// With a place for the bad rows the others are taken, without those that depend on a bad one.
func TestBadRowsAreSkipped(t *testing.T) {
	t.Parallel()
	m := newMemory()
	var bad strings.Builder
	r := run(t, m, map[string]string{
		"accounts.csv":  "account,registered\n885,2025-01-01\n901,yesterday\n902,2026-02-10\n",
		"referrals.csv": "inviter,invitee,activated\n885,901,2026-02-11\n885,902,2026-02-11\n",
	}, func(o *Options) { o.SkipBad = &bad })
	want := "file,line,fault,row\n" +
		"accounts.csv,3,\"it must be a day such as 2026-04-20 or 20.04.2026, or a time such as 2026-04-20T12:00:00+03:00\",901,yesterday\n" +
		"referrals.csv,2,\"the account is neither in accounts.csv, without fault, nor stored\",885,901,2026-02-11\n"
	if bad.String() != want {
		t.Errorf("the bad rows are\n%s, want\n%s", bad.String(), want)
	}
	if !r.Imported || len(m.rows) != 3 || r.Files[0].Bad != 1 || r.Files[1].Bad != 1 || r.Files[1].New != 1 {
		t.Errorf("%d rows are stored: %+v", len(m.rows), r)
	}
}

// A bad row is written with its fault also where the fault is not named any more.
func TestManyBadRows(t *testing.T) {
	t.Parallel()
	const rows = 3000
	var bad strings.Builder
	r := run(t, newMemory(), map[string]string{"accounts.csv": "account\n" + strings.Repeat("x\n", rows)}, func(o *Options) { o.SkipBad = &bad })
	if r.FaultCount != rows || len(r.Faults) != maxFaults || strings.Count(bad.String(), "it must be a whole number above zero,x\n") != rows {
		t.Errorf("%d faults, %d are named, and the last bad rows are %q", r.FaultCount, len(r.Faults), bad.String()[bad.Len()-200:])
	}
}

// An import that ends in the middle tells why, and is repeated from the beginning.
func TestImportThatFails(t *testing.T) {
	t.Parallel()
	const rows = 3000
	var text strings.Builder
	text.WriteString("account\n")
	for id := range rows {
		fmt.Fprintln(&text, id+1)
	}
	m := newMemory()
	o := Options{Directory: t.TempDir(), Store: &full{memory: m, room: 2}, Zone: moscow, Now: time.Now(), Progress: func(string, int64) {}}
	if err := os.WriteFile(filepath.Join(o.Directory, "accounts.csv"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(t.Context(), o); !errors.Is(err, errFull) {
		t.Errorf("%v, want %v", err, errFull)
	}
	if len(m.rows) == 0 || len(m.rows) == rows {
		t.Errorf("%d rows are stored", len(m.rows))
	}
	o.Store = m
	if r, err := Import(t.Context(), o); err != nil || r.Files[0].New+r.Files[0].Same != rows || r.Files[0].Same == 0 || len(m.rows) != rows {
		t.Errorf("repeated: %+v, %v, %d rows are stored", r, err, len(m.rows))
	}
}

var errFull = errors.New("no room")

// full is a storage that has room for some transactions.
type full struct {
	*memory
	room int64
	used atomic.Int64
}

func (f *full) Import(ctx context.Context, rows []models.Fact, derive models.DeriveFunc) (models.ImportCounts, error) {
	if f.used.Add(1) > f.room {
		return models.ImportCounts{}, errFull
	}
	return f.memory.Import(ctx, rows, derive)
}

// What the database holds in the end is counted again.
func TestTotalsThatDiffer(t *testing.T) {
	t.Parallel()
	for what, broken := range map[string]models.ImportTotals{
		"2 rows of accounts.csv, and the files give 3":                 {Accounts: 2, Packages: map[int]int64{1200: 1}, Discounts: 1, PercentDays: 310},
		"1 packages of 3200 SMS of packages.csv, and the files give 0": {Accounts: 3, Packages: map[int]int64{3200: 1}, Discounts: 1, PercentDays: 310},
		"300 percent-days of discounts.csv, and the files give 310":    {Accounts: 3, Packages: map[int]int64{1200: 1}, Discounts: 1, PercentDays: 300},
	} {
		o := Options{Directory: t.TempDir(), Store: forgetful{newMemory(), broken}, Zone: moscow, Now: time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC), Sizes: []int{1200}, Progress: func(string, int64) {}}
		for name, text := range map[string]string{"accounts.csv": goodAccounts, "packages.csv": "account,sms,given\n885,1200,2026-03-02\n", "discounts.csv": "account,percent,first_day,last_day\n901,10,2026-03-01,2026-03-31\n"} {
			if err := os.WriteFile(filepath.Join(o.Directory, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Import(t.Context(), o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %q", err, what)
		}
	}
}

// forgetful is a storage that holds something else than it took.
type forgetful struct {
	*memory
	totals models.ImportTotals
}

func (f forgetful) ImportTotals(context.Context) (models.ImportTotals, error) { return f.totals, nil }

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "the file is empty",
		"account,colour\n":               `the column "colour" is unknown`,
		"name\n":                         "the column account is missing",
		"account,Account\n":              `the column "Account" comes twice`,
		"account,name\n885,\"x\n886,y":   "cannot be read any further",
		"account,\xef\xf0\xe8\xe2\n1,\n": "it is not UTF-8",
	} {
		o := Options{Directory: t.TempDir(), Store: newMemory(), Zone: moscow, Now: time.Now(), Progress: func(string, int64) {}}
		if err := os.WriteFile(filepath.Join(o.Directory, "accounts.csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Import(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Import(t.Context(), Options{Directory: t.TempDir(), Store: newMemory(), Zone: moscow}); err == nil || !strings.Contains(err.Error(), "--template") {
		t.Errorf("an empty directory: %v", err)
	}
}

// The template is good files.
func TestTemplateIsImported(t *testing.T) {
	t.Parallel()
	if r := run(t, newMemory(), Template(), nothing); !r.Imported || r.Files[3].New != 1 {
		t.Errorf("%+v", r)
	}
}

// Whatever a file holds, it is read to its end or refused, never half imported, and changes
// nothing when it is imported again.
func FuzzImport(f *testing.F) {
	for _, text := range Template() {
		f.Add(text)
	}
	f.Add("account;percent;first_day;last_day\n1;1;0001-01-01;9999-12-31\n\"")
	f.Add("inviter,invitee,activated\n1,2,2026-01-01\n2,1,2026-01-01\n")
	f.Add("\ufeffAccount;Name\r\n1;ООО \"Ромашка\"\r\n\r\n2;\"a\nb\"\r\n")
	f.Add("account,name\n1,\xce\xce\xce\n2\n3,\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"accounts.csv", "discounts.csv", "referrals.csv", "packages.csv"} {
			m := newMemory()
			o := Options{
				Directory: t.TempDir(), Store: m, Zone: moscow, Now: time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC), Sizes: []int{1200}, Progress: func(string, int64) {},
			}
			m.known.Accounts = map[int64]bool{1: true, 2: true}
			if err := os.WriteFile(filepath.Join(o.Directory, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Import(t.Context(), o)
			if err == nil && (r.FaultCount == 0) != r.Imported || (err != nil || r.FaultCount > 0) && len(m.rows) > 0 {
				t.Errorf("%s: %+v, %v, %d rows are stored", name, r, err, len(m.rows))
			}
			if err != nil || !r.Imported {
				continue
			}
			if again, err := Import(t.Context(), o); err != nil || !again.Imported || slices.ContainsFunc(again.Files, func(f FileResult) bool { return f.New+f.Changed+f.Missing > 0 }) {
				t.Errorf("%s, imported again: %+v, %v", name, again, err)
			}
		}
	})
}

// Whatever a file of an older system's amounts holds, its rows sum to its total, or each
// bad one is named.
func FuzzBooked(f *testing.F) {
	f.Add("invoice,amount\nINV-1,12.50\n")
	f.Add("account,amount_minor\n885,-1250\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "old.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, faults, err := ReadBooked(path, SignInvoice)
		if err != nil || len(faults) > 0 {
			return
		}
		var sum models.Money
		for _, list := range [][]bookedRow{b.byInvoice, b.byAccount} {
			for _, row := range list {
				sum = sum.Add(row.amount)
			}
		}
		if sum != b.Total {
			t.Errorf("the rows sum to %s, the total is %s", sum, b.Total)
		}
	})
}
