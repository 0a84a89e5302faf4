package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

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
	history := letterHistory(&letter, acts)
	if format == "json" {
		return printJSON(p, letterStory{letterReportOf(&letter), letterAdvice[letter.Fault.Reason], history})
	}
	printLetter(p.err, &letter, history)
	if _, err := p.out.Write(letter.Message.Value); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// letterStory is a dead letter with its history as JSON.
type letterStory struct {
	letterReport
	Advice  string        `json:"advice"`
	History []letterEvent `json:"history"`
}

// letterEvent is one thing that happened to a dead letter.
type letterEvent struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // set-aside, replayed, failed, taken or discarded
	By     string    `json:"by,omitempty"`
	Detail string    `json:"detail,omitempty"` // the fault, or why a person acted
}

// letterHistory is what happened to a dead letter, in order.
func letterHistory(l *models.DeadLetter, acts []models.OperatorAction) []letterEvent {
	history := []letterEvent{{At: l.At, What: "set-aside", Detail: l.FirstFault.Error()}}
	for _, a := range acts {
		what := "replayed"
		if a.What == models.ActionDiscard {
			what = "discarded"
		}
		history = append(history, letterEvent{a.At, what, a.Who, a.Reason})
	}
	for _, o := range l.Outcomes {
		e := letterEvent{At: o.At, What: "taken"}
		if o.Fault != nil {
			e.What, e.Detail = "failed", o.Fault.Error()
		}
		history = append(history, e)
	}
	slices.SortStableFunc(history, func(a, b letterEvent) int { return cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()) })
	return history
}

func printLetter(w io.Writer, l *models.DeadLetter, history []letterEvent) {
	o := l.Message.Origin
	fmt.Fprintf(w, "dead letter %d, %s, from %s, partition %d, offset %d\n", l.ID, l.State, o.Topic, o.Partition, o.Offset)
	fmt.Fprintln(w, printable("what is wrong: "+l.Fault.Error()))
	fmt.Fprintln(w, "what to do: "+letterAdvice[l.Fault.Reason])
	for _, e := range history {
		line := e.At.Format(time.RFC3339) + " " + e.What
		if e.By != "" {
			line += " by " + e.By
		}
		if e.Detail != "" {
			line += ": " + e.Detail
		}
		fmt.Fprintln(w, printable(line))
	}
}

// letterAdvice is what to do about a message, by why it was set aside.
var letterAdvice = map[models.BadInput]string{
	models.BadUnreadable: "the message is not a CloudEvent 1.0 in JSON: have its sender fix what it sends and send the event again, then discard this one; " +
		"or correct it by hand and replay it with --value",
	models.BadUnknownType: "the event does not belong on this topic: have its sender send it to the right one and discard this one; " +
		"if the type is new, a newer program may read it, so replay it after the upgrade",
	models.BadField: "one field is missing or has a value that is not taken, the detail names it: " +
		"have the sender send the event again with a right value and discard this one, or correct that field and replay it with --value",
	models.BadTooLarge: "the value is over 1 MiB: have the sender split what it carries into several events, then discard this one",
	models.BadConflict: "it contradicts what was taken before: compare the two. If the earlier one is right, discard this one; " +
		"if this one is right, have the sender send the change as a new revision or as an event of its own",
	models.BadRefused: "the database or the rules stopped at it, which is no fault of the sender: the log of that time has the cause; replay it as it is once the cause is removed",
}
