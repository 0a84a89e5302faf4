package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usageError says what was used wrongly; nil for nil.
func usageError(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// oneArgument asks for the one argument that the usage line of the command names.
func oneArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return usageError(commandName(cmd), fmt.Errorf("takes one %s, not %d arguments; usage: %s", strings.Fields(cmd.Use)[1], len(args), cmd.UseLine()))
}

func noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasAvailableSubCommands():
		return fmt.Errorf("there is no command %q; see `%s --help`", strings.TrimSpace(commandName(cmd)+" "+args[0]), cmd.CommandPath())
	}
	return usageError(commandName(cmd), fmt.Errorf("takes no arguments, but got %q; see `%s --help`", args[0], cmd.CommandPath()))
}

// flagError says where the flags of the command are explained, without the words
// of the parser of numbers.
func flagError(cmd *cobra.Command, err error) error {
	text, _, _ := strings.Cut(err.Error(), ": strconv.")
	return fmt.Errorf("%s; see `%s --help`", text, cmd.CommandPath())
}

// commandName is the command without the name of the program.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "referral"), " ")
}
