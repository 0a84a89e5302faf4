package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"
)

// checkTopics makes sure that every topic exists, and names those that do not:
// a group that lacks one would join again and again and consume nothing.
func (c *Consumer) checkTopics(ctx context.Context, connections *connections) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timing.AnswerTimeout)
	defer cancel()
	if err := c.dialAny(ctx, connections); err != nil {
		return err
	}
	client, closePool := connections.client(c.o.Brokers, c.o.allTopics())
	defer closePool()
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: c.o.allTopics()})
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

// dialAny finds a broker that lets the consumer in. The client of kafka-go would
// say no more than "unexpected EOF" about a wrong password.
func (c *Consumer) dialAny(ctx context.Context, connections *connections) error {
	var errs []error
	for _, broker := range c.o.Brokers {
		conn, err := connections.dialer().DialContext(ctx, "tcp", broker)
		if err == nil {
			return conn.Close()
		}
		errs = append(errs, fmt.Errorf("connecting to the broker %s: %w", broker, err))
	}
	return errors.Join(errs...)
}

// dialLeader connects to the broker that leads a partition, and says what it
// knows as the topic's id.
func (c *Consumer) dialLeader(ctx context.Context, connections *connections, of topicPartition) (*requester, topicID, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timing.AnswerTimeout)
	defer cancel()
	found, err := c.findLeader(ctx, connections, of)
	if err != nil {
		return nil, topicID{}, fmt.Errorf("asking for the leader: %w", err)
	}
	q, err := c.requester(ctx, connections, found.address)
	if err != nil {
		return nil, topicID{}, err
	}
	// Another broker may not know yet that the topic was made again; this one has
	// its records.
	if found, err = q.leader(of); err != nil {
		q.close()
		return nil, topicID{}, fmt.Errorf("asking the leader for the topic: %w", err)
	}
	return q, found.id, nil
}

// findLeader asks the first broker that answers.
func (c *Consumer) findLeader(ctx context.Context, connections *connections, of topicPartition) (leader, error) {
	var errs []error
	for _, broker := range c.o.Brokers {
		q, err := c.requester(ctx, connections, broker)
		if err == nil {
			var found leader
			found, err = q.leader(of)
			q.close()
			if err == nil {
				return found, nil
			}
		}
		errs = append(errs, fmt.Errorf("through %s: %w", broker, err))
	}
	return leader{}, errors.Join(errs...)
}

// endOffset asks for the offset behind the last message of a partition.
func (c *Consumer) endOffset(ctx context.Context, connections *connections, of topicPartition) (int64, error) {
	q, _, err := c.dialLeader(ctx, connections, of)
	if err != nil {
		return 0, err
	}
	defer q.close()
	return q.offset(of, atEnd)
}
