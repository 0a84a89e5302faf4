package adoption

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"referral/models"
)

func bookedFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Rows of one invoice or account are summed as they are added to invoices; an invoice
// that is named with several accounts belongs to none of them.
func TestBookedFile(t *testing.T) {
	t.Parallel()
	b, faults, err := ReadBooked(bookedFile(t, "Invoice;Account;Amount\nA;;1 000,50\nB;885;2\nA;;-0.50\nB;901;3\n;885;7.01\n;885;1\nC;901;0\n"), SignAuto)
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	type named struct {
		amount  models.Money
		account int64
		named   bool
	}
	for invoice, want := range map[string]named{"A": {-100000, 0, true}, "B": {-500, otherAccounts, true}, "C": {0, 901, true}, "D": {}} {
		if amount, account, is := b.OnInvoice(invoice); (named{amount, account, is}) != want {
			t.Errorf("%s has been given %d, with account %d, %v, want %+v", invoice, amount, account, is, want)
		}
	}
	if amount, is := b.OnAccount(885); amount != -801 || !is {
		t.Errorf("885 has been given %d, %v", amount, is)
	}
	if b.Rows != 7 || b.Total != -101301 || len(b.SHA256) != 64 {
		t.Errorf("%+v", b)
	}
	m := b.Mark()
	m.OnInvoice("A")
	m.OnInvoice("D")
	var rest []string
	if err := m.EachRest(func(list []Rest) error {
		for _, r := range list {
			rest = append(rest, r.InvoiceID, r.Given.String())
		}
		return nil
	}); err != nil || !slices.Equal(rest, []string{"B", "-5.00", "", "-8.01"}) {
		t.Errorf("nobody has asked about %q, %v", rest, err)
	}
}

// What cannot be read is a fault of its row; what would go beyond any sum, or changes while
// it is read, is an error.
func TestBadBookedFile(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		",885,,":                   "it must be an amount",
		",x,1,":                    "it must be the number of an account",
		"A,x,1,":                   "it must be the number of an account",
		",-885,1,":                 "it must be the number of an account",
		",,1,":                     "it must be the number of an account",
		"A,,1.005,":                "it must be an amount",
		"A,,,1.00":                 "it must be an amount",
		"A,,1.00,99":               "not the same as the amount in roubles",
		"A,,10000000000001,":       "it must be an amount",
		"A,,,-9223372036854775808": "it must be an amount",
	} {
		_, faults, err := ReadBooked(bookedFile(t, "invoice,account,amount,amount_minor\n"+row+"\n"), SignAuto)
		if err != nil || len(faults) != 1 || !strings.Contains(faults[0].Text, want) {
			t.Errorf("%q: %v, %v, want %q", row, faults, err, want)
		}
	}
	if _, faults, err := ReadBooked(bookedFile(t, "invoice,amount,amount_minor\nA,1.00,100\n"), SignAuto); err != nil || len(faults) > 0 {
		t.Errorf("the same amount twice: %v, %v", faults, err)
	}
	many := bookedFile(t, "invoice,amount_minor\n"+strings.Repeat("A,1000000000000000\nB,-1000000000000000\n", 5000))
	if _, _, err := ReadBooked(many, SignAuto); err == nil || !strings.Contains(err.Error(), "sum to more than can be kept") {
		t.Errorf("amounts beyond any sum: %v", err)
	}
	for _, after := range []string{"invoice,amount\nA,2\n", "invoice,amount\nB,1\n", "invoice,amount\nA,x\n", "invoice,amount\n"} {
		path := bookedFile(t, "invoice,amount\nA,1\n")
		b, _, err := ReadBooked(path, SignAuto)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(after), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.EachRow(func([]models.BookedRow) error { return nil }); err == nil || !strings.Contains(err.Error(), "was changed while it was read") {
			t.Errorf("it was changed to %q: %v", after, err)
		}
	}
}
