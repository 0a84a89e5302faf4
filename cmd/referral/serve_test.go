package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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

// A stop waits for the work under way, but not for a server that does not answer.
func TestStopTakesTenSeconds(t *testing.T) {
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		ends time.Duration // after the signal; less than nothing before there is one
		took time.Duration
		says string // empty for the work's own error
	}{
		"it ends by itself":     {-1, 0, ""},
		"it ends in time":       {9 * time.Second, 9 * time.Second, ""},
		"it waits for a server": {time.Hour, 10 * time.Second, "ending with work under way, 10s after the signal"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if c.ends >= 0 {
					stop()
				}
				answer := make(chan error)
				defer close(answer)
				began := time.Now()
				err := awaitStop(ctx, func() error {
					select {
					case <-time.After(c.ends):
						return failed
					case err := <-answer:
						return err
					}
				})
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				if c.says == "" && !errors.Is(err, failed) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
