package finance

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"referral/models"
)

// RegisterStore is the methods of the storage that the register of documents uses.
type RegisterStore interface {
	Register(ctx context.Context, f models.RegisterFilter, limit int) ([]models.RegisterEntry, error)
	RegisterTotals(ctx context.Context, f models.RegisterFilter) ([]models.CurrencyTotal, error)
	EachRegisterEntry(ctx context.Context, f models.RegisterFilter, see func(*models.RegisterEntry) error) error
}

// Register is a page of the documents that a filter lets through, by account, invoice
// and sequence. next is the cursor of the page behind it, nil on the last one.
func (s *Service) Register(ctx context.Context, f models.RegisterFilter, limit int) (page []models.RegisterEntry, next *models.RegisterCursor, err error) {
	page, err = s.o.Store.Register(ctx, f, limit+1)
	if err != nil || len(page) <= limit {
		return page, nil, err
	}
	page = page[:limit]
	cursor := page[limit-1].Cursor()
	return page, &cursor, nil
}

// RegisterTotals is the number and the sum of all documents that a filter lets through,
// by currency.
func (s *Service) RegisterTotals(ctx context.Context, f models.RegisterFilter) ([]models.CurrencyTotal, error) {
	return s.o.Store.RegisterTotals(ctx, f)
}

// EachDocument hands every document that a filter lets through to see, in the order of
// the register, as they are at one moment.
func (s *Service) EachDocument(ctx context.Context, f models.RegisterFilter, see func(*models.RegisterEntry) error) error {
	return s.o.Store.EachRegisterEntry(ctx, f, see)
}

// ErrBadFilter says that a filter of the register cannot be read.
var ErrBadFilter = errors.New("finance: no such filter of the register")

// Reasons is the reasons of documents, and Answers the answers of billing, that the
// register can be filtered by.
var (
	Reasons = []models.AdjustmentReason{models.ReasonRun, models.ReasonLateFact, models.ReasonInvoiceRevised, models.ReasonRevoked, models.ReasonBookedElsewhere}
	Answers = []models.ResultStatus{models.ResultNone, models.ResultApplied, models.ResultRejected}
)

// ReadRegisterFilter reads a filter from the query of an address, as
// [RegisterQuery] writes it. The posting period is f's. The error is an ErrBadFilter.
func ReadRegisterFilter(f models.RegisterFilter, q url.Values) (models.RegisterFilter, error) {
	var failed error
	read := func(name string, parse func(text string) error) {
		if text := strings.TrimSpace(q.Get(name)); text != "" {
			if err := parse(text); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%w: %s=%q", ErrBadFilter, name, text))
			}
		}
	}
	read("month", func(text string) (err error) { f.Period, err = models.ParsePeriod(text); return err })
	read("client", func(text string) (err error) {
		if isTaxID(text) {
			f.TaxID = text
			return nil
		}
		f.AccountID, err = strconv.ParseInt(text, 10, 64)
		return err
	})
	read("reason", func(text string) error { f.Reason = models.AdjustmentReason(text); return oneOf(Reasons, f.Reason) })
	read("answer", func(text string) error { f.Answer = models.ResultStatus(text); return oneOf(Answers, f.Answer) })
	read("currency", func(text string) error { f.Currency = text; return nil })
	read("from", func(text string) (err error) { f.AtLeast, err = parseAmount(text); return err })
	read("to", func(text string) (err error) { f.AtMost, err = parseAmount(text); return err })
	read("account", func(text string) (err error) { f.After.AccountID, err = strconv.ParseInt(text, 10, 64); return err })
	read("sequence", func(text string) (err error) { f.After.Sequence, err = strconv.Atoi(text); return err })
	f.After.InvoiceID = q.Get("invoice")
	return f, failed
}

// RegisterQuery is a filter as [ReadRegisterFilter] reads it, behind a cursor unless
// that is nil.
func RegisterQuery(f models.RegisterFilter, after *models.RegisterCursor) url.Values {
	q := url.Values{}
	set := func(name, text string, given bool) {
		if given {
			q.Set(name, text)
		}
	}
	set("month", f.Period.String(), f.Period != 0)
	set("client", f.TaxID, f.TaxID != "")
	set("client", strconv.FormatInt(f.AccountID, 10), f.AccountID != 0)
	set("reason", string(f.Reason), f.Reason != "")
	set("answer", string(f.Answer), f.Answer != "")
	set("currency", f.Currency, f.Currency != "")
	set("from", AmountText(f.AtLeast), f.AtLeast != nil)
	set("to", AmountText(f.AtMost), f.AtMost != nil)
	if after != nil {
		q.Set("account", strconv.FormatInt(after.AccountID, 10))
		q.Set("invoice", after.InvoiceID)
		q.Set("sequence", strconv.Itoa(after.Sequence))
	}
	return q
}

// isTaxID tells a tax id, which has 10 or 12 digits, from the number of an account.
func isTaxID(text string) bool {
	return (len(text) == 10 || len(text) == 12) && strings.Trim(text, "0123456789") == ""
}

func oneOf[T comparable](list []T, value T) error {
	if !slices.Contains(list, value) {
		return ErrBadFilter
	}
	return nil
}

// AmountText is an amount in rubles as people type it; nothing for nil.
func AmountText(m *models.Money) string {
	if m == nil {
		return ""
	}
	return strings.Replace(m.String(), ".", ",", 1)
}

// parseAmount reads an amount in rubles as people type it: "-1 420,5".
func parseAmount(text string) (*models.Money, error) {
	text = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "−", "-", ",", ".").Replace(text)
	whole, kopecks, _ := strings.Cut(text, ".")
	if len(kopecks) > 2 {
		return nil, ErrBadFilter
	}
	kopecks += "00"[len(kopecks):]
	minor, err := strconv.ParseInt(whole+kopecks, 10, 64)
	amount := models.Money(minor)
	return &amount, err
}
