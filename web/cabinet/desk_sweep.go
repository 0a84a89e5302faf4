package cabinet

import (
	"context"
	"time"
)

// Sweep forgets what has had its time: counters whose windows are over, answers
// that are kept no longer, and whom old invitations were sent to.
func (o *Office) Sweep(ctx context.Context) error {
	for _, sweep := range []func(context.Context) (int64, error){
		o.o.Store.SweepTries,
		func(ctx context.Context) (int64, error) { return o.o.Store.SweepRequests(ctx, keepRequests) },
		o.forgetRecipients,
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

func (o *Office) forgetRecipients(ctx context.Context) (int64, error) {
	n, err := o.o.Store.ForgetRecipients(ctx, o.o.Invites.KeepRecipients)
	if n > 0 {
		o.metrics.forgotten.Add(float64(n))
		o.o.Log.Info("the addresses of old invitations were forgotten", "invitations", n)
	}
	return n, err
}

// KeepTidy sweeps now and then, until ctx is done. Any number of replicas may.
func (o *Office) KeepTidy(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := o.guard.Do(func() error { return o.Sweep(ctx) }); err != nil && ctx.Err() == nil {
			o.o.Log.Warn("sweeping failed; the next sweep does it", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
