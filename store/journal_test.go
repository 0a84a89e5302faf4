package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"referral/models"
)

func (l *life) journal() models.JournalCheck {
	l.Helper()
	c, err := l.CheckJournal(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return c
}

// acts records acts whose texts hold whatever a person may type.
func (l *life) acts(n int) {
	l.Helper()
	for i := range n {
		act := models.OperatorAction{Who: "Анна: 5,", Role: models.RoleFinance, What: models.ActionClose, Subject: fmt.Sprint("2026-0", i), Reason: "“все;сошлось”\n"}
		if err := l.RecordAction(l.Context(), act); err != nil {
			l.Fatal(err)
		}
	}
}

// Entries that are recorded at one moment are one chain.
func TestJournalIsOneChain(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	if c := l.journal(); c.Entries != 0 || c.Wrong != 0 {
		t.Errorf("an empty journal: %+v", c)
	}
	together(t, 8, func(i int) error {
		for range 5 {
			if err := l.RecordAction(t.Context(), models.OperatorAction{Who: fmt.Sprint("person ", i), What: models.ActionSignIn, Subject: "u"}); err != nil {
				return err
			}
		}
		return nil
	})
	if c := l.journal(); c.Entries != 40 || c.Wrong != 0 {
		t.Errorf("%d entries, wrong are %v", c.Entries, c.Faults)
	}
	page, err := l.Journal(t.Context(), 0, 3)
	if err != nil || len(page) != 3 || page[0].Entry != 40 || page[0].Hash != l.journal().Head {
		t.Errorf("the newest entries are %+v, %v", page, err)
	}
	if page, err = l.Journal(t.Context(), 3, 10); err != nil || len(page) != 2 || page[0].Entry != 2 {
		t.Errorf("the oldest entries are %+v, %v", page, err)
	}
}

// What is done to the journal outside the service is named.
func TestTamperedJournalIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tamper []string
		want   []string
	}{
		"altered":   {[]string{"UPDATE operator_actions SET reason = 'another' WHERE entry = 3"}, []string{"entry 3, of"}},
		"backdated": {[]string{"UPDATE operator_actions SET at = '2020-01-01T00:00:00Z' WHERE entry = 5"}, []string{"entry 5, of"}},
		"removed":   {[]string{"DELETE FROM operator_actions WHERE entry IN (2, 3)"}, []string{"entries 2 to 3 are missing"}},
		"one gone":  {[]string{"DELETE FROM operator_actions WHERE entry = 1"}, []string{"entry 1 is missing"}},
		"swapped": {[]string{
			"UPDATE operator_actions SET entry = 100 WHERE entry = 2", "UPDATE operator_actions SET entry = 2 WHERE entry = 3", "UPDATE operator_actions SET entry = 3 WHERE entry = 100",
		}, []string{"entry 2, of", "entry 3, of", "entry 4, of"}},
		"rewritten": {[]string{`UPDATE operator_actions SET reason = 'x' WHERE entry = 4`, `UPDATE operator_actions o
			SET hash = journal_hash((SELECT hash FROM operator_actions p WHERE p.entry = 3), o) WHERE entry = 4`}, []string{"entry 5, of"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.acts(6)
			l.behindTriggers(append([]string{"GRANT UPDATE, DELETE ON operator_actions TO CURRENT_USER"}, c.tamper...)...)
			found := l.journal()
			l.found(&found, c.want)
		})
	}
}

// After a check that was kept, only what has been added since is read: what was done to
// entries before it is found by the next check of the whole journal, also when all that
// follows was written again, or was cut off at the end.
func TestJournalIsVerifiedFromTheLastCheckOn(t *testing.T) {
	t.Parallel()
	rewrite := []string{"UPDATE operator_actions SET reason = 'x' WHERE entry = 2"}
	for entry := 2; entry <= 4; entry++ {
		rewrite = append(rewrite, fmt.Sprintf("UPDATE operator_actions o SET hash = journal_hash((SELECT hash FROM operator_actions p WHERE p.entry = %d), o) WHERE entry = %d", entry-1, entry))
	}
	const check = "is not the one that the check of "
	for name, c := range map[string]struct {
		tamper       []string
		since, whole []string // what is found
	}{
		"nothing":           {nil, nil, nil},
		"altered before":    {[]string{"UPDATE operator_actions SET reason = 'x' WHERE entry = 2"}, nil, []string{"entry 2, of"}},
		"removed before":    {[]string{"DELETE FROM operator_actions WHERE entry = 2"}, nil, []string{"entry 2 is missing"}},
		"altered since":     {[]string{"UPDATE operator_actions SET reason = 'x' WHERE entry = 4"}, []string{"entry 4, of"}, []string{"entry 4, of"}},
		"the last one seen": {[]string{"DELETE FROM operator_actions WHERE entry = 3"}, []string{"entry 3 is missing"}, []string{"entry 3 is missing"}},
		"cut off":           {[]string{"DELETE FROM operator_actions WHERE entry > 1"}, []string{"entry 3 is missing"}, []string{"entries 2 to 3 are missing"}},
		"written again":     {rewrite, []string{"entry 3 " + check}, []string{"entry 3 " + check}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.acts(3)
			first := l.journal()
			if err := l.KeepJournalCheck(t.Context(), &first, &models.OperatorAction{Who: "Anna", What: models.ActionCheckJournal, Subject: "3"}); err != nil {
				t.Fatal(err)
			}
			l.behindTriggers(append([]string{"GRANT UPDATE, DELETE ON operator_actions TO CURRENT_USER"}, c.tamper...)...)
			for range 2 { // what was found does not cover up what was done
				kept, since, err := l.LastJournalCheck(t.Context())
				if err != nil || kept.Who != "Anna" || kept.Last != 3 || kept.Head != first.Head || !kept.At.Equal(l.now) {
					t.Fatalf("kept is %+v, %v", kept, err)
				}
				l.found(&since, c.since)
				whole := l.journal()
				l.found(&whole, c.whole)
				if entries := since.Entries; len(c.tamper) == 0 && entries != 1 {
					t.Errorf("%d entries were read", entries)
				}
			}
			again := l.journal()
			if err := l.KeepJournalCheck(t.Context(), &again, nil); err != nil {
				t.Fatal(err)
			}
			again = l.journal()
			l.found(&again, c.whole)
			if kept, _, err := l.LastJournalCheck(t.Context()); err != nil || kept.Who != "" || kept.Wrong != int64(len(c.whole)) || len(kept.Faults) != len(c.whole) {
				t.Errorf("kept is %+v, %v", kept, err)
			}
			stats, err := l.Stats(t.Context())
			if err != nil || !stats.JournalChecked.Equal(l.now) || stats.JournalFaults != int64(len(c.whole)) {
				t.Errorf("the gauges show %s, %d, %v", stats.JournalChecked, stats.JournalFaults, err)
			}
		})
	}
}

// found holds what a check of the journal names.
func (l *life) found(c *models.JournalCheck, want []string) {
	l.Helper()
	if len(c.Faults) != len(want) || c.Wrong != int64(len(want)) {
		l.Errorf("found %+v, want %q", c.Faults, want)
		return
	}
	for i := range want {
		if !strings.HasPrefix(c.Faults[i].String(), want[i]) {
			l.Errorf("found %q, want %q", c.Faults[i].String(), want[i])
		}
	}
}

// A configuration is recorded when it is another one, however often a service starts.
func TestConfigurationIsRecordedOnce(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	for _, digest := range []string{"a", "a", "b", "a"} {
		if err := l.RecordConfiguration(t.Context(), digest); err != nil {
			t.Fatal(err)
		}
	}
	page, err := l.Journal(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, e := range page {
		subjects = append(subjects, e.Subject)
	}
	if !slices.Equal(subjects, []string{"a", "b", "a"}) {
		t.Errorf("recorded are %v", subjects)
	}
}
