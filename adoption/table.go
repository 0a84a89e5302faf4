// Package adoption reads what an older system has kept: CSV files of accounts, referrals,
// packages and discounts, which become facts of this one. They are checked as a whole
// before anything is stored.
package adoption

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Fault is what is wrong with one value or row of a file.
type Fault struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column string `json:"column,omitempty"` // empty for the whole row
	Value  string `json:"value,omitempty"`
	Text   string `json:"fault"`
}

// String says where the fault is, what was found there, and what is wrong with it.
func (f Fault) String() string {
	where := fmt.Sprintf("%s line %d", f.File, f.Line)
	if f.Column != "" {
		where += ", " + f.Column
	}
	if f.Value != "" {
		where += fmt.Sprintf(" %q", f.Value)
	}
	return where + ": " + f.Text
}

// Column is a column that a table may have.
type Column struct {
	Name     string
	Required bool
	Meaning  string // for the template
}

// Table is a CSV file with a header, read row by row. Columns come in any order; upper
// and lower case, blanks and underscores in their names are alike. Fields are separated
// by commas or semicolons, as the header is.
type Table struct {
	Name    string // of the file
	columns []Column
	at      []int // of each column in a row; -1 for one that the file does not have
	width   int
	file    *os.File
	digest  hash.Hash // of what was read
	rows    *csv.Reader
}

// Row is a row of a table.
type Row struct {
	table  *Table
	Line   int
	fields []string
}

// OpenTable opens a file and reads its header.
func OpenTable(path string, columns []Column) (*Table, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &Table{Name: filepath.Base(path), columns: columns, file: file, digest: sha256.New()}
	if err := t.readHeader(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", t.Name, err), file.Close())
	}
	return t, nil
}

// countLines counts the lines of a file, which has no more rows.
func countLines(path string) (lines int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // it is only read
	part := make([]byte, 1<<16)
	for {
		n, err := file.Read(part)
		lines += bytes.Count(part[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

const byteOrderMark = "\ufeff"

func (t *Table) readHeader() error {
	text := bufio.NewReader(io.TeeReader(t.file, t.digest))
	if mark, err := text.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		_, _ = text.Discard(len(byteOrderMark))
	}
	line, err := text.Peek(4096) // enough for any header
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	first, _, _ := strings.Cut(string(line), "\n")
	t.rows = csv.NewReader(text)
	t.rows.FieldsPerRecord, t.rows.ReuseRecord = -1, true
	if strings.Count(first, ";") > strings.Count(first, ",") {
		t.rows.Comma = ';'
	}
	header, err := t.rows.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the file is empty: its first line names the columns %s", t.names())
	}
	if err != nil {
		return err
	}
	t.width, t.at = len(header), slices.Repeat([]int{-1}, len(t.columns))
	for i, name := range header {
		at := slices.IndexFunc(t.columns, func(c Column) bool { return c.Name == normalName(name) })
		switch {
		case !utf8.ValidString(name):
			return errors.New("it is not UTF-8: save it as CSV in UTF-8")
		case at < 0:
			return fmt.Errorf("the column %q is unknown: there are %s", name, t.names())
		case t.at[at] >= 0:
			return fmt.Errorf("the column %q comes twice", name)
		}
		t.at[at] = i
	}
	for i, c := range t.columns {
		if c.Required && t.at[i] < 0 {
			return fmt.Errorf("the column %s is missing", c.Name)
		}
	}
	return nil
}

func normalName(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), "_")
}

func (t *Table) names() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// Each hands over the rows, empty ones left out. A row that has another number of fields
// than the header, a wrong quote, or is not UTF-8, comes with a fault. An error is of the
// file.
func (t *Table) Each(see func(Row, *Fault) error) error {
	for {
		fields, err := t.rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var wrong *csv.ParseError
		if err != nil && (!errors.As(err, &wrong) || wrong.Line != wrong.StartLine) {
			return fmt.Errorf("%s cannot be read any further: %w", t.Name, err)
		}
		row := Row{table: t, fields: fields}
		if wrong != nil {
			row.Line = wrong.StartLine
		} else {
			row.Line, _ = t.rows.FieldPos(0)
		}
		line := row.Line
		var fault *Fault
		switch {
		case wrong != nil:
			fault = &Fault{File: t.Name, Line: line, Text: fmt.Sprintf("there is a quote in the field at byte %d: put the whole field in quotes, and double each one in it", wrong.Column)}
		case len(fields) != t.width:
			fault = &Fault{File: t.Name, Line: line, Text: fmt.Sprintf("the row has %d fields, the header %d", len(fields), t.width)}
		case slices.ContainsFunc(fields, func(f string) bool { return !utf8.ValidString(f) || strings.ContainsRune(f, 0) }):
			fault = &Fault{File: t.Name, Line: line, Text: "the row is not UTF-8: save the file as CSV in UTF-8"}
		case strings.TrimSpace(strings.Join(fields, "")) == "":
			continue
		}
		if err := see(row, fault); err != nil {
			return err
		}
	}
}

// Has tells whether the file has a column.
func (t *Table) Has(column string) bool {
	i := slices.IndexFunc(t.columns, func(c Column) bool { return c.Name == column })
	return i >= 0 && t.at[i] >= 0
}

// SHA256 is the digest of the file in hexadecimal digits, once all its rows were read.
func (t *Table) SHA256() string { return hex.EncodeToString(t.digest.Sum(nil)) }

// Close closes the file.
func (t *Table) Close() error { return t.file.Close() }

// Value is a field of the row without blanks around it; empty when the file has no such
// column.
func (r Row) Value(column string) string {
	i := slices.IndexFunc(r.table.columns, func(c Column) bool { return c.Name == column })
	if at := r.table.at[i]; at >= 0 && at < len(r.fields) {
		return strings.TrimSpace(r.fields[at])
	}
	return ""
}

// Fields is the whole row, good until the next one is read.
func (r Row) Fields() []string { return r.fields }

// Fault is a fault of a field of the row.
func (r Row) Fault(column, text string) *Fault {
	return &Fault{File: r.table.Name, Line: r.Line, Column: column, Value: shortened(r.Value(column)), Text: text}
}

func shortened(value string) string {
	const enough = 60
	runes := []rune(value)
	if len(runes) > enough {
		return string(runes[:enough]) + "…"
	}
	return value
}
