package adoption_test

import (
	"database/sql"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"referral/adoption"
	"referral/billing"
	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

// operator imports the files of an older system again and again.
type operator struct {
	*testing.T
	db        *store.Store
	plain     *sql.DB
	programme *billing.Programme
	now       time.Time
	files     map[string]string // as they are now
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	o := &operator{T: t, programme: terms(t), now: time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC), files: map[string]string{}}
	var dsn string
	o.db, dsn = storetest.Open(t, func() time.Time { return o.now })
	o.plain = storetest.SQL(t, dsn)
	return o
}

// headers is the columns of the files as they are written here.
var headers = map[string]string{
	"accounts.csv": "account,name,registered,promo_end,existing_code", "referrals.csv": "inviter,invitee,activated",
	"packages.csv": "account,sms,given", "discounts.csv": "account,percent,first_day,last_day",
}

// imports takes the files with some of them changed, each given as its rows.
func (o *operator) imports(changed map[string]string, change func(*adoption.Options)) *adoption.Result {
	o.Helper()
	maps.Copy(o.files, changed)
	options := adoption.Options{
		Directory: o.TempDir(), Store: o.db, Derive: deriving(o.programme), Zone: o.programme.Zone, Now: o.now, Sizes: []int{1200, 3200}, Progress: func(string, int64) {},
	}
	for name, rows := range o.files {
		if err := os.WriteFile(filepath.Join(options.Directory, name), []byte(headers[name]+"\n"+strings.ReplaceAll(rows, " ", "\n")+"\n"), 0o600); err != nil {
			o.Fatal(err)
		}
	}
	change(&options)
	r, err := adoption.Import(o.Context(), options)
	if err != nil {
		o.Fatal(err)
	}
	return r
}

// checkRows compares what became of the rows of a file: new, changed, the same, and those
// that it does not have any more.
func (o *operator) checkRows(r *adoption.Result, name string, want [4]int64) {
	o.Helper()
	for _, f := range r.Files {
		if got := [4]int64{f.New, f.Changed, f.Same, f.Missing}; f.File == name && got != want {
			o.Errorf("new, changed, same and missing rows of %s: %v, want %v; faults: %v", name, got, want, r.Faults)
		}
	}
}

func (o *operator) checkRow(query, want string) {
	o.Helper()
	var got string
	if err := o.plain.QueryRow("SELECT coalesce(string_agg(r::text, ' ' ORDER BY r), '') FROM (" + query + ") r").Scan(&got); err != nil || got != want {
		o.Errorf("%s: %s, want %s; %v", query, got, want, err)
	}
}

func plainly(*adoption.Options) {}

// A corrected row of any file replaces what it said before, whatever is corrected in it.
func TestCorrectedRows(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	first := map[string]string{
		"accounts.csv":  "885,name,2024-01-01,2024-02-01,OLD885 901,name,2026-01-10,2026-02-01,OLD901 902,name,2026-01-10,2026-02-01,OLD902 903,name,2026-01-10,2026-02-01,OLD903",
		"referrals.csv": "885,901,2026-01-20 885,902,2026-01-21 885,903,2026-01-22",
		"packages.csv":  "885,1200,2026-01-22",
		"discounts.csv": "901,10,2026-03-01,2026-03-31 901,20,2026-04-01,2026-04-30",
	}
	o.imports(first, plainly)
	const stored = "SELECT account_id, sms, given_on, ordinal FROM imported_packages"
	const agreed = "SELECT percent, from_day, to_day FROM imported_discounts"
	for _, step := range []struct {
		what, file, rows string
		want             [4]int64
		query, stored    string
	}{
		{"the end of a promo", "accounts.csv", strings.Replace(first["accounts.csv"], "901,name,2026-01-10,2026-02-01", "901,name,2026-01-10,2026-02-02", 1), [4]int64{0, 1, 3, 0},
			"SELECT from_day FROM discounts WHERE account_id = 901 AND kind = 'invitee'", "(2026-02-02)"},
		{"the day of a referral", "referrals.csv", "885,901,2026-01-19 885,902,2026-01-21 885,903,2026-01-22", [4]int64{0, 1, 2, 0},
			"SELECT invitee_id, activated_at::date FROM referrals WHERE invitee_id = 901", "(901,2026-01-18)"},
		{"the inviter of a referral", "referrals.csv", "902,901,2026-01-19 885,902,2026-01-21 885,903,2026-01-22", [4]int64{0, 1, 2, 0},
			"SELECT account_id, invitee_id FROM referrals WHERE invitee_id = 901", "(902,901)"},
		{"it is taken back", "referrals.csv", first["referrals.csv"], [4]int64{0, 1, 2, 0}, "SELECT account_id, sms, granted_on FROM package_grants", "(885,1200,2026-01-22)"},
		{"the day of a package", "packages.csv", "885,1200,2026-01-25", [4]int64{0, 1, 0, 0}, stored, "(885,1200,2026-01-25,1)"},
		{"the size of a package, beside the other", "packages.csv", "885,3200,2026-01-25", [4]int64{1, 0, 0, 1}, stored, "(885,1200,2026-01-25,1) (885,3200,2026-01-25,1)"},
		{"the percentage of a discount", "discounts.csv", "901,15,2026-03-01,2026-03-31 901,20,2026-04-01,2026-04-30", [4]int64{0, 1, 1, 0}, agreed, "(15,2026-03-01,2026-04-01) (20,2026-04-01,2026-05-01)"},
		{"the first day of a discount", "discounts.csv", "901,15,2026-03-05,2026-03-31 901,20,2026-04-01,2026-04-30", [4]int64{0, 1, 1, 0}, agreed, "(15,2026-03-05,2026-04-01) (20,2026-04-01,2026-05-01)"},
		{"two discounts become one", "discounts.csv", "901,15,2026-03-06,2026-04-30", [4]int64{0, 1, 0, 0}, agreed, "(15,2026-03-06,2026-05-01)"},
		{"one becomes two", "discounts.csv", "901,15,2026-03-07,2026-03-31 901,20,2026-04-01,2026-04-30", [4]int64{1, 1, 0, 0}, agreed, "(15,2026-03-07,2026-04-01) (20,2026-04-01,2026-05-01)"},
		{"a discount of other days, beside them", "discounts.csv", "901,5,2026-05-01,2026-05-31", [4]int64{1, 0, 0, 2}, agreed, "(5,2026-05-01,2026-06-01) (15,2026-03-07,2026-04-01) (20,2026-04-01,2026-05-01)"},
	} {
		o.checkRows(o.imports(map[string]string{step.file: step.rows}, func(x *adoption.Options) { x.DryRun = true }), step.file, step.want)
		o.checkRows(o.imports(nil, plainly), step.file, step.want)
		o.checkRow(step.query, step.stored)
		again := o.imports(nil, plainly)
		for _, f := range again.Files {
			if f.New+f.Changed > 0 {
				t.Errorf("%s: importing the same again: %+v", step.what, f)
			}
		}
		if t.Failed() {
			t.Fatal(step.what)
		}
	}
	o.imports(nil, func(x *adoption.Options) { x.Remove = true })
	o.checkRow(stored, "(885,3200,2026-01-25,1)")
	o.checkRow(agreed, "(5,2026-05-01,2026-06-01)")
}

// A client has earned a package twice. A file that has only the newer one may be a
// correction or only the newest: the older one is not taken away, because one of the two
// would be given again. A third one is more than was earned.
func TestPackageIsNotGivenTwice(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	accounts, referrals := "885,name,2024-01-01,2024-02-01,OLD885", ""
	for i, on := range []string{"2024-01-10", "2024-01-11", "2024-01-12", "2026-01-10", "2026-01-11", "2026-01-12"} {
		accounts += fmt.Sprintf(" %d,name,%s,,OLD%d", 901+i, on, 901+i)
		referrals += fmt.Sprintf(" 885,%d,%s", 901+i, on)
	}
	o.imports(map[string]string{"accounts.csv": accounts, "referrals.csv": strings.TrimSpace(referrals), "packages.csv": "885,1200,2024-01-12"}, plainly)
	o.checkRow("SELECT sms, granted_on FROM package_grants", "(1200,2024-01-12) (1200,2026-01-12)")
	const stored = "SELECT given_on, ordinal FROM imported_packages"
	for _, step := range []struct {
		rows   string
		want   [4]int64
		stored string
	}{
		{"885,1200,2026-01-12", [4]int64{1, 0, 0, 1}, "(2024-01-12,1) (2026-01-12,2)"},
		{"885,1200,2026-01-13", [4]int64{0, 1, 0, 1}, "(2026-01-12,2) (2026-01-13,1)"},
		{"885,1200,2024-01-15 885,1200,2026-01-14", [4]int64{0, 2, 0, 0}, "(2024-01-15,2) (2026-01-14,1)"},
		{"885,1200,2024-01-15 885,1200,2026-01-14 885,1200,2026-01-15", [4]int64{1, 0, 2, 0}, "(2024-01-15,2) (2026-01-14,1) (2026-01-15,3)"},
	} {
		o.checkRows(o.imports(map[string]string{"packages.csv": step.rows}, plainly), "packages.csv", step.want)
		o.checkRow(stored, step.stored)
	}
	if _, err := o.db.Ingest(t.Context(), []models.DecodedMessage{{Fact: &models.Fact{At: o.now, Data: &models.Invoice{
		AccountID: 885, ID: "INV-885", Revision: 1, Period: 202604, Currency: "RUB",
		Lines: []models.Line{{ID: "1", Service: "subscription", From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 5, 1), Amount: 100_000}},
	}}}}, deriving(o.programme)); err != nil {
		t.Fatal(err)
	}
	settle(t, o.db, o.programme)
	o.checkRow("SELECT sms, ordinal FROM sms_packages", "")
}

// Referrals that go round only together with stored ones, which an import or a client has
// told, are found before anything is stored. One that the file replaces does not count.
func TestCyclesThroughStoredReferrals(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	accounts := ""
	for id := 901; id <= 906; id++ {
		accounts += fmt.Sprintf(" %d,name,2026-04-10,,OLD%d", id, id)
	}
	o.imports(map[string]string{"accounts.csv": strings.TrimSpace(accounts), "referrals.csv": "901,902,2026-04-11"}, plainly)
	entered := models.ActivationRequested{AccountID: 903, Code: "OLD902", RequestedAt: o.now.AddDate(0, 0, -2)}
	if _, err := o.db.Ingest(t.Context(), []models.DecodedMessage{{Fact: &models.Fact{At: o.now, Data: entered}}}, deriving(o.programme)); err != nil {
		t.Fatal(err)
	}
	o.checkRow("SELECT account_id, invitee_id FROM referrals", "(901,902) (902,903)")

	const around = `referrals.csv line 2, inviter "903": the referrals go round in a circle with those that are stored: ` +
		"901 was invited by 903 was invited, as is stored already, by 902 was invited, as is stored already, by 901"
	delete(o.files, "accounts.csv")
	r := o.imports(map[string]string{"referrals.csv": "903,901,2026-04-12 904,905,2026-04-12"}, plainly)
	if r.Imported || len(r.Faults) != 1 || r.Faults[0].String() != around {
		t.Errorf("got %v, want %s", r.Faults, around)
	}
	o.checkRow("SELECT account_id, invitee_id FROM referrals", "(901,902) (902,903)")

	// The file takes the place of the stored referral that an import has told.
	if r := o.imports(map[string]string{"referrals.csv": "903,901,2026-04-12 906,902,2026-04-12"}, func(x *adoption.Options) { x.DryRun = true }); r.FaultCount != 0 {
		t.Errorf("a referral that is replaced counts: %v", r.Faults)
	}
	// So does its withdrawal.
	if r := o.imports(map[string]string{"referrals.csv": "903,901,2026-04-12"}, func(x *adoption.Options) { x.DryRun, x.Remove = true, true }); r.FaultCount != 0 {
		t.Errorf("a referral that is withdrawn counts: %v", r.Faults)
	}
	// Without a row that is a fault for another reason, the stored one stays, and goes round.
	r = o.imports(map[string]string{"referrals.csv": "903,901,2026-04-12 999,902,2026-04-12 904,905,2026-04-12"}, func(x *adoption.Options) { x.SkipBad = io.Discard })
	if !r.Imported || r.FaultCount != 2 || r.Faults[0].String() != around {
		t.Errorf("with a row that is left out: %v", r.Faults)
	}
	o.checkRow("SELECT account_id, invitee_id FROM referrals", "(901,902) (902,903) (904,905)")
}
