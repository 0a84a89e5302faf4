package finance

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
)

// DecisionStore is the methods of the storage that decisions on referrals use.
type DecisionStore interface {
	ConcernedBy(ctx context.Context, d models.StaffDecision) (histories []models.AccountHistory, codes map[string]int64, err error)
	Decide(ctx context.Context, d models.StaffDecision, act models.OperatorAction,
		check func(*models.WorkingSet, models.StaffDecision) (models.StaffDecision, error), derive models.DeriveFunc) (models.StaffDecision, error)
}

// decisionActs is what can be decided about referrals. Support promises a client that a
// code is accepted; money that is taken back is finance's.
func (s *Service) decisionActs() []Act {
	finance := []models.Role{models.RoleFinance}
	act := func(what models.OperatorActionKind, title string, roles []models.Role) Act {
		return Act{
			What: what, Roles: roles, Title: title, Apply: s.decide,
			Prepare: func(ctx context.Context, subject string) (Prepared, error) {
				return s.prepareDecision(ctx, what, subject)
			},
		}
	}
	return []Act{
		act(models.ActionRevoke, "Отозвать приведение", finance),
		act(models.ActionAcceptCode, "Принять код", []models.Role{models.RoleSupport, models.RoleFinance}),
		act(models.ActionUndo, "Отменить решение", finance),
	}
}

// prepareDecision says what a decision changes for every account that it touches.
func (s *Service) prepareDecision(ctx context.Context, what models.OperatorActionKind, subject string) (p Prepared, err error) {
	d, err := models.ParseDecisionSubject(what, subject)
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	histories, codes, err := s.o.Store.ConcernedBy(ctx, d)
	if err != nil {
		return p, err
	}
	preview, err := s.o.Programme.PreviewDecision(histories, codes, d)
	if err != nil {
		return p, refusedDecision(err)
	}
	p.Preview = preview.Preview()
	for i := range p.Preview.Changes {
		if sms := p.Preview.Changes[i].SMS; sms > 0 {
			p.Preview.Notes = append(p.Preview.Notes, fmt.Sprintf("Клиент %d получил пакет %s, который ему больше не положен. Пакет останется у клиента.", p.Preview.Changes[i].AccountID, ru.SMS(sms)))
		}
	}
	if len(preview.Accounts) == 0 {
		p.Preview.Notes = append(p.Preview.Notes, "Скидки и пакеты от этого не изменятся.")
	}
	d = preview.Decision
	p.Facts = []PreparedFact{
		{Name: "Клиент", Value: strconv.FormatInt(d.AccountID, 10), Link: ClientPath(d.AccountID)},
		{Name: "Пригласил", Value: strconv.FormatInt(d.InviterID, 10), Link: ClientPath(d.InviterID)},
	}
	switch what {
	case models.ActionRevoke:
		p.Facts = append(p.Facts, PreparedFact{Name: "Приведение не действует", Value: SinceWords(d.From)})
	case models.ActionAcceptCode:
		p.Facts = append(p.Facts, PreparedFact{Name: "Код", Value: d.Code}, PreparedFact{Name: "Считается введенным", Value: ru.Moment(d.RequestedAt, s.o.Programme.Zone)})
	case models.ActionUndo:
		p.Facts = append(p.Facts, PreparedFact{Name: "Отменяется решение", Value: d.Undoes.String()})
	}
	return p, nil
}

// SinceWords says in Russian from when a referral is revoked.
func SinceWords(from models.Date) string {
	if from == models.FromTheStart {
		return "с самого начала"
	}
	return "с " + ru.Date(from)
}

// decide takes a decision that another person has proposed.
func (s *Service) decide(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	d, err := models.DecisionOf(p, action.Approval.By)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	_, err = s.o.Store.Decide(ctx, d, action, s.o.Programme.CheckDecision, s.o.Programme.Derive(nil))
	return refusedDecision(err)
}

// decisionObstacles says in Russian why a decision is not possible.
var decisionObstacles = map[billing.DecisionObstacle]Refusal{
	billing.ObstacleUnregistered: "Клиент еще не зарегистрирован.",
	billing.ObstacleNoReferral:   "У клиента нет принятого кода: отзывать нечего.",
	billing.ObstacleRevoked:      "Приведение уже отозвано с этого или с более раннего дня.",
	billing.ObstacleEarlier:      "Приведение началось позже этого дня. Отзовите его с более позднего дня или с самого начала.",
	billing.ObstacleAccepted:     "У клиента уже есть принятый код.",
	billing.ObstacleUnknownCode:  "Такого кода ни у кого нет.",
	billing.ObstacleOwnCode:      "Это собственный код клиента.",
	billing.ObstacleTime:         "Такая дата невозможна.",
	billing.ObstacleNotEntered:   "Клиент не вводил этот код: укажите день, с которого он считается введенным.",
	billing.ObstacleUndone:       "Это решение уже отменено.",
	billing.ObstacleUndo:         "Это решение само отменяет другое. Примите новое решение.",
	billing.ObstacleUnknown:      "Такого решения нет.",
	billing.ObstacleNamed:        "Услуга уже есть в условиях: действует то, что сказано в них.",
	billing.ObstacleDecided:      "Об этой услуге уже решено. Чтобы решить иначе, сначала отмените то решение.",
}

// refusedDecision is a refusal in Russian, or the error as it is.
func refusedDecision(err error) error {
	var refusal *billing.DecisionRefusal
	if !errors.As(err, &refusal) {
		return err
	}
	if text, ok := decisionObstacles[refusal.Why]; ok {
		return text
	}
	return Refusal("Решение невозможно: " + refusal.Error())
}

// RevocationSubject is the subject of the act that revokes an account's referral from a
// day on, or from the start when no day is given. The error is a Refusal when the day
// cannot be read.
func RevocationSubject(account int64, from string) (string, error) {
	d := models.StaffDecision{Kind: models.DecisionRevoke, AccountID: account, From: models.FromTheStart}
	if from != "" {
		day, err := models.ParseDate(from)
		if err != nil {
			return "", Refusal("Укажите день полностью: например, 2026-05-01.")
		}
		d.From = day
	}
	return d.Subject(), nil
}

// AcceptanceSubject is the subject of the act that accepts a code for an account: the
// client's own request or, with a day, a new one. The error is a Refusal when there is
// no such request or the day cannot be read.
func (s *Service) AcceptanceSubject(ctx context.Context, account int64, code, on string) (string, error) {
	history, found, err := s.o.Store.AccountHistory(ctx, account)
	if err != nil {
		return "", err
	}
	if !found {
		return "", ErrUnknownAct
	}
	d := models.StaffDecision{Kind: models.DecisionAcceptCode, AccountID: account}
	if d.Code, d.RequestedAt, err = s.o.Programme.RequestToAccept(history.Activations, code, on); err != nil {
		if refused := refusedDecision(err); refused != err { //nolint:errorlint // the same error, not one like it
			return "", refused
		}
		return "", Refusal("Укажите день полностью: например, 2026-05-01.")
	}
	return d.Subject(), nil
}

// UndoSubject is the subject of the act that undoes a decision.
func UndoSubject(account int64, decision models.UUID) string {
	d := models.StaffDecision{Kind: models.DecisionUndo, AccountID: account, Undoes: decision}
	return d.Subject()
}
