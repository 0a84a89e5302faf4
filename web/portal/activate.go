package portal

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"referral/models"
)

// maxCodeLength is well above the nine characters of a code.
const maxCodeLength = 64

// Activate enters a friend's code. It becomes a fact like one that comes over Kafka,
// stored by the same method and checked by the same rules. It continues after the
// client has disconnected: otherwise codes could be tried without being counted.
func (s *service) Activate(ctx context.Context, account int64, a Attempt) (v ActivationResult, err error) {
	defer func() { s.metrics.activated(v, err) }()
	ctx, cancel := detached(ctx)
	defer cancel()
	code := models.NormalCode(a.Code)
	if code == "" {
		return ActivationResult{Reason: models.UnknownCode}, nil
	}
	v, _, _, err = idempotent(ctx, s, operation{account, a.Key, "activation", code}, func(on identity) (result[ActivationResult], error) {
		v, err := s.throttled(ctx, account, a.Address, func() (ActivationResult, error) { return s.enter(ctx, account, code, on) })
		return result[ActivationResult]{answer: v, transient: v.Wait > 0}, err
	})
	return v, err
}

// enter stores a code as a fact and returns the result of its check.
func (s *service) enter(ctx context.Context, account int64, code string, on identity) (ActivationResult, error) {
	if !storable(code) {
		return ActivationResult{Reason: models.UnknownCode}, nil
	}
	request, err := s.batcher.submit(ctx, activation(account, code, on))
	if err != nil {
		return ActivationResult{}, err
	}
	return ActivationResult{
		Accepted: request.Status == models.ActivationAccepted, Waiting: request.Status == models.ActivationPending, Reason: refusal(request),
	}, nil
}

// storable reports whether a text can be stored, and so can be a code at all.
func storable(code string) bool {
	return utf8.RuneCountInString(code) <= maxCodeLength && !strings.ContainsFunc(code, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError // also stands for invalid UTF-8
	})
}

func refusal(a models.Activation) models.Reason {
	if a.Status == models.ActivationRefused {
		return a.Reason
	}
	return ""
}

// activation is the fact of a request: the same at every repeat, so that it is stored
// once.
func activation(account int64, code string, on identity) *models.Fact {
	return &models.Fact{
		At: on.at, Provenance: models.Provenance{Request: on.key, At: on.at},
		Data: models.ActivationRequested{AccountID: account, Code: code, RequestedAt: on.at},
	}
}
