package trouble_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"referral/internal/trouble"
)

func TestBoard(t *testing.T) {
	var log bytes.Buffer
	b := trouble.New(slog.New(slog.NewTextHandler(&log, nil)), trouble.Words{Part: "publisher", Fails: "it fails", Works: "it works"})
	if err := b.Err(); err != nil {
		t.Errorf("an empty board says %v", err)
	}
	away := errors.New("the broker is away")
	for range 5 {
		b.Note("sending", away)
	}
	b.Note("reading", errors.New("no ledger"))
	b.Clear("what never failed")
	if err := b.Err(); !errors.Is(err, away) || err.Error() != "publisher: reading: no ledger (times: 1)\npublisher: sending: the broker is away (times: 5)" {
		t.Errorf("what fails: %v", err)
	}
	if !b.Fails("sending") || b.Fails("what never failed") {
		t.Error("the board does not know what fails")
	}
	b.Clear("sending")
	b.Forget()
	if err := b.Err(); err != nil {
		t.Errorf("all works, and the board says %v", err)
	}
	if fails, works := strings.Count(log.String(), "it fails"), strings.Count(log.String(), "it works"); fails != 4 || works != 1 {
		t.Errorf("%d lines of failing at 1, 2 and 4 times and of another thing, %d of working again:\n%s", fails, works, log.String())
	}
}
