package portal

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A cursor is read back; every other text is refused.
func TestCursors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		account, at := rapid.Int64().Draw(t, "account"), rapid.SliceOfN(rapid.Int64(), 1, 3).Draw(t, "at")
		cursor := newCursor(friendsCursor, account, at...)
		got, err := readCursor(friendsCursor, account, cursor, len(at))
		if err != nil || !slices.Equal(got, at) {
			t.Fatalf("%v became %v, %v", at, got, err)
		}
		for name, read := range map[string]func() ([]int64, error){
			"another account's": func() ([]int64, error) { return readCursor(friendsCursor, account^1, cursor, len(at)) },
			"another list's":    func() ([]int64, error) { return readCursor(changesCursor, account, cursor, len(at)) },
			"a longer one":      func() ([]int64, error) { return readCursor(friendsCursor, account, cursor, len(at)-1) },
			"a shorter one":     func() ([]int64, error) { return readCursor(friendsCursor, account, cursor, len(at)+1) },
		} {
			if _, err := read(); !errors.Is(err, ErrBadCursor) {
				t.Fatalf("%s cursor was read: %v", name, err)
			}
		}
	})
	if at, err := readCursor(friendsCursor, 885, "", 2); at != nil || err != nil {
		t.Errorf("no cursor: %v, %v", at, err)
	}
}

// Every text is read as a cursor of this package, or refused.
func FuzzCursors(f *testing.F) {
	f.Add(newCursor(friendsCursor, 885, 1, 2))
	f.Add(newCursor(friendsCursor, 885, math.MinInt64, math.MaxInt64))
	f.Add("Zg")
	f.Add("____________________________")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := readCursor(friendsCursor, 885, text, 2)
		if err == nil && text != "" && newCursor(friendsCursor, 885, at...) != text {
			t.Errorf("%q was read as %v", text, at)
		}
		if err != nil && !errors.Is(err, ErrBadCursor) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
