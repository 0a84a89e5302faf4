package report

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/billing"
	"referral/models"
)

// breaksOf is a report of breaks whose names a spreadsheet would spoil.
func breaksOf(breaks ...Break) *Reconciliation {
	return &Reconciliation{
		Period: 202604, State: models.PeriodClosed, ClosedAt: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC),
		CheckedAt: time.Date(2026, 5, 7, 21, 8, 9, 0, time.UTC), BreakCount: int64(len(breaks)), Breaks: breaks,
		Foreign: Foreign{Documents: 2, AmountMinor: -142001},
		Held:    []Held{{Service: "1-2", Lines: 3, AmountMinor: 50}},
		Notices: []Notice{{Kind: billing.NoticeHeld, AccountID: 885, InvoiceID: "00012", AmountMinor: 5, Detail: "=1+1; «x»"}},
	}
}

var spoiled = Break{
	Kind: billing.BreakNotPosted, AccountID: 9007199254740993, InvoiceID: "2026-04", Lines: []string{"1", "2"}, DocumentID: "5e0c1e2c-8a1f-5b0d-9c55-0b1a6f0f3a77",
	ExpectedMinor: -999_999_999_999_999, ActualMinor: 7, Detail: "a\nb",
}

func TestTheWorkbookKeepsWhatItIsGiven(t *testing.T) {
	var file bytes.Buffer
	huge := Break{AccountID: 1, ExpectedMinor: 9_007_199_254_740_993}
	if err := ReconciliationXLSX(&file, breaksOf(spoiled, huge)); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&file, excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close() //nolint:errcheck // only read
	const number = excelize.CellTypeUnset
	for _, want := range []struct {
		sheet, cell string
		kind        excelize.CellType
		raw         string
	}{
		{"Breaks", "B2", excelize.CellTypeInlineString, "9007199254740993"},
		{"Breaks", "C2", excelize.CellTypeInlineString, "2026-04"},
		{"Breaks", "D2", excelize.CellTypeInlineString, "5e0c1e2c-8a1f-5b0d-9c55-0b1a6f0f3a77"},
		{"Breaks", "E2", excelize.CellTypeInlineString, "1 2"},
		{"Breaks", "F2", number, "-9999999999999.99"},
		{"Breaks", "G2", number, "0.07"},
		{"Breaks", "F3", excelize.CellTypeInlineString, "90 071 992 547 409.93"},
		{"Notices", "B2", excelize.CellTypeInlineString, "885"},
		{"Notices", "C2", excelize.CellTypeInlineString, "00012"},
		{"Notices", "E2", excelize.CellTypeInlineString, "=1+1; «x»"},
		{"Summary", "B2", excelize.CellTypeInlineString, "2026-04"},
		{"Summary", "B5", number, "46148.297326388885"}, // days since 1899-12-30
		{"Summary", "B6", number, "46149.88065972222"},
		{"Summary", "B16", number, "2"},
		{"Summary", "B17", number, "-1420.01"},
	} {
		kind, err := book.GetCellType(want.sheet, want.cell)
		raw, rawErr := book.GetCellValue(want.sheet, want.cell)
		if err != nil || rawErr != nil || kind != want.kind || raw != want.raw {
			t.Errorf("%s!%s is %q of type %v (%v, %v), want %q of type %v", want.sheet, want.cell, raw, kind, err, rawErr, want.raw, want.kind)
		}
	}
	if shown, err := book.GetCellValue("Summary", "B5", excelize.Options{RawCellValue: false}); err != nil || shown != "2026-05-06 07:08:09" {
		t.Errorf("the day of closing is shown as %q, %v", shown, err)
	}
}

// A Russian Excel opens this by a double click: columns, letters, numbers, and no
// identifier turned into another.
func TestCSVForExcel(t *testing.T) {
	var file bytes.Buffer
	if err := ReconciliationCSV(&file, breaksOf(spoiled), CSVExcel); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"\ufeffrecord;kind;percent;sms;currency;ties;entitled_count;entitled;posted_count;posted;published_count;published;answered_count;answered;written_off_count;written_off;account_id;invoice_id;document_id;lines;expected;actual;detail",
		"period;closed;;;;false;;;;;;;;;;;;;;;;;2026-04: IT DOES NOT TIE, 1 break",
		"posted-for-closed-periods;;;;;;;;2;-1420,01;;;;;;;;;;;;;",
		"break;entitled-not-posted;;;;;;;;;;;;;;;'9007199254740993;'2026-04;5e0c1e2c-8a1f-5b0d-9c55-0b1a6f0f3a77;'1 2;-9999999999999,99;0,07;\"a\r\nb\"",
		"held;'1-2;;;;;3;;;;;;;;;;;;;;;0,50;",
		"notice;held-line;;;;;;;;;;;;;;;885;'00012;;;;0,05;'=1+1; «x»",
		"",
	}, "\r\n")
	want = strings.Replace(want, "'=1+1; «x»", `"'=1+1; «x»"`, 1)
	want = strings.NewReplacer("entitled-not-posted", string(billing.BreakNotPosted), "held-line", string(billing.NoticeHeld)).Replace(want)
	if got := file.String(); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestPlainCSVIsForPrograms(t *testing.T) {
	var file bytes.Buffer
	if err := ReconciliationCSV(&file, breaksOf(spoiled), CSVPlain); err != nil {
		t.Fatal(err)
	}
	if text := file.String(); !strings.HasPrefix(text, "record,kind,") || strings.Contains(text, "\r") {
		t.Errorf("it begins with %.20q, or has line ends of Windows", text)
	}
	rows, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, name := range rows[0] {
		got[name] = rows[3][i]
	}
	for name, want := range map[string]string{
		"account_id": "9007199254740993", "invoice_id": "2026-04", "lines": "1 2", "expected_minor": "-999999999999999", "actual_minor": "7",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// What is about no account does not name account 0.
func TestWhatIsAboutNoAccount(t *testing.T) {
	report := breaksOf(Break{Kind: billing.BreakIncomplete, Detail: "chunk 7"})
	report.Notices = []Notice{{Kind: billing.NoticeWaiting, Detail: "packages wait"}}
	var table, plain, workbook bytes.Buffer
	ReconciliationTable(&table, report)
	for _, err := range []error{ReconciliationCSV(&plain, report, CSVPlain), ReconciliationXLSX(&workbook, report)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if text := table.String(); strings.Contains(text, "account 0") {
		t.Errorf("the table names account 0:\n%s", text)
	}
	rows, err := csv.NewReader(&plain).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := slices.Index(rows[0], "account_id")
	for _, row := range rows[1:] {
		if row[column] != "" {
			t.Errorf("account %q in %q", row[column], row)
		}
	}
	book, err := excelize.OpenReader(&workbook)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close() //nolint:errcheck // only read
	for _, sheet := range []string{"Breaks", "Notices"} {
		if cell, err := book.GetCellValue(sheet, "B2"); err != nil || cell != "" {
			t.Errorf("%s: account %q (%v)", sheet, cell, err)
		}
	}
}

// A signed month whose invoices have all moved to another one is not a month of
// which nothing is known.
func TestASignedMonthIsNotNothing(t *testing.T) {
	report := &Reconciliation{Period: 202605, State: models.PeriodClosed, Nothing: true, Ties: true}
	if got := report.headline(); got != "there is nothing in this period, so it ties" {
		t.Errorf("without a signature: %q", got)
	}
	report.Signed = &Signature{By: "Anna"}
	if got := report.headline(); got != "it ties" {
		t.Errorf("signed: %q", got)
	}
}
