package portal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"referral/models"
)

// Limit is how many wrong codes are allowed within a window of time. Windows follow
// one another without a gap and are the same for all clients.
type Limit struct {
	Wrong int
	In    time.Duration
}

// Limits is the limits on wrong codes: by account, by client IP, and overall.
type Limits struct {
	Account, Address, Overall Limit
}

func (l Limits) validate() error {
	for name, limit := range map[string]Limit{"account": l.Account, "address": l.Address, "overall": l.Overall} {
		if limit.Wrong < 1 || limit.In < time.Second {
			return fmt.Errorf("the limit on wrong codes by %s must be at least one in at least a second", name)
		}
	}
	return nil
}

// counters returns the counters of an attempt in the order in which they are locked:
// the most shared one comes last, so that it is locked for the shortest time.
func (l Limits) counters(account int64, clientIP string, now time.Time) []models.AttemptLimit {
	counter := func(scope, subject string, limit Limit) models.AttemptLimit {
		return models.AttemptLimit{Scope: scope, Subject: subject, Ends: now.Truncate(limit.In).Add(limit.In), Allowed: limit.Wrong}
	}
	return []models.AttemptLimit{
		counter("account", strconv.FormatInt(account, 10), l.Account),
		counter("address", addressBlock(clientIP), l.Address),
		counter("overall", "", l.Overall),
	}
}

// throttled checks a code only within the limits. The attempt is counted before the
// check, so that concurrent requests cannot exceed a limit, and returned when the code
// was accepted or the check failed. It stays counted after a timeout, because the code
// may have been checked.
func (s *service) throttled(ctx context.Context, account int64, clientIP string, check func() (ActivationResult, error)) (ActivationResult, error) {
	now := s.options.Now()
	counters := s.options.Limits.counters(account, clientIP, now)
	over, err := s.options.Store.ReserveAttempt(ctx, counters)
	if err != nil {
		return ActivationResult{}, err
	}
	if !over.IsZero() {
		return ActivationResult{Wait: max(over.Sub(now), time.Second)}, nil
	}
	decision, err := check()
	if decision.Accepted || err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		s.returnAttempt(ctx, counters)
	}
	return decision, err
}

// returnAttempt only logs an error: the attempt then stays counted.
func (s *service) returnAttempt(ctx context.Context, counters []models.AttemptLimit) {
	ctx, cancel := forCleanup(ctx)
	defer cancel()
	if err := s.options.Store.ReturnAttempt(ctx, counters); err != nil {
		s.options.Log.WarnContext(ctx, "an attempt stays counted as a wrong code", "error", err)
	}
}
