// Package report is what the commands print: tables for people; JSON, CSV and
// workbooks for programs. It is given values, and writes them.
package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// JSON writes a value over several lines.
func JSON(w io.Writer, v any) error { return encode(w, v, "  ") }

// encode writes a value as JSON; without an indent, in one line.
func encode(w io.Writer, v any, indent string) error {
	out := json.NewEncoder(w)
	out.SetIndent("", indent)
	if err := out.Encode(v); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
