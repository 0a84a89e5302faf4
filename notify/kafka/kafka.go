// Package kafka passes invitations by a topic to an operator that sends messages itself.
package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"referral/models"
)

// Options configures a sender. Brokers, Topic and Now are required.
type Options struct {
	Brokers   []string         // host:port
	Topic     string           // read by the operator's own sender
	Transport *kafka.Transport // with TLS and SASL; closed by the caller; nil means plain text
	Now       func() time.Time
}

const timeout = 10 * time.Second // of one invitation

// Sender writes invitations to a topic. An invitation with an unknown outcome is written
// again, because receivers drop a repeated id.
type Sender struct {
	o        Options
	client   *kafka.Client
	balancer kafka.Balancer
}

// New returns a sender. It does not connect yet.
func New(o Options) (*Sender, error) {
	if len(o.Brokers) == 0 || o.Topic == "" || o.Now == nil {
		return nil, errors.New("notify/kafka: the options Brokers, Topic and Now are required")
	}
	s := &Sender{o: o, balancer: kafka.Murmur2Balancer{}, client: &kafka.Client{Addr: kafka.TCP(o.Brokers...)}}
	if o.Transport != nil { // a nil one in the interface would not be nil
		s.client.Transport = o.Transport
	}
	return s, nil
}

// Send writes one invitation and returns when all in-sync replicas have it. The id is its
// position on the topic. An error wraps models.ErrMessageRefused if the message is at
// fault, and models.ErrTransportUnreachable if nothing was written; after any other error that
// is unknown.
func (s *Sender) Send(ctx context.Context, m *models.InvitationMessage) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	value, err := Event(m)
	if err != nil {
		return nil, s.failed(models.ErrMessageRefused, err)
	}
	key := strconv.AppendInt(nil, m.AccountID, 10)
	partition, err := s.partition(ctx, key)
	if err == nil {
		err = ctx.Err() // from here on it may be written
	}
	if err != nil {
		return nil, s.failed(models.ErrTransportUnreachable, err)
	}
	position, err := s.write(ctx, partition, key, value)
	switch {
	case err == nil:
		return []string{position}, nil
	case errors.Is(err, kafka.MessageSizeTooLarge), errors.Is(err, kafka.RecordListTooLarge), errors.Is(err, kafka.InvalidRecord):
		return nil, s.failed(models.ErrMessageRefused, err)
	case wroteNothing(err):
		return nil, s.failed(models.ErrTransportUnreachable, err)
	}
	return nil, s.failed(errInDoubt, err)
}

// errInDoubt wraps none of the errors that say what became of a message.
var errInDoubt = errors.New("it is unknown whether the message was written")

// partition returns the partition of a key, as Java clients choose it.
func (s *Sender) partition(ctx context.Context, key []byte) (int, error) {
	meta, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{s.o.Topic}})
	if err != nil {
		return 0, err
	}
	topic := meta.Topics[0]
	if topic.Error != nil || len(topic.Partitions) == 0 {
		return 0, cmp.Or[error](topic.Error, kafka.UnknownTopicOrPartition)
	}
	ids := make([]int, len(topic.Partitions))
	for i := range ids {
		ids[i] = i
	}
	return s.balancer.Balance(kafka.Message{Key: key}, ids...), nil
}

func (s *Sender) write(ctx context.Context, partition int, key, value []byte) (position string, err error) {
	response, err := s.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: s.o.Topic, Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{
			Time: s.o.Now(), Key: kafka.NewBytes(key), Value: kafka.NewBytes(value),
			Headers: []kafka.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}},
		}),
	})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/%d@%d", s.o.Topic, partition, response.BaseOffset), nil
}

func (s *Sender) failed(kind, err error) error {
	return fmt.Errorf("notify/kafka: writing an invitation to topic %s: %w: %w", s.o.Topic, kind, err)
}

// wroteNothing reports whether an error is from before the message was sent, or a refusal
// of the broker. After a lost connection or a timeout of replicas the message may have
// been written.
func wroteNothing(err error) bool {
	var network *net.OpError
	var topic *protocol.TopicError // there is no broker to ask
	var partition *protocol.TopicPartitionError
	if errors.As(err, &network) && network.Op == "dial" || errors.As(err, &topic) || errors.As(err, &partition) {
		return true
	}
	return slices.ContainsFunc([]error{
		kafka.UnknownTopicOrPartition, kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.BrokerNotAvailable,
		kafka.NotEnoughReplicas, kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed,
	}, func(known error) bool { return errors.Is(err, known) })
}
