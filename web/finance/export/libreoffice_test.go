package export

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/models"
)

const officeVariable = "REFERRAL_TEST_LIBREOFFICE"

// profile is the settings of an accountant's office: Russian, and formulas are
// calculated when a file is opened.
const profile = `<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>ru-RU</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>
`

// opened is a file as LibreOffice understands it in Russian, written again as a workbook.
func opened(t *testing.T, name string, content []byte, filter ...string) *excelize.File {
	t.Helper()
	office := os.Getenv(officeVariable)
	if office == "" {
		t.Fatal(officeVariable + " is not set: run the tests with test/testenv (make test does)")
	}
	dir := t.TempDir()
	settings := filepath.Join(dir, "profile", "user")
	if err := os.MkdirAll(settings, 0o755); err != nil {
		t.Fatal(err)
	}
	source, result := filepath.Join(dir, name), filepath.Join(dir, "opened")
	for file, text := range map[string][]byte{filepath.Join(settings, "registrymodifications.xcu"): []byte(profile), source: content} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	home := (&url.URL{Scheme: "file", Path: filepath.Join(dir, "profile")}).String()
	args := append([]string{"-env:UserInstallation=" + home, "--headless"}, filter...)
	cmd := exec.CommandContext(t.Context(), office, append(args, "--convert-to", "xlsx", "--outdir", result, source)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("LibreOffice opens %s: %v\n%s", name, err, out)
	}
	book, err := excelize.OpenFile(filepath.Join(result, strings.TrimSuffix(name, filepath.Ext(name))+".xlsx"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() }) // nothing was written to it
	return book
}

// uneven is three documents whose sum is -1 420,03.
func uneven(see func(*models.RegisterEntry) error) error {
	for i, amount := range []models.Money{-141999, -5, 1} {
		e := models.RegisterEntry{
			AccountID: int64(885 + i), Name: "ООО «Клиент»; \"двери\"", TaxID: "0077123456", InvoiceID: "1/2", Sequence: 1, Period: 202604, PostingPeriod: 202604,
			Currency: "RUB", Amount: amount, Reason: models.ReasonRun, PostedAt: time.Unix(1_777_777_777, 0), Published: true,
		}
		if err := see(&e); err != nil {
			return err
		}
	}
	return nil
}

// A Russian LibreOffice sees numbers as numbers and identifiers as text, and its sum is
// that of the list.
func TestLibreOfficeOpensTheRegister(t *testing.T) {
	t.Parallel()
	write := func(format string) []byte {
		var file bytes.Buffer
		if err := writeRegister(&file, format, uneven); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	// Semicolons, double quotes, UTF-8, from the first line; in Russian, with dates and
	// formulas recognised, as by a double click in Excel.
	const asExcel = "--infilter=CSV:59,34,76,1,,1049,false,true,false,false,false,-1,true"
	for _, sheet := range []struct {
		name string
		book *excelize.File
	}{
		{"XLSX", opened(t, "register.xlsx", write("xlsx"))},
		{"CSV for Excel", opened(t, "register.csv", write("csv-excel"), asExcel)},
	} {
		name := sheet.book.GetSheetName(0)
		raw := excelize.Options{RawCellValue: true}
		for cell, want := range map[string]string{"A2": "885", "B2": "ООО «Клиент»; \"двери\"", "C2": "0077123456", "D2": "1/2", "G2": "2026-04", "K2": "-1419.99", "K3": "-0.05"} {
			if got, err := sheet.book.GetCellValue(name, cell, raw); err != nil || got != want {
				t.Errorf("%s: %s is %q, want %q: %v", sheet.name, cell, got, want, err)
			}
		}
		for cell, number := range map[string]bool{"C2": false, "D2": false, "K2": true} {
			kind, err := sheet.book.GetCellType(name, cell)
			if isNumber := kind == excelize.CellTypeNumber || kind == excelize.CellTypeUnset; err != nil || isNumber != number {
				t.Errorf("%s: %s has type %v: %v", sheet.name, cell, kind, err)
			}
		}
		if sheet.name == "XLSX" {
			if sum, err := sheet.book.GetCellValue(name, "K5", raw); err != nil || sum != "-1420.03" {
				t.Errorf("the sum is %q: %v", sum, err)
			}
		}
	}
}

// A report of several tables opens with a sheet for each, and sums up the amounts of
// those that have totals.
func TestLibreOfficeOpensAReport(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	err := Tables(&file, "xlsx", []Table{
		{Title: "Всего", Columns: []Column{{Head: "За что"}, {Head: "Сумма"}}, Rows: [][]any{{State(models.Inviter), models.Money(-141999)}, {State(models.Invitee), models.Money(-4)}}, Totals: true},
		{Title: "Расхождения", Columns: []Column{{Head: "Счет"}, {Head: "Есть"}}, Rows: [][]any{{"0077", models.Money(-5)}}},
	}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	book := opened(t, "report.xlsx", file.Bytes())
	if sheets := book.GetSheetList(); len(sheets) != 2 {
		t.Errorf("the sheets are %q", sheets)
	}
	for _, cell := range []struct{ sheet, name, want string }{
		{"Всего", "B2", "-1419.99"}, {"Всего", "A4", "Итого"}, {"Всего", "B4", "-1420.03"}, {"Расхождения", "A2", "0077"}, {"Расхождения", "B2", "-0.05"}, {"Расхождения", "A3", ""},
	} {
		if got, err := book.GetCellValue(cell.sheet, cell.name, excelize.Options{RawCellValue: true}); err != nil || got != cell.want {
			t.Errorf("%s: %s is %q, want %q: %v", cell.sheet, cell.name, got, cell.want, err)
		}
	}
}
