package main

import (
	"cmp"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"referral/models"
)

// misuse is the error of a command that was used in a wrong way.
func misuse(cmd *cobra.Command, format string, args ...any) error {
	return fmt.Errorf("%s: %w", commandName(cmd), fmt.Errorf(format, args...))
}

// commandName is the command without the name of the program.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "referral"), " ")
}

// group is a command that consists of other commands.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return misuse(cmd, "a command is missing; see `%s --help`", cmd.CommandPath())
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

// oneArgument demands the one argument that the usage line of the command names.
func oneArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return misuse(cmd, "takes one %s, not %d arguments; usage: %s", strings.Fields(cmd.Use)[1], len(args), cmd.UseLine())
}

func noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasAvailableSubCommands():
		return fmt.Errorf("there is no command %q; see `%s --help`", strings.TrimSpace(commandName(cmd)+" "+args[0]), cmd.CommandPath())
	}
	return misuse(cmd, "takes no arguments, but got %q; see `%s --help`", args[0], cmd.CommandPath())
}

// flagError says where the flags of the command are explained, without the words
// of the parser of numbers.
func flagError(cmd *cobra.Command, err error) error {
	text, _, _ := strings.Cut(err.Error(), ": strconv.")
	return fmt.Errorf("%s; see `%s --help`", text, cmd.CommandPath())
}

// parsePeriod reads a period of the years in which facts are accepted.
func parsePeriod(s string) (models.Period, error) {
	p, err := models.ParsePeriod(s)
	if err == nil && !models.YearTaken(p.Year()) {
		err = fmt.Errorf("%s must lie in the years %d to %d", p, models.FirstYear, models.LastYear)
	}
	if err != nil {
		return p, fmt.Errorf("period: %w", err)
	}
	return p, nil
}

// choice is the value of a flag that takes one of several words.
type choice[T ~string] struct {
	value *T
	known []T
}

// choiceFlag adds such a flag to a command.
func choiceFlag[T ~string](cmd *cobra.Command, value *T, name, usage string, known ...T) {
	cmd.Flags().Var(choice[T]{value: value, known: known}, name, usage)
}

// formatFlag adds --format, with the first of the formats as the default.
func formatFlag(cmd *cobra.Command, known ...string) *string {
	value := known[0]
	last := len(known) - 1
	choiceFlag(cmd, &value, "format", "`format` of the output: "+strings.Join(known[:last], ", ")+" or "+known[last], known...)
	return &value
}

// Set implements pflag.Value.
func (c choice[T]) Set(text string) error {
	if !slices.Contains(c.known, T(text)) {
		return fmt.Errorf("it must be one of %s", c.list())
	}
	*c.value = T(text)
	return nil
}

func (c choice[T]) list() string {
	words := make([]string, len(c.known))
	for i, word := range c.known {
		words[i] = string(word)
	}
	return strings.Join(words, ", ")
}

// String implements pflag.Value.
func (c choice[T]) String() string { return string(*c.value) }

// Type implements pflag.Value.
func (c choice[T]) Type() string { return "string" }

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
