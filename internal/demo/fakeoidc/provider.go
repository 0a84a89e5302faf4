// Package fakeoidc is the OpenID provider of the demo and of the tests: a real and
// strict one (PKCE, registered addresses, signed tokens), in which anybody may
// sign in as any client. It listens on a loopback address only.
package fakeoidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// Options says who asks the provider, and whom it offers.
type Options struct {
	Address        string // host:port to listen on, a loopback one; empty for any free port
	ClientID       string // empty for "referral"
	ClientSecret   string // empty for a random one
	RedirectURIs   []string
	PostLogoutURIs []string
	AccountClaim   string // empty for "account_id"
	Audience       string // of access tokens; empty for "referral-api"
	// Offer is the clients that the sign-in page names; it may be nil, and is asked
	// at every sign-in.
	Offer func(ctx context.Context) ([]Client, error)
}

// Client is somebody whom the sign-in page names.
type Client struct {
	AccountID int64
	Why       string // what is interesting about it, in Russian
}

func (o Options) whole() Options {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&o.Address, "127.0.0.1:0")
	set(&o.ClientID, "referral")
	set(&o.ClientSecret, random())
	set(&o.AccountClaim, "account_id")
	set(&o.Audience, "referral-api")
	return o
}

// Provider is a provider at work.
type Provider struct {
	o      Options
	issuer string
	key    *ecdsa.PrivateKey
	server *http.Server
	served chan error

	stopping sync.Once
	stopped  error
}

// Start listens and serves until [Provider.Stop].
func Start(ctx context.Context, o Options) (*Provider, error) {
	p := &Provider{o: o.whole(), served: make(chan error, 1)}
	listener, err := listen(ctx, p.o.Address)
	if err != nil {
		return nil, err
	}
	p.issuer = "http://" + listener.Addr().String()
	handler, err := p.handler()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	p.server = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { p.served <- p.server.Serve(listener) }()
	return p, nil
}

// listen keeps to this machine: anyone who reaches the provider can be anybody.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("fakeoidc: listening on %s: %w", address, err)
	}
	if at, ok := listener.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("fakeoidc: %s is no loopback address", address), listener.Close())
	}
	return listener, nil
}

func (p *Provider) handler() (http.Handler, error) {
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("fakeoidc: making a key: %w", err)
	}
	memory := newStorage(p)
	config := &op.Config{CodeMethodS256: true, SupportedUILocales: []language.Tag{language.Russian}}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return nil, fmt.Errorf("fakeoidc: drawing a key: %w", err)
	}
	provider, err := op.NewProvider(config, memory, op.StaticIssuer(p.issuer), op.WithAllowInsecure(),
		op.WithIDTokenHintVerifierOpts(op.WithSupportedIDTokenHintSigningAlgorithms(algorithm)))
	if err != nil {
		return nil, fmt.Errorf("fakeoidc: %w", err)
	}
	pages := &pages{memory: memory, callback: op.AuthCallbackURL(provider)}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("GET "+signInPath, pages.show)
	mux.HandleFunc("POST "+signInPath, pages.choose)
	mux.HandleFunc("GET "+stylePath, pages.style)
	return mux, nil
}

// Stop ends it, sign-ins under way included. It may be repeated.
func (p *Provider) Stop() error {
	p.stopping.Do(func() {
		p.stopped = p.server.Close()
		if ended := <-p.served; !errors.Is(ended, http.ErrServerClosed) {
			p.stopped = errors.Join(p.stopped, ended)
		}
	})
	return p.stopped
}

// Issuer is the provider's URL.
func (p *Provider) Issuer() string { return p.issuer }

// ClientID is the one client that it knows.
func (p *Provider) ClientID() string { return p.o.ClientID }

// ClientSecret is that client's.
func (p *Provider) ClientSecret() string { return p.o.ClientSecret }

// Audience is that of its access tokens.
func (p *Provider) Audience() string { return p.o.Audience }

// AccountClaim is the claim of its tokens that holds the account.
func (p *Provider) AccountClaim() string { return p.o.AccountClaim }

// random is 256 bits as a text.
func random() string {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}
