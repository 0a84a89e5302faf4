package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// clockVariable is the name of an environment variable that names a file with the
// offset of the clock, such as "8h". Only the end-to-end tests set it, when they link
// their own program (-ldflags "-X …"): no configuration can move the clock of a
// program that was built as usual.
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
			panic(fmt.Sprintf("reading the offset of the clock: %v", err)) // a mistake of the test
		}
		offset, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			panic(fmt.Sprintf("reading the offset of the clock from %s: %v", file, err))
		}
		return time.Now().Add(offset)
	}
}
