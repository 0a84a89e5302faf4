package decode

import (
	"math/bits"

	"github.com/go-faster/jx"
)

// schema is the known fields of a JSON object, in the order in which a missing one is
// reported. Unknown fields are ignored.
type schema[T any] struct {
	fields []field[T]
	needed uint32 // those that are required, as bits
}

type field[T any] struct {
	name     string
	optional bool
	read     func(*jx.Decoder, *T) error
	fast     func(*fastReader, *T) // nil when that is left to read
	inJSON   string                // the name as it is mostly written
}

func newSchema[T any](fields ...field[T]) *schema[T] {
	s := &schema[T]{fields: fields}
	for i := range fields {
		if !fields[i].optional {
			s.needed |= 1 << i
		}
	}
	return s
}

func newField[T any](name string, read func(*jx.Decoder, *T) error, fast func(*fastReader, *T)) field[T] {
	return field[T]{name: name, read: read, fast: fast, inJSON: `"` + name + `":`}
}

// required is a field that is read into a place.
func required[T, V any](name string, place func(*T) *V, v value[V]) field[T] {
	return newField(name, func(d *jx.Decoder, into *T) (err error) {
		*place(into), err = v.read(d)
		return err
	}, func(r *fastReader, into *T) { *place(into) = v.fast(r) })
}

// optional is the same of a field that may be missing.
func optional[T, V any](name string, place func(*T) *V, v value[V]) field[T] {
	return required(name, place, v).orMissing()
}

// orMissing is the field as one that may be missing, or null.
func (f field[T]) orMissing() field[T] {
	f.optional = true
	return f
}

// by sets how the fast reader reads the field.
func (f field[T]) by(fast func(*fastReader, *T)) field[T] {
	f.fast = fast
	return f
}

// index is the position of a field, -1 when it is unknown. Most producers write the fields
// in this order, so the next one is tried first.
func (s *schema[T]) index(name string, first int) int {
	if first < len(s.fields) && s.fields[first].name == name {
		return first
	}
	for i := range s.fields {
		if s.fields[i].name == name {
			return i
		}
	}
	return -1
}

// read fills into from the object that comes next.
func (s *schema[T]) read(d *jx.Decoder, into *T) error {
	if d.Next() != jx.Object {
		return wrongType(d, "an object")
	}
	fields, err := d.ObjIter()
	if err != nil {
		return err
	}
	var seen uint32
	next := 0
	for fields.Next() {
		i := s.index(string(fields.Key()), next)
		if i < 0 {
			if err := d.Skip(); err != nil {
				return err
			}
			continue
		}
		if seen&(1<<i) != 0 {
			return inField(s.fields[i].name, invalid("given twice"))
		}
		if err := s.fields[i].readValue(d, into); err != nil {
			return inField(s.fields[i].name, err)
		}
		seen |= 1 << i
		next = i + 1
	}
	if err := fields.Err(); err != nil {
		return err
	}
	return s.missing(seen)
}

func (f *field[T]) readValue(d *jx.Decoder, into *T) error {
	if f.optional && d.Next() == jx.Null {
		return d.Null()
	}
	return f.read(d, into)
}

func (s *schema[T]) missing(seen uint32) error {
	if lacking := s.needed &^ seen; lacking != 0 {
		return inField(s.fields[bits.TrailingZeros32(lacking)].name, errMissing)
	}
	return nil
}

// readFast does the same as read.
func (s *schema[T]) readFast(r *fastReader, into *T) {
	var seen uint32
	for i, more := s.firstName(r); more; i, more = s.nextName(r, i) {
		r.skipSpace()
		if i < 0 {
			r.bytes(maxText)
			continue
		}
		f := &s.fields[i]
		if seen&(1<<i) != 0 || f.fast == nil {
			r.failed = true
			return
		}
		seen |= 1 << i
		f.fast(r, into)
	}
	r.failed = r.failed || seen&s.needed != s.needed
}

// firstName reads the name of the first field and returns its index; more is false when
// the object is empty.
func (s *schema[T]) firstName(r *fastReader) (i int, more bool) {
	r.expect('{')
	if r.failed || r.accept('}') {
		return 0, false
	}
	return s.readName(r, 0), true
}

// nextName does the same for the field after one; more is false after the last.
func (s *schema[T]) nextName(r *fastReader, i int) (next int, more bool) {
	if !r.more('}') {
		return 0, false
	}
	return s.readName(r, i+1), true
}

// readName reads the name of a field, mostly the usual one.
func (s *schema[T]) readName(r *fastReader, usual int) int {
	r.skipSpace()
	if usual < len(s.fields) && r.literal(s.fields[usual].inJSON) {
		return usual
	}
	name := r.bytes(maxText)
	r.expect(':')
	return s.index(string(name), usual)
}
