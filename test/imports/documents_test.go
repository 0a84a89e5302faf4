package imports

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// named is a document that a comment names, perhaps with one of its headings:
	// docs/programme.md, "The month".
	named   = regexp.MustCompile(`([\w./-]+\.(?:md|yaml))(?:, "([^"]+)")?`)
	linked  = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// TestCommentsNameDocumentsThatExist keeps a reader from looking for a document,
// or a part of it, that is not in the repository.
func TestCommentsNameDocumentsThatExist(t *testing.T) {
	const root = "../.."
	all, err := sources(root)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, s := range all {
		for _, group := range s.tree.Comments {
			for _, m := range named.FindAllStringSubmatch(strings.Join(strings.Fields(group.Text()), " "), -1) {
				checked++
				if wrong := missingDocument(root, s.folder, m[1], m[2]); wrong != "" {
					t.Errorf("%s: %s", s.at(group), wrong)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d documents were found in comments, so the search finds too few", checked)
	}
}

// missingDocument says what is wrong with a name of a document, given from the root
// of the repository or from the folder of the file that names it.
func missingDocument(root, folder, name, part string) string {
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		text, err = os.ReadFile(filepath.Join(root, folder, name))
	}
	if err != nil {
		return fmt.Sprintf("there is no document %s; name it from the root of the repository", name)
	}
	headings := heading.FindAllStringSubmatch(string(text), -1)
	if part != "" && !slices.ContainsFunc(headings, func(h []string) bool { return h[1] == part }) {
		return fmt.Sprintf("%s has no heading %q", name, part)
	}
	return ""
}

// TestTheArchitectureNamesEveryFolder holds the list of packages in docs/architecture.md
// against the tree: a folder is listed, or the one above it is.
func TestTheArchitectureNamesEveryFolder(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)(?:^|; )((?:[a-z0-9]+/)+)[ {]`).FindAllStringSubmatch(string(text), -1) {
		folder := strings.TrimSuffix(m[1], "/")
		listed[folder] = true
		if _, err := os.Stat(filepath.Join("../..", folder)); err != nil {
			t.Errorf("docs/architecture.md lists %s, which is not there", folder)
		}
	}
	all, err := sources("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if !listed[s.folder] && !listed[path.Dir(s.folder)] {
			listed[s.folder] = true // to name it once
			t.Errorf("docs/architecture.md does not list %s", s.folder)
		}
	}
}

func TestLinksBetweenDocumentsLeadSomewhere(t *testing.T) {
	const root = "../.."
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents %s: %v", pattern, err)
		}
		documents = append(documents, found...)
	}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range linked.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(path.Join(path.Dir(document), link[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", document, link[1])
			}
		}
	}
}

// TestDocumentsUseTheWordsOfTheCode holds what people read to the word list of the
// linter, which looks at Go files only.
func TestDocumentsUseTheWordsOfTheCode(t *testing.T) {
	config, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range regexp.MustCompile(`typo: (\w+), correction`).FindAllStringSubmatch(string(config), -1) {
		words = append(words, m[1])
	}
	if len(words) == 0 {
		t.Fatal(".golangci.yml lists no words")
	}
	old := regexp.MustCompile(`(?i)\b(?:` + strings.Join(words, "|") + `)\b`)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "*api.yaml", "config.yaml", "Makefile"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents %s: %v", pattern, err)
		}
		for _, name := range found {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range old.FindAllString(string(text), -1) {
				t.Errorf("%s uses %q; .golangci.yml has what to write", name, word)
			}
		}
	}
}

func TestAMissingDocumentIsFound(t *testing.T) {
	for _, c := range []struct {
		folder, name, part string
		missing            bool
	}{
		{"billing", "docs/programme.md", "The month", false},
		{"billing", "testdata/README.md", "", false},
		{"billing", "programme" + ".md", "", true},
		{"billing", "docs/programme.md", "The year", true},
	} {
		if wrong := missingDocument("../..", c.folder, c.name, c.part); (wrong != "") != c.missing {
			t.Errorf("%+v: %q", c, wrong)
		}
	}
}
