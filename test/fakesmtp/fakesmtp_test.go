package fakesmtp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"referral/test/fakesmtp"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, refuse func(string) error) *fakesmtp.Server {
	t.Helper()
	b, err := fakesmtp.Start(refuse)
	must(t, err)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func dial(t *testing.T, b *fakesmtp.Server) *smtp.Client {
	t.Helper()
	known := x509.NewCertPool()
	if !known.AppendCertsFromPEM(b.Certificate()) {
		t.Fatal("the certificate cannot be read")
	}
	c, err := smtp.DialStartTLS(b.Addr(), &tls.Config{RootCAs: known, ServerName: "127.0.0.1"})
	must(t, err)
	t.Cleanup(func() { _ = c.Close() }) // it may have quit
	return c
}

const mail = "From: t2 <noreply@example.ru>\r\nTo: friend@example.ru\r\n" +
	"Subject: =?utf-8?B?0J/RgNC40LLQtdGC?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=D0=9A=D0=BE=D0=B4\r\n" +
	"--x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+0JrQvtC0PC9iPg==\r\n--x--\r\n"

func TestMailIsKeptDecoded(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	c := dial(t, b)
	must(t, c.Auth(sasl.NewPlainClient("", fakesmtp.User, b.Password())))
	must(t, c.SendMail("noreply@example.ru", []string{"friend@example.ru"}, strings.NewReader(mail)))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	mails, err := b.Wait(ctx, "friend@example.ru", 1)
	must(t, err)
	m := mails[0]
	if m.Subject != "Привет" || strings.TrimSpace(m.Text) != "Код" || m.HTML != "<b>Код</b>" || m.From != "noreply@example.ru" {
		t.Errorf("it reads %q, %q, %q from %q", m.Subject, m.Text, m.HTML, m.From)
	}
	if others := b.Mails("other@example.ru"); len(others) != 0 {
		t.Errorf("somebody else has %d mails", len(others))
	}
}

func TestMailNeedsAPasswordOverTLS(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	c := dial(t, b)
	if err := c.Mail("noreply@example.ru", nil); err == nil {
		t.Error("a mail without a password is taken")
	}
	if err := c.Auth(sasl.NewPlainClient("", fakesmtp.User, "wrong")); err == nil {
		t.Error("a wrong password is taken")
	}
	plain, err := smtp.Dial(b.Addr())
	must(t, err)
	defer func() { _ = plain.Close() }()
	if err := plain.Auth(sasl.NewPlainClient("", fakesmtp.User, b.Password())); err == nil {
		t.Error("a password is taken in the clear")
	}
}

func TestRecipientsAreRefusedWithACode(t *testing.T) {
	t.Parallel()
	const noSuchUser = 550
	b := start(t, func(to string) error {
		if to == "gone@example.ru" {
			return &smtp.SMTPError{Code: noSuchUser, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	})
	c := dial(t, b)
	must(t, c.Auth(sasl.NewPlainClient("", fakesmtp.User, b.Password())))
	var refused *smtp.SMTPError
	err := c.SendMail("noreply@example.ru", []string{"gone@example.ru"}, strings.NewReader(mail))
	if !errors.As(err, &refused) || refused.Code != noSuchUser {
		t.Errorf("the answer is %v", err)
	}
	if mails := b.Mails(""); len(mails) != 0 {
		t.Errorf("%d mails were kept", len(mails))
	}
}
