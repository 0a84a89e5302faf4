package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"referral/cmd/referral/config"
)

// kafkaTimeout bounds one exchange with the broker at the command line.
const kafkaTimeout = 15 * time.Second

// cluster is the Kafka of the configuration, as the commands use it.
type cluster struct{ *config.Kafka }

func (a *app) kafka() cluster { return cluster{&a.config.Kafka} }

func (k cluster) mechanism() (sasl.Mechanism, error) {
	password, err := k.SASL.Secret()
	if err != nil {
		return nil, err
	}
	switch k.SASL.Mechanism {
	case "plain":
		return plain.Mechanism{Username: k.SASL.Username, Password: password}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, k.SASL.Username, password)
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, k.SASL.Username, password)
	}
	return nil, nil
}

// dialer and transport are the two ways in which kafka-go connects.
func (k cluster) dialer() (*kafka.Dialer, error) {
	security, err := k.TLS.Client("kafka.tls")
	if err != nil {
		return nil, err
	}
	login, err := k.mechanism()
	if err != nil {
		return nil, usageError("kafka.sasl", err)
	}
	return &kafka.Dialer{ClientID: "referral", Timeout: kafkaTimeout, DualStack: true, TLS: security, SASLMechanism: login}, nil
}

func (k cluster) transport() (*kafka.Transport, error) {
	security, err := k.TLS.Client("kafka.tls")
	if err != nil {
		return nil, err
	}
	login, err := k.mechanism()
	if err != nil {
		return nil, usageError("kafka.sasl", err)
	}
	return &kafka.Transport{ClientID: "referral", DialTimeout: kafkaTimeout, TLS: security, SASL: login}, nil
}

// ping asks whether a broker answers.
func (k cluster) ping(ctx context.Context) error {
	dialer, err := k.dialer()
	if err != nil {
		return err
	}
	var failed error
	for _, broker := range k.Brokers {
		conn, err := dialer.DialContext(ctx, "tcp", broker)
		if err == nil {
			_, err = conn.ApiVersions()
			err = errors.Join(err, conn.Close())
		}
		if err == nil {
			return nil
		}
		failed = errors.Join(failed, fmt.Errorf("asking broker %s: %w", broker, err))
	}
	return failed
}

// deadLetterBytes is the largest message that the dead-letter topic takes: what
// is set aside for being too large must find its way there.
const deadLetterBytes = "33554432"

// ensureTopics makes the topics that are missing, or when it may not, names them.
// That of invitations is made when it is used; all else works without it, so that
// it is only returned as absent when it may not be made.
func (k cluster) ensureTopics(ctx context.Context, invitations bool) (created []string, absent string, err error) {
	transport, err := k.transport()
	if err != nil {
		return nil, "", err
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(k.Brokers...), Timeout: kafkaTimeout, Transport: transport}
	missing, err := k.missingTopics(ctx, client)
	if err != nil {
		return nil, "", err
	}
	if own, made := k.Topics.Notifications, invitations && k.CreateTopics; !made && slices.Contains(missing, own) {
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == own })
		if invitations {
			absent = own
		}
	}
	if len(missing) == 0 {
		return nil, absent, nil
	}
	if !k.CreateTopics {
		return nil, "", fmt.Errorf("the topics %s are missing: create them, or set kafka.create_topics", strings.Join(missing, ", "))
	}
	return missing, "", k.createTopics(ctx, client, missing)
}

func (k cluster) missingTopics(ctx context.Context, client *kafka.Client) ([]string, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, fmt.Errorf("asking %s for its topics: %w", strings.Join(k.Brokers, ", "), err)
	}
	var missing []string
	for _, name := range k.Topics.Names() {
		if !slices.ContainsFunc(meta.Topics, func(t kafka.Topic) bool { return t.Name == name }) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}

func (k cluster) createTopics(ctx context.Context, client *kafka.Client, names []string) error {
	request := &kafka.CreateTopicsRequest{}
	for _, name := range names {
		topic := kafka.TopicConfig{Topic: name, NumPartitions: k.Partitions, ReplicationFactor: k.ReplicationFactor}
		if name == k.Topics.DeadLetters {
			topic.ConfigEntries = []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: deadLetterBytes}}
		}
		request.Topics = append(request.Topics, topic)
	}
	response, err := client.CreateTopics(ctx, request)
	if err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	for name, err := range response.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("creating topic %s: %w", name, err)
		}
	}
	return nil
}

// offsets is a position in every partition of some topics.
type offsets map[string]map[int]int64

// awaitConsumed returns when the group has consumed all that its topics held at
// the call. A broker that is away is asked again until ctx ends.
func (k cluster) awaitConsumed(ctx context.Context) error {
	transport, err := k.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(k.Brokers...), Timeout: kafkaTimeout, Transport: transport}
	var ends offsets
	for {
		done, err := false, error(nil)
		if ends == nil {
			ends, err = k.topicEnds(ctx, client)
		}
		if err == nil {
			done, err = k.consumed(ctx, client, ends)
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for the facts to be consumed: %w", ctx.Err()), err)
		case <-time.After(consumedPoll):
		}
	}
}

const consumedPoll = 200 * time.Millisecond

// factTopics is the topics that are consumed.
func factTopics(t *config.Topics) []string {
	return []string{t.Registered, t.PromoEnded, t.Terminated, t.Activation, t.Invoices, t.Results}
}

// topicEnds is where the topics end now; partitions that hold nothing are left out.
func (k cluster) topicEnds(ctx context.Context, client *kafka.Client) (offsets, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: factTopics(&k.Topics)})
	if err != nil {
		return nil, fmt.Errorf("asking for the partitions: %w", err)
	}
	ask := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, topic := range meta.Topics {
		for _, p := range topic.Partitions {
			ask.Topics[topic.Name] = append(ask.Topics[topic.Name], kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
		}
	}
	answer, err := client.ListOffsets(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("asking where the topics end: %w", err)
	}
	ends := offsets{}
	for topic, partitions := range answer.Topics {
		ends[topic] = map[int]int64{}
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("asking where %s/%d ends: %w", topic, p.Partition, p.Error)
			}
			if p.LastOffset > p.FirstOffset {
				ends[topic][p.Partition] = p.LastOffset
			}
		}
	}
	return ends, nil
}

// consumed tells whether the group has committed everything before the ends.
func (k cluster) consumed(ctx context.Context, client *kafka.Client, ends offsets) (bool, error) {
	ask := &kafka.OffsetFetchRequest{GroupID: k.Group, Topics: map[string][]int{}}
	for topic, partitions := range ends {
		for partition := range partitions {
			ask.Topics[topic] = append(ask.Topics[topic], partition)
		}
	}
	answer, err := client.OffsetFetch(ctx, ask)
	if err != nil {
		return false, fmt.Errorf("asking what group %s has consumed: %w", k.Group, err)
	}
	committed := offsets{}
	for topic, partitions := range answer.Topics {
		committed[topic] = map[int]int64{}
		for _, p := range partitions {
			committed[topic][p.Partition] = p.CommittedOffset
		}
	}
	for topic, partitions := range ends {
		for partition, end := range partitions {
			if committed[topic][partition] < end {
				return false, nil
			}
		}
	}
	return true, nil
}
