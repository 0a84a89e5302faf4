// Package embeddedkafka runs a Kafka broker inside the process, for the demo, which
// must work with nothing installed beforehand. It speaks Kafka's protocol and keeps
// everything in memory.
package embeddedkafka

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// largestBatch is more than a message over 1 MiB, which the program must refuse
// itself: a broker that refuses it would hide the case.
const largestBatch = 16 << 20

// Broker is a running broker.
type Broker struct{ cluster *kfake.Cluster }

// Start runs a broker on a free port of 127.0.0.1, with topics of so many partitions.
func Start(partitions int, topics ...string) (*Broker, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(partitions), topics...),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(largestBatch)}))
	if err != nil {
		return nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	return &Broker{cluster: cluster}, nil
}

// Addr is where the broker listens, as host:port.
func (b *Broker) Addr() string { return b.cluster.ListenAddrs()[0] }

// Stop ends the broker.
func (b *Broker) Stop() { b.cluster.Close() }
