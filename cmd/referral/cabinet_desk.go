package main

import (
	"crypto/rand"

	"github.com/google/uuid"

	"referral/consumer"
	"referral/contact"
	"referral/models"
	"referral/web/cabinet"
	"referral/web/cabinet/api"
	"referral/web/cabinet/pages"
)

// office is the desk behind the pages and the API. Codes are judged by the very
// function that the consumer hands to the storage.
func (a *app) office(public string) (*cabinet.Office, error) {
	invitations := &a.config.Invitations
	return cabinet.NewOffice(cabinet.Options{
		Store: a.store, Programme: a.programme, Derive: cabinet.Derive(consumer.Derive(a.programme, newCode)),
		Limits: a.config.Cabinet.Limits.Limits(),
		Invites: cabinet.InviteOptions{
			Channels: invitations.Channels(), Recipients: contact.Rules{Regions: invitations.SMS.Regions}, PerDay: invitations.PerDay,
		},
		PublicURL: public, Now: a.now,
		NewID:    func() models.UUID { return models.UUID(uuid.New()) },
		NewToken: rand.Text,
		Log:      a.log, Registerer: a.registry,
	})
}

func (a *app) pages(office *cabinet.Office) (*pages.Pages, error) {
	return pages.New(pages.Options{Desk: office, Now: a.now, Zone: a.programme.Zone, Proxies: a.config.Cabinet.Limits.Proxies()})
}

func (a *app) api(office *cabinet.Office) (*api.API, error) {
	return api.New(api.Options{Desk: office, Proxies: a.config.Cabinet.Limits.Proxies(), Log: a.log})
}
