package pages

import (
	"context"
	"errors"
	"time"

	"referral/web/portal"
)

// A form sent twice is answered twice, and the browser shows the second answer, so
// the second waits until the first is known.
const (
	maxTries      = 10
	retryInterval = 200 * time.Millisecond
)

// retryWhileUnderWay calls do until the same form is no longer being processed.
func retryWhileUnderWay[T any](ctx context.Context, do func() (T, error)) (answer T, err error) {
	for range maxTries {
		if answer, err = do(); !errors.Is(err, portal.ErrUnderWay) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, ctx.Err()
		case <-time.After(retryInterval):
		}
	}
	return answer, err
}
