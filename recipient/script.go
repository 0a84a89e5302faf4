package recipient

import (
	"slices"
	"strings"
	"unicode"
)

// scriptsOf is the alphabets that the letters of a text belong to, by name, in
// order. Signs that belong to all of them (digits, hyphens, accents) do not count.
func scriptsOf(text string) []string {
	var found []string
	for _, c := range text {
		if unicode.In(c, unicode.Common, unicode.Inherited) {
			continue
		}
		if s := scriptOf(c); !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	slices.Sort(found)
	return found
}

func scriptOf(c rune) string {
	for name, table := range unicode.Scripts {
		if unicode.Is(table, c) {
			return name
		}
	}
	return "none"
}

// together is alphabets that people do write in one word (Unicode TS 39, 5.1).
var together = [][]string{{"Han", "Hiragana", "Katakana"}, {"Bopomofo", "Han"}, {"Hangul", "Han"}}

// mixed tells a word whose letters come from alphabets that do not belong
// together, such as a Latin one with a Cyrillic "а".
func mixed(word string) bool {
	scripts := scriptsOf(word)
	if len(scripts) < 2 {
		return false
	}
	return !slices.ContainsFunc(together, func(allowed []string) bool {
		return !slices.ContainsFunc(scripts, func(s string) bool { return !slices.Contains(allowed, s) })
	})
}

// foreign tells a word with letters beyond the 26 that mail has always had.
func foreign(word string) bool {
	return strings.ContainsFunc(word, func(c rune) bool { return c > unicode.MaxASCII && unicode.IsLetter(c) })
}

func ascii(word string) bool {
	return !strings.ContainsFunc(word, func(c rune) bool { return c > unicode.MaxASCII })
}

// russian tells a word of the letters of the Russian alphabet (ё is one of them, as
// in the zone рф), digits and hyphens, in lower case.
func russian(word string) bool {
	return !strings.ContainsFunc(word, func(c rune) bool {
		return (c < 'а' || c > 'я') && c != 'ё' && (c < '0' || c > '9') && c != '-'
	})
}

func cyrillic(word string) bool { return slices.Equal(scriptsOf(word), []string{"Cyrillic"}) }

// posing is the Cyrillic letters that pass for Latin ones, as browsers count them.
const posing = "асԁеһіјӏорԛѕԝхуъьҽпгѵѡ"

// poses tells a word that is Cyrillic throughout and looks like a Latin one:
// «аррӏе». Under a Cyrillic top-level domain nobody would take it for that.
func poses(word string) bool {
	if !cyrillic(word) {
		return false
	}
	letters := strings.Trim(word, "-0123456789")
	return !strings.ContainsFunc(letters, func(c rune) bool {
		return unicode.Is(unicode.Cyrillic, c) && !strings.ContainsRune(posing, c)
	})
}
