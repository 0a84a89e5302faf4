package export

import (
	"io"
	"strconv"
	"time"

	"referral/billing"
	"referral/models"
)

var registerColumns = []column{
	{"Клиент", 14}, {"Название", 34}, {"ИНН", 14}, {"Счет", 22}, {"Номер документа по счету", 10}, {"Документ", 38},
	{"Месяц счета", 11}, {"Месяц проведения", 11}, {"Причина", 16}, {"Валюта", 8}, {"Сумма", 16}, {"Проведен в реестре", 17}, {"Состояние", 14}, {"Ответ биллинга", 17},
}

// Register writes the documents of a posting period, which each hands over one by one.
// Times are in zone.
func Register(w io.Writer, format string, posted models.Period, zone *time.Location, each func(see func(*models.RegisterEntry) error) error) error {
	out, err := newWriter(w, format, "Реестр "+posted.String(), registerColumns, zone)
	if err != nil {
		return err
	}
	err = each(func(e *models.RegisterEntry) error {
		return out.row([]any{
			strconv.FormatInt(e.AccountID, 10), e.Name, e.TaxID, e.InvoiceID, e.Sequence, e.DocumentID.String(),
			e.Period.String(), e.PostingPeriod.String(), state{e.Reason}, e.Currency, e.Amount, e.PostedAt, state{billing.RegisterState(e)}, e.AnsweredAt,
		})
	})
	if err != nil {
		return err
	}
	return out.close()
}
