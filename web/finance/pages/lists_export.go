package pages

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"referral/models"
	"referral/web/finance/export"
)

// exportQueue is everything that waits for a person, as a file of a table for each kind.
func (p *Pages) exportQueue(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	if !knownFormat(r) {
		return errNotFound
	}
	q, err := p.o.Service.WholeQueue(r.Context())
	if err != nil {
		return err
	}
	rejected := export.Table{Title: "Отклонено биллингом", Key: "rejected", Columns: []export.Column{
		{Head: "Отклонен", Key: "rejected_at"}, {Head: "Клиент", Key: "account_id"}, {Head: "Счет", Key: "invoice_id"}, {Head: "Месяц", Key: "period"}, {Head: "Сумма", Key: "amount_minor"}, {Head: "SMS", Key: "sms"}, {Head: "Причина", Key: "reason"}, {Head: "Документ", Key: "document_id"},
	}}
	for i := range q.Rejected {
		d := &q.Rejected[i]
		rejected.Rows = append(rejected.Rows, []any{d.RejectedAt, export.ID(d.AccountID), d.InvoiceID, d.Period.String(), d.Amount, d.SMS, d.Reason, d.DocumentID.String()})
	}
	parked := export.Table{Title: "Не рассчитано", Key: "parked", Columns: []export.Column{
		{Head: "Месяц", Key: "period"}, {Head: "Клиент", Key: "account_id"}, {Head: "Счет", Key: "invoice_id"}, {Head: "Причина", Key: "error"}, {Head: "Ждет с", Key: "parked_at"},
	}}
	for _, k := range q.Parked {
		parked.Rows = append(parked.Rows, []any{k.Period.String(), export.ID(k.AccountID), k.InvoiceID, k.Error, k.Since})
	}
	held := export.Table{Title: "Услуг нет в условиях", Key: "held", Columns: []export.Column{
		{Head: "Услуга", Key: "service"}, {Head: "Строк счетов", Key: "lines"}, {Head: "На сумму", Key: "amount_minor"},
	}}
	for _, service := range slices.Sorted(maps.Keys(q.Held)) {
		held.Rows = append(held.Rows, []any{service, q.Held[service].Count, q.Held[service].Amount})
	}
	services := export.Table{Title: "Решения об услугах", Key: "service_decisions", Columns: []export.Column{
		{Head: "Услуга", Key: "service"}, {Head: "Решение", Key: "class"}, {Head: "По условиям", Key: "terms"}, {Head: "Предложил", Key: "by"}, {Head: "Утвердил", Key: "approved_by"}, {Head: "Когда", Key: "decided_at"}, {Head: "Почему", Key: "reason"}, {Head: "Номер", Key: "decision_id"},
	}}
	for i := range q.Services {
		d := &q.Services[i]
		services.Rows = append(services.Rows, []any{d.Service, export.State(d.Class), export.State(d.Terms), d.By, d.ApprovedBy, d.DecidedAt, d.Reason, d.ID.String()})
	}
	packages := export.Table{Title: "Пакеты месяцев без счетов", Key: "packages", Columns: []export.Column{
		{Head: "Месяц", Key: "period"}, {Head: "Пакетов", Key: "packages"},
	}}
	for _, month := range slices.Sorted(maps.Keys(q.Packages)) {
		packages.Rows = append(packages.Rows, []any{month.String(), q.Packages[month]})
	}
	letters := export.Table{Title: "Сообщения не учтены", Key: "dead_letters", Columns: []export.Column{
		{Head: "№", Key: "id"}, {Head: "Отложено", Key: "set_aside_at"}, {Head: "Тема", Key: "topic"}, {Head: "Раздел", Key: "partition"}, {Head: "Номер", Key: "offset"}, {Head: "Событие", Key: "event"}, {Head: "Причина", Key: "reason"}, {Head: "Подробно", Key: "detail"},
	}}
	for i := range q.DeadLetters {
		d := &q.DeadLetters[i]
		from := d.Message.Origin
		letters.Rows = append(letters.Rows, []any{export.ID(d.ID), d.At, from.Topic, from.Partition, from.Offset, d.Type, export.State(d.Err.Reason), d.Err.Detail})
	}
	older := export.Table{Title: "Прежняя система, не проведено", Key: "not_booked", Columns: []export.Column{
		{Head: "Месяц", Key: "period"}, {Head: "Строка файла", Key: "line"}, {Head: "Клиент", Key: "account_id"}, {Head: "Счет", Key: "invoice_id"}, {Head: "Сумма", Key: "amount_minor"}, {Head: "Причина", Key: "reason"}, {Head: "Подробно", Key: "detail"},
	}}
	for i := range q.NotBooked {
		n := &q.NotBooked[i]
		var account any
		if n.AccountID != 0 {
			account = export.ID(n.AccountID)
		}
		older.Rows = append(older.Rows, []any{n.Period.String(), n.Line, account, n.InvoiceID, n.Amount, export.State(n.Reason), n.Detail})
	}
	return p.writeTables(w, r, "queue", []export.Table{rejected, parked, older, held, services, packages, letters})
}

// proposalBatch is how many proposals an export reads at a time.
const proposalBatch = 1000

// proposalList is every proposal: the open ones, the oldest first, then those that are
// decided, the newest first.
func (p *Pages) proposalList(ctx context.Context, _ *http.Request) (export.List, string, error) {
	open, decided, err := p.o.Service.Proposals(ctx, 0, proposalBatch)
	return export.List{
		Title: "Решения",
		Columns: []export.Column{
			{Head: "№", Key: "id", Width: 8}, {Head: "Что", Key: "what", Width: 30}, {Head: "О чем", Key: "subject", Width: 38}, {Head: "Причина", Key: "reason", Width: 50},
			{Head: "Предложил", Key: "proposed_by", Width: 26}, {Head: "Когда", Key: "proposed_at", Width: 17}, {Head: "Состояние", Key: "state", Width: 14},
			{Head: "Решил", Key: "decided_by", Width: 26}, {Head: "Когда решено", Key: "decided_at", Width: 17}, {Head: "Почему отклонено", Key: "answer", Width: 50},
		},
		Each: func(row func(values ...any) error) error {
			for batch := slices.Concat(open, decided); len(batch) > 0; batch = decided {
				for i := range batch {
					d := &batch[i]
					if err := row(d.ID, export.State(d.What), d.Subject, d.Reason, d.Proposer.Name, d.ProposedAt, export.State(d.State), d.Decider.Name, d.DecidedAt, d.Answer); err != nil {
						return err
					}
				}
				if len(decided) < proposalBatch {
					return nil
				}
				var err error
				if _, decided, err = p.o.Service.Proposals(ctx, decided[len(decided)-1].ID, proposalBatch); err != nil {
					return err
				}
			}
			return nil
		},
	}, "proposals", err
}

// foundList is the clients that a search has found.
func (p *Pages) foundList(ctx context.Context, r *http.Request) (export.List, string, error) {
	found, err := p.o.Service.Find(ctx, r.URL.Query().Get("q"))
	return export.List{
		Title: "Клиенты",
		Columns: []export.Column{
			{Head: "Клиент", Key: "account_id", Width: 14}, {Head: "Название", Key: "name", Width: 34}, {Head: "ИНН", Key: "tax_id", Width: 14},
			{Head: "Код", Key: "code", Width: 12}, {Head: "Зарегистрирован", Key: "registered_at", Width: 17}, {Head: "Счет", Key: "invoice_id", Width: 22},
		},
		Each: func(row func(values ...any) error) error {
			for i := range found {
				f := &found[i]
				if err := row(export.ID(f.AccountID), f.Name, f.TaxID, f.Code, f.RegisteredAt, f.InvoiceID); err != nil {
					return err
				}
			}
			return nil
		},
	}, "clients", err
}

// exportClient is a client's ladder, discounts, packages and invoices, as a file.
func (p *Pages) exportClient(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	if !knownFormat(r) {
		return errNotFound
	}
	client, err := p.clientOf(r)
	if err != nil {
		return err
	}
	ladder := export.Table{Title: "Ступени", Key: "ladder", Columns: []export.Column{
		{Head: "День", Key: "on"}, {Head: "Новый клиент", Key: "invitee_id"}, {Head: "Ступень", Key: "step"}, {Head: "Процент", Key: "percent"}, {Head: "Конец", Key: "ends_on"}, {Head: "SMS", Key: "sms"},
	}}
	for _, s := range client.Why.Ladder {
		ladder.Rows = append(ladder.Rows, []any{s.On.String(), export.ID(s.InviteeID), s.Step, s.Percent, s.End.String(), s.SMS})
	}
	discounts := export.Table{Title: "Скидки по дням", Key: "discounts", Columns: []export.Column{
		{Head: "За что", Key: "kind"}, {Head: "Ступень", Key: "step"}, {Head: "С", Key: "from"}, {Head: "До", Key: "to"}, {Head: "Процент", Key: "percent"},
	}}
	for _, d := range client.Why.Discounts {
		discounts.Rows = append(discounts.Rows, []any{export.State(d.Kind), step(d.Step), d.From.String(), d.To.String(), d.Percent})
	}
	packages := export.Table{Title: "Пакеты SMS", Key: "packages", Columns: []export.Column{
		{Head: "Документ", Key: "package_id"}, {Head: "SMS", Key: "sms"}, {Head: "Заработан", Key: "earned_on"}, {Head: "Месяц", Key: "period"}, {Head: "Состояние", Key: "state"},
	}}
	for i := range client.Why.Packages {
		k := &client.Why.Packages[i]
		packages.Rows = append(packages.Rows, []any{k.PackageID.String(), k.SMS, k.EarnedOn.String(), k.Period.String(), export.State(k.State)})
	}
	invoices := export.Table{Title: "Счета", Key: "invoices", Columns: []export.Column{
		{Head: "Счет", Key: "invoice_id"}, {Head: "Месяц", Key: "period"}, {Head: "Валюта", Key: "currency"}, {Head: "Начислено", Key: "charged_minor"}, {Head: "Скидка по расчету", Key: "wanted_minor"}, {Head: "Проведено", Key: "posted_minor"}, {Head: "Отклонено", Key: "rejected_minor"}, {Head: "Списано", Key: "written_off_minor"}, {Head: "Будет проведено", Key: "difference_minor"},
	}, Totals: true}
	for i := range client.Why.Invoices {
		s := &client.Why.Invoices[i]
		invoices.Rows = append(invoices.Rows, []any{s.InvoiceID, s.Period.String(), s.Currency, s.Charged, s.Wanted, s.Posted, s.Rejected, s.WrittenOff, s.Difference})
	}
	return p.writeTables(w, r, fmt.Sprint("client-", client.Why.AccountID), []export.Table{ladder, discounts, packages, invoices})
}
