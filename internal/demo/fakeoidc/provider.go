// Package fakeoidc is an OpenID provider for the demo and for tests: a real and
// strict one (PKCE, registered addresses, signed tokens), in which anybody may sign
// in as any client. It listens on a loopback address only.
package fakeoidc

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// What the provider has one of: a client that it knows, an audience of its access
// tokens, and a claim of its tokens that holds the account.
const (
	ClientID     = "referral"
	Audience     = "referral-api"
	AccountClaim = "account_id"
)

// Options says who asks the provider, and whom it offers.
type Options struct {
	Address        string // host:port to listen on, a loopback one; empty for any free port
	RedirectURIs   []string
	PostLogoutURIs []string
	// Claims is what the tokens of an account hold besides the account: for the staff,
	// whose numbers stand for persons, their names and roles. It may be nil.
	Claims func(account int64) map[string]any
	// Offer is the clients that the sign-in page names; it may be nil, and is asked
	// at every sign-in.
	Offer func(ctx context.Context) ([]Client, error)
}

// Client is somebody whom the sign-in page names.
type Client struct {
	AccountID int64
	Name      string // of a person; empty for a client, which is called by its number
	Why       string // what is interesting about it, in Russian
}

// Provider is a running provider.
type Provider struct {
	o      Options
	secret string
	issuer string
	key    *ecdsa.PrivateKey
	server *http.Server
	done   chan struct{}
}

// Start listens and serves until [Provider.Stop].
func Start(ctx context.Context, o Options) (*Provider, error) {
	p := &Provider{o: o, secret: rand.Text(), done: make(chan struct{})}
	listener, err := listen(ctx, cmp.Or(o.Address, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	p.issuer = "http://" + listener.Addr().String()
	handler, err := p.handler()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fakeoidc: %w", err), listener.Close())
	}
	p.server = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(listener) // which ends with Stop alone
	}()
	return p, nil
}

// listen refuses an address that others reach, because anyone who reaches the provider
// can sign in as anybody.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("fakeoidc: listen on %s: %w", address, err)
	}
	if at, ok := listener.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("fakeoidc: %s is not a loopback address", address), listener.Close())
	}
	return listener, nil
}

func (p *Provider) handler() (http.Handler, error) {
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	storage := newStorage(p)
	config := &op.Config{CodeMethodS256: true, SupportedUILocales: []language.Tag{language.Russian}}
	_, _ = rand.Read(config.CryptoKey[:]) // which never fails
	provider, err := op.NewProvider(config, storage, op.StaticIssuer(p.issuer), op.WithAllowInsecure(),
		op.WithIDTokenHintVerifierOpts(op.WithSupportedIDTokenHintSigningAlgorithms(algorithm)))
	if err != nil {
		return nil, err
	}
	pages := &pages{storage: storage, callback: op.AuthCallbackURL(provider)}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("GET "+signInPath, pages.show)
	mux.HandleFunc("POST "+signInPath, pages.choose)
	mux.HandleFunc("GET "+stylePath, pages.style)
	return mux, nil
}

// Stop ends it, sign-ins under way included. It may be repeated.
func (p *Provider) Stop() error {
	err := p.server.Close()
	<-p.done
	return err
}

// Issuer is the provider's URL.
func (p *Provider) Issuer() string { return p.issuer }

// ClientSecret is the secret of [ClientID].
func (p *Provider) ClientSecret() string { return p.secret }
