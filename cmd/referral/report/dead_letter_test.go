package report

import (
	"slices"
	"testing"
	"time"

	"referral/models"
)

// Every reason has a sentence that says what to do.
func TestEveryDeadLetterHasAdvice(t *testing.T) {
	for _, reason := range models.BadInputs {
		if len(deadLetterAdvice[reason]) < 40 {
			t.Errorf("%s: %q", reason, deadLetterAdvice[reason])
		}
	}
	if len(deadLetterAdvice) != len(models.BadInputs) {
		t.Errorf("%d sentences for %d reasons", len(deadLetterAdvice), len(models.BadInputs))
	}
}

// The account is what a person filters by; a key that is no account id is not shown.
func TestTheListNamesTheAccount(t *testing.T) {
	for key, want := range map[string]string{"885": "885", "x": "", "": ""} {
		message := models.Message{Key: []byte(key), Origin: models.Origin{Topic: "pbx.registered", Partition: 1, Offset: 5}}
		r := deadLetterOf(&models.DeadLetterRecord{State: models.DeadLetterWaiting, Type: "pbx.registered.v1", DeadLetter: models.DeadLetter{
			ID: 7, Message: message, Err: models.InputError{Reason: models.BadConflict, Detail: "why"}, At: time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC),
		}})
		if got := r.cells(); !slices.Equal(got, []string{"7", "waiting", "2026-04-01 09:00:00", "pbx.registered/1@5", want, "pbx.registered.v1", "conflict", "why"}) {
			t.Errorf("key %q: %q", key, got)
		}
	}
}
