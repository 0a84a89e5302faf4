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

// Only a database that has no other fault than that it takes no writes may pass for one
// that will be fit by itself.
func TestReadOnlyDatabasesAreToldFromUnfitOnes(t *testing.T) {
	for name, c := range map[string]struct {
		encoding, recovering, readOnly string
		want                           bool
	}{
		"a standby":                           {"UTF8", "true", "off", true},
		"read-only":                           {"UTF8", "false", "on", true},
		"a standby that is read-only":         {"UTF8", "true", "on", true},
		"a standby with another encoding":     {"WIN1251", "true", "off", false},
		"a primary with another encoding":     {"WIN1251", "false", "off", false},
		"a read-only one of another encoding": {"WIN1251", "false", "on", false},
	} {
		found := map[string]string{"encoding": c.encoding, "primary": c.recovering, "read-only": c.readOnly}
		var list []precondition
		var texts []string
		for _, p := range preconditions(public) {
			if text, asked := found[p.name]; asked {
				list, texts = append(list, p), append(texts, text)
			}
		}
		err := evaluate(list, texts)
		if got := errors.Is(err, ErrReadOnly); got != c.want || !errors.Is(err, ErrUnfit) {
			t.Errorf("%s: %v: read-only %t, want %t", name, err, got, c.want)
		}
	}
}
