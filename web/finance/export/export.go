// Package export writes lists of the staff pages as files: XLSX with Russian heads,
// CSV, CSV as a Russian Excel opens it, and JSON. Rows are streamed: memory does not grow
// with the list.
package export

import (
	"archive/zip"
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/internal/spreadsheet"
	"referral/models"
	"referral/web/finance"
)

// Formats is what a [List] and tables can be written as.
var Formats = []string{"xlsx", "csv", "csv-excel", "json"}

// ContentType is the media type of a format.
func ContentType(format string) string {
	switch format {
	case "xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case "json":
		return "application/json"
	}
	return "text/csv; charset=utf-8"
}

// Extension is the extension of a file of a format.
func Extension(format string) string {
	if format == "xlsx" || format == "json" {
		return format
	}
	return "csv"
}

// state is a state or a reason: in words for people, as it is written for programs.
type state struct{ value any }

// ID is the number of an account or of something else: text for people, so that no
// spreadsheet adds it up, and a number for programs. 0 is one that is not known.
func ID(number int64) any {
	if number == 0 {
		return nil
	}
	return id(number)
}

type id int64

// Text is the number as it is shown.
func (n id) Text() string { return strconv.FormatInt(int64(n), 10) }

// column is a column of a list. A value is text, a state, an id, models.Money, a time, a
// whole number, or nil when it is not known.
type column struct {
	head  string
	width float64
}

// writer takes rows one by one.
type writer interface {
	row(values []any) error
	close() error
}

func newWriter(w io.Writer, format, title string, columns []column, zone *time.Location) (writer, error) {
	if format == "xlsx" {
		return newWorkbook(w, title, columns, zone)
	}
	return newCSV(w, format == "csv-excel", columns, zone)
}

// csvWriter writes CSV. For a Russian Excel fields end with semicolons, amounts have a
// comma, and identifiers are formulas of text, so that no digit is lost.
type csvWriter struct {
	out   *csv.Writer
	excel bool
	zone  *time.Location
}

func newCSV(w io.Writer, excel bool, columns []column, zone *time.Location) (*csvWriter, error) {
	c := &csvWriter{csv.NewWriter(w), excel, zone}
	if excel {
		if _, err := io.WriteString(w, "\ufeff"); err != nil {
			return nil, fmt.Errorf("writing a CSV file: %w", err)
		}
		c.out.Comma, c.out.UseCRLF = ';', true
	}
	if len(columns) == 0 {
		return c, nil
	}
	head := make([]string, len(columns))
	for i := range columns {
		head[i] = columns[i].head
	}
	return c, c.out.Write(head)
}

func (c *csvWriter) row(values []any) error {
	cells := make([]string, len(values))
	for i, value := range values {
		cells[i] = c.cell(value)
	}
	return c.out.Write(cells)
}

func (c *csvWriter) cell(value any) string {
	switch v := value.(type) {
	case models.Money:
		if c.excel {
			return decimal(v, ",")
		}
		return decimal(v, ".")
	case state:
		if c.excel {
			return finance.Words(v.value)
		}
		return fmt.Sprint(v.value)
	case time.Time:
		if v.IsZero() {
			return ""
		}
		if c.excel {
			return v.In(c.zone).Format("02.01.2006 15:04")
		}
		return v.In(c.zone).Format(time.RFC3339)
	case string:
		return c.text(v)
	case id:
		return c.text(v.Text())
	case nil:
		return ""
	}
	return fmt.Sprint(value)
}

// decimal is an amount in major units, without spaces between its digits.
func decimal(m models.Money, point string) string {
	digits := fmt.Sprintf("%03d", m.Abs())
	whole, kopecks := digits[:len(digits)-2], digits[len(digits)-2:]
	if m < 0 {
		whole = "-" + whole
	}
	return whole + point + kopecks
}

// text is kept from being read as a formula or a number by a spreadsheet.
func (c *csvWriter) text(s string) string {
	numeric := s != "" && strings.Trim(s, "0123456789") == ""
	if c.excel && (numeric || spreadsheet.ExcelChanges(s)) {
		return `="` + s + `"`
	}
	return spreadsheet.EscapeFormula(s)
}

func (c *csvWriter) close() error {
	c.out.Flush()
	if err := c.out.Error(); err != nil {
		return fmt.Errorf("writing a CSV file: %w", err)
	}
	return nil
}

// sheetRows is how many rows a sheet can hold; more go to further sheets. A variable,
// so that a test need not write a million rows.
var sheetRows = excelize.TotalRows

// workbook writes XLSX, sheet by sheet.
type workbook struct {
	w       io.Writer
	book    *excelize.File
	title   string
	columns []column
	zone    *time.Location
	styles  struct{ head, money, text, moment int }
	out     *excelize.StreamWriter
	sheets  int
	part    int // of the list, which may be on several sheets
	rows    int // of the sheet
	sums    []int

	noTotals bool
}

func newWorkbook(w io.Writer, title string, columns []column, zone *time.Location) (*workbook, error) {
	b := &workbook{w: w, book: excelize.NewFile(), title: title, columns: columns, zone: zone}
	money, moment := `#,##0.00`, "dd.mm.yyyy hh:mm"
	for _, style := range []struct {
		id   *int
		what excelize.Style
	}{
		{&b.styles.head, excelize.Style{Font: &excelize.Font{Bold: true}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}}},
		{&b.styles.money, excelize.Style{CustomNumFmt: &money}},
		{&b.styles.text, excelize.Style{NumFmt: 49}}, // @: text
		{&b.styles.moment, excelize.Style{CustomNumFmt: &moment}},
	} {
		var err error
		if *style.id, err = b.book.NewStyle(&style.what); err != nil {
			return nil, fmt.Errorf("making a workbook: %w", err)
		}
	}
	return b, b.nextSheet()
}

// begin ends a list and begins another one, on a sheet of its own.
func (b *workbook) begin(title string, columns []column) error {
	if err := b.endSheet(); err != nil {
		return err
	}
	b.title, b.columns, b.sums, b.part, b.out = title, columns, nil, 0, nil
	return b.nextSheet()
}

func (b *workbook) nextSheet() error {
	if err := b.endSheet(); err != nil {
		return err
	}
	b.sheets, b.part = b.sheets+1, b.part+1
	name, err := b.title, error(nil)
	if b.part > 1 {
		name = fmt.Sprintf("%s (%d)", b.title, b.part)
	}
	if b.sheets == 1 { // a new workbook has one sheet already
		err = b.book.SetSheetName(b.book.GetSheetName(0), name)
	} else {
		_, err = b.book.NewSheet(name)
	}
	if err != nil {
		return fmt.Errorf("making a sheet: %w", err)
	}
	landscape, a4, wide, tall := "landscape", 9, 1, 0
	if err := b.book.SetPageLayout(name, &excelize.PageLayoutOptions{Orientation: &landscape, Size: &a4, FitToWidth: &wide, FitToHeight: &tall}); err != nil {
		return fmt.Errorf("making a sheet: %w", err)
	}
	fit := true
	if err := b.book.SetSheetProps(name, &excelize.SheetPropsOptions{FitToPage: &fit}); err != nil {
		return fmt.Errorf("making a sheet: %w", err)
	}
	if b.out, err = b.book.NewStreamWriter(name); err != nil {
		return fmt.Errorf("making a sheet: %w", err)
	}
	return b.head()
}

func (b *workbook) head() error {
	head := make([]any, len(b.columns))
	for i, c := range b.columns {
		if err := b.out.SetColWidth(i+1, i+1, c.width); err != nil {
			return fmt.Errorf("making a sheet: %w", err)
		}
		head[i] = excelize.Cell{StyleID: b.styles.head, Value: c.head}
	}
	if err := b.out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return fmt.Errorf("making a sheet: %w", err)
	}
	b.rows = 0
	return b.write(head)
}

func (b *workbook) write(cells []any) error {
	b.rows++
	if err := b.out.SetRow(fmt.Sprintf("A%d", b.rows), cells); err != nil {
		return fmt.Errorf("writing a row: %w", err)
	}
	return nil
}

func (b *workbook) row(values []any) error {
	if b.rows == sheetRows-1 { // the last row is that of the totals
		if err := b.nextSheet(); err != nil {
			return err
		}
	}
	cells := make([]any, len(values))
	for i, value := range values {
		cells[i] = b.cell(i, value)
	}
	return b.write(cells)
}

// exactInSheet is the largest amount that a spreadsheet keeps to the kopeck.
const exactInSheet = models.Money(999_999_999_999_999)

func (b *workbook) cell(column int, value any) any {
	switch v := value.(type) {
	case models.Money:
		if !slices.Contains(b.sums, column) {
			b.sums = append(b.sums, column)
		}
		if v > exactInSheet || v < -exactInSheet {
			return excelize.Cell{StyleID: b.styles.text, Value: decimal(v, ",")}
		}
		return excelize.Cell{StyleID: b.styles.money, Value: float64(v) / 100}
	case time.Time:
		if v.IsZero() {
			return nil
		}
		local := v.In(b.zone) // a spreadsheet knows no zones
		return excelize.Cell{StyleID: b.styles.moment, Value: time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)}
	case state:
		return finance.Words(v.value)
	case string:
		return excelize.Cell{StyleID: b.styles.text, Value: v}
	case id:
		return excelize.Cell{StyleID: b.styles.text, Value: v.Text()}
	}
	return value
}

// endSheet writes the totals of the sheet as formulas.
func (b *workbook) endSheet() error {
	if b.out == nil {
		return nil
	}
	if b.rows > 1 && len(b.sums) > 0 && !b.noTotals {
		totals := make([]any, len(b.columns))
		totals[0] = excelize.Cell{StyleID: b.styles.head, Value: "Итого"}
		for _, i := range b.sums {
			name, err := excelize.ColumnNumberToName(i + 1)
			if err != nil {
				return fmt.Errorf("writing totals: %w", err)
			}
			totals[i] = excelize.Cell{StyleID: b.styles.money, Formula: fmt.Sprintf("SUM(%s2:%[1]s%d)", name, b.rows)}
		}
		if err := b.write(totals); err != nil {
			return err
		}
	}
	if err := b.out.Flush(); err != nil {
		return fmt.Errorf("writing a sheet: %w", err)
	}
	return nil
}

func (b *workbook) close() error {
	defer b.book.Close() //nolint:errcheck // takes its temporary files away; what was written is written
	if err := b.endSheet(); err != nil {
		return err
	}
	// The archive goes out while it is compressed; WriteTo alone collects it in memory. In
	// exchange, a sheet must stay below 4 GiB, because it could not be marked as ZIP64.
	b.book.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(b.w) })
	if _, err := b.book.WriteTo(io.Discard); err != nil {
		return fmt.Errorf("writing a workbook: %w", err)
	}
	return nil
}

// Column is a column of a [List] or a [Table]. The key of an amount ends in _minor.
type Column struct {
	Head  string  // for people, in Russian
	Key   string  // for programs, in snake_case
	Width float64 // 0 in a Table, which takes that of its texts
}

// List is a list that is handed over row by row.
type List struct {
	Title   string // at most 31 characters, as the name of a sheet
	Columns []Column
	Totals  bool // a spreadsheet sums its amounts up, which are of one kind
	// Each hands every row to a function, and ends with its first error. A value is text,
	// a State, an ID, models.Money, a time, a whole number, or nil when it is not known.
	Each func(row func(values ...any) error) error
}

// Write writes the list in one of [Formats]. Times are in zone.
func (l *List) Write(w io.Writer, format string, zone *time.Location) error {
	out, err := l.writer(w, format, zone)
	if err != nil {
		return err
	}
	if err := l.Each(func(values ...any) error { return out.row(values) }); err != nil {
		return err
	}
	return out.close()
}

func (l *List) writer(w io.Writer, format string, zone *time.Location) (writer, error) {
	if format == "json" {
		return newJSON(w, l.Columns, zone)
	}
	columns := make([]column, len(l.Columns))
	for i, c := range l.Columns {
		columns[i] = column{c.Head, c.Width}
	}
	out, err := newWriter(w, format, l.Title, columns, zone)
	if book, ok := out.(*workbook); ok && err == nil {
		book.noTotals = !l.Totals
	}
	return out, err
}

// jsonWriter writes an array of objects: amounts in minor units, times in RFC 3339, null
// for what is not known.
type jsonWriter struct {
	out  *bufio.Writer
	keys [][]byte
	zone *time.Location
	rows int
}

func newJSON(w io.Writer, columns []Column, zone *time.Location) (*jsonWriter, error) {
	j := &jsonWriter{out: bufio.NewWriter(w), zone: zone}
	for _, c := range columns {
		key, err := json.Marshal(c.Key)
		if err != nil {
			return nil, fmt.Errorf("writing the key %q: %w", c.Key, err)
		}
		j.keys = append(j.keys, append(key, ':'))
	}
	return j, j.out.WriteByte('[')
}

func (j *jsonWriter) row(values []any) error {
	line := []byte("\n{")
	if j.rows > 0 {
		line = []byte(",\n{")
	}
	j.rows++
	for i, value := range values {
		text, err := json.Marshal(j.value(value))
		if err != nil {
			return fmt.Errorf("writing %s: %w", j.keys[i], err)
		}
		if i > 0 {
			line = append(line, ',')
		}
		line = append(append(line, j.keys[i]...), text...)
	}
	_, err := j.out.Write(append(line, '}'))
	return err
}

func (j *jsonWriter) value(value any) any {
	switch v := value.(type) {
	case models.Money:
		return int64(v)
	case state:
		return fmt.Sprint(v.value)
	case id:
		return int64(v)
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return v.In(j.zone).Format(time.RFC3339)
	}
	return value
}

func (j *jsonWriter) close() error {
	if _, err := j.out.WriteString("\n]\n"); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	if err := j.out.Flush(); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
