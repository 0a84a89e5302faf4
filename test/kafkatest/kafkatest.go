// Package kafkatest makes topics on the Kafka of a test, and reads them.
package kafkatest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/internal/sleep"
)

// Address is that of the broker.
func Address(t testing.TB) string {
	t.Helper()
	return Setting(t, "REFERRAL_TEST_KAFKA")
}

// Setting is a variable that testenv has set.
func Setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run the tests by make test", name)
	}
	return value
}

// Client is a client of the broker.
func Client(t testing.TB) *kafka.Client {
	t.Helper()
	return &kafka.Client{Addr: kafka.TCP(Address(t)), Transport: &kafka.Transport{}}
}

// Create makes topics for as long as the test runs.
func Create(t testing.TB, partitions int, configs []kafka.ConfigEntry, names ...string) {
	t.Helper()
	client := Client(t)
	var wanted []kafka.TopicConfig
	for _, name := range names {
		wanted = append(wanted, kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs})
	}
	created, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: wanted})
	must(t, err)
	for _, err := range created.Errors {
		must(t, err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteTopics(context.WithoutCancel(t.Context()), &kafka.DeleteTopicsRequest{Topics: names})
		must(t, err)
	})
}

// Read is all records of a topic, partition by partition.
func Read(t testing.TB, topic string, partitions int) []kafka.Message {
	t.Helper()
	var records []kafka.Message
	for p := range partitions {
		conn, end := Leader(t, topic, p)
		for range end {
			m, err := conn.ReadMessage(64 << 20)
			must(t, err)
			records = append(records, m)
		}
		must(t, conn.Close())
	}
	return records
}

// Leader is a connection to a partition's leader, and the partition's end. One that
// was made a moment ago has no leader yet.
func Leader(t testing.TB, topic string, partition int) (conn *kafka.Conn, end int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		conn, err := kafka.DialLeader(ctx, "tcp", Address(t), topic, partition)
		if err == nil {
			if end, err = conn.ReadLastOffset(); err == nil {
				return conn, end
			}
			must(t, conn.Close())
		}
		if !errors.Is(err, kafka.NotLeaderForPartition) && !errors.Is(err, kafka.LeaderNotAvailable) || !sleep.For(ctx, 50*time.Millisecond) {
			t.Fatal(err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
