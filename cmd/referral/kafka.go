package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"referral/cmd/referral/advice"
	"referral/cmd/referral/config"
	"referral/consumer/decode"
	"referral/internal/renewal"
	"referral/internal/sleep"
	"referral/rebuild"
)

// kafkaTimeout limits one request to a broker.
const kafkaTimeout = 15 * time.Second

// cluster is the Kafka cluster of the configuration.
type cluster struct {
	*config.Kafka
	security func() (*kafkaSecurity, error)
}

func (a *app) kafka() cluster { return cluster{&a.config.Kafka, a.security} }

// kafkaSecurity is how connections to brokers are secured, and how the program logs in
// on them: each connection with the certificates and the password of its time.
type kafkaSecurity struct {
	tls   *renewal.Value[*tls.Config] // of nil for plain text
	login *renewal.Value[sasl.Mechanism]
}

func (a *app) secureKafka() (*kafkaSecurity, error) {
	k := &a.config.Kafka
	security, err := renewal.Read(a.files, "kafka.tls", func() (*tls.Config, error) { return k.TLS.Client("kafka.tls") }, k.TLS.Files()...)
	if err != nil {
		return nil, err
	}
	login, err := renewal.Read(a.files, "kafka.sasl.password_file", func() (sasl.Mechanism, error) { return loginOf(&k.SASL) }, k.SASL.PasswordFile)
	return &kafkaSecurity{security, login}, err
}

// loginOf is nil for none.
func loginOf(s *config.SASL) (mechanism sasl.Mechanism, err error) {
	password, err := s.Secret()
	if err != nil {
		return nil, err
	}
	switch s.Mechanism {
	case "plain":
		mechanism = plain.Mechanism{Username: s.Username, Password: password}
	case "scram-sha-256":
		mechanism, err = scram.Mechanism(scram.SHA256, s.Username, password)
	case "scram-sha-512":
		mechanism, err = scram.Mechanism(scram.SHA512, s.Username, password)
	}
	if err != nil {
		err = fmt.Errorf("kafka.sasl: %w", err)
	}
	return mechanism, err
}

func (s *kafkaSecurity) dial(ctx context.Context, network, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: kafkaTimeout}
	if c := s.tls.Get(); c != nil {
		return (&tls.Dialer{NetDialer: plain, Config: c}).DialContext(ctx, network, address)
	}
	return plain.DialContext(ctx, network, address)
}

// mechanism is nil for no login.
func (s *kafkaSecurity) mechanism() sasl.Mechanism {
	if s.login.Get() == nil {
		return nil
	}
	return currentLogin{s.login}
}

// currentLogin logs in as the configuration says at the moment.
type currentLogin struct{ *renewal.Value[sasl.Mechanism] }

func (l currentLogin) Name() string { return l.Get().Name() }

func (l currentLogin) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	return l.Get().Start(ctx)
}

// dialer and transport are the two ways in which kafka-go connects.
func (k cluster) dialer() (*kafka.Dialer, error) {
	s, err := k.security()
	if err != nil {
		return nil, err
	}
	return &kafka.Dialer{ClientID: "referral", Timeout: kafkaTimeout, DialFunc: s.dial, SASLMechanism: s.mechanism()}, nil
}

func (k cluster) transport() (*kafka.Transport, error) {
	s, err := k.security()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{ClientID: "referral", DialTimeout: kafkaTimeout, Dial: s.dial, SASL: s.mechanism()}, nil
}

// client is for requests to the cluster. The function closes its connections.
func (k cluster) client() (*kafka.Client, func(), error) {
	transport, err := k.transport()
	if err != nil {
		return nil, nil, err
	}
	return &kafka.Client{Addr: kafka.TCP(k.Brokers...), Timeout: kafkaTimeout, Transport: transport}, transport.CloseIdleConnections, nil
}

// ping is nil when a broker answers.
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
		failed = errors.Join(failed, fmt.Errorf("asking broker %s: %w", broker, advice.OfKafka(err)))
	}
	return failed
}

// deadLetterBytes is the largest message that the dead-letter topic takes: messages
// that are dead letters because of their size must fit.
const deadLetterBytes = "33554432"

// ensureTopics creates the topics that are missing, or when it may not, names them.
// That of invitations is created when it is used; all else works without it, so that
// it is only returned as absent when it may not be created.
func (k cluster) ensureTopics(ctx context.Context, invitations bool) (created []string, absent string, err error) {
	client, closeClient, err := k.client()
	if err != nil {
		return nil, "", err
	}
	defer closeClient()
	missing, err := k.missingTopics(ctx, client, slices.Collect(maps.Values(k.Topics.Names())))
	if err != nil {
		return nil, "", err
	}
	if own := k.Topics.Notifications; slices.Contains(missing, own) && (!invitations || !k.CreateTopics) {
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == own })
		if invitations {
			absent = own
		}
	}
	switch {
	case len(missing) == 0:
		return nil, absent, nil
	case !k.CreateTopics:
		return nil, "", fmt.Errorf("the topics %s are missing: create them, or set kafka.create_topics", strings.Join(missing, ", "))
	}
	return missing, "", k.createTopics(ctx, client, missing)
}

// missingTopics is those of the topics that the cluster does not have.
func (k cluster) missingTopics(ctx context.Context, client *kafka.Client, topics []string) ([]string, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, fmt.Errorf("asking %s for its topics: %w", strings.Join(k.Brokers, ", "), advice.OfKafka(err))
	}
	var missing []string
	for _, name := range topics {
		if !slices.ContainsFunc(meta.Topics, func(t kafka.Topic) bool { return t.Name == name }) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}

// requireTopics names those of the topics that the cluster does not have.
func (k cluster) requireTopics(ctx context.Context, topics []string) error {
	client, closeClient, err := k.client()
	if err != nil {
		return err
	}
	defer closeClient()
	missing, err := k.missingTopics(ctx, client, topics)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("the topics %s are missing: create them, with `referral migrate` when kafka.create_topics is on", strings.Join(missing, ", "))
	}
	return err
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

// awaitFacts returns when the group has consumed all facts that its topics held at
// the call. A broker that is unavailable is asked again until ctx ends.
func (k cluster) awaitFacts(ctx context.Context) error {
	return k.awaitConsumed(ctx, k.factTopics().All())
}

func (k cluster) awaitConsumed(ctx context.Context, topics []string) error {
	client, closeClient, err := k.client()
	if err != nil {
		return err
	}
	defer closeClient()
	var bounds map[string]map[int]offsetBounds
	for {
		consumed := false
		if bounds == nil {
			bounds, err = k.topicBounds(ctx, client, topics...)
		}
		if bounds != nil {
			consumed, err = k.consumed(ctx, client, bounds)
		}
		if consumed {
			return nil
		}
		if !sleep.For(ctx, consumedPoll) {
			return errors.Join(fmt.Errorf("waiting for the messages to be consumed: %w", ctx.Err()), err)
		}
	}
}

const consumedPoll = 200 * time.Millisecond

// factTopics is the topics that are consumed.
func (k cluster) factTopics() decode.Topics {
	return decode.Topics{
		Registered: k.Topics.Registered, PromoEnded: k.Topics.PromoEnded, Terminated: k.Topics.Terminated,
		Activation: k.Topics.Activation, Invoices: k.Topics.Invoices, Results: k.Topics.Results,
	}
}

// outTopics is the topics that the program publishes to and a recovery reads.
func (k cluster) outTopics() rebuild.OutTopics {
	return rebuild.OutTopics{Events: k.Topics.Events, Discounts: k.Topics.Discounts, Packages: k.Topics.Packages}
}

// offsetBounds is what a partition holds: the offsets from first to before end.
type offsetBounds struct{ first, end int64 }

// topicBounds is what the partitions of topics hold now.
func (k cluster) topicBounds(ctx context.Context, client *kafka.Client, topics ...string) (map[string]map[int]offsetBounds, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("asking for the partitions: %w", err)
	}
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, topic := range meta.Topics {
		for _, p := range topic.Partitions {
			request.Topics[topic.Name] = append(request.Topics[topic.Name], kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
		}
	}
	response, err := client.ListOffsets(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("asking where the topics end: %w", err)
	}
	bounds := map[string]map[int]offsetBounds{}
	for topic, partitions := range response.Topics {
		bounds[topic] = map[int]offsetBounds{}
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("asking where %s/%d ends: %w", topic, p.Partition, p.Error)
			}
			bounds[topic][p.Partition] = offsetBounds{p.FirstOffset, p.LastOffset}
		}
	}
	return bounds, nil
}

// consumed tells whether the group has committed everything that the partitions hold.
func (k cluster) consumed(ctx context.Context, client *kafka.Client, bounds map[string]map[int]offsetBounds) (bool, error) {
	request := &kafka.OffsetFetchRequest{GroupID: k.Group, Topics: map[string][]int{}}
	behind := 0 // partitions
	for topic, partitions := range bounds {
		for number, b := range partitions {
			if b.end > b.first {
				request.Topics[topic] = append(request.Topics[topic], number)
				behind++
			}
		}
	}
	if behind == 0 {
		return true, nil // a request without topics is one for all of them
	}
	response, err := client.OffsetFetch(ctx, request)
	if err != nil {
		return false, fmt.Errorf("asking what group %s has consumed: %w", k.Group, err)
	}
	for topic, partitions := range response.Topics {
		for _, p := range partitions {
			if p.CommittedOffset >= bounds[topic][p.Partition].end {
				behind--
			}
		}
	}
	return behind == 0, nil
}

// requireStopped refuses while a process of the service consumes.
func (k cluster) requireStopped(ctx context.Context) error {
	client, closeClient, err := k.client()
	if err != nil {
		return err
	}
	defer closeClient()
	response, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{k.Group}})
	if err != nil {
		return fmt.Errorf("asking who consumes as group %s: %w", k.Group, advice.OfKafka(err))
	}
	for _, g := range response.Groups {
		for _, m := range g.Members {
			return fmt.Errorf("the service runs: %s consumes as group %s; stop it first. One that was killed leaves the group within kafka.session_timeout", m.ClientHost, k.Group)
		}
	}
	return nil
}
