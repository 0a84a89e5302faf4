package publisher

import (
	"fmt"
	"time"

	"referral/models"
)

// The types of the events that carry documents.
const (
	AdjustmentType = "referral.discount-adjustment.v1"
	PackageType    = "referral.sms-package.v1"
)

// ContentType is the content-type header of every event: CloudEvents 1.0 in
// structured mode.
const ContentType = "application/cloudevents+json"

// Encoder writes events by asyncapi.yaml, as CloudEvents 1.0 in JSON. It may
// be used by many goroutines.
type Encoder struct {
	source []byte // JSON
}

// NewEncoder makes an encoder of events with a CloudEvents source.
func NewEncoder(source string) *Encoder { return &Encoder{source: appendString(nil, source)} }

// AppendAdjustment appends the event of one adjustment, posted at a time.
func (e *Encoder) AppendAdjustment(dst []byte, at time.Time, a *models.Adjustment) []byte {
	dst = e.appendEnvelope(dst, a.ID, AdjustmentType, at, a.AccountID)
	dst = appendUUID(append(dst, `{"adjustment_id":`...), a.ID)
	dst = appendInt(append(dst, `,"sequence":`...), a.Sequence)
	dst = appendInt(append(dst, `,"account_id":`...), a.AccountID)
	dst = appendString(append(dst, `,"invoice_id":`...), a.InvoiceID)
	dst = appendInt(append(dst, `,"invoice_revision":`...), a.InvoiceRevision)
	dst = appendPeriod(append(dst, `,"period":`...), a.Period)
	dst = appendPeriod(append(dst, `,"posting_period":`...), a.PostingPeriod)
	dst = appendString(append(dst, `,"currency":`...), a.Currency)
	dst = appendInt(append(dst, `,"amount_minor":`...), a.Amount)
	dst = appendString(append(dst, `,"reason":`...), string(a.Reason))
	dst = append(dst, `,"items":[`...)
	for i := range a.Items {
		dst = appendComma(dst, i)
		dst = appendItem(dst, &a.Items[i])
	}
	return append(dst, "]}}"...)
}

func appendItem(dst []byte, item *models.AdjustmentItem) []byte {
	dst = appendString(append(dst, `{"line_id":`...), item.LineID)
	dst = appendString(append(dst, `,"service":`...), item.Service)
	dst = appendInt(append(dst, `,"amount_minor":`...), item.Amount)
	dst = append(dst, `,"segments":[`...)
	for i := 0; i < len(item.Segments); {
		dst = appendComma(dst, i)
		n := run(item.Segments[i:])
		dst = appendSegment(dst, item.Segments[i].From, item.Segments[i+n-1].To, item.Segments[i].Percent())
		i += n
	}
	return append(dst, "]}"...)
}

// run is how many of the first segments follow each other with one percent:
// whose discount it is makes no difference outside.
func run(segments []models.Segment) int {
	n := 1
	for n < len(segments) && segments[n].From == segments[n-1].To && segments[n].Percent() == segments[0].Percent() {
		n++
	}
	return n
}

func appendSegment(dst []byte, from, to models.Date, percent int) []byte {
	dst = appendDate(append(dst, `{"from":`...), from)
	dst = appendDate(append(dst, `,"to":`...), to)
	dst = appendInt(append(dst, `,"percent":`...), percent)
	return append(dst, '}')
}

func appendComma(dst []byte, i int) []byte {
	if i == 0 {
		return dst
	}
	return append(dst, ',')
}

// AppendPackage appends the event of one SMS package, posted at a time.
func (e *Encoder) AppendPackage(dst []byte, at time.Time, p *models.SMSPackage) []byte {
	dst = e.appendEnvelope(dst, p.ID, PackageType, at, p.AccountID)
	dst = appendUUID(append(dst, `{"package_id":`...), p.ID)
	dst = appendInt(append(dst, `,"account_id":`...), p.AccountID)
	dst = appendInt(append(dst, `,"sms":`...), p.SMS)
	dst = appendDate(append(dst, `,"granted_on":`...), p.GrantedOn)
	dst = appendPeriod(append(dst, `,"period":`...), p.Period)
	dst = append(dst, `,"invoice_id":`...)
	if p.InvoiceID == "" {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, p.InvoiceID)
	}
	dst = appendInt(append(dst, `,"step":`...), p.Step)
	return append(dst, `,"amount_minor":0}}`...)
}

// AppendEvent appends the event of one event. An error means that
// its data has no form in JSON; dst is then as it was.
func (e *Encoder) AppendEvent(dst []byte, a *models.OutboxEvent) ([]byte, error) {
	whole := e.appendEnvelope(dst, a.ID, string(a.Type), a.At, a.AccountID)
	whole, err := appendJSON(whole, a.Data)
	if err != nil {
		return dst, fmt.Errorf("encoding event %s: %w", a.ID, err)
	}
	return append(whole, '}'), nil
}

// appendEnvelope appends all of an event before its data.
func (e *Encoder) appendEnvelope(dst []byte, id models.UUID, kind string, at time.Time, account int64) []byte {
	dst = appendUUID(append(dst, `{"specversion":"1.0","id":`...), id)
	dst = append(dst, `,"source":`...)
	dst = append(dst, e.source...)
	dst = appendString(append(dst, `,"type":`...), kind)
	dst = appendTime(append(dst, `,"time":`...), at)
	dst = appendInt(append(dst, `,"subject":"`...), account)
	return append(dst, `","datacontenttype":"application/json","data":`...)
}
