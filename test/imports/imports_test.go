// The imports that docs/architecture.md allows: each ban with its reason.
package imports

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	gorm  = "gorm.io"
	kafka = "github.com/segmentio/kafka-go"
)

var (
	pure  = []string{"models", "billing", "consumer/decode"}
	loops = []string{"consumer", "scheduler", "publisher", "web", "notify"}
)

// rules is the floor plan. One file of a sample is enough to show a break; what
// a file imports is all that matters in most of them.
func rules() []rule {
	return slices.Concat(pureRules(), libraryRules(), roomRules(), treeRules())
}

func pureRules() []rule {
	return []rule{
		{
			name: "models import the standard library only",
			why:  "the vocabulary is spoken by every package, so whatever it needs, all need",
			find: imports{tests: true, in: rooms("models"), banned: func(p string) bool { return !isStandard(p) && p != module+"/models" }}.find,
			samples: []map[string]string{
				file("models/a.go", "github.com/google/uuid"),
				file("models/a.go", "referral/billing"),
				file("models/a_test.go", "pgregory.net/rapid"),
			},
			allowed: []map[string]string{file("models/a.go", "crypto/sha256", "time"), file("models/a_test.go", "referral/models")},
		},
		{
			name: "billing knows of the module's packages models only",
			why:  "rules that know the storage or the broker cannot be computed again by anyone",
			find: imports{in: rooms("billing"), banned: func(p string) bool { return within(p, module) && p != module+"/models" }}.find,
			samples: []map[string]string{
				file("billing/a.go", "referral/store"),
				file("billing/a.go", "referral/internal/clock"),
			},
			allowed: []map[string]string{file("billing/a.go", "referral/models"), file("billing/a_test.go", "referral/billing")},
		},
		{
			name: "contact knows of the module's packages models only",
			why:  "the personal account and the sender both normalise contacts, so the rules may depend on neither",
			find: imports{in: rooms("contact"), banned: func(p string) bool { return within(p, module) && p != module+"/models" }}.find,
			samples: []map[string]string{
				file("contact/a.go", "referral/store"),
				file("contact/a.go", "referral/notify"),
			},
			allowed: []map[string]string{file("contact/a.go", "referral/models"), file("web/portal/a.go", "referral/contact")},
		},
		{
			name: "consumer/decode knows of the module's packages models only",
			why:  "what a message says must follow from its bytes alone, or a dead letter could not be explained",
			find: imports{in: rooms("consumer/decode"), banned: func(p string) bool { return within(p, module) && p != module+"/models" }}.find,
			samples: []map[string]string{
				file("consumer/decode/a.go", "referral/consumer"),
				file("consumer/decode/a.go", "referral/billing"),
			},
			allowed: []map[string]string{file("consumer/decode/a.go", "referral/models"), file("consumer/a.go", "referral/consumer/decode")},
		},
		{
			name: "models, billing and consumer/decode do no I/O and write no log",
			why:  "a sum must follow from the facts alone, or finance cannot check it",
			find: imports{in: rooms(pure...), banned: func(p string) bool {
				return packages(gorm, kafka, "github.com/twmb/franz-go", "github.com/jackc/pgx", "github.com/robfig/cron",
					"github.com/prometheus", "database/sql", "log", "net", "os", "syscall", "math/rand", "crypto/rand")(p)
			}}.find,
			samples: []map[string]string{
				file("billing/a.go", "gorm.io/gorm"),
				file("billing/a.go", "github.com/segmentio/kafka-go"),
				file("models/a.go", "github.com/robfig/cron/v3"),
				file("models/a.go", "github.com/prometheus/client_golang/prometheus"),
				file("billing/a.go", "log/slog"),
				file("billing/sub/a.go", "os"),
				file("billing/a.go", "github.com/jackc/pgx/v5"),
				file("models/a.go", "net/http"),
				file("consumer/decode/a.go", "github.com/twmb/franz-go/pkg/kgo"),
			},
			allowed: []map[string]string{file("store/a.go", "os"), file("billing/a.go", "fmt", "github.com/google/uuid"), file("billing/a_test.go", "os")},
		},
		{
			name: "models, billing and consumer/decode do not look at the clock",
			why:  "the same facts must give the same sums tomorrow; what day it is comes in as an argument",
			find: clocks(rooms(pure...)),
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
		},
	}
}

func libraryRules() []rule {
	return []rule{
		{
			name: "GORM is in the store only",
			why:  "one exported verb of the store is one transaction; a query elsewhere would be part of none",
			// test/bench measures the program against GORM itself, row by row.
			find: imports{tests: true, in: outside("store", "test/storetest", "test/bench"), banned: packages(gorm)}.find,
			samples: []map[string]string{
				file("consumer/a.go", "gorm.io/gorm"),
				file("storefront/a.go", "gorm.io/driver/postgres"),
				file("cmd/referral/a_test.go", "gorm.io/gorm"),
			},
			allowed: []map[string]string{file("store/a.go", "gorm.io/gorm")},
		},
		{
			name: "kafka-go is in the consumer, the publisher, notify/kafka, cmd, internal and test only",
			why:  "its traps (acknowledgements, rewound offsets, lost order) are dealt with in these places and nowhere else",
			find: imports{tests: true, in: outside("consumer", "publisher", "notify/kafka", "cmd", "internal", "test"), banned: packages(kafka)}.find,
			samples: []map[string]string{
				file("store/a.go", "github.com/segmentio/kafka-go"),
				file("web/a.go", "github.com/segmentio/kafka-go/sasl/plain"),
				file("scheduler/a_test.go", "github.com/segmentio/kafka-go"),
				file("notify/a.go", "github.com/segmentio/kafka-go"),
			},
			allowed: []map[string]string{
				file("consumer/a.go", "github.com/segmentio/kafka-go"), file("internal/demo/embeddedkafka/a.go", "github.com/segmentio/kafka-go"),
			},
		},
	}
}

// roomRules is the imports between the module's own packages.
func roomRules() []rule {
	all := []rule{
		{
			name: "the store knows no rule",
			why:  "it loads and keeps, and is told by a function what is owed: storage that knows the rules changes with them",
			// A test from outside may hand the store the real rules: that closure is
			// the hinge between the two, and cmd does the same.
			find: reach{from: "store", to: append([]string{"billing"}, loops...), callers: []string{"billing"}}.find,
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
		},
		{
			name: "test servers are for tests",
			why:  "a proxy that breaks connections has no place in the program",
			find: imports{in: outside("test"), banned: packages(module + "/test")}.find,
			samples: []map[string]string{
				file("store/a.go", "referral/test/pgproxy"),
				file("cmd/referral/a.go", "referral/test/pgproxy"),
				file("internal/demo/a.go", "referral/test/kafkaserver"),
			},
			allowed: []map[string]string{file("store/a_test.go", "referral/test/pgproxy"), file("test/faults/a.go", "referral/test/pgproxy")},
		},
		{
			name: "nobody imports cmd",
			why:  "cmd imports everything, and its settings are of the whole program; a package that imported it would depend on all of that",
			find: imports{tests: true, in: outside("cmd/referral"), banned: packages(module + "/cmd")}.find,
			samples: []map[string]string{
				file("consumer/a.go", "referral/cmd/referral"),
				file("internal/demo/a_test.go", "referral/cmd/referral/config"),
			},
			allowed: []map[string]string{file("cmd/referral/a.go", "referral/cmd/referral/config")},
		},
	}
	all = append(all, reportRule())
	for _, loop := range loops {
		all = append(all, loopRule(loop))
	}
	return all
}

func reportRule() rule {
	const room = "cmd/referral/report"
	known := []string{module + "/" + room, module + "/models", module + "/billing"}
	return rule{
		name: "cmd/referral/report knows of the module's packages models and billing only",
		why:  "what is printed is fetched before: a report can then be tested with values, without a database",
		find: imports{in: rooms(room), banned: func(p string) bool {
			return within(p, module) && !slices.Contains(known, p) || packages("os", "net")(p)
		}}.find,
		samples: []map[string]string{file(room+"/a.go", module+"/store"), file(room+"/a.go", module+"/cmd/referral/config"), file(room+"/a.go", "os")},
		allowed: []map[string]string{file(room+"/a.go", module+"/billing", "io"), file("cmd/referral/config/a.go", module+"/"+room)},
	}
}

func loopRule(loop string) rule {
	banned := append(slices.DeleteFunc(slices.Clone(loops), func(l string) bool { return l == loop }), "store", "cmd")
	other := banned[0]
	return rule{
		name: loop + " imports neither the store nor another loop",
		why:  "a loop declares the few store verbs that it uses as its own interface: then it is tested without a database, and runs on a machine of its own",
		find: reach{from: loop, to: banned}.find,
		samples: []map[string]string{
			file(loop+"/a.go", module+"/store"),
			{loop + "/a_test.go": "package x_test\nimport \"referral/store/migrations\"\n"},
			file(loop+"/a.go", module+"/"+other),
			{loop + "/a.go": importing(module + "/internal/x"), "internal/x/x.go": importing(module + "/internal/y"), "internal/y/y.go": importing(module + "/store")},
		},
		allowed: []map[string]string{
			file(loop+"/a.go", module+"/billing", module+"/models"),
			file(loop+"/a_test.go", module+"/"+loop),
			file("cmd/referral/a.go", module+"/"+loop, module+"/store"),
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
				{"store/copy.go": "package store\nfunc queueRows() { b.Queue(\"SELECT 1\").Query(read) }\n"},
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

func TestTheTreeKeepsTheRules(t *testing.T) {
	all, err := sources("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range pure {
		if !slices.ContainsFunc(all, func(s *source) bool { return s.room == room }) {
			t.Fatalf("no file of %s was found, so nothing was checked", room)
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
