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

// Activate makes a fact of the code, as the consumer does of a message: it is stored by
// the same method and checked by the same rules.
func (s *service) Activate(ctx context.Context, account int64, r ActivationRequest) (v ActivationResult, err error) {
	defer func() { s.metrics.activated(v, err) }()
	ctx, cancel := detached(ctx)
	defer cancel()
	code := models.NormalCode(r.Code)
	if code == "" {
		return ActivationResult{Reason: models.UnknownCode}, nil
	}
	v, _, _, err = idempotent(ctx, s, operation{account: account, key: r.Key, name: "activation", argument: code}, func(on identity) (result[ActivationResult], error) {
		v, err := s.throttled(ctx, account, r.ClientIP, func() (ActivationResult, error) { return s.activate(ctx, account, code, on) })
		return result[ActivationResult]{answer: v, transient: v.Wait > 0}, err
	})
	return v, err
}

// activate stores a code as a fact and returns the result of its check.
func (s *service) activate(ctx context.Context, account int64, code string, on identity) (ActivationResult, error) {
	if !storable(code) {
		return ActivationResult{Reason: models.UnknownCode}, nil
	}
	decided, err := s.batcher.submit(ctx, activation(account, code, on))
	result := ActivationResult{Accepted: decided.Status == models.ActivationAccepted, Waiting: decided.Status == models.ActivationPending}
	if decided.Status == models.ActivationRefused {
		result.Reason = decided.Reason
	}
	return result, err
}

// storable reports whether a text can be stored as a code.
func storable(code string) bool {
	return utf8.RuneCountInString(code) <= maxCodeLength && !strings.ContainsFunc(code, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError // also stands for invalid UTF-8
	})
}

// activation is the fact of a request. It is the same at every repeat, so that it is
// stored once.
func activation(account int64, code string, on identity) *models.Fact {
	return &models.Fact{
		At: on.at, Provenance: models.Provenance{Request: on.key, At: on.at},
		Data: models.ActivationRequested{AccountID: account, Code: code, RequestedAt: on.at},
	}
}
