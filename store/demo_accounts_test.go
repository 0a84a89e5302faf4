package store_test

import (
	"testing"

	"referral/models"
)

func TestDemoAccounts(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	today := models.NewDate(2026, 4, 20)
	show := func() models.DemoAccounts {
		t.Helper()
		c, err := l.DemoAccounts(t.Context(), today)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := show(); c != (models.DemoAccounts{}) {
		t.Errorf("of nobody, %+v is shown", c)
	}
	l.inviter(885, 901, 902, 903)
	l.inviter(886, 904)
	l.facts(registered(887, "2026-04-10T09:00:00Z"))
	want := models.DemoAccounts{Highest: 885, Climber: 886, Packaged: 885, Promised: 901, Newcomer: 887}
	if c := show(); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}
