package pages

import (
	"cmp"
	"strings"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
	"referral/web/portal"
)

// joiningView is the page of a client that does not take part yet.
type joiningView struct {
	Done    string
	Summary *summary
	Left    string // that the account is terminated; empty while it is not
	Notices []string
	Code    codeForm
	Offer   string // the discount that a code brings; empty for none
	Steps   []billing.PortalStep
}

// homeView is the main page.
type homeView struct {
	Overview *portal.Overview
	Done     string // what was just done; empty for nothing
	Summary  *summary
	Notices  []string
	Discount discountView
	Form     codeForm
	Late     string // that the time for a code is over, as a hint; empty when it is not, or a notice says so
	Offer    string // the discount that a code brings; empty for none
	Invite   inviteForm
}

// summary is an error at the top of the page, with a link to its field.
type summary struct {
	Head  string
	Words string
	Field string // its id; empty when it is not shown
}

// discountView is what the client has today.
type discountView struct {
	Percent string // "40%"; empty for none
	Until   string // last day in words; empty if unknown
	Parts   []string
	Next    string // what the next friend brings
	Own     string // about the discount of a new client, when it is not a part
}

func (p *Pages) joiningView(s *portal.Overview, t codeInput, done string) joiningView {
	v := joiningView{Code: p.codeForm(s, t), Offer: offer(s.Offer), Steps: s.Steps}
	v.Summary = codeSummary(v.Code)
	switch {
	case s.Terminated:
		v.Left = "Ваша АТС отключена, поэтому скидки по реферальной программе на нее больше не предоставляются."
	case s.TerminatedOn != 0:
		v.Notices = []string{leavingWords(s.TerminatedOn)}
	}
	if done == doneWaiting && s.Pending {
		v.Done = "Код сохранен."
	}
	return v
}

// offer is "20% на первые 3 месяца".
func offer(o billing.Offer) string {
	if o.Percent == 0 {
		return ""
	}
	return ru.Percent(o.Percent) + " на " + ru.FirstMonths(o.Months)
}

func codeSummary(f codeForm) *summary {
	if f.Error == "" {
		return nil
	}
	found := &summary{Head: "Код не применен", Words: f.Error}
	if f.Shown {
		found.Field = "code"
	}
	return found
}

func (p *Pages) homeView(s *portal.Overview, t codeInput, done string) homeView {
	v := homeView{
		Done: doneWords(s, done), Notices: notices(s), Overview: s, Offer: offer(s.Offer),
		Discount: discountOf(s), Form: p.codeForm(s, t),
		Invite: p.inviteForm(models.Email),
	}
	v.Summary = codeSummary(v.Form)
	if !s.Pending {
		v.late(t)
	}
	return v
}

// late moves the sentence in the place of the field to a hint, because most clients that
// take part know it. A client that has just followed a link with a code gets a notice.
func (v *homeView) late(t codeInput) {
	linked := t.Typed != "" && t.Words == ""
	if linked && v.Form.Instead != "" {
		v.Notices = append(v.Notices, v.Form.Instead)
	} else {
		v.Late = v.Form.Instead
	}
	v.Form.Instead = ""
}

// doneWords trusts the facts and not the URL, which anyone can write.
func doneWords(s *portal.Overview, done string) string {
	switch {
	case done == doneActivated && s.Joined != nil:
		return "Код принят: вы подключены к реферальной программе."
	case done == doneWaiting && s.Pending:
		return "Код сохранен."
	case done == doneJoined && s.Joined == nil && !s.Terminated:
		return "Вы вступили в программу. Поделитесь своим кодом, чтобы получить скидку."
	}
	return ""
}

func notices(s *portal.Overview) []string {
	var list []string
	switch {
	case s.Terminated:
		list = append(list, "Ваша АТС отключена, поэтому скидки больше не действуют. История скидок остается доступной.")
	case s.TerminatedOn != 0:
		list = append(list, leavingWords(s.TerminatedOn))
	}
	if s.Code == "" && !s.Terminated {
		list = append(list, "Сведения о регистрации вашей АТС еще не поступили. Ваш личный код появится здесь, как только они придут.")
	}
	return list
}

func leavingWords(on models.Date) string {
	return "Ваша АТС будет отключена " + ru.DateInWords(on) + ". Последний день, когда могут действовать скидки, — " + ru.DateInWords(on-1) + "."
}

// groups divides a code into groups of three, which are easier to read aloud.
func groups(code string) []string {
	var parts []string
	for len(code) > 3 {
		parts, code = append(parts, code[:3]), code[3:]
	}
	if code != "" {
		parts = append(parts, code)
	}
	return parts
}

func discountOf(s *portal.Overview) discountView {
	c, v := s.Current, discountView{Own: ownDiscount(s), Next: nextFriend(s)}
	if c.Percent == 0 {
		return v
	}
	v.Percent = ru.Percent(c.Percent)
	if c.Until > s.Today {
		v.Until = ru.DateInWords(c.Until - 1)
	}
	if c.Inviter > 0 {
		v.Parts = append(v.Parts, ru.Percent(c.Inviter)+" за приведенных клиентов")
	}
	if c.Invitee > 0 {
		v.Parts = append(v.Parts, ru.Percent(c.Invitee)+" новому клиенту по коду-приглашению")
	}
	if c.Agreed > 0 {
		v.Parts = append(v.Parts, ru.Percent(c.Agreed)+" по отдельной договоренности")
	}
	return v
}

// ownDiscount is the discount of a new client that has not begun.
func ownDiscount(s *portal.Overview) string {
	switch {
	case s.Promised != nil:
		return promised(s.Promised)
	case s.Invitee != nil && s.Invitee.From > s.Today:
		return "Скидка новому клиенту " + ru.Percent(s.Invitee.Percent) + " будет действовать " +
			ru.DaysBetween(s.Invitee.From, s.Invitee.To) + "."
	}
	return ""
}

func promised(d *billing.PromisedInvitee) string {
	text := "Вам обещана скидка " + ru.Percent(d.Percent) + " на " + ru.Months.Count(d.Months) +
		". Она начнет действовать после окончания промо-периода"
	if planned, err := models.ParseDate(d.PromoUntil); err == nil {
		text += " (по плану — " + ru.DateInWords(planned) + ")"
	}
	return text + "."
}

func nextFriend(s *portal.Overview) string {
	n := s.Next
	if n.Step == 0 || s.Terminated || s.Code == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(nextPercent(n.Percent, s.Current.Inviter))
	// Nothing is extended beyond an announced termination.
	if s.Current.Inviter > 0 && n.Percent >= s.Current.Inviter && n.End != s.TerminatedOn {
		b.WriteString(" и продлит ее")
	}
	b.WriteString(" по " + ru.DateInWords(n.End-1) + " включительно")
	if n.SMS > 0 {
		b.WriteString(" и принесет пакет из " + ru.SMS(n.SMS))
	}
	return b.String() + "."
}

func nextPercent(next, now int) string {
	switch cmp.Compare(next, now) {
	case 0:
		return "Следующий приведенный клиент сохранит скидку " + ru.Percent(next)
	case 1:
		if now > 0 {
			return "Следующий приведенный клиент увеличит скидку за друзей с " + ru.Percent(now) + " до " + ru.Percent(next)
		}
	}
	return "Следующий приведенный клиент даст вам скидку " + ru.Percent(next)
}

// packagePlan names the month whose run sends a package, unless the month is over: the
// run may be late.
func packagePlan(month, now models.Period) string {
	if month < now {
		return "ожидает подключения"
	}
	return "подключим с" + ru.Space + "расчетом за" + ru.Space + ru.Month(month)
}
