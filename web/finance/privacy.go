package finance

import (
	"context"
	"fmt"
	"strconv"

	"referral/models"
)

// PrivacyStore is the methods of the storage that erasing personal data uses.
type PrivacyStore interface {
	Erase(ctx context.Context, account int64, act models.OperatorAction) (erased bool, err error)
}

// privacyActs is what is done with the personal data of a client. Its subject is an account.
func (s *Service) privacyActs() []Act {
	return []Act{{
		What: models.ActionErase, Roles: []models.Role{models.RoleSupport, models.RoleFinance}, Title: "Стереть персональные данные",
		Prepare: s.prepareErasure, Apply: s.erase,
	}}
}

const nothingToErase = Refusal("Данных этого клиента нет, или они уже стерты.")

func (s *Service) prepareErasure(ctx context.Context, subject string) (p Prepared, err error) {
	account, err := strconv.ParseInt(subject, 10, 64)
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	history, found, err := s.o.Store.AccountHistory(ctx, account)
	if err != nil {
		return p, err
	}
	if !found || !history.Account.ErasedAt.IsZero() {
		return p, nothingToErase
	}
	p.Facts = []PreparedFact{{Name: "Клиент", Value: subject, Link: ClientPath(account)}}
	p.Preview.Notes = []string{
		"Навсегда стираются название, ИНН и контакты клиента, адреса его приглашений, сеансы и ответы на запросы в личном кабинете, тела отложенных сообщений о нем.",
		"Дни, проценты и суммы остаются под номером клиента. Приглашения, которые ждут отправки, не уйдут.",
		"Отменить это нельзя. Не пишите персональные данные в причине: она остается в журнале.",
	}
	return p, nil
}

// erase erases the data of a client, as another person has proposed.
func (s *Service) erase(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	account, err := strconv.ParseInt(p.Subject, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	erased, err := s.o.Store.Erase(ctx, account, action)
	if err == nil && !erased {
		return nothingToErase
	}
	return err
}
