package pages

import "testing"

func TestDiscountsThatMakeUpAPercentage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		invitee, inviter, agreed int
		want                     string
	}{
		{0, 40, 0, ""},
		{20, 0, 0, ""},
		{20, 40, 0, "40% за приведенных клиентов и 20% новому клиенту"},
		{0, 0, 15, "15% по отдельной договоренности"},
		{20, 40, 15, "40% за приведенных клиентов, 20% новому клиенту и 15% по отдельной договоренности"},
	} {
		if got := kindsWords(c.invitee, c.inviter, c.agreed); got != c.want {
			t.Errorf("%+v is %q", c, got)
		}
	}
}
