package cabinet

import (
	"context"
	"time"
)

// Sweep forgets what has had its time: counters whose windows are over, and
// answers that are kept no longer.
func (o *Office) Sweep(ctx context.Context) error {
	for _, sweep := range []func(context.Context) (int64, error){
		o.o.Store.SweepTries,
		func(ctx context.Context) (int64, error) { return o.o.Store.SweepRequests(ctx, keepRequests) },
	} {
		for {
			n, err := sweep(ctx)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
	}
	return nil
}

// KeepTidy sweeps now and then, until ctx is done. Any number of replicas may.
func (o *Office) KeepTidy(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := o.Sweep(ctx); err != nil && ctx.Err() == nil {
			o.o.Log.Warn("sweeping failed; the next sweep does it", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
