package finance

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
)

// QueueStore is the methods of the storage that acts on the queue use.
type QueueStore interface {
	LedgerDocument(ctx context.Context, id models.UUID) (d models.LedgerDocument, found bool, err error)
	Resend(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (models.LedgerDocument, bool, error)
	WriteOff(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (models.LedgerDocument, bool, error)
	DeadLetter(ctx context.Context, id int64) (letter models.DeadLetterRecord, found bool, err error)
	ReplayDeadLetter(ctx context.Context, id int64, corrected []byte, act models.OperatorAction, send func(models.Message) error) error
	DiscardDeadLetters(ctx context.Context, ids []int64, act func(id int64) models.OperatorAction) ([]int64, error)
}

// queueActs is what can be done about rejected documents and dead letters. Another
// person is needed where money moves: when a document is settled by hand, and when a
// fact is changed or dropped.
func (s *Service) queueActs() []Act {
	finance := []models.Role{models.RoleFinance}
	return []Act{
		{
			What: models.ActionResend, Roles: finance, Alone: true, Title: "Передать документ повторно",
			Prepare: s.prepareDocument(billing.MayResend), Apply: s.decideDocument(s.o.Store.Resend, billing.MayResend),
		},
		{
			What: models.ActionWriteOff, Roles: finance, Title: "Списать документ",
			Prepare: s.prepareDocument(billing.MayWriteOff), Apply: s.decideDocument(s.o.Store.WriteOff, billing.MayWriteOff),
		},
		{
			What: models.ActionReplay, Roles: finance, Alone: true, Title: "Вернуть сообщение",
			Prepare: s.prepareDeadLetter, Apply: s.replay,
		},
		{
			What: models.ActionReplayCorrected, Roles: finance, Title: "Исправить и вернуть сообщение", Text: "Исправленное сообщение",
			Prepare: s.prepareDeadLetter, Apply: s.replay,
		},
		{
			What: models.ActionDiscard, Roles: finance, Title: "Отбросить сообщение",
			Prepare: s.prepareDeadLetter, Apply: s.discard,
		},
	}
}

// document reads the document that an act is about.
func (s *Service) document(ctx context.Context, subject string) (d models.LedgerDocument, err error) {
	id, err := models.ParseUUID(subject)
	if err != nil {
		return d, fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	d, found, err := s.o.Store.LedgerDocument(ctx, id)
	if err == nil && !found {
		err = fmt.Errorf("%w: document %s", ErrUnknownAct, id)
	}
	return d, err
}

func (s *Service) prepareDocument(may func(*models.LedgerDocument) error) func(context.Context, string) (Prepared, error) {
	return func(ctx context.Context, subject string) (Prepared, error) {
		d, err := s.document(ctx, subject)
		if err != nil {
			return Prepared{}, err
		}
		if err := may(&d); err != nil {
			return Prepared{}, refusedDocument(&d, err)
		}
		answer, _ := models.Answer(d.Answers)
		p := Prepared{Facts: []PreparedFact{
			{Name: "Клиент", Value: strconv.FormatInt(d.AccountID, 10), Link: ClientPath(d.AccountID)},
			{Name: "Месяц", Value: ru.MonthTitle(d.Period)},
			{Name: "Биллинг отклонил", Value: ru.Moment(answer.At, s.o.Programme.Zone)},
			{Name: "Причина биллинга", Value: answer.Reason},
		}}
		if d.InvoiceID != "" {
			p.Facts = append(p.Facts, PreparedFact{Name: "Счет", Value: d.InvoiceID, Link: InvoicePath(d.InvoiceID)})
		}
		p.Preview.Changes = []models.PreviewChange{{AccountID: d.AccountID, InvoiceID: d.InvoiceID, Period: d.Period, Amount: d.Amount, SMS: d.SMS}}
		return p, nil
	}
}

// refusedDocument says why nothing can be decided about a document, by its state.
func refusedDocument(d *models.LedgerDocument, err error) error {
	var refusal billing.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	return Refusal(fmt.Sprintf("Решение о документе сейчас не требуется. Его состояние: %s.", strings.ToLower(Words(billing.StateOf(&d.DocumentHistory)))))
}

func (s *Service) decideDocument(
	decide func(context.Context, models.UUID, models.OperatorAction, func(*models.LedgerDocument) error) (models.LedgerDocument, bool, error),
	may func(*models.LedgerDocument) error,
) func(context.Context, *models.Proposal, models.OperatorAction) error {
	return func(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
		id, err := models.ParseUUID(p.Subject)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnknownAct, err)
		}
		d, found, err := decide(ctx, id, action, may)
		if err == nil && !found {
			return fmt.Errorf("%w: document %s", ErrUnknownAct, id)
		}
		return refusedDocument(&d, err)
	}
}

// deadLetter reads the dead letter that an act is about.
func (s *Service) deadLetter(ctx context.Context, subject string) (letter models.DeadLetterRecord, err error) {
	id, ok := models.ParseDeadLetterSubject(subject)
	if !ok {
		return letter, fmt.Errorf("%w: %q", ErrUnknownAct, subject)
	}
	letter, found, err := s.o.Store.DeadLetter(ctx, id)
	if err == nil && !found {
		err = fmt.Errorf("%w: dead letter %d", ErrUnknownAct, id)
	}
	return letter, err
}

func (s *Service) prepareDeadLetter(ctx context.Context, subject string) (Prepared, error) {
	letter, err := s.deadLetter(ctx, subject)
	if err != nil {
		return Prepared{}, err
	}
	if letter.State != models.DeadLetterWaiting {
		return Prepared{}, refusedDeadLetter
	}
	p := Prepared{Facts: []PreparedFact{
		{Name: "Откуда", Value: fmt.Sprintf("%s, раздел %d, № %d", letter.Message.Origin.Topic, letter.Message.Origin.Partition, letter.Message.Origin.Offset)},
		{Name: "Отложено", Value: ru.Moment(letter.At, s.o.Programme.Zone)},
		{Name: "Событие", Value: letter.Type},
		{Name: "Что не так", Value: Words(letter.Err.Reason) + ": " + letter.Err.Detail},
	}}
	if len(letter.Message.Value) <= MaxText && utf8.Valid(letter.Message.Value) {
		p.Text = string(letter.Message.Value)
	}
	if account := models.KeyAccount(letter.Message.Key); account != 0 {
		p.Facts = append(p.Facts, PreparedFact{Name: "Клиент", Value: strconv.FormatInt(account, 10), Link: ClientPath(account)})
	}
	return p, nil
}

// MaxText is the length in bytes of a text that an act takes: a request must not be
// larger than web/middleware allows. Larger messages are corrected by the command.
const MaxText = 16 << 10

const refusedDeadLetter = Refusal("По этому сообщению уже решено: оно не ждет решения.")

// Corrected is the details of a proposal to correct a message.
type Corrected struct {
	Value string `json:"value"`
}

// CorrectedText is the text in the details of a proposal; nil when it has none.
func CorrectedText(p *models.Proposal) ([]byte, error) {
	if p.Details == nil {
		return nil, nil
	}
	details, err := detailsOf[Corrected](p)
	if err != nil {
		return nil, err
	}
	return []byte(details.Value), nil
}

// replay puts a message back on its topic, as it is or corrected.
func (s *Service) replay(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	letter, err := s.deadLetter(ctx, p.Subject)
	if err != nil {
		return err
	}
	corrected, err := CorrectedText(p)
	if err != nil {
		return err
	}
	err = s.o.Store.ReplayDeadLetter(ctx, letter.ID, corrected, action, func(m models.Message) error { return s.o.Replay(ctx, letter.ID, &m) })
	if errors.Is(err, models.ErrDeadLetterState) {
		return refusedDeadLetter
	}
	return err
}

func (s *Service) discard(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	letter, err := s.deadLetter(ctx, p.Subject)
	if err != nil {
		return err
	}
	discarded, err := s.o.Store.DiscardDeadLetters(ctx, []int64{letter.ID}, func(int64) models.OperatorAction { return action })
	if err == nil && len(discarded) == 0 {
		return refusedDeadLetter
	}
	return err
}

// InvoicePath is the page of an invoice.
func InvoicePath(invoice string) string { return BasePath + "/invoices/" + url.PathEscape(invoice) }

// ClientPath is the page of an account.
func ClientPath(account int64) string { return fmt.Sprint(BasePath, "/clients/", account) }
