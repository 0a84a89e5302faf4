package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

const (
	providerTimeout   = 10 * time.Second
	maxProviderAnswer = 1 << 20
)

// errTooOften: the keys were fetched moments ago.
var errTooOften = errors.New("the keys of the OpenID provider were fetched moments ago")

// newClient returns the HTTP client for requests to the provider. It follows no
// redirects, which could disclose a secret.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Timeout: providerTimeout, Transport: &providerTransport{cmp.Or(transport, http.DefaultTransport)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// providerTransport distinguishes a provider that is down from one that refuses, and
// limits the size of its answers.
type providerTransport struct{ next http.RoundTripper }

// RoundTrip sends a request to the provider.
func (w *providerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProviderUnavailable, err)
	}
	if answer.StatusCode >= http.StatusInternalServerError {
		answer.Body.Close()
		return nil, fmt.Errorf("%w: %s", errProviderUnavailable, answer.Status)
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, maxProviderAnswer)
	return answer, nil
}

// throttledTransport limits the requests for keys: every token with an unknown key causes
// one.
type throttledTransport struct {
	next  http.RoundTripper
	limit *rate.Limiter
}

// RoundTrip sends a request to the provider, or returns errTooOften.
func (s *throttledTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.limit.Allow() {
		return nil, errTooOften
	}
	return s.next.RoundTrip(r)
}

// keys is the keys of the provider, fetched when one is unknown.
type keys struct{ remote oidc.KeySet }

func newKeys(client *http.Client, address string) keys {
	throttled := *client
	throttled.Transport = &throttledTransport{client.Transport, rate.NewLimiter(rate.Every(2*time.Second), 5)}
	return keys{oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), &throttled), address)}
}

// VerifySignature checks a signature, and records in an [outage] of the context if
// the provider was unavailable, which errors of go-oidc do not tell.
func (k keys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.remote.VerifySignature(ctx, token)
	if o, ok := ctx.Value(outageKey{}).(*outage); ok && errors.Is(err, errProviderUnavailable) {
		o.err = err
	}
	return payload, err
}

type outageKey struct{}

// outage is why a token could not be verified, if the keys could not be fetched.
type outage struct{ err error }

// verify checks a token; [errProviderUnavailable] if that is not possible now.
func verify(ctx context.Context, v *oidc.IDTokenVerifier, token string) (*oidc.IDToken, error) {
	var o outage
	verified, err := v.Verify(context.WithValue(ctx, outageKey{}, &o), token)
	if o.err != nil {
		return nil, o.err
	}
	return verified, err
}
