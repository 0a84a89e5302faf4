package store_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"referral/models"
	"referral/store"
)

// docs/database.md names every table, and every column of the views with its type,
// and its examples find something.
func TestDatabaseManual(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/database.md")
	if err != nil {
		t.Fatal(err)
	}
	l := rejectedMonth(t)
	l.facts(april(700, 2, 500)) // an earlier revision is not the latest one
	manual := string(text)
	for table := range strings.FieldsSeq(store.CheckedTables()) {
		if !strings.Contains(manual, "`"+table+"`") {
			t.Errorf("table %s is not described", table)
		}
	}
	for _, view := range []string{
		"public.invoice_lines", "public.adjustment_items", "finance.months", "finance.documents", "finance.entitlements", "finance.referrals", "finance.audit",
	} {
		_, after, _ := strings.Cut(manual, "\n### "+strings.TrimPrefix(view, "public.")+"\n")
		section, _, _ := strings.Cut(after, "\n#")
		l.describes(view, section)
	}
	examples := regexp.MustCompile("(?s)```sql\n(.*?);\n```").FindAllStringSubmatch(manual, -1)
	if len(examples) < 4 {
		t.Errorf("%d examples", len(examples))
	}
	for _, e := range examples {
		if l.dump(e[1]) == "" {
			t.Errorf("an example finds nothing:\n%s", e[1])
		}
	}
	if n := l.number("SELECT count(*) FROM invoice_lines WHERE account_id = 700 AND period = $1 AND latest", models.Period(202604)); n != 1 {
		t.Errorf("the latest revision has %d lines", n)
	}
}

// describes holds a table of columns and types to those of a view, in their order.
func (l *life) describes(view, section string) {
	l.Helper()
	var described []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\| (.*?) \\|").FindAllStringSubmatch(section, -1) {
		for column := range strings.SplitSeq(row[1], ", ") {
			described = append(described, strings.Trim(column, "`")+" "+row[2])
		}
	}
	var columns string
	err := l.db.QueryRow(`SELECT string_agg(column_name || ' ' || data_type, E'\n' ORDER BY ordinal_position)
		FROM information_schema.columns WHERE table_schema || '.' || table_name = $1`, view).Scan(&columns)
	if err != nil {
		l.Fatal(err)
	}
	if got := strings.Join(described, "\n"); got != columns {
		l.Errorf("%s is described as\n%s\nand has\n%s", view, got, columns)
	}
}
