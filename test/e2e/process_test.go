package e2e

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"referral/internal/demo/workload"
	"referral/test/reference"
)

func TestStopsDuringWork(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	const invoices = 20_000
	var batch []message
	var sent sync.WaitGroup
	for m := range workload.BulkMessages(1, invoices, 202603) {
		if batch = append(batch, ofLife(&m)); len(batch) == 5000 {
			now := batch
			sent.Go(func() { w.send(now...) })
			batch = nil
		}
	}
	w.until("the work to be under way", func() (bool, string) {
		return w.number(`SELECT count(*) FROM invoices`) > 0, "nothing is taken"
	})
	if status := s.stop(); status != 0 {
		t.Errorf("stopped with status %d, want 0 within %s\n%s", status, stopWithin, s.log.tail())
	}
	sent.Wait()

	w.serve()
	w.drained()
	if got := w.number(`SELECT count(*) FROM invoices`); got != invoices {
		t.Errorf("%d invoices, want %d", got, invoices)
	}
}

func TestStopsWhileIdle(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	if s.stop() != 0 {
		t.Errorf("status %d, want 0 within %s\n%s", s.cmd.ProcessState.ExitCode(), stopWithin, s.log.tail())
	}
	if log := s.log.tail(); !strings.Contains(log, `"msg":"stopped","because":"terminated signal received"`) {
		t.Errorf("the log does not say why the process has ended:\n%s", log)
	}
}

func TestExitStatuses(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		args   []string
		env    string
		status int
		says   string // on stderr
	}{
		{"done", []string{"migrate"}, "", 0, ""},
		{"help", []string{"--help"}, "", 0, ""},
		{"no such command", []string{"pay"}, "", 2, "pay"},
		{"no such flag", []string{"run", "2026-03", "--fast"}, "", 2, "--fast"},
		{"no period", []string{"run"}, "", 2, ""},
		{"a period that is none", []string{"run", "2026-13"}, "", 2, "2026-13"},
		{"a format that is none", []string{"run", "2026-03", "--format", "smoke"}, "", 2, "smoke"},
		{"a part that is none", []string{"serve", "--only", "kitchen"}, "", 2, "kitchen"},
		{"no part at all", []string{"serve", "--only", ""}, "", 2, "--only"},
		{"nobody signs", []string{"close", "2026-03"}, "", 2, "--by"},
		{"a month that has not been run", []string{"close", "2026-03", "--by", "finance"}, "", 1, "2026-03"},
		{"no such dead letter", []string{"dead-letters", "replay", "999"}, "", 1, "999"},
		{"a setting that is none", []string{"migrate"}, "REFERRAL_KAFKA_BROKER=here", 2, "REFERRAL_KAFKA_BROKER"},
		{"a cron line that is none", []string{"migrate"}, "REFERRAL_SCHEDULE_RUN=at night", 2, "schedule.run"},
		{"a cron line of a day that never comes", []string{"migrate"}, "REFERRAL_SCHEDULE_RUN=0 3 31 2 *", 2, "schedule.run"},
		{"a month that has not begun", []string{"run", "2999-11"}, "", 1, "2999-11 begins on 2999-11-01"},
		{"no database", []string{"migrate"}, "REFERRAL_DATABASE_DSN=", 2, "database.dsn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := w.command(t.Context(), c.args...)
			cmd.Env = append(cmd.Env, c.env)
			checkExit(t, cmd, c.status, c.says)
		})
	}
	t.Run("a key that is none", func(t *testing.T) {
		file := w.file("config.yaml", []byte("kafka:\n  broker: here\n"))
		cmd := exec.CommandContext(t.Context(), environment.program, "migrate", "--config", file)
		cmd.Env = w.variables
		checkExit(t, cmd, 2, "kafka.broker")
	})
}

// checkExit runs a command; what is wrong must be said in one line.
func checkExit(t *testing.T, cmd *exec.Cmd, status int, says string) {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("status %d, want %d: %s", got, status, stderr.String())
	}
	if !strings.Contains(stderr.String(), says) {
		t.Errorf("%q is not said: %s", says, stderr.String())
	}
	if lines := strings.Count(stderr.String(), "\n"); status != 0 && lines != 1 {
		t.Errorf("%d lines on stderr, want one: %s", lines, stderr.String())
	}
}

func TestServeRefusesAnUnknownSchema(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t)
	s := w.launch(nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-s.exited:
		if got := s.cmd.ProcessState.ExitCode(); got != 2 || !strings.Contains(s.log.tail(), "referral migrate") {
			t.Errorf("status %d, want 2 and a word about migrate: %s", got, s.log.tail())
		}
	case <-ctx.Done():
		t.Error("serve goes on without a schema")
	}
}

// Whatever works on the database says in one line that its schema is not the one
// that the program knows, and what to do.
func TestCommandsRefuseAnUnknownSchema(t *testing.T) {
	w := newBareWorld(t)
	commands := [][]string{
		{"run", "2026-03"}, {"run", "2026-03", "--dry-run"}, {"reconcile", "2026-03"}, {"close", "2026-03", "--by", "finance"},
		{"explain", "account", "885"}, {"explain", "invoice", "INV-1"},
		{"simulate", "--terms", filepath.Join("..", "..", "config.yaml"), "--from", "2026-03", "--to", "2026-03"},
		{"reopen", "2026-03", "--by", "finance", "--reason", "x"}, {"terms", "apply", "--by", "finance"}, {"terms", "apply", "--dry-run"},
		{"dead-letters", "list"}, {"dead-letters", "show", "1"}, {"dead-letters", "replay", "--all"},
	}
	for _, args := range commands {
		checkExit(t, w.command(t.Context(), args...), 2, "run `referral migrate`")
	}
	w.must("migrate")
	if _, err := w.db.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)"); err != nil {
		t.Fatal(err)
	}
	for _, args := range append(commands, []string{"migrate"}) {
		checkExit(t, w.command(t.Context(), args...), 2, "use a newer program")
	}
}

// lowBrake is the shipped terms with a brake that any run breaks.
const lowBrake = `REFERRAL_PROGRAMME_TERMS=[{"effective_from":"2020-01-01","activation_window_months":1,"refuse_own_company":true,
"invitee":{"percent":20,"months":3},"ladder":[{"percent":20,"months":3},{"percent":40,"months":6},{"percent":60,"months":12,"sms":1200},
{"percent":80,"months":12},{"percent":100,"months":12,"sms":3200}],
"services":{"discounted":["subscription","numbers","calls","recording"],"excluded":["sms_package"]},
"brake":{"largest_total":0.01,"largest_full_share":0,"largest_change":0,"smallest_count":0}}]`

func TestTheBrakeHoldsUntilAPersonAccepts(t *testing.T) {
	w, s := newWorld(t, lowBrake), loadSpring(t)
	server := w.serve()
	first := &s.phases[0]
	w.send(w.messages(first.registrations)...)
	w.send(w.messages(first.rest)...)
	w.drained()
	w.published()
	want := s.wanted(w, 0)
	server.stop()

	for _, args := range [][]string{{"run", "2026-03", "--dry-run"}, {"run", "2026-03"}} {
		checkExit(t, w.command(t.Context(), args...), 1, "largest_total")
	}
	differ(w, "posted before it was accepted", w.insideLines(), map[reference.Line]int64{})

	// Nobody serves: the run publishes by itself what it posts.
	w.must("run", "2026-03", "--accept")
	differ(w, "published by the run", w.outsideLines(), want.lines)
	w.check("after it was accepted", want)
}
