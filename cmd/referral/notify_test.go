package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"referral/cmd/referral/config"
)

// Only the machines of the part notify need the transports' secrets.
func TestSecretsAreNeededWhereTheyAreUsed(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "password")
	for part, needed := range map[string]bool{componentConsumer: false, componentWeb: false, componentNotify: true} {
		c := configOfText(t, `
database: {dsn: "postgres://nobody@127.0.0.1:1/none"}
cabinet: {public_url: "https://lk.example.ru"}
invitations: {email: {via: smtp, smtp: {host: mail.example, from: a@example.ru, username: u, password_file: "`+absent+`"}}}
`)
		a, err := newApp(c, process{out: io.Discard, err: io.Discard}, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.close)
		_, err = a.build([]string{part})
		if wrong := new(config.Error); needed && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), "invitations.email.smtp.password_file")) {
			t.Errorf("%s: got %v, want a configuration error that names the file's setting", part, err)
		} else if !needed && err != nil {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// Links that lead to this machine are warned of, when others send them.
func TestLinksToThisMachineAreWarnedOf(t *testing.T) {
	for text, warned := range map[string]bool{
		"log: {level: info}": true, `cabinet: {public_url: "https://lk.example.ru"}`: false, "invitations: {email: {via: off}, sms: {via: off}}": false,
	} {
		c := configOfText(t, "database: {dsn: \"postgres://nobody@127.0.0.1:1/none\"}\n"+text)
		var log strings.Builder
		a, err := newApp(c, process{out: io.Discard, err: &log}, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.close)
		if _, err := a.notifier(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "cabinet.public_url is not set"); got != warned {
			t.Errorf("%s: the log says %q", text, log.String())
		}
	}
}

func configOfText(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
