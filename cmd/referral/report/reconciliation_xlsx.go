package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/models"
)

// sheet is a page of a workbook, written row by row.
type sheet struct {
	name   string
	head   []string
	widths []float64
	rows   func(write func(cells ...any) error) error
}

// ReconciliationXLSX writes a reconciliation as a workbook.
func ReconciliationXLSX(w io.Writer, t *Reconciliation) error {
	book := excelize.NewFile()
	defer book.Close() //nolint:errcheck // takes its temporary files away; what was written is written
	styles, err := newSheetStyles(book)
	if err != nil {
		return fmt.Errorf("making a workbook: %w", err)
	}
	for i, s := range reconcileSheets(t, styles) {
		if err := addSheet(book, i, s, styles); err != nil {
			return fmt.Errorf("making the sheet %q: %w", s.name, err)
		}
	}
	if _, err := book.WriteTo(w); err != nil {
		return fmt.Errorf("writing a workbook: %w", err)
	}
	return nil
}

type sheetStyles struct{ bold, money, text, moment int }

func newSheetStyles(book *excelize.File) (s sheetStyles, err error) {
	const twoDecimals, asTyped = 4, 49 // of the formats that every spreadsheet knows: #,##0.00 and @
	seconds := "yyyy-mm-dd hh:mm:ss"
	for _, style := range []struct {
		id   *int
		what excelize.Style
	}{
		{&s.bold, excelize.Style{Font: &excelize.Font{Bold: true}}}, {&s.money, excelize.Style{NumFmt: twoDecimals}},
		{&s.text, excelize.Style{NumFmt: asTyped}}, {&s.moment, excelize.Style{CustomNumFmt: &seconds}},
	} {
		if *style.id, err = book.NewStyle(&style.what); err != nil {
			return s, err
		}
	}
	return s, nil
}

// amount is money as a number of major units. A spreadsheet keeps numbers to 15
// digits: an amount that has more stays exact as text.
func (s sheetStyles) amount(m models.Money) excelize.Cell {
	const exact = models.Money(999_999_999_999_999)
	if m > exact || m < -exact {
		return excelize.Cell{StyleID: s.text, Value: m.String()}
	}
	return excelize.Cell{StyleID: s.money, Value: float64(m) / 100}
}

// identifier is text that stays what it is, though it may look like a number.
func (s sheetStyles) identifier(text string) excelize.Cell {
	return excelize.Cell{StyleID: s.text, Value: text}
}

func (s sheetStyles) account(id int64) any {
	if id == 0 {
		return nil // about no account
	}
	return s.identifier(strconv.FormatInt(id, 10))
}

// utc is a time of UTC as a date: a spreadsheet knows no zones.
func (s sheetStyles) utc(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return excelize.Cell{StyleID: s.moment, Value: t.UTC()}
}

func addSheet(book *excelize.File, number int, s sheet, styles sheetStyles) error {
	if number == 0 { // a new workbook has one sheet already
		if err := book.SetSheetName(book.GetSheetName(0), s.name); err != nil {
			return err
		}
	} else if _, err := book.NewSheet(s.name); err != nil {
		return err
	}
	out, err := book.NewStreamWriter(s.name)
	if err != nil {
		return err
	}
	for i, width := range s.widths {
		if err := out.SetColWidth(i+1, i+1, width); err != nil {
			return err
		}
	}
	if err := out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	row := 0
	write := func(cells ...any) error {
		row++
		return out.SetRow(fmt.Sprintf("A%d", row), cells)
	}
	if err := write(headCells(s.head, styles)...); err != nil {
		return err
	}
	if err := s.rows(write); err != nil {
		return err
	}
	return out.Flush()
}

func headCells(head []string, styles sheetStyles) []any {
	cells := make([]any, len(head))
	for i, text := range head {
		cells[i] = excelize.Cell{StyleID: styles.bold, Value: text}
	}
	return cells
}

var (
	controlColumns = []string{"kind", "percent", "SMS", "currency", "ties", "entitled lines", "entitled", "posted lines", "posted",
		"published lines", "published", "answered lines", "answered", "written off lines", "written off", "difference"}
	controlWidths = []float64{14, 9, 9, 9, 9, 14, 18, 14, 18, 15, 18, 14, 18, 16, 18, 34}
)

func reconcileSheets(t *Reconciliation, styles sheetStyles) []sheet {
	sheets := []sheet{
		{"Summary", []string{"what", "value"}, []float64{36, 40}, func(write func(...any) error) error { return summaryRows(write, t, styles) }},
		{"Controls", controlColumns, controlWidths, func(write func(...any) error) error { return controlRows(write, styles, t.Controls, t.Overall) }},
		{"Breaks", []string{"kind", "account", "invoice", "document", "lines", "expected", "found", "detail"},
			[]float64{22, 21, 24, 38, 14, 16, 16, 90}, func(write func(...any) error) error { return breakRows(write, t, styles) }},
		{"Notices", []string{"kind", "account", "invoice", "amount", "detail"},
			[]float64{18, 21, 24, 16, 90}, func(write func(...any) error) error { return noticeRows(write, t, styles) }},
		{"Acts", []string{"when (UTC)", "who", "what", "why"},
			[]float64{20, 24, 16, 90}, func(write func(...any) error) error { return actRows(write, t, styles) }},
	}
	if t.Signed == nil {
		return sheets
	}
	return append(sheets,
		sheet{"Signed", controlColumns, controlWidths, func(write func(...any) error) error {
			return controlRows(write, styles, t.Signed.Controls, t.Signed.Overall)
		}},
		sheet{"Corrections", []string{"what", "currency", "posted to", "number", "amount"},
			[]float64{28, 9, 12, 12, 18}, func(write func(...any) error) error { return correctionRows(write, t, styles) }})
}

func actRows(write func(...any) error, t *Reconciliation, styles sheetStyles) error {
	for _, a := range t.Acts {
		if err := write(styles.utc(a.At), styles.identifier(a.By), string(a.What), a.Reason); err != nil {
			return err
		}
	}
	return nil
}

// correctionRows leads from what was signed to what the ledger holds now.
func correctionRows(write func(...any) error, t *Reconciliation, styles sheetStyles) error {
	line := func(what string, c *Control) []any {
		return []any{what + ", " + c.Kind, c.Currency, nil, c.Posted.Count, styles.amount(c.Posted.AmountMinor)}
	}
	var rows [][]any
	for i := range t.Signed.Overall {
		rows = append(rows, line("signed", &t.Signed.Overall[i]))
	}
	for _, c := range t.Corrections {
		rows = append(rows, []any{"correction, " + correctionKind(c), c.Currency, styles.identifier(c.PostingPeriod.String()), c.Documents, styles.amount(c.AmountMinor)})
	}
	for _, m := range t.Moved {
		rows = append(rows, []any{"invoices moved", m.Currency, nil, nil, styles.amount(m.AmountMinor)})
	}
	for i := range t.Overall {
		rows = append(rows, line("now", &t.Overall[i]))
	}
	for _, row := range rows {
		if err := write(row...); err != nil {
			return err
		}
	}
	return nil
}

func summaryRows(write func(...any) error, t *Reconciliation, styles sheetStyles) error {
	for _, row := range [][]any{
		{"period", styles.identifier(t.Period.String())}, {"outcome", t.headline()}, {"state", t.stateInWords()}, {"closed at (UTC)", styles.utc(t.ClosedAt)}, {"checked at (UTC)", styles.utc(t.CheckedAt)},
		{"accounts", t.Accounts}, {"invoices", t.Invoices}, {"documents", t.Documents}, {"SMS packages", t.Packages},
		{"accounts to settle again", t.Stale}, {"judged by other terms than the service", t.OtherTerms},
		{"breaks", t.BreakCount}, {"of them on their way", t.OnTheWay}, {"notices", t.NoticeCount},
		{"documents posted for closed periods", t.Foreign.Documents}, {"their amount", styles.amount(t.Foreign.AmountMinor)},
		{"signature", t.signatureInWords()},
	} {
		if err := write(row...); err != nil {
			return err
		}
	}
	for i := range t.Earlier {
		if err := write("signature taken back", t.Earlier[i].takenBack()); err != nil {
			return err
		}
	}
	for _, h := range t.Held {
		if err := write("lines on hold, service "+h.Service, h.Lines); err != nil {
			return err
		}
	}
	return nil
}

func controlRows(write func(...any) error, styles sheetStyles, lists ...[]Control) error {
	for _, list := range lists {
		for i := range list {
			c := &list[i]
			row := []any{c.Kind, unlessZero(c.Percent), unlessZero(c.SMS), c.Currency, c.Ties}
			for _, s := range c.stages() {
				row = append(row, s.Count, styles.amount(s.AmountMinor))
			}
			row = append(row, c.Difference)
			if err := write(row...); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlessZero leaves a cell empty rather than 0.
func unlessZero(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func breakRows(write func(...any) error, t *Reconciliation, styles sheetStyles) error {
	for i := range t.Breaks {
		b := &t.Breaks[i]
		err := write(string(b.Kind), styles.account(b.AccountID), styles.identifier(b.InvoiceID), styles.identifier(b.DocumentID),
			styles.identifier(strings.Join(b.Lines, " ")),
			styles.amount(b.ExpectedMinor), styles.amount(b.ActualMinor), b.Detail)
		if err != nil {
			return err
		}
	}
	if rest := unnamed(t.BreakCount, len(t.Breaks), "break"); rest != "" {
		return write(rest)
	}
	return nil
}

func noticeRows(write func(...any) error, t *Reconciliation, styles sheetStyles) error {
	for _, n := range t.Notices {
		if err := write(string(n.Kind), styles.account(n.AccountID), styles.identifier(n.InvoiceID), styles.amount(n.AmountMinor), n.Detail); err != nil {
			return err
		}
	}
	if rest := unnamed(t.NoticeCount, len(t.Notices), "notice"); rest != "" {
		return write(rest)
	}
	return nil
}
