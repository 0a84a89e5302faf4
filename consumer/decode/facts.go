package decode

import (
	"fmt"
	"math"
	"time"

	"github.com/go-faster/jx"

	"referral/models"
)

// maxServiceDays bounds the service period of a line: a leap year.
const maxServiceDays = 366

// usualLines is how many lines an invoice has room for at once; up to fewLines
// are compared without a map.
const (
	usualLines = 4
	fewLines   = 8
)

// kind is what a topic carries: one type of event, and how its data is read.
type kind struct {
	event string
	read  func(*jx.Decoder) (models.FactData, error)
	skim  func(*skimmer) models.FactData // reads what is written as usual; nil where that is not worth it
}

func kindsOf(t Topics) map[string]kind {
	return map[string]kind{
		t.Registered: {"pbx.registered.v1", reader(registered), nil},
		t.PromoEnded: {"pbx.promo-ended.v1", reader(promoEnded), nil},
		t.Terminated: {"pbx.terminated.v1", reader(terminated), nil},
		t.Activation: {"referral.activation-requested.v1", reader(activation), nil},
		t.Invoices:   {"billing.invoice-issued.v1", readInvoice, (*skimmer).invoice},
		t.Results:    {"billing.adjustment-result.v1", reader(result), nil},
	}
}

func reader[T models.FactData](s shape[T]) func(*jx.Decoder) (models.FactData, error) {
	return func(d *jx.Decoder) (models.FactData, error) {
		var data T
		err := s.read(d, &data)
		return data, err
	}
}

var registered = shape[models.Registered]{
	{"account_id", required, put(func(f *models.Registered) *int64 { return &f.AccountID }, account)},
	{"name", required, put(func(f *models.Registered) *string { return &f.Profile.Name }, anyText)},
	{"tax_id", required, put(func(f *models.Registered) *string { return &f.Profile.TaxID }, maybeIdentifier)},
	{"registered_at", required, put(func(f *models.Registered) *time.Time { return &f.RegisteredAt }, instant)},
	{"promo_until", optional, put(func(f *models.Registered) *string { return &f.Profile.PromoUntil }, dateText)},
	{"email", optional, put(func(f *models.Registered) *string { return &f.Profile.Email }, anyText)},
	{"phone", optional, put(func(f *models.Registered) *string { return &f.Profile.Phone }, anyText)},
}

var promoEnded = shape[models.PromoEnded]{
	{"account_id", required, put(func(f *models.PromoEnded) *int64 { return &f.AccountID }, account)},
	{"promo_ended_at", required, put(func(f *models.PromoEnded) *time.Time { return &f.EndedAt }, instant)},
}

var terminated = shape[models.Terminated]{
	{"account_id", required, put(func(f *models.Terminated) *int64 { return &f.AccountID }, account)},
	{"terminated_at", required, put(func(f *models.Terminated) *time.Time { return &f.TerminatedAt }, instant)},
}

var activation = shape[models.ActivationRequested]{
	{"account_id", required, put(func(f *models.ActivationRequested) *int64 { return &f.AccountID }, account)},
	{"code", required, put(func(f *models.ActivationRequested) *string { return &f.Code }, identifier)},
	{"requested_at", required, func(d *jx.Decoder, f *models.ActivationRequested) (err error) {
		f.RequestedAt, err = instant(d)
		return
	}},
}

var result = shape[models.Result]{
	{"adjustment_id", required, put(func(f *models.Result) *models.UUID { return &f.AdjustmentID }, uuid)},
	{"status", required, put(func(f *models.Result) *models.ResultStatus { return &f.Status }, status)},
	{"amount_minor", required, put(func(f *models.Result) *models.Money { return &f.Amount }, amount)},
	{"reason", optional, put(func(f *models.Result) *string { return &f.Reason }, anyText)},
	{"at", required, put(func(f *models.Result) *time.Time { return &f.At }, instant)},
}

var invoice = shape[models.Invoice]{
	{"invoice_id", required, put(func(f *models.Invoice) *string { return &f.ID }, identifier)},
	{"account_id", required, put(func(f *models.Invoice) *int64 { return &f.AccountID }, account)},
	{"period", required, put(func(f *models.Invoice) *models.Period { return &f.Period }, period)},
	{"revision", required, put(func(f *models.Invoice) *int { return &f.Revision }, revision)},
	{"currency", required, put(func(f *models.Invoice) *string { return &f.Currency }, currency)},
	{"lines", required, readLines},
}

var line = shape[models.Line]{
	{"line_id", required, put(func(l *models.Line) *string { return &l.ID }, identifier)},
	{"service", required, put(func(l *models.Line) *string { return &l.Service }, identifier)},
	{"from", required, put(func(l *models.Line) *models.Date { return &l.From }, date)},
	{"to", required, put(func(l *models.Line) *models.Date { return &l.To }, date)},
	{"amount_minor", required, put(func(l *models.Line) *models.Money { return &l.Amount }, amount)},
}

func readInvoice(d *jx.Decoder) (models.FactData, error) {
	data := new(models.Invoice)
	if err := invoice.read(d, data); err != nil {
		return nil, err
	}
	return data, checkLines(data.Lines)
}

func readLines(d *jx.Decoder, f *models.Invoice) error {
	if d.Next() != jx.Array {
		return wrongType(d, "an array")
	}
	return d.Arr(func(d *jx.Decoder) error {
		if f.Lines == nil {
			f.Lines = make([]models.Line, 0, usualLines)
		}
		n := len(f.Lines)
		f.Lines = append(f.Lines, models.Line{})
		if err := readLine(d, &f.Lines[n]); err != nil {
			return at(fmt.Sprintf("[%d]", n), err)
		}
		return nil
	})
}

func readLine(d *jx.Decoder, l *models.Line) error {
	if err := line.read(d, l); err != nil {
		return err
	}
	if l.Days() > maxServiceDays {
		return at("to", bad(fmt.Sprintf("ends a service period of %d days; at most %d are taken", l.Days(), maxServiceDays)))
	}
	return nil
}

// checkLines is what the lines of an invoice must keep together.
func checkLines(lines []models.Line) error {
	if err := uniqueLines(lines); err != nil {
		return err
	}
	return boundedSum(lines)
}

// boundedSum refuses lines that sum to more than any amount that is taken, which
// no total of the invoice could hold. An uint64 has room for 18 446 of the largest
// amounts, and no message for so many lines.
func boundedSum(lines []models.Line) error {
	var charged, credited uint64
	for i := range lines {
		if amount := lines[i].Amount; amount > 0 {
			charged += uint64(amount)
		} else {
			credited += uint64(-amount)
		}
	}
	if max(charged, credited)-min(charged, credited) > uint64(models.MaxAmount) {
		return at("lines", bad(fmt.Sprintf("must sum to an amount from %d to %d", -models.MaxAmount, models.MaxAmount)))
	}
	return nil
}

// uniqueLines refuses an invoice that names a line twice: which of the two
// would be the line's amount?
func uniqueLines(lines []models.Line) error {
	if len(lines) <= fewLines {
		return uniqueFew(lines)
	}
	seen := make(map[string]int, len(lines))
	for i := range lines {
		if first, twice := seen[lines[i].ID]; twice {
			return lineTwice(first, i)
		}
		seen[lines[i].ID] = i
	}
	return nil
}

// uniqueFew compares each line with each: for a few that takes a tenth of what
// a map does.
func uniqueFew(lines []models.Line) error {
	for i := range lines {
		for first := range i {
			if lines[first].ID == lines[i].ID {
				return lineTwice(first, i)
			}
		}
	}
	return nil
}

func lineTwice(first, second int) error {
	return at(fmt.Sprintf("lines[%d].line_id", second), bad(fmt.Sprintf("is that of lines[%d] again; each line needs its own", first)))
}

func revision(d *jx.Decoder) (int, error) {
	n, err := integer(d, 1, math.MaxInt32)
	return int(n), err
}

// dateText is a date kept as it was written; an empty one is none.
func dateText(d *jx.Decoder) (string, error) {
	b, err := shortText(d, "a date like 2026-04-20")
	if err != nil || len(b) == 0 {
		return "", err
	}
	if _, _, day := civil(b); day == 0 {
		return "", errDate
	}
	return string(b), nil
}

func currency(d *jx.Decoder) (string, error) {
	const like = "three capital letters like RUB"
	b, err := shortText(d, like)
	if err != nil {
		return "", err
	}
	if len(b) != 3 || !isCapital(b[0]) || !isCapital(b[1]) || !isCapital(b[2]) {
		return "", bad("must be " + like)
	}
	if string(b) == usualCurrency {
		return usualCurrency, nil
	}
	return string(b), nil
}

// usualCurrency need not be copied out of every invoice.
const usualCurrency = "RUB"

func isCapital(c byte) bool { return c >= 'A' && c <= 'Z' }

func uuid(d *jx.Decoder) (models.UUID, error) {
	b, err := shortText(d, "a UUID")
	if err != nil {
		return models.UUID{}, err
	}
	id, err := models.ParseUUID(string(b))
	if err != nil {
		return models.UUID{}, bad("must be a UUID, the adjustment_id or package_id that was sent")
	}
	return id, nil
}

func status(d *jx.Decoder) (models.ResultStatus, error) {
	b, err := shortText(d, "a string")
	if err != nil {
		return "", err
	}
	switch s := models.ResultStatus(b); s {
	case models.ResultApplied, models.ResultRejected:
		return s, nil
	}
	return "", bad("must be applied or rejected")
}
