package consumer

import (
	"os"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/scram"
)

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run me through make test", name)
	}
	return value
}

func TestConsumerOnKafka(t *testing.T) {
	runBrokerCases(t, func(t *testing.T) []string { return []string{setting(t, "REFERRAL_TEST_KAFKA")} })
}

func TestConsumerOnKafkaWithPassword(t *testing.T) {
	t.Parallel()
	r := newRig(t, []string{setting(t, "REFERRAL_TEST_KAFKA")}, 1)
	mechanism, err := scram.Mechanism(scram.SHA512, setting(t, "REFERRAL_TEST_KAFKA_USER"), setting(t, "REFERRAL_TEST_KAFKA_PASSWORD"))
	r.must(err)
	r.sendLeavers(0, 1, 11)
	m := r.start(func(o *Options) {
		o.Brokers = []string{setting(t, "REFERRAL_TEST_KAFKA_SASL")}
		o.Dialer = &kafka.Dialer{SASLMechanism: mechanism}
	})
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	r.until("ready", func() bool { return m.Ready() == nil })
}
