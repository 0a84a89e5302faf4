package export

import (
	"io"
	"slices"
	"time"

	"referral/models"
	"referral/web/finance"
)

// Table is a table of a report: on a page, on a sheet of a workbook, or a part of a CSV
// file. A value is text, a State, models.Money, a time or a whole number.
type Table struct {
	Title   string // at most 31 characters, as the name of a sheet
	Columns []string
	Rows    [][]any
	Totals  bool // a spreadsheet sums its amounts up
}

// IsNumber tells whether all values of a column are numbers, which stand to the right.
func (t Table) IsNumber(column int) bool {
	return !slices.ContainsFunc(t.Rows, func(row []any) bool {
		switch row[column].(type) {
		case models.Money, int64, int:
			return false
		}
		return true
	})
}

// State is a state or a reason: in words for people, as it is written for programs.
func State(value any) any { return state{value} }

// Text is the state in words.
func (s state) Text() string { return finance.Words(s.value) }

// Tables writes a report. In CSV each row begins with the title of its table.
func Tables(w io.Writer, format string, tables []Table, zone *time.Location) error {
	if format == "xlsx" {
		return writeBook(w, tables, zone)
	}
	out, err := newCSV(w, format == "csv-excel", nil, zone)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := out.row(append([]any{t.Title}, texts(t.Columns)...)); err != nil {
			return err
		}
		for _, row := range t.Rows {
			if err := out.row(append([]any{t.Title}, row...)); err != nil {
				return err
			}
		}
	}
	return out.close()
}

func texts(list []string) []any {
	values := make([]any, len(list))
	for i := range list {
		values[i] = list[i]
	}
	return values
}

func writeBook(w io.Writer, tables []Table, zone *time.Location) error {
	var book *workbook
	for _, t := range tables {
		columns := make([]column, len(t.Columns))
		for i, head := range t.Columns {
			columns[i] = column{head, widthOf(&t, i)}
		}
		var err error
		if book == nil {
			book, err = newWorkbook(w, t.Title, columns, zone)
		} else {
			err = book.begin(t.Title, columns)
		}
		if err != nil {
			return err
		}
		book.noTotals = !t.Totals
		for _, row := range t.Rows {
			if err := book.row(row); err != nil {
				return err
			}
		}
	}
	return book.close()
}

// widthOf makes a column as wide as its longest text, within limits.
func widthOf(t *Table, i int) float64 {
	width := max(14, min(len([]rune(t.Columns[i])), 20))
	for _, row := range t.Rows {
		if text, ok := row[i].(string); ok {
			width = max(width, len([]rune(text))+2)
		}
	}
	return float64(min(width, 70))
}
