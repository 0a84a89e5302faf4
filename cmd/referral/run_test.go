package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"referral/models"
)

// A period that no fact can have is wrong use, and no question to the database.
func TestPeriodsOfOtherYearsAreWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"run", "0000-01"}, {"run", "0001-01", "--dry-run"}, {"run", "1899-12"}, {"run", "3000-01"}, {"run", "9999-12"},
		{"reconcile", "0000-01"}, {"close", "9999-12", "--by", "Anna"},
		{"simulate", "--terms", "x", "--from", "0000-01", "--to", "0000-02"}, {"simulate", "--terms", "x", "--from", "2999-12", "--to", "3000-01"},
	} {
		var out, complaints bytes.Buffer
		status := run(t.Context(), args, process{in: bytes.NewReader(nil), out: &out, err: &complaints})
		if said := complaints.String(); status != exitWrong || !strings.Contains(said, "must lie in the years 1900 to 2999") || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: status %d, said %q", args, status, said)
		}
	}
	for _, first := range []string{"2000-01", "2999-12"} {
		if p, err := periodArg([]string{first}); err != nil || p.String() != first {
			t.Errorf("%s was read as %s (%v)", first, p, err)
		}
	}
}

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
		text, err := json.Marshal(reportOf(models.Run{ID: 7, Period: 202604, PostingPeriod: 202605}, c.parked))
		if err != nil || !strings.Contains(string(text), c.want) {
			t.Errorf("%s (%v), want %s in it", text, err, c.want)
		}
		if names := string(text); names != strings.ToLower(names) {
			t.Errorf("names in capitals: %s", names)
		}
	}
}
