package finance

import (
	"context"
	"fmt"
	"strconv"

	"referral/models"
	"referral/privacy"
)

// PrivacyStore is the methods of the storage that erasing and handing out personal data use.
type PrivacyStore interface {
	privacy.Store
	RecordAction(ctx context.Context, a models.OperatorAction) error
	Erase(ctx context.Context, account int64, act models.OperatorAction) (erased bool, err error)
}

// privacyActs is what is done with the personal data of a client. Its subject is an account.
func (s *Service) privacyActs() []Act {
	return []Act{{
		What: models.ActionErase, Roles: []models.Role{models.RoleSupport, models.RoleFinance}, Title: "Стереть персональные данные",
		Prepare: s.prepareErasure, Apply: s.erase,
	}}
}

// PersonalData is all that is stored about a client, for the client to have. Who asked for
// it is recorded before it is handed out. found is false when nothing is known of the
// account.
func (s *Service) PersonalData(ctx context.Context, account int64, staff *models.Staff) (d *privacy.Data, found bool, err error) {
	if d, found, err = privacy.Collect(ctx, s.o.Store, s.o.Programme, account, s.o.Now()); err != nil || !found {
		return nil, false, err
	}
	err = s.o.Store.RecordAction(ctx, models.OperatorAction{Who: staff.Name, Role: staff.Role(), What: models.ActionExportPerson, Subject: strconv.FormatInt(account, 10)})
	return d, err == nil, err
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
