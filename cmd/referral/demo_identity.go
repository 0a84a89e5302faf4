package main

import (
	"context"
	"errors"
	"slices"

	"referral/cmd/referral/config"
	"referral/internal/demo/fakeoidc"
	"referral/web/auth"
	"referral/web/portal"
)

// identify gives the demo an OpenID provider of its own, and tells the
// configuration about it.
func (d *demo) identify(ctx context.Context, c *config.Config) error {
	address, err := freeAddress(c.HTTP.Cabinet)
	if err != nil {
		return err
	}
	c.HTTP.Cabinet = address
	c.Cabinet = config.Default().Cabinet
	public := c.Cabinet.Public(address)
	d.identity, err = fakeoidc.Start(ctx, fakeoidc.Options{
		RedirectURIs: []string{public + portal.BasePath + auth.CallbackPath}, PostLogoutURIs: []string{public + portal.BasePath + auth.SignedOutPath}, Offer: d.offer,
	})
	if err != nil {
		return err
	}
	s := &c.Cabinet.SignIn
	s.Issuer, s.ClientID, s.ClientSecret = d.identity.Issuer(), d.identity.ClientID(), config.Secret(d.identity.ClientSecret())
	s.AccountClaim, s.Audience = d.identity.AccountClaim(), d.identity.Audience()
	if err := c.Validate(); err != nil {
		return errors.Join(err, d.identity.Stop())
	}
	return nil
}

// offer is the clients that are worth being.
func (d *demo) offer(ctx context.Context) ([]fakeoidc.Client, error) {
	found, err := d.store.DemoAccounts(ctx, d.programme.Local(d.now()))
	if err != nil { // the page does without, but somebody should know
		d.log.Error("no clients to offer", "error", err)
		return nil, err
	}
	var clients []fakeoidc.Client
	for _, c := range []fakeoidc.Client{
		{AccountID: found.Highest, Why: "выше всех на лестнице скидок"},
		{AccountID: found.Climber, Why: "привёл первого друга"},
		{AccountID: found.Packaged, Why: "заработал пакет SMS"},
		{AccountID: found.Promised, Why: "новый клиент: скидка ждёт конца промо-периода"},
		{AccountID: found.Newcomer, Why: "новый клиент: ещё может ввести код"},
	} {
		known := func(other fakeoidc.Client) bool { return other.AccountID == c.AccountID }
		if c.AccountID != 0 && !slices.ContainsFunc(clients, known) {
			clients = append(clients, c)
		}
	}
	return clients, nil
}
