package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"referral/billing/comparison"
)

// What an older system has given in April is right on one invoice, wrong on others, and
// one of its invoices is not known here.
func TestComparingWithAnOlderSystem(t *testing.T) {
	w := spring(t)
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "old.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var r comparison.Result
	w.answers(exitNegative, &r, "compare", "2026-04", "--file", file("invoice,amount\n"+april885+",1478.43\nINV-?,10.00\n"), "--format", "json")
	if r.Ours != -184398 || r.Theirs != -148843 || r.Equal != 1 {
		t.Errorf("%+v", r)
	}
	causes := map[comparison.Cause]comparison.OfCause{}
	for _, c := range r.Causes {
		causes[c.Cause] = c
	}
	if causes[comparison.NotGiven].Ours != -36555 || causes[comparison.Unknown].Theirs != -1000 || len(causes) != 2 {
		t.Errorf("%+v", r.Causes)
	}
	// The same, taken from what was posted, is the same.
	var same strings.Builder
	same.WriteString("invoice,amount_minor\n" + april885 + ",-147843\n")
	for _, d := range r.Differences {
		if d.Cause == comparison.NotGiven {
			same.WriteString(d.InvoiceID + "," + strconv.FormatInt(int64(d.Ours), 10) + "\n")
		}
	}
	if a := w.asks("compare", "2026-04", "--file", file(same.String())); a.status != exitOK || !strings.Contains(a.out, "0 different") || !strings.Contains(a.out, "a discount is negative") {
		t.Errorf("%+v", a)
	}
	if a := w.asks("compare", "2026-04", "--file", file("invoice,amount\nx,much\n")); a.status != exitNegative || !strings.Contains(a.err, "1 bad row") {
		t.Errorf("%+v", a)
	}
	if a := w.asks("compare", "2026-04"); a.status != exitError || !strings.Contains(a.err, "--file FILE") {
		t.Errorf("%+v", a)
	}
}
