package pages

import (
	"context"
	"errors"
	"time"

	"github.com/sethvargo/go-retry"

	"referral/web/portal"
)

const (
	maxTries      = 10
	retryInterval = 200 * time.Millisecond
)

// retryWhileUnderWay calls do until the same form is no longer being processed: when a
// form is sent twice, the browser shows the second answer, which must be the first.
func retryWhileUnderWay[T any](ctx context.Context, do func() (T, error)) (T, error) {
	waits := retry.WithMaxRetries(maxTries-1, retry.NewConstant(retryInterval))
	return retry.DoValue(ctx, waits, func(context.Context) (T, error) {
		answer, err := do()
		if errors.Is(err, portal.ErrUnderWay) {
			err = retry.RetryableError(err)
		}
		return answer, err
	})
}
