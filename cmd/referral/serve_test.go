package main

import (
	"maps"
	"slices"
	"testing"
	"time"

	"referral/store"
)

// Each table that has a retention rule is given the setting that the manual names.
func TestEveryRetentionRuleHasASetting(t *testing.T) {
	a, _ := shut(t)
	a.config.Retention.Invitations, a.config.Retention.At = 0, "0 5 * * *"
	r, err := a.retention()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(r.Keep)), slices.Sorted(slices.Values(store.RetentionTables())); !slices.Equal(got, want) {
		t.Errorf("settings for %v, rules for %v", got, want)
	}
	if r.Keep["invitations"] != 0 || r.Keep["recipients"] != 0 || r.Keep["invitations.recipient"] != 2160*time.Hour || r.Cleaner != a.store {
		t.Errorf("kept for %v", r.Keep)
	}
	if next := r.Schedule.Next(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)); !next.Equal(time.Date(2026, 5, 1, 2, 0, 0, 0, time.UTC)) {
		t.Errorf("the first time is %s", next)
	}
}
