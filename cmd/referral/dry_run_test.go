package main

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"referral/models"
)

// A dry run shows what the real run posts, to the kopeck: its own period first,
// then the differences of closed periods that it carries.
func TestADryRunShowsClosedPeriodsToo(t *testing.T) {
	w := spring(t)
	w.onTopics()
	w.hears(bill(885, 202603, 1, subscription(60000)))
	w.month(202603)
	for _, period := range []string{"2026-03", "2026-04"} {
		if a := w.asks("close", period, "--by", "Anna"); a.status != exitOK {
			t.Fatalf("%+v", a)
		}
	}
	w.hears(
		models.PromoEnded{AccountID: 903, EndedAt: instant(w, "2026-04-21")}, // April: 903
		bill(885, 202603, 2, subscription(90000)),                            // March: 885
		bill(885, 202605, 1, subscription(300000)), bill(903, 202605, 1, subscription(50000)),
	)
	before := w.dump()
	dry := w.asks("run", "2026-05", "--dry-run", "--format", "json")
	table := w.asks("run", "2026-05", "--dry-run")
	if w.dump() != before || dry.status != exitOK || table.status != exitOK {
		t.Fatalf("%+v", dry)
	}
	if !strings.Contains(table.out, "Rehearsal of 2026-03 (differences), posted to 2026-05, for 2026-03 is closed") {
		t.Errorf("the table does not name the closed period:\n%s", table.out)
	}
	for _, want := range []string{"(invoice-revised, 1 line, of 2026-03)", "(late-fact, 1 line, of 2026-04)", "(run, 1 line)"} {
		if !strings.Contains(table.out, want) {
			t.Errorf("the table does not say %s:\n%s", want, table.out)
		}
	}
	real := w.asks("run", "2026-05", "--format", "json")
	if real.status != exitOK {
		t.Fatalf("%+v", real)
	}
	var rehearsed, posted, documents, ledger []string
	for _, line := range objectsOf(t, dry.out) {
		switch line["type"] {
		case "totals":
			rehearsed = append(rehearsed, totalsOfLine(line))
		case "document":
			documents = append(documents, fmt.Sprintf("%v %v %v %.0f", line["invoice_id"], line["period"], line["posting_period"], line["amount_minor"]))
		}
	}
	for _, line := range objectsOf(t, real.out) {
		posted = append(posted, totalsOfLine(line))
	}
	if !slices.Equal(rehearsed, posted) || len(posted) != 3 {
		t.Errorf("rehearsed\n%s\nposted\n%s", strings.Join(rehearsed, "\n"), strings.Join(posted, "\n"))
	}
	w.each(`SELECT invoice_id || ' ' || period / 100 || '-0' || period % 100 || ' 2026-05 ' || amount_minor FROM adjustments WHERE posting_period = 202605`,
		func(rows *sql.Rows) error {
			var line string
			defer func() { ledger = append(ledger, line) }()
			return rows.Scan(&line)
		})
	slices.Sort(documents)
	slices.Sort(ledger)
	if !slices.Equal(documents, ledger) {
		t.Errorf("rehearsed\n%s\nposted\n%s", strings.Join(documents, "\n"), strings.Join(ledger, "\n"))
	}
}

func totalsOfLine(line map[string]any) string {
	var parts []string
	for _, name := range []string{"period", "posting_period", "kind", "accounts", "documents", "items", "amount_minor", "packages", "sms", "held_lines"} {
		parts = append(parts, fmt.Sprint(name, " ", line[name]))
	}
	return strings.Join(parts, ", ")
}
