package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"referral/billing/monthreport"
	"referral/models"
)

// signed is the newest report under a period.
func (l *life) signed(p models.Period) (models.SignedReport, *monthreport.Report) {
	l.Helper()
	reports, err := l.SignedReports(l.Context(), p)
	if err != nil || len(reports) == 0 {
		l.Fatalf("the reports of %s: %d, %v", p, len(reports), err)
	}
	r, err := monthreport.Read(reports[0].Canonical)
	if err != nil {
		l.Fatal(err)
	}
	return reports[0], r
}

// The report says what was signed, and stays as it is: late facts, a reopening and a
// second signature add reports and corrections and change none.
func TestTheSignedReportNeverChanges(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.facts(invoice(885, 202605, 1, 100000))
	l.calm()
	l.mustClose(202604)
	kept, r := l.signed(202604)
	if sum := sha256.Sum256(kept.Canonical); sum != kept.SHA256 {
		t.Errorf("the digest %x is not that of the report", kept.SHA256)
	}
	register := sumOf(l.register(202604, 100))
	if r.Period != 202604 || r.SignedBy != "Anna" || r.LastRun == 0 || r.TermsDigest != l.p.Digest() || len(r.Steps) == 0 || len(r.Services) == 0 ||
		r.Register.Documents != register.Count || r.Register.Amount != register.Amount {
		t.Errorf("the report says %s, the register has %+v", kept.Canonical, register)
	}
	l.facts(april(885, 2, 900000))
	l.settle(models.RunRequest{Period: 202604, Accept: true})
	corrections, err := l.Corrections(t.Context(), 202604, models.RegisterCursor{}, 10)
	if err != nil || len(corrections) != 1 || corrections[0].PostingPeriod != 202605 || corrections[0].InvoiceID != "INV-2026-04-885" {
		t.Errorf("after the signature: %+v, %v", corrections, err)
	}
	if behind, err := l.Corrections(t.Context(), 202604, corrections[0].Cursor(), 10); err != nil || len(behind) != 0 {
		t.Errorf("behind the last correction: %+v, %v", behind, err)
	}
	now, err := l.Ledger(t.Context(), 202604)
	if err != nil || hex.EncodeToString(now.Register.DocumentsSHA256[:]) != r.Register.DocumentsSHA256 {
		t.Errorf("the register of a signed month has changed: %+v, %v", now.Register, err)
	}
	if len(now.Away) != 1 || now.Away[0].Period != 202605 || now.Away[0].Documents != sumOf(corrections) {
		t.Errorf("posted for the month elsewhere: %+v", now.Away)
	}
	if may, err := l.Ledger(t.Context(), 202605); err != nil || len(may.Into) != 1 || may.Into[0].Period != 202604 || may.Into[0].Documents != sumOf(corrections) {
		t.Errorf("posted into the next month: %+v, %v", may.Into, err)
	}
	if err := l.ReopenPeriod(t.Context(), 202604, models.OperatorAction{Who: "Boris", What: models.ActionReopen, Subject: "2026-04", Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	l.mustClose(202604)
	reports, err := l.SignedReports(t.Context(), 202604)
	if err != nil || len(reports) != 2 || !bytes.Equal(reports[1].Canonical, kept.Canonical) || reports[1].SHA256 != kept.SHA256 {
		t.Errorf("after a second signature: %d reports, %v", len(reports), err)
	}
	if _, second := l.signed(202604); len(second.Away) != 1 || second.Away[0].Period != 202605 {
		t.Errorf("the second report does not name what was posted elsewhere: %+v", second.Away)
	}
	// A report whose digest is not its own is not taken either.
	if _, err := l.db.Exec("INSERT INTO signed_reports VALUES (99, 202604, $1, '{}')", kept.SHA256[:]); err == nil {
		t.Error("a report is kept under the digest of another")
	}
}

// An auditor hashes the lists of a signed month by the statements of the manual, and any
// other document in them gives another digest.
func TestRegisterIsProvenByTheManual(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.calm()
	l.mustClose(202604)
	_, r := l.signed(202604)
	list := func(query string) string {
		t.Helper()
		var lines strings.Builder
		rows, err := l.db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values, into := make([]string, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			lines.WriteString(strings.Join(values, "\t") + "\n")
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256([]byte(lines.String())))
	}
	const documents = `SELECT adjustment_id, account_id, invoice_id, sequence, invoice_revision, period, posting_period, currency, amount_minor, reason
		FROM finance.documents WHERE posting_period = 202604 ORDER BY account_id, invoice_id, sequence`
	if got := list(documents); got != r.Register.DocumentsSHA256 {
		t.Errorf("the documents hash to %s, the report says %s", got, r.Register.DocumentsSHA256)
	}
	const packages = `SELECT package_id, account_id, sms, ordinal, granted_on::text, period, posting_period, invoice_id, step
		FROM sms_packages WHERE posting_period = 202604 ORDER BY account_id, sms, ordinal`
	if got := list(packages); got != r.Register.PackagesSHA256 || r.Register.Packages == 0 {
		t.Errorf("the packages hash to %s, the report says %+v", got, r.Register)
	}
	l.behindTriggers("UPDATE adjustments SET amount_minor = amount_minor + 1 WHERE account_id = 885")
	if now, err := l.Ledger(t.Context(), 202604); err != nil || hex.EncodeToString(now.Register.DocumentsSHA256[:]) == r.Register.DocumentsSHA256 {
		t.Errorf("an altered document keeps the digest: %v", err)
	}
}

// With the signature its digest and the head of the journal are announced.
func TestSignatureIsAnnounced(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.calm()
	l.mustClose(202604)
	kept, _ := l.signed(202604)
	check, err := l.CheckJournal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	events, err := l.OutboxEvents(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	want := map[string]any{
		"period": "2026-04", "signed_at": last.Data["signed_at"], "report_sha256": hex.EncodeToString(kept.SHA256[:]),
		"journal_entry": json.Number(fmt.Sprint(check.Entries)), "journal_hash": hex.EncodeToString(check.Head[:]),
	}
	if fmt.Sprint(last.Data) != fmt.Sprint(want) || last.Type != models.MonthSigned || last.AccountID != 0 {
		t.Errorf("announced %s %+v, want %+v", last.Type, last.Data, want)
	}
}

// What a run posts that is under way when the totals are taken is not signed unseen.
func TestRunUnderWayWhileTotalsAreTaken(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.calm()
	l.facts(april(885, 2, 0))
	run := l.start(models.RunRequest{Period: 202604})
	var head models.AuditHead
	err := l.Audit(context.Background(), 202604, func(h models.AuditHead) error { head = h; return nil }, func(*models.AccountHistory) error { return nil })
	if err != nil || head.LastRun >= run.ID {
		t.Errorf("the totals are said to hold run %d, which has not ended: %d, %v", run.ID, head.LastRun, err)
	}
	l.finish(run, l.pay)
	_, err = l.ClosePeriod(t.Context(), models.Signature{Period: 202604, Who: "Anna", LastRun: head.LastRun, Override: "x"}, noReport)
	if err == nil || !strings.Contains(err.Error(), models.ErrPostedMeanwhile.Error()) {
		t.Errorf("signed with totals of before the run ended: %v", err)
	}
}
