package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"referral/adoption"
)

// ImportColumns writes what the columns of an older system's files mean.
func ImportColumns(w io.Writer) {
	var rows [][]string
	adoption.Columns(func(file string, c adoption.Column) {
		required := "required"
		if !c.Required {
			required = ""
		}
		rows = append(rows, []string{file, c.Name, required, c.Meaning})
	})
	printTable(w, "Columns", []string{"file", "column", "", "meaning"}, rows)
}

// ImportTable writes what an import of an older system's files did.
func ImportTable(w io.Writer, r *adoption.Result) {
	for _, f := range r.Faults {
		fmt.Fprintln(w, Printable(f.String()))
	}
	if more := r.FaultCount - int64(len(r.Faults)); more > 0 {
		fmt.Fprintf(w, "and %s\n", Quantity(more, "more fault"))
	}
	if len(r.Faults) > 0 {
		fmt.Fprintln(w)
	}
	if u := r.Unfinished; u != nil {
		fmt.Fprintf(w, "The import that %s began at %s, of files with the digest %s, has not come to its end: it was interrupted, or is running. What it has stored stays.\n\n",
			Printable(u.By), u.At.Format(time.RFC3339), u.Digest)
	}
	var rows [][]string
	missing := int64(0)
	for _, f := range r.Files {
		rows = append(rows, []string{f.File, Count(f.Rows), Count(f.New), Count(f.Changed), Count(f.Same), Count(f.Bad), Count(f.Missing)})
		missing += f.Missing
	}
	title := "Imported"
	switch {
	case r.DryRun:
		title = "Nothing is stored: this would be imported"
	case !r.Imported:
		title = "Nothing is imported"
	}
	printTable(w, title, []string{"file", "rows", "new", "changed", "same", "bad", "not in the file"}, rows)
	for _, size := range slices.Sorted(maps.Keys(r.Packages)) {
		fmt.Fprintf(w, "%s of %d SMS given before\n", Quantity(r.Packages[size], "package"), size)
	}
	if r.PercentDays > 0 {
		fmt.Fprintf(w, "%s of agreed discounts\n", Quantity(r.PercentDays, "percent-day"))
	}
	if missing > 0 {
		fmt.Fprintln(w, "Rows of earlier imports that the files do not have any more stay, unless --remove-missing is given.")
	}
}
