package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"time"

	"referral/billing"
	"referral/internal/ru"
)

// PersonalData is all that is stored about one client, for the client to have.
type PersonalData struct {
	AccountID   int64                        `json:"account_id"`
	At          time.Time                    `json:"at"`
	Tables      map[string][]json.RawMessage `json:"tables"` // the rows of the client by their tables
	Explanation billing.Explanation          `json:"explanation"`
}

//go:embed personal_data.html
var personalDataText string

var personalDataPage = template.Must(template.New("personal data").Parse(personalDataText))

// tableTitles is what the tables hold, in Russian, in the order of the page. A table that
// is not named here comes last, under its own name.
var tableTitles = []struct{ table, title string }{
	{"accounts", "Клиент"},
	{"imported_accounts", "Сведения прежней системы о клиенте"},
	{"codes", "Код-приглашение"},
	{"memberships", "Участие в программе"},
	{"activations", "Введенные коды-приглашения"},
	{"imported_referrals", "Код, принятый прежней системой"},
	{"referrals", "Приведенные клиенты"},
	{"discounts", "Скидки"},
	{"imported_discounts", "Скидки по договоренности"},
	{"package_grants", "Заработанные пакеты SMS"},
	{"sms_packages", "Выданные пакеты SMS"},
	{"imported_packages", "Пакеты SMS, выданные прежней системой"},
	{"invoices", "Счета"},
	{"adjustments", "Скидки в счетах"},
	{"results", "Ответы биллинга"},
	{"invitations", "Отправленные приглашения"},
	{"invitation_days", "Число приглашений по дням"},
	{"sessions", "Сеансы в личном кабинете"},
	{"client_requests", "Запросы в личном кабинете"},
	{"staff_decisions", "Решения сотрудников"},
	{"dead_letters", "Сообщения, которые не удалось обработать"},
	{"document_resends", "Документы, отправленные в биллинг повторно"},
	{"document_write_offs", "Документы, списанные после отказа биллинга"},
	{"parked_accounts", "Расчеты, которые не удались"},
	{"rehearsed_amounts", "Проверочные расчеты"},
	{"invoice_ids", "Номера счетов"},
	{"stale", "Сведения, которые ждут расчета"},
	{"outbox", "События, которые ждут отправки"},
	{"operator_actions", "Действия сотрудников"},
	{"suspicions", "Проверки приглашений"},
}

type personalDataSection struct {
	Title string
	Rows  [][]personalDataField
}

type personalDataField struct{ Name, Value string }

// PersonalDataHTML writes the data as a page in Russian for the client to read.
func PersonalDataHTML(w io.Writer, d *PersonalData) error {
	var sections []personalDataSection
	rest := maps.Clone(d.Tables)
	add := func(table, title string) error {
		section, err := personalDataRows(title, rest[table], d.At.Location())
		delete(rest, table)
		if len(section.Rows) > 0 {
			sections = append(sections, section)
		}
		return err
	}
	for _, t := range tableTitles {
		if err := add(t.table, t.title); err != nil {
			return err
		}
	}
	for _, table := range slices.Sorted(maps.Keys(rest)) {
		if err := add(table, table); err != nil {
			return err
		}
	}
	return personalDataPage.Execute(w, struct {
		AccountID int64
		At        string
		Sections  []personalDataSection
	}{d.AccountID, ru.Moment(d.At, d.At.Location()), sections})
}

// personalDataRows is the fields of the rows that hold something, in the order of the names
// of their columns.
func personalDataRows(title string, rows []json.RawMessage, zone *time.Location) (personalDataSection, error) {
	section := personalDataSection{Title: title}
	for _, row := range rows {
		var values map[string]any
		decoder := json.NewDecoder(bytes.NewReader(row))
		decoder.UseNumber()
		if err := decoder.Decode(&values); err != nil {
			return section, fmt.Errorf("reading a row of %s: %w", title, err)
		}
		var fields []personalDataField
		for _, name := range slices.Sorted(maps.Keys(values)) {
			text := shown(name, values[name], zone)
			if title, known := columnTitles[name]; text != "" && (!known || title != "") {
				fields = append(fields, personalDataField{cmp.Or(title, name), text})
			}
		}
		if len(fields) > 0 {
			section.Rows = append(section.Rows, fields)
		}
	}
	return section, nil
}
