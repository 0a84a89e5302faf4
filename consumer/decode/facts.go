package decode

import (
	"fmt"
	"time"

	"github.com/go-faster/jx"

	"referral/models"
)

// maxServiceDays bounds the service period of a line: a leap year.
const maxServiceDays = 366

// usualLines is how many lines are allocated at first; up to fewLines are compared without
// a map.
const (
	usualLines = 4
	fewLines   = 8
)

// kind is what a topic carries: one type of event, and how its data is read.
type kind struct {
	event string
	read  func(*jx.Decoder) (models.FactData, error)
	fast  func(*fastReader) models.FactData // nil when that is left to read
}

func kindsOf(t Topics) map[string]*kind {
	return map[string]*kind{
		t.Registered: kindOf("pbx.registered.v1", registered, byValue),
		t.PromoEnded: kindOf("pbx.promo-ended.v1", promoEnded, byValue),
		t.Terminated: kindOf("pbx.terminated.v1", terminated, byValue),
		t.Activation: kindOf("referral.activation-requested.v1", activation, byValue),
		t.Invoices:   kindOf("billing.invoice-issued.v1", invoice, checkInvoice),
		t.Results:    kindOf("billing.adjustment-result.v1", result, byValue),
	}
}

// kindOf is the kind of an event whose data is an object; done makes the fact of it.
func kindOf[T any](event string, s *schema[T], done func(*T) (models.FactData, error)) *kind {
	return &kind{
		event: event,
		read: func(d *jx.Decoder) (models.FactData, error) {
			data := new(T)
			if err := s.read(d, data); err != nil {
				return nil, err
			}
			return done(data)
		},
		fast: func(r *fastReader) models.FactData {
			data := new(T)
			s.readFast(r, data)
			fact, err := done(data)
			r.failed = r.failed || err != nil
			return fact
		},
	}
}

func byValue[T models.FactData](data *T) (models.FactData, error) { return *data, nil }

var registered = newSchema(
	required("account_id", func(f *models.Registered) *int64 { return &f.AccountID }, account),
	required("name", func(f *models.Registered) *string { return &f.Profile.Name }, anyText),
	required("tax_id", func(f *models.Registered) *string { return &f.Profile.TaxID }, maybeIdentifier),
	required("registered_at", func(f *models.Registered) *time.Time { return &f.RegisteredAt }, instant),
	optional("promo_until", func(f *models.Registered) *string { return &f.Profile.PromoUntil }, dateText),
	optional("email", func(f *models.Registered) *string { return &f.Profile.Email }, anyText),
	optional("phone", func(f *models.Registered) *string { return &f.Profile.Phone }, anyText),
)

var promoEnded = newSchema(
	required("account_id", func(f *models.PromoEnded) *int64 { return &f.AccountID }, account),
	required("promo_ended_at", func(f *models.PromoEnded) *time.Time { return &f.EndedAt }, instant),
)

var terminated = newSchema(
	required("account_id", func(f *models.Terminated) *int64 { return &f.AccountID }, account),
	required("terminated_at", func(f *models.Terminated) *time.Time { return &f.TerminatedAt }, instant),
)

var activation = newSchema(
	required("account_id", func(f *models.ActivationRequested) *int64 { return &f.AccountID }, account),
	required("code", func(f *models.ActivationRequested) *string { return &f.Code }, identifier),
	required("requested_at", func(f *models.ActivationRequested) *time.Time { return &f.RequestedAt }, instant),
)

var result = newSchema(
	required("adjustment_id", func(f *models.Result) *models.UUID { return &f.AdjustmentID }, uuid),
	required("status", func(f *models.Result) *models.ResultStatus { return &f.Status }, status),
	required("amount_minor", func(f *models.Result) *models.Money { return &f.Amount }, amount),
	optional("reason", func(f *models.Result) *string { return &f.Reason }, anyText),
	required("at", func(f *models.Result) *time.Time { return &f.At }, instant),
)

var invoice = newSchema(
	required("invoice_id", func(f *models.Invoice) *string { return &f.ID }, identifier),
	required("account_id", func(f *models.Invoice) *int64 { return &f.AccountID }, account),
	required("period", func(f *models.Invoice) *models.Period { return &f.Period }, period),
	required("revision", func(f *models.Invoice) *int { return &f.Revision }, revision),
	required("currency", func(f *models.Invoice) *string { return &f.Currency }, currency),
	required("lines", func(f *models.Invoice) *[]models.Line { return &f.Lines }, value[[]models.Line]{readLines, fastLines}),
)

var line = newSchema(
	required("line_id", func(l *models.Line) *string { return &l.ID }, word).by(func(r *fastReader, l *models.Line) { l.ID = r.word() }),
	required("service", func(l *models.Line) *string { return &l.Service }, word).by(func(r *fastReader, l *models.Line) { l.Service = r.word() }),
	required("from", func(l *models.Line) *models.Date { return &l.From }, date).by(func(r *fastReader, l *models.Line) { l.From = r.date() }),
	required("to", func(l *models.Line) *models.Date { return &l.To }, date).by(func(r *fastReader, l *models.Line) { l.To = r.date() }),
	required("amount_minor", func(l *models.Line) *models.Money { return &l.Amount }, amount).by(func(r *fastReader, l *models.Line) {
		l.Amount = models.Money(r.integer(-int64(models.MaxAmount), int64(models.MaxAmount)))
	}),
)

func readLines(d *jx.Decoder) (lines []models.Line, err error) {
	if d.Next() != jx.Array {
		return nil, wrongType(d, "an array")
	}
	err = d.Arr(func(d *jx.Decoder) error {
		l := addLine(&lines)
		if err := line.read(d, l); err != nil {
			return inField(fmt.Sprintf("[%d]", len(lines)-1), err)
		}
		if l.Days() > maxServiceDays {
			return inField(fmt.Sprintf("[%d].to", len(lines)-1),
				invalid(fmt.Sprintf("ends a service period of %d days; at most %d are taken", l.Days(), maxServiceDays)))
		}
		return nil
	})
	return lines, err
}

func fastLines(r *fastReader) (lines []models.Line) {
	r.expect('[')
	for more := !r.accept(']'); more; more = r.more(']') {
		l := addLine(&lines)
		line.readFast(r, l)
		r.failed = r.failed || l.Days() > maxServiceDays
	}
	return lines
}

func addLine(lines *[]models.Line) *models.Line {
	if *lines == nil {
		*lines = make([]models.Line, 0, usualLines)
	}
	*lines = append(*lines, models.Line{})
	return &(*lines)[len(*lines)-1]
}

func checkInvoice(data *models.Invoice) (models.FactData, error) { return data, checkLines(data.Lines) }

// checkLines checks the lines of an invoice together.
func checkLines(lines []models.Line) error {
	if err := uniqueLines(lines); err != nil {
		return err
	}
	return boundedSum(lines)
}

// boundedSum refuses lines whose sum is beyond [models.MaxAmount]. A uint64 has room for
// 18 446 of the largest amounts, and no message has room for so many lines.
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
		return inField("lines", invalid(fmt.Sprintf("must sum to an amount from %d to %d", -models.MaxAmount, models.MaxAmount)))
	}
	return nil
}

// uniqueLines refuses an invoice that names a line twice, because its amount would be
// ambiguous.
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

// uniqueFew compares each line with each, which for a few lines takes a tenth of the time
// of a map.
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
	return inField(fmt.Sprintf("lines[%d].line_id", second), invalid(fmt.Sprintf("is that of lines[%d] again; each line needs its own", first)))
}
