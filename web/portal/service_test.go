package portal

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/billing"
	"referral/models"
)

type noStore struct{ Store }

func validOptions() Options {
	limit := Limit{Wrong: 1, In: time.Second}
	return Options{
		Store: noStore{}, Programme: &billing.Programme{}, Derive: func(*models.WorkingSet, []*models.Fact) models.Changes { return models.Changes{} },
		Limits: Limits{limit, limit, limit}, Invites: InviteOptions{PerDay: 1}, PublicURL: "https://lk.example.com",
		Now: time.Now, NewID: func() models.UUID { return models.UUID{} }, NewToken: func() string { return "" },
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	}
}

func TestServiceOptions(t *testing.T) {
	if _, err := NewService(validOptions()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		invalidate func(*Options)
		says       string
	}{
		{func(o *Options) { o.Store = nil }, "are required"},
		{func(o *Options) { o.Programme = nil }, "are required"},
		{func(o *Options) { o.Derive = nil }, "are required"},
		{func(o *Options) { o.NewToken = nil }, "are required"},
		{func(o *Options) { o.Registerer = nil }, "are required"},
		{func(o *Options) { o.Invites.PerDay = 0 }, "invitations a day"},
		{func(o *Options) { o.PublicURL = "lk.example.com" }, "public address"},
		{func(o *Options) { o.Limits.Address.Wrong = 0 }, "address"},
		{func(o *Options) { o.Limits.Overall.In = 0 }, "overall"},
	} {
		o := validOptions()
		c.invalidate(&o)
		if _, err := NewService(o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want an error about %q", err, c.says)
		}
	}
}

// Windows follow one another without a gap, and end after now.
func TestThrottleWindows(t *testing.T) {
	l := Limits{Account: Limit{20, 24 * time.Hour}, Address: Limit{60, time.Hour}, Overall: Limit{3000, time.Hour}}
	now := time.Date(2026, 4, 2, 9, 59, 59, 0, time.UTC)
	want := []models.AttemptLimit{
		{Scope: "account", Subject: "885", Ends: time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC), Allowed: 20},
		{Scope: "address", Subject: "2001:db8::/64", Ends: time.Date(2026, 4, 2, 10, 0, 0, 0, time.UTC), Allowed: 60},
		{Scope: "overall", Ends: time.Date(2026, 4, 2, 10, 0, 0, 0, time.UTC), Allowed: 3000},
	}
	for i, got := range l.counters(885, "2001:db8::7", now) {
		if got != want[i] {
			t.Errorf("%+v, want %+v", got, want[i])
		}
	}
	if next := l.counters(885, "", now.Add(time.Second))[1].Ends; !next.Equal(time.Date(2026, 4, 2, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("at the end of a window the next one ends at %s", next)
	}
}
