package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/models"
)

func newDeadLettersShow(p process) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "What is wrong with a message and what to do, and the message itself",
		Long: `Writes the message to standard output, byte for byte, so that it can be corrected; what is
wrong with it, what to do and its history go to standard error. A message that was put
back corrected is shown as it was put back. --format json is all of that without the
message, which may hold personal data.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format, "raw", "json"); err != nil {
				return err
			}
			id, err := letterID(args[0])
			if err != nil {
				return err
			}
			a, err := openReadOnly(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			return a.showLetter(cmd.Context(), p, id, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "raw", "`raw` or json")
	return cmd
}

func (a *app) showLetter(ctx context.Context, p process, id int64, format string) error {
	letter, err := a.letter(ctx, id)
	if err != nil {
		return err
	}
	acts, err := a.store.Actions(ctx, models.DeadLetterSubject(id))
	if err != nil {
		return err
	}
	if format == "json" {
		return report.DeadLetterJSON(p.out, &letter, acts)
	}
	report.DeadLetterText(p.err, &letter, acts)
	if _, err := p.out.Write(letter.Message.Value); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
