package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"referral/test/cutproxy"
	"referral/test/kafkaserver"
)

// onCluster is the same database with a cluster of brokers.
func (b *faultServers) onCluster(t *testing.T) *faultServers {
	t.Helper()
	via := newProxies(t, kafkaserver.Nodes)
	c, err := kafkaserver.StartCluster(t.Context(), kafkaserver.Options{SASLVia: via.addrs()})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, c.Stop)
	via.forwardTo(c.Nodes...)
	return &faultServers{database: b.database, via: via, cluster: c}
}

// node is a broker, of a cluster any.
func (b *faultServers) node() *kafkaserver.Broker {
	if b.cluster != nil {
		return b.cluster.Nodes[0]
	}
	return b.broker
}

// servers are those that tests reach.
func (b *faultServers) servers() servers {
	if b.cluster != nil {
		return servers{b.dsn("postgres"), b.cluster.Addrs()}
	}
	return servers{b.dsn("postgres"), b.broker.Addr()}
}

// overrides are settings of the programs on these servers.
func (b *faultServers) overrides() []string {
	if b.cluster != nil {
		return []string{fmt.Sprintf("REFERRAL_KAFKA_REPLICATION_FACTOR=%d", kafkaserver.Nodes)}
	}
	return nil
}

// proxies are before the brokers, one each.
type proxies []*cutproxy.Proxy

func newProxies(t *testing.T, n int) (all proxies) {
	t.Helper()
	for range n {
		all = append(all, cutproxy.New(t, "", cutproxy.Kafka, cutproxy.Kafka))
	}
	return all
}

func (all proxies) addrs() (addrs []string) {
	for _, p := range all {
		addrs = append(addrs, p.Addr())
	}
	return addrs
}

func (all proxies) forwardTo(nodes ...*kafkaserver.Broker) {
	for i, p := range all {
		p.ForwardTo(nodes[i].SASLAddr())
	}
}

func (all proxies) dropPlan() {
	for _, p := range all {
		p.DropPlan()
	}
}

// cuts is how many connections have been broken by plan.
func (all proxies) cuts() (n int) {
	for _, p := range all {
		n += p.Cuts()
	}
	return n
}

// clusterFaults are those of a cluster of brokers. The last one leaves a node dead.
func clusterFaults() []fault {
	return []fault{
		{name: "leaders move while the nodes are restarted", breakOnce: (*faultyRun).restartNodes},
		{name: "too few replicas are in sync", breakOnce: (*faultyRun).lackReplicas, heal: (*faultyRun).completeReplicas, send: (*faultyRun).sendAgain},
		{name: "another node is dead in every stage", breakOnce: (*faultyRun).killNextNode, send: (*faultyRun).sendAgain},
	}
}

// restartNodes restarts one node after the other, as an upgrade of the cluster does.
// A node gives its partitions away before it ends.
func (p *faultyRun) restartNodes() {
	p.w.t.Helper()
	for _, node := range p.b.cluster.Nodes {
		p.restart(node)
	}
}

// killNextNode starts the node that was killed before, if one was, and kills the next.
// Leaders, group coordinators and the active controller are lost without notice.
func (p *faultyRun) killNextNode() {
	p.w.t.Helper()
	if p.killed > 0 {
		p.restart(p.lastKilled())
	}
	p.killNode()
}

// lackReplicas has the brokers refuse messages to every topic, and commits of offsets.
func (p *faultyRun) lackReplicas() {
	p.w.t.Helper()
	p.require(kafkaserver.Nodes)
	p.killNode()
}

// completeReplicas starts the missing node again, once a message has been refused where
// the stage has one to publish.
func (p *faultyRun) completeReplicas() {
	p.w.t.Helper()
	if slices.Contains(p.serving.cmd.Args, "--only=consumer,publisher,web") {
		p.w.until("the refusal of a message", func() (bool, string) {
			return strings.Contains(p.serving.log.all(), kafka.NotEnoughReplicas.Title()), "none is logged"
		})
	}
	p.restart(p.lastKilled())
	p.require(kafkaserver.Nodes - 1)
}

func (p *faultyRun) killNode() {
	p.w.t.Helper()
	p.killed++
	if err := p.lastKilled().Kill(); err != nil {
		p.w.t.Fatal(err)
	}
}

func (p *faultyRun) lastKilled() *kafkaserver.Broker {
	return p.b.cluster.Nodes[p.killed%kafkaserver.Nodes]
}

func (p *faultyRun) restart(node *kafkaserver.Broker) {
	p.w.t.Helper()
	if err := node.Restart(p.w.t.Context()); err != nil {
		p.w.t.Fatal(err)
	}
	p.w.client.Transport.(*kafka.Transport).CloseIdleConnections() // those to the node are dead
}

// require says how many replicas must have a message, or a commit of an offset, before it
// is acknowledged.
func (p *faultyRun) require(replicas int) {
	w := p.w
	w.t.Helper()
	request := &kafka.IncrementalAlterConfigsRequest{}
	for _, topic := range append(slices.Collect(maps.Values(w.topics)), "__consumer_offsets") {
		request.Resources = append(request.Resources, kafka.IncrementalAlterConfigsRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{
				Name: "min.insync.replicas", Value: strconv.Itoa(replicas), ConfigOperation: kafka.ConfigOperationSet,
			}},
		})
	}
	answer, err := w.client.IncrementalAlterConfigs(w.t.Context(), request)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, resource := range answer.Resources {
		if resource.Error != nil {
			w.t.Fatalf("requiring %d replicas of %s: %v", replicas, resource.ResourceName, resource.Error)
		}
	}
}
