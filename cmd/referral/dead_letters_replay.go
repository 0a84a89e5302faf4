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
