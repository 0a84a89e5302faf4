package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/cmd/referral/config"
	"referral/models"
)

// What posts or signs works by the terms in force only, says which they are and
// how others get there, and changes nothing.
func TestCommandsDoNotAdoptTerms(t *testing.T) {
	w := spring(t)
	w.hears(models.PromoEnded{AccountID: 903, EndedAt: instant(w, "2026-04-21")})
	foreign := otherTerms(t, func(c *config.Terms) { c.Invitee.Percent = 90 })
	others, err := config.Load(foreign, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := others.Programme.Rules()
	if err != nil {
		t.Fatal(err)
	}
	before := w.dump()
	for _, args := range [][]string{{"run", "2026-04"}, {"run", "2026-04", "--accept"}, {"run", "2026-04", "--dry-run"}, {"close", "2026-04", "--by", "Anna"}} {
		a := w.asks(append([]string{"--config", foreign}, args...)...)
		if a.status != exitError || strings.Count(a.err, "\n") != 1 {
			t.Errorf("%v: %+v", args, a)
		}
		for _, want := range []string{rules.Digest(), w.terms.Digest(), "referral terms apply", "referral simulate"} {
			if !strings.Contains(a.err, want) {
				t.Errorf("%v: %q does not name %s", args, a.err, want)
			}
		}
	}
	if after := w.dump(); after != before {
		t.Errorf("something was written:\n%s", difference(before, after))
	}
}

// `terms apply` shows what the terms change, puts them in force and records who
// did it; processes with the terms before are not ready at once.
func TestTermsApply(t *testing.T) {
	w := spring(t)
	serving := w.opens(false)
	if err := serving.termsReady(t.Context()); err != nil {
		t.Errorf("before: %v", err)
	}
	foreign := otherTerms(t, func(c *config.Terms) { c.Invitee.Percent = 90 })
	if a := w.asks("--config", foreign, "terms", "apply"); a.status != exitError || !strings.Contains(a.err, "--by NAME") {
		t.Errorf("without a name: %+v", a)
	}
	preview := w.asks("--config", foreign, "terms", "apply", "--dry-run")
	applied := w.asks("--config", foreign, "terms", "apply", "--by", "Anna", "--reason", "spring campaign")
	for _, a := range []asked{preview, applied} {
		// 902: 20000 becomes 89999; 701: 1000 becomes 4500. 903 has its promo still.
		for _, want := range []string{"2026-04", "RUB", "-1 843.98", "-2 578.97", "-734.99", "differ: 2 of 6"} {
			if a.status != exitOK || !strings.Contains(a.out, want) {
				t.Errorf("the preview does not say %q: %+v", want, a)
			}
		}
	}
	if err := serving.termsReady(t.Context()); err == nil || !strings.Contains(err.Error(), w.terms.Digest()) {
		t.Errorf("a process with the terms before: %v", err)
	}
	digest, err := w.store.TermsInForce(t.Context())
	if err != nil || digest == w.terms.Digest() {
		t.Fatalf("in force: %s, %v", digest, err)
	}
	acts, err := w.store.Actions(t.Context(), digest)
	if err != nil || len(acts) != 1 || acts[0].Who != "Anna" || acts[0].What != models.ActionApplyTerms || acts[0].Reason != "spring campaign" {
		t.Errorf("recorded: %+v, %v", acts, err)
	}
	if a := w.asks("--config", foreign, "reconcile", "2026-04"); !strings.Contains(a.out, "apply-terms") || !strings.Contains(a.out, "spring campaign") {
		t.Errorf("the report does not name who applied the terms:\n%s", a.out)
	}
	if a := w.asks("--config", foreign, "terms", "apply", "--by", "Boris"); a.status != exitOK || !strings.Contains(a.out, "in force already") {
		t.Errorf("again: %+v", a)
	}
	if acts, _ := w.store.Actions(t.Context(), digest); len(acts) != 1 {
		t.Errorf("recorded again: %+v", acts)
	}
	var told int
	w.one("SELECT count(*) FROM stale WHERE period = 202604", &told)
	if told == 0 {
		t.Error("nothing will be settled by the new terms")
	}
}

// The metric shows the terms of the process and those in force; while the database
// does not answer, the last known ones.
func TestTheMetricOfTheTerms(t *testing.T) {
	inForce, fails := "bbb", error(nil)
	info := &termsInfo{own: "aaa", inForce: func(context.Context) (string, error) { return inForce, fails }}
	const head = `# HELP referral_programme_terms_info 1 for the digest of the terms of this process (source process) and of those in force (source database).
# TYPE referral_programme_terms_info gauge
`
	want := head + `referral_programme_terms_info{digest="aaa",source="process"} 1
referral_programme_terms_info{digest="bbb",source="database"} 1
`
	for range 2 {
		if err := testutil.CollectAndCompare(info, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		inForce, fails = "", errors.New("the database is away")
	}
	inForce, fails = "", nil
	if err := testutil.CollectAndCompare(info, strings.NewReader(head+"referral_programme_terms_info{digest=\"aaa\",source=\"process\"} 1\n")); err != nil {
		t.Error(err)
	}
}
