package report

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"referral/models"
)

// Journal is the result of checking the journal.
type Journal struct {
	Entries int64    `json:"entries"`
	Head    string   `json:"head"` // hash of the last entry, hexadecimal
	Wrong   int64    `json:"wrong"`
	Faults  []string `json:"faults"` // the first of them

	Published *PublishedEntry `json:"published,omitempty"` // nil: not asked for
	Signed    *SignedReport   `json:"signed,omitempty"`    // nil: not asked for
}

// PublishedEntry is an entry that was looked for by its hash.
type PublishedEntry struct {
	Hash  string `json:"hash"`
	Entry int64  `json:"entry"` // 0: there is none
}

// SignedReport is the newest report that was signed under a period.
type SignedReport struct {
	Period models.Period `json:"period"`
	SHA256 string        `json:"sha256"`
	At     time.Time     `json:"signed_at"`
	By     string        `json:"signed_by"`
	Wrong  string        `json:"wrong"` // empty: it is what was signed
}

// JournalOf is the result of a check as it is printed.
func JournalOf(c *models.JournalCheck) Journal {
	j := Journal{Entries: c.Entries, Head: hex.EncodeToString(c.Head[:]), Wrong: c.Wrong, Faults: []string{}}
	for i := range c.Faults {
		j.Faults = append(j.Faults, c.Faults[i].String())
	}
	return j
}

// JournalText prints the result of a check.
func JournalText(w io.Writer, j *Journal) {
	for _, fault := range j.Faults {
		fmt.Fprintln(w, Printable(fault))
	}
	if j.Wrong == 0 {
		fmt.Fprintln(w, "nothing was altered, removed or moved")
	}
	fmt.Fprintf(w, "entries: %d\nhash of the last entry: %s\n", j.Entries, j.Head)
	if p := j.Published; p != nil && p.Entry > 0 {
		fmt.Fprintf(w, "the published hash is that of entry %d\n", p.Entry)
	}
	if s := j.Signed; s != nil && s.Wrong == "" {
		fmt.Fprintf(w, "report of %s, signed by %s on %s: it and the register are what was signed\nSHA-256 of the report: %s\n",
			s.Period, Printable(s.By), s.At.Format(time.RFC3339), s.SHA256)
	}
}
