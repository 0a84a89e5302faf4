package consumer

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// The parts of the consumer that a panic is stopped in, as the metrics name them.
const (
	inMembership = "membership"
	inReader     = "reader"
	inDecoder    = "decoder"
	inWorker     = "worker"
	inStorage    = "storage"
	inRules      = "rules"
	inCommit     = "commit"
	inWatch      = "watch"
)

var guarded = []string{inMembership, inReader, inDecoder, inWorker, inStorage, inRules, inCommit, inWatch}

// guard turns a panic into an error, so that what one message or one answer of a
// broker sets off does not end the process.
func (c *Consumer) guard(part string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = c.stopped(part, p)
		}
	}()
	return do()
}

// stopped notes a panic. Of its value only a fault of the program's own is
// logged: another may quote the data.
func (c *Consumer) stopped(part string, value any) error {
	c.metrics.panics.WithLabelValues(part).Inc()
	what := fmt.Sprintf("%T", value)
	if fault, ok := value.(runtime.Error); ok {
		what = fault.Error()
	}
	c.log.Error("the "+part+" stopped with a panic", "panic", what, "stack", string(debug.Stack()))
	return fmt.Errorf("the %s stopped with a panic; the log has the place", part)
}
