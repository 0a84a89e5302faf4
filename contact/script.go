package contact

import (
	"slices"
	"strings"
	"unicode"
)

// scriptsOf is the sorted names of the Unicode scripts of a text. Characters that
// belong to all scripts (digits, hyphens, accents) do not count.
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

// compatibleScripts is the alphabets that are used together in one word (Unicode TS 39, 5.1).
var compatibleScripts = [][]string{{"Han", "Hiragana", "Katakana"}, {"Bopomofo", "Han"}, {"Hangul", "Han"}}

// mixesScripts reports whether the letters of a word come from alphabets that are
// not used together, such as Latin with a Cyrillic "а".
func mixesScripts(word string) bool {
	scripts := scriptsOf(word)
	if len(scripts) < 2 {
		return false
	}
	return !slices.ContainsFunc(compatibleScripts, func(allowed []string) bool {
		return !slices.ContainsFunc(scripts, func(s string) bool { return !slices.Contains(allowed, s) })
	})
}

// hasForeignLetters reports whether a word has letters other than A to Z.
func hasForeignLetters(word string) bool {
	return strings.ContainsFunc(word, func(c rune) bool { return c > unicode.MaxASCII && unicode.IsLetter(c) })
}

func isASCII(word string) bool {
	return !strings.ContainsFunc(word, func(c rune) bool { return c > unicode.MaxASCII })
}

// isRussian reports whether a word consists of lower-case letters of the Russian
// alphabet (with ё, as in the zone рф), digits and hyphens.
func isRussian(word string) bool {
	return !strings.ContainsFunc(word, func(c rune) bool {
		return (c < 'а' || c > 'я') && c != 'ё' && (c < '0' || c > '9') && c != '-'
	})
}

func isCyrillic(word string) bool { return slices.Equal(scriptsOf(word), []string{"Cyrillic"}) }

// latinLookalikes is the Cyrillic letters that browsers treat as similar to Latin ones.
const latinLookalikes = "асԁеһіјӏорԛѕԝхуъьҽпгѵѡ"

// looksLatin reports whether a word is all Cyrillic and looks like a Latin one:
// «аррӏе». Under a Cyrillic top-level domain nobody would read it as Latin.
func looksLatin(word string) bool {
	if !isCyrillic(word) {
		return false
	}
	letters := strings.Trim(word, "-0123456789")
	return !strings.ContainsFunc(letters, func(c rune) bool {
		return unicode.Is(unicode.Cyrillic, c) && !strings.ContainsRune(latinLookalikes, c)
	})
}
