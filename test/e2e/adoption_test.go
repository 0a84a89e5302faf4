package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/internal/demo/fakebilling"
	"referral/test/reference"
)

// adoptionCommands is the commands of the blocks of docs/adoption.md, in their order.
func adoptionCommands(t *testing.T) (commands []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/adoption.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)\n```\n(.*?)\n```\n").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			command, _, _ := strings.Cut(line, "  #")
			if command = strings.TrimSpace(command); !strings.HasPrefix(command, "referral ") {
				t.Fatalf("%q is not a command", line)
			}
			commands = append(commands, command)
		}
	}
	return commands
}

// arguments are those of a command as a shell splits it.
func arguments(command string) (args []string) {
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(strings.TrimPrefix(command, "referral "), -1) {
		args = append(args, m[1]+m[2])
	}
	return args
}

// midnight is the first moment of a day in Moscow.
func midnight(t *testing.T, day string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateOnly, day, moscow)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// adopter is an operator who follows the manual.
type adopter struct {
	mirror

	serving *server
	billing *fakebilling.Billing
}

func (a *adopter) write(name, text string) {
	a.w.t.Helper()
	if err := os.WriteFile(filepath.Join(a.w.directory, name), []byte(text), 0o600); err != nil {
		a.w.t.Fatal(err)
	}
}

// bill sends the invoices of a month: of the inviter, of a client with an agreed discount,
// and of one who has nothing.
func (a *adopter) bill(month string, next string) {
	for account, amount := range map[int64]int64{885: 300000, 777: 100000, 904: 50000} {
		a.send(fact("invoices", "/billing", "billing.invoice-issued.v1", fmt.Sprint("i-", month, account), account,
			`{"invoice_id":"INV-%s-%d","account_id":%d,"period":%q,"revision":1,"currency":"RUB",
			"lines":[{"line_id":"1","service":"subscription","from":"%s-01","to":"%s-01","amount_minor":%d}]}`, month, account, account, month, month, next, amount))
	}
	a.w.drained()
}

func (a *adopter) restart(args ...string) {
	if a.serving != nil {
		a.serving.stop()
	}
	a.serving = a.w.serve(args...)
}

// ledger compares the ledger with the reference.
func (a *adopter) ledger(after string) {
	a.w.t.Helper()
	if got, want := a.w.insideLines(), a.model.Lines(); !maps.Equal(got, want) {
		a.w.t.Errorf("after %s the ledger holds %v, want %v", after, got, want)
	}
}

// An integrator follows docs/adoption.md alone, command by command: the older system's data
// are imported, a month is settled beside it and compared, the difference explained, the
// month closed with what that system gave, and the next one published, reconciled and
// closed. Then a client asks for its data.
func TestAdoptionByTheManual(t *testing.T) {
	w := newWorld(t)
	var err error
	if w.config, err = filepath.Abs(w.config); err != nil {
		t.Fatal(err)
	}
	w.directory = t.TempDir()
	a := &adopter{mirror: newMirror(w)}
	const shadow = "REFERRAL_PUBLISHER_SHADOW=true"
	own := w.variables
	type step struct {
		command string
		before  func()
		status  int
		says    []string
		after   func()
	}
	steps := []step{
		{command: "referral import --template DIRECTORY", says: []string{"accounts.csv"}, after: func() {
			if err := os.Rename(filepath.Join(w.directory, "DIRECTORY"), filepath.Join(w.directory, "examples")); err != nil {
				t.Fatal(err)
			}
			for _, directory := range []string{"DIRECTORY", "old"} {
				if err := os.Mkdir(filepath.Join(w.directory, directory), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			a.write("DIRECTORY/accounts.csv", "account;name;tax_id;registered;promo_end;existing_code\n885;ООО Ромашка;7700000885;2025-12-01;;ROMASHKA9\n"+
				"901;ООО Первый;7700000901;2026-01-05;2026-02-05;\n902;ООО Второй;7700000902;2026-03-01;2026-04-01;\n903;ООО Третий;7700000903;2026-04-15;;\n"+
				"777;ООО Договор;7700000777;2025-05-01;;\n")
			a.write("DIRECTORY/referrals.csv", "inviter;invitee;activated\n885;901;2026-01-10\n885;902;2026-03-05\n885;903;2026-04-20\n")
			a.write("DIRECTORY/discounts.csv", "account;percent;first_day;last_day\n777;15;2026-01-01;2026-12-31\n")
		}},
		{command: "referral import DIRECTORY --dry-run", says: []string{"referrals.csv"}, after: func() {
			if n := w.number("SELECT count(*) FROM accounts"); n != 0 {
				t.Errorf("a dry run has stored %d accounts", n)
			}
		}},
		{command: `referral import DIRECTORY --by "Anna Petrova"`, after: func() {
			for account, registered := range map[int64]string{885: "2025-12-01", 901: "2026-01-05", 902: "2026-03-01", 903: "2026-04-15", 777: "2025-05-01"} {
				a.model.ImportAccount(reference.Imported{AccountID: account, RegisteredAt: midnight(t, registered)})
			}
			a.model.ImportAccount(reference.Imported{AccountID: 901, PromoEndedAt: midnight(t, "2026-02-05")})
			a.model.ImportAccount(reference.Imported{AccountID: 902, PromoEndedAt: midnight(t, "2026-04-01")})
			for invitee, activated := range map[int64]string{901: "2026-01-10", 902: "2026-03-05", 903: "2026-04-20"} {
				a.model.ImportReferral(885, invitee, midnight(t, activated))
			}
			if err := a.model.ImportDiscount(777, 15, "2026-01-01", "2027-01-01"); err != nil {
				t.Fatal(err)
			}
		}},
		{command: "referral serve --shadow", after: func() {
			w.variables = append(slices.Clone(own), shadow)
			a.bill("2026-04", "2026-05")
		}},
		{command: "referral run 2026-04", after: func() {
			if err := a.model.RunShadow("2026-04"); err != nil {
				t.Fatal(err)
			}
			a.ledger("the shadow month")
			// The older system has counted the third friend from the next day on.
			a.write("old-april.csv", "invoice;amount\nINV-2026-04-885;1 400,00\nINV-2026-04-777;150,00\n")
		}},
		{command: "referral compare 2026-04 --file old-april.csv", status: 1, says: []string{
			"the older system has given -1 550.00, the facts give -1 570.00", "1 equal, 1 different", "friend-day", "account 903 activated on 2026-04-21 instead of 2026-04-20",
		}},
		{command: `referral import old --by "Anna Petrova"`, before: func() { a.write("old/packages.csv", "account;sms;given\n885;1200;2026-04-20\n") },
			after: func() { a.model.ImportPackage(885, 1200) }},
		{command: `referral close 2026-04 --booked old-april.csv --by "Anna Petrova"`, says: []string{"1 document brought the ledger to that, 20.00 together", "not booked: 0 rows"}, after: func() {
			for invoice, amount := range map[string]int64{"INV-2026-04-885": -140000, "INV-2026-04-777": -15000, "INV-2026-04-904": 0} {
				if !a.model.Book(invoice, amount) {
					t.Errorf("%s cannot be booked", invoice)
				}
			}
			a.ledger("booking what the older system gave")
			if n := w.number("SELECT count(*) FROM operator_actions WHERE what = 'book' AND reason LIKE '%SHA-256 ' || (SELECT sha256 FROM booked_files) || '%'"); n != 1 {
				t.Errorf("%d entries of the journal name the digest of the file", n)
			}
		}},
		{command: "referral booked 2026-04", says: []string{"-1 550.00 given by the older system in 2 rows", "not booked: 0 rows"}},
		{command: "referral serve", before: func() { w.variables = own }, after: func() {
			a.billing = w.startBilling()
			a.bill("2026-05", "2026-06")
		}},
		{command: "referral run 2026-05", after: func() {
			if err := a.model.Run("2026-05"); err != nil {
				t.Fatal(err)
			}
			a.ledger("the first own month")
			a.w.answered(a.billing, 2)
			for _, doc := range w.adjustments() {
				if doc.PostingPeriod != "2026-05" || doc.Reason != "run" {
					t.Errorf("published is %+v", doc)
				}
			}
			if got := w.outsidePackages(); len(got) > 0 {
				t.Errorf("packages that the older system has given go out: %v", got)
			}
		}},
		{command: "referral reconcile 2026-05"},
		{command: `referral close 2026-05 --by "Anna Petrova"`, says: []string{"signed by Anna Petrova"}},
		{command: `referral privacy export 885 --by "Anna Petrova" --format html --output 885.html`, after: func() {
			page, err := os.ReadFile(filepath.Join(w.directory, "885.html"))
			if err != nil || !strings.Contains(string(page), "ООО Ромашка") || !strings.Contains(string(page), "INV-2026-04-885") {
				t.Errorf("the client is handed %d bytes, %v", len(page), err)
			}
		}},
		{command: `referral privacy erase 885 --by "Anna Petrova" --reason "request of 2026-11-20"`, after: func() {
			w.must("import", "DIRECTORY", "--by", "Anna Petrova") // it brings nothing back
			if n := w.number("SELECT count(*) FROM accounts WHERE account_id = 885 AND name || tax_id <> ''"); n != 0 {
				t.Error("the name or tax id is there again")
			}
			w.must("reconcile", "2026-05")
			a.ledger("erasing a client's data")
		}},
	}
	var done []string
	for _, s := range steps {
		done = append(done, s.command)
	}
	if commands := adoptionCommands(t); !slices.Equal(commands, done) {
		t.Fatalf("docs/adoption.md has the commands\n%s\nthis test follows\n%s", strings.Join(commands, "\n"), strings.Join(done, "\n"))
	}
	for _, s := range steps {
		if s.before != nil {
			s.before()
		}
		args := arguments(s.command)
		if args[0] == "serve" {
			a.restart(args[1:]...)
		} else {
			o := w.program(args...)
			if o.status != s.status {
				t.Fatalf("%s: %d, want %d\n%s%s", s.command, o.status, s.status, o.stdout, o.stderr)
			}
			for _, want := range s.says {
				if !strings.Contains(o.stdout+o.stderr, want) {
					t.Errorf("%s does not say %q:\n%s%s", s.command, want, o.stdout, o.stderr)
				}
			}
		}
		if s.after != nil {
			s.after()
		}
	}
}
