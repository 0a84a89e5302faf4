package reference

import (
	"fmt"
	"testing"
	"time"
)

// eventWriter makes structured events, each with an id of its own.
type eventWriter struct {
	t     *testing.T
	model *Model
	n     int
}

func newEventWriter(t *testing.T) *eventWriter {
	return &eventWriter{t: t, model: New(func(code string) (int64, bool) {
		var owner int64
		_, err := fmt.Sscanf(code, "code-%d", &owner)
		return owner, err == nil
	})}
}

func (s *eventWriter) event(kind, data string, args ...any) {
	s.t.Helper()
	s.n++
	value := fmt.Sprintf(`{"id":"%d","source":"/test","type":%q,"time":"2026-01-01T00:00:00Z","data":%s}`, s.n, kind, fmt.Sprintf(data, args...))
	if err := s.model.Take(nil, []byte(value)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *eventWriter) registered(account int64, at string) {
	s.event("pbx.registered.v1", `{"account_id":%d,"tax_id":"%d","registered_at":%q}`, account, account, at)
}

func (s *eventWriter) activated(account, inviter int64, at string) {
	s.event("referral.activation-requested.v1", `{"account_id":%d,"code":"code-%d","requested_at":%q}`, account, inviter, at)
}

// The example of docs/programme.md: friends on 10 January, 5 March and 20 April.
func TestTheWorkedExample(t *testing.T) {
	t.Parallel()
	s := newEventWriter(t)
	s.registered(885, "2025-12-01T09:00:00Z")
	for friend, on := range map[int64]string{901: "2026-01-10", 902: "2026-03-05", 903: "2026-04-20"} {
		s.registered(friend, on+"T08:00:00+03:00")
		s.activated(friend, 885, on+"T09:00:00+03:00")
	}
	s.event("billing.invoice-issued.v1", `{"invoice_id":"INV-2026-04-885","account_id":885,"period":"2026-04","revision":1,"lines":[
		{"line_id":"1","service":"subscription","from":"2026-04-01","to":"2026-05-01","amount_minor":300000}]}`)
	if err := s.model.Run("2026-04"); err != nil {
		t.Fatal(err)
	}
	if got := s.model.Lines()[Line{"INV-2026-04-885", "1"}]; got != -142000 {
		t.Errorf("the April line gets %d, want -142000", got)
	}
	if got := s.model.Packages()[Package{885, 1200}]; got != 1 {
		t.Errorf("%d packages of 1200 SMS, want 1", got)
	}
}

func TestMonthsClamp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from   string
		months int
		want   string
	}{
		{"2026-01-31", 1, "2026-02-28"},
		{"2028-01-31", 1, "2028-02-29"},
		{"2026-01-31", 3, "2026-04-30"},
		{"2025-11-30", 3, "2026-02-28"},
		{"2026-12-15", 12, "2027-12-15"},
	} {
		from, err := parseDay(c.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := monthsLater(from, c.months).Format(time.DateOnly); got != c.want {
			t.Errorf("%s + %d months = %s, want %s", c.from, c.months, got, c.want)
		}
	}
}

func TestRoundingIsHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ amount, part, whole, want int64 }{
		{5, 1, 10, 1}, {-5, 1, 10, -1}, {4, 1, 10, 0}, {-4, 1, 10, 0}, {300000, 1420, 3000, 142000}, {1, 100, 100, 1},
		{1_000_000_000_000_000, 36600, 36600, 1_000_000_000_000_000},
	} {
		if got := rounded(c.amount, c.part, c.whole); got != c.want {
			t.Errorf("%d × %d / %d = %d, want %d", c.amount, c.part, c.whole, got, c.want)
		}
	}
}
