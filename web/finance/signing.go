package finance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"referral/internal/ru"
	"referral/models"
)

// Overriding is the details of a proposal to sign a month, in spite of objections perhaps.
type Overriding struct {
	Why      string                `json:"why,omitempty"`
	Red      []string              `json:"red,omitempty"` // what stood against it; nothing else is overridden
	Register *models.CountedAmount `json:"register"`      // what was posted into the month: nothing else is signed
}

// SigningStore is the methods of the storage that signing uses beside those of the month.
type SigningStore interface {
	LastSigning(ctx context.Context, p models.Period) (o models.RunOrder, found bool, err error)
	SignAgain(ctx context.Context, p models.Period, act models.OperatorAction) (made bool, err error)
}

// signingActs is signing a month, and taking the signature back.
func (s *Service) signingActs() []Act {
	finance := []models.Role{models.RoleFinance}
	return []Act{
		{What: models.ActionClose, Roles: finance, Title: "Подписать месяц", OwnPage: true, Prepare: s.prepareClose, Apply: s.closeMonth, Then: signPage},
		{What: models.ActionSignAgain, Roles: MaySignAgain, Alone: true, Title: "Повторить подпись", Prepare: s.prepareSignAgain, Apply: s.signAgain, Then: signPage},
		{What: models.ActionReopen, Roles: finance, Title: "Отозвать подпись месяца", OwnPage: true, Prepare: s.prepareReopen, Apply: s.reopenMonth},
	}
}

// ProposeClose proposes to sign a month; override says why in spite of what stands
// against it, and is required when something does.
func (s *Service) ProposeClose(ctx context.Context, staff models.Staff, period models.Period, reason, override string) (*models.Proposal, error) {
	checks, found, err := s.Checks(ctx, period)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrUnknownAct
	}
	register := checks.Register()
	details := Overriding{Register: &register}
	r := Request{What: models.ActionClose, Subject: period.String(), Reason: reason}
	if checks.Red {
		if override, err = checkReason(override); err != nil {
			return nil, Refusal("Не все готово к подписи. Напишите, почему месяц подписывают вопреки этому: не длиннее 500 знаков.")
		}
		details.Why, details.Red, r.Notes = override, checks.red(), []string{"Вопреки возражениям: " + override}
	}
	r.Details = details
	return s.Submit(ctx, staff, r)
}

// signPage is the page of the signature of a month that an act is about.
func signPage(subject string) string { return BasePath + "/months/" + subject + "/sign" }

// subjectChecks is the checks of the month that an act is about.
func (s *Service) subjectChecks(ctx context.Context, subject string) (Checks, error) {
	period, err := models.ParsePeriod(subject)
	if err != nil {
		return Checks{}, fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	checks, found, err := s.Checks(ctx, period)
	if err == nil && !found {
		err = fmt.Errorf("%w: month %s", ErrUnknownAct, period)
	}
	return checks, err
}

func (s *Service) prepareClose(ctx context.Context, subject string) (p Prepared, err error) {
	c, err := s.subjectChecks(ctx, subject)
	switch {
	case err != nil:
		return p, err
	case c.State == models.PeriodClosed:
		return p, Refusal("Месяц уже подписан.")
	case c.State == models.PeriodOpen:
		return p, Refusal("Месяц еще не рассчитан: подписывать нечего.")
	}
	if o, _, err := s.Signing(ctx, c.Period); err != nil {
		return p, err
	} else if o != nil && o.Active() {
		return p, Refusal("Месяц уже подписывается.")
	}
	p.Facts = []PreparedFact{{Name: "Месяц", Value: ru.MonthTitle(c.Period), Link: MonthPath(c.Period) + "/sign"}}
	for _, check := range c.List {
		if !check.OK {
			p.Facts = append(p.Facts, PreparedFact{Name: check.What, Value: strings.TrimSuffix("нет: "+check.Now, ": "), Link: check.Link})
		}
	}
	register := c.Register()
	p.Preview.Notes = []string{"Реестр месяца: документов " + ru.Number(int(register.Count)) + ", на сумму " + ru.Off(register.Amount, "")}
	if c.Fresh() {
		for _, t := range c.Checked.Overall {
			if t.Currency != "" {
				p.Preview.Notes = append(p.Preview.Notes, "Проведено скидок за месяц: "+ru.Off(t.Posted.Amount, t.Currency))
			} else {
				p.Preview.Notes = append(p.Preview.Notes, "Отправлено пакетов SMS: "+ru.Number(int(t.Posted.Count)))
			}
		}
	}
	return p, nil
}

// closeMonth orders the signature of a month, by two persons.
func (s *Service) closeMonth(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	c, err := s.subjectChecks(ctx, p.Subject)
	if err != nil {
		return err
	}
	override, err := detailsOf[Overriding](p)
	if err != nil {
		return err
	}
	if register := c.Register(); override.Register != nil && *override.Register != register {
		return Refusal(fmt.Sprintf("После того как подпись предложили, реестр месяца изменился: стало документов %s, на сумму %s. Отклоните это предложение: нужно новое.",
			ru.Number(int(register.Count)), ru.Off(register.Amount, "")))
	}
	known := models.Signature{Objections: c.Objections(), Override: override.Why, Against: override.objections()}
	switch {
	case c.State == models.PeriodClosed && c.Signed != nil:
		return Refusal("Месяц уже подписан: " + c.Signed.Who + ", " + ru.Moment(c.Signed.At, s.o.Programme.Zone) + ".")
	case !known.Overrides(known.Objections):
		return Refusal("Подписать нельзя: " + objectionList(known.Objections) + ".")
	}
	_, _, err = s.o.Store.OrderRun(ctx, models.RunOrder{Period: c.Period, What: models.OrderSign, By: action.Approval.By, Signing: &models.Signing{
		Role: action.Role, Reason: p.Reason, ProposedBy: p.Proposer.Name, ProposedAt: p.ProposedAt,
		Override: known.Override, Against: known.Against, Objections: known.Objections, Register: override.Register,
	}}, action)
	return err
}

// prepareSignAgain says whose approval a signature that has failed is tried again by. What
// stands against it is looked for again: the approval covers what it covered.
func (s *Service) prepareSignAgain(ctx context.Context, subject string) (p Prepared, err error) {
	c, err := s.subjectChecks(ctx, subject)
	if err != nil {
		return p, err
	}
	o, _, err := s.Signing(ctx, c.Period)
	switch {
	case err != nil:
		return p, err
	case o == nil || c.State == models.PeriodClosed:
		return p, Refusal("Повторять нечего: подпись не срывалась.")
	case o.Active():
		return p, Refusal("Месяц уже подписывается.")
	}
	again, allowed := o.Again(s.o.Now())
	if !allowed {
		return p, refusedAgain
	}
	p.Facts = []PreparedFact{
		{Name: "Месяц", Value: ru.MonthTitle(c.Period), Link: signPage(subject)},
		{Name: "Подпись не состоялась", Value: SigningFailed(o)},
		{Name: "Предложил", Value: again.Signing.ProposedBy},
		{Name: "Утвердил", Value: again.By.Name + ", " + ru.Moment(again.Signing.ApprovedAt, s.o.Programme.Zone)},
	}
	p.Preview.Notes = []string{"Под подписью останутся имена предложившего и утвердившего. Все проверки будут сделаны заново: утверждение не распространяется ни на возражения, которых при нем не было, ни на другой реестр месяца."}
	return p, nil
}

const refusedAgain = Refusal("Подпись нельзя повторить: утверждение действует сутки. Предложите подпись снова.")

func (s *Service) signAgain(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	period, err := models.ParsePeriod(p.Subject)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	made, err := s.o.Store.SignAgain(ctx, period, action)
	if err == nil && !made {
		err = refusedAgain
	}
	return err
}

// objections is how the objections begin that the month is signed in spite of: all that
// stood against it when that was proposed.
func (o *Overriding) objections() []string {
	begin := []string{}
	for _, objection := range objections {
		if objection.check != "" && slices.Contains(o.Red, objection.check) {
			begin = append(begin, objection.recorded)
		}
	}
	return begin
}

func objectionList(recorded []string) string {
	var words []string
	for _, reason := range recorded {
		words = append(words, ObjectionWords(reason))
	}
	return strings.Join(words, "; ")
}

// SigningFailed is in Russian why a month was not signed by an order.
func SigningFailed(o *models.RunOrder) string {
	if o.Signing != nil && len(o.Signing.Refused) > 0 {
		return objectionList(o.Signing.Refused)
	}
	return o.Error
}

// Signing is the newest order to sign a month while it has not ended, and when it has
// failed; nil otherwise.
func (s *Service) Signing(ctx context.Context, period models.Period) (o *models.RunOrder, idle Idle, err error) {
	last, found, err := s.o.Store.LastSigning(ctx, period)
	if err != nil || !found || last.State == models.OrderDone {
		return nil, idle, err
	}
	idle, err = s.Idle(ctx, last)
	return &last, idle, err
}

func (s *Service) prepareReopen(ctx context.Context, subject string) (p Prepared, err error) {
	c, err := s.subjectChecks(ctx, subject)
	switch {
	case err != nil:
		return p, err
	case c.State != models.PeriodClosed:
		return p, Refusal("Месяц не подписан.")
	}
	p.Facts = []PreparedFact{{Name: "Месяц", Value: ru.MonthTitle(c.Period), Link: MonthPath(c.Period) + "/sign"}}
	if c.Signed != nil {
		p.Facts = append(p.Facts, PreparedFact{Name: "Подписан", Value: c.Signed.Who + ", " + ru.Moment(c.Signed.At, s.o.Programme.Zone)})
	}
	p.Preview.Notes = []string{"Поздние изменения будут снова проводиться в этот месяц. Подписанный отчет останется."}
	return p, nil
}

// reopenMonth takes a signature back, by two persons.
func (s *Service) reopenMonth(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	period, err := models.ParsePeriod(p.Subject)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	err = s.o.Store.ReopenPeriod(ctx, period, action)
	var no *models.NotReopened
	if errors.As(err, &no) {
		return Refusal("Отозвать подпись нельзя: " + ObjectionWords(no.Why) + ".")
	}
	return err
}
