package main

import (
	"strings"
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	moscow := time.FixedZone("MSK", 3*60*60)
	now := time.Date(2026, 4, 30, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"24h": "2026-04-29T12:00:00Z", "2026-04-01": "2026-03-31T21:00:00Z", "2026-04-01T09:00:00Z": "2026-04-01T09:00:00Z",
		"yesterday": "", "-1h": "", "0s": "", "2026-02-30": "", "": "",
	} {
		got, err := sinceTime(text, now, moscow)
		if said := got.UTC().Format(time.RFC3339); (err == nil) != (want != "") || want != "" && said != want {
			t.Errorf("since %q: %s, %v", text, said, err)
		}
	}
}

func TestDeadLettersRefuseWrongUse(t *testing.T) {
	w := newTown(t)
	for _, args := range []string{
		"list --reason nonsense", "list --state gone", "list --state waiting --all", "list --since yesterday", "list --account -1", "list --format xml",
		"show x", "replay", "replay 1 --all", "replay 1 --topic t", "replay 1 2 --value f", "replay --all --value f", "discard", "discard 1", "discard 1 --by Anna",
		"discard 1 --reason noise", "replay 1 --value -", "replay 1 --value /dev/null", "discard 1 --topic t --by Anna --reason noise",
	} {
		if a := w.asks(append([]string{"dead-letters"}, strings.Fields(args)...)...); a.status != exitError || a.out != "" || strings.Count(a.err, "\n") != 1 {
			t.Errorf("%s: %+v", args, a)
		}
	}
	for _, args := range []string{"show 7", "replay 7", "discard 7 --by Anna --reason noise"} {
		if a := w.asks(append([]string{"dead-letters"}, strings.Fields(args)...)...); a.status != exitNegative || !strings.Contains(a.err, "there is no dead letter 7") {
			t.Errorf("%s: %+v", args, a)
		}
	}
}
