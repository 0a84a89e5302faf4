package main

import (
	"crypto/tls"
	"fmt"

	"referral/cmd/referral/config"
	"referral/internal/recovering"
	"referral/internal/renewal"
	"referral/models"
	"referral/notify"
	notifykafka "referral/notify/kafka"
	"referral/notify/smpp"
	"referral/notify/smtp"
)

// notifier is the component that sends invitations.
func (a *app) notifier() (*notify.Notifier, error) {
	c := &a.config.Invitations
	public := a.config.Cabinet.Public(a.config.HTTP.Cabinet)
	if len(c.Channels()) > 0 && a.config.Cabinet.PublicURL == "" {
		a.log.Warn("cabinet.public_url is not set: the links in invitations lead to this machine", "links", public)
	}
	writer, err := notify.NewWriter(notify.WriterOptions{PublicURL: public, Brand: c.Brand, Programme: a.programme, Now: a.now})
	if err != nil {
		return nil, err
	}
	transports, err := a.transports()
	if err != nil {
		return nil, err
	}
	return notify.New(notify.Options{
		Queue: a.store, Writer: writer, Transports: transports, GiveUp: c.GiveUp, Log: a.log, Registerer: a.registry, Now: a.now,
	})
}

func (a *app) transports() ([]notify.Transport, error) {
	c := &a.config.Invitations
	var list []notify.Transport
	for _, channel := range []struct {
		name      models.Channel
		via       string
		perSecond int
	}{{models.Email, c.Email.Via, c.Email.PerSecond}, {models.SMS, c.SMS.Via, c.SMS.PerSecond}} {
		if channel.via == config.ViaOff {
			continue
		}
		sender, err := a.sender(channel.via)
		if err != nil {
			return nil, err
		}
		list = append(list, notify.Transport{
			Channel: channel.name, Name: channel.via, Sender: sender,
			Repeatable: channel.via == config.ViaKafka, PerSecond: float64(channel.perSecond), AtOnce: atOnce,
		})
	}
	return list, nil
}

// atOnce is how many messages of a channel are sent in parallel: enough for hundreds
// a second.
const atOnce = 8

func (a *app) sender(via string) (notify.Sender, error) {
	switch via {
	case config.ViaSMTP:
		return a.smtpSender()
	case config.ViaSMPP:
		return a.smppSender()
	}
	k := a.kafka()
	transport, err := k.transport()
	if err != nil {
		return nil, err
	}
	return notifykafka.New(notifykafka.Options{Brokers: k.Brokers, Topic: k.Topics.Notifications, Transport: transport, Now: a.now})
}

func (a *app) smtpSender() (notify.Sender, error) {
	s := &a.config.Invitations.Email.SMTP
	password, err := renewal.Read(a.files, "invitations.email.smtp.password_file", s.Secret, s.PasswordFile)
	if err != nil {
		return nil, err
	}
	security, err := renewal.Read(a.files, "invitations.email.smtp.ca_file", s.Client, s.CAFile)
	if err != nil {
		return nil, err
	}
	sender, err := smtp.New(smtp.Options{
		Host: s.Host, Port: s.Port, Security: smtp.Security(s.Security), Username: s.Username, Password: password.Get(),
		From: s.From, FromName: s.FromName, HELO: s.HELO, TLS: security.Get(), Timeout: s.Timeout, Now: a.now,
		Renew: func(o *smtp.Options) { o.Password, o.TLS = password.Get(), security.Get() },
	})
	if err != nil {
		return nil, fmt.Errorf("invitations.email.smtp: %w", err)
	}
	return sender, nil
}

func (a *app) smppSender() (notify.Sender, error) {
	s := &a.config.Invitations.SMS.SMPP
	password, err := renewal.Read(a.files, "invitations.sms.smpp.password_file", s.Secret, s.PasswordFile)
	if err != nil {
		return nil, err
	}
	const tlsPath = "invitations.sms.smpp.tls"
	security, err := renewal.Read(a.files, tlsPath, func() (*tls.Config, error) { return s.TLS.Client(tlsPath) }, s.TLS.Files()...)
	if err != nil {
		return nil, err
	}
	guard, err := recovering.NewPrivate(a.log, a.registry, "smpp")
	if err != nil {
		return nil, err
	}
	client, err := smpp.New(smpp.Options{
		Address: s.Address, TLS: security.Get(), SystemID: s.SystemID, Password: password.Get(), SystemType: s.SystemType, ServiceType: s.ServiceType,
		Source: smpp.Address{TON: byte(s.SourceTON), NPI: byte(s.SourceNPI), Text: s.Source}, IDs: smpp.IDs(s.ReceiptIDs),
		Window: s.Window, Timeout: s.Timeout, Log: a.log, Guard: guard,
		Renew: func(o *smpp.Options) { o.Password, o.TLS = password.Get(), security.Get() },
	})
	if err != nil {
		return nil, fmt.Errorf("invitations.sms.smpp: %w", err)
	}
	return client, nil
}
