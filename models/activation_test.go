package models_test

import (
	"strings"
	"testing"

	"referral/models"
)

// However a code is typed or copied, it is the same code.
func TestNormalCode(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"AB2CD3EF4", "AB2CD3EF4"},
		{"ab2cd3ef4", "AB2CD3EF4"},
		{"  AB2CD3EF4  ", "AB2CD3EF4"},
		{"AB2 CD3 EF4", "AB2CD3EF4"},
		{"ab2-cd3-ef4", "AB2CD3EF4"},
		{" aB2 - cd3  ef4\r\n", "AB2CD3EF4"},
		{"\tAB2CD3EF4\u00a0", "AB2CD3EF4"},
		{"", ""},
		{" - ", ""},
	} {
		if got := models.NormalCode(c.typed); got != c.want {
			t.Errorf("%q is the code %q, want %q", c.typed, got, c.want)
		}
		if again := models.NormalCode(models.NormalCode(c.typed)); again != c.want {
			t.Errorf("%q normalised twice is %q, want %q", c.typed, again, c.want)
		}
	}
}

// What is typed differently stays different: normalising may not make one code
// of two.
func TestNormalCodeKeepsCodesApart(t *testing.T) {
	for _, c := range [][2]string{{"AB2CD3EF4", "AB2CD3EF5"}, {"AB2CD3EF", "AB2CD3EF4"}, {"AB2_CD3EF4", "AB2CD3EF4"}} {
		if models.NormalCode(c[0]) == models.NormalCode(c[1]) {
			t.Errorf("%q and %q are one code", c[0], c[1])
		}
	}
}

func TestCodeAlphabetHasNoLookalikes(t *testing.T) {
	if len(models.CodeAlphabet) != 31 || models.CodeLength != 9 {
		t.Errorf("codes are %d symbols of %d, want 9 of 31", models.CodeLength, len(models.CodeAlphabet))
	}
	for _, symbol := range "01OIL- " {
		if strings.ContainsRune(models.CodeAlphabet, symbol) {
			t.Errorf("the alphabet has %q", symbol)
		}
	}
	for i, symbol := range models.CodeAlphabet {
		if strings.ContainsRune(models.CodeAlphabet[:i], symbol) {
			t.Errorf("the alphabet has %q twice", symbol)
		}
	}
	if models.NormalCode(models.CodeAlphabet) != models.CodeAlphabet {
		t.Error("normalising changes a symbol of the alphabet")
	}
}
