package report

import (
	"strings"
	"testing"

	"referral/billing"
	"referral/models"
	"referral/rebuild"
)

// What a recovery could not bring is named with all that is needed to find it; else nothing
// is said.
func TestWhatIsNotRecovered(t *testing.T) {
	var out strings.Builder
	AcceptanceTable(&out, nil)
	UntakenTable(&out, nil)
	LostTable(&out, nil)
	if out.String() != "" {
		t.Errorf("%q, although all is there", out.String())
	}
	AcceptanceTable(&out, []rebuild.Acceptance{{AccountID: 901, InviterID: 885, Code: "ABCD", On: models.NewDate(2026, 4, 3)}})
	id := billing.AdjustmentID(202604, "INV-885", 2)
	UntakenTable(&out, []models.Untaken{{Reason: "document 1 of the invoice is missing", Published: models.Published{
		Adjustment: &models.Adjustment{ID: id, AccountID: 885, InvoiceID: "INV-885", Period: 202604, Sequence: 2, Amount: -142000},
	}}})
	gone := billing.AdjustmentID(202605, "INV-886", 1)
	LostTable(&out, []models.Result{{AdjustmentID: gone, AccountID: 886, Amount: -77, At: models.NewDate(2026, 6, 1).Time()}})
	for _, want := range []string{"886", "2026-05", gone.String(), "-0.77", "2026-06-01", "901", "ABCD", "the request is not known", "885", "INV-885", "2026-04", id.String(), "-1 420.00", "document 1 of the invoice is missing"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
