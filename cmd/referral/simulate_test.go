package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"referral/billing"
	"referral/cmd/referral/config"
	"referral/cmd/referral/report"
	"referral/models"
)

// otherTerms is a file with other terms.
func otherTerms(t *testing.T, change func(*config.Terms)) string {
	t.Helper()
	c := config.Default()
	change(&c.Programme.Terms[0])
	file := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(file, []byte(c.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (w *town) simulates(terms, from, to string) report.Simulation {
	w.Helper()
	var r report.Simulation
	w.answers(exitOK, &r, "simulate", "--terms", terms, "--from", from, "--to", to, "--format", "json")
	return r
}

func TestTheSameTermsCostTheSame(t *testing.T) {
	w := spring(t)
	r := w.simulates(otherTerms(t, func(*config.Terms) {}), "2026-03", "2026-05")
	if len(r.Months) != 3 || len(r.Total) != 1 || r.Total[0] != (report.SimulatedDiscounts{Currency: "RUB", PresentMinor: -184398, OtherMinor: -184398, DifferenceMinor: 0}) {
		t.Fatalf("%+v", r)
	}
	for _, m := range r.Months {
		if m.Affected != 0 {
			t.Errorf("%s: %d accounts affected", m.Period, m.Affected)
		}
	}
	if got, want := r.Months[1].Packages, (report.SimulatedPackages{Present: 1, PresentSMS: 1200, Other: 1, OtherSMS: 1200}); got != want {
		t.Errorf("packages %+v, want %+v", got, want)
	}
}

func TestOtherTermsCostOtherwise(t *testing.T) {
	w := spring(t)
	before := w.footprint()
	// Half as much for the second step and the third, and the package a step
	// earlier: in March, when the second friend came.
	r := w.simulates(otherTerms(t, func(c *config.Terms) {
		c.Ladder = []billing.StepTerms{{Percent: 20, Months: 3}, {Percent: 20, Months: 6, SMS: 500}, {Percent: 30, Months: 12}}
	}), "2026-03", "2026-04")
	march, april := r.Months[0], r.Months[1]
	// 885: 142000 + 5843 become 71000 + 2922.
	if want := (report.SimulatedDiscounts{Currency: "RUB", PresentMinor: -184398, OtherMinor: -184398 + 147843 - 73922, DifferenceMinor: 73921}); len(april.Discounts) != 1 || april.Discounts[0] != want {
		t.Errorf("April %+v, want %+v", april.Discounts, want)
	}
	if april.Affected != 1 || april.Packages != (report.SimulatedPackages{Present: 1, PresentSMS: 1200, Other: 0, OtherSMS: 0}) {
		t.Errorf("April %+v", april)
	}
	if march.Affected != 1 || march.Packages != (report.SimulatedPackages{Present: 0, PresentSMS: 0, Other: 1, OtherSMS: 500}) || len(march.Discounts) != 0 {
		t.Errorf("March %+v", march)
	}
	if after := w.footprint(); after != before {
		t.Errorf("something was written: %+v, before %+v", after, before)
	}
}

// A decision given is final: a shorter window does not undo an activation.
func TestDecisionsStayFinal(t *testing.T) {
	w := newTown(t)
	w.befriends(885, nil)
	w.hears(
		models.Registered{AccountID: 901, RegisteredAt: instant(w, "2026-01-10")},
		models.ActivationRequested{AccountID: 901, Code: "CODE00001", RequestedAt: instant(w, "2026-02-10")},
		bill(885, 202602, 1, subscription(28000)),
	)
	r := w.simulates(otherTerms(t, func(c *config.Terms) { c.ActivationWindowMonths = 0 }), "2026-02", "2026-02")
	if d := r.Total[0]; d.PresentMinor != -3800 || d.DifferenceMinor != 0 {
		t.Errorf("%+v", d)
	}
}

// footprint is what a simulation must leave as it was.
func (w *town) footprint() (f struct{ ledger, state string }) {
	w.Helper()
	w.one("SELECT count(*) || ' ' || sum(amount_minor) FROM adjustments", &f.ledger)
	w.one("SELECT (SELECT count(*) FROM reconciliations) || ' ' || (SELECT count(*) FROM discounts) || ' ' || (SELECT count(*) FROM programme_state)", &f.state)
	return f
}

func TestTheTableOfASimulation(t *testing.T) {
	w := spring(t)
	a := w.asks("simulate", "--terms", otherTerms(t, func(c *config.Terms) { c.Invitee.Percent = 0 }), "--from", "2026-04", "--to", "2026-04")
	for _, want := range []string{"nothing was posted", "-1 843.98", "-1 633.98", "210.00", "total"} {
		if a.status != exitOK || !strings.Contains(a.out, want) {
			t.Errorf("status %d, it does not say %q:\n%s%s", a.status, want, a.out, a.err)
		}
	}
}

func TestSimulateUsedWrongly(t *testing.T) {
	w := newTown(t)
	terms := otherTerms(t, func(*config.Terms) {})
	for _, args := range [][]string{
		{"simulate"},
		{"simulate", "--terms", terms},
		{"simulate", "--terms", terms, "--from", "2026-04"},
		{"simulate", "--terms", terms, "--from", "2026-05", "--to", "2026-04"},
		{"simulate", "--terms", terms, "--from", "2026-00", "--to", "2026-04"},
		{"simulate", "--terms", terms, "--from", "2006-01", "--to", "2026-04"},
		{"simulate", "--from", "2026-04", "--to", "2026-04"},
		{"simulate", "--terms", terms + ".no", "--from", "2026-04", "--to", "2026-04"},
		{"simulate", "--terms", terms, "--from", "2026-04", "--to", "2026-04", "--format", "xlsx"},
	} {
		if a := w.asks(args...); a.status != exitError || a.err == "" {
			t.Errorf("%v: %+v", args, a)
		}
	}
}
