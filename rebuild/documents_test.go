package rebuild_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
	"referral/publisher"
	"referral/rebuild"
)

// Documents and packages are read as they were published, whatever partition they are on.
// One whose predecessor is nowhere is named, and one that billing alone tells of.
func TestPublishedDocumentsAreRead(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 3, 0, 0, 123000, time.UTC)
	day := models.NewDate
	document := func(invoice string, sequence int) *models.Adjustment {
		return &models.Adjustment{
			ID: billing.AdjustmentID(202604, invoice, sequence), Sequence: sequence, AccountID: 885, InvoiceID: invoice, InvoiceRevision: 2, Period: 202604, PostingPeriod: 202605,
			Currency: "RUB", Amount: -150, Reason: models.ReasonLateFact, Items: []models.AdjustmentItem{
				{LineID: "1", Service: "subscription", Amount: -100, Segments: []models.Segment{{From: day(2026, 4, 1), To: day(2026, 4, 20), Inviter: 40}}},
				{LineID: "2", Service: "calls", Amount: -50},
			},
		}
	}
	smsPackage := &models.SMSPackage{ID: billing.PackageID(885, 1200, 2), AccountID: 885, SMS: 1200, Ordinal: 2, GrantedOn: day(2026, 4, 20), Period: 202604, Step: 3}
	e := publisher.NewEncoder("test")
	text := func(a *models.Adjustment) string { return string(e.AppendAdjustment(nil, at, a)) }
	held := archived(t, "out",
		[]string{text(document("A", 2)), text(document("B", 1)), `{"type":"of another program"}`},
		[]string{text(document("A", 1)), text(document("C", 2)), string(e.AppendPackage(nil, at, smsPackage))})
	gone := models.Result{AdjustmentID: models.UUID{1}, AccountID: 885, Status: models.ResultApplied}
	d := &database{booked: []models.Result{{AdjustmentID: document("C", 2).ID, AccountID: 885, Status: models.ResultApplied}, gone}}
	found, err := rebuild.Recover(t.Context(), rebuild.RecoverOptions{
		Messages: rebuild.Messages{Archive: held, Progress: func(int64, int64) {}}, Database: d, Out: rebuild.OutTopics{Discounts: "out"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []models.Published{
		{At: at, Adjustment: document("B", 1)}, {At: at, Adjustment: document("A", 1)}, {At: at, Package: smsPackage}, {At: at, Adjustment: document("A", 2)},
	}
	if !reflect.DeepEqual(d.documents, want) {
		t.Errorf("taken %+v\nwant %+v", d.documents, want)
	}
	left := []models.Untaken{{Published: models.Published{At: at, Adjustment: document("C", 2)}, Reason: "one is missing"}}
	if !reflect.DeepEqual(found.Untaken, left) || !slices.Equal(found.Booked, []models.Result{gone}) || found.Documents != 3 || found.Packages != 1 {
		t.Errorf("found %+v", found)
	}
}

// What this program cannot have published is not taken.
func TestForeignDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{": "reading a published document",
		`{"type":"referral.discount-adjustment.v1","data":{"sequence":0}}`:                                                            "the sequence number 0",
		`{"type":"referral.sms-package.v1","data":{"account_id":885,"sms":1200,"package_id":"00000000-0000-0000-0000-000000000001"}}`: "none of account 885",
	} {
		_, err := rebuild.Recover(t.Context(), rebuild.RecoverOptions{
			Messages: rebuild.Messages{Archive: archived(t, "out", []string{text}), Progress: func(int64, int64) {}}, Database: &database{}, Out: rebuild.OutTopics{Packages: "out"},
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
