// Package sleep waits for a time, or for less when it is no longer wanted.
package sleep

import (
	"context"
	"time"

	"github.com/sethvargo/go-retry"
)

// For waits, and tells whether the time has passed before ctx was done.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Backoff is the waits between the tries of one thing: each is twice the one before,
// up to the longest.
func Backoff(first, longest time.Duration) retry.Backoff {
	return retry.WithCappedDuration(longest, retry.NewExponential(first))
}

// Next waits for the next of the waits, and tells whether it has passed before ctx
// was done.
func Next(ctx context.Context, waits retry.Backoff) bool {
	d, _ := waits.Next()
	return For(ctx, d)
}

// Outlast is a context that is done only a while after ctx.
func Outlast(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		For(longer, grace)
		cancel()
	})
	return longer, func() {
		stop()
		cancel()
	}
}
