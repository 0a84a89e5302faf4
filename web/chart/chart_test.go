package chart_test

import (
	"strings"
	"testing"

	"referral/web/chart"
)

func TestBars(t *testing.T) {
	t.Parallel()
	parts := chart.Bar(1000, []string{"a", "b", "c"}, 500, 0, 1)
	for drawn, wants := range map[string][]string{
		string(chart.Upright(parts)): {`<rect class="a" x="0" y="50" width="10" height="50"/>`, `<rect class="b" x="0" y="50" width="10" height="0"/>`, `<rect class="c" x="0" y="49" width="10" height="1"/>`},
		string(chart.Flat(parts)):    {`<rect class="a" x="0" y="0" width="50" height="10"/>`, `<rect class="c" x="50" y="0" width="1" height="10"/>`},
	} {
		for _, want := range wants {
			if !strings.Contains(drawn, want) {
				t.Errorf("%s is not in %s", want, drawn)
			}
		}
		if !strings.Contains(drawn, `aria-hidden="true"`) || strings.Contains(drawn, "style") {
			t.Errorf("%s", drawn)
		}
	}
	if of := chart.Bar(0, []string{"a"}, 0); of[0].Size != 0 {
		t.Errorf("%+v", of)
	}
}
