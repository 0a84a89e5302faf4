package billing_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"referral/billing"
)

func TestNamesAreMasked(t *testing.T) {
	for name, want := range map[string]string{
		"":                     "",
		"Резервация":           "Ре***ия",
		"ООО «Резервация»":     "О*** «Ре***ия»",
		"Ромашка":              "Р***а",
		"Ромашки2":             "Ро***и2",
		"Яна":                  "Я***",
		"Ли":                   "Л***",
		"Я":                    "***",
		"Иванов Иван Иванович": "И***в И***н Ив***ич",
		"ИП Ли":                "И*** Л***",
		"Кафе-бар":             "К***е-б***",
		"7707083893":           "77***93",
		"Ёё\u0308лки":          "Ё***и",
		"<script>":             "<s***t>",
		"A\xffbcd":             "A***d",
		"👩‍👩‍👧 Family":         "👩‍👩‍👧 F***y",
	} {
		if got := billing.MaskName(name); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
}

// Of the letters of a name at most half are shown, and what is shown is whole
// characters.
func TestAMaskHidesHalf(t *testing.T) {
	letters := func(s string) (n int) {
		for _, r := range s {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				n++
			}
		}
		return n
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOf(rapid.RuneFrom(nil, unicode.Cyrillic, unicode.Latin, unicode.Digit, unicode.Mn, unicode.Zs)).Draw(t, "name")
		masked := billing.MaskName(name)
		if !utf8.ValidString(masked) || 2*letters(masked) > letters(name) {
			t.Fatalf("%q is shown as %q", name, masked)
		}
		if letters(name) > 0 && !strings.Contains(masked, "***") {
			t.Fatalf("%q is shown as %q", name, masked)
		}
	})
}

func TestTermsMayShowNames(t *testing.T) {
	open := customerTerms()
	open.EffectiveFrom, open.ShowFriendNames = date(t, "2026-05-01"), true
	p := newProgramme(t, customerTerms(), open)
	if got := p.FriendName("Резервация", date(t, "2026-04-30")); got != "Ре***ия" {
		t.Errorf("before: %q", got)
	}
	if got := p.FriendName("Резервация", date(t, "2026-05-01")); got != "Резервация" {
		t.Errorf("since: %q", got)
	}
	if p.Digest() == newProgramme(t, customerTerms()).Digest() {
		t.Error("a further version of the terms is no other programme")
	}
	masked := open
	masked.ShowFriendNames = false
	if p.Digest() != newProgramme(t, customerTerms(), masked).Digest() || !p.Versions[1].ShowFriendNames {
		t.Error("showing names counts as granting something")
	}
}
