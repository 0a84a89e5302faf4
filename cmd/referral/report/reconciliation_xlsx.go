package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/models"
)

// sheet is a page of a workbook. Its cells are of the types that sheetStyles.cell knows.
type sheet struct {
	name    string
	columns []column
	rows    [][]any
}

type column struct {
	title string
	width float64
}

// ReconciliationXLSX writes a reconciliation as a workbook.
func ReconciliationXLSX(w io.Writer, t *Reconciliation) error {
	book := excelize.NewFile()
	defer book.Close() //nolint:errcheck // deletes its temporary files; what was written is written
	styles, err := newSheetStyles(book)
	if err != nil {
		return fmt.Errorf("creating a workbook: %w", err)
	}
	for i, s := range t.sheets() {
		if err := addSheet(book, i, s, styles); err != nil {
			return fmt.Errorf("creating the sheet %q: %w", s.name, err)
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

// cell is a value as a spreadsheet shows it. Money is a number of major units; a
// spreadsheet keeps numbers to 15 digits, so an amount that has more stays exact as
// text. An identifier stays text, although it may look like a number. A time is of UTC:
// a spreadsheet knows no zones.
func (s sheetStyles) cell(value any) any {
	const exact = models.Money(999_999_999_999_999)
	switch v := value.(type) {
	case models.Money:
		if v > exact || v < -exact {
			return excelize.Cell{StyleID: s.text, Value: v.String()}
		}
		return excelize.Cell{StyleID: s.money, Value: float64(v) / 100}
	case identifier:
		if v != "" {
			return excelize.Cell{StyleID: s.text, Value: string(v)}
		}
		return nil
	case time.Time:
		if !v.IsZero() {
			return excelize.Cell{StyleID: s.moment, Value: v.UTC()}
		}
		return nil
	}
	return value
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
	head := make([]any, len(s.columns))
	for i, c := range s.columns {
		head[i] = excelize.Cell{StyleID: styles.bold, Value: c.title}
		if err := out.SetColWidth(i+1, i+1, c.width); err != nil {
			return err
		}
	}
	if err := out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	if err := out.SetRow("A1", head); err != nil {
		return err
	}
	for i, row := range s.rows {
		for j := range row {
			row[j] = styles.cell(row[j])
		}
		if err := out.SetRow(fmt.Sprintf("A%d", i+2), row); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (t *Reconciliation) sheets() []sheet {
	sheets := []sheet{
		{"Summary", []column{{"what", 36}, {"value", 40}}, t.summaryRows()},
		controlSheet("Controls", t.Controls, t.Overall),
		t.breakSheet(), t.noticeSheet(), t.actSheet(),
	}
	if t.Signed == nil {
		return sheets
	}
	return append(sheets, controlSheet("Signed", t.Signed.Controls, t.Signed.Overall), t.correctionSheet())
}

func (t *Reconciliation) summaryRows() [][]any {
	signature := ""
	if t.Signed != nil {
		signature = t.Signed.headline()
	}
	rows := [][]any{
		{"period", identifier(t.Period.String())}, {"outcome", t.headline()}, {"state", t.stateText()}, {"closed at (UTC)", t.ClosedAt}, {"checked at (UTC)", t.CheckedAt},
		{"accounts", t.Accounts}, {"invoices", t.Invoices}, {"documents", t.Documents}, {"SMS packages", t.Packages},
		{"accounts to settle again", t.Stale}, {"checked by other terms than those in force", t.OtherTerms},
		{"breaks", t.BreakCount}, {"of them may still be answered", t.OnTheWay}, {"notices", t.NoticeCount},
		{"documents posted for closed periods", t.Foreign.Documents}, {"their amount", t.Foreign.AmountMinor},
		{"signature", signature},
	}
	for i := range t.Earlier {
		rows = append(rows, []any{"signature taken back", t.Earlier[i].takenBack()})
	}
	for _, h := range t.Held {
		rows = append(rows, []any{"lines on hold, service " + h.Service, h.Lines})
	}
	return rows
}

func controlSheet(name string, lists ...[]Control) sheet {
	s := sheet{name: name, columns: []column{
		{"kind", 14}, {"percent", 9}, {"SMS", 9}, {"currency", 9}, {"ties", 9}, {"entitled lines", 14}, {"entitled", 18}, {"posted lines", 14}, {"posted", 18},
		{"published lines", 15}, {"published", 18}, {"answered lines", 14}, {"answered", 18}, {"written off lines", 16}, {"written off", 18}, {"difference", 34},
	}}
	for _, list := range lists {
		for i := range list {
			c := &list[i]
			row := []any{c.Kind, unlessZero(c.Percent), unlessZero(c.SMS), c.Currency, c.Ties}
			for _, stage := range c.stages() {
				row = append(row, stage.Count, stage.AmountMinor)
			}
			s.rows = append(s.rows, append(row, c.Difference))
		}
	}
	return s
}

// unlessZero is an empty cell for 0.
func unlessZero(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func (t *Reconciliation) breakSheet() sheet {
	s := sheet{name: "Breaks", columns: []column{
		{"kind", 22}, {"account", 21}, {"invoice", 24}, {"document", 38}, {"lines", 14}, {"expected", 16}, {"found", 16}, {"detail", 90},
	}}
	for i := range t.Breaks {
		b := &t.Breaks[i]
		s.rows = append(s.rows, []any{string(b.Kind), accountIdentifier(b.AccountID), identifier(b.InvoiceID), identifier(b.DocumentID),
			identifier(strings.Join(b.Lines, " ")), b.ExpectedMinor, b.ActualMinor, b.Detail})
	}
	if rest := unlisted(t.BreakCount, len(t.Breaks), "break"); rest != "" {
		s.rows = append(s.rows, []any{rest})
	}
	return s
}

func (t *Reconciliation) noticeSheet() sheet {
	s := sheet{name: "Notices", columns: []column{{"kind", 18}, {"account", 21}, {"invoice", 24}, {"amount", 16}, {"detail", 90}}}
	for _, n := range t.Notices {
		s.rows = append(s.rows, []any{string(n.Kind), accountIdentifier(n.AccountID), identifier(n.InvoiceID), n.AmountMinor, n.Detail})
	}
	if rest := unlisted(t.NoticeCount, len(t.Notices), "notice"); rest != "" {
		s.rows = append(s.rows, []any{rest})
	}
	return s
}

func (t *Reconciliation) actSheet() sheet {
	s := sheet{name: "Acts", columns: []column{{"when (UTC)", 20}, {"who", 24}, {"what", 16}, {"why", 90}}}
	for _, a := range t.Acts {
		s.rows = append(s.rows, []any{a.At, identifier(a.By), string(a.What), a.Reason})
	}
	return s
}

// correctionSheet leads from what was signed to what the ledger holds now.
func (t *Reconciliation) correctionSheet() sheet {
	s := sheet{name: "Corrections", columns: []column{{"what", 28}, {"currency", 9}, {"posted to", 12}, {"number", 12}, {"amount", 18}}}
	add := func(what, currency, postedTo string, number any, amount models.Money) {
		s.rows = append(s.rows, []any{what, currency, identifier(postedTo), number, amount})
	}
	for _, c := range t.Signed.Overall {
		add("signed, "+c.Kind, c.Currency, "", c.Posted.Count, c.Posted.AmountMinor)
	}
	for _, c := range t.Corrections {
		add("correction, "+c.kind(), c.Currency, c.PostingPeriod.String(), c.Documents, c.AmountMinor)
	}
	for _, m := range t.Moved {
		add("invoices moved", m.Currency, "", nil, m.AmountMinor)
	}
	for _, c := range t.Overall {
		add("now, "+c.Kind, c.Currency, "", c.Posted.Count, c.Posted.AmountMinor)
	}
	return s
}
