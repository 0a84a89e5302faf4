package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"referral/archive"
	"referral/cmd/referral/report"
	"referral/internal/sleep"
	"referral/models"
)

func newArchive(p process) *cobra.Command {
	var verify, restore bool
	cmd := &cobra.Command{
		Use:   "archive DIRECTORY",
		Short: "Keep the messages of the topics in compressed files, or put them back",
		Long: `Adds to an archive what the input topics, and the topics of events, documents and packages
hold now and the archive does not: compressed files with a manifest and their SHA-256. It may
be ended at any time, and is continued by the next call. What retention had removed from a
topic before is named.

--verify reads the archive, and names every file that is not as it was written. --restore
writes the messages of the input topics to where they came from: to an empty cluster, say. To
write there what is there already is harmless, because facts are a set. What the program
itself had published is not written: other systems have read it. ` + "`referral recover`" + ` reads
it from the archive.

The messages hold personal data: keep the directory like a backup of the database.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if verify && restore {
				return misuse(cmd, "--verify and --restore do not go together")
			}
			a, err := openApp(cmd, p, readOnly)
			if err != nil {
				return err
			}
			defer a.close()
			switch {
			case verify:
				return a.verifyArchive(args[0])
			case restore:
				return a.restoreArchive(cmd.Context(), args[0])
			}
			_, err = a.archive(cmd.Context(), args[0])
			return err
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "read the archive, and name what is damaged")
	cmd.Flags().BoolVar(&restore, "restore", false, "write the messages to the topics")
	return cmd
}

// archive adds what the topics hold now to an archive: the input topics, and those that a
// recovery reads.
func (a *app) archive(ctx context.Context, directory string) (*archive.Reader, error) {
	w, err := archive.Create(ctx, directory, strings.ToLower(rand.Text()[:8]), func() {
		fmt.Fprintf(a.err, "another process writes to %s: waiting for it\n", directory)
	})
	if err != nil {
		return nil, err
	}
	err = errors.Join(a.fillArchive(ctx, w), w.Close())
	if err != nil {
		return nil, err
	}
	r, err := archive.Open(directory)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(a.out, "%s added to %s\n", report.Quantity(w.Messages(), "message"), directory)
	for _, g := range r.Gaps {
		fmt.Fprintf(a.out, "retention has removed %s/%d offsets %d to %d: they are in no archive\n", g.Topic, g.Partition, g.From, g.To-1)
	}
	return r, nil
}

// fillArchive reads the topics as a consumer group of the archive's own, up to where they
// end now.
func (a *app) fillArchive(ctx context.Context, w *archive.Writer) error {
	k := a.kafka()
	own := *k.Kafka
	own.Group += "-archive-" + w.ID()
	k.Kafka = &own
	client, closeClient, err := k.client()
	if err != nil {
		return err
	}
	defer closeClient()
	out := k.outTopics().All()
	topics := append(k.factTopics().All(), out...)
	bounds, err := k.topicBounds(ctx, client, topics...)
	if err != nil {
		return err
	}
	reader, err := a.consumerOf(k, w, prometheus.NewRegistry(), out...)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	group, reading := errgroup.WithContext(reading)
	group.Go(func() error { return reader.Run(reading) })
	group.Go(func() error { a.showArchiving(reading, w, bounds); return nil })
	err = k.awaitConsumed(ctx, topics)
	stop()
	if err := errors.Join(err, group.Wait()); err != nil {
		return err
	}
	starts := map[string]map[int]int64{}
	for topic, partitions := range bounds {
		starts[topic] = map[int]int64{}
		for number, b := range partitions {
			starts[topic][number] = b.first
		}
	}
	return w.NoteGaps(starts)
}

func (a *app) showArchiving(ctx context.Context, w *archive.Writer, bounds map[string]map[int]offsetBounds) {
	bar := newBar(a.err)
	defer bar.Clear() //nolint:errcheck // it is decoration
	all := int64(0)
	for _, partitions := range bounds {
		for _, b := range partitions {
			all += b.end - b.first
		}
	}
	bar.ChangeMax64(max(all, 1))
	bar.Describe("archiving")
	for sleep.For(ctx, 200*time.Millisecond) {
		_ = bar.Set64(min(w.Messages(), all))
	}
}

func (a *app) verifyArchive(directory string) error {
	r, err := archive.Open(directory)
	if err != nil {
		return err
	}
	messages, faults := r.Verify()
	for _, fault := range faults {
		fmt.Fprintln(a.out, fault)
	}
	if len(faults) > 0 {
		return negativeResult(fmt.Sprintf("%s of %d in %s cannot be used", report.Quantity(int64(len(faults)), "file"), len(r.Segments), directory))
	}
	fmt.Fprintf(a.out, "%s in %s, all as they were written\n", report.Quantity(messages, "message"), report.Quantity(int64(len(r.Segments)), "file"))
	return nil
}

// restoreBatch is how many messages are written at once.
const restoreBatch = 1000

// restoreArchive writes the messages of the input topics to where they came from, each to the partition
// that it was in, where there is one: so those of an account keep their order.
func (a *app) restoreArchive(ctx context.Context, directory string) error {
	r, err := archive.Open(directory)
	if err != nil {
		return err
	}
	out := a.kafka().outTopics().All()
	topics := slices.DeleteFunc(slices.Sorted(maps.Keys(r.Topics)), func(topic string) bool { return slices.Contains(out, topic) })
	if err := a.kafka().requireTopics(ctx, topics); err != nil {
		return err
	}
	transport, err := a.kafka().transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	byKey := kafka.Murmur2Balancer{Consistent: true}
	writer := &kafka.Writer{
		Addr: kafka.TCP(a.config.Kafka.Brokers...), Transport: transport, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, BatchBytes: 32 << 20,
		Balancer: kafka.BalancerFunc(func(m kafka.Message, partitions ...int) int {
			if number, ok := m.WriterData.(int); ok && slices.Contains(partitions, number) {
				return number
			}
			return byKey.Balance(m, partitions...)
		}),
	}
	defer writer.Close() //nolint:errcheck // every write was acknowledged or has failed
	var done int64
	bar := newBar(a.err)
	bar.ChangeMax64(max(r.Messages(topics...), 1))
	bar.Describe("restoring")
	var batch []kafka.Message
	send := func() error {
		if err := writer.WriteMessages(ctx, batch...); err != nil {
			return fmt.Errorf("writing to the topics: %w", err)
		}
		done += int64(len(batch))
		_ = bar.Set64(done)
		batch = batch[:0]
		return nil
	}
	for _, s := range r.Of(topics...) {
		err := r.Read(s, func(m models.Message) error {
			out := kafka.Message{Topic: m.Origin.Topic, Key: m.Key, Value: m.Value, Time: m.At, WriterData: m.Origin.Partition}
			for _, h := range m.Headers {
				out.Headers = append(out.Headers, kafka.Header{Key: h.Key, Value: h.Value})
			}
			if batch = append(batch, out); len(batch) < restoreBatch {
				return nil
			}
			return send()
		})
		if err == nil && len(batch) > 0 {
			err = send()
		}
		if err != nil {
			return err
		}
	}
	_ = bar.Clear()
	fmt.Fprintf(a.out, "%s written to %s\n", report.Quantity(done, "message"), strings.Join(topics, ", "))
	return nil
}
