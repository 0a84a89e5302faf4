package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func newBar(w io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(40), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish())
}

func printJSON(p process, v any) error {
	out := json.NewEncoder(p.out)
	out.SetIndent("", "  ")
	if err := out.Encode(v); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// count is a whole number grouped by thousands.
func count(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && d != '-' && digits[i-1] != '-' && (len(digits)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// printTable prints columns under a title: the first one to the left, the
// others, which are figures, to the right.
func printTable(w io.Writer, title string, head []string, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := 2 * (len(widths) - 1)
	for _, width := range widths {
		total += width
	}
	fmt.Fprintf(w, "%s\n%s\n", title, strings.Repeat("─", max(total, utf8.RuneCountInString(title))))
	for i, row := range append([][]string{head}, rows...) {
		printRow(w, row, widths)
		if i == 0 {
			fmt.Fprintln(w, strings.Repeat("─", max(total, utf8.RuneCountInString(title))))
		}
	}
	fmt.Fprintln(w)
}

func printRow(w io.Writer, row []string, widths []int) {
	var b strings.Builder
	for i, cell := range row {
		gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		switch {
		case i == 0:
			b.WriteString(cell + gap)
		default:
			b.WriteString("  " + gap + cell)
		}
	}
	fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
}
