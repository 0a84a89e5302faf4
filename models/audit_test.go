package models_test

import (
	"testing"
	"time"

	"referral/models"
)

// Billing may answer twice: the latest answer counts, in whatever order they came.
func TestTheLatestAnswerCounts(t *testing.T) {
	early := models.Result{Status: models.ResultRejected, At: time.Unix(100, 0)}
	late := models.Result{Status: models.ResultApplied, At: time.Unix(200, 0)}
	tied := models.Result{Status: models.ResultRejected, At: time.Unix(200, 0)}
	for _, c := range []struct {
		answers []models.Result
		want    models.Result
		ok      bool
	}{
		{nil, models.Result{}, false},
		{[]models.Result{early}, early, true},
		{[]models.Result{early, late}, late, true},
		{[]models.Result{late, early}, late, true},
		{[]models.Result{late, tied}, tied, true},
		{[]models.Result{tied, late}, tied, true},
	} {
		if got, ok := models.Answer(c.answers); got != c.want || ok != c.ok {
			t.Errorf("of %v the answer is %v, %t", c.answers, got, ok)
		}
	}
}

func TestTheAcceptedActivation(t *testing.T) {
	c := models.AccountHistory{Activations: []*models.Activation{{Seq: 1, Status: models.ActivationRefused}, {Seq: 2, Status: models.ActivationPending}}}
	if got := c.Accepted(); got != nil {
		t.Errorf("request %d counts as accepted", got.Seq)
	}
	c.Activations = append(c.Activations, &models.Activation{Seq: 3, Status: models.ActivationAccepted})
	if got := c.Accepted(); got == nil || got.Seq != 3 {
		t.Errorf("the accepted request is %v, want the third", got)
	}
}
