package billing_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"referral/billing"
)

// The stories in testdata are the rules in finance's words: what happened, in
// the order in which it was told, and what must come of it. testdata/README.md
// says what can be written in them.
func TestScenarios(t *testing.T) {
	for _, s := range readScenarios(t) {
		t.Run(s.title, func(t *testing.T) {
			t.Parallel()
			for _, step := range s.play(t) {
				if !slices.Equal(step.want, step.got) {
					t.Errorf("%s: %s\nwant\n  %s\ngot\n  %s", step.at, step.text, strings.Join(step.want, "\n  "), strings.Join(step.got, "\n  "))
				}
			}
		})
	}
}

// scenario is one story: what it proves, and its steps.
type scenario struct {
	title  string
	proves []string // ids of sentences
	steps  []step
}

// step is a line of a story with the indented lines below it.
type step struct {
	at   string // file:line
	text string
	body []string
	want []string
	got  []string
}

func readScenarios(t testing.TB) []*scenario {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var all []*scenario
	for _, file := range files {
		if filepath.Base(file) != sentencesFile {
			all = append(all, readFile(t, file)...)
		}
	}
	return all
}

func readFile(t testing.TB, file string) []*scenario {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []*scenario
	for i, line := range strings.Split(string(text), "\n") {
		at := fmt.Sprintf("%s:%d", file, i+1)
		content, _, _ := strings.Cut(line, "#")
		content = strings.Join(strings.Fields(content), " ")
		title, begins := strings.CutPrefix(content, "== ")
		switch {
		case content == "":
		case begins:
			all = append(all, &scenario{title: title})
		case len(all) == 0:
			t.Fatalf("%s: a line before the first title", at)
		default:
			all[len(all)-1].add(t, at, content, strings.TrimLeft(line, " \t") != line)
		}
	}
	return all
}

func (s *scenario) add(t testing.TB, at, content string, indented bool) {
	t.Helper()
	ids, proves := strings.CutPrefix(content, "proves: ")
	switch {
	case proves:
		s.proves = append(s.proves, strings.Split(ids, ", ")...)
	case !indented:
		s.steps = append(s.steps, step{at: at, text: content})
	case len(s.steps) == 0:
		t.Fatalf("%s: an indented line below no step", at)
	default:
		last := &s.steps[len(s.steps)-1]
		last.body = append(last.body, content)
	}
}

// play tells a story to a world of its own.
func (s *scenario) play(t testing.TB) []step {
	t.Helper()
	told := &teller{world: newWorld(t, newProgramme(t, customerTerms())), zone: "Europe/Moscow", versions: []billing.Terms{customerTerms()}}
	for i := range s.steps {
		told.tell(&s.steps[i])
	}
	told.checkAnnounced()
	return s.steps
}

// verb is a form of words and what it does.
type verb struct {
	form *regexp.Regexp
	do   func(*teller, *step, []string)
}

func form(pattern string, do func(*teller, *step, []string)) verb {
	const (
		moment = `(?:on|at) (\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?(?: UTC)?)?)`
		day    = `(\d{4}-\d\d-\d\d)`
		month  = `(\d{4}-\d\d)`
	)
	pattern = strings.NewReplacer("ACCOUNT", `(\d+)`, "MOMENT", moment, "DAY", day, "MONTH", month).Replace(pattern)
	return verb{regexp.MustCompile("^" + pattern + "$"), do}
}

func (w *teller) tell(s *step) {
	w.Helper()
	for _, v := range verbs() {
		if m := v.form.FindStringSubmatch(s.text); m != nil {
			v.do(w, s, m[1:])
			return
		}
	}
	w.Fatalf("%s: %q is no form of words that is known", s.at, s.text)
}
