package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"referral/models"
)

// An older system's files are written from the template, checked, imported, repeated and
// explained; who did it is recorded.
func TestImportCommand(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	directory := filepath.Join(t.TempDir(), "old")
	for _, step := range []struct {
		args   []string
		status int
		says   []string
	}{
		{[]string{"import", directory, "--template"}, exitOK, []string{"4 example files written", "the invitation code that the client has"}},
		{[]string{"import", directory, "--template"}, exitError, []string{"exists"}},
		{[]string{"import", directory}, exitError, []string{"--by"}},
		{[]string{"import"}, exitError, []string{"DIRECTORY"}},
		{[]string{"import", directory, "--by", "Anna", "--skip-bad", "bad.csv", "--remove-missing"}, exitError, []string{"do not go together"}},
		{[]string{"import", directory, "--dry-run"}, exitOK, []string{"Nothing is stored: this would be imported", "accounts.csv"}},
		{[]string{"explain", "account", "885"}, exitNegative, nil},
		{[]string{"import", directory, "--by", "Anna"}, exitOK, []string{"Imported", "1 package of 1200 SMS given before", "1 840 percent-days of agreed discounts"}},
		{[]string{"import", directory, "--by", "Anna", "--format", "json"}, exitOK, []string{`"same": 2`, `"fault_count": 0`}},
		{[]string{"explain", "account", "885"}, exitOK, []string{"accounts.csv, line 2", "an older system gave it on 2026-03-02"}},
		{[]string{"explain", "account", "901"}, exitOK, []string{"agreed", "referrals.csv, line 2"}},
		{[]string{"import", t.TempDir(), "--by", "Anna"}, exitError, []string{"--template"}},
	} {
		got := w.asks(step.args...)
		if got.status != step.status {
			t.Errorf("%v: status %d, want %d\n%s%s", step.args, got.status, step.status, got.out, got.err)
		}
		for _, text := range step.says {
			if !strings.Contains(got.out+got.err, text) {
				t.Errorf("%v does not say %q:\n%s%s", step.args, text, got.out, got.err)
			}
		}
	}
	var recorded int
	w.one("SELECT count(*) FROM operator_actions WHERE what = 'import' AND who = 'Anna' AND length(subject) = 64", &recorded)
	if recorded != 2 {
		t.Errorf("%d imports are recorded, want 2", recorded)
	}

	// An import that dies midway is in the journal, and the next ones say so until one ends.
	begun := models.OperatorAction{Who: "Boris", What: models.ActionBeginImport, Subject: "digest-of-files"}
	if err := w.store.RecordAction(t.Context(), begun); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args []string
		says bool
	}{
		{[]string{"import", directory, "--dry-run"}, true}, {[]string{"import", directory, "--by", "Anna", "--format", "json"}, true}, {[]string{"import", directory, "--by", "Anna"}, false},
	} {
		got := w.asks(step.args...)
		if told := strings.Contains(got.out, "Boris") && strings.Contains(got.out, "digest-of-files"); got.status != exitOK || told != step.says {
			t.Errorf("%v: status %d, and tells of the unfinished import: %t\n%s%s", step.args, got.status, told, got.out, got.err)
		}
	}

	if err := os.WriteFile(filepath.Join(directory, "referrals.csv"), []byte("inviter,invitee,activated\n885,777,2026-02-11\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.asks("import", directory, "--by", "Anna"); got.status != exitNegative || !strings.Contains(got.out, `referrals.csv line 2, invitee "777": the account is neither`) {
		t.Errorf("a bad row: status %d\n%s%s", got.status, got.out, got.err)
	}
	bad := filepath.Join(t.TempDir(), "bad.csv")
	if got := w.asks("import", directory, "--by", "Anna", "--skip-bad", bad); got.status != exitOK {
		t.Errorf("bad rows that are skipped: status %d\n%s%s", got.status, got.out, got.err)
	}
	if text, err := os.ReadFile(bad); err != nil || !strings.Contains(string(text), "referrals.csv,2,") {
		t.Errorf("the bad rows are %q, %v", text, err)
	}
}
