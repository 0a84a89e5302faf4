package pages

import (
	"time"

	"referral/internal/ru"
	"referral/models"
	"referral/web/portal"
)

// codeInput is a code in the field: from a link, or typed and refused.
type codeInput struct {
	Typed  string
	Words  string // why it was refused; empty if it was not
	Status int
}

// codeForm is the field for an invitation code, or the sentence in its place.
type codeForm struct {
	Shown   bool // the field; otherwise Instead, if it is not empty
	Typed   string
	Key     string
	Error   string
	Within  string // "в течение месяца после регистрации АТС"
	Until   string // last day, in words; empty while it is unknown
	UntilOn string // the same in ISO 8601
	Left    string // time left, in words
	Seconds int64  // the same in seconds, for the countdown
	Instead string
}

func (p *Pages) codeForm(s *portal.Overview, t codeInput) codeForm {
	f := codeForm{Typed: t.Typed, Error: t.Words, Key: p.o.NewKey(), Within: within(s.Window.Months)}
	switch {
	case s.Joined != nil, s.Terminated:
	case s.Pending:
		f.Instead = "Ваш код сохранен. Мы проверим его, как только поступят сведения о регистрации вашей АТС: вводить его еще раз не нужно."
	case !s.Registered:
		f.Shown = true
	case s.Window.Open:
		f.Shown = true
		f.until(s.Window.LastDay, s.Window.ClosesAt.Sub(p.o.Now()))
	default:
		f.Instead = "Срок ввода кода-приглашения закончился " + ru.DateInWords(s.Window.LastDay) +
			": код можно ввести " + f.Within + "."
	}
	return f
}

// within is when a code may be entered; 0 months is the day of the registration.
func within(months int) string {
	if months == 0 {
		return "только в день регистрации АТС"
	}
	return "в течение " + ru.OfMonths(months) + " после регистрации АТС"
}

func (f *codeForm) until(last models.Date, left time.Duration) {
	f.Until, f.UntilOn = ru.DateInWords(last), last.String()
	f.Left, f.Seconds = ru.Left(left), max(0, int64(left/time.Second))
}
