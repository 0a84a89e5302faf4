package kafka

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"referral/models"
)

// Type is the type of the events.
const Type = "referral.invitation.v1"

type event struct {
	SpecVersion     string      `json:"specversion"`
	ID              models.UUID `json:"id"`
	Source          string      `json:"source"`
	Type            string      `json:"type"`
	Time            time.Time   `json:"time"`
	Subject         string      `json:"subject"`
	DataContentType string      `json:"datacontenttype"`
	Data            invitation  `json:"data"`
}

type invitation struct {
	ID         models.UUID    `json:"invitation_id"`
	AccountID  int64          `json:"account_id"`
	Channel    models.Channel `json:"channel"`
	Recipient  string         `json:"recipient"`
	Code       string         `json:"code"`
	Link       string         `json:"link"`
	OptOutLink string         `json:"opt_out_link"`
	Subject    *string        `json:"subject,omitempty"` // of an e-mail
	Text       string         `json:"text"`
}

// Event returns an invitation as CloudEvents 1.0 in JSON. Its id is that of the
// invitation, at every attempt.
func Event(m *models.InvitationMessage) ([]byte, error) {
	data := invitation{
		ID: m.ID, AccountID: m.AccountID, Channel: m.Channel, Recipient: m.Recipient,
		Code: m.Code, Link: m.Link, OptOutLink: m.OptOutLink, Text: m.Text,
	}
	if m.Channel == models.Email {
		data.Subject = &m.Subject
	}
	var w bytes.Buffer
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	err := enc.Encode(event{
		SpecVersion: "1.0", ID: m.ID, Source: "/referral", Type: Type, Time: m.CreatedAt.UTC(),
		Subject: strconv.FormatInt(m.AccountID, 10), DataContentType: "application/json", Data: data,
	})
	return bytes.TrimSuffix(w.Bytes(), []byte("\n")), err
}
