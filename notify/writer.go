package notify

import (
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"io"
	"net/url"
	"strconv"
	"strings"
	text "text/template"
	"time"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
)

//go:embed templates
var templates embed.FS

// WriterOptions configures a writer. All are required.
type WriterOptions struct {
	PublicURL string             // of the personal account, without a path
	Brand     string             // of the service: «t2 АТС»
	Programme *billing.Programme // for the terms of a new client
	Now       func() time.Time
}

// Writer writes the messages. They name neither the client that invites nor the
// recipient.
type Writer struct {
	o     WriterOptions
	plain *text.Template
	page  *html.Template
}

// NewWriter returns a writer. It refuses missing and invalid options.
func NewWriter(o WriterOptions) (*Writer, error) {
	if o.Programme == nil || o.Now == nil || o.Brand == "" {
		return nil, errors.New("notify: a writer needs a brand, a programme and a clock")
	}
	if strings.ContainsAny(o.Brand, "\r\n") {
		return nil, errors.New("notify: the brand must be one line")
	}
	if u, err := url.Parse(o.PublicURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("notify: the public address must be like https://lk.example.ru")
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	w := &Writer{o: o}
	var err error
	if w.plain, err = text.ParseFS(templates, "templates/*.txt"); err != nil {
		return nil, fmt.Errorf("notify: reading the texts: %w", err)
	}
	if w.page, err = html.ParseFS(templates, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("notify: reading the texts: %w", err)
	}
	return w, nil
}

// content is the data of the templates.
type content struct {
	Brand   string
	Code    string
	Link    string
	OptOut  string
	Percent int
	Months  string // "3 месяца"
	First   string // "первые 3 месяца"
	Short   string // "3 мес."
	Within  string // "в течение месяца после регистрации"
	Term    string // "месяц"
}

// Write returns the message of an invitation.
func (w *Writer) Write(c *models.ClaimedInvitation) (*models.InvitationMessage, error) {
	terms := w.o.Programme.TermsOn(w.o.Programme.Local(w.o.Now()))
	l := content{
		Brand: w.o.Brand, Code: c.Code,
		Link:    w.o.PublicURL + "/referral?code=" + url.QueryEscape(c.Code),
		OptOut:  w.o.PublicURL + "/referral/opt-out/" + url.PathEscape(c.Token),
		Percent: terms.Invitee.Percent, Months: breakable(ru.Months.Count(terms.Invitee.Months)), First: breakable(ru.FirstMonths(terms.Invitee.Months)),
		Short: strconv.Itoa(terms.Invitee.Months) + " мес.", Within: within(terms.WindowMonths), Term: term(terms.WindowMonths),
	}
	m := &models.InvitationMessage{
		ID: c.Claim.ID, AccountID: c.Claim.AccountID, Channel: c.Channel, Recipient: c.Recipient, Code: c.Code,
		Link: l.Link, OptOutLink: l.OptOut, CreatedAt: c.CreatedAt,
	}
	return m, w.fill(m, l)
}

func (w *Writer) fill(m *models.InvitationMessage, l content) error {
	if m.Channel == models.SMS {
		return execute(w.plain.Lookup("sms.txt"), l, &m.Text)
	}
	return errors.Join(
		execute(w.plain.Lookup("subject.txt"), l, &m.Subject),
		execute(w.plain.Lookup("mail.txt"), l, &m.Text),
		execute(w.page.Lookup("mail.html"), l, &m.HTML),
	)
}

func execute(t interface{ Execute(io.Writer, any) error }, l content, into *string) error {
	var b strings.Builder
	if err := t.Execute(&b, l); err != nil {
		return fmt.Errorf("notify: writing a message: %w", err)
	}
	*into = strings.TrimSpace(b.String())
	return nil
}

// breakable replaces non-breaking spaces, which SMS cannot encode cheaply.
func breakable(text string) string { return strings.ReplaceAll(text, ru.Space, " ") }

// within returns until when a code may be entered, in Russian.
func within(n int) string {
	switch {
	case n == 0:
		return "в день регистрации"
	case n == 1:
		return "в течение месяца после регистрации"
	case n%10 == 1 && n%100 != 11:
		return "в течение " + strconv.Itoa(n) + " месяца после регистрации"
	}
	return "в течение " + strconv.Itoa(n) + " месяцев после регистрации"
}

// term is a short form of [within].
func term(n int) string {
	switch n {
	case 0:
		return "день"
	case 1:
		return "месяц"
	}
	return strconv.Itoa(n) + " мес."
}
