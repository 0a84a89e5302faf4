package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"referral/models"
)

func newDeadLetters(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "Messages set aside, and putting them back",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError("dead-letters", errors.New("say what: list, show ID or replay ID"))
		},
	}
	cmd.AddCommand(newDeadLettersList(p), newDeadLettersShow(p), newDeadLettersReplay(p))
	return cmd
}

// letterReport is a dead letter as JSON, without its body: that may hold
// personal data.
type letterReport struct {
	ID         int64           `json:"id"`
	SetAsideAt time.Time       `json:"set_aside_at"`
	Topic      string          `json:"topic"`
	Partition  int             `json:"partition"`
	Offset     int64           `json:"offset"`
	Reason     models.BadInput `json:"reason"`
	Detail     string          `json:"detail"`
	ReplayedAt *time.Time      `json:"replayed_at,omitempty"`
}

// listPage is how many dead letters are read at once.
const listPage = 500

func newDeadLettersList(p process) *cobra.Command {
	var all bool
	var format string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "What was set aside and why, the oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format, "table", "json"); err != nil {
				return err
			}
			a, err := openMigrated(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			reports, err := a.letters(cmd.Context(), all)
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(p, reports)
			}
			rows := make([][]string, len(reports))
			for i, r := range reports {
				rows[i] = []string{fmt.Sprint(r.ID), r.SetAsideAt.Format(time.DateTime), fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset), string(r.Reason), r.Detail}
			}
			printTable(p.out, fmt.Sprintf("%d dead letters", len(reports)), []string{"id", "set aside", "from", "reason", "detail"}, rows)
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those put back too")
	cmd.Flags().StringVar(&format, "format", "table", "`table` or json")
	return cmd
}

func (a *app) letters(ctx context.Context, all bool) ([]letterReport, error) {
	reports := []letterReport{}
	for after := int64(0); ; {
		page, err := a.store.ListDeadLetters(ctx, all, after, listPage)
		if err != nil {
			return nil, err
		}
		for _, l := range page {
			o := l.Message.Origin
			r := letterReport{ID: l.ID, SetAsideAt: l.At, Topic: o.Topic, Partition: o.Partition, Offset: o.Offset, Reason: l.Fault.Reason, Detail: l.Fault.Detail}
			if !l.ReplayedAt.IsZero() {
				r.ReplayedAt = &l.ReplayedAt
			}
			reports = append(reports, r)
			after = l.ID
		}
		if len(page) < listPage {
			return reports, nil
		}
	}
}

func (a *app) letter(ctx context.Context, arg string) (models.SetAside, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return models.SetAside{}, usageError("dead-letters", fmt.Errorf("%q is no number of a dead letter; see `referral dead-letters list`", arg))
	}
	letter, found, err := a.store.DeadLetter(ctx, id)
	if err == nil && !found {
		err = errNo{fmt.Sprintf("there is no dead letter %d; see `referral dead-letters list --all`", id)}
	}
	return letter, err
}

func newDeadLettersShow(p process) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Write a message to standard output, byte for byte, to be mended",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := openMigrated(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			letter, err := a.letter(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if _, err := p.out.Write(letter.Message.Value); err != nil {
				return fmt.Errorf("printing: %w", err)
			}
			return nil
		},
	}
}

func newDeadLettersReplay(p process) *cobra.Command {
	var mended string
	var all bool
	cmd := &cobra.Command{
		Use:   "replay (ID… | --all) [--value FILE]",
		Short: "Put messages back on the topic they came from, as they are or mended",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) || mended != "" && len(args) != 1 {
				return usageError("dead-letters replay", errors.New("give numbers of dead letters, or --all; --value goes with one number"))
			}
			a, err := openMigrated(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			return a.replay(cmd.Context(), p, args, all, mended)
		},
	}
	cmd.Flags().StringVar(&mended, "value", "", "the mended message, a `file` or - for standard input")
	cmd.Flags().BoolVar(&all, "all", false, "every message that was not put back yet")
	return cmd
}

func (a *app) replay(ctx context.Context, p process, ids []string, all bool, mended string) error {
	if all {
		reports, err := a.letters(ctx, false)
		if err != nil {
			return err
		}
		for _, r := range reports {
			ids = append(ids, fmt.Sprint(r.ID))
		}
	}
	var body []byte
	if mended != "" {
		var err error
		if body, err = readValue(p, mended); err != nil {
			return err
		}
	}
	for _, id := range ids {
		letter, err := a.letter(ctx, id)
		if err != nil {
			return err
		}
		if body != nil {
			letter.Message.Value = body
		}
		if err := a.putBack(ctx, letter); err != nil {
			return err
		}
		fmt.Fprintf(p.out, "dead letter %d is back on %s\n", letter.ID, letter.Message.Origin.Topic)
	}
	return nil
}

func readValue(p process, file string) ([]byte, error) {
	if file == "-" {
		body, err := io.ReadAll(p.in)
		if err != nil {
			return nil, fmt.Errorf("reading the mended message: %w", err)
		}
		return body, nil
	}
	body, err := os.ReadFile(file)
	return body, usageError("--value", err)
}

// putBack writes the message first and notes it then: killed between the two, it
// goes back twice, and its event id makes that once.
func (a *app) putBack(ctx context.Context, letter models.SetAside) error {
	transport, err := a.config.Kafka.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Addr: kafka.TCP(a.config.Kafka.Brokers...), Topic: letter.Message.Origin.Topic, Transport: transport,
		Balancer: kafka.Murmur2Balancer{Consistent: true}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, BatchBytes: 32 << 20,
	}
	message := kafka.Message{Key: letter.Message.Key, Value: letter.Message.Value}
	for _, h := range letter.Message.Headers {
		message.Headers = append(message.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	if err := writer.WriteMessages(ctx, message); err != nil {
		_ = writer.Close()
		return fmt.Errorf("putting dead letter %d back on %s: %w", letter.ID, letter.Message.Origin.Topic, err)
	}
	if err := writer.Close(); err != nil {
		return fmt.Errorf("putting dead letter %d back: %w", letter.ID, err)
	}
	return a.store.MarkReplayed(ctx, letter.ID, a.now())
}
