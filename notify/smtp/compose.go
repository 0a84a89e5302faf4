package smtp

import (
	"fmt"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"referral/models"
)

// compose returns the e-mail: plain text and HTML, with the headers of an automatic
// message that the recipient can unsubscribe from with one click (RFC 2369, 3834 and
// 8058). Its Message-ID is that of the invitation, at every attempt.
func (s *Sender) compose(m *models.InvitationMessage) (*gomail.Msg, error) {
	to, err := mail.ParseAddress(m.Recipient)
	if err != nil || to.Address != m.Recipient || hasControl(m.Recipient) || hasControl(m.Subject) || hasControl(m.OptOutLink) {
		// The error of the parser quotes the address.
		return nil, fmt.Errorf("smtp: %w: its address, subject or link cannot be a header", models.ErrMessageRefused)
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.from)
	msg.ToMailAddress(to)
	msg.Subject(m.Subject)
	msg.SetDateWithValue(s.o.Now())
	msg.SetMessageIDWithValue(m.ID.String() + s.o.From[strings.LastIndexByte(s.o.From, '@'):])
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBulk()
	if err := msg.SetListUnsubscribeOneClick(m.OptOutLink); err != nil {
		msg.SetListUnsubscribe(m.OptOutLink) // one click requires https
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}
