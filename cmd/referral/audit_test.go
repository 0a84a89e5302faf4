package main

import (
	"strings"
	"testing"

	"referral/cmd/referral/report"
	"referral/models"
)

// The journal is verified entry by entry: what was changed outside the
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
	head := whole.out[strings.LastIndex(whole.out, ": ")+2:]
	if found := w.asks("audit", "verify", "--head", strings.TrimSpace(head)); found.status != exitOK || !strings.Contains(found.out, "the published hash is that of entry ") {
		t.Errorf("a published hash: %+v", found)
	}
	if unknown := w.asks("audit", "verify", "--head", strings.Repeat("0", 64)); unknown.status != exitNegative || !strings.Contains(unknown.err, "no entry of the journal has the hash 0000") {
		t.Errorf("a hash of nothing: %+v", unknown)
	}
	for _, wrong := range [][]string{{"--head", "12"}, {"--period", "2026-13"}} {
		if a := w.asks(append([]string{"audit", "verify"}, wrong...)...); a.status != exitError || strings.Count(a.err, "\n") != 1 {
			t.Errorf("%v: %+v", wrong, a)
		}
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

// A signed month is verified by its report and its register; what was changed in either
// is named.
func TestAuditVerifySignedMonth(t *testing.T) {
	w := spring(t)
	if a := w.asks("audit", "verify", "--period", "2026-04"); a.status != exitNegative || !strings.Contains(a.err, "no report of 2026-04 is kept") {
		t.Errorf("not signed: %+v", a)
	}
	if a := w.asks("close", "2026-04", "--by", "Anna"); a.status != exitOK {
		t.Fatalf("%+v", a)
	}
	if a := w.asks("audit", "verify", "--period", "2026-04"); a.status != exitOK || !strings.Contains(a.out, "report of 2026-04, signed by Anna on 2") || !strings.Contains(a.out, "SHA-256 of the report: ") {
		t.Errorf("signed: %+v", a)
	}
	w.tampers("UPDATE adjustments SET amount_minor = amount_minor - 100 WHERE account_id = 885")
	if a := w.asks("audit", "verify", "--period", "2026-04"); a.status != exitNegative || !strings.Contains(a.err, "the register of 2026-04 is not the one that was signed") {
		t.Errorf("an altered register: %+v", a)
	}
	if _, err := w.db.ExecContext(t.Context(), "ALTER TABLE signed_reports DROP CONSTRAINT signed_reports_check"); err != nil {
		t.Fatal(err)
	}
	w.tampers(`UPDATE signed_reports SET report = replace(report, 'Anna', 'Boris')`)
	var asJSON report.Journal
	if w.answers(exitNegative, &asJSON, "audit", "verify", "--period", "2026-04", "--format", "json"); !strings.Contains(asJSON.Signed.Wrong, "the report of 2026-04 is not the one") {
		t.Errorf("an altered report: %+v", asJSON.Signed)
	}
}
