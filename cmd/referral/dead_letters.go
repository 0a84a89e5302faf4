package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
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

// deadLetterSelection is the dead letters that a command is to act on: those named, or
// those that wait and pass the filters, which takes --yes.
type deadLetterSelection struct {
	deadLetterFlags

	all, yes bool
}

func (s *deadLetterSelection) add(cmd *cobra.Command) {
	s.deadLetterFlags.add(cmd, "fault")
	cmd.Flags().BoolVar(&s.all, "all", false, "every dead letter that waits")
	cmd.Flags().BoolVar(&s.yes, "yes", false, "act on all that the filters select")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if byFilter := s.all || s.given(); byFilter == (len(args) > 0) {
			return misuse(cmd, "give numbers of dead letters, or filters such as --topic (--all for every one that waits)")
		}
		return nil
	}
}

func (a *app) selectDeadLetters(ctx context.Context, s *deadLetterSelection, args []string) ([]int64, error) {
	var ids []int64
	for _, arg := range args {
		id, err := parseDeadLetterID(arg)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if len(args) > 0 {
		return ids, nil
	}
	letters, err := a.deadLetters(ctx, &s.deadLetterFlags, models.DeadLetterWaiting)
	if err != nil {
		return nil, err
	}
	if !s.yes && len(letters) > 0 {
		return nil, negativeResult(fmt.Sprintf("nothing was done: this would act on %s; look with `referral dead-letters list`, then repeat with --yes",
			report.Quantity(int64(len(letters)), "dead letter")))
	}
	for i := range letters {
		ids = append(ids, letters[i].ID)
	}
	return ids, nil
}

func newDeadLettersReplay(p process) *cobra.Command {
	var corrected string
	var selected deadLetterSelection
	var operator operatorFlags
	cmd := &cobra.Command{
		Use:   "replay (ID… | --topic T … --yes | --all) [--value FILE]",
		Short: "Put messages back on the topic they came from, as they are or corrected",
		Long: `Puts messages back on the topic that they came from, as they are or corrected. Only what
waits can be put back: what was put back already is refused, unless it has failed
again; then it is the same dead letter, with its history. Filters select several at
once, and take --yes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if corrected != "" && len(args) != 1 {
				return misuse(cmd, "--value goes with one number")
			}
			return onDatabase(cmd, p, readWrite, func(ctx context.Context, a *app) error {
				selected.yes = selected.yes || selected.all && !selected.given() // --all alone needs no --yes
				ids, err := a.selectDeadLetters(ctx, &selected, args)
				if err != nil {
					return err
				}
				return a.replay(ctx, ids, corrected, &operator)
			})
		},
	}
	selected.add(cmd)
	operator.add(cmd, nothingRequired)
	cmd.Flags().StringVar(&corrected, "value", "", "the corrected message, a `file` or - for standard input")
	return cmd
}

func (a *app) replay(ctx context.Context, ids []int64, corrected string, operator *operatorFlags) error {
	var body []byte
	if corrected != "" {
		var err error
		if body, err = a.readCorrected(corrected); err != nil {
			return err
		}
	}
	putBack, closeWriter, err := a.messageReplayer()
	if err != nil {
		return err
	}
	defer closeWriter()
	for _, id := range ids {
		var topic string
		err := a.store.ReplayDeadLetter(ctx, id, body, operator.action(models.ActionReplay, models.DeadLetterSubject(id)), func(m models.Message) error {
			topic = m.Origin.Topic
			return putBack(ctx, id, &m)
		})
		if errors.Is(err, models.ErrDeadLetterState) {
			return a.refuseDeadLetter(ctx, id, "put back")
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "dead letter %d is back on %s\n", id, topic)
	}
	return nil
}

// messageReplayer returns the function that puts the message of a dead letter back on its
// topic, and one that closes its connections.
func (a *app) messageReplayer() (putBack func(ctx context.Context, id int64, m *models.Message) error, closeWriter func(), err error) {
	transport, err := a.kafka().transport()
	if err != nil {
		return nil, nil, err
	}
	writer := &kafka.Writer{
		Addr: kafka.TCP(a.config.Kafka.Brokers...), Transport: transport,
		Balancer: kafka.Murmur2Balancer{Consistent: true}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, BatchBytes: 32 << 20,
		MaxAttempts: 3, // the dead letter is locked in the meantime
	}
	putBack = func(ctx context.Context, id int64, m *models.Message) error {
		if err := writer.WriteMessages(ctx, replayed(id, m)); err != nil {
			return fmt.Errorf("writing to topic %s: %w", m.Origin.Topic, err)
		}
		return nil
	}
	return putBack, func() {
		_ = writer.Close() // every write was acknowledged or has failed
		transport.CloseIdleConnections()
	}, nil
}

// replayOne puts one message back on connections of its own: that is rare.
func (a *app) replayOne(ctx context.Context, id int64, m *models.Message) error {
	putBack, closeWriter, err := a.messageReplayer()
	if err != nil {
		return err
	}
	defer closeWriter()
	return putBack(ctx, id, m)
}

// replayed is the message with the id of its dead letter: if it fails again, the
// consumer adds that to the dead letter.
func replayed(id int64, m *models.Message) kafka.Message {
	message := kafka.Message{Topic: m.Origin.Topic, Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		if h.Key != models.DeadLetterHeader {
			message.Headers = append(message.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
	}
	message.Headers = append(message.Headers, kafka.Header{Key: models.DeadLetterHeader, Value: []byte(strconv.FormatInt(id, 10))})
	return message
}

// readCorrected reads a corrected message, which must not be empty: a message without a
// value cannot be decoded.
func (a *app) readCorrected(file string) ([]byte, error) {
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(a.in) }
	}
	body, err := read()
	if err != nil {
		return nil, fmt.Errorf("--value: %w", err)
	}
	if len(body) == 0 {
		return nil, fmt.Errorf("--value: %s is empty: give the corrected message", file)
	}
	return body, nil
}

func newDeadLettersDiscard(p process) *cobra.Command {
	var selected deadLetterSelection
	var operator operatorFlags
	cmd := &cobra.Command{
		Use:   "discard (ID… | --topic T … --yes) --by NAME --reason TEXT",
		Short: "Record that messages will not be put back, and why",
		Long: `Records that messages will not be put back: they no longer wait for a person. Nothing is
deleted, and who discarded what, when and why is recorded. Filters select several of
those that wait, and take --yes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return onDatabase(cmd, p, readWrite, func(ctx context.Context, a *app) error {
				ids, err := a.selectDeadLetters(ctx, &selected, args)
				if err != nil {
					return err
				}
				return a.discard(ctx, ids, &operator)
			})
		},
	}
	selected.add(cmd)
	operator.add(cmd, reasonRequired)
	return cmd
}

func (a *app) discard(ctx context.Context, ids []int64, operator *operatorFlags) error {
	var discarded []int64
	for part := range slices.Chunk(ids, deadLetterPage) {
		done, err := a.store.DiscardDeadLetters(ctx, part, func(id int64) models.OperatorAction {
			return operator.action(models.ActionDiscard, models.DeadLetterSubject(id))
		})
		if err != nil {
			return err
		}
		discarded = append(discarded, done...)
	}
	if len(discarded) > 0 || len(ids) == 0 {
		fmt.Fprintf(a.out, "%s discarded\n", report.Quantity(int64(len(discarded)), "dead letter"))
	}
	for _, id := range ids {
		if !slices.Contains(discarded, id) {
			return a.refuseDeadLetter(ctx, id, "discarded")
		}
	}
	return nil
}

// refuseDeadLetter says why nothing can be done with a dead letter: who did what when.
func (a *app) refuseDeadLetter(ctx context.Context, id int64, what string) error {
	letter, acts, err := a.deadLetter(ctx, id)
	if err != nil {
		return err
	}
	why := map[models.DeadLetterState]string{
		models.DeadLetterWaiting:   "is being put back by another command; try again",
		models.DeadLetterReplayed:  "was put back already, and is not consumed yet",
		models.DeadLetterResolved:  "was put back already, and accepted",
		models.DeadLetterDiscarded: "was discarded",
	}[letter.State]
	if len(acts) > 0 && letter.State != models.DeadLetterWaiting {
		last := acts[len(acts)-1]
		why += fmt.Sprintf(" (by %s on %s)", report.Printable(last.Who), last.At.Format(time.RFC3339))
	}
	return negativeResult(fmt.Sprintf("dead letter %d cannot be %s: it %s", id, what, why))
}
