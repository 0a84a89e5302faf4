package main

import (
	"crypto/rand"

	"github.com/google/uuid"

	"referral/contact"
	"referral/models"
	"referral/web/portal"
	"referral/web/portal/api"
	"referral/web/portal/pages"
)

// service is what the pages and the API use. Codes are checked by the same function
// that the consumer passes to the storage.
func (a *app) service(public string) (portal.Service, error) {
	invitations := &a.config.Invitations
	return portal.NewService(portal.Options{
		Store: a.store, Programme: a.programme, Derive: portal.Derive(a.programme.Derive(newCode)),
		Limits: a.config.Cabinet.Limits.Limits(),
		Invites: portal.InviteOptions{
			Channels: invitations.Channels(), Recipients: contact.Rules{Regions: invitations.SMS.Regions}, PerDay: invitations.PerDay,
		},
		PublicURL: public, Now: a.now,
		NewID:    func() models.UUID { return models.UUID(uuid.New()) },
		NewToken: rand.Text,
		Log:      a.log, Registerer: a.registry,
	})
}

func (a *app) pages(service portal.Service) (*pages.Pages, error) {
	return pages.New(pages.Options{Service: service, Now: a.now, Zone: a.programme.Zone, Proxies: a.config.Cabinet.Limits.Proxies()})
}

func (a *app) api(service portal.Service) (*api.API, error) {
	return api.New(api.Options{Service: service, Proxies: a.config.Cabinet.Limits.Proxies(), Log: a.log})
}
