package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"referral/internal/tracing"
)

// sender writes messages to topics. It calls the Produce request itself, because
// kafka-go's Writer goes on with a partition's next batch after it has given one
// up, and keeps writing after its caller has left: both would break the order.
type sender struct {
	client   *kafka.Client
	balancer kafka.Balancer
	retrier  *retrier
	metrics  *metrics
	now      func() time.Time

	slots       chan struct{} // one for each request on its way
	batchBytes  int
	maxMessage  int
	compression kafka.Compression
}

// partitionWriter writes the messages of one partition.
type partitionWriter struct {
	*sender
	topic     string
	partition int
	refuse    refusing
	refused   map[int64]bool // what is held since it began
	shared    *atomic.Bool
}

// refusing holds the account of a message that is refused permanently; false when no
// more can be held.
type refusing func(*message, error) bool

// send writes messages to a topic: those of one partition in order, each request
// only after the one before it has been acknowledged by all in-sync replicas. It
// tries until every message is sent, refused permanently, or left out because an
// earlier one with the same hold was refused; the messages say which were sent.
//
// The error is the end of ctx; a request that is on its way then is waited for.
// reusable says that nobody reads the messages' bytes any more.
func (s *sender) send(ctx context.Context, topic string, messages []message, refuse refusing) (reusable bool, err error) {
	if len(messages) == 0 {
		return true, nil
	}
	queues, err := s.queues(ctx, topic, messages)
	if err != nil {
		return true, err
	}
	var shared atomic.Bool
	group, ctx := errgroup.WithContext(ctx)
	for partition, queue := range queues {
		if len(queue) == 0 {
			continue
		}
		w := &partitionWriter{sender: s, topic: topic, partition: partition, refuse: refuse, refused: map[int64]bool{}, shared: &shared}
		group.Go(func() error { return s.retrier.guard.Do(func() error { return w.run(ctx, queue) }) })
	}
	err = group.Wait()
	return !shared.Load(), err
}

// queues distributes the messages over the partitions of the topic as Java's clients
// do. The number of partitions is read once, so that an account's messages stay
// together even while partitions are being added.
func (s *sender) queues(ctx context.Context, topic string, messages []message) ([][]*message, error) {
	partitions, err := s.partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	queues := make([][]*message, len(partitions))
	even := len(messages) / len(partitions)
	for i := range queues {
		queues[i] = make([]*message, 0, even+even/8+1)
	}
	for i := range messages {
		p := s.balancer.Balance(kafka.Message{Key: messages[i].key}, partitions...)
		queues[p] = append(queues[p], &messages[i])
	}
	return queues, nil
}

func (s *sender) partitions(ctx context.Context, topic string) (ids []int, err error) {
	what := task{Kind: doingMetadata, What: "looking for the partitions of topic " + topic}
	err = s.retrier.retry(ctx, what, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		ids, err = partitionsOf(ctx, s.client, topic)
		return err
	})
	return ids, err
}

func partitionsOf(ctx context.Context, client *kafka.Client, topic string) ([]int, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, err
	}
	t := meta.Topics[0]
	if t.Error != nil || len(t.Partitions) == 0 {
		return nil, cmp.Or[error](t.Error, kafka.UnknownTopicOrPartition)
	}
	ids := make([]int, len(t.Partitions))
	for i := range ids {
		ids[i] = i
	}
	return ids, nil
}

func (w *partitionWriter) run(ctx context.Context, queue []*message) error {
	for len(queue) > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n := w.batchLength(queue)
		if err := w.write(ctx, queue[:n]); err != nil {
			return err
		}
		queue = queue[n:]
	}
	return nil
}

// batchLength is how many of the first messages go into one request.
func (w *partitionWriter) batchLength(queue []*message) int {
	bytes := queue[0].size()
	n := 1
	for n < len(queue) {
		if bytes += queue[n].size(); bytes > w.batchBytes {
			break
		}
		n++
	}
	return n
}

// write sends a batch. When the broker refuses it, halves are tried, down to the
// single message that is at fault: that one is refused, and its account's later
// messages stay here.
func (w *partitionWriter) write(ctx context.Context, batch []*message) error {
	batch = w.allowed(batch)
	if len(batch) == 0 {
		return nil
	}
	refused, err := w.produce(ctx, batch)
	switch {
	case err != nil:
		return err
	case !refused:
		for _, message := range batch {
			message.sent = true
		}
		return nil
	case len(batch) == 1:
		w.refused[batch[0].hold] = true
		return nil
	}
	half := len(batch) / 2
	if err := w.write(ctx, batch[:half]); err != nil {
		return err
	}
	return w.write(ctx, batch[half:])
}

// allowed leaves out what follows a refused message.
func (w *partitionWriter) allowed(batch []*message) []*message {
	if len(w.refused) == 0 {
		return batch
	}
	// A copy, because the transport may still be reading what it was slow to send.
	return slices.DeleteFunc(slices.Clone(batch), func(m *message) bool { return w.refused[m.hold] })
}

// produce sends one request until the answer is final: an acknowledgement, or a
// refusal of the messages.
func (w *partitionWriter) produce(ctx context.Context, batch []*message) (refused bool, err error) {
	what := task{Kind: doingWrite, What: fmt.Sprintf("writing to topic %s, partition %d", w.topic, w.partition)}
	err = w.retrier.retry(ctx, what, func(ctx context.Context) error {
		err := w.unsendable(batch)
		if err == nil {
			err = w.request(ctx, batch)
		}
		refused = refusesMessage(err) && (len(batch) > 1 || w.refuse(batch[0], err))
		if refused {
			return nil
		}
		return err
	})
	return refused, err
}

// unsendable is why a batch is not even tried; nil when it can be.
func (w *partitionWriter) unsendable(batch []*message) error {
	for _, message := range batch {
		if message.fault != nil {
			return fmt.Errorf("%w: %w", errUnsendable, message.fault)
		}
		if message.size() > w.maxMessage {
			return fmt.Errorf("%w: over %d bytes", errUnsendable, w.maxMessage)
		}
	}
	return nil
}

// request is one attempt. ctx does not end it: the messages may arrive anyway, and
// the acknowledgement saves sending them again.
func (w *partitionWriter) request(ctx context.Context, batch []*message) error {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	start := w.now()
	response, err := w.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: w.topic, Partition: w.partition, RequiredAcks: kafka.RequireAll,
		Compression: w.compression, Records: &records{messages: batch, at: start},
	})
	tracing.Observe(ctx, w.metrics.writes.WithLabelValues(w.topic), w.now().Sub(start).Seconds())
	if err != nil {
		// The transport may still be reading the bytes of a request that it was
		// too slow to send.
		w.shared.Store(true)
		return err
	}
	return response.Error
}

// refusesMessage tells whether an answer would be the same at every attempt, unlike a
// lost connection, a missing topic or a missing right.
func refusesMessage(err error) bool {
	return errors.Is(err, errUnsendable) ||
		errors.Is(err, kafka.MessageSizeTooLarge) ||
		errors.Is(err, kafka.RecordListTooLarge) ||
		errors.Is(err, kafka.InvalidRecord)
}

var errUnsendable = errors.New("the message cannot be sent")
