// Package spreadsheet keeps text from being changed by a spreadsheet that opens a CSV.
package spreadsheet

import (
	"regexp"
	"strings"
)

var (
	// exactNumber is a number that Excel shows again as it was written: it keeps 15
	// digits, and no zeros before them.
	exactNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,14})$`)
	// numberLike is what it may read as a number, a sum, a date, a time or a fraction.
	numberLike = regexp.MustCompile(`^[-+0-9eE.,:/\\()%$€₽рубРУБ'\s\x{00a0}]+$`)
	// monthLike is what it may read as a date with the name of a month, in Russian
	// or in English: "1-янв", "MAR1", "Dec 2026".
	monthLike = regexp.MustCompile(`(?i)^[\d\s.,/-]*(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|` +
		`янв|фев|мар|апр|май|мая|июн|июл|авг|сен|окт|ноя|дек)\p{L}*[\d\s.,/-]*$`)
	digit     = regexp.MustCompile(`[0-9]`)
	truthLike = regexp.MustCompile(`(?i)^(true|false|истина|ложь)$`)
)

// ExcelChanges tells text of which Excel would make something else when it opens
// a CSV: 9007199254740993 becomes 9.00719925474099E+15, 1-2 the 1st of February.
func ExcelChanges(text string) bool {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || exactNumber.MatchString(text) {
		return false
	}
	if !digit.MatchString(trimmed) {
		return truthLike.MatchString(trimmed)
	}
	return numberLike.MatchString(trimmed) || monthLike.MatchString(trimmed)
}

// EscapeFormula keeps a spreadsheet from taking text for a formula: identifiers and
// reasons come from outside, and `=HYPERLINK(…)` is a valid invoice id.
func EscapeFormula(text string) string {
	if strings.TrimLeft(text, " ") != "" && strings.ContainsRune("=+-@\t\r\n", rune(strings.TrimLeft(text, " ")[0])) {
		return "'" + text
	}
	return text
}
