package main

import (
	"strings"
	"testing"

	"referral/models"
)

// The journal is verified entry by entry: what was changed behind the back of the
// service is named, and the exit status is 1.
func TestAuditVerify(t *testing.T) {
	w := spring(t)
	for _, subject := range []string{"2026-03", "2026-04", "2026-05"} {
		if err := w.store.RecordAction(t.Context(), models.OperatorAction{Who: "Anna", What: models.ActionClose, Subject: subject}); err != nil {
			t.Fatal(err)
		}
	}
	whole := w.asks("audit", "verify")
	if whole.status != exitOK || !strings.Contains(whole.out, "nothing was altered, removed or moved") || !strings.Contains(whole.out, "hash of the last entry: ") {
		t.Errorf("an untouched journal: %+v", whole)
	}
	for _, statement := range []string{
		"ALTER TABLE operator_actions DISABLE TRIGGER append_only", "GRANT UPDATE ON operator_actions TO CURRENT_USER",
		"UPDATE operator_actions SET who = 'Boris' WHERE subject = '2026-04'",
	} {
		if _, err := w.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	altered := w.asks("audit", "verify")
	if altered.status != exitNegative || !strings.Contains(altered.out, "by Boris (close of 2026-04), is not what was written") || !strings.Contains(altered.err, "1 place") {
		t.Errorf("an altered journal: %+v", altered)
	}
	if asJSON := w.asks("audit", "verify", "--format", "json"); asJSON.status != exitNegative || !strings.Contains(asJSON.out, `"wrong": 1`) {
		t.Errorf("as JSON: %+v", asJSON)
	}
}
