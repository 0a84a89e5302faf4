package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// clockVariable is the name of an environment variable that names a file, which
// says by how much the clock is off, like "8h". It is empty: only the end-to-end
// tests fill it in, when they link their own program (-ldflags "-X …"), so no
// configuration can set the clock of a program that was built as usual.
var clockVariable string

// wallClock is the clock of the machine, unless the tests move it.
func wallClock(getenv func(string) string) func() time.Time {
	if clockVariable == "" || getenv(clockVariable) == "" {
		return time.Now
	}
	file := getenv(clockVariable)
	return func() time.Time {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(fmt.Sprintf("read by how much the clock is off: %v", err)) // a test's own mistake
		}
		off, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			panic(fmt.Sprintf("read by how much the clock is off: %v", err))
		}
		return time.Now().Add(off)
	}
}
