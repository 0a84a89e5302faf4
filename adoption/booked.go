package adoption

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"path/filepath"
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
	Rows   int64
	Total  models.Money
	SHA256 string // of the file, in hexadecimal digits
	// AsAdded says that the file gives amounts as they are added to the invoices. Otherwise
	// a discount is positive there.
	AsAdded bool

	seed      maphash.Seed
	byInvoice []bookedRow
	byAccount []bookedRow
	path      string
}

type bookedRow struct {
	key     uint64
	amount  models.Money
	account int64 // that a row of an invoice names; 0 for none, otherAccounts for several
}

// otherAccounts is not the number of any account.
const otherAccounts = -1

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
	var size models.Money // of all amounts: no sum of some of them is larger
	digest, err := b.each(func(row models.BookedRow, fault *Fault) error {
		if b.Rows++; fault != nil {
			if len(faults) < maxFaults {
				faults = append(faults, *fault)
			}
			return nil
		}
		if size > math.MaxInt64-row.Amount.Abs() {
			return fmt.Errorf("%s: the amounts up to line %d sum to more than can be kept: are they in kopecks, in the column amount_minor?", filepath.Base(path), row.Line)
		}
		size += row.Amount.Abs()
		if row.InvoiceID != "" {
			b.byInvoice = append(b.byInvoice, bookedRow{maphash.String(b.seed, row.InvoiceID), row.Amount, row.AccountID})
		} else {
			b.byAccount = append(b.byAccount, bookedRow{key: uint64(row.AccountID), amount: row.Amount}) //nolint:gosec // an account is above zero
		}
		b.Total += row.Amount
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	b.SHA256 = digest
	b.AsAdded = sign == SignInvoice || sign == SignAuto && b.Total < 0
	b.byInvoice, b.byAccount = b.summed(b.byInvoice), b.summed(b.byAccount)
	b.Total = b.added(b.Total)
	return b, faults, nil
}

// added is an amount of the file as it is added to invoices.
func (b *Booked) added(amount models.Money) models.Money {
	if b.AsAdded {
		return amount
	}
	return -amount
}

// summed is rows in the order of their keys, one a key, as added to invoices.
func (b *Booked) summed(rows []bookedRow) []bookedRow {
	slices.SortFunc(rows, func(x, y bookedRow) int { return cmp.Compare(x.key, y.key) })
	list := rows[:0]
	for _, r := range rows {
		r.amount = b.added(r.amount)
		last := len(list) - 1
		if last < 0 || list[last].key != r.key {
			list = append(list, r)
			continue
		}
		sum := &list[last]
		sum.amount += r.amount
		switch {
		case sum.account == 0:
			sum.account = r.account
		case r.account != 0 && r.account != sum.account:
			sum.account = otherAccounts
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

func (b *Booked) findInvoice(invoice string) int {
	return find(b.byInvoice, maphash.String(b.seed, invoice))
}

func (b *Booked) findAccount(account int64) int {
	return find(b.byAccount, uint64(account)) //nolint:gosec // as it was kept
}

// OnInvoice is what was given on an invoice, and the account that the file names with it:
// 0 for none. named is false when the file does not name the invoice.
func (b *Booked) OnInvoice(invoice string) (amount models.Money, account int64, named bool) {
	i := b.findInvoice(invoice)
	if i < 0 {
		return 0, 0, false
	}
	return b.byInvoice[i].amount, b.byInvoice[i].account, true
}

// OnAccount is what was given on the invoices of an account together.
func (b *Booked) OnAccount(account int64) (amount models.Money, named bool) {
	i := b.findAccount(account)
	if i < 0 {
		return 0, false
	}
	return b.byAccount[i].amount, true
}

// Marked is a file that remembers what it was asked about, for one goroutine.
type Marked struct {
	*Booked
	invoices, accounts []mark // of each row
}

// mark is what has become of a row.
type mark uint8

const (
	handed mark = iota + 1 // it was handed to EachRest
	asked
)

// Mark begins to remember.
func (b *Booked) Mark() *Marked {
	return &Marked{b, make([]mark, len(b.byInvoice)), make([]mark, len(b.byAccount))}
}

// OnInvoice is that of the file.
func (m *Marked) OnInvoice(invoice string) (amount models.Money, account int64, named bool) {
	if i := m.findInvoice(invoice); i >= 0 {
		m.invoices[i] = asked
	}
	return m.Booked.OnInvoice(invoice)
}

// OnAccount is that of the file.
func (m *Marked) OnAccount(account int64) (amount models.Money, named bool) {
	if i := m.findAccount(account); i >= 0 {
		m.accounts[i] = asked
	}
	return m.Booked.OnAccount(account)
}

// Rest is what the file names and nobody had asked about when it was handed over.
type Rest struct {
	InvoiceID string
	AccountID int64 // where no invoice is named
	Given     models.Money
	mark      *mark
}

// Asked tells whether somebody has asked about it since.
func (r *Rest) Asked() bool { return *r.mark == asked }

// EachRest hands over what the file names and nobody has asked about, each once, some at a
// time. Where nothing was given it is left out.
func (m *Marked) EachRest(see func([]Rest) error) error {
	return m.EachRow(func(rows []models.BookedRow) error {
		var rest []Rest
		for _, row := range rows {
			r := Rest{InvoiceID: row.InvoiceID}
			if r.InvoiceID != "" {
				i := m.findInvoice(r.InvoiceID)
				r.mark, r.Given = &m.invoices[i], m.byInvoice[i].amount
			} else {
				i := m.findAccount(row.AccountID)
				r.AccountID, r.mark, r.Given = row.AccountID, &m.accounts[i], m.byAccount[i].amount
			}
			if *r.mark == 0 && r.Given != 0 {
				*r.mark = handed
				rest = append(rest, r)
			}
		}
		if len(rest) == 0 {
			return nil
		}
		return see(rest)
	})
}

// EachRow reads the file once more and hands its rows over, as they are added to invoices,
// some at a time.
func (b *Booked) EachRow(see func([]models.BookedRow) error) error {
	var rows []models.BookedRow
	digest, err := b.each(func(row models.BookedRow, fault *Fault) error {
		if fault != nil || row.InvoiceID != "" && b.findInvoice(row.InvoiceID) < 0 || row.InvoiceID == "" && b.findAccount(row.AccountID) < 0 {
			return b.changed()
		}
		row.Amount = b.added(row.Amount)
		if rows = append(rows, row); len(rows) < askBatch {
			return nil
		}
		err := see(rows)
		rows = rows[:0]
		return err
	})
	if err == nil && len(rows) > 0 {
		err = see(rows)
	}
	if err == nil && digest != b.SHA256 {
		err = b.changed()
	}
	return err
}

func (b *Booked) changed() error {
	return fmt.Errorf("%s was changed while it was read: begin again", filepath.Base(b.path))
}

// each reads the file, and returns its digest.
func (b *Booked) each(see func(row models.BookedRow, fault *Fault) error) (digest string, err error) {
	t, err := OpenTable(b.path, bookedColumns)
	if err != nil {
		return "", err
	}
	defer t.Close() //nolint:errcheck // it is only read
	if !t.Has("invoice") && !t.Has("account") || !t.Has("amount") && !t.Has("amount_minor") {
		return "", fmt.Errorf("%s: it needs the column invoice or account, and the column amount or amount_minor", t.Name)
	}
	err = t.Each(func(row Row, fault *Fault) error {
		booked := models.BookedRow{Line: row.Line}
		if fault == nil {
			fault = readBookedRow(row, &booked)
		}
		return see(booked, fault)
	})
	return t.SHA256(), err
}

func readBookedRow(row Row, booked *models.BookedRow) *Fault {
	booked.InvoiceID = row.Value("invoice")
	if text := row.Value("account"); text != "" || booked.InvoiceID == "" {
		account, err := strconv.ParseInt(text, 10, 64)
		if err != nil || account <= 0 {
			return row.Fault("account", "it must be the number of an account, or empty where the row names an invoice")
		}
		booked.AccountID = account
	}
	minor, roubles := row.Value("amount_minor"), row.Value("amount")
	column := "amount_minor"
	if minor == "" {
		column = "amount"
	}
	amount, err := bookedAmount(minor, roubles)
	switch {
	case errors.Is(err, errTwoAmounts):
		return row.Fault(column, "it is not the same as the amount in roubles: keep one of the two")
	case err != nil || amount.Abs() > models.MaxAmount:
		return row.Fault(column, "it must be an amount such as 1420.00 in roubles, or 142000 in amount_minor")
	}
	booked.Amount = amount
	return nil
}

var errTwoAmounts = errors.New("the two amounts differ")

// bookedAmount is the amount of a row in kopecks, which has one of the two or both.
func bookedAmount(minor, inRoubles string) (amount models.Money, err error) {
	if minor == "" {
		return roubles(inRoubles)
	}
	n, err := strconv.ParseInt(minor, 10, 64)
	if err != nil || n == math.MinInt64 {
		return 0, strconv.ErrSyntax
	}
	if amount = models.Money(n); inRoubles == "" {
		return amount, nil
	}
	if other, err := roubles(inRoubles); err != nil || other != amount {
		return 0, errTwoAmounts
	}
	return amount, nil
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
