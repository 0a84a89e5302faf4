package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// springFolder holds a spring in the life of 300 accounts with the figures
// that finance calculated by hand-made means.
func springFolder(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("REFERRAL_SPRING")
	if folder == "" {
		folder = filepath.Join("..", "e2e", "testdata", "spring")
	}
	if _, err := os.Stat(folder); err != nil {
		t.Fatalf("the spring example is needed: set REFERRAL_SPRING to its folder (%v)", err)
	}
	return folder
}

func rows[T any](t *testing.T, parts ...string) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for line := range bytes.Lines(text) {
		var row T
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

type sent struct{ Value json.RawMessage }

type wantLine struct {
	InvoiceID string `json:"invoice_id"`
	LineID    string `json:"line_id"`
	Amount    int64  `json:"amount_minor"`
}

type wantPackage struct {
	AccountID int64 `json:"account_id"`
	SMS       int
	Count     int
}

type wantRefusal struct {
	AccountID int64  `json:"account_id"`
	EventID   string `json:"event_id"`
	Reason    string
}

func TestSpringExampleMatchesFinance(t *testing.T) {
	t.Parallel()
	folder := springFolder(t)
	model := New(func(code string) (int64, bool) {
		var owner int64
		_, err := fmt.Sscanf(code, "{code:%d}", &owner)
		return owner, err == nil
	})
	for _, phase := range []struct {
		name string
		runs []string
	}{
		{"phase-1", []string{"2026-03"}},
		{"phase-2", []string{"2026-03", "2026-04"}},
	} {
		for _, m := range rows[sent](t, folder, phase.name, "events.jsonl") {
			if err := model.Take(nil, m.Value); err != nil {
				t.Fatal(err)
			}
		}
		for _, period := range phase.runs {
			if err := model.Run(period); err != nil {
				t.Fatal(err)
			}
		}
		checkLines(t, model, rows[wantLine](t, folder, phase.name, "want-lines.jsonl"))
		checkPackages(t, model, rows[wantPackage](t, folder, phase.name, "want-packages.jsonl"))
		checkRefused(t, model, rows[wantRefusal](t, folder, phase.name, "want-refused.jsonl"))
	}
}

func checkLines(t *testing.T, model *Model, rows []wantLine) {
	t.Helper()
	want := map[Line]int64{}
	for _, r := range rows {
		want[Line{r.InvoiceID, r.LineID}] = r.Amount
	}
	for l, amount := range want {
		if got := model.Lines()[l]; got != amount {
			t.Errorf("%v: %d, want %d", l, got, amount)
		}
	}
	for l, amount := range model.Lines() {
		if _, ok := want[l]; !ok {
			t.Errorf("%v: %d, want nothing", l, amount)
		}
	}
}

func checkPackages(t *testing.T, model *Model, rows []wantPackage) {
	t.Helper()
	want := map[Package]int{}
	for _, r := range rows {
		want[Package{r.AccountID, r.SMS}] = r.Count
	}
	if got := model.Packages(); !maps.Equal(got, want) {
		t.Errorf("packages %v, want %v", got, want)
	}
}

func checkRefused(t *testing.T, model *Model, rows []wantRefusal) {
	t.Helper()
	got, want := map[wantRefusal]int{}, map[wantRefusal]int{}
	for _, r := range model.Refused() {
		got[wantRefusal{r.AccountID, r.Event, r.Reason}]++
	}
	for _, r := range rows {
		want[r]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("refused %v, want %v", got, want)
	}
}
