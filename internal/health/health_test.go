package health_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"referral/internal/health"
)

func TestTracker(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tracker := health.New(health.Options{
		Prefix: "publisher: ", Log: slog.New(slog.NewTextHandler(&log, nil)), Failing: "it fails", Recovered: "it works",
	})
	if err := tracker.Err(); err != nil {
		t.Errorf("a new tracker says %v", err)
	}
	away := errors.New("the broker is away")
	for range 5 {
		tracker.Report("sending", away)
	}
	tracker.Report("reading", errors.New("no ledger"))
	tracker.Report("what never failed", nil)
	if err := tracker.Err(); !errors.Is(err, away) || err.Error() != "publisher: reading: no ledger (times: 1)\npublisher: sending: the broker is away (times: 5)" {
		t.Errorf("what fails: %v", err)
	}
	tracker.Report("sending", nil)
	tracker.Forget()
	if err := tracker.Err(); err != nil {
		t.Errorf("all works, and the tracker says %v", err)
	}
	if fails, works := strings.Count(log.String(), "it fails"), strings.Count(log.String(), "it works"); fails != 4 || works != 1 {
		t.Errorf("%d lines of failing at 1, 2 and 4 times and of another thing, %d of working again:\n%s", fails, works, log.String())
	}
}
