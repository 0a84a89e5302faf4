package imports

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	pure  = []string{"models", "billing", "consumer/decode"}
	parts = []string{"consumer", "scheduler", "publisher", "web", "notify"}
)

// rules is what depguard in .golangci.yml cannot say of single imports: imports by
// way of a third package, and uses within a file.
func rules() []rule {
	all := []rule{clockRule(), storeRule()}
	for _, part := range parts {
		all = append(all, partRule(part))
	}
	return append(all, treeRules()...)
}

func clockRule() rule {
	return rule{
		name: "models, billing and consumer/decode do not look at the clock",
		why:  "the same facts must give the same sums tomorrow; what day it is comes in as an argument",
		find: clocks(folders(pure...)),
		samples: []map[string]string{
			{"billing/a.go": "package billing\nimport \"time\"\nvar started = time.Now()\n"},
			{"models/a.go": "package models\nimport \"time\"\nvar now = time.Now // handed on, not called\n"},
			{"billing/a.go": "package billing\nimport clock \"time\"\nfunc age(t clock.Time) clock.Duration { return clock.Since(t) }\n"},
			{"billing/a.go": "package billing\nimport . \"time\"\nvar started = Now()\n"},
		},
		allowed: []map[string]string{
			{"billing/a.go": "package billing\nimport \"time\"\nvar day = 24 * time.Hour\nfunc (p posting) Now() {}\n"},
			{"store/a.go": "package store\nimport \"time\"\nvar started = time.Now()\n"},
		},
	}
}

func storeRule() rule {
	return rule{
		name: "the store knows no rule",
		why:  "it loads and keeps, and is told by a function what is owed: storage that knows the rules changes with them",
		// A test from outside may hand the store the real rules: that closure is
		// the hinge between the two, and cmd does the same.
		find: reach{from: "store", to: append([]string{"billing"}, parts...), callers: []string{"billing"}}.find,
		samples: []map[string]string{
			file("store/a.go", "referral/billing"),
			file("store/sub/a.go", "referral/consumer"),
			{"store/a_test.go": "package store\nimport \"referral/billing\"\n"},
			{"store/a_test.go": "package store_test\nimport \"referral/consumer\"\n"},
			{"store/a.go": importing("referral/internal/x"), "internal/x/x.go": importing("referral/billing")},
		},
		allowed: []map[string]string{
			file("store/a.go", "referral/models"),
			{"store/a_test.go": "package store_test\nimport \"referral/billing\"\n"},
			{"store/a.go": importing("referral/internal/x"), "internal/x/x_test.go": importing("referral/billing")},
		},
	}
}

func partRule(part string) rule {
	banned := append(slices.DeleteFunc(slices.Clone(parts), func(l string) bool { return l == part }), "store", "cmd")
	other := banned[0]
	return rule{
		name: part + " imports neither the store nor another part of the service",
		why:  "a part declares the few store methods that it uses as its own interface: then it is tested without a database, and can run alone",
		find: reach{from: part, to: banned}.find,
		samples: []map[string]string{
			file(part+"/a.go", module+"/store"),
			{part + "/a_test.go": "package x_test\nimport \"referral/store/migrations\"\n"},
			file(part+"/a.go", module+"/"+other),
			{part + "/a.go": importing(module + "/internal/x"), "internal/x/x.go": importing(module + "/internal/y"), "internal/y/y.go": importing(module + "/store")},
		},
		allowed: []map[string]string{
			file(part+"/a.go", module+"/billing", module+"/models"),
			file(part+"/a_test.go", module+"/"+part),
			file("cmd/referral/a.go", module+"/"+part, module+"/store"),
		},
	}
}

func treeRules() []rule {
	// Written in two parts, so that this file does not look like a break.
	skip := "Sk" + "ip"
	testing := "import \"testing\"\n"
	return []rule{
		{
			name: "no test skips itself",
			why:  "a test that did not run looks like one that passed",
			find: skips,
			samples: []map[string]string{
				{"store/a_test.go": "package store\n" + testing + "func TestA(t *testing.T) { t." + skip + "(\"no database\") }\n"},
				{"store/a_test.go": "package store\n" + testing + "func BenchmarkA(b *testing.B) { if testing.Short() { b." + skip + "Now() } }\n"},
				{"internal/x/x.go": "package x\n" + testing + "func Need(tb testing.TB) { tb." + skip + "f(\"no %s\", \"broker\") }\n"},
			},
			allowed: []map[string]string{
				{"store/a.go": "package store\nfunc read(r reader) { r." + skip + "(3) }\n"},
				{"store/a_test.go": "package store\n" + testing + "func TestA(t *testing.T) { t.Fatal(\"run me through make test\") }\n"},
			},
		},
		{
			name: "the rows of a batch are read in one place",
			why:  "a connection that ends between two statements gives rows without a result, and reading them is a nil pointer",
			find: batchRows,
			samples: []map[string]string{
				{"store/a.go": "package store\nfunc f() { b.Queue(\"SELECT 1\").Query(read) }\n"},
				{"store/sub/a.go": "package sub\nfunc f() { b.Queue(\"SELECT 1\").\n\tQuery(read) }\n"},
			},
			allowed: []map[string]string{
				{"store/pgcopy/batch.go": "package pgcopy\nfunc query() { b.Queue(\"SELECT 1\").Query(read) }\n"},
				{"store/a.go": "package store\nfunc f() { b.Queue(\"SELECT 1\").QueryRow(read) }\n"},
			},
		},
		{
			name:    "no file is too long to read",
			why:     "one noun a file; a file of thousands of lines holds many",
			find:    longFiles,
			samples: []map[string]string{{"store/a.go": "package store\n" + strings.Repeat("\n", longestFile)}},
			allowed: []map[string]string{
				{"store/a.go": "package store\n" + strings.Repeat("\n", longestFile-1)},
				{"store/a_test.go": "package store\n" + strings.Repeat("\n", longestFile)},
				{"store/a.go": "// Code generated by x. DO NOT EDIT.\npackage store\n" + strings.Repeat("\n", longestFile)},
			},
		},
	}
}

func TestTheCodeFollowsTheRules(t *testing.T) {
	all, err := sources("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range pure {
		if !slices.ContainsFunc(all, func(s *source) bool { return s.folder == name }) {
			t.Fatalf("no file of %s was found, so nothing was checked", name)
		}
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, place := range r.find(all) {
				t.Errorf("%s\n  rule: %s,\n  for %s", place, r.name, r.why)
			}
		})
	}
}

// Every rule finds each of its samples, and lets pass what is allowed.
func TestEveryRuleCanFail(t *testing.T) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if r.why == "" || len(r.samples) == 0 || len(r.allowed) == 0 {
				t.Error("a rule needs its reason, and samples of what it finds and of what it lets pass")
			}
			for _, tree := range r.samples {
				if found := r.find(parsed(t, tree)); len(found) == 0 {
					t.Errorf("nothing was found in %q", tree)
				}
			}
			for _, tree := range r.allowed {
				if found := r.find(parsed(t, tree)); len(found) > 0 {
					t.Errorf("found %q in what is allowed: %q", found, tree)
				}
			}
		})
	}
}

// file is a tree of one file that imports the packages.
func file(name string, imported ...string) map[string]string {
	return map[string]string{name: importing(imported...)}
}

func importing(imported ...string) string {
	text := "package x\n"
	for _, i := range imported {
		text += fmt.Sprintf("import %q\n", i)
	}
	return text
}

func parsed(t *testing.T, tree map[string]string) []*source {
	t.Helper()
	var all []*source
	for name, text := range tree {
		s, err := parse(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}
