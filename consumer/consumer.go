package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sethvargo/go-retry"
	"github.com/twmb/franz-go/pkg/kgo"

	"referral/consumer/decode"
	"referral/internal/health"
	"referral/internal/promregister"
	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/models"
)

// Consumer takes what arrives on the topics, as a member of its group. Build it
// with [New].
type Consumer struct {
	o       Options
	log     *slog.Logger
	decoder *decode.Decoder
	// decodeMessage is the decoder's; tests replace it.
	decodeMessage func(models.Message) models.DecodedMessage
	metrics       *metrics
	health        *health.Tracker   // without a log: the lines of the consumer say more
	guard         *recovering.Guard // of what messages and brokers' answers set off
	decompressor  kgo.Decompressor
	// positions are shown by the metrics, and so outlive the generations.
	positions *positions
}

// Subjects of the state of health.
const (
	onBroker   = "broker"
	onDatabase = "database"
)

// New checks the options and registers the metrics. It connects to nothing yet.
func New(o Options) (*Consumer, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	decoder, err := decode.New(o.Topics, o.Currency)
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	guard, err := recovering.NewPrivate(o.Log, o.Registerer, "consumer")
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	reg := promregister.New(o.Registerer)
	c := &Consumer{
		o: o, log: o.Log.With("component", "consumer", "group", o.Group),
		decoder: decoder, decodeMessage: decoder.Decode, metrics: newMetrics(reg, o.Topics, decoder),
		health: health.New(health.Options{}), guard: guard,
		decompressor: kgo.DefaultDecompressor(), positions: newPositions(o.Now),
	}
	reg.MustRegister(c.positions)
	if err := reg.Err(); err != nil {
		return nil, fmt.Errorf("consumer: registering metrics: %w", err)
	}
	c.health.Report(onBroker, errors.New("the group has not been joined yet"))
	return c, nil
}

// Ready is nil when the topics exist and the last exchanges with the broker and
// the database worked. Otherwise it names all that is wrong.
func (c *Consumer) Ready() error { return c.health.Err() }

// Run consumes until ctx is done, and then stops cleanly: what is being written
// gets Timing.StopGrace to finish and to be committed. It waits out every
// failure of the broker and the database, and so returns nil.
func (c *Consumer) Run(ctx context.Context) error {
	defer c.health.Report(onBroker, errors.New("the consumer has stopped"))
	wait := c.backoff()
	for {
		var joined bool
		err := c.guard.Do(func() (err error) { joined, err = c.membership(ctx); return err })
		if ctx.Err() != nil {
			return nil
		}
		if joined {
			wait = c.backoff()
		}
		pause, _ := wait.Next()
		c.metrics.joinErrors.Inc()
		c.health.Report(onBroker, err)
		c.log.ErrorContext(ctx, "not in the consumer group; trying again", "error", err, "in", pause.String())
		if !sleep.For(ctx, pause) {
			return nil
		}
	}
}

// backoff is the waits between tries of one thing, longer and longer, and
// scattered so that replicas do not try in step.
func (c *Consumer) backoff() retry.Backoff {
	return retry.WithJitterPercent(25, sleep.Backoff(c.o.Timing.RetryMin, c.o.Timing.RetryMax))
}

// membership is one stay in the group. It ends with the error that ended it;
// joined tells whether messages could be consumed before.
func (c *Consumer) membership(ctx context.Context) (joined bool, err error) {
	connections := newConnections(ctx, c.o.Dialer)
	defer connections.close()
	if err := c.checkTopics(ctx, connections); err != nil {
		return false, err
	}
	client, closePool := connections.client(c.o.Brokers, c.o.allTopics())
	defer closePool()
	group, err := kafka.NewConsumerGroup(c.groupConfig(connections))
	if err != nil {
		return false, fmt.Errorf("setting up the group: %w", err)
	}
	defer c.leave(group, connections)
	for {
		generation, err := group.Next(ctx)
		if errors.Is(err, kafka.RebalanceInProgress) {
			continue
		}
		if err != nil {
			return joined, fmt.Errorf("joining the group: %w", err)
		}
		joined = true
		if err := c.generation(ctx, generation, connections, client); err != nil {
			return joined, err
		}
	}
}

// leave closes the group, which waits for the work in progress. A join that
// hangs must not hold up a stop, so the connections are cut after a while.
func (c *Consumer) leave(group *kafka.ConsumerGroup, connections *connections) {
	cut := time.AfterFunc(c.o.Timing.StopGrace+stopReserve, connections.close)
	defer cut.Stop()
	if err := group.Close(); err != nil {
		c.log.Warn("leaving the group", "error", err)
	}
}

func (c *Consumer) groupConfig(connections *connections) kafka.ConsumerGroupConfig {
	t := c.o.Timing
	return kafka.ConsumerGroupConfig{
		ID: c.o.Group, Brokers: c.o.Brokers, Dialer: connections.dialer(), Topics: c.o.allTopics(),
		StartOffset: kafka.FirstOffset, SessionTimeout: t.SessionTimeout, HeartbeatInterval: t.Heartbeat,
		WatchPartitionChanges: true, PartitionWatchInterval: t.WatchTopics,
		JoinGroupBackoff: t.RetryMin, Timeout: dialTimeout,
		ErrorLogger: kafka.LoggerFunc(func(format string, args ...any) {
			c.log.Warn("kafka group: " + fmt.Sprintf(format, args...))
		}),
	}
}

// generation consumes the partitions of one generation until the next is due.
func (c *Consumer) generation(ctx context.Context, g *kafka.Generation, connections *connections, client *kafka.Client) error {
	c.metrics.generations.Inc()
	c.health.Report(onBroker, nil)
	began := c.o.Now()
	assigned, err := c.newAssignment(ctx, g, client)
	if err != nil {
		return err
	}
	assigned.start()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-assigned.ended:
	}
	if err := assigned.failed(); err != nil {
		return err
	}
	// Members that come and go end a generation often, but not at once. Without a
	// pause, a fault that kafka-go answers by joining again would do so endlessly.
	if c.o.Now().Sub(began) < c.o.Timing.RetryMin*10 && !sleep.For(ctx, c.o.Timing.RetryMin*5) {
		return ctx.Err()
	}
	return c.checkTopics(ctx, connections)
}
