package export

import (
	"referral/billing"
	"referral/models"
)

var registerColumns = []Column{
	{Head: "Клиент", Key: "account_id", Width: 14}, {Head: "Название", Key: "name", Width: 34}, {Head: "ИНН", Key: "tax_id", Width: 14}, {Head: "Счет", Key: "invoice_id", Width: 22},
	{Head: "Номер документа по счету", Key: "sequence", Width: 10}, {Head: "Документ", Key: "adjustment_id", Width: 38}, {Head: "Месяц счета", Key: "period", Width: 11},
	{Head: "Месяц проведения", Key: "posting_period", Width: 11}, {Head: "Причина", Key: "reason", Width: 16}, {Head: "Валюта", Key: "currency", Width: 8},
	{Head: "Сумма", Key: "amount_minor", Width: 16}, {Head: "Проведен в реестре", Key: "posted_at", Width: 17}, {Head: "Состояние", Key: "state", Width: 14},
	{Head: "Ответ биллинга", Key: "answered_at", Width: 17},
}

// Register is the documents of a posting period, which each hands over one by one.
func Register(posted models.Period, each func(see func(*models.RegisterEntry) error) error) List {
	return List{
		Title: "Реестр " + posted.String(), Columns: registerColumns, Totals: true,
		Each: func(row func(values ...any) error) error {
			return each(func(e *models.RegisterEntry) error {
				return row(ID(e.AccountID), e.Name, e.TaxID, e.InvoiceID, e.Sequence, e.DocumentID.String(), e.Period.String(), e.PostingPeriod.String(),
					state{e.Reason}, e.Currency, e.Amount, e.PostedAt, state{billing.RegisterState(e)}, e.AnsweredAt)
			})
		},
	}
}
