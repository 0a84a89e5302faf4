package finance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"referral/internal/ru"
	"referral/models"
)

// Overriding is the details of a proposal to sign a month in spite of objections.
type Overriding struct {
	Why string   `json:"why"`
	Red []string `json:"red"` // what stood against it; nothing else is overridden
}

// signingActs is signing a month, and taking the signature back.
func (s *Service) signingActs() []Act {
	finance := []models.Role{models.RoleFinance}
	return []Act{
		{What: models.ActionClose, Roles: finance, Title: "Подписать месяц", OwnPage: true, Prepare: s.prepareClose, Apply: s.closeMonth},
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
	r := Request{What: models.ActionClose, Subject: period.String(), Reason: reason}
	if checks.Red {
		if override, err = checkReason(override); err != nil {
			return nil, Refusal("Не все готово к подписи. Напишите, почему месяц подписывают вопреки этому: не длиннее 500 знаков.")
		}
		r.Details, r.Notes = Overriding{override, checks.red()}, []string{"Вопреки возражениям: " + override}
	}
	return s.Submit(ctx, staff, r)
}

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
	p.Facts = []PreparedFact{{Name: "Месяц", Value: ru.MonthTitle(c.Period), Link: MonthPath(c.Period) + "/sign"}}
	for _, check := range c.List {
		if !check.OK {
			p.Facts = append(p.Facts, PreparedFact{Name: check.What, Value: strings.TrimSuffix("нет: "+check.Now, ": "), Link: check.Link})
		}
	}
	if c.Checked != nil {
		for _, t := range c.Checked.Overall {
			if t.Currency != "" {
				p.Preview.Notes = append(p.Preview.Notes, "Проведено скидок: "+ru.Off(t.Posted.Amount, t.Currency))
			} else {
				p.Preview.Notes = append(p.Preview.Notes, "Отправлено пакетов SMS: "+ru.Number(int(t.Posted.Count)))
			}
		}
	}
	return p, nil
}

// closeMonth signs a month by two persons.
func (s *Service) closeMonth(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	c, err := s.subjectChecks(ctx, p.Subject)
	if err != nil {
		return err
	}
	var override Overriding
	if p.Details != nil {
		if err := json.Unmarshal(p.Details, &override); err != nil {
			return fmt.Errorf("reading the details of proposal %d: %w", p.ID, err)
		}
	}
	signature := models.Signature{
		Period: c.Period, Who: action.Who, Role: action.Role, Reason: p.Reason, Objections: c.Objections(),
		ProposedBy: p.Proposer.Name, ProposedAt: p.ProposedAt, Approval: action.Approval,
	}
	_, err = s.o.Sign(ctx, signature)
	var no *models.NotClosed
	if errors.As(err, &no) && override.covers(no) {
		signature.Override = override.Why
		_, err = s.o.Sign(ctx, signature)
	}
	switch {
	case errors.As(err, &no) && no.Already != nil:
		return Refusal("Месяц уже подписан: " + no.Already.Who + ", " + ru.Moment(no.Already.At, s.o.Programme.Zone) + ".")
	case errors.As(err, &no):
		var reasons []string
		for _, reason := range slices.Concat(no.Obstacles, no.Objections) {
			reasons = append(reasons, ObjectionWords(reason))
		}
		return Refusal("Подписать нельзя: " + strings.Join(reasons, "; ") + ".")
	case errors.Is(err, models.ErrPostedMeanwhile):
		return Refusal("Пока месяц сверяли, расчет провел в него документы. Попробуйте еще раз.")
	}
	return err
}

// covers tells whether a month may be signed against what has been found: all of it
// stood against it when it was proposed.
func (o *Overriding) covers(no *models.NotClosed) bool {
	if o.Why == "" || no.Already != nil || len(no.Obstacles) > 0 {
		return false
	}
	return !slices.ContainsFunc(no.Objections, func(recorded string) bool { return !slices.Contains(o.Red, checkOf(recorded)) })
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
