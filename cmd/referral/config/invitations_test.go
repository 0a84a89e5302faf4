package config

import (
	"strings"
	"testing"

	"referral/models"
)

func TestInvitationSettings(t *testing.T) {
	long := strings.Repeat("x", 25)
	for text, want := range map[string]string{
		"per_day: 0":                                  "invitations.per_day: 0 must be 1 to 1000",
		"give_up: 1m":                                 "invitations.give_up: 1m0s must be 1h0m0s to 720h0m0s",
		`brand: ""`:                                   "invitations.brand: it must be one line",
		`brand: "t2\r\nBcc: x@y.z"`:                   "invitations.brand: it must be one line",
		"email: {via: pigeon}":                        `invitations.email.via: "pigeon" must be kafka, smtp or off`,
		"email: {via: smpp}":                          `invitations.email.via: "smpp" must be`,
		"email: {per_second: 0}":                      "invitations.email.per_second: 0 must be",
		"email: {via: smtp, smtp: {from: a@b.c}}":     "invitations.email.smtp.host: needed to send by smtp",
		"email: {via: smtp, smtp: {host: localhost}}": "invitations.email.smtp.from: needed to send by smtp",
		"email: {via: smtp, smtp: {host: mail.example, from: a@b.c}}":                      "cabinet.public_url: needed for invitations",
		"email: {smtp: {port: 0}}":                                                         "invitations.email.smtp.port: 0 must be",
		"email: {smtp: {security: ssl}}":                                                   `invitations.email.smtp.security: "ssl" must be starttls, tls or none`,
		"email: {smtp: {host: mail.example, security: none}}":                              "invitations.email.smtp.security: none is for a server on this machine only",
		"email: {smtp: {from: X <a@b.c>}}":                                                 "invitations.email.smtp.from:",
		`email: {smtp: {from_name: "a\nb"}}`:                                               "invitations.email.smtp.from_name: it must be one line",
		"email: {smtp: {username: u}}":                                                     "invitations.email.smtp.password: give either",
		"email: {smtp: {username: u, password: p, password_file: f}}":                      "invitations.email.smtp.password: give either",
		"email: {smtp: {password: p}}":                                                     "invitations.email.smtp.password: a password is given but no user",
		"email: {smtp: {timeout: 1m}}":                                                     "invitations.email.smtp.timeout: 1m0s must be",
		"sms: {via: smtp}":                                                                 `invitations.sms.via: "smtp" must be kafka, smpp or off`,
		"sms: {regions: []}":                                                               "invitations.sms.regions: at least one is needed",
		"sms: {regions: [RU, Rossiya]}":                                                    `invitations.sms.regions: "Rossiya" is not a region`,
		"sms: {via: smpp, smpp: {system_id: i, password: p}}":                              "invitations.sms.smpp.address: needed to send by smpp",
		"sms: {via: smpp, smpp: {address: \"localhost:1\"}}":                               "invitations.sms.smpp.system_id: needed to send by smpp",
		"sms: {via: smpp, smpp: {address: \"smsc.example:1\", system_id: i, password: p}}": "cabinet.public_url: needed for invitations",
		"sms: {smpp: {address: smsc}}":                                                     `invitations.sms.smpp.address: "smsc" is not host:port`,
		"sms: {smpp: {system_id: " + long + ", password: p}}":                              "invitations.sms.smpp.system_id: it must have at most 15",
		"sms: {smpp: {system_id: i, password: " + long + "}}":                              "invitations.sms.smpp.password: it must have at most 8",
		"sms: {smpp: {system_id: i}}":                                                      "invitations.sms.smpp.password: give either",
		"sms: {smpp: {source: " + long + "}}":                                              "invitations.sms.smpp.source: it must have at most 11",
		"sms: {smpp: {source_ton: 1, source: " + long + "}}":                               "invitations.sms.smpp.source: it must have at most 20",
		"sms: {smpp: {source_ton: 7}}":                                                     "invitations.sms.smpp.source_ton: 7 must be",
		"sms: {smpp: {receipt_ids: octal}}":                                                `invitations.sms.smpp.receipt_ids: "octal" must be alike or decimal`,
		"sms: {smpp: {window: 0}}":                                                         "invitations.sms.smpp.window: 0 must be",
		"sms: {smpp: {tls: {ca_file: ca.pem}}}":                                            "invitations.sms.smpp.tls.enabled: other settings of invitations.sms.smpp.tls are given but TLS is off",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := Load(fileOf(t, "invitations: {"+text+"}"), true, nil)
			wantError(t, err, want)
			if strings.Contains(err.Error(), long+long) {
				t.Error(err)
			}
		})
	}
}

func TestChannels(t *testing.T) {
	for text, want := range map[string]int{"{}": 2, "{email: {via: off}}": 1, "{sms: {via: off}}": 1, "{email: {via: off}, sms: {via: off}}": 0} {
		c, err := Load(fileOf(t, "invitations: "+text), true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if on := c.Invitations.Channels(); len(on) != want || want == 1 && (on[0] == models.Email) != (c.Invitations.Email.Via == "kafka") {
			t.Errorf("%s: %v", text, on)
		}
	}
}

// The passwords of the transports are shown nowhere.
func TestTransportsPasswordsAreHidden(t *testing.T) {
	c, err := Load(fileOf(t, `
cabinet: {public_url: "https://lk.example.ru"}
invitations:
  email: {via: smtp, smtp: {host: mail.example, from: a@example.ru, username: u, password: geheim}}
  sms: {via: smpp, smpp: {address: "smsc.example:2775", tls: true, system_id: i, password: geheim}}
`), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Invitations.SMS.SMPP.TLS.Enabled || strings.Contains(c.String(), "geheim") {
		t.Errorf("got %s", c)
	}
}
