package decode

import (
	"sync"
	"time"

	"referral/models"
)

// fastReader reads JSON as programs usually write it: strings without escapes and whole
// numbers. On anything else it fails, and the value is read again with jx, which explains
// errors. What it does read, jx reads in the same way. It exists because decoding invoices
// is most of the program's work during ingest, and this takes a third of the time.
//
// The bytes must be valid UTF-8.
type fastReader struct {
	value  []byte
	at     int
	failed bool
	event  envelope       // room for the one that is read
	words  [256]string    // short strings that recur, by a hash
	dates  [16]cachedDate // and days
	month  struct {
		text   string
		period models.Period
	}
}

type cachedDate struct {
	text [len(time.DateOnly)]byte
	date models.Date
}

// fastReaders are reused, with the words and dates that they know.
var fastReaders = sync.Pool{New: func() any { return new(fastReader) }}

// readFast reads all of a value; ok is false when that has to be done with jx.
func readFast(value []byte, read func(*fastReader)) (ok bool) {
	r := fastReaders.Get().(*fastReader)
	defer fastReaders.Put(r)
	r.value, r.at, r.failed = value, 0, false
	read(r)
	r.skipSpace()
	ok = !r.failed && r.at == len(value)
	r.value, r.event = nil, envelope{}
	return ok
}

func (r *fastReader) skipSpace() {
	for r.at < len(r.value) {
		switch r.value[r.at] {
		case ' ', '\n', '\r', '\t':
			r.at++
		default:
			return
		}
	}
}

// accept passes over a character if it comes next.
func (r *fastReader) accept(c byte) bool {
	r.skipSpace()
	if r.at == len(r.value) || r.value[r.at] != c {
		return false
	}
	r.at++
	return true
}

func (r *fastReader) expect(c byte) { r.failed = !r.accept(c) || r.failed }

// more tells whether another element follows in an object or array that ends with
// a character.
func (r *fastReader) more(end byte) bool {
	if r.failed || r.accept(',') {
		return !r.failed
	}
	r.expect(end)
	return false
}

// literal passes over a text if it comes next.
func (r *fastReader) literal(text string) bool {
	rest := r.value[r.at:]
	if len(rest) < len(text) || string(rest[:len(text)]) != text {
		return false
	}
	r.at += len(text)
	return true
}

// bytes is a string of one to high bytes without escapes. The limits of the schema are in
// characters, of which there are never more.
func (r *fastReader) bytes(high int) []byte {
	if r.at == len(r.value) || r.value[r.at] != '"' {
		r.failed = true
		return nil
	}
	rest := r.value[r.at+1:]
	for i, c := range rest {
		if c > '\\' || c > '"' && c < '\\' || c == ' ' || c == '!' {
			continue
		}
		r.failed = r.failed || c != '"' || i == 0 || i > high
		r.at += i + len(`""`)
		return rest[:i]
	}
	r.failed = true
	return nil
}

// exactly reads a string that can only be this one.
func (r *fastReader) exactly(text string) {
	if string(r.bytes(len(text))) != text {
		r.failed = true
	}
}

// word is a string that recurs, such as the name of a service. Short ones are kept, so
// that they are allocated once.
func (r *fastReader) word() string {
	const long = 24
	b := r.bytes(maxIdentifier)
	if len(b) == 0 || len(b) > long {
		return string(b)
	}
	place := &r.words[(b[0]*31+b[len(b)-1])*31+byte(len(b))]
	if *place != string(b) {
		*place = string(b)
	}
	return *place
}

// date is a day, most often one of the last that were read.
func (r *fastReader) date() models.Date {
	b := r.bytes(len(time.DateOnly))
	if len(b) != len(time.DateOnly) {
		r.failed = true
		return 0
	}
	known := &r.dates[(b[6]+b[8]*3+b[9])%16]
	if string(b) == string(known.text[:]) {
		return known.date
	}
	d, err := parseDate(b)
	r.failed = r.failed || err != nil
	if err == nil {
		known.text, known.date = [len(time.DateOnly)]byte(b), d
	}
	return d
}

// period is a month, most often the one that was read last.
func (r *fastReader) period() models.Period {
	b := r.bytes(maxIdentifier)
	if known := &r.month; known.text != string(b) {
		p, err := parsePeriod(b)
		if err != nil {
			r.failed = true
			return 0
		}
		known.text, known.period = string(b), p
	}
	return r.month.period
}

// integer is a number from low to high, with at most as many digits as always fit.
func (r *fastReader) integer(low, high int64) int64 {
	const surely = 18
	negative := r.at < len(r.value) && r.value[r.at] == '-'
	if negative {
		r.at++
	}
	first, n := r.at, int64(0)
	for r.at < len(r.value) && r.value[r.at]-'0' <= 9 {
		n = n*10 + int64(r.value[r.at]-'0')
		r.at++
	}
	size := r.at - first
	if negative {
		n = -n
	}
	if size == 0 || size > surely || size > 1 && r.value[first] == '0' || n < low || n > high {
		r.failed = true
	}
	return n
}
