package report

import (
	"strings"
	"testing"

	"referral/models"
)

// Programs read the report of a run: every name in it is in one style, and a list
// is a list when nothing is in it.
func TestRunReportAsJSON(t *testing.T) {
	for _, c := range []struct {
		parked []models.ParkedAccount
		want   string
	}{
		{nil, `"parked":[]`},
		{[]models.ParkedAccount{{AccountID: 885, Error: "overflow"}}, `"parked":[{"account_id":885,"error":"overflow"}]`},
	} {
		var line strings.Builder
		err := RunLine(&line, models.Run{ID: 7, Period: 202604, PostingPeriod: 202605}, c.parked)
		if err != nil || !strings.Contains(line.String(), c.want) {
			t.Errorf("%s (%v), want %s in it", line.String(), err, c.want)
		}
		if names := line.String(); names != strings.ToLower(names) {
			t.Errorf("names in capitals: %s", names)
		}
	}
}
