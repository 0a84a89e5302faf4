package cabinet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"referral/models"
)

// Limit is how many wrong codes are looked at within a window of time. Windows
// follow one another without a gap and are the same for everybody.
type Limit struct {
	Wrong int
	In    time.Duration
}

// Limits is the limits on wrong codes: of one account, of one address, of all
// together.
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

// counters of a try, in the order in which they are locked: what many share comes
// last, and is held for the shortest time.
func (l Limits) counters(account int64, address string, now time.Time) []models.Tries {
	counter := func(scope, subject string, limit Limit) models.Tries {
		return models.Tries{Scope: scope, Subject: subject, Ends: now.Truncate(limit.In).Add(limit.In), Allowed: limit.Wrong}
	}
	return []models.Tries{
		counter("account", strconv.FormatInt(account, 10), l.Account),
		counter("address", neighbourhood(address), l.Address),
		counter("overall", "", l.Overall),
	}
}

// guarded looks at a code only while the client, its address and all together are
// within their limits. The try is counted before, and taken off again when the
// code was good, or when nothing was learnt from it: whoever sends many at one
// moment gets no more looked at. It stays counted when time ran out, for nobody
// knows then whether the code was looked at.
func (o *Office) guarded(ctx context.Context, account int64, address string, look func() (Verdict, error)) (Verdict, error) {
	now := o.o.Now()
	counters := o.o.Limits.counters(account, address, now)
	over, err := o.o.Store.ReserveTry(ctx, counters)
	if err != nil {
		return Verdict{}, err
	}
	if !over.IsZero() {
		return Verdict{Wait: max(over.Sub(now), time.Second)}, nil
	}
	verdict, err := look()
	if verdict.Accepted || err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		o.giveBack(ctx, counters)
	}
	return verdict, err
}

// giveBack is not worth failing for: the try stays counted then.
func (o *Office) giveBack(ctx context.Context, counters []models.Tries) {
	ctx, cancel := lastly(ctx)
	defer cancel()
	if err := o.o.Store.GiveBackTry(ctx, counters); err != nil {
		o.o.Log.Warn("a try that was no wrong code stays counted as one", "error", err)
	}
}
