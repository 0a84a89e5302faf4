package pages_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func asset(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("assets/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pair is a colour on another, by their names in the style sheet.
type pair struct{ on, is string }

// Text needs 4.5 to 1 (WCAG 2.2, 1.4.3), what one has to see of controls, marks
// and drawings 3 to 1 (1.4.11).
var (
	texts = []pair{
		{"paper", "ink"}, {"paper", "soft"}, {"paper", "link"}, {"paper", "accent"}, {"paper", "good"}, {"paper", "bad"}, {"paper", "wait"},
		{"card", "ink"}, {"card", "soft"}, {"card", "link"}, {"card", "accent"}, {"card", "good"}, {"card", "bad"}, {"card", "wait"},
		{"own", "ink"}, {"own", "own-mark"}, {"own", "soft"}, {"own", "good"}, {"own", "bad"}, {"own", "wait"},
		{"bad-field", "ink"}, {"bad-field", "link"}, {"good-field", "ink"},
		{"accent", "on-accent"}, {"accent-hover", "on-accent"},
		{"ticket", "ticket-ink"}, {"ticket", "ticket-soft"}, {"ticket", "ticket-gold"}, {"ticket-gold", "on-gold"}, {"ticket-gold-hover", "on-gold"},
		{"stair", "ink"}, {"stair-own", "on-stair"},
	}
	shapes = []pair{
		{"card", "edge"}, {"paper", "edge"}, {"paper", "focus"}, {"card", "focus"}, {"ticket", "ticket-soft"}, {"card", "bad"}, {"own", "own-mark"},
		{"paper", "bar"}, {"paper", "good"}, {"bad-field", "bad"}, {"good-field", "good"}, {"card", "accent"},
	}
)

func TestContrast(t *testing.T) {
	for scheme, colours := range schemes(t) {
		for _, p := range texts {
			check(t, scheme, colours, p, 4.5)
		}
		for _, p := range shapes {
			check(t, scheme, colours, p, 3)
		}
	}
}

func check(t *testing.T, scheme string, colours map[string]string, p pair, least float64) {
	t.Helper()
	on, is := colours[p.on], colours[p.is]
	if on == "" || is == "" {
		t.Errorf("%s: no colour %s or %s", scheme, p.on, p.is)
		return
	}
	a, b := luminance(t, on), luminance(t, is)
	if got := (max(a, b) + 0.05) / (min(a, b) + 0.05); got < least {
		t.Errorf("%s: %s (%s) on %s (%s) has a contrast of %.2f, want %.1f", scheme, p.is, is, p.on, on, got, least)
	}
}

// schemes is the colours of the light scheme, and of the dark one with what it
// takes over.
func schemes(t *testing.T) map[string]map[string]string {
	t.Helper()
	roots := regexp.MustCompile(`:root \{[^}]*\}`).FindAllString(asset(t, "portal.css"), 2)
	if len(roots) != 2 {
		t.Fatal("the style sheet has no two schemes")
	}
	light, dark := colours(roots[0]), colours(roots[0])
	for name, colour := range colours(roots[1]) {
		dark[name] = colour
	}
	return map[string]map[string]string{"light": light, "dark": dark}
}

func colours(rule string) map[string]string {
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`--([\w-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(rule, -1) {
		found[m[1]] = m[2]
	}
	return found
}

// luminance is WCAG's relative luminance.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#")[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
