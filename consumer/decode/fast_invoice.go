package decode

import (
	"math"
	"time"

	"referral/models"
)

// The fields of an invoice event, in the order in which they usually come, and
// their bits.
var (
	skimmedEvent   = skimmedNames("specversion", "id", "source", "type", "time", "subject", "datacontenttype", "data", "data_base64")
	skimmedInvoice = skimmedNames("invoice_id", "account_id", "period", "revision", "currency", "lines")
	skimmedLine    = skimmedNames("line_id", "service", "from", "to", "amount_minor")
)

const (
	eventNeeds   = 0b1000_1111 // all but the time, and what is passed over
	invoiceNeeds = 0b11_1111
	lineNeeds    = 0b1_1111
)

// skimmedEnvelope is the attributes of an event that matter, and its data.
type skimmedEnvelope struct {
	time time.Time
	data models.FactData
}

// skimFact is the fact of a structured event that is written as usual; else nil.
func (k *kind) skimFact(m *models.Message) *models.Fact {
	if k.skim == nil {
		return nil
	}
	if media, _ := modeOf(m.Headers); media != structuredMedia {
		return nil
	}
	var e skimmedEnvelope
	if !skim(m.Value, func(s *skimmer) { s.event(k, &e) }) {
		return nil
	}
	return newFact(m, e.time, e.data)
}

// skimData is the data of an event that is written as usual; else nil.
func (k *kind) skimData(value []byte) (data models.FactData) {
	if k.skim == nil || !skim(value, func(s *skimmer) { data = k.skim(s) }) {
		return nil
	}
	return data
}

func (s *skimmer) event(k *kind, e *skimmedEnvelope) {
	o := skimmedObject{names: skimmedEvent}
	for s.next(&o) {
		switch o.field {
		case 0:
			s.same("1.0")
		case 1:
			s.bytes(maxIdentifier)
		case 2:
			s.bytes(maxSource)
		case 3:
			s.same(k.event)
		case 4:
			e.time = s.moment()
		case 7:
			e.data = k.skim(s)
		case 8:
			s.lost = true
		default:
			s.bytes(maxText)
		}
	}
	s.lost = s.lost || !o.has(eventNeeds)
}

func (s *skimmer) invoice() models.FactData {
	inv := new(models.Invoice)
	o := skimmedObject{names: skimmedInvoice}
	for s.next(&o) {
		switch o.field {
		case 0:
			inv.ID = s.text(maxIdentifier)
		case 1:
			inv.AccountID = s.integer(1, math.MaxInt64)
		case 2:
			inv.Period = s.period()
		case 3:
			inv.Revision = int(s.integer(1, math.MaxInt32))
		case 4:
			s.same(usualCurrency)
			inv.Currency = usualCurrency
		case 5:
			inv.Lines = s.lines()
		default:
			s.bytes(maxText)
		}
	}
	s.lost = s.lost || !o.has(invoiceNeeds) || checkLines(inv.Lines) != nil
	return inv
}

func (s *skimmer) lines() []models.Line {
	s.take('[')
	if s.mark(']') {
		return nil
	}
	lines := make([]models.Line, 0, usualLines)
	for {
		lines = append(lines, models.Line{})
		s.blanks()
		s.line(&lines[len(lines)-1])
		if s.lost || !s.mark(',') {
			break
		}
	}
	s.take(']')
	return lines
}

func (s *skimmer) line(l *models.Line) {
	o := skimmedObject{names: skimmedLine}
	for s.next(&o) {
		switch o.field {
		case 0:
			l.ID = s.words.of(s.bytes(maxIdentifier))
		case 1:
			l.Service = s.words.of(s.bytes(maxIdentifier))
		case 2:
			l.From = s.date(&s.from)
		case 3:
			l.To = s.date(&s.to)
		case 4:
			l.Amount = models.Money(s.integer(-int64(models.MaxAmount), int64(models.MaxAmount)))
		default:
			s.bytes(maxText)
		}
	}
	s.lost = s.lost || !o.has(lineNeeds) || l.Days() > maxServiceDays
}
