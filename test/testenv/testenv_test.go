package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatusIsTheCommands(t *testing.T) {
	for script, want := range map[string]int{
		"exit 0":                               0,
		"exit 7":                               7,
		"kill -KILL $$":                        128 + 9,
		`test "$REFERRAL_X" = y && exit 3`:     3,
		`sleep 60 & echo $! > "$0"; exit 4`:    4,
		`trap "exit 5" TERM; kill $$; sleep 9`: 5,
	} {
		file := filepath.Join(t.TempDir(), "pid")
		got, err := execute([]string{"bash", "-c", script, file}, []string{"REFERRAL_X=y"}, nil)
		if err != nil || got != want {
			t.Errorf("%s: status %d, %v; want %d", script, got, err, want)
		}
	}
}

func TestSignalsReachTheCommand(t *testing.T) {
	signals := make(chan os.Signal, 1)
	time.AfterFunc(time.Second, func() { signals <- syscall.SIGTERM })
	began := time.Now()
	got, err := execute([]string{"bash", "-c", `trap "exit 6" TERM; sleep 60 & wait`}, nil, signals)
	if err != nil || got != 6 {
		t.Errorf("status %d, %v", got, err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestCommandIsRequired(t *testing.T) {
	if _, err := parse([]string{"-bench"}, t.Output()); err == nil {
		t.Error("no command, no error")
	}
	o, err := parse([]string{"-bench", "--", "go", "test", "-v"}, t.Output())
	if err != nil || !o.bench || len(o.command) != 3 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestOnlyWhatIsAskedForIsStarted(t *testing.T) {
	for flags, want := range map[string]string{
		"":                      "postgres kafka smpp browser office compiler",
		"-bench":                "postgres kafka",
		"-with=browser":         "browser",
		"-with=smpp,postgres":   "smpp postgres",
		"-bench -with=postgres": "postgres",
	} {
		o, err := parse(append(strings.Fields(flags), "--", "true"), t.Output())
		if got := strings.Join(o.with, " "); err != nil || got != want {
			t.Errorf("%q: starts %q, %v; want %q", flags, got, err, want)
		}
	}
	if _, err := parse([]string{"-with=postgres,oracle", "--", "true"}, t.Output()); err == nil {
		t.Error("an unknown server, no error")
	}
}
