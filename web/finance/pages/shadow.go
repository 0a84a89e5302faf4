package pages

import (
	"referral/models"
	"referral/web/finance/export"
)

const (
	shadowMode  = "Теневой режим: месяцы рассчитываются рядом с прежней системой, документы в биллинг не передаются."
	shadowMonth = "Теневой режим: месяц рассчитан рядом с прежней системой, документы в биллинг не передаются."
)

// shadowNote is what a page says about the shadow mode: one about a month that was settled
// says what is stored of it, whatever the mode of this process is.
func (p *Pages) shadowNote(month *models.PeriodInfo) string {
	switch {
	case month != nil && month.Shadow:
		return shadowMonth
	case p.o.Shadow && (month == nil || month.StartedAt.IsZero()):
		return shadowMode
	}
	return ""
}

// shadowName is the name of a file about a month, without its extension.
func shadowName(name string, shadow bool) string {
	if shadow {
		return name + "-shadow"
	}
	return name
}

// shadowTables begins a report about a month of the shadow mode with saying so.
func shadowTables(tables []export.Table, shadow bool) []export.Table {
	if !shadow {
		return tables
	}
	first := export.Table{Title: "Теневой режим", Key: "shadow", Columns: []export.Column{{Head: "Примечание", Key: "note"}}, Rows: [][]any{{shadowMonth}}}
	return append([]export.Table{first}, tables...)
}

// shadowTitle is the title of a list about a month.
func shadowTitle(title string, shadow bool) string {
	if shadow {
		return title + ", теневой"
	}
	return title
}
