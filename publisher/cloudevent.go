package publisher

import (
	"bytes"
	"encoding/json"
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

// Encoder writes events as the contract says, as CloudEvents 1.0 in JSON. It may
// be used by many goroutines.
type Encoder struct {
	source []byte // JSON
}

// NewEncoder makes an encoder of events with a CloudEvents source.
func NewEncoder(source string) *Encoder { return &Encoder{source: appendString(nil, source)} }

// AppendAdjustment appends the event of one adjustment, posted at a time.
func (e *Encoder) AppendAdjustment(dst []byte, at time.Time, a *models.Adjustment) []byte {
	dst = e.appendEnvelope(dst, a.ID, AdjustmentType, at, a.AccountID)
	dst = append(dst, `{"adjustment_id":`...)
	dst = appendUUID(dst, a.ID)
	dst = append(dst, `,"sequence":`...)
	dst = appendInt(dst, a.Sequence)
	dst = append(dst, `,"account_id":`...)
	dst = appendInt(dst, a.AccountID)
	dst = append(dst, `,"invoice_id":`...)
	dst = appendString(dst, a.InvoiceID)
	dst = append(dst, `,"invoice_revision":`...)
	dst = appendInt(dst, a.InvoiceRevision)
	dst = append(dst, `,"period":`...)
	dst = appendPeriod(dst, a.Period)
	dst = append(dst, `,"posting_period":`...)
	dst = appendPeriod(dst, a.PostingPeriod)
	dst = append(dst, `,"currency":`...)
	dst = appendString(dst, a.Currency)
	dst = append(dst, `,"amount_minor":`...)
	dst = appendInt(dst, a.Amount)
	dst = append(dst, `,"reason":`...)
	dst = appendString(dst, string(a.Reason))
	dst = append(dst, `,"items":[`...)
	for i := range a.Items {
		dst = appendComma(dst, i)
		dst = appendItem(dst, &a.Items[i])
	}
	return append(dst, "]}}"...)
}

func appendItem(dst []byte, item *models.AdjustmentItem) []byte {
	dst = append(dst, `{"line_id":`...)
	dst = appendString(dst, item.LineID)
	dst = append(dst, `,"service":`...)
	dst = appendString(dst, item.Service)
	dst = append(dst, `,"amount_minor":`...)
	dst = appendInt(dst, item.Amount)
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
	dst = append(dst, `{"from":`...)
	dst = appendDate(dst, from)
	dst = append(dst, `,"to":`...)
	dst = appendDate(dst, to)
	dst = append(dst, `,"percent":`...)
	dst = appendInt(dst, percent)
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
	dst = append(dst, `{"package_id":`...)
	dst = appendUUID(dst, p.ID)
	dst = append(dst, `,"account_id":`...)
	dst = appendInt(dst, p.AccountID)
	dst = append(dst, `,"sms":`...)
	dst = appendInt(dst, p.SMS)
	dst = append(dst, `,"granted_on":`...)
	dst = appendDate(dst, p.GrantedOn)
	dst = append(dst, `,"period":`...)
	dst = appendPeriod(dst, p.Period)
	dst = append(dst, `,"invoice_id":`...)
	if p.InvoiceID == "" {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, p.InvoiceID)
	}
	dst = append(dst, `,"step":`...)
	dst = appendInt(dst, p.Step)
	return append(dst, `,"amount_minor":0}}`...)
}

// AppendAnnouncement appends the event of one announcement. An error means that
// its data has no form in JSON; dst is then as it was.
func (e *Encoder) AppendAnnouncement(dst []byte, a *models.Announcement) ([]byte, error) {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a.Data); err != nil {
		return dst, fmt.Errorf("encoding announcement %s: %w", a.ID, err)
	}
	dst = e.appendEnvelope(dst, a.ID, string(a.Type), a.At, a.AccountID)
	dst = append(dst, bytes.TrimSuffix(data.Bytes(), []byte("\n"))...)
	return append(dst, '}'), nil
}

// appendEnvelope appends all of an event before its data.
func (e *Encoder) appendEnvelope(dst []byte, id models.UUID, kind string, at time.Time, account int64) []byte {
	dst = append(dst, `{"specversion":"1.0","id":`...)
	dst = appendUUID(dst, id)
	dst = append(dst, `,"source":`...)
	dst = append(dst, e.source...)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, kind)
	dst = append(dst, `,"time":`...)
	dst = appendTime(dst, at)
	dst = append(dst, `,"subject":"`...)
	dst = appendInt(dst, account)
	return append(dst, `","datacontenttype":"application/json","data":`...)
}
