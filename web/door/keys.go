package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

const (
	providerTimeout = 10 * time.Second
	largestAnswer   = 1 << 20
)

// errAway says that the provider could not be asked.
var errAway = errors.New("the OpenID provider does not answer")

// errTooOften says that the provider was asked for its keys moments ago.
var errTooOften = errors.New("the OpenID provider was asked for its keys moments ago")

// newClient is how the provider is talked to. Nothing it is asked for is elsewhere,
// and a secret must not follow a redirect.
func newClient() *http.Client {
	return &http.Client{
		Timeout: providerTimeout, Transport: &wire{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// wire tells an absent provider from one that says no, and bounds its answers.
type wire struct{ next http.RoundTripper }

// RoundTrip asks the provider.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	if answer.StatusCode >= http.StatusInternalServerError {
		answer.Body.Close()
		return nil, fmt.Errorf("%w: %s", errAway, answer.Status)
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, largestAnswer)
	return answer, nil
}

// seldom lets few requests through: whoever shows a token with an unknown key
// makes us look for that key, and must not make us flood the provider.
type seldom struct {
	next  http.RoundTripper
	limit *rate.Limiter
}

// RoundTrip asks the provider, or says that it was asked too often.
func (s *seldom) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.limit.Allow() {
		return nil, errTooOften
	}
	return s.next.RoundTrip(r)
}

// keys is the provider's keys, fetched when one is not known.
type keys struct{ remote oidc.KeySet }

func newKeys(client *http.Client, address string) keys {
	frugal := *client
	frugal.Transport = &seldom{client.Transport, rate.NewLimiter(rate.Every(2*time.Second), 5)}
	return keys{oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), &frugal), address)}
}

// VerifySignature checks a signature, and notes in an [outage] of the context
// when it could not be checked: go-oidc's own errors do not tell.
func (k keys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.remote.VerifySignature(ctx, token)
	if o, ok := ctx.Value(outageKey{}).(*outage); ok && errors.Is(err, errAway) {
		o.err = err
	}
	return payload, err
}

type outageKey struct{}

// outage is why a token could not be verified, if it was for want of keys.
type outage struct{ err error }

// verify checks a token; [errAway] when that is not possible now.
func verify(ctx context.Context, v *oidc.IDTokenVerifier, token string) (*oidc.IDToken, error) {
	var o outage
	verified, err := v.Verify(context.WithValue(ctx, outageKey{}, &o), token)
	if o.err != nil {
		return nil, o.err
	}
	return verified, err
}
