// Package sleep waits for a time, or for less when it is no longer wanted.
package sleep

import (
	"context"
	"time"
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
