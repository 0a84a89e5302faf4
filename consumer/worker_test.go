package consumer

import (
	"testing"

	"referral/models"
)

// Without tracing, a batch costs nothing for what its messages say of traces.
func TestABatchReadsNoHeadersWithoutTracing(t *testing.T) {
	batch := make([]models.DecodedMessage, 2000)
	for i := range batch {
		batch[i].Message.Headers = []models.Header{{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")}}
	}
	ctx := t.Context()
	if allocations := testing.AllocsPerRun(10, func() {
		if causes(ctx, batch) != nil {
			t.Error("headers were read")
		}
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
