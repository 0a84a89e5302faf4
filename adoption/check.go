package adoption

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"

	"referral/models"
)

// maxFaults is how many faults are named. All are counted.
const maxFaults = 1000

// askBatch is how many rows are compared with what is stored at once.
const askBatch = 5000

// entry is what is remembered of a row, to compare it with others: a few bytes, for there
// may be a million.
type entry struct {
	account int64
	other   int64 // the inviter, the hash of the code, the size of the package or the end of the discount
	day     models.Date
	line    int32
	stored  bool // as an earlier import has told it; only of packages
}

// check is the examination of the files as a whole.
type check struct {
	o       *Options
	parser  parser
	seed    maphash.Seed
	entries [kinds][]entry
	held    []int64                 // the accounts of the files without fault, sorted
	rows    [kinds]int64            // read
	bad     [kinds]map[int32]string // lines with faults, and the first of them
	there   [kinds]bool             // whether the file exists
	faults  []Fault                 // the first maxFaults
	count   int64                   // of all faults
	sums    sums                    // of what is stored in the end
	// corrected is the days that lines of packages.csv replace, and replaced those packages.
	corrected map[int32]models.Date
	replaced  map[entry]bool
}

func (c *check) add(f Fault) {
	line := int32(f.Line) //nolint:gosec // a file of so many lines is not read
	if bad := c.bad[kindNamed(f.File)]; bad[line] == "" {
		bad[line] = f.Text
	}
	if c.count++; len(c.faults) < maxFaults {
		c.faults = append(c.faults, f)
	}
}

func kindNamed(name string) kind {
	return kind(slices.IndexFunc(files[:], func(known file) bool { return known.name == name }))
}

// run examines one file after another: what depends on a bad row is bad too.
func (c *check) run(ctx context.Context) error {
	found := false
	for k := range kinds {
		c.bad[k] = map[int32]string{}
		if err := c.file(ctx, k); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		c.there[k], found = true, true
	}
	if !found {
		return fmt.Errorf("%s has none of the files accounts.csv, referrals.csv, packages.csv and discounts.csv; `referral import --template` writes examples", c.o.Directory)
	}
	return nil
}

// each hands over the rows of a file with what they say.
func (o *Options) each(k kind, p *parser, see func(row Row, data models.FactData, fault *Fault) error) error {
	t, err := OpenTable(filepath.Join(o.Directory, files[k].name), files[k].columns)
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // it is only read
	return t.Each(func(row Row, fault *Fault) error {
		if fault != nil {
			return see(row, nil, fault)
		}
		return see(row, files[k].parse(p, row), nil)
	})
}

func (c *check) file(ctx context.Context, k kind) error {
	lines, err := countLines(filepath.Join(c.o.Directory, files[k].name))
	if err != nil {
		return err
	}
	c.entries[k] = make([]entry, 0, lines)
	var asked question
	err = c.o.each(k, &c.parser, func(row Row, data models.FactData, fault *Fault) error {
		c.rows[k]++
		if fault != nil {
			c.add(*fault)
			return nil
		}
		for _, f := range c.parser.faults {
			c.add(f)
		}
		valid := len(c.parser.faults) == 0
		if c.parser.faults = c.parser.faults[:0]; !valid {
			return nil
		}
		e := c.entryOf(data)
		e.line = int32(row.Line) //nolint:gosec // a file of so many lines is not read
		c.entries[k] = append(c.entries[k], e)
		if asked.add(c, data, row); len(asked.lines) < askBatch {
			return nil
		}
		return c.ask(ctx, k, &asked)
	})
	if err == nil {
		err = c.ask(ctx, k, &asked)
	}
	if err != nil {
		return err
	}
	c.compare(k)
	slices.SortFunc(c.entries[k], byEntry)
	c.leaveOutBad(k)
	if k == referrals {
		if err := c.cycles(ctx); err != nil {
			return err
		}
	}
	if k == accounts { // of a million only the numbers are needed now
		c.held = make([]int64, len(c.entries[k]))
		for i, e := range c.entries[k] {
			c.held[i] = e.account
		}
		c.entries[k] = nil
	}
	return nil
}

// leaveOutBad forgets rows with faults: they do not count for what follows.
func (c *check) leaveOutBad(k kind) {
	c.entries[k] = slices.DeleteFunc(c.entries[k], func(e entry) bool { return c.bad[k][e.line] != "" })
}

func (c *check) entryOf(data models.FactData) entry {
	switch d := data.(type) {
	case models.ImportedAccount:
		e := entry{account: d.AccountID}
		if d.Code != "" {
			e.other = int64(maphash.String(c.seed, d.Code) | 1) //nolint:gosec // any 64 bits, and not zero
		}
		return e
	case models.ImportedReferral:
		return entry{account: d.InviteeID, other: d.InviterID}
	case models.ImportedPackage:
		return entry{account: d.AccountID, other: int64(d.SMS), day: d.GivenOn}
	case models.AgreedDiscount:
		return entry{account: d.AccountID, other: int64(d.To), day: d.From}
	}
	panic("not a row of a file")
}

// holds tells whether the files have an account, without fault.
func (c *check) holds(account int64) bool {
	_, found := slices.BinarySearch(c.held, account)
	return found
}

// question is what some rows ask of what is stored.
type question struct {
	models.ImportQuery
	lines []asker
}

// asker is a row that asks.
type asker struct {
	line int
	data models.FactData
}

func (q *question) add(c *check, data models.FactData, row Row) {
	know := func(id int64) {
		if !c.holds(id) {
			q.Accounts = append(q.Accounts, id)
		}
	}
	switch d := data.(type) {
	case models.ImportedAccount:
		if d.Code == "" {
			return
		}
		q.Codes = append(q.Codes, d.Code)
	case models.ImportedReferral:
		know(d.InviterID)
		know(d.InviteeID)
		q.Invitees = append(q.Invitees, d.InviteeID)
	default:
		know(data.Account())
	}
	q.lines = append(q.lines, asker{row.Line, data})
}

// ask compares rows with what is stored.
func (c *check) ask(ctx context.Context, k kind, q *question) error {
	if len(q.lines) == 0 {
		return nil
	}
	known, err := c.o.Store.ImportKnown(ctx, q.ImportQuery)
	if err != nil {
		return err
	}
	for _, a := range q.lines {
		f := Fault{File: files[k].name, Line: a.line}
		unknown := func(column string, id int64) {
			if !c.holds(id) && !known.Accounts[id] {
				f.Column, f.Value, f.Text = column, strconv.FormatInt(id, 10), "the account is neither in accounts.csv, without fault, nor stored"
				c.add(f)
			}
		}
		switch d := a.data.(type) {
		case models.ImportedAccount:
			if owner := known.Owners[d.Code]; owner != 0 && owner != d.AccountID {
				f.Column, f.Value, f.Text = "existing_code", d.Code, fmt.Sprintf("account %d has this code already", owner)
				c.add(f)
			}
		case models.ImportedReferral:
			unknown("inviter", d.InviterID)
			unknown("invitee", d.InviteeID)
			if inviter, invited := known.Inviters[d.InviteeID]; invited && !inviter.Imported && inviter.ID != d.InviterID {
				f.Column, f.Value, f.Text = "invitee", strconv.FormatInt(d.InviteeID, 10), fmt.Sprintf("the account has used the code of account %d already", inviter.ID)
				c.add(f)
			}
		default:
			unknown("account", a.data.Account())
		}
	}
	*q = question{}
	c.o.Progress("checking "+files[k].name, c.rows[k])
	return nil
}

// compare finds what the rows of a file contradict in one another.
func (c *check) compare(k kind) {
	list := c.entries[k]
	switch k {
	case accounts:
		c.pairs(k, list, func(a, b entry) bool { return a.account == b.account }, "account", "line %d has the same account")
		slices.SortFunc(list, func(a, b entry) int { return cmp.Or(cmp.Compare(a.other, b.other), cmp.Compare(a.line, b.line)) })
		c.adjacent(k, list, func(a, b entry) bool { return a.other != 0 && a.other == b.other }, "existing_code", "line %d has the same code", true)
	case referrals:
		c.pairs(k, list, func(a, b entry) bool { return a.account == b.account }, "invitee", "line %d has the same invitee: an account uses one code, once")
	case packages:
		slices.SortFunc(list, byEntry)
		c.adjacent(k, list, func(a, b entry) bool { return a.account == b.account && a.other == b.other && a.day == b.day }, "given", "line %d gives the same package", false)
	case discounts:
		c.pairs(k, list, func(a, b entry) bool { return a.account == b.account && b.day < models.Date(a.other) }, "first_day", "line %d has a discount of the same account on days of this one")
	}
}

func byEntry(a, b entry) int {
	return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.day, b.day), cmp.Compare(a.other, b.other), cmp.Compare(a.line, b.line))
}

// pairs names both of two rows that follow one another by account and day, and contradict
// each other.
func (c *check) pairs(k kind, list []entry, contradict func(a, b entry) bool, column, text string) {
	slices.SortFunc(list, byEntry)
	c.adjacent(k, list, contradict, column, text, true)
}

func (c *check) adjacent(k kind, list []entry, contradict func(a, b entry) bool, column, text string, both bool) {
	for i := 1; i < len(list); i++ {
		if a, b := list[i-1], list[i]; contradict(a, b) {
			if both {
				c.add(Fault{File: files[k].name, Line: int(a.line), Column: column, Text: fmt.Sprintf(text, b.line)})
			}
			c.add(Fault{File: files[k].name, Line: int(b.line), Column: column, Text: fmt.Sprintf(text, a.line)})
		}
	}
}
