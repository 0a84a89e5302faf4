package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	"referral/contact"
	"referral/models"
	"referral/notify/smpp"
	"referral/notify/smtp"
)

// The transports of a channel.
const (
	ViaKafka = "kafka" // the operator's own sender reads them from a topic
	ViaSMTP  = "smtp"
	ViaSMPP  = "smpp"
	ViaOff   = "off" // clients cannot send any
)

// Invitations is how clients' invitations are sent.
type Invitations struct {
	PerDay int           `yaml:"per_day"` // of one client
	Brand  string        `yaml:"brand"`   // what friends are invited to
	GiveUp time.Duration `yaml:"give_up"` // age at which one expires
	Email  Email         `yaml:"email"`
	SMS    SMS           `yaml:"sms"`
}

// Email is how invitations by mail are sent.
type Email struct {
	Via       string `yaml:"via"` // kafka, smtp or off
	PerSecond int    `yaml:"per_second"`
	SMTP      SMTP   `yaml:"smtp"`
}

// SMTP is the mail server.
type SMTP struct {
	Host         string        `yaml:"host"`
	Port         int           `yaml:"port"`
	Security     string        `yaml:"security"` // starttls, tls or none
	CAFile       string        `yaml:"ca_file"`  // PEM; empty for the system's authorities
	Username     string        `yaml:"username"` // empty: no login
	Password     Secret        `yaml:"password"`
	PasswordFile string        `yaml:"password_file"` // instead of Password
	From         string        `yaml:"from"`
	FromName     string        `yaml:"from_name"`
	HELO         string        `yaml:"helo"` // our name in the greeting; empty for the machine's name
	Timeout      time.Duration `yaml:"timeout"`
}

// SMS is how invitations by SMS are sent.
type SMS struct {
	Via       string   `yaml:"via"` // kafka, smpp or off
	PerSecond int      `yaml:"per_second"`
	Regions   []string `yaml:"regions"` // whose mobile numbers are written to
	SMPP      SMPP     `yaml:"smpp"`
}

// SMPP is the SMSC.
type SMPP struct {
	Address      string        `yaml:"address"` // host:port
	TLS          TLS           `yaml:"tls"`
	SystemID     string        `yaml:"system_id"`
	Password     Secret        `yaml:"password"`
	PasswordFile string        `yaml:"password_file"` // instead of Password
	SystemType   string        `yaml:"system_type"`
	ServiceType  string        `yaml:"service_type"`
	Source       string        `yaml:"source"`
	SourceTON    int           `yaml:"source_ton"`
	SourceNPI    int           `yaml:"source_npi"`
	ReceiptIDs   string        `yaml:"receipt_ids"` // alike or decimal
	Window       int           `yaml:"window"`
	Timeout      time.Duration `yaml:"timeout"`
}

func defaultInvitations() Invitations {
	return Invitations{
		PerDay: 10, Brand: "t2 АТС", GiveUp: 72 * time.Hour,
		Email: Email{
			Via: ViaKafka, PerSecond: 20,
			SMTP: SMTP{Port: 587, Security: string(smtp.StartTLS), FromName: "t2 АТС", Timeout: 30 * time.Second},
		},
		SMS: SMS{
			Via: ViaKafka, PerSecond: 10, Regions: []string{"RU"},
			SMPP: SMPP{Source: "t2 ATS", SourceTON: 5, ReceiptIDs: string(smpp.IDsAlike), Window: 10, Timeout: 10 * time.Second},
		},
	}
}

// Channels is the channels by which clients can invite.
func (c *Invitations) Channels() []models.Channel {
	var on []models.Channel
	if c.Email.Via != ViaOff {
		on = append(on, models.Email)
	}
	if c.SMS.Via != ViaOff {
		on = append(on, models.SMS)
	}
	return on
}

// UsesTopic tells whether invitations are sent by Kafka.
func (c *Invitations) UsesTopic() bool { return c.Email.Via == ViaKafka || c.SMS.Via == ViaKafka }

// sendsExternally tells whether the program itself sends messages to other machines.
func (c *Invitations) sendsExternally() bool {
	smsc, _, _ := net.SplitHostPort(c.SMS.SMPP.Address)
	return c.Email.Via == ViaSMTP && !smtp.Loopback(c.Email.SMTP.Host) || c.SMS.Via == ViaSMPP && !smtp.Loopback(smsc)
}

func (c *Invitations) validate(found *findings) {
	found.inRange("invitations.per_day", c.PerDay, 1, 1000)
	found.lasts("invitations.give_up", c.GiveUp, time.Hour, 30*24*time.Hour)
	if strings.TrimSpace(c.Brand) == "" || len(c.Brand) > 100 || hasControl(c.Brand) {
		found.add("invitations.brand", "it must be one line of at most 100 bytes, for example t2 АТС")
	}
	c.Email.validate(found)
	c.SMS.validate(found)
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\u2028' || c == '\u2029' })
}

func (e *Email) validate(found *findings) {
	found.inRange("invitations.email.per_second", e.PerSecond, 1, 10_000)
	found.oneOf("invitations.email.via", e.Via, ViaKafka, ViaSMTP, ViaOff)
	if e.Via == ViaSMTP {
		found.needed("invitations.email.smtp.host", e.SMTP.Host, "to send by smtp", "")
		found.needed("invitations.email.smtp.from", e.SMTP.From, "to send by smtp", "referral@example.ru")
	}
	e.SMTP.validate(found)
}

func (s *SMTP) validate(found *findings) {
	const path = "invitations.email.smtp"
	found.inRange(path+".port", s.Port, 1, 65535)
	found.lasts(path+".timeout", s.Timeout, time.Second, 30*time.Second)
	found.oneOf(path+".security", s.Security, string(smtp.StartTLS), string(smtp.TLS), string(smtp.None))
	if smtp.Security(s.Security) == smtp.None && !smtp.Loopback(s.Host) {
		found.add(path+".security", "none is for a server on this machine only (localhost or 127.0.0.1): others could read the messages on their way")
	}
	if from, err := mail.ParseAddress(s.From); s.From != "" && (err != nil || from.Address != s.From) {
		found.add(path+".from", "%q is not an address alone; the name belongs in from_name", s.From)
	}
	if hasControl(s.FromName) {
		found.add(path+".from_name", "it must be one line")
	}
	found.login(path, s.Username, s.Password, s.PasswordFile)
}

// Secret is the password, from the setting or from its file; an [*Error] when the
// file cannot be read.
func (s *SMTP) Secret() (string, error) {
	return readSecret("invitations.email.smtp.password_file", s.Password, s.PasswordFile)
}

// Client is how the connection is secured, with the file read; an [*Error] when it
// cannot be.
func (s *SMTP) Client() (*tls.Config, error) {
	security := TLS{Enabled: true, CAFile: s.CAFile}
	return security.Client("invitations.email.smtp")
}

func (s *SMS) validate(found *findings) {
	found.inRange("invitations.sms.per_second", s.PerSecond, 1, 10_000)
	if len(s.Regions) == 0 {
		found.add("invitations.sms.regions", "at least one is needed, for example [RU]; via: off sends nothing")
	}
	for _, region := range s.Regions {
		if !contact.IsRegion(region) {
			found.add("invitations.sms.regions", "%q is not a region like RU", region)
		}
	}
	found.oneOf("invitations.sms.via", s.Via, ViaKafka, ViaSMPP, ViaOff)
	if s.Via == ViaSMPP {
		found.needed("invitations.sms.smpp.address", s.SMPP.Address, "to send by smpp", "smsc.example:2775")
		found.needed("invitations.sms.smpp.system_id", s.SMPP.SystemID, "to send by smpp", "")
		found.needed("invitations.sms.smpp.source", s.SMPP.Source, "to send by smpp", "")
	}
	s.SMPP.validate(found)
}

// The longest values that SMPP 3.4 can carry, in characters.
const (
	longestSystemID   = 15
	longestPassword   = 8
	longestSystemType = 12
	longestService    = 5
	longestNumber     = 20
	longestName       = 11
)

func (s *SMPP) validate(found *findings) {
	const path = "invitations.sms.smpp"
	if s.Address != "" {
		found.remoteAddress(path+".address", s.Address, "smsc.example:2775")
	}
	s.TLS.validate(found, path+".tls")
	found.login(path, s.SystemID, s.Password, s.PasswordFile)
	longest := longestNumber
	if s.SourceTON == 5 { // alphanumeric
		longest = longestName
	}
	for _, field := range []struct {
		key, value string
		most       int
	}{
		{"system_id", s.SystemID, longestSystemID}, {"password", string(s.Password), longestPassword},
		{"system_type", s.SystemType, longestSystemType}, {"service_type", s.ServiceType, longestService}, {"source", s.Source, longest},
	} {
		if len(field.value) > field.most || hasControl(field.value) {
			found.add(path+"."+field.key, "it must have at most %d characters", field.most)
		}
	}
	found.inRange(path+".source_ton", s.SourceTON, 0, 6)
	found.inRange(path+".source_npi", s.SourceNPI, 0, 18)
	found.oneOf(path+".receipt_ids", s.ReceiptIDs, string(smpp.IDsAlike), string(smpp.IDsDecimal))
	found.inRange(path+".window", s.Window, 1, 1000)
	found.lasts(path+".timeout", s.Timeout, time.Second, 30*time.Second)
}

// Secret is the password, from the setting or from its file; an [*Error] when the
// file cannot be read, or holds one that is too long for SMPP.
func (s *SMPP) Secret() (string, error) {
	const path = "invitations.sms.smpp.password_file"
	secret, err := readSecret(path, s.Password, s.PasswordFile)
	if err == nil && len(secret) > longestPassword {
		return "", newError(path, fmt.Errorf("the password must have at most %d characters", longestPassword))
	}
	return secret, err
}
