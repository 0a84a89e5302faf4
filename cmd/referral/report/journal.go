package report

import (
	"encoding/hex"
	"fmt"
	"io"

	"referral/models"
)

// Journal is the result of checking the journal.
type Journal struct {
	Entries int64    `json:"entries"`
	Head    string   `json:"head"` // hash of the last entry, hexadecimal
	Wrong   int64    `json:"wrong"`
	Faults  []string `json:"faults"` // the first of them
}

// JournalOf is the result of a check as it is printed.
func JournalOf(c *models.JournalCheck) Journal {
	return Journal{Entries: c.Entries, Head: hex.EncodeToString(c.Head[:]), Wrong: c.Wrong, Faults: append([]string{}, c.Faults...)}
}

// JournalText prints the result of a check.
func JournalText(w io.Writer, c *models.JournalCheck) {
	for _, fault := range c.Faults {
		fmt.Fprintln(w, Printable(fault))
	}
	j := JournalOf(c)
	if c.Wrong == 0 {
		fmt.Fprintln(w, "nothing was altered, removed or moved")
	}
	fmt.Fprintf(w, "entries: %d\nhash of the last entry: %s\n", j.Entries, j.Head)
}
