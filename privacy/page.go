package privacy

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

	"referral/internal/ru"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("personal data").Parse(pageText))

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

type section struct {
	Title string
	Rows  [][]field
}

type field struct{ Name, Value string }

// writeHTML writes the data as a page in Russian for the client to read.
func (d *Data) writeHTML(w io.Writer) error {
	var sections []section
	rest := maps.Clone(d.Tables)
	add := func(table, title string) error {
		found, err := rowsOf(title, rest[table], d.At.Location())
		delete(rest, table)
		if len(found.Rows) > 0 {
			sections = append(sections, found)
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
	return page.Execute(w, struct {
		AccountID int64
		At        string
		Sections  []section
	}{d.AccountID, ru.Moment(d.At, d.At.Location()), sections})
}

// rowsOf is the fields of the rows that hold something, in the order of the names
// of their columns.
func rowsOf(title string, rows []json.RawMessage, zone *time.Location) (section, error) {
	s := section{Title: title}
	for _, row := range rows {
		var values map[string]any
		decoder := json.NewDecoder(bytes.NewReader(row))
		decoder.UseNumber()
		if err := decoder.Decode(&values); err != nil {
			return s, fmt.Errorf("reading a row of %s: %w", title, err)
		}
		var fields []field
		for _, name := range slices.Sorted(maps.Keys(values)) {
			text := shown(name, values[name], zone)
			if title, known := columnTitles[name]; text != "" && (!known || title != "") {
				fields = append(fields, field{cmp.Or(title, name), text})
			}
		}
		if len(fields) > 0 {
			s.Rows = append(s.Rows, fields)
		}
	}
	return s, nil
}
