package main

import (
	"cmp"
	"os/user"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"referral/models"
)

// operatorFlags is who decided and why, as --by and --reason say. It is recorded with
// what the command does.
type operatorFlags struct{ by, reason string }

// required is which of the two a command demands.
type required int

const (
	nothingRequired required = iota
	nameRequired
	reasonRequired // and the name
)

// add gives a command the flags, and has them checked before it runs.
func (f *operatorFlags) add(cmd *cobra.Command, needed required) {
	by, reason := "`name` of the person who decides", "why, as one line of text; recorded with the name and the time"
	if needed >= nameRequired {
		by += "; required"
	} else {
		by += "; the operating-system user when it is left out"
	}
	if needed >= reasonRequired {
		reason += "; required"
	}
	cmd.Flags().StringVar(&f.by, "by", "", by)
	cmd.Flags().StringVar(&f.reason, "reason", "", reason)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return f.check(cmd, needed) }
}

// check refuses what is missing or cannot be recorded. A name that is not required
// is by default that of the operating-system user.
func (f *operatorFlags) check(cmd *cobra.Command, needed required) error {
	f.by, f.reason = strings.TrimSpace(f.by), strings.TrimSpace(f.reason)
	switch {
	case f.reason == "" && needed >= reasonRequired:
		return misuse(cmd, "give --reason TEXT: why; it is recorded")
	case f.by == "" && needed >= nameRequired:
		return misuse(cmd, "give --by NAME: who decides; it is recorded")
	case f.by == "":
		f.by = systemUser()
	}
	return cmp.Or(checkRecordedText(cmd, "--by", f.by), checkRecordedText(cmd, "--reason", f.reason))
}

const maxRecordedText = 1000 // bytes

func checkRecordedText(cmd *cobra.Command, flag, text string) error {
	if !utf8.ValidString(text) || len(text) > maxRecordedText || strings.ContainsFunc(text, unicode.IsControl) {
		return misuse(cmd, "%s must be one line of UTF-8 text, at most %d bytes, without control characters", flag, maxRecordedText)
	}
	return nil
}

func systemUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

func (f *operatorFlags) action(what models.OperatorActionKind, subject string) models.OperatorAction {
	return models.OperatorAction{Who: f.by, What: what, Subject: subject, Reason: f.reason}
}
