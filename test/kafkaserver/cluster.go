package kafkaserver

import (
	"context"
	"strings"
)

// Nodes of a cluster. One may be missing: two replicas of a message are enough for its
// acknowledgement, and two controllers for a decision.
const Nodes = 3

// Cluster is a running Kafka of several nodes. Every node has a replica of every
// partition.
type Cluster struct {
	Nodes []*Broker
}

// StartCluster is Start for a cluster.
func StartCluster(ctx context.Context, o Options) (*Cluster, error) {
	nodes, err := start(ctx, o, Nodes)
	if err != nil {
		return nil, err
	}
	return &Cluster{nodes}, nil
}

// Stop ends all nodes and removes their files.
func (c *Cluster) Stop() error { return stop(c.Nodes) }

// Addrs is where clients reach the nodes without authentication, separated by commas.
func (c *Cluster) Addrs() string {
	var all []string
	for _, b := range c.Nodes {
		all = append(all, b.Addr())
	}
	return strings.Join(all, ",")
}
