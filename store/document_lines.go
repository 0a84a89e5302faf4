package store

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"referral/models"
)

// The lines of an invoice and the items of a document are kept packed in its row,
// as text that a person at a database prompt can read: a line of text for each,
// its fields separated by tabs. Line ids and services mostly hold none of the
// characters that have to be escaped.
const (
	fieldEnd = '\t'
	lineEnd  = '\n'
	none     = "-" // stands for no segments, where the item before has some
)

var (
	escaper   = strings.NewReplacer("\\", `\b`, "\t", `\t`, "\n", `\n`)
	unescaper = strings.NewReplacer(`\b`, "\\", `\t`, "\t", `\n`, "\n")
)

func appendField(dst []byte, text string) []byte {
	if strings.ContainsAny(text, "\\\t\n") {
		text = escaper.Replace(text)
	}
	return append(append(dst, text...), fieldEnd)
}

// appendLines appends the lines of an invoice. The service period is left out when
// it is the whole billing period, else it is in days from the first of that.
func appendLines(dst []byte, inv *models.Invoice) []byte {
	first, end := inv.Period.First(), inv.Period.End()
	for i := range inv.Lines {
		l := &inv.Lines[i]
		if i > 0 {
			dst = append(dst, lineEnd)
		}
		dst = appendField(appendField(dst, l.ID), l.Service)
		dst = strconv.AppendInt(dst, int64(l.Amount), 10)
		if l.From != first || l.To != end {
			dst = strconv.AppendInt(append(dst, fieldEnd), int64(l.From-first), 10)
			dst = strconv.AppendInt(append(dst, '/'), int64(l.To-first), 10)
		}
	}
	return dst
}

// appendItems appends the items of a document by line id. Segments are left out
// where they are those of the item before.
func appendItems(dst []byte, items []models.AdjustmentItem) []byte {
	byLine := func(a, b models.AdjustmentItem) int { return cmp.Compare(a.LineID, b.LineID) }
	if !slices.IsSortedFunc(items, byLine) {
		items = slices.SortedStableFunc(slices.Values(items), byLine)
	}
	var before []models.Segment
	for i := range items {
		item := &items[i]
		if i > 0 {
			dst = append(dst, lineEnd)
		}
		dst = appendField(appendField(dst, item.LineID), item.Service)
		dst = strconv.AppendInt(dst, int64(item.Amount), 10)
		if slices.Equal(item.Segments, before) {
			continue
		}
		if before = item.Segments; len(before) == 0 {
			dst = append(append(dst, fieldEnd), none...)
		} else {
			dst = appendSegments(append(dst, fieldEnd), before)
		}
	}
	return dst
}

// unpacker reads packed rows. Texts repeat: it keeps one copy of each. Lines and items
// of many rows share their memory.
type unpacker struct {
	skipSegments bool // items are read without their segments
	words        interner
	segments     map[string]days
	lines        []models.Line
	items        []models.AdjustmentItem
	services     map[string]models.ServiceDecision // given to the invoices
}

// days is what a text of segments says.
type days struct {
	segments []models.Segment
	damage   error
}

func newUnpacker() *unpacker { return &unpacker{words: interner{}, segments: map[string]days{}} }

// allocateAtOnce is how many lines or items are allocated together.
const allocateAtOnce = 1024

// linesOf reads what appendLines wrote. An error says what was changed outside the program.
func (u *unpacker) linesOf(text []byte, period models.Period) ([]models.Line, error) {
	if len(text) == 0 {
		return nil, nil
	}
	n := bytes.Count(text, []byte{lineEnd}) + 1
	if cap(u.lines)-len(u.lines) < n {
		u.lines = make([]models.Line, 0, max(allocateAtOnce, n))
	}
	start, first, end := len(u.lines), period.First(), period.End()
	for more := true; more; {
		var line []byte
		line, text, more = bytes.Cut(text, []byte{lineEnd})
		f := u.fields(line)
		l := models.Line{ID: f.id, Service: f.service, From: first, To: end, Amount: models.Money(f.amount)}
		if len(f.days) > 0 {
			from, to, ok := dayNumbers(f.days)
			l.From, l.To, f.bad = first+from, first+to, f.bad || !ok
		}
		if f.bad {
			return nil, fmt.Errorf("the stored line %q of the invoice cannot be read", line)
		}
		u.lines = append(u.lines, l)
	}
	return u.lines[start:len(u.lines):len(u.lines)], nil
}

// itemsOf reads what appendItems wrote. An error says what was changed outside the program;
// what can be read is returned beside it.
func (u *unpacker) itemsOf(text []byte) (items []models.AdjustmentItem, damage error) {
	if len(text) == 0 {
		return nil, nil
	}
	n := bytes.Count(text, []byte{lineEnd}) + 1
	if cap(u.items)-len(u.items) < n {
		u.items = make([]models.AdjustmentItem, 0, max(allocateAtOnce, n))
	}
	start := len(u.items)
	var on days
	for more := true; more; {
		var line []byte
		line, text, more = bytes.Cut(text, []byte{lineEnd})
		f := u.fields(line)
		if len(f.days) > 0 && !u.skipSegments {
			on = u.daysOf(f.days)
		}
		if f.bad || f.amount < -maxItem || f.amount > maxItem {
			damage = fmt.Errorf("the stored item %q cannot be read", line)
			continue
		}
		if on.damage != nil {
			damage = on.damage
		}
		u.items = append(u.items, models.AdjustmentItem{LineID: f.id, Service: f.service, Amount: models.Money(f.amount), Segments: on.segments})
	}
	return u.items[start:len(u.items):len(u.items)], damage
}

// maxItem is the largest amount of an item: a discount on an amount that is taken,
// and the reversal of another.
const maxItem = 2 * int64(models.MaxAmount)

// fields is a line of packed text.
type fields struct {
	id, service string
	amount      int64
	days        []byte
	bad         bool
}

func (u *unpacker) fields(line []byte) (f fields) {
	id, rest, hasService := bytes.Cut(line, []byte{fieldEnd})
	service, rest, hasAmount := bytes.Cut(rest, []byte{fieldEnd})
	amount, days, _ := bytes.Cut(rest, []byte{fieldEnd})
	number, err := strconv.ParseInt(string(amount), 10, 64)
	return fields{u.text(id), u.text(service), number, days, !hasService || !hasAmount || err != nil}
}

func (u *unpacker) text(field []byte) string {
	text := u.words.intern(field)
	if strings.Contains(text, `\`) {
		return unescaper.Replace(text)
	}
	return text
}

func dayNumbers(text []byte) (from, to models.Date, ok bool) {
	a, b, _ := bytes.Cut(text, []byte{'/'})
	n, err := strconv.ParseInt(string(a), 10, 32)
	m, err2 := strconv.ParseInt(string(b), 10, 32)
	return models.Date(n), models.Date(m), err == nil && err2 == nil
}

func (u *unpacker) daysOf(text []byte) days {
	known, ok := u.segments[string(text)]
	if !ok {
		if string(text) != none {
			known.segments, known.damage = parseSegments(string(text))
		}
		u.segments[string(text)] = known
	}
	return known
}

// interner keeps one copy of each text.
type interner map[string]string

func (w interner) intern(b []byte) string {
	if known, ok := w[string(b)]; ok {
		return known
	}
	text := string(b)
	w[text] = text
	return text
}
