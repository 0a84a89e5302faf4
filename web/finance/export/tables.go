package export

import (
	"fmt"
	"io"
	"slices"
	"time"

	"referral/models"
	"referral/web/finance"
)

// Table is a table of a report: on a page, on a sheet of a workbook, or a part of a CSV
// file. A value is as in a [List].
type Table struct {
	Title   string // at most 31 characters, as the name of a sheet
	Key     string // for programs; empty in a report that is never written as JSON
	Columns []Column
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

// Tables writes a report. In CSV each row begins with the title of its table; JSON is an
// object of lists, by the keys of the tables.
func Tables(w io.Writer, format string, tables []Table, zone *time.Location) error {
	switch format {
	case "xlsx":
		return writeBook(w, tables, zone)
	case "json":
		return writeJSON(w, tables, zone)
	}
	out, err := newCSV(w, format == "csv-excel", nil, zone)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := out.row(append([]any{t.Title}, heads(t.Columns)...)); err != nil {
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

func heads(columns []Column) []any {
	values := make([]any, len(columns))
	for i := range columns {
		values[i] = columns[i].Head
	}
	return values
}

func writeJSON(w io.Writer, tables []Table, zone *time.Location) error {
	before := "{"
	for _, t := range tables {
		if _, err := fmt.Fprintf(w, "%s%q:", before, t.Key); err != nil {
			return fmt.Errorf("writing JSON: %w", err)
		}
		out, err := newJSON(w, t.Columns, zone)
		if err != nil {
			return err
		}
		for _, row := range t.Rows {
			if err := out.row(row); err != nil {
				return err
			}
		}
		if err := out.close(); err != nil {
			return err
		}
		before = ","
	}
	_, err := io.WriteString(w, "}\n")
	return err
}

func writeBook(w io.Writer, tables []Table, zone *time.Location) error {
	var book *workbook
	for _, t := range tables {
		columns := make([]column, len(t.Columns))
		for i := range t.Columns {
			columns[i] = column{t.Columns[i].Head, widthOf(&t, i)}
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
	width := max(14, min(len([]rune(t.Columns[i].Head)), 20))
	for _, row := range t.Rows {
		if text, ok := row[i].(string); ok {
			width = max(width, len([]rune(text))+2)
		}
	}
	return float64(min(width, 70))
}
