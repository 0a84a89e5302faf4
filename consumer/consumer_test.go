package consumer

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// embedded starts a broker of the test's own.
func embedded(t *testing.T, more ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func TestConsumer(t *testing.T) {
	runBrokerCases(t, func(t *testing.T) []string { return embedded(t).ListenAddrs() })
}
