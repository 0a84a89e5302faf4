package export

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"referral/billing"
	"referral/models"
)

// oneCDocument is a document of the exchange file for 1С:Бухгалтерия. onec.xsd has the
// form of the file, and docs/finance-1c.ru.md explains it.
type oneCDocument struct {
	XMLName xml.Name                `xml:"Документ"`
	ID      models.UUID             `xml:"Номер,attr"`
	At      string                  `xml:"Дата,attr"`
	Period  models.Period           `xml:"МесяцСчета,attr"`
	Reason  models.AdjustmentReason `xml:"Причина,attr"`
	State   billing.DocumentState   `xml:"Состояние,attr"`
	Client  oneCClient              `xml:"Клиент"`
	Invoice string                  `xml:"Счет"`
	Amount  oneCAmount              `xml:"Сумма"`
}

type oneCClient struct {
	ID    int64  `xml:"ИД,attr"`
	TaxID string `xml:"ИНН,attr,omitempty"`
	Name  string `xml:",chardata"`
}

type oneCAmount struct {
	Currency string `xml:"Валюта,attr"`
	Value    string `xml:",chardata"`
}

type oneCTotal struct {
	XMLName   xml.Name `xml:"Итог"`
	Documents int64    `xml:"Документов,attr"`
	oneCAmount
}

// OneC writes the documents of a posting period, which each hands over one by one, as an
// exchange file for 1С:Бухгалтерия. Times are in the zone of made.
func OneC(w io.Writer, posted models.Period, made time.Time, each func(see func(*models.RegisterEntry) error) error) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing an exchange file: %w", err)
	}
	out := xml.NewEncoder(w)
	out.Indent("", " ")
	root := xml.StartElement{Name: xml.Name{Local: "РеестрСкидок"}, Attr: []xml.Attr{
		{Name: xml.Name{Local: "xmlns"}, Value: "urn:referral:1c:v1"},
		{Name: xml.Name{Local: "Месяц"}, Value: posted.String()}, {Name: xml.Name{Local: "Создан"}, Value: made.Format(time.RFC3339)},
	}}
	if err := out.EncodeToken(root); err != nil {
		return fmt.Errorf("writing an exchange file: %w", err)
	}
	totals := map[string]models.CountedAmount{}
	err := each(func(e *models.RegisterEntry) error {
		totals[e.Currency] = totals[e.Currency].Add(models.Counted(1, e.Amount))
		return out.Encode(oneCDocument{
			ID: e.DocumentID, At: e.PostedAt.In(made.Location()).Format(time.RFC3339), Period: e.Period, Reason: e.Reason, State: billing.RegisterState(e),
			Client: oneCClient{ID: e.AccountID, TaxID: e.TaxID, Name: e.Name}, Invoice: e.InvoiceID, Amount: oneCAmount{Currency: e.Currency, Value: decimal(e.Amount, ".")},
		})
	})
	if err != nil {
		return err
	}
	for _, currency := range slices.Sorted(maps.Keys(totals)) {
		t := totals[currency]
		if err := out.Encode(oneCTotal{Documents: t.Count, oneCAmount: oneCAmount{Currency: currency, Value: decimal(t.Amount, ".")}}); err != nil {
			return fmt.Errorf("writing the totals of an exchange file: %w", err)
		}
	}
	if err := out.EncodeToken(root.End()); err != nil {
		return fmt.Errorf("writing an exchange file: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("writing an exchange file: %w", err)
	}
	return nil
}
