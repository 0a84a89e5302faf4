package pages

import (
	"context"
	"errors"
	"time"

	"referral/web/cabinet"
)

// A form sent twice is answered twice, and the browser shows the second answer: so
// that one waits until the first is known.
const (
	tries      = 10
	tryAgainIn = 200 * time.Millisecond
)

// settled does what a form asks for, again while the same form is being answered.
func settled[T any](ctx context.Context, do func() (T, error)) (answer T, err error) {
	for range tries {
		if answer, err = do(); !errors.Is(err, cabinet.ErrUnderWay) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, ctx.Err()
		case <-time.After(tryAgainIn):
		}
	}
	return answer, err
}
