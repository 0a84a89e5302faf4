package billing_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sentencesFile = "sentences.txt"

// sentence is one of the programme's, and who proves it besides scenarios.
type sentence struct {
	text      string
	tests     []string // functions of this package
	elsewhere []string // other packages, whose business it is
}

// Every sentence of the programme is proved by a scenario or a test, and every
// scenario says what it proves.
func TestEverySentenceIsProved(t *testing.T) {
	sentences := readSentences(t)
	proved := map[string]bool{}
	titles := map[string]bool{}
	for _, s := range readScenarios(t) {
		if len(s.proves) == 0 || len(s.steps) == 0 || titles[s.title] {
			t.Errorf("scenario %q proves nothing, is empty, or has a namesake", s.title)
		}
		titles[s.title] = true
		for _, id := range s.proves {
			if _, known := sentences[id]; !known {
				t.Errorf("scenario %q proves %q, which is no sentence", s.title, id)
			}
			proved[id] = true
		}
	}
	source := testSource(t)
	for _, id := range slices.Sorted(maps.Keys(sentences)) {
		s := sentences[id]
		if !proved[id] && len(s.tests)+len(s.elsewhere) == 0 {
			t.Errorf("nothing proves %s: %s", id, s.text)
		}
		for _, name := range s.tests {
			if !strings.Contains(source, "\nfunc "+name+"(") {
				t.Errorf("%s is to be proved by %s, which is not there", id, name)
			}
		}
	}
}

// readSentences reads lines "id: sentence", which end in " <- " and the names of
// tests or packages where no scenario is the proof.
func readSentences(t testing.TB) map[string]sentence {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", sentencesFile))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]sentence{}
	for _, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, rest, ok := strings.Cut(line, ": ")
		if _, twice := all[id]; !ok || twice {
			t.Fatalf("%q is no sentence with an id of its own", line)
		}
		var s sentence
		var by string
		s.text, by, _ = strings.Cut(rest, " <- ")
		for _, name := range strings.Fields(strings.ReplaceAll(by, ",", " ")) {
			if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") {
				s.tests = append(s.tests, name)
			} else {
				s.elsewhere = append(s.elsewhere, name)
			}
		}
		all[id] = s
	}
	return all
}

func testSource(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
