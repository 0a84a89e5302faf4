package main

import (
	"errors"
	"os/user"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"referral/models"
)

// operator is the person on whose word a command acts, and the reason given.
type operator struct{ by, reason string }

// required is what a command has to be told about the operator.
type required int

const (
	nothingRequired required = iota
	nameRequired
	reasonRequired // and the name
)

// flags adds --by and --reason to a command.
func (o *operator) flags(cmd *cobra.Command, needed required) {
	by, reason := "`name` of the person who decides", "why, in words; recorded with the name and the time"
	if needed >= nameRequired {
		by += "; required"
	} else {
		by += "; the operating-system user when it is left out"
	}
	if needed >= reasonRequired {
		reason += "; required"
	}
	cmd.Flags().StringVar(&o.by, "by", "", by)
	cmd.Flags().StringVar(&o.reason, "reason", "", reason)
}

// check fills in who it is, and refuses what is missing or cannot be recorded.
func (o *operator) check(command string, needed required) error {
	o.by, o.reason = strings.TrimSpace(o.by), strings.TrimSpace(o.reason)
	switch {
	case o.reason == "" && needed >= reasonRequired:
		return usageError(command, errors.New("why? give --reason TEXT; it is recorded"))
	case o.by == "" && needed >= nameRequired:
		return usageError(command, errors.New("who decides? give --by NAME"))
	case o.by == "":
		o.by = systemUser()
	}
	return o.checkText(command)
}

// checkAccept is check of a run, which records a person only for passing the brake.
func (o *operator) checkAccept(accept bool) error {
	if !accept && o.by+o.reason != "" {
		return usageError("run", errors.New("--by and --reason go with --accept only"))
	}
	return o.check("run", nothingRequired)
}

const maxOperatorText = 1000

func (o *operator) checkText(command string) error {
	if err := checkOperatorText(command, "--by", o.by); err != nil {
		return err
	}
	return checkOperatorText(command, "--reason", o.reason)
}

func checkOperatorText(command, flag, text string) error {
	if !utf8.ValidString(text) || len(text) > maxOperatorText || strings.ContainsFunc(text, unicode.IsControl) {
		return usageError(command, errors.New(flag+" must be one line of UTF-8 text, at most 1000 bytes, without control characters"))
	}
	return nil
}

// systemUser is the operating-system user of this process.
func systemUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

func (o *operator) action(what models.OperatorActionKind, subject string) models.OperatorAction {
	return models.OperatorAction{Who: o.by, What: what, Subject: subject, Reason: o.reason}
}
