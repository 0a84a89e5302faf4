package cabinet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"referral/models"
)

const (
	// keepRequests is how long a repeat gets its first answer. Source: docs/rules.md.
	keepRequests = 24 * time.Hour
	// patience is how long whoever answers a request may take before a repeat is
	// answered by somebody else: longer than any statement may take.
	patience = 2 * time.Minute
)

// occasion is one request, however often it is sent: the same at every repeat.
type occasion struct {
	id  string
	key models.UUID
	at  time.Time // of the first time, to the microsecond that the storage keeps
}

// asked is a request before it is known whether it is a repeat.
type asked struct {
	account int64
	key     string // empty for one that is not repeated
	what    string // which operation
	of      string // what is asked of it, in full
}

func (a asked) request() models.ClientRequest {
	return models.ClientRequest{
		AccountID: a.account, Key: models.HashUUID("key", a.key), Digest: models.HashUUID(a.what, a.of),
	}
}

// result is an answer, and whether a repeat shall get it too. What depends on the
// moment is not kept: the repeat is then looked at as if it came for the first
// time.
type result[T any] struct {
	answer    T
	momentary bool
}

// once does work for a request, and answers its repeats with the answer of the
// first time, which kept tells. A request without a key is done each time. When
// work fails nobody knows how far it got: the next repeat does it again on the
// same occasion, so the work must be such that this changes nothing.
func once[T any](ctx context.Context, o *Office, a asked, work func(occasion) (result[T], error)) (answer T, on occasion, kept bool, err error) {
	if a.key == "" {
		id := o.o.NewID()
		on = occasion{id: id.String(), key: id, at: o.o.Now().Truncate(time.Microsecond)}
		r, err := work(on)
		return r.answer, on, false, err
	}
	claim, err := o.o.Store.ClaimRequest(ctx, a.request(), keepRequests, patience)
	if err != nil {
		return answer, on, false, err
	}
	on = occasion{id: fmt.Sprintf("%d/%s/%d", claim.AccountID, claim.Key, claim.TakenAt.UnixMicro()), key: claim.Key, at: claim.TakenAt}
	switch claim.Status {
	case models.RequestOther:
		return answer, on, false, ErrKeyReused
	case models.RequestUnderWay:
		return answer, on, false, ErrUnderWay
	case models.RequestAnswered:
		if err := json.Unmarshal(claim.Answer, &answer); err != nil {
			return answer, on, false, fmt.Errorf("reading the answer that was kept: %w", err)
		}
		return answer, on, true, nil
	}
	r, err := work(on)
	o.settle(ctx, claim, r.answer, r.momentary, err)
	return r.answer, on, false, err
}

// settle keeps the answer, or lets go of the request. Should that fail, a repeat
// waits for our patience and then does the work again on the same occasion.
func (o *Office) settle(ctx context.Context, claim models.RequestClaim, answer any, momentary bool, failure error) {
	ctx, cancel := lastly(ctx)
	defer cancel()
	var err error
	switch {
	case failure != nil:
		err = o.o.Store.ReleaseRequest(ctx, claim)
	case momentary:
		err = o.o.Store.GiveUpRequest(ctx, claim)
	default:
		var text []byte
		if text, err = json.Marshal(answer); err == nil {
			err = o.o.Store.AnswerRequest(ctx, claim, text)
		}
	}
	if err != nil {
		o.o.Log.Warn("the answer to a request was not kept; a repeat waits", "error", err)
	}
}
