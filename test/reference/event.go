package reference

import (
	"encoding/json"
	"fmt"
	"time"

	"referral/models"
)

// event is a CloudEvent of either mode.
type event struct {
	ID     string          `json:"id"`
	Source string          `json:"source"`
	Type   string          `json:"type"`
	Time   time.Time       `json:"time"`
	Data   json.RawMessage `json:"data"`
}

func read(headers []models.Header, value []byte) (event, error) {
	for _, h := range headers {
		if h.Key == "ce_type" {
			return readBinary(headers, value)
		}
	}
	var e event
	if err := json.Unmarshal(value, &e); err != nil {
		return e, fmt.Errorf("reading a structured event: %w", err)
	}
	return e, nil
}

func readBinary(headers []models.Header, value []byte) (event, error) {
	e := event{Data: value}
	for _, h := range headers {
		switch h.Key {
		case "ce_id":
			e.ID = string(h.Value)
		case "ce_source":
			e.Source = string(h.Value)
		case "ce_type":
			e.Type = string(h.Value)
		case "ce_time":
			at, err := time.Parse(time.RFC3339Nano, string(h.Value))
			if err != nil {
				return e, fmt.Errorf("reading a binary event: %w", err)
			}
			e.Time = at
		}
	}
	return e, nil
}

type registered struct {
	AccountID    int64     `json:"account_id"`
	TaxID        string    `json:"tax_id"`
	RegisteredAt time.Time `json:"registered_at"`
}

type promoEnded struct {
	AccountID int64     `json:"account_id"`
	EndedAt   time.Time `json:"promo_ended_at"`
}

type terminated struct {
	AccountID    int64     `json:"account_id"`
	TerminatedAt time.Time `json:"terminated_at"`
}

type activation struct {
	AccountID   int64     `json:"account_id"`
	Code        string    `json:"code"`
	RequestedAt time.Time `json:"requested_at"`

	event string
}

type invoice struct {
	ID        string `json:"invoice_id"`
	AccountID int64  `json:"account_id"`
	Period    string `json:"period"`
	Revision  int    `json:"revision"`
	Lines     []line `json:"lines"`
}

type line struct {
	ID      string `json:"line_id"`
	Service string `json:"service"`
	From    string `json:"from"`
	To      string `json:"to"`
	Amount  int64  `json:"amount_minor"`
}
