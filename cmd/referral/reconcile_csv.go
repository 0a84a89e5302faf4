package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// csvHead names the columns of a reconciliation as CSV. All records share them;
// the first column says what a record is. Amounts are in minor units.
var csvHead = []string{
	"record", "kind", "percent", "sms", "currency", "ties",
	"entitled_count", "entitled_minor", "posted_count", "posted_minor",
	"published_count", "published_minor", "answered_count", "answered_minor",
	"account_id", "invoice_id", "document_id", "lines", "expected_minor", "actual_minor", "detail",
}

// csvRecord is a record by column name; a column that is not named is empty.
type csvRecord map[string]string

func writeReconcileCSV(w io.Writer, t *reconcileReport) error {
	out := csv.NewWriter(w)
	_ = out.Write(csvHead) // an error shows in out.Error
	for _, record := range csvRecords(t) {
		row := make([]string, len(csvHead))
		for i, column := range csvHead {
			row[i] = record[column]
		}
		_ = out.Write(row)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func csvRecords(t *reconcileReport) []csvRecord {
	records := []csvRecord{{"record": "period", "kind": string(t.State), "ties": strconv.FormatBool(t.Ties),
		"detail": harmless(fmt.Sprintf("%s: %s", t.Period, t.headline()))}}
	for _, list := range []struct {
		record string
		lines  []controlReport
	}{{"overall", t.Overall}, {"control", t.Controls}} {
		for i := range list.lines {
			records = append(records, csvControl(list.record, &list.lines[i]))
		}
	}
	records = append(records, csvRecord{"record": "posted-for-closed-periods", "posted_count": figure(t.Foreign.Documents), "posted_minor": figure(t.Foreign.AmountMinor)})
	for i := range t.Breaks {
		records = append(records, csvBreak(&t.Breaks[i]))
	}
	for _, h := range t.Held {
		records = append(records, csvRecord{"record": "held", "kind": harmless(h.Service), "entitled_count": figure(h.Lines), "actual_minor": figure(h.AmountMinor)})
	}
	for _, n := range t.Notices {
		records = append(records, csvRecord{"record": "notice", "kind": string(n.Kind), "account_id": figure(n.AccountID),
			"invoice_id": harmless(n.InvoiceID), "actual_minor": figure(n.AmountMinor), "detail": harmless(n.Detail)})
	}
	return append(records, csvRests(t)...)
}

// csvRests says what is counted and not listed.
func csvRests(t *reconcileReport) (rests []csvRecord) {
	if rest := unnamed(t.BreakCount, len(t.Breaks), "break"); rest != "" {
		rests = append(rests, csvRecord{"record": "break", "detail": rest})
	}
	if rest := unnamed(t.NoticeCount, len(t.Notices), "notice"); rest != "" {
		rests = append(rests, csvRecord{"record": "notice", "detail": rest})
	}
	return rests
}

func csvControl(record string, c *controlReport) csvRecord {
	row := csvRecord{"record": record, "kind": c.Kind, "currency": harmless(c.Currency), "ties": strconv.FormatBool(c.Ties)}
	if c.Percent > 0 {
		row["percent"] = figure(c.Percent)
	}
	if c.SMS > 0 {
		row["sms"] = figure(c.SMS)
	}
	for i, stage := range []string{"entitled", "posted", "published", "answered"} {
		total := c.stages()[i]
		row[stage+"_count"], row[stage+"_minor"] = figure(total.Count), figure(total.AmountMinor)
	}
	return row
}

func csvBreak(b *breakReport) csvRecord {
	return csvRecord{
		"record": "break", "kind": string(b.Kind), "account_id": figure(b.AccountID), "invoice_id": harmless(b.InvoiceID),
		"document_id": b.DocumentID, "lines": harmless(strings.Join(b.Lines, " ")),
		"expected_minor": figure(b.ExpectedMinor), "actual_minor": figure(b.ActualMinor), "detail": harmless(b.Detail),
	}
}

func figure[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// harmless keeps a spreadsheet from taking text for a formula: identifiers and
// reasons come from outside, and `=HYPERLINK(…)` is a valid invoice id.
func harmless(text string) string {
	if strings.TrimLeft(text, " ") != "" && strings.ContainsRune("=+-@\t\r\n", rune(strings.TrimLeft(text, " ")[0])) {
		return "'" + text
	}
	return text
}
