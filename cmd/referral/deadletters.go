package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/models"
	"referral/store"
)

func newDeadLetters(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "Messages set aside: look at them, put them back, or discard them",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError("dead-letters", errors.New("say what: list, show ID, replay ID or discard ID"))
		},
	}
	cmd.AddCommand(newDeadLettersList(p), newDeadLettersShow(p), newDeadLettersReplay(p), newDeadLettersDiscard(p))
	return cmd
}

// letterFlags selects dead letters.
type letterFlags struct {
	topic, reason, event, since string
	account                     int64
	reasonFlag                  string
}

// flags adds the filters to a command. Where --reason says why a person acts, the
// filter by reason has another name.
func (f *letterFlags) flags(cmd *cobra.Command, reasonFlag string) {
	f.reasonFlag = reasonFlag
	cmd.Flags().StringVar(&f.topic, "topic", "", "those of a `topic`, by its name on the broker")
	cmd.Flags().StringVar(&f.reason, reasonFlag, "", "those set aside for a reason `code`: "+reasonCodes())
	cmd.Flags().StringVar(&f.event, "type", "", "those of an event `type`, such as pbx.registered.v1")
	cmd.Flags().Int64Var(&f.account, "account", 0, "those whose message key is an account `id`")
	cmd.Flags().StringVar(&f.since, "since", "", "those set aside since a `time`: 2026-04-01, 2026-04-01T09:00:00Z, or 24h for the last 24 hours")
}

// given tells whether any filter was given.
func (f *letterFlags) given() bool {
	return f.topic != "" || f.reason != "" || f.event != "" || f.account != 0 || f.since != ""
}

func (f *letterFlags) filter(now time.Time, zone *time.Location) (models.DeadLetterFilter, error) {
	filter := models.DeadLetterFilter{Topic: f.topic, Reason: models.BadInput(f.reason), Type: f.event, AccountID: f.account}
	if f.reason != "" && !slices.Contains(models.BadInputs, filter.Reason) {
		return filter, fmt.Errorf("--%s: %q is not a reason code; there are %s", f.reasonFlag, f.reason, reasonCodes())
	}
	if f.account < 0 {
		return filter, fmt.Errorf("--account: %d is not an account id", f.account)
	}
	var err error
	if f.since != "" {
		filter.Since, err = sinceTime(f.since, now, zone)
	}
	return filter, err
}

func reasonCodes() string {
	codes := make([]string, len(models.BadInputs))
	for i, code := range models.BadInputs {
		codes[i] = string(code)
	}
	return strings.Join(codes, ", ")
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

// listPage is how many dead letters are read at once.
const listPage = 500

func newDeadLettersList(p process) *cobra.Command {
	var all bool
	var format, state string
	var selected letterFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "What waits for a person, and why it was set aside, the oldest first",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			states, err := letterStates(state, all)
			if err == nil {
				err = checkFormat(format, "table", "json")
			}
			if err != nil {
				return err
			}
			a, err := openReadOnly(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			return a.listLetters(cmd.Context(), p, selected, states, format)
		},
	}
	selected.flags(cmd, "reason")
	cmd.Flags().StringVar(&state, "state", "", "those in a `state` instead of those that wait: waiting, replayed, resolved, discarded")
	cmd.Flags().BoolVar(&all, "all", false, "those in every state")
	cmd.Flags().StringVar(&format, "format", "table", "`table` or json")
	return cmd
}

func letterStates(state string, all bool) ([]models.DeadLetterState, error) {
	switch {
	case all && state != "":
		return nil, usageError("dead-letters list", errors.New("give --state or --all, not both"))
	case all:
		return nil, nil
	case state == "":
		return []models.DeadLetterState{models.DeadLetterWaiting}, nil
	case !slices.Contains(models.DeadLetterStates, models.DeadLetterState(state)):
		return nil, usageError("dead-letters list", fmt.Errorf("--state: %q is not a state; there are waiting, replayed, resolved and discarded", state))
	}
	return []models.DeadLetterState{models.DeadLetterState(state)}, nil
}

func (a *app) listLetters(ctx context.Context, p process, selected letterFlags, states []models.DeadLetterState, format string) error {
	letters, err := a.letters(ctx, "dead-letters list", selected, states)
	if err != nil {
		return err
	}
	if format == "json" {
		return report.DeadLettersJSON(p.out, letters)
	}
	report.DeadLetterTable(p.out, letters)
	return nil
}

// letters is all that the filters select.
func (a *app) letters(ctx context.Context, command string, selected letterFlags, states []models.DeadLetterState) ([]models.DeadLetterRecord, error) {
	filter, err := selected.filter(a.now(), a.programme.Zone)
	if err != nil {
		return nil, usageError(command, err)
	}
	filter.States = states
	var all []models.DeadLetterRecord
	for after := int64(0); ; {
		page, err := a.store.ListDeadLetters(ctx, filter, after, listPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < listPage {
			return all, nil
		}
		after = page[len(page)-1].ID
	}
}

func letterID(arg string) (int64, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return 0, usageError("dead-letters", fmt.Errorf("%q is not the number of a dead letter; see `referral dead-letters list`", arg))
	}
	return id, nil
}

func letterIDs(args []string) ([]int64, error) {
	ids := make([]int64, len(args))
	for i, arg := range args {
		var err error
		if ids[i], err = letterID(arg); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (a *app) letter(ctx context.Context, id int64) (models.DeadLetterRecord, error) {
	letter, found, err := a.store.DeadLetter(ctx, id)
	if err == nil && !found {
		err = errNo{fmt.Sprintf("there is no dead letter %d; see `referral dead-letters list --all`", id)}
	}
	return letter, err
}

// chosen is the dead letters that a command is to act on: those named, or those
// that wait and pass the filters, which takes --yes.
type chosen struct {
	letterFlags
	all, yes bool
}

func (c *chosen) check(command string, args []string) error {
	byFilter := c.all || c.given()
	if byFilter == (len(args) > 0) {
		return usageError(command, errors.New("give numbers of dead letters, or filters such as --topic (--all for every one that waits)"))
	}
	return nil
}

func (a *app) choose(ctx context.Context, command string, c *chosen, args []string) ([]int64, error) {
	if len(args) > 0 {
		return letterIDs(args)
	}
	letters, err := a.letters(ctx, command, c.letterFlags, []models.DeadLetterState{models.DeadLetterWaiting})
	if err != nil {
		return nil, err
	}
	if !c.yes && len(letters) > 0 {
		return nil, errNo{fmt.Sprintf("%s: %s would be acted on, and nothing was done; look with `referral dead-letters list`, then repeat with --yes",
			command, report.Quantity(int64(len(letters)), "dead letter"))}
	}
	ids := make([]int64, len(letters))
	for i := range letters {
		ids[i] = letters[i].ID
	}
	return ids, nil
}

func newDeadLettersReplay(p process) *cobra.Command {
	var corrected string
	var c chosen
	var who operator
	cmd := &cobra.Command{
		Use:   "replay (ID… | --topic T … --yes | --all) [--value FILE]",
		Short: "Put messages back on the topic they came from, as they are or corrected",
		Long: `Puts messages back on the topic that they came from, as they are or corrected. Only what
waits can be put back: what was put back already is refused, unless it has failed
again; then it is the same dead letter, with its history. Filters select several at
once, and take --yes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			const command = "dead-letters replay"
			if err := c.check(command, args); err != nil {
				return err
			}
			if corrected != "" && len(args) != 1 {
				return usageError(command, errors.New("--value goes with one number"))
			}
			if err := who.check(command, nothingRequired); err != nil {
				return err
			}
			a, err := openMigrated(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			c.yes = c.yes || c.all && !c.given() // --all alone says it
			ids, err := a.choose(cmd.Context(), command, &c, args)
			if err != nil {
				return err
			}
			return a.replay(cmd.Context(), p, ids, corrected, &who)
		},
	}
	c.flags(cmd, "fault")
	who.flags(cmd, nothingRequired)
	cmd.Flags().StringVar(&corrected, "value", "", "the corrected message, a `file` or - for standard input")
	cmd.Flags().BoolVar(&c.all, "all", false, "every message that waits")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "act on all that the filters select")
	return cmd
}

func (a *app) replay(ctx context.Context, p process, ids []int64, corrected string, who *operator) error {
	var body []byte
	if corrected != "" {
		var err error
		if body, err = readValue(p, corrected); err != nil {
			return err
		}
	}
	back, err := a.newPutBack()
	if err != nil {
		return err
	}
	defer back.close()
	for _, id := range ids {
		act := who.action(models.ActionReplay, models.DeadLetterSubject(id))
		var topic string
		err := a.store.ReplayDeadLetter(ctx, id, body, act, func(m models.Message) error {
			topic = m.Origin.Topic
			return back.write(ctx, id, &m)
		})
		if errors.Is(err, store.ErrDeadLetterState) {
			return a.refuseLetter(ctx, id, "put back")
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "dead letter %d is back on %s\n", id, topic)
	}
	return nil
}

func newDeadLettersDiscard(p process) *cobra.Command {
	var c chosen
	var who operator
	cmd := &cobra.Command{
		Use:   "discard (ID… | --topic T … --yes) --by NAME --reason TEXT",
		Short: "Say that messages will not be put back, and why",
		Long: `Says that messages will not be put back: they no longer wait for a person. Nothing is
deleted, and who discarded what, when and why is recorded. Filters select several of
those that wait, and take --yes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			const command = "dead-letters discard"
			if err := c.check(command, args); err != nil {
				return err
			}
			if err := who.check(command, reasonRequired); err != nil {
				return err
			}
			a, err := openMigrated(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			ids, err := a.choose(cmd.Context(), command, &c, args)
			if err != nil {
				return err
			}
			return a.discard(cmd.Context(), p, ids, &who)
		},
	}
	c.flags(cmd, "fault")
	who.flags(cmd, reasonRequired)
	cmd.Flags().BoolVar(&c.all, "all", false, "every message that waits")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "act on all that the filters select")
	return cmd
}

func (a *app) discard(ctx context.Context, p process, ids []int64, who *operator) error {
	var discarded []int64
	for part := range slices.Chunk(ids, listPage) {
		done, err := a.store.DiscardDeadLetters(ctx, part, func(id int64) models.OperatorAction {
			return who.action(models.ActionDiscard, models.DeadLetterSubject(id))
		})
		if err != nil {
			return err
		}
		discarded = append(discarded, done...)
	}
	if len(discarded) > 0 || len(ids) == 0 {
		fmt.Fprintf(p.out, "%s discarded\n", report.Quantity(int64(len(discarded)), "dead letter"))
	}
	for _, id := range ids {
		if !slices.Contains(discarded, id) {
			return a.refuseLetter(ctx, id, "discarded")
		}
	}
	return nil
}

// refuseLetter says why nothing can be done with a dead letter: who did what when.
func (a *app) refuseLetter(ctx context.Context, id int64, what string) error {
	letter, err := a.letter(ctx, id)
	if err != nil {
		return err
	}
	acts, err := a.store.Actions(ctx, models.DeadLetterSubject(id))
	if err != nil {
		return err
	}
	why := map[models.DeadLetterState]string{
		models.DeadLetterWaiting:   "was being put back at this moment by another command; try again",
		models.DeadLetterReplayed:  "was put back already, and what becomes of it is not known yet",
		models.DeadLetterResolved:  "was put back already, and taken",
		models.DeadLetterDiscarded: "was discarded",
	}[letter.State]
	if len(acts) > 0 && letter.State != models.DeadLetterWaiting {
		last := acts[len(acts)-1]
		why += fmt.Sprintf(" (by %s on %s)", report.Printable(last.Who), last.At.Format(time.RFC3339))
	}
	return errNo{fmt.Sprintf("dead letter %d cannot be %s: it %s", id, what, why)}
}

// readValue reads a corrected message. An empty one is a mistake of the one who writes it:
// a message without a value cannot be read.
func readValue(p process, file string) ([]byte, error) {
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(p.in) }
	}
	body, err := read()
	if err == nil && len(body) == 0 {
		err = fmt.Errorf("%s is empty: give the corrected message", file)
	}
	return body, usageError("--value", err)
}

// putBack writes messages to the topics that they came from.
type putBack struct {
	transport *kafka.Transport
	writer    *kafka.Writer
}

func (a *app) newPutBack() (*putBack, error) {
	transport, err := a.kafka().transport()
	if err != nil {
		return nil, err
	}
	return &putBack{transport: transport, writer: &kafka.Writer{
		Addr: kafka.TCP(a.config.Kafka.Brokers...), Transport: transport,
		Balancer: kafka.Murmur2Balancer{Consistent: true}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, BatchBytes: 32 << 20,
		MaxAttempts: 3, // the dead letter is locked meanwhile
	}}, nil
}

// write puts one message back, with the id of its dead letter: should it fail
// again, the consumer adds that to the dead letter.
func (b *putBack) write(ctx context.Context, id int64, m *models.Message) error {
	message := kafka.Message{Topic: m.Origin.Topic, Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		if h.Key != models.DeadLetterHeader {
			message.Headers = append(message.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
	}
	message.Headers = append(message.Headers, kafka.Header{Key: models.DeadLetterHeader, Value: []byte(strconv.FormatInt(id, 10))})
	if err := b.writer.WriteMessages(ctx, message); err != nil {
		return fmt.Errorf("writing to topic %s: %w", m.Origin.Topic, err)
	}
	return nil
}

func (b *putBack) close() {
	_ = b.writer.Close() // every write was acknowledged or has failed
	b.transport.CloseIdleConnections()
}
