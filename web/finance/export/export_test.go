package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/models"
)

func writeRegister(w io.Writer, format string, each func(see func(*models.RegisterEntry) error) error) error {
	list := Register(202604, each)
	return list.Write(w, format, time.UTC)
}

// entries hands n documents to a writer.
func entries(n int) func(see func(*models.RegisterEntry) error) error {
	return func(see func(*models.RegisterEntry) error) error {
		for i := range n {
			e := models.RegisterEntry{
				AccountID: int64(i + 1), Name: "ООО «Клиент»", TaxID: "0077123456", InvoiceID: fmt.Sprint("INV-2026-04-", i+1), Sequence: 1, Period: 202604,
				PostingPeriod: 202604, Currency: "RUB", Amount: -142000, Reason: models.ReasonRun, PostedAt: time.Unix(1_777_777_777, 0), Published: true,
			}
			if err := see(&e); err != nil {
				return err
			}
		}
		return nil
	}
}

// A list that is longer than a sheet goes on on the next one, each with its own head and
// total.
func TestMoreRowsThanASheetHolds(t *testing.T) {
	all := sheetRows
	sheetRows = 100
	t.Cleanup(func() { sheetRows = all })
	var file bytes.Buffer
	if err := writeRegister(&file, "xlsx", entries(250)); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() }) // nothing was written to it
	rows := 0
	for i, name := range book.GetSheetList() {
		lines, err := book.GetRows(name)
		if err != nil {
			t.Fatal(err)
		}
		last := fmt.Sprintf("K%d", len(lines))
		formula, err := book.GetCellFormula(name, last)
		if err != nil || formula != fmt.Sprintf("SUM(K2:K%d)", len(lines)-1) || lines[0][0] != "Клиент" || lines[len(lines)-1][0] != "Итого" || len(lines) > 100 {
			t.Errorf("sheet %d has %d lines, and the total %q: %v", i, len(lines), formula, err)
		}
		rows += len(lines) - 2
	}
	if rows != 250 || len(book.GetSheetList()) != 3 {
		t.Errorf("%d rows on the sheets %v", rows, book.GetSheetList())
	}
}

// What a spreadsheet would take for a formula, or for a number that loses its zeros,
// stays text.
func TestTextStaysText(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"csv", "csv-excel"} {
		var file bytes.Buffer
		err := writeRegister(&file, format, func(see func(*models.RegisterEntry) error) error {
			return see(&models.RegisterEntry{AccountID: 1, Name: "=HYPERLINK(\"http://x\")", TaxID: "0077", InvoiceID: "+7", Currency: "RUB", Amount: -5})
		})
		if err != nil || strings.Contains(file.String(), ",=") || strings.Contains(file.String(), ";=H") || strings.Contains(file.String(), `"=HYPER`) || strings.Contains(file.String(), ",+7") {
			t.Errorf("%s: %s, %v", format, file.String(), err)
		}
		if want := map[string]string{"csv": ",-0.05,", "csv-excel": ";-0,05;"}[format]; !strings.Contains(file.String(), want) {
			t.Errorf("%s: no %q in %s", format, want, file.String())
		}
	}
}

// Identifiers of which Excel would make dates or numbers are text in its CSV.
func TestExcelKeepsIdentifiers(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"1-2", "2026-04", "MAR1", "9007199254740993"} {
		var file bytes.Buffer
		err := writeRegister(&file, "csv-excel", func(see func(*models.RegisterEntry) error) error {
			return see(&models.RegisterEntry{AccountID: 1, InvoiceID: id, Currency: "RUB"})
		})
		if err != nil || !strings.Contains(file.String(), `;"=""`+id+`""";`) {
			t.Errorf("%q is written as %s, %v", id, file.String(), err)
		}
	}
}

// BenchmarkRegister writes a million documents; its memory must not grow with them.
func BenchmarkRegister(b *testing.B) {
	for _, format := range Formats {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				if err := writeRegister(io.Discard, format, entries(1_000_000)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// JSON has integers of minor units, times with their zone and null for what is unknown.
func TestListAsJSON(t *testing.T) {
	t.Parallel()
	list := List{
		Title:   "Список",
		Columns: []Column{{Head: "Кто", Key: "who"}, {Head: "Сумма", Key: "amount_minor"}, {Head: "Когда", Key: "at"}, {Head: "Почему", Key: "reason"}},
		Each: func(row func(values ...any) error) error {
			return errors.Join(
				row("=1+1 \"я\"", models.Money(-9_007_199_254_740_993), time.Unix(0, 0), State(models.ReasonRun)),
				row("", nil, time.Time{}, ""),
			)
		},
	}
	var file bytes.Buffer
	if err := list.Write(&file, "json", time.FixedZone("", 3*3600)); err != nil {
		t.Fatal(err)
	}
	want := `[
{"who":"=1+1 \"я\"","amount_minor":-9007199254740993,"at":"1970-01-01T03:00:00+03:00","reason":"run"},
{"who":"","amount_minor":null,"at":null,"reason":""}
]
`
	if file.String() != want {
		t.Errorf("%s", file.String())
	}
	file.Reset()
	if err := list.Write(&file, "csv", time.UTC); err != nil || !strings.HasSuffix(file.String(), "\n,,,\n") {
		t.Errorf("CSV: %s, %v", file.String(), err)
	}
}

// A list that cannot be read to its end is an error in each format.
func TestListFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("no connection")
	list := List{Title: "Список", Columns: []Column{{Head: "Кто", Key: "who", Width: 10}}, Each: func(row func(values ...any) error) error {
		return errors.Join(row("x"), gone)
	}}
	for _, format := range Formats {
		if err := list.Write(&bytes.Buffer{}, format, time.UTC); !errors.Is(err, gone) {
			t.Errorf("%s: %v", format, err)
		}
	}
}
