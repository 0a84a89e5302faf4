package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// A period that no fact can have is wrong use, and no question to the database.
func TestPeriodsOfOtherYearsAreWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"run", "0000-01"}, {"run", "0001-01", "--dry-run"}, {"run", "1899-12"}, {"run", "3000-01"}, {"run", "9999-12"},
		{"reconcile", "0000-01"}, {"close", "9999-12", "--by", "Anna"},
		{"simulate", "--terms", "x", "--from", "0000-01", "--to", "0000-02"}, {"simulate", "--terms", "x", "--from", "2999-12", "--to", "3000-01"},
	} {
		var out, complaints bytes.Buffer
		status := run(t.Context(), args, process{in: bytes.NewReader(nil), out: &out, err: &complaints})
		if said := complaints.String(); status != exitError || !strings.Contains(said, "must lie in the years 1900 to 2999") || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: status %d, said %q", args, status, said)
		}
	}
	for _, first := range []string{"2000-01", "2999-12"} {
		if p, err := parsePeriod(first); err != nil || p.String() != first {
			t.Errorf("%s was read as %s (%v)", first, p, err)
		}
	}
}

// objectsOf is JSON line by line: an object in each.
func objectsOf(t *testing.T, text string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(text) {
		var object map[string]any
		unmarshal(t, line, &object)
		all = append(all, object)
	}
	return all
}

// A dry run names what would be posted and ends with its totals, also when nothing
// would be.
func TestADryRunAsLinesOfJSON(t *testing.T) {
	w := newTown(t)
	w.befriends(885, map[int64]string{901: "2026-01-10", 902: "2026-03-05", 903: "2026-04-20"})
	w.hears(bill(885, 202604, 1, subscription(300000)))
	a := w.asks("run", "2026-04", "--dry-run", "--format", "json")
	lines := objectsOf(t, a.out)
	if a.status != exitOK || a.err != "" || len(lines) != 3 {
		t.Fatalf("%+v", a)
	}
	for i, want := range []map[string]any{
		{"type": "document", "account_id": 885.0, "invoice_id": april885, "amount_minor": -142000.0, "reason": "run", "lines": 1.0},
		{"type": "package", "account_id": 885.0, "sms": 1200.0, "granted_on": "2026-04-20"},
		{"type": "totals", "period": "2026-04", "posting_period": "2026-04", "kind": "regular", "documents": 1.0, "amount_minor": -142000.0, "packages": 1.0},
	} {
		for key, value := range want {
			if lines[i][key] != value {
				t.Errorf("line %d: %s is %v, want %v", i+1, key, lines[i][key], value)
			}
		}
	}
	if parked, is := lines[2]["parked"].([]any); !is || len(parked) != 0 {
		t.Errorf("parked is %v", lines[2]["parked"])
	}

	w.month(202604)
	a = w.asks("run", "2026-04", "--dry-run", "--format", "json")
	if lines = objectsOf(t, a.out); a.status != exitOK || len(lines) != 1 || lines[0]["type"] != "totals" || lines[0]["documents"] != 0.0 {
		t.Errorf("with nothing to post: %+v", a)
	}
}

// The log leaves the sad end of a run to the command's answer, and nothing else.
func TestTheLogOfRunsThatAreAnsweredFor(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(withoutRunErrors{Handler: slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})})
	log.Error("panic", "stack", "…")
	ofRun := log.With("run", 7, "period", "2026-04")
	ofRun.Error("the brake holds this run")
	ofRun.With("more", 1).WithGroup("deep").Error("incomplete")
	ofRun.Info("done")
	log.With("period", "2026-04").Error("something else", "error", errors.New("x"))
	var said []string
	for _, line := range objectsOf(t, out.String()) {
		said = append(said, line[slog.MessageKey].(string))
	}
	if got := strings.Join(said, ", "); got != "panic, done, something else" {
		t.Errorf("logged: %s", got)
	}
}
