package store

import (
	"errors"
	"strings"
	"testing"
)

func TestVersionsAreJudged(t *testing.T) {
	for number, sentence := range map[string]string{
		"130015": "it is PostgreSQL 13.15; the program needs 14 or newer",
		"90624":  "the program needs 14 or newer",
		"140000": "", "150008": "", "180001": "",
		"": `its version "" is not a number`,
	} {
		if got := checkVersion(number); got != sentence && (sentence == "" || !strings.Contains(got, sentence)) {
			t.Errorf("%q: %q, want %q", number, got, sentence)
		}
	}
}

// Every precondition can fail, is named once, and says what was found.
func TestPreconditionsSayWhatIsWrong(t *testing.T) {
	const found = "found-that"
	names := map[string]bool{}
	for _, p := range preconditions(public) {
		err := evaluate([]precondition{p}, []string{found})
		if !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), found) || names[p.name] || p.when == 0 {
			t.Errorf("%s: %v", p.name, err)
		}
		names[p.name] = true
	}
	if err := evaluate(preconditions(public)[:1], []string{"150000"}); err != nil {
		t.Error(err)
	}
}
