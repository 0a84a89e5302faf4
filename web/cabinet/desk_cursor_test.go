package cabinet

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A mark comes back as it was given; every other text is none.
func TestMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		account, at := rapid.Int64().Draw(t, "account"), rapid.SliceOfN(rapid.Int64(), 1, 3).Draw(t, "at")
		mark := newMark(friendsMark, account, at...)
		got, err := readMark(friendsMark, account, mark, len(at))
		if err != nil || !slices.Equal(got, at) {
			t.Fatalf("%v became %v, %v", at, got, err)
		}
		for name, read := range map[string]func() ([]int64, error){
			"another account's": func() ([]int64, error) { return readMark(friendsMark, account^1, mark, len(at)) },
			"another list's":    func() ([]int64, error) { return readMark(changesMark, account, mark, len(at)) },
			"a longer one":      func() ([]int64, error) { return readMark(friendsMark, account, mark, len(at)-1) },
			"a shorter one":     func() ([]int64, error) { return readMark(friendsMark, account, mark, len(at)+1) },
		} {
			if _, err := read(); !errors.Is(err, ErrBadCursor) {
				t.Fatalf("%s mark was read: %v", name, err)
			}
		}
	})
	if at, err := readMark(friendsMark, 885, "", 2); at != nil || err != nil {
		t.Errorf("no mark: %v, %v", at, err)
	}
}

// Whatever is sent as a mark, it is read as one that was given, or refused.
func FuzzMarks(f *testing.F) {
	f.Add(newMark(friendsMark, 885, 1, 2))
	f.Add(newMark(friendsMark, 885, math.MinInt64, math.MaxInt64))
	f.Add("Zg")
	f.Add("____________________________")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := readMark(friendsMark, 885, text, 2)
		if err == nil && text != "" && newMark(friendsMark, 885, at...) != text {
			t.Errorf("%q was read as %v", text, at)
		}
		if err != nil && !errors.Is(err, ErrBadCursor) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
