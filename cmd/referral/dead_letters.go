package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/models"
)

func newDeadLetters(p process) *cobra.Command {
	return group("dead-letters", "Messages that could not be used: list them, put them back, or discard them",
		newDeadLettersList(p), newDeadLettersShow(p), newDeadLettersReplay(p), newDeadLettersDiscard(p))
}

// deadLetterFlags selects dead letters.
type deadLetterFlags struct {
	filter models.DeadLetterFilter
	since  string
}

// add gives a command the filters. Where --reason says why a person acts, the filter
// by reason has another name.
func (f *deadLetterFlags) add(cmd *cobra.Command, reasonFlag string) {
	reasons := choice[models.BadInput]{value: &f.filter.Reason, known: models.BadInputs}
	cmd.Flags().StringVar(&f.filter.Topic, "topic", "", "those of a `topic`, by its name on the broker")
	cmd.Flags().Var(reasons, reasonFlag, "those with a reason `code`: "+reasons.list())
	cmd.Flags().StringVar(&f.filter.Type, "type", "", "those of an event `type`, such as pbx.registered.v1")
	cmd.Flags().Int64Var(&f.filter.AccountID, "account", 0, "those whose message key is an account `id`")
	cmd.Flags().StringVar(&f.since, "since", "", "those set aside since a `time`: 2026-04-01, 2026-04-01T09:00:00Z, or 24h for the last 24 hours")
}

// given tells whether any filter was given.
func (f *deadLetterFlags) given() bool {
	return f.since != "" || f.filter.Topic != "" || f.filter.Reason != "" || f.filter.Type != "" || f.filter.AccountID != 0
}

// sinceTime reads a time, a day of the zone, or how long ago.
func sinceTime(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return day, nil
	}
	return time.Time{}, fmt.Errorf("--since: %q is not a time; write 2026-04-01, 2026-04-01T09:00:00Z or 24h", text)
}

// deadLetterPage is how many dead letters are read at once.
const deadLetterPage = 500

// deadLetters is all that the filters select, in the given states or in any.
func (a *app) deadLetters(ctx context.Context, f *deadLetterFlags, states ...models.DeadLetterState) (all []models.DeadLetterRecord, err error) {
	filter := f.filter
	filter.States = states
	if filter.AccountID < 0 {
		return nil, fmt.Errorf("--account: %d is not an account id", filter.AccountID)
	}
	if f.since != "" {
		if filter.Since, err = sinceTime(f.since, a.now(), a.programme.Zone); err != nil {
			return nil, err
		}
	}
	for after := int64(0); ; {
		page, err := a.store.ListDeadLetters(ctx, filter, after, deadLetterPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < deadLetterPage {
			return all, nil
		}
		after = page[len(page)-1].ID
	}
}

// deadLetter is one with its history.
func (a *app) deadLetter(ctx context.Context, id int64) (letter models.DeadLetterRecord, acts []models.OperatorAction, err error) {
	letter, found, err := a.store.DeadLetter(ctx, id)
	if err != nil {
		return letter, nil, err
	}
	if !found {
		return letter, nil, negativeResult(fmt.Sprintf("there is no dead letter %d; see `referral dead-letters list --all`", id))
	}
	acts, err = a.store.Actions(ctx, models.DeadLetterSubject(id))
	return letter, acts, err
}

func parseDeadLetterID(arg string) (int64, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("dead-letters: %q is not the number of a dead letter; see `referral dead-letters list`", arg)
	}
	return id, nil
}

func newDeadLettersList(p process) *cobra.Command {
	var all bool
	var format *string
	var selected deadLetterFlags
	state := models.DeadLetterWaiting
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The dead letters that wait for a person, with their reasons, the oldest first",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && cmd.Flags().Changed("state") {
				return misuse(cmd, "give --state or --all, not both")
			}
			return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error {
				states := []models.DeadLetterState{state}
				if all {
					states = nil
				}
				letters, err := a.deadLetters(ctx, &selected, states...)
				if err != nil {
					return err
				}
				if *format == "json" {
					return report.DeadLettersJSON(a.out, letters)
				}
				report.DeadLetterTable(a.out, letters)
				return nil
			})
		},
	}
	selected.add(cmd, "reason")
	choiceFlag(cmd, &state, "state", "those in a `state`: waiting, replayed, resolved or discarded", models.DeadLetterStates...)
	cmd.Flags().BoolVar(&all, "all", false, "those in every state")
	format = formatFlag(cmd, "table", "json")
	return cmd
}

func newDeadLettersShow(p process) *cobra.Command {
	var format *string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "What is wrong with a message and what to do, and the message itself",
		Long: `Writes the message to standard output, byte for byte, so that it can be corrected; what is
wrong with it, what to do and its history go to standard error. A message that was put
back corrected is shown as it was put back. --format json is all of that without the
message, which may hold personal data.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseDeadLetterID(args[0])
			if err != nil {
				return err
			}
			return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error {
				letter, acts, err := a.deadLetter(ctx, id)
				if err != nil {
					return err
				}
				if *format == "json" {
					return report.DeadLetterJSON(a.out, &letter, acts)
				}
				report.DeadLetterText(a.err, &letter, acts)
				_, err = a.out.Write(letter.Message.Value)
				return err
			})
		},
	}
	format = formatFlag(cmd, "raw", "json")
	return cmd
}
