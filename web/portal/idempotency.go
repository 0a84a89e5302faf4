package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"referral/models"
)

const (
	// answerRetention is how long a repeat gets the first answer. Source: docs/rules.md.
	answerRetention = 24 * time.Hour
	// claimTimeout is how long a request may be under way before a repeat may process
	// it instead: longer than the timeout of any statement.
	claimTimeout = 2 * time.Minute
)

// identity is what a request and all its repeats have in common.
type identity struct {
	id  string
	key models.UUID
	at  time.Time // of the first request, in microseconds as stored
}

// operation is a request before it is known whether it is a repeat.
type operation struct {
	account  int64
	key      string // idempotency key; empty for none
	name     string // of the operation
	argument string // of the operation, complete
}

func (a operation) request() models.ClientRequest {
	return models.ClientRequest{
		AccountID: a.account, Key: models.HashUUID("key", a.key), Digest: models.HashUUID(a.name, a.argument),
	}
}

// result is an answer. A transient one is not stored: a repeat is then processed as
// if it were the first.
type result[T any] struct {
	answer    T
	transient bool
}

// idempotent does the work of a request, and returns the stored answer to a repeat;
// then kept is true. A request without a key is processed each time. When work fails
// it is unknown how far it got: the next repeat does it again with the same identity,
// so doing it twice must change nothing.
func idempotent[T any](ctx context.Context, s *service, a operation, work func(identity) (result[T], error)) (answer T, on identity, kept bool, err error) {
	if a.key == "" {
		id := s.options.NewID()
		on = identity{id: id.String(), key: id, at: s.options.Now().Truncate(time.Microsecond)}
		r, err := work(on)
		return r.answer, on, false, err
	}
	claim, err := s.options.Store.ClaimRequest(ctx, a.request(), answerRetention, claimTimeout)
	if err != nil {
		return answer, on, false, err
	}
	on = identity{id: fmt.Sprintf("%d/%s/%d", claim.AccountID, claim.Key, claim.TakenAt.UnixMicro()), key: claim.Key, at: claim.TakenAt}
	switch claim.Status {
	case models.RequestOther:
		return answer, on, false, ErrKeyReused
	case models.RequestUnderWay:
		return answer, on, false, ErrUnderWay
	case models.RequestAnswered:
		if err := json.Unmarshal(claim.Answer, &answer); err != nil {
			return answer, on, false, fmt.Errorf("reading the stored answer: %w", err)
		}
		return answer, on, true, nil
	}
	r, err := work(on)
	s.saveAnswer(ctx, claim, r.answer, r.transient, err)
	return r.answer, on, false, err
}

// saveAnswer stores the answer, or releases the request. If that fails, a repeat is
// refused until claimTimeout, and then does the work again with the same identity.
func (s *service) saveAnswer(ctx context.Context, claim models.RequestClaim, answer any, transient bool, failure error) {
	ctx, cancel := forCleanup(ctx)
	defer cancel()
	var err error
	switch {
	case failure != nil:
		err = s.options.Store.ReleaseRequest(ctx, claim)
	case transient:
		err = s.options.Store.AbandonRequest(ctx, claim)
	default:
		var text []byte
		if text, err = json.Marshal(answer); err == nil {
			err = s.options.Store.AnswerRequest(ctx, claim, text)
		}
	}
	if err != nil {
		s.options.Log.WarnContext(ctx, "the answer to a request was not stored; a repeat is refused until the claim times out", "error", err)
	}
}
