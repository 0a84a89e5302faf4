package main

import (
	"fmt"
	"slices"
	"strings"

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
