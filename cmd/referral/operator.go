package main

import (
	"errors"
	"os/user"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"referral/models"
)

// operator is the person on whose word a command acts, and the reason given.
type operator struct{ by, reason string }

// flags adds --by and --reason to a command.
func (o *operator) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.by, "by", "", "`name` of the person who decides; the operating-system user when it is left out")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, in words; recorded with the name and the time")
}

// check fills in who it is and refuses what cannot be recorded.
func (o *operator) check(command string) error {
	o.by, o.reason = strings.TrimSpace(o.by), strings.TrimSpace(o.reason)
	if o.by == "" {
		o.by = systemUser()
	}
	return o.checkText(command)
}

// checkNamed is check of a command that must be told the name.
func (o *operator) checkNamed(command string) error {
	if strings.TrimSpace(o.by) == "" {
		return usageError(command, errors.New("who decides? give --by NAME"))
	}
	return o.check(command)
}

// checkReasoned is checkNamed of a command that must be told why, too.
func (o *operator) checkReasoned(command string) error {
	if strings.TrimSpace(o.reason) == "" {
		return usageError(command, errors.New("why? give --reason TEXT; it is recorded"))
	}
	return o.checkNamed(command)
}

const maxOperatorText = 1000

func (o *operator) checkText(command string) error {
	if err := checkOperatorText(command, "--by", o.by); err != nil {
		return err
	}
	return checkOperatorText(command, "--reason", o.reason)
}

func checkOperatorText(command, flag, text string) error {
	if !utf8.ValidString(text) || len(text) > maxOperatorText {
		return usageError(command, errors.New(flag+" must be UTF-8 text of at most 1000 bytes"))
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
