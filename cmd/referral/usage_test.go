package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// said runs the program without a configuration: wrong use is refused before one
// is read.
func said(t *testing.T, args ...string) (status int, out, complaint string) {
	t.Helper()
	var answer, complaints bytes.Buffer
	status = run(t.Context(), args, process{in: bytes.NewReader(nil), out: &answer, err: &complaints})
	return status, answer.String(), complaints.String()
}

func TestWrongUseSaysWhatToDo(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"bogus", "referral: there is no command \"bogus\"; see `referral --help`\n"},
		{"explain bogus", "referral: there is no command \"explain bogus\"; see `referral explain --help`\n"},
		{"migrate now", "referral: migrate: takes no arguments, but got \"now\"; see `referral migrate --help`\n"},
		{"close", "referral: close: takes one PERIOD, not 0 arguments; usage: referral close PERIOD --by NAME [--reason TEXT] [--override REASON] [--booked FILE] [flags]\n"},
		{"explain account 1 2", "referral: explain account: takes one ID, not 2 arguments; usage: referral explain account ID [flags]\n"},
		{"run --bogus", "referral: unknown flag: --bogus; see `referral run --help`\n"},
		{"dead-letters list --account x", "referral: invalid argument \"x\" for \"--account\" flag; see `referral dead-letters list --help`\n"},
		{"run 2026-04 --by Anna", "referral: run: --by and --reason go with --accept only\n"},
		{"run 2026-04 --dry-run --reason x", "referral: run: --by and --reason go with --accept only\n"},
	} {
		if status, out, complaint := said(t, strings.Fields(c.args)...); status != exitError || out != "" || complaint != c.want {
			t.Errorf("%s: status %d, out %q, said %q, want %q", c.args, status, out, complaint, c.want)
		}
	}
}

// Every command that records a person says in its help what it demands.
func TestHelpSaysWhatIsRequired(t *testing.T) {
	const document = "5e0c1e2c-8a1f-5b0d-9c55-0b1a6f0f3a77"
	demanding := map[string][]string{
		"close": {"2026-04"}, "reopen": {"2026-04"}, "resend": {document}, "write-off": {document},
		"terms apply": {}, "dead-letters discard": {"1"}, "revoke": {"901"}, "accept-code": {"901", "ABCDEFGHJ"}, "classify-service": {"hologram", "discounted"},
		"import": {"nowhere"}, "recover": {}, "privacy export": {"901"}, "privacy erase": {"901"},
	}
	seen := 0
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			visit(c)
		}
		by, name := cmd.Flags().Lookup("by"), commandName(cmd)
		if by == nil {
			return
		}
		args, demands := demanding[name]
		if demands != strings.HasSuffix(by.Usage, "; required") || demands == strings.Contains(by.Usage, "left out") {
			t.Errorf("%s: --by %q", name, by.Usage)
		}
		if !demands {
			return
		}
		seen++
		command := slices.Concat(strings.Fields(name), args)
		status, _, complaint := said(t, append(command, "--reason", "x")...)
		if status != exitError || !strings.Contains(complaint, "give --by NAME") {
			t.Errorf("%s without --by: status %d, %q", name, status, complaint)
		}
		status, _, complaint = said(t, append(command, "--by", "Anna")...)
		if needed := strings.HasSuffix(cmd.Flags().Lookup("reason").Usage, "; required"); status != exitError || needed != strings.Contains(complaint, "give --reason TEXT") {
			t.Errorf("%s without --reason: status %d, %q, help says required: %t", name, status, complaint, needed)
		}
	}
	visit(newRoot(process{in: bytes.NewReader(nil), out: &bytes.Buffer{}, err: &bytes.Buffer{}}))
	if seen != len(demanding) {
		t.Errorf("%d of %d commands seen", seen, len(demanding))
	}
}

// What persons give is shown in reports, messages and logs: it is one line, and
// moves no cursor.
func TestOperatorTextIsOneLine(t *testing.T) {
	for _, args := range [][]string{
		{"close", "2026-04", "--by", "An\nna"}, {"close", "2026-04", "--by", "Anna", "--reason", "a\x1b[31mb"},
		{"close", "2026-04", "--by", "Anna", "--override", "a\rb"}, {"run", "2026-04", "--accept", "--by", "An\tna"},
		{"dead-letters", "discard", "1", "--by", "Anna", "--reason", "a\u0085b"}, {"close", "2026-04", "--by", strings.Repeat("a", 1001)},
	} {
		if status, _, complaint := said(t, args...); status != exitError || !strings.Contains(complaint, "must be one line of UTF-8 text") || strings.Count(complaint, "\n") != 1 {
			t.Errorf("%q: status %d, %q", args, status, complaint)
		}
	}
}

// The commands of the runbook exist, with their flags and as many arguments.
func TestTheRunbookNamesCommandsThatExist(t *testing.T) {
	commands := regexp.MustCompile("`referral ([a-z][^`]*)`").FindAllStringSubmatch(projectFile(t, "docs", "runbook.md"), -1)
	if len(commands) < 20 {
		t.Fatalf("only %d commands are found", len(commands))
	}
	for _, command := range commands {
		found, rest, err := newRoot(process{}).Find(strings.Fields(command[1]))
		if err == nil {
			err = found.ParseFlags(rest)
		}
		if err == nil {
			err = found.ValidateArgs(found.Flags().Args())
		}
		if err != nil {
			t.Errorf("docs/runbook.md names `referral %s`: %v", command[1], err)
		}
	}
}
