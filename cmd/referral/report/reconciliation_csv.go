package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"referral/models"
)

// csvHead names the columns of a reconciliation as CSV. All records share them;
// the first column says what a record is. A column named _minor holds amounts.
var csvHead = []string{
	"record", "kind", "percent", "sms", "currency", "ties",
	"entitled_count", "entitled_minor", "posted_count", "posted_minor",
	"published_count", "published_minor", "answered_count", "answered_minor", "written_off_count", "written_off_minor",
	"account_id", "invoice_id", "document_id", "lines", "expected_minor", "actual_minor", "detail",
}

// csvRecord is a record by column name; a column that is not named is empty. Its
// values are of the types that CSVForm.cell knows.
type csvRecord map[string]any

// identifier is text that names something and must be kept to the letter.
type identifier string

// accountIdentifier is empty for what is about no account.
func accountIdentifier(id int64) identifier {
	if id == 0 {
		return ""
	}
	return identifier(strconv.FormatInt(id, 10))
}

// ReconciliationCSV writes a reconciliation as CSV.
func ReconciliationCSV(w io.Writer, t *Reconciliation, form CSVForm) error {
	out, err := form.writer(w)
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	_ = out.Write(form.head(csvHead)) // an error shows in out.Error
	for _, record := range csvRecords(t) {
		row := make([]string, len(csvHead))
		for i, column := range csvHead {
			row[i] = form.cell(record[column])
		}
		_ = out.Write(row)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func csvRecords(t *Reconciliation) []csvRecord {
	records := []csvRecord{{"record": "period", "kind": string(t.State), "ties": t.Ties, "detail": fmt.Sprintf("%s: %s", t.Period, t.headline())}}
	for _, list := range []struct {
		record string
		lines  []Control
	}{{"overall", t.Overall}, {"control", t.Controls}} {
		for i := range list.lines {
			records = append(records, csvControl(list.record, &list.lines[i]))
		}
	}
	records = append(records, csvSigned(t)...)
	records = append(records, csvRecord{"record": "posted-for-closed-periods", "posted_count": t.Foreign.Documents, "posted_minor": t.Foreign.AmountMinor})
	for i := range t.Breaks {
		records = append(records, csvBreak(&t.Breaks[i]))
	}
	for _, h := range t.Held {
		records = append(records, csvRecord{"record": "held", "kind": identifier(h.Service), "entitled_count": h.Lines, "actual_minor": h.AmountMinor})
	}
	for _, n := range t.Notices {
		records = append(records, csvRecord{"record": "notice", "kind": string(n.Kind), "account_id": accountIdentifier(n.AccountID),
			"invoice_id": identifier(n.InvoiceID), "actual_minor": n.AmountMinor, "detail": n.Detail})
	}
	for _, a := range t.Acts {
		records = append(records, csvRecord{"record": "act", "kind": string(a.What), "detail": fmt.Sprintf("%s by %s: %s", moment(a.At, ""), a.By, a.Reason)})
	}
	return append(records, csvRests(t)...)
}

// csvSigned is what was signed and what was posted since. With what has moved it
// comes to the records "overall".
func csvSigned(t *Reconciliation) (records []csvRecord) {
	for i := range t.Earlier {
		records = append(records, csvRecord{"record": "signature-taken-back", "detail": t.Earlier[i].takenBack()})
	}
	if t.Signed == nil {
		return records
	}
	records = append(records, csvRecord{"record": "signed", "detail": t.Signed.headline()})
	for _, list := range []struct {
		record string
		lines  []Control
	}{{"signed-overall", t.Signed.Overall}, {"signed-control", t.Signed.Controls}} {
		for i := range list.lines {
			records = append(records, csvControl(list.record, &list.lines[i]))
		}
	}
	records = append(records, csvRecord{"record": "signed-posted-for-closed-periods",
		"posted_count": t.Signed.Foreign.Documents, "posted_minor": t.Signed.Foreign.AmountMinor})
	for _, c := range t.Corrections {
		records = append(records, csvRecord{"record": "correction", "kind": correctionKind(c), "currency": c.Currency,
			"posted_count": c.Documents, "posted_minor": c.AmountMinor, "detail": "posted to " + c.PostingPeriod.String()})
	}
	for _, m := range t.Moved {
		records = append(records, csvRecord{"record": "moved", "kind": "discounts", "currency": m.Currency, "posted_minor": m.AmountMinor,
			"detail": "invoices whose period has changed since"})
	}
	return records
}

func correctionKind(c Correction) string {
	if c.Currency == "" {
		return "packages"
	}
	return "discounts"
}

// csvRests says what is counted and not listed.
func csvRests(t *Reconciliation) (rests []csvRecord) {
	if rest := unnamed(t.BreakCount, len(t.Breaks), "break"); rest != "" {
		rests = append(rests, csvRecord{"record": "break", "detail": rest})
	}
	if rest := unnamed(t.NoticeCount, len(t.Notices), "notice"); rest != "" {
		rests = append(rests, csvRecord{"record": "notice", "detail": rest})
	}
	return rests
}

func csvControl(record string, c *Control) csvRecord {
	row := csvRecord{"record": record, "kind": c.Kind, "currency": c.Currency, "ties": c.Ties, "detail": c.Difference}
	if c.Percent > 0 {
		row["percent"] = int64(c.Percent)
	}
	if c.SMS > 0 {
		row["sms"] = int64(c.SMS)
	}
	for i, name := range stageNames {
		stage, total := strings.ReplaceAll(name, " ", "_"), c.stages()[i]
		row[stage+"_count"], row[stage+"_minor"] = total.Count, total.AmountMinor
	}
	return row
}

func csvBreak(b *Break) csvRecord {
	return csvRecord{
		"record": "break", "kind": string(b.Kind), "account_id": accountIdentifier(b.AccountID), "invoice_id": identifier(b.InvoiceID),
		"document_id": identifier(b.DocumentID), "lines": identifier(strings.Join(b.Lines, " ")),
		"expected_minor": b.ExpectedMinor, "actual_minor": b.ActualMinor, "detail": b.Detail,
	}
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

// writer begins a file. Without the byte order mark Excel takes UTF-8 for the code
// page of the system.
func (f CSVForm) writer(w io.Writer) (*csv.Writer, error) {
	out := csv.NewWriter(w)
	if f != CSVExcel {
		return out, nil
	}
	out.Comma, out.UseCRLF = ';', true
	_, err := io.WriteString(w, "\ufeff")
	return out, err
}

// head is the names of the columns: amounts for Excel are in major units.
func (f CSVForm) head(columns []string) []string {
	if f != CSVExcel {
		return columns
	}
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = strings.TrimSuffix(column, "_minor")
	}
	return names
}

// cell is a value as it is written. It panics over a type that no column has.
func (f CSVForm) cell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case models.Money:
		return f.amount(v)
	case identifier:
		return f.identifier(string(v))
	case string:
		return harmless(v)
	}
	panic(fmt.Sprintf("no CSV is made of a %T", value))
}

func (f CSVForm) amount(m models.Money) string {
	if f != CSVExcel {
		return strconv.FormatInt(int64(m), 10)
	}
	return strings.NewReplacer(" ", "", ".", ",").Replace(m.String())
}

// identifier puts an apostrophe before what Excel would change. CSV has no other
// way to say that digits are text.
func (f CSVForm) identifier(text string) string {
	if f == CSVExcel && excelRereads(text) {
		return "'" + text
	}
	return harmless(text)
}

// harmless keeps a spreadsheet from taking text for a formula: identifiers and
// reasons come from outside, and `=HYPERLINK(…)` is a valid invoice id.
func harmless(text string) string {
	if strings.TrimLeft(text, " ") != "" && strings.ContainsRune("=+-@\t\r\n", rune(strings.TrimLeft(text, " ")[0])) {
		return "'" + text
	}
	return text
}
