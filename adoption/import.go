package adoption

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/models"
)

// Store is the methods of the storage that an import uses.
type Store interface {
	ImportKnown(ctx context.Context, q models.ImportQuery) (models.ImportKnown, error)
	PreviewImport(ctx context.Context, rows []models.Fact) (models.ImportCounts, error)
	Import(ctx context.Context, rows []models.Fact, derive models.DeriveFunc) (models.ImportCounts, error)
	ForEachImported(ctx context.Context, see func(models.Fact) error) error
	ImportTotals(ctx context.Context) (models.ImportTotals, error)
}

// Options is how files are imported. All fields but SkipBad and Begin are required.
type Options struct {
	Directory string
	Store     Store
	Derive    models.DeriveFunc
	Zone      *time.Location
	Now       time.Time
	Sizes     []int // of the packages that the terms give
	DryRun    bool  // nothing is stored
	Remove    bool  // rows of earlier imports that the files do not have are withdrawn
	// SkipBad gets the bad rows as CSV, and the others are imported; nil imports nothing
	// when there is a bad one.
	SkipBad io.Writer
	// Begin is called once the files are checked, before the first row is stored.
	Begin func(ctx context.Context) error
	// Progress is told what is done and how many rows it has come to.
	Progress func(what string, rows int64)
}

// FileResult is what became of a file.
type FileResult struct {
	File    string `json:"file"`
	Rows    int64  `json:"rows"`
	New     int64  `json:"new"`
	Changed int64  `json:"changed"`
	Same    int64  `json:"same"`
	Bad     int64  `json:"bad"`
	// Missing is the rows of earlier imports that the file does not have any more. They
	// stay, unless they are to be removed: then they are withdrawn, accounts excepted.
	Missing int64 `json:"missing"`
}

// Result is what an import did.
type Result struct {
	DryRun      bool          `json:"dry_run"`
	Imported    bool          `json:"imported"` // false when a bad row kept everything from being stored
	Files       []FileResult  `json:"files"`
	Packages    map[int]int64 `json:"packages,omitempty"` // in the database, by size
	PercentDays int64         `json:"percent_days"`       // of the agreed discounts in the database
	FaultCount  int64         `json:"fault_count"`
	// Unfinished is an earlier import that has not come to its end; nil for none.
	Unfinished *Unfinished `json:"unfinished,omitempty"`
	Faults     []Fault     `json:"faults"` // the first thousand
}

// Unfinished is an import that was begun, and that was interrupted or still runs.
type Unfinished struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Digest string    `json:"digest"` // of its files
}

// Import checks the files as a whole and takes them. An error is of the directory, the
// storage or a file that cannot be read at all; what is wrong in rows is in the result.
func Import(ctx context.Context, o Options) (*Result, error) {
	c := &check{o: &o, seed: maphash.MakeSeed(), sums: sums{packages: map[int]int64{}}}
	c.parser = parser{zone: o.Zone, today: models.DateOf(o.Now, o.Zone), sizes: map[int]bool{}}
	for _, size := range o.Sizes {
		c.parser.sizes[size] = true
	}
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	slices.SortStableFunc(c.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(kindNamed(a.File), kindNamed(b.File)), cmp.Compare(a.Line, b.Line))
	})
	r := &Result{DryRun: o.DryRun, FaultCount: c.count, Faults: c.faults}
	for k := range kinds {
		r.Files = append(r.Files, FileResult{File: files[k].name, Rows: c.rows[k], Bad: int64(len(c.bad[k]))})
	}
	if c.count > 0 && o.SkipBad == nil {
		return r, nil
	}
	if err := o.writeBad(c); err != nil {
		return nil, err
	}
	if r.Imported = !o.DryRun; r.Imported && o.Begin != nil {
		if err := o.Begin(ctx); err != nil {
			return nil, err
		}
	}
	for k := range kinds {
		if c.there[k] {
			if k == packages { // after the referrals, by which they are earned
				if err := c.corrections(ctx); err != nil {
					return nil, err
				}
			}
			if err := o.take(ctx, k, c, &r.Files[k]); err != nil {
				return nil, err
			}
		}
	}
	if err := o.missing(ctx, c, r); err != nil {
		return nil, err
	}
	return r, o.totals(ctx, c, r)
}

// storeBatch is how many rows are stored in one transaction, and storeWorkers how many
// transactions at once: the program prepares one while the database works on others.
const (
	storeBatch   = 500
	storeWorkers = 4
)

// take stores the rows of a file that have no fault.
func (o *Options) take(ctx context.Context, k kind, c *check, r *FileResult) error {
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(storeWorkers)
	var lock sync.Mutex // of the result and the progress
	var batch []models.Fact
	send := func() error {
		rows := batch
		batch = nil
		workers.Go(func() error {
			counts, err := o.store(ctx, rows)
			lock.Lock()
			defer lock.Unlock()
			r.New, r.Changed, r.Same = r.New+counts.New, r.Changed+counts.Changed, r.Same+counts.Same
			o.Progress("importing "+files[k].name, r.New+r.Changed+r.Same)
			return err
		})
		return ctx.Err()
	}
	err := o.each(k, &c.parser, func(row Row, data models.FactData, fault *Fault) error {
		if fault != nil || c.bad[k][int32(row.Line)] != "" { //nolint:gosec // as when it was checked
			c.parser.faults = c.parser.faults[:0]
			return nil
		}
		from := models.Provenance{Origin: models.Origin{Topic: models.ImportedFrom(files[k].name), Offset: int64(row.Line)}, At: o.Now}
		if p, ok := data.(models.ImportedPackage); ok {
			p.Replaces = c.corrected[int32(row.Line)] //nolint:gosec // as when it was checked
			data = p
		}
		c.sums.add(data)
		if batch = append(batch, models.Fact{At: o.Now, Provenance: from, Data: data}); len(batch) < storeBatch {
			return nil
		}
		return send()
	})
	if err == nil && len(batch) > 0 {
		err = send()
	}
	if failed := workers.Wait(); failed != nil { // the first failure ends the others
		return failed
	}
	return err
}

func (o *Options) store(ctx context.Context, rows []models.Fact) (models.ImportCounts, error) {
	if o.DryRun {
		return o.Store.PreviewImport(ctx, rows)
	}
	return o.Store.Import(ctx, rows, o.Derive)
}

// missing counts, and perhaps withdraws, what earlier imports have told and the files do
// not. A file that is not there says nothing about its rows.
func (o *Options) missing(ctx context.Context, c *check, r *Result) error {
	var gone []models.Fact
	send := func() error {
		_, err := o.store(ctx, gone)
		gone = gone[:0]
		return err
	}
	err := o.Store.ForEachImported(ctx, func(f models.Fact) error {
		k := kindOf(f.Data)
		if !c.there[k] || c.has(k, f.Data) || c.corrects(k, f.Data) {
			return nil
		}
		r.Files[k].Missing++
		if !o.Remove || k == accounts {
			c.sums.add(f.Data)
			return nil
		}
		gone = append(gone, models.Fact{At: o.Now, Provenance: models.Provenance{Origin: models.Origin{Topic: models.ImportedFrom(files[k].name)}, At: o.Now}, Data: withdrawn(f.Data)})
		if len(gone) < storeBatch {
			return nil
		}
		return send()
	})
	if err == nil && len(gone) > 0 {
		err = send()
	}
	return err
}

func kindOf(data models.FactData) kind {
	switch data.(type) {
	case models.ImportedAccount:
		return accounts
	case models.ImportedReferral:
		return referrals
	case models.ImportedPackage:
		return packages
	}
	return discounts
}

func withdrawn(data models.FactData) models.FactData {
	switch d := data.(type) {
	case models.ImportedReferral:
		d.Withdrawn = true
		return d
	case models.ImportedPackage:
		d.Withdrawn = true
		return d
	case models.AgreedDiscount:
		d.Withdrawn = true
		return d
	}
	return data
}

// has tells whether a file has a row with the key of a stored one.
func (c *check) has(k kind, data models.FactData) bool {
	if k == accounts {
		return c.holds(data.Account())
	}
	want := c.entryOf(data)
	return slices.ContainsFunc(c.of(k, want.account), func(e entry) bool {
		return k == referrals || e.day == want.day && (k == discounts || e.other == want.other)
	})
}

// corrects tells whether a row of a file replaces a stored one that it does not have. Only
// a dry run finds such a row stored when it has come to the end.
func (c *check) corrects(k kind, data models.FactData) bool {
	switch d := data.(type) {
	case models.ImportedPackage:
		return c.replaced[c.entryOf(d)]
	case models.AgreedDiscount:
		return slices.ContainsFunc(c.of(k, d.AccountID), func(e entry) bool { return d.Overlaps(models.AgreedDiscount{From: e.day, To: models.Date(e.other)}) })
	}
	return false
}

// of is the rows of an account. They are sorted by it.
func (c *check) of(k kind, account int64) []entry {
	all := c.entries[k]
	first := sort.Search(len(all), func(i int) bool { return all[i].account >= account })
	end := first
	for end < len(all) && all[end].account == account {
		end++
	}
	return all[first:end]
}

// totals counts again what the database holds, and compares it with the files.
func (o *Options) totals(ctx context.Context, c *check, r *Result) error {
	held, err := o.Store.ImportTotals(ctx)
	if err != nil {
		return err
	}
	r.Packages, r.PercentDays = held.Packages, held.PercentDays
	if o.DryRun {
		return nil
	}
	var given int64
	for _, n := range held.Packages {
		given += n
	}
	for k, n := range [kinds]int64{held.Accounts, held.Referrals, given, held.Discounts} {
		f := r.Files[k]
		expected := f.Rows - f.Bad
		if !o.Remove || kind(k) == accounts {
			expected += f.Missing
		}
		if c.there[k] && n != expected {
			return differs(f.File, "rows", n, expected)
		}
	}
	for size, n := range held.Packages {
		if expected := c.sums.packages[size]; c.there[packages] && n != expected {
			return differs(files[packages].name, fmt.Sprintf("packages of %d SMS", size), n, expected)
		}
	}
	if c.there[discounts] && held.PercentDays != c.sums.percentDays {
		return differs(files[discounts].name, "percent-days", held.PercentDays, c.sums.percentDays)
	}
	return nil
}

func differs(file, what string, held, expected int64) error {
	return fmt.Errorf("the database holds %d %s of %s, and the files give %d: a file was changed meanwhile, or another import has run at the same time; import again", held, what, file, expected)
}

// sums is what rows come to.
type sums struct {
	packages    map[int]int64 // by size
	percentDays int64
}

func (s *sums) add(data models.FactData) {
	switch d := data.(type) {
	case models.ImportedPackage:
		s.packages[d.SMS]++
	case models.AgreedDiscount:
		s.percentDays += int64(d.Percent) * int64(d.To-d.From)
	}
}

// writeBad writes the bad rows with what is wrong with them.
func (o *Options) writeBad(c *check) error {
	if o.SkipBad == nil || c.count == 0 {
		return nil
	}
	out := csv.NewWriter(o.SkipBad)
	if err := out.Write([]string{"file", "line", "fault", "row"}); err != nil {
		return err
	}
	for k := range kinds {
		err := o.each(k, &c.parser, func(row Row, _ models.FactData, _ *Fault) error {
			c.parser.faults = c.parser.faults[:0]
			fault := c.bad[k][int32(row.Line)] //nolint:gosec // as when it was checked
			if fault == "" {
				return nil
			}
			return out.Write(append([]string{files[k].name, fmt.Sprint(row.Line), fault}, row.Fields()...))
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// Digest is the SHA-256 of the files, by which an import is recorded.
func Digest(directory string) (string, error) {
	whole := sha256.New()
	for _, f := range files {
		one := sha256.New()
		file, err := os.Open(filepath.Join(directory, f.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = io.Copy(one, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return "", err
		}
		fmt.Fprintf(whole, "%s %x\n", f.name, one.Sum(nil))
	}
	return hex.EncodeToString(whole.Sum(nil)), nil
}
