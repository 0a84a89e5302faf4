package cabinet

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"referral/models"
)

// longestCode is more than anybody types for a code of nine symbols.
const longestCode = 64

// Activate enters a friend's code. It is a fact like one that comes over Kafka,
// taken by the same verb and judged by the same rules. A client that hangs up
// changes nothing: else it could have codes looked at that are counted nowhere.
func (o *Office) Activate(ctx context.Context, account int64, a Attempt) (v Verdict, err error) {
	defer func() { o.metrics.activated(v, err) }()
	ctx, cancel := throughout(ctx)
	defer cancel()
	code := models.NormalCode(a.Code)
	if code == "" {
		return Verdict{Reason: models.UnknownCode}, nil
	}
	v, _, _, err = once(ctx, o, asked{account, a.Key, "activation", code}, func(on occasion) (result[Verdict], error) {
		v, err := o.guarded(ctx, account, a.Address, func() (Verdict, error) { return o.enter(ctx, account, code, on) })
		return result[Verdict]{answer: v, momentary: v.Wait > 0}, err
	})
	return v, err
}

// enter has a code taken and judged.
func (o *Office) enter(ctx context.Context, account int64, code string, on occasion) (Verdict, error) {
	if !storable(code) {
		return Verdict{Reason: models.UnknownCode}, nil
	}
	request, err := o.gatherer.take(ctx, activation(account, code, on))
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{
		Accepted: request.Status == models.ActivationAccepted, Waiting: request.Status == models.ActivationPending, Reason: refusal(request),
	}, nil
}

// storable tells a text that can be kept from one that can be nobody's code.
func storable(code string) bool {
	return utf8.RuneCountInString(code) <= longestCode && !strings.ContainsFunc(code, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError // which is also what stands for bytes that are no text
	})
}

func refusal(a models.Activation) models.Reason {
	if a.Status == models.ActivationRefused {
		return a.Reason
	}
	return ""
}

// activation is the fact of an occasion: the same at every repeat, so that it is
// taken once.
func activation(account int64, code string, on occasion) *models.Fact {
	return &models.Fact{
		At: on.at, Provenance: models.Provenance{Request: on.key, At: on.at},
		Data: models.ActivationRequested{AccountID: account, Code: code, RequestedAt: on.at},
	}
}
