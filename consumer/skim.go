package consumer

import (
	"sync"
	"time"

	"referral/models"
)

// skimmer reads JSON as programs usually write it: known fields in any order,
// texts without escapes, whole numbers. At anything else it is lost, and the
// thorough reader ([shape]) has the word. So it refuses nothing and explains
// nothing; but what it takes, the thorough reader takes too, and makes the same
// of it. It exists because reading invoices is most of what the program does
// while it ingests, and this takes a third of the time.
//
// The bytes must be valid UTF-8.
type skimmer struct {
	value []byte
	at    int
	lost  bool
	words lexicon
	from  knownDate
	to    knownDate
}

// knownDate is a date and how it is written.
type knownDate struct {
	text [len(time.DateOnly)]byte
	date models.Date
}

// skimmers are used again and again, for the words that they know.
var skimmers = sync.Pool{New: func() any { return new(skimmer) }}

// skim lets a skimmer read a value, all of it. read is false when it was lost.
func skim(value []byte, fn func(*skimmer)) (read bool) {
	s := skimmers.Get().(*skimmer)
	defer skimmers.Put(s)
	s.value, s.at, s.lost = value, 0, false
	fn(s)
	s.blanks()
	read = !s.lost && s.at == len(value)
	s.value = nil
	return read
}

// lexicon keeps one copy of short texts that recur, such as the names of
// services: the last one of each place.
type lexicon [256]string

func (l *lexicon) of(b []byte) string {
	const long = 24
	if len(b) == 0 || len(b) > long {
		return string(b)
	}
	place := &l[(b[0]*31+b[len(b)-1])*31+byte(len(b))]
	if *place != string(b) {
		*place = string(b)
	}
	return *place
}

// skimmedName is a field's name as it is written: in its quotes, and together with
// the signs that stand around it when nobody writes blanks.
type skimmedName struct{ quoted, first, later string }

func skimmedNames(names ...string) []skimmedName {
	list := make([]skimmedName, len(names))
	for i, name := range names {
		quoted := `"` + name + `"`
		list[i] = skimmedName{quoted, `{` + quoted + `:`, `,` + quoted + `:`}
	}
	return list
}

// skimmedObject is how far an object has been read.
type skimmedObject struct {
	names []skimmedName // of the known fields, in the order in which they usually come
	field int           // the index of the present one; unknownField for any other
	seen  uint32        // the known fields that have come
	open  bool
}

const unknownField = -1

// has tells whether all of the fields came, given as bits.
func (o *skimmedObject) has(fields uint32) bool { return o.seen&fields == fields }

// next goes on to the object's next field, and is false behind the last. The
// field's value must be read then.
func (s *skimmer) next(o *skimmedObject) bool {
	more := s.nextInOrder(o) || s.nextInAnyOrder(o)
	if more && o.field != unknownField {
		s.lost = s.lost || o.seen&(1<<o.field) != 0 // twice, for the thorough reader to refuse
		o.seen |= 1 << o.field
	}
	return more && !s.lost
}

// nextInOrder takes the short cut to the field that usually follows.
func (s *skimmer) nextInOrder(o *skimmedObject) bool {
	if !o.open {
		return s.begin(o)
	}
	if o.field++; o.field < len(o.names) && s.pass(o.names[o.field].later) {
		s.blanks()
		return true
	}
	return false
}

func (s *skimmer) begin(o *skimmedObject) bool {
	if !s.pass(o.names[0].first) {
		return false
	}
	o.open, o.field = true, 0
	s.blanks()
	return true
}

func (s *skimmer) nextInAnyOrder(o *skimmedObject) bool {
	switch {
	case !o.open:
		s.take('{')
		o.open = true
		if s.mark('}') {
			return false
		}
	case !s.mark(','):
		s.take('}')
		return false
	}
	s.name(o)
	s.take(':')
	s.blanks()
	return true
}

func (s *skimmer) name(o *skimmedObject) {
	s.blanks()
	for i := range o.names {
		if s.pass(o.names[i].quoted) {
			o.field = i
			return
		}
	}
	o.field = unknownField
	s.bytes(maxText)
}

// pass passes over a text if it comes next.
func (s *skimmer) pass(text string) bool {
	rest := s.value[s.at:]
	if len(rest) < len(text) || string(rest[:len(text)]) != text {
		return false
	}
	s.at += len(text)
	return true
}

func (s *skimmer) blanks() {
	for s.at < len(s.value) {
		switch s.value[s.at] {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

// mark passes over a sign if it comes next.
func (s *skimmer) mark(sign byte) bool {
	s.blanks()
	if s.at == len(s.value) || s.value[s.at] != sign {
		return false
	}
	s.at++
	return true
}

func (s *skimmer) take(sign byte) {
	if !s.mark(sign) {
		s.lost = true
	}
}

// bytes is a text of one to high bytes that stand for themselves. The limits of
// the contract are of characters, which are never more.
func (s *skimmer) bytes(high int) []byte {
	if s.at == len(s.value) || s.value[s.at] != '"' {
		s.lost = true
		return nil
	}
	rest := s.value[s.at+1:]
	for i, c := range rest {
		if c > '\\' || c > '"' && c < '\\' || c == ' ' || c == '!' {
			continue
		}
		s.lost = s.lost || c != '"' || i == 0 || i > high
		s.at += i + len(`""`)
		return rest[:i]
	}
	s.lost = true
	return nil
}

func (s *skimmer) text(high int) string { return string(s.bytes(high)) }

// integer is a number from low to high, of as many digits as surely fit.
func (s *skimmer) integer(low, high int64) int64 {
	const surely = 18
	negative := s.at < len(s.value) && s.value[s.at] == '-'
	if negative {
		s.at++
	}
	first, n := s.at, int64(0)
	for s.at < len(s.value) && s.value[s.at]-'0' <= 9 {
		n = n*10 + int64(s.value[s.at]-'0')
		s.at++
	}
	size := s.at - first
	if negative {
		n = -n
	}
	if size == 0 || size > surely || size > 1 && s.value[first] == '0' || n < low || n > high {
		s.lost = true
	}
	return n
}

// date is a day, most often the one that stood in its place the last time.
func (s *skimmer) date(last *knownDate) models.Date {
	b := s.bytes(len(last.text))
	if string(b) == string(last.text[:]) {
		return last.date
	}
	d, err := parseDate(b)
	if err != nil {
		s.lost = true
		return 0
	}
	copy(last.text[:], b)
	last.date = d
	return d
}

func (s *skimmer) period() models.Period {
	p, err := parsePeriod(s.bytes(len("2026-04")))
	s.lost = s.lost || err != nil
	return p
}

func (s *skimmer) instant() time.Time {
	t, err := parseInstant(s.bytes(len("2026-01-10T09:00:00.123456789+03:00")))
	s.lost = s.lost || err != nil
	return t
}

// same reads a text that can only be this one.
func (s *skimmer) same(text string) {
	if string(s.bytes(len(text))) != text {
		s.lost = true
	}
}
