package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A month is settled beside an older system: nothing of it is published, neither by its own
// service nor by one without shadow mode. It is compared, closed with what that system
// gave, and left; the next month is published, and late facts of the first post just what
// was not given.
func TestShadowMonthIsLeft(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	first, second := &s.phases[0], &s.phases[1]
	shadow := "REFERRAL_PUBLISHER_SHADOW=true"
	beside := w.launch([]string{shadow})
	beside.ready()
	w.send(w.messages(first.registrations)...)
	w.send(w.messages(first.rest)...)
	w.drained()
	inShadow := func(args ...string) outcome {
		t.Helper()
		before := w.variables
		defer func() { w.variables = before }()
		w.variables = append(slices.Clone(before), shadow)
		return w.program(args...)
	}
	if o := inShadow("run", "2026-03"); o.status != 0 {
		t.Fatalf("a run in shadow mode: %d %s", o.status, o.stderr)
	}
	want := s.wanted(w, 0)
	if got := w.insideLines(); !maps.Equal(got, want.lines) {
		t.Errorf("the ledger of the shadow month is not what is owed")
	}
	other := w.serve() // by mistake without shadow mode
	if o := w.program("run", "2026-03"); o.status != 1 || !strings.Contains(o.stderr, "--booked") {
		t.Errorf("a run for publication: %d %s", o.status, o.stderr)
	}
	if n := len(w.records("discounts")) + len(w.records("packages")); n > 0 {
		t.Errorf("%d documents of the shadow month are published", n)
	}
	other.stop()

	// The older system has given one invoice nothing, and another one a rouble more.
	var file strings.Builder
	file.WriteString("invoice;amount_minor\n")
	type sum struct {
		Invoice string
		Amount  int64
	}
	sums := query[sum](w, "SELECT invoice_id, sum(amount_minor)::bigint FROM adjustments GROUP BY 1 ORDER BY 1")
	given := map[string]int64{}
	for i, one := range sums {
		switch i {
		case 0:
			continue
		case 1:
			one.Amount -= 100
		}
		given[one.Invoice] = one.Amount
		fmt.Fprintf(&file, "%s;%d\n", one.Invoice, -one.Amount)
	}
	old := w.file("old.csv", []byte(file.String()))
	for _, step := range []struct {
		status int
		says   string
		args   []string
	}{
		{1, "--booked", []string{"close", "2026-03", "--by", "Anna"}},
		{1, "packages", []string{"close", "2026-03", "--by", "Anna", "--booked", old}},
		{0, "2 documents brought the ledger to that", []string{"close", "2026-03", "--by", "Anna", "--booked", old, "--packages-still-owed", "--override", "the first month"}},
	} {
		if o := inShadow(step.args...); o.status != step.status || !strings.Contains(o.stdout+o.stderr, step.says) {
			t.Fatalf("%v: %d, want %d and %q\n%s%s", step.args, o.status, step.status, step.says, o.stdout, o.stderr)
		}
	}
	beside.stop()

	w.serve()
	w.send(w.messages(append(second.registrations, second.rest...))...)
	w.drained()
	w.must("run", "2026-04")
	w.published()
	for _, e := range heard[adjustment](w, "discounts", "referral.discount-adjustment.v1") {
		doc := e.data
		if doc.PostingPeriod != "2026-04" || doc.Reason == "booked-elsewhere" {
			t.Errorf("published is %+v", doc)
		}
	}
	// An invoice of the shadow month that no fact has touched since holds what was given.
	touched := map[string]bool{}
	for _, row := range query[struct{ ID string }](w, "SELECT DISTINCT invoice_id FROM adjustments WHERE period = 202603 AND posting_period = 202604") {
		touched[row.ID] = true
	}
	kept := 0
	for _, one := range sums {
		if touched[one.Invoice] {
			continue
		}
		kept++
		if got := w.number("SELECT sum(amount_minor)::bigint FROM adjustments WHERE invoice_id = $1 AND period = 202603", one.Invoice); int64(got) != given[one.Invoice] {
			t.Errorf("invoice %s holds %d, the older system gave %d", one.Invoice, got, given[one.Invoice])
		}
	}
	if len(touched) == 0 || kept == 0 {
		t.Errorf("%d invoices are corrected, %d are not", len(touched), kept)
	}
	// Once all accounts are settled again, everything that is owed has been given once.
	w.must("run", "2026-03", "--full")
	w.inside("after shadow mode", s.wanted(w, 1))
}
