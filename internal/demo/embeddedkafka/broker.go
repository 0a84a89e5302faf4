// Package embeddedkafka runs a Kafka broker inside the process: for the demo, which
// must work with nothing installed beforehand, and for tests that inject
// faults. It speaks Kafka's protocol but replicates nothing, so it is no
// stand-in for a real broker where durability over several machines matters.
package embeddedkafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// maxBatchBytes lets a message over 1 MiB through: the contract has it arrive
// and be set aside, so a broker that refuses it would hide the case.
const maxBatchBytes = 16 << 20

// Options is what a broker is started with.
type Options struct {
	DataDir string         // acknowledged records and offsets are kept there; empty keeps them in memory
	Topics  map[string]int // partitions by name; those missing are created
	Port    int            // on 127.0.0.1; 0 takes a free one
}

func (o Options) validate() error {
	for name, partitions := range o.Topics {
		if name == "" || partitions < 1 {
			return fmt.Errorf("embeddedkafka: topic %q with %d partitions", name, partitions)
		}
	}
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("embeddedkafka: port %d", o.Port)
	}
	return nil
}

// Broker is one running broker.
type Broker struct {
	cluster *kfake.Cluster
	addr    string // asked for once: a stopped cluster no longer answers
	stop    func()
}

// Start runs a broker until Stop, or until ctx ends. With a DataDir that was
// used before it goes on where that broker left off, even if it was killed.
func Start(ctx context.Context, o Options) (*Broker, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("embeddedkafka: %w", err)
	}
	cluster, err := kfake.NewCluster(settings(o)...)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	b := &Broker{cluster: cluster, addr: cluster.ListenAddrs()[0], stop: sync.OnceFunc(cluster.Close)}
	if err := b.createMissing(o.Topics); err != nil {
		b.Stop()
		return nil, err
	}
	context.AfterFunc(ctx, b.stop)
	return b, nil
}

func settings(o Options) []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(maxBatchBytes)}),
	}
	if o.Port != 0 {
		opts = append(opts, kfake.Ports(o.Port))
	}
	if o.DataDir != "" {
		// Without SyncWrites a killed demo would forget what it acknowledged.
		opts = append(opts, kfake.DataDir(o.DataDir), kfake.SyncWrites())
	}
	return opts
}

func (b *Broker) createMissing(topics map[string]int) error {
	var failed []error
	for name, partitions := range topics {
		if b.cluster.TopicInfo(name) != nil {
			continue
		}
		if err := b.cluster.CreateTopic(name, int32(partitions), nil); err != nil {
			failed = append(failed, fmt.Errorf("creating topic %s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// Addr is where the broker listens, as host:port.
func (b *Broker) Addr() string { return b.addr }

// Cluster is the broker itself: its Fault and ControlKey make it misbehave.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Stop ends the broker; what it acknowledged stays in its DataDir. Stopping
// twice is no error.
func (b *Broker) Stop() { b.stop() }
