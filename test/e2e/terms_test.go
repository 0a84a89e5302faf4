package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A rehearsal with other terms changes nothing for the service. Terms that are
// applied do: it is not ready at once, and the metric shows both.
func TestAppliedTermsAreUsedAtOnce(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	other := strings.Replace(lowBrake, `"invitee":{"percent":20`, `"invitee":{"percent":50`, 1)
	dry := w.command(t.Context(), "run", "2026-03", "--dry-run")
	dry.Env = append(dry.Env, other)
	checkExit(t, dry, 2, "referral terms apply")
	s.answers("/readyz", http.StatusOK)
	if got := s.termsShown(); len(got) != 2 || got[0] != got[1] {
		t.Errorf("terms of the process and in force: %q, want one digest twice", got)
	}
	apply := w.command(t.Context(), "terms", "apply", "--by", "finance", "--reason", "a campaign")
	apply.Env = append(apply.Env, other)
	checkExit(t, apply, 0, "")
	s.answers("/readyz", http.StatusServiceUnavailable)
	if got := s.termsShown(); len(got) != 2 || got[0] == got[1] {
		t.Errorf("terms of the process and in force: %q, want two digests", got)
	}
}

// termsShown is the digests that the metric shows.
func (s *server) termsShown() (digests []string) {
	s.w.t.Helper()
	answer, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, `referral_programme_terms_info{digest="`); found {
			digest, _, _ := strings.Cut(rest, `"`)
			digests = append(digests, digest)
		}
	}
	return digests
}
