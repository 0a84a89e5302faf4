package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// checkTopics makes sure that every topic exists, and names those that do not:
// a group that lacks one would join again and again and consume nothing.
func (c *Consumer) checkTopics(ctx context.Context, wires *wires) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timing.Patience)
	defer cancel()
	if err := c.knock(ctx, wires); err != nil {
		return err
	}
	// The client of kafka-go asks without having a missing topic created.
	transport := &kafka.Transport{
		Dial: wires.dial, TLS: wires.base.TLS, SASL: wires.base.SASLMechanism,
		ClientID: wires.base.ClientID, MetadataTopics: c.o.Topics.All(), DialTimeout: wires.base.Timeout,
	}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(c.o.Brokers...), Transport: transport}
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: c.o.Topics.All()})
	if err != nil {
		return fmt.Errorf("asking the brokers %s for the topics: %w", strings.Join(c.o.Brokers, ","), err)
	}
	var errs []error
	for _, topic := range answer.Topics {
		if topic.Error != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", topic.Name, topic.Error))
		}
	}
	return errors.Join(errs...)
}

// knock finds a broker that lets the consumer in. The client of kafka-go would
// say no more than "unexpected EOF" about a wrong password.
func (c *Consumer) knock(ctx context.Context, wires *wires) error {
	var errs []error
	for _, broker := range c.o.Brokers {
		conn, err := wires.dialer().DialContext(ctx, "tcp", broker)
		if err == nil {
			return conn.Close()
		}
		errs = append(errs, fmt.Errorf("connecting to the broker %s: %w", broker, err))
	}
	return errors.Join(errs...)
}

// dialLeader connects to the broker that leads a partition, through the first
// broker that answers.
func (c *Consumer) dialLeader(ctx context.Context, wires *wires, topic string, partition int) (*kafka.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timing.Patience)
	defer cancel()
	var errs []error
	for _, broker := range c.o.Brokers {
		conn, err := wires.dialer().DialLeader(ctx, "tcp", broker, topic, partition)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("through %s: %w", broker, err))
	}
	return nil, fmt.Errorf("connecting to the leader: %w", errors.Join(errs...))
}

// endOffset asks for the offset behind the last message of a partition.
func (c *Consumer) endOffset(ctx context.Context, wires *wires, topic string, partition int) (int64, error) {
	conn, err := c.dialLeader(ctx, wires, topic, partition)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(c.o.Timing.Patience)); err != nil {
		return 0, err
	}
	return conn.ReadLastOffset()
}
