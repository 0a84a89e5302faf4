package adoption

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"referral/models"
)

// bookedColumns is the columns of a file of what an older system has given in a month.
var bookedColumns = []Column{
	{"invoice", false, "the invoice that was discounted"},
	{"account", false, "the account, where the older system names no invoice"},
	{"amount", false, "the discount in roubles"},
	{"amount_minor", false, "the discount in kopecks"},
}

// Booked is what an older system has given in a month, by invoice or by account, as added
// to the invoices: a discount is negative. It keeps a few bytes of each row.
type Booked struct {
	Rows  int64
	Total models.Money
	// AsAdded says that the file gives amounts as they are added to the invoices. Otherwise
	// a discount is positive there.
	AsAdded bool

	seed      maphash.Seed
	byInvoice []bookedRow
	byAccount []bookedRow
	path      string
}

type bookedRow struct {
	key    uint64
	amount models.Money
}

// Sign says how a file writes a discount.
type Sign string

// A file is taken to give discounts as added to invoices when they sum to less than zero.
const (
	SignAuto     Sign = "auto"
	SignDiscount Sign = "discount" // a discount is positive
	SignInvoice  Sign = "invoice"  // a discount is negative, as it is added to the invoice
)

// Signs is all of them.
var Signs = []Sign{SignAuto, SignDiscount, SignInvoice}

// ReadBooked reads what an older system has given. Rows of one invoice or account are
// summed. The faults are of rows that cannot be read.
func ReadBooked(path string, sign Sign) (*Booked, []Fault, error) {
	b := &Booked{seed: maphash.MakeSeed(), path: path}
	var faults []Fault
	err := b.each(func(row Row, invoice string, account int64, amount models.Money, fault *Fault) error {
		switch b.Rows++; {
		case fault != nil:
			if len(faults) < maxFaults {
				faults = append(faults, *fault)
			}
		case invoice != "":
			b.byInvoice = append(b.byInvoice, bookedRow{maphash.String(b.seed, invoice), amount})
		default:
			b.byAccount = append(b.byAccount, bookedRow{uint64(account), amount}) //nolint:gosec // an account is above zero
		}
		b.Total = b.Total.Add(amount)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	b.AsAdded = sign == SignInvoice || sign == SignAuto && b.Total < 0
	for _, list := range []*[]bookedRow{&b.byInvoice, &b.byAccount} {
		*list = b.summed(*list)
	}
	if !b.AsAdded {
		b.Total = -b.Total
	}
	return b, faults, nil
}

// summed is rows in the order of their keys, one a key, as added to invoices.
func (b *Booked) summed(rows []bookedRow) []bookedRow {
	slices.SortFunc(rows, func(x, y bookedRow) int { return cmp.Compare(x.key, y.key) })
	var list []bookedRow
	for _, r := range rows {
		if !b.AsAdded {
			r.amount = -r.amount
		}
		if last := len(list) - 1; last >= 0 && list[last].key == r.key {
			list[last].amount = list[last].amount.Add(r.amount)
		} else {
			list = append(list, r)
		}
	}
	return list
}

// find is the row of a key; -1 when there is none.
func find(list []bookedRow, key uint64) int {
	i, found := slices.BinarySearchFunc(list, key, func(r bookedRow, key uint64) int { return cmp.Compare(r.key, key) })
	if !found {
		return -1
	}
	return i
}

func amountOf(list []bookedRow, key uint64) (models.Money, bool) {
	if i := find(list, key); i >= 0 {
		return list[i].amount, true
	}
	return 0, false
}

// OnInvoice is what was given on an invoice; 0 when the file does not name it.
func (b *Booked) OnInvoice(invoice string) models.Money {
	amount, _ := amountOf(b.byInvoice, maphash.String(b.seed, invoice))
	return amount
}

// OnAccount is what was given to an account, where the file names no invoice of it.
func (b *Booked) OnAccount(account int64) (models.Money, bool) {
	return amountOf(b.byAccount, uint64(account)) //nolint:gosec // as it was kept
}

// Marked is a file that remembers what it was asked about, for one goroutine.
type Marked struct {
	*Booked
	invoices, accounts []bool // rows that were asked about
}

// Mark begins to remember.
func (b *Booked) Mark() *Marked {
	return &Marked{b, make([]bool, len(b.byInvoice)), make([]bool, len(b.byAccount))}
}

// OnInvoice is what was given on an invoice; 0 when the file does not name it.
func (m *Marked) OnInvoice(invoice string) models.Money {
	i := find(m.byInvoice, maphash.String(m.seed, invoice))
	if i < 0 {
		return 0
	}
	m.invoices[i] = true
	return m.byInvoice[i].amount
}

// OnAccount is what was given to an account, where the file names no invoice of it.
func (m *Marked) OnAccount(account int64) (models.Money, bool) {
	i := find(m.byAccount, uint64(account)) //nolint:gosec // as it was kept
	if i < 0 {
		return 0, false
	}
	m.accounts[i] = true
	return m.byAccount[i].amount, true
}

// EachRest hands over what the file names and nobody has asked about, each once.
func (m *Marked) EachRest(see func(invoice string, account int64, given models.Money) error) error {
	return m.EachKey(func(invoices []string, accounts []int64) error {
		for _, invoice := range invoices {
			if i := find(m.byInvoice, maphash.String(m.seed, invoice)); !m.invoices[i] {
				m.invoices[i] = true
				if err := see(invoice, 0, m.byInvoice[i].amount); err != nil {
					return err
				}
			}
		}
		for _, account := range accounts {
			if i := find(m.byAccount, uint64(account)); !m.accounts[i] { //nolint:gosec // as it was kept
				m.accounts[i] = true
				if err := see("", account, m.byAccount[i].amount); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// EachKey hands over the invoices and the accounts that the file names, some at a time.
func (b *Booked) EachKey(see func(invoices []string, accounts []int64) error) error {
	var invoices []string
	var accounts []int64
	send := func() error {
		err := see(invoices, accounts)
		invoices, accounts = invoices[:0], accounts[:0]
		return err
	}
	err := b.each(func(_ Row, invoice string, account int64, _ models.Money, fault *Fault) error {
		switch {
		case fault != nil:
			return nil
		case invoice != "":
			invoices = append(invoices, invoice)
		default:
			accounts = append(accounts, account)
		}
		if len(invoices)+len(accounts) < askBatch {
			return nil
		}
		return send()
	})
	if err == nil && len(invoices)+len(accounts) > 0 {
		err = send()
	}
	return err
}

func (b *Booked) each(see func(row Row, invoice string, account int64, amount models.Money, fault *Fault) error) error {
	t, err := OpenTable(b.path, bookedColumns)
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // it is only read
	if !t.Has("invoice") && !t.Has("account") || !t.Has("amount") && !t.Has("amount_minor") {
		return fmt.Errorf("%s: it needs the column invoice or account, and the column amount or amount_minor", t.Name)
	}
	return t.Each(func(row Row, fault *Fault) error {
		if fault != nil {
			return see(row, "", 0, 0, fault)
		}
		invoice, text := row.Value("invoice"), row.Value("account")
		account, err := strconv.ParseInt(text, 10, 64)
		if invoice == "" && (err != nil || account <= 0) {
			return see(row, "", 0, 0, row.Fault("account", "it must be the number of an account, or the row must name an invoice"))
		}
		column, amount := "amount_minor", models.Money(0)
		if row.Value(column) != "" {
			minor, parseErr := strconv.ParseInt(row.Value(column), 10, 64)
			amount, err = models.Money(minor), parseErr
		} else {
			column = "amount"
			amount, err = roubles(row.Value(column))
		}
		if err != nil || amount > models.MaxAmount || amount < -models.MaxAmount {
			return see(row, "", 0, 0, row.Fault(column, "it must be an amount such as 1420.00 in roubles, or 142000 in amount_minor"))
		}
		return see(row, invoice, account, amount, nil)
	})
}

var decimalAmount = regexp.MustCompile(`^-?[0-9]{1,13}([.,][0-9]{1,2})?$`)

// roubles reads "1420", "-1 420,5" or "1420.00".
func roubles(text string) (models.Money, error) {
	text = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "−", "-").Replace(text)
	if !decimalAmount.MatchString(text) {
		return 0, strconv.ErrSyntax
	}
	whole, part, _ := strings.Cut(strings.ReplaceAll(text, ",", "."), ".")
	minor, err := strconv.ParseInt(whole+(part + "00")[:2], 10, 64)
	return models.Money(minor), err
}
