package fakebilling

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// Posting is an adjustment or a package as billing reads it.
type Posting struct {
	ID            string // of the adjustment or package
	AccountID     int64
	InvoiceID     string
	PostingPeriod string // month, "2026-04"
	Amount        int64  // in minor units; 0 for a package
	SMS           int    // in the package; 0 for an adjustment
	At            time.Time
}

// envelope is a structured CloudEvent of either kind of posting.
type envelope struct {
	Type string    `json:"type"`
	Time time.Time `json:"time"`
	Data struct {
		AdjustmentID  string  `json:"adjustment_id"`
		PackageID     string  `json:"package_id"`
		AccountID     int64   `json:"account_id"`
		InvoiceID     *string `json:"invoice_id"`
		Period        string  `json:"period"`
		PostingPeriod string  `json:"posting_period"`
		Amount        int64   `json:"amount_minor"`
		SMS           int     `json:"sms"`
	} `json:"data"`
}

func readPosting(m *kafka.Message) (Posting, error) {
	var e envelope
	if err := json.Unmarshal(m.Value, &e); err != nil {
		return Posting{}, fmt.Errorf("reading: %w", err)
	}
	d := &e.Data
	p := Posting{
		ID: d.AdjustmentID, AccountID: d.AccountID, PostingPeriod: d.PostingPeriod, Amount: d.Amount, SMS: d.SMS, At: e.Time,
	}
	if e.Type == "referral.sms-package.v1" {
		p.ID, p.PostingPeriod = d.PackageID, d.Period
	}
	if d.InvoiceID != nil {
		p.InvoiceID = *d.InvoiceID
	}
	if p.At.IsZero() {
		p.At = m.Time
	}
	if p.ID == "" || p.AccountID == 0 {
		return Posting{}, errors.New("no id or no account")
	}
	return p, nil
}

// booked is the amount that billing says it has booked.
func (d decided) booked() int64 {
	if d.Answer.Amount != nil {
		return *d.Answer.Amount
	}
	return d.Posting.Amount
}

// message is the answer as an event. All of it follows from the posting, even
// its time: an answer given again after a crash must be the same event.
func (d decided) message() kafka.Message {
	data := map[string]any{
		"adjustment_id": d.ID, "status": d.Status, "amount_minor": d.booked(), "at": d.At.UTC(),
	}
	if d.Reason != "" {
		data["reason"] = d.Reason
	}
	account := strconv.FormatInt(d.AccountID, 10)
	value, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": "result-" + d.ID, "source": "/billing", "type": "billing.adjustment-result.v1",
		"time": d.At.UTC(), "subject": account, "datacontenttype": "application/json", "data": data,
	})
	if err != nil {
		panic(fmt.Sprintf("an answer of plain values: %v", err))
	}
	return kafka.Message{
		Key: []byte(account), Value: value,
		Headers: []kafka.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}},
	}
}
