package decode

import (
	"time"

	"referral/models"
)

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

// knownDate is a date and how it is written.
type knownDate struct {
	text [len(time.DateOnly)]byte
	date models.Date
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

func (s *skimmer) moment() time.Time {
	t, err := parseMoment(s.bytes(len("2026-01-10T09:00:00.123456789+03:00")))
	s.lost = s.lost || err != nil
	return t
}

// same reads a text that can only be this one.
func (s *skimmer) same(text string) {
	if string(s.bytes(len(text))) != text {
		s.lost = true
	}
}
