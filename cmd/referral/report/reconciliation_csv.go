package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"referral/internal/spreadsheet"
	"referral/models"
)

// csvColumns is the columns of a reconciliation as CSV. All records share them; the
// first column says what a record is. A column named _minor holds amounts.
var csvColumns = []string{
	"record", "kind", "percent", "sms", "currency", "ties",
	"entitled_count", "entitled_minor", "posted_count", "posted_minor",
	"published_count", "published_minor", "answered_count", "answered_minor", "written_off_count", "written_off_minor",
	"account_id", "invoice_id", "document_id", "lines", "expected_minor", "actual_minor", "detail",
}

// csvRecord is a record by column; a column that is not named is empty. Its values are
// of the types that CSVForm.cell knows.
type csvRecord map[string]any

// identifier is text that names something and must not be changed in any way.
type identifier string

// accountIdentifier is empty for what is not about an account.
func accountIdentifier(id int64) identifier {
	if id == 0 {
		return ""
	}
	return identifier(strconv.FormatInt(id, 10))
}

// ReconciliationCSV writes a reconciliation as CSV.
func ReconciliationCSV(w io.Writer, t *Reconciliation, form CSVForm) error {
	out := csv.NewWriter(w)
	columns := csvColumns
	if form == CSVExcel {
		// Without the byte order mark Excel takes UTF-8 for the code page of the system.
		if _, err := io.WriteString(w, "\ufeff"); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
		out.Comma, out.UseCRLF = ';', true
		columns = strings.Split(strings.ReplaceAll(strings.Join(csvColumns, " "), "_minor", ""), " ") // in major units
	}
	rows := [][]string{columns}
	for _, record := range t.csvRecords() {
		row := make([]string, len(csvColumns))
		for i, name := range csvColumns {
			row[i] = form.cell(record[name])
		}
		rows = append(rows, row)
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

func (t *Reconciliation) csvRecords() []csvRecord {
	records := []csvRecord{{"record": "period", "kind": string(t.State), "ties": t.Ties, "detail": fmt.Sprintf("%s: %s", t.Period, t.headline())}}
	add := func(record string, r csvRecord) {
		r["record"] = record
		records = append(records, r)
	}
	addControls := func(record string, list []Control) {
		for i := range list {
			add(record, list[i].csv())
		}
	}
	addControls("overall", t.Overall)
	addControls("control", t.Controls)
	for i := range t.Earlier {
		add("signature-taken-back", csvRecord{"detail": t.Earlier[i].takenBack()})
	}
	if s := t.Signed; s != nil {
		add("signed", csvRecord{"detail": s.headline()})
		addControls("signed-overall", s.Overall)
		addControls("signed-control", s.Controls)
		add("signed-posted-for-closed-periods", s.Foreign.csv())
		for _, c := range t.Corrections {
			add("correction", csvRecord{"kind": c.kind(), "currency": c.Currency,
				"posted_count": c.Documents, "posted_minor": c.AmountMinor, "detail": "posted to " + c.PostingPeriod.String()})
		}
		for _, m := range t.Moved {
			add("moved", csvRecord{"kind": "discounts", "currency": m.Currency, "posted_minor": m.AmountMinor, "detail": "invoices whose period has changed since"})
		}
	}
	add("posted-for-closed-periods", t.Foreign.csv())
	for _, b := range t.Breaks {
		add("break", csvRecord{"kind": string(b.Kind), "account_id": accountIdentifier(b.AccountID), "invoice_id": identifier(b.InvoiceID),
			"document_id": identifier(b.DocumentID), "lines": identifier(strings.Join(b.Lines, " ")),
			"expected_minor": b.ExpectedMinor, "actual_minor": b.ActualMinor, "detail": b.Detail})
	}
	for _, h := range t.Held {
		add("held", csvRecord{"kind": identifier(h.Service), "entitled_count": h.Lines, "actual_minor": h.AmountMinor})
	}
	for _, n := range t.Notices {
		add("notice", csvRecord{"kind": string(n.Kind), "account_id": accountIdentifier(n.AccountID), "invoice_id": identifier(n.InvoiceID),
			"actual_minor": n.AmountMinor, "detail": n.Detail})
	}
	for _, a := range t.Acts {
		add("act", csvRecord{"kind": string(a.What), "detail": fmt.Sprintf("%s by %s: %s", moment(a.At, ""), a.By, a.Reason)})
	}
	if rest := unlisted(t.BreakCount, len(t.Breaks), "break"); rest != "" {
		add("break", csvRecord{"detail": rest})
	}
	if rest := unlisted(t.NoticeCount, len(t.Notices), "notice"); rest != "" {
		add("notice", csvRecord{"detail": rest})
	}
	return records
}

func (f Foreign) csv() csvRecord {
	return csvRecord{"posted_count": f.Documents, "posted_minor": f.AmountMinor}
}

func (c *Control) csv() csvRecord {
	record := csvRecord{"kind": c.Kind, "currency": c.Currency, "ties": c.Ties, "detail": c.Difference}
	if c.Percent > 0 {
		record["percent"] = int64(c.Percent)
	}
	if c.SMS > 0 {
		record["sms"] = int64(c.SMS)
	}
	for i, total := range c.stages() {
		stage := strings.ReplaceAll(stageNames[i], " ", "_")
		record[stage+"_count"], record[stage+"_minor"] = total.Count, total.AmountMinor
	}
	return record
}

// CSVForm is a way of writing CSV.
type CSVForm string

// The ways of writing CSV.
const (
	CSVPlain CSVForm = "plain" // RFC 4180, amounts in minor units: for programs
	CSVExcel CSVForm = "excel" // as a Russian Excel opens it by a double click
)

// Validate refuses a way that does not exist.
func (f CSVForm) Validate() error {
	if f != CSVPlain && f != CSVExcel {
		return fmt.Errorf("%q must be plain or excel", string(f))
	}
	return nil
}

// cell is a value as it is written. It panics over a type that no column has.
func (f CSVForm) cell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case int64, bool:
		return fmt.Sprint(v)
	case models.Money:
		if f != CSVExcel {
			return strconv.FormatInt(int64(v), 10)
		}
		return strings.NewReplacer(" ", "", ".", ",").Replace(v.String())
	case identifier:
		if f == CSVExcel && spreadsheet.ExcelChanges(string(v)) {
			return "'" + string(v) // CSV has no other way to say that digits are text
		}
		return spreadsheet.EscapeFormula(string(v))
	case string:
		return spreadsheet.EscapeFormula(v)
	}
	panic(fmt.Sprintf("no CSV is made of a %T", value))
}
