package models_test

import (
	"testing"
	"time"

	"referral/models"
)

// The newest event has the last word on names and contacts; of two of one time,
// always the same one.
func TestProfileNewerThan(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	for _, c := range []struct {
		p, q models.Profile
		want bool
	}{
		{models.Profile{At: late, Name: "a"}, models.Profile{At: early, Name: "b"}, true},
		{models.Profile{At: early, Name: "b"}, models.Profile{At: late, Name: "a"}, false},
		{models.Profile{At: late, Name: "b"}, models.Profile{At: late, Name: "a"}, true},
		{models.Profile{At: late, Name: "a"}, models.Profile{At: late, Name: "b"}, false},
		{models.Profile{At: late.UTC(), Name: "a"}, models.Profile{At: late.In(moscow(t)), Name: "a"}, false},
		{models.Profile{At: late.UTC(), Name: "b"}, models.Profile{At: late.In(moscow(t)), Name: "a"}, true},
		{models.Profile{At: late.In(moscow(t)), Name: "a"}, models.Profile{At: late.UTC(), Name: "b"}, false},
	} {
		if got := c.p.NewerThan(c.q); got != c.want {
			t.Errorf("%v newer than %v: %t", c.p, c.q, got)
		}
	}
}

func TestRegistered(t *testing.T) {
	a := models.Account{ID: 885, PromoEndedAt: time.Unix(1, 0)}
	if a.Registered() {
		t.Error("an account of which only the promo end is known counts as registered")
	}
	a.RegisteredAt = time.Unix(0, 0)
	if !a.Registered() {
		t.Error("an account with a registration date does not count as registered")
	}
}

func TestFactsSayWhomTheyAreAbout(t *testing.T) {
	for _, f := range []models.FactData{
		models.Registered{AccountID: 885}, models.PromoEnded{AccountID: 885}, models.Terminated{AccountID: 885},
		models.ActivationRequested{AccountID: 885}, &models.Invoice{AccountID: 885}, models.Result{AccountID: 885},
	} {
		if f.Account() != 885 {
			t.Errorf("%T is about account %d", f, f.Account())
		}
	}
}
