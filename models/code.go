package models

import "strings"

// CodeAlphabet is the symbols of an invitation code: no two that look or sound
// alike in print (0/O, 1/I/L are left out).
const CodeAlphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

// CodeLength makes guessing hopeless: 31^9 codes.
const CodeLength = 9

// NormalCode is a code as people type it, brought to its stored form.
func NormalCode(typed string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(typed)))
}
