package store_test

import (
	"testing"
	"time"

	"referral/models"
)

// An act is recorded with who, when and why, and read back by its subject.
func TestActionsAreRecorded(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	at := time.Date(2026, 5, 2, 10, 0, 0, 0, time.UTC)
	closed := models.OperatorAction{At: at, Who: "Анна", What: models.ActionClose, Subject: "2026-04", Reason: "все сошлось"}
	other := models.OperatorAction{Who: "Boris", What: models.ActionAcceptRun, Subject: "2026-05"}
	for _, a := range []models.OperatorAction{closed, other} {
		if err := l.RecordAction(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	for subject, want := range map[string]models.OperatorAction{"2026-04": closed, "2026-05": other} {
		if want.At.IsZero() {
			want.At = l.now.UTC()
		}
		got, err := l.Actions(t.Context(), subject)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v, %v; want %+v", subject, got, err, want)
		}
	}
	if err := l.RecordAction(t.Context(), models.OperatorAction{What: models.ActionClose}); err == nil {
		t.Error("an act of nobody was recorded")
	}
}
