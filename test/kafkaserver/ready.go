package kafkaserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// ready makes a client's first requests. An open port proves little: a broker
// accepts connections before it has joined its cluster, and a group's coordinator
// needs a topic that is made at the first request.
func (b *Broker) ready(ctx context.Context) error {
	const timeout = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := b.readyPlain(ctx); err != nil {
		return err
	}
	return b.Authenticate(ctx, b.Password())
}

// Authenticate tries a password of User at SASLAddr.
func (b *Broker) Authenticate(ctx context.Context, password string) error {
	mechanism, err := scram.Mechanism(scram.SHA512, user, password)
	if err != nil {
		return fmt.Errorf("prepare authentication: %w", err)
	}
	dialer := kafkago.Dialer{SASLMechanism: mechanism}
	conn, err := dialer.DialContext(ctx, "tcp", b.SASLAddr())
	if err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	return conn.Close()
}

func (b *Broker) readyPlain(ctx context.Context) error {
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := kafkago.Client{Addr: kafkago.TCP(b.Addr()), Transport: transport}
	metadata, err := client.Metadata(ctx, &kafkago.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("ask for metadata: %w", err)
	}
	if len(metadata.Brokers) == 0 {
		return errors.New("the broker has not joined its cluster")
	}
	for _, topic := range metadata.Topics {
		for _, partition := range topic.Partitions {
			if partition.Error != nil {
				return fmt.Errorf("topic %s, partition %d: %w", topic.Name, partition.ID, partition.Error)
			}
		}
	}
	coordinator, err := client.FindCoordinator(ctx, &kafkago.FindCoordinatorRequest{
		Key: "probe", KeyType: kafkago.CoordinatorKeyTypeConsumer,
	})
	if err != nil {
		return fmt.Errorf("ask for a group coordinator: %w", err)
	}
	if coordinator.Error != nil {
		return fmt.Errorf("ask for a group coordinator: %w", coordinator.Error)
	}
	return nil
}
