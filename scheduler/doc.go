// Package scheduler decides which period is due and carries its run out: cron,
// the start-up catch-up and `referral run` are thin callers of one [Settler].
package scheduler
