// Package kafka hands invitations to an operator that sends messages itself, by a
// topic.
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

// Options is where invitations are written to. Brokers, Topic and Now are required.
type Options struct {
	Brokers   []string         // host:port
	Topic     string           // of the operator's own sender
	Transport *kafka.Transport // carries TLS and SASL, and stays the caller's to close; nil means plain text
	Now       func() time.Time
}

const timeout = 10 * time.Second // of one invitation

// Sender writes invitations to a topic. Receivers drop a repeated id: an invitation
// whose outcome is not known is written again.
type Sender struct {
	o        Options
	client   *kafka.Client
	balancer kafka.Balancer
}

// New makes a sender. It connects to nothing yet.
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

// Send writes one invitation and returns when all in-sync replicas have it. Its id
// is its place on the topic. A refusal that lies in the message wraps
// models.ErrTransportRefuses, an attempt that wrote nothing models.ErrTransportAway;
// every other error leaves it open whether it was written.
func (s *Sender) Send(ctx context.Context, m *models.InvitationMessage) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	value, err := Event(m)
	if err != nil {
		return nil, s.failed(models.ErrTransportRefuses, err)
	}
	key := strconv.AppendInt(nil, m.AccountID, 10)
	partition, err := s.partition(ctx, key)
	if err == nil {
		err = ctx.Err() // from here on it is on its way
	}
	if err != nil {
		return nil, s.failed(models.ErrTransportAway, err)
	}
	place, err := s.write(ctx, partition, key, value)
	switch {
	case err == nil:
		return []string{place}, nil
	case errors.Is(err, kafka.MessageSizeTooLarge), errors.Is(err, kafka.RecordListTooLarge), errors.Is(err, kafka.InvalidRecord):
		return nil, s.failed(models.ErrTransportRefuses, err)
	case wroteNothing(err):
		return nil, s.failed(models.ErrTransportAway, err)
	}
	return nil, s.failed(errInDoubt, err)
}

// errInDoubt is of none of the kinds that say what became of a message.
var errInDoubt = errors.New("nobody knows whether it was written")

// partition is where the messages of an account go, as Java's clients choose it.
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

func (s *Sender) write(ctx context.Context, partition int, key, value []byte) (place string, err error) {
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

// wroteNothing tells an error from before the message was on its way, or by which
// the broker says that it has not taken it. It errs on the side of doubt: a
// connection that breaks, and replicas that do not confirm in time, may have it.
func wroteNothing(err error) bool {
	var network *net.OpError
	var topic *protocol.TopicError // these two name no broker to ask
	var partition *protocol.TopicPartitionError
	if errors.As(err, &network) && network.Op == "dial" || errors.As(err, &topic) || errors.As(err, &partition) {
		return true
	}
	return slices.ContainsFunc([]error{
		kafka.UnknownTopicOrPartition, kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.BrokerNotAvailable,
		kafka.NotEnoughReplicas, kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed,
	}, func(known error) bool { return errors.Is(err, known) })
}
