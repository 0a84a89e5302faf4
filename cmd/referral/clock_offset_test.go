package main

import (
	"testing"
	"time"
)

// Whatever the environment says, the clock of a program that was built as usual is
// that of the machine.
func TestTheClockIsThatOfTheMachine(t *testing.T) {
	if clockVariable != "" {
		t.Fatalf("the clock can be moved by %s", clockVariable)
	}
	now := wallClock(func(string) string { return "/no/such/file" })
	if off := time.Since(now()); off.Abs() > time.Minute {
		t.Errorf("it is off by %s", off)
	}
}
