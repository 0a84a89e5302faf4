package decode

import "sync"

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
