package monthreport

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"referral/models"
)

var update = flag.Bool("update", false, "write testdata/report.json")

func april() Basis {
	at := time.Date(2026, 5, 6, 10, 0, 0, 123_456_000, time.FixedZone("MSK", 3*60*60))
	twenty := models.Counted(2, -142000)
	control := models.Control{Entitled: twenty, Posted: twenty, Published: twenty, Answered: models.Counted(1, -100000), WrittenOff: models.Counted(1, -42000)}
	return Basis{
		Signature: &models.Signature{
			Period: 202604, At: at, Who: "Борис <b>", Reason: "все «сошлось»", Override: "аудиторы ждут", Objections: []string{"earlier periods are open: 2026-03"},
			LastRun: 12, ProposedBy: "Анна", ProposedAt: at.Add(-time.Hour),
		},
		Found: &models.ReconciliationReport{
			CheckedAt: at.Add(-time.Minute), Accounts: 3, Invoices: 2, Documents: 2, Packages: 1, Wrong: 1,
			Overall: []models.ControlTotal{{TotalKey: models.TotalKey{Kind: "discounts", Currency: "RUB"}, Control: control}},
			Totals: []models.ControlTotal{
				{TotalKey: models.TotalKey{Kind: "inviter", Percent: 60, Currency: "RUB"}, Control: control},
				{TotalKey: models.TotalKey{Kind: "sms", Percent: 1200}, Control: models.Control{Entitled: models.Counted(1, 0)}},
			},
			Services: []models.ServiceTotal{{Service: "subscription", Currency: "RUB", Control: control}},
			Steps:    []models.StepCount{{Kind: models.Inviter, Step: 3, Percent: 60, Accounts: 2}},
			Lacking:  models.Counted(1, 5), Excess: models.Counted(0, 0),
			Breaks: []models.KeptBreak{{Kind: "not-answered", AccountID: 885, InvoiceID: "INV-1", DocumentID: models.UUID{1}, Expected: -142000, Detail: "tab\tand \u2028"}},
		},
		Ledger: &models.Ledger{
			Register: models.Register{Documents: twenty, DocumentsSHA256: [32]byte{1}, Packages: 1, SMS: 1200, PackagesSHA256: [32]byte{2}},
			Into:     []models.PostedElsewhere{{Period: 202603, Documents: models.Counted(1, 700), Packages: 1}},
		},
		Waiting: &models.Waiting{
			Stale: 1, Held: map[string]models.CountedAmount{"video": models.Counted(2, 300), "hologram": models.Counted(1, 100)},
			Parked: []models.ParkedAccount{{AccountID: 9, Error: "x"}, {AccountID: 7, InvoiceID: "INV-7", Error: "y"}},
		},
		Packages: map[models.Period]int64{202602: 4, 202601: 1},
		Program:  "0.1.0 abc", Terms: "d1",
	}
}

// The canonical form never changes: reports that were signed are checked by it for years.
func TestTheCanonicalFormIsFixed(t *testing.T) {
	t.Parallel()
	got, err := Of(april()).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "report.json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the form is\n%s\nwant, by %s,\n%s (%v)", got, file, want, err)
	}
	read, err := Read(got)
	if err != nil || !reflect.DeepEqual(read, Of(april())) {
		t.Errorf("read again it is %+v, %v", read, err)
	}
}

// Whatever is empty is written, so that every report has the same fields.
func TestAnEmptyMonthHasEveryField(t *testing.T) {
	t.Parallel()
	got, err := Of(Basis{Signature: &models.Signature{Period: 202604}, Found: &models.ReconciliationReport{}, Ledger: &models.Ledger{}, Waiting: &models.Waiting{}}).Canonical()
	if err != nil || bytes.Contains(bytes.ReplaceAll(got, []byte(`"proposed_at":null`), nil), []byte("null")) || !bytes.Contains(got, []byte(`"breaks":[]`)) {
		t.Errorf("%s, %v", got, err)
	}
}

// A report that names decisions on services has a form of its own, with one more field.
func TestDecisionsOnServices(t *testing.T) {
	t.Parallel()
	basis := april()
	plain, err := Of(basis).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	basis.Waiting.Services = []models.ServiceDecision{{ID: models.UUID{1}, Service: "hologram", Class: models.ServiceExcluded, By: "Anna", ApprovedBy: "Boris", Reason: "not ours"}}
	got, err := Of(basis).Canonical()
	want := strings.TrimSuffix(strings.Replace(string(plain), "report.v1", "report.v2", 1), "}") + `,"service_decisions":[{"decision_id":"01000000-0000-0000-0000-000000000000","service":"hologram",` +
		`"class":"excluded","decided_at":"0001-01-01T00:00:00Z","decided_by":"Anna","approved_by":"Boris","reason":"not ours"}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if read, err := Read(got); err != nil || !reflect.DeepEqual(read, Of(basis)) {
		t.Errorf("read again it is %+v, %v", read, err)
	}
}

func TestReadRefusesOtherForms(t *testing.T) {
	t.Parallel()
	if _, err := Read([]byte(`{"format":"referral.month-report.v3"}`)); err == nil || errors.Unwrap(err) != nil {
		t.Errorf("%v", err)
	}
	if _, err := Read([]byte("{")); err == nil {
		t.Error("half a report is read")
	}
}
