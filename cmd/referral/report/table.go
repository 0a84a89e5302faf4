package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"referral/models"
)

// Count is a whole number grouped by thousands.
func Count(n int64) string { return models.Grouped(n) }

// Quantity is a number with what it counts: "1 break", "2 breaks".
func Quantity(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Count(n) + " " + what + "s"
}

// printTable prints columns under a title: numbers to the right, words to the left.
// (text/tabwriter aligns all columns to one side.)
func printTable(w io.Writer, title string, head []string, rows [][]string) {
	widths, right := make([]int, len(head)), make([]bool, len(head))
	for i := range head {
		widths[i], right[i] = utf8.RuneCountInString(head[i]), i > 0
	}
	for _, row := range rows {
		for i := range row {
			row[i] = Printable(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
			right[i] = right[i] && isNumber(row[i])
		}
	}
	total := 2 * (len(widths) - 1)
	for _, width := range widths {
		total += width
	}
	rule := strings.Repeat("─", max(total, utf8.RuneCountInString(title)))
	fmt.Fprintf(w, "%s\n%s\n", title, rule)
	if strings.Join(head, "") != "" {
		printRow(w, head, widths, right)
		fmt.Fprintln(w, rule)
	}
	for _, row := range rows {
		printRow(w, row, widths, right)
	}
	fmt.Fprintln(w)
}

// isNumber tells whether a cell is a number, a day or empty.
func isNumber(cell string) bool { return strings.Trim(cell, "0123456789 .,-+%/") == "" }

// Printable replaces control characters: what comes from outside must not control a
// terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func printRow(w io.Writer, row []string, widths []int, right []bool) {
	var line strings.Builder
	for i, cell := range row {
		width := widths[i]
		if !right[i] {
			width = -width
		}
		fmt.Fprintf(&line, "%*s  ", width, cell)
	}
	fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
}

// printRows is printTable, and prints nothing when there are no rows.
func printRows(w io.Writer, title string, head []string, rows [][]string) {
	if len(rows) > 0 {
		printTable(w, title, head, rows)
	}
}
