package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"

	"referral/models"
)

func message(to string) *models.InvitationMessage {
	return &models.InvitationMessage{
		ID: models.UUID{0xab, 1}, Channel: models.Email, Recipient: to, Code: "K7M2XQ9PR",
		Link: "https://lk.example.ru/referral?code=K7M2XQ9PR", OptOutLink: "https://lk.example.ru/referral/opt-out/TOKEN",
		Subject: "Вас приглашают в t2 АТС: скидка 20% на 3 месяца",
		Text:    "Ваш код-приглашение: K7M2XQ9PR\n.\nточка в начале строки", HTML: "<p>Ваш код-приглашение: <b>K7M2XQ9PR</b></p>",
	}
}

func sender(t *testing.T, o Options) *Sender {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSend(t *testing.T) {
	s := newServer(t)
	ids, err := sender(t, s.options()).Send(t.Context(), message("ok@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	const id = "<ab010000-0000-0000-0000-000000000000@example.ru>"
	if len(ids) != 1 || ids[0] != id {
		t.Errorf("the ids are %q", ids)
	}
	got := s.got()
	if len(got) != 1 || got[0].from != "referral@example.ru" || got[0].to != "ok@example.com" || !got[0].encrypted || !got[0].loggedIn {
		t.Fatalf("got %+v", got)
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(got[0].body))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Message-Id": id, "To": "<ok@example.com>", "From": "t2 АТС <referral@example.ru>",
		"Subject": "Вас приглашают в t2 АТС: скидка 20% на 3 месяца", "Date": "Fri, 01 May 2026 09:00:00 +0000",
		"Auto-Submitted": "auto-generated", "Precedence": "bulk",
		"List-Unsubscribe":      "<https://lk.example.ru/referral/opt-out/TOKEN>",
		"List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
	} {
		if text := header(t, parsed, name); text != want {
			t.Errorf("%s: %q, want %q", name, text, want)
		}
	}
	parts := parts(t, parsed)
	if parts["text/plain"] != strings.ReplaceAll(message("").Text, "\n", "\r\n") || parts["text/html"] != message("").HTML {
		t.Errorf("the parts are %q", parts)
	}
}

func header(t *testing.T, m *mail.Message, name string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	if name == "From" {
		text = strings.ReplaceAll(text, `"`, "")
	}
	if name == "Date" {
		at, err := m.Header.Date()
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC().Format(time.RFC1123Z)
	}
	return text
}

// parts returns the decoded texts of an e-mail by their type.
func parts(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	found := map[string]string{}
	for reader := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || !strings.EqualFold(params["charset"], "utf-8") {
			t.Errorf("%s, %v, %v", kind, params, err)
		}
		if e := part.Header.Get("Content-Transfer-Encoding"); e != "quoted-printable" {
			t.Errorf("%s is encoded as %s", kind, e)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		found[kind] = string(text)
	}
}

// The answer and its step decide the error, which does not quote the recipient.
func TestAnswers(t *testing.T) {
	s := newServer(t)
	for what, want := range map[string]error{
		"unknown":    models.ErrMessageRefused,
		"spam":       models.ErrMessageRefused,
		"greylisted": models.ErrTransportBusy,
		"goodbye":    models.ErrTransportBusy,
		"full":       models.ErrTransportBusy,
		"cut":        models.ErrTransportBusy, // before any of it was sent
		"gone":       nil,                     // after the final dot
	} {
		t.Run(what, func(t *testing.T) {
			ids, err := sender(t, s.options()).Send(t.Context(), message(what+"@example.com"))
			is(t, ids, err, want)
			if strings.Contains(err.Error(), what+"@") || strings.Contains(err.Error(), "example.com") {
				t.Errorf("%v quotes the recipient", err)
			}
		})
	}
	t.Run("barred", func(t *testing.T) {
		o := s.options()
		o.From = "barred@example.ru"
		ids, err := sender(t, o).Send(t.Context(), message("ok@example.com"))
		is(t, ids, err, models.ErrTransportBusy)
	})
}

// is checks the kind of an error; nil stands for an unknown outcome.
func is(t *testing.T, ids []string, err, want error) {
	t.Helper()
	if err == nil || len(ids) != 0 {
		t.Fatalf("got %q, %v", ids, err)
	}
	for _, kind := range []error{models.ErrMessageRefused, models.ErrTransportBusy, models.ErrTransportUnreachable} {
		if errors.Is(err, kind) != errors.Is(kind, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestTimeoutOfASilentServer(t *testing.T) {
	s := newServer(t)
	for what, want := range map[string]error{"slow": models.ErrTransportBusy, "silent": nil} {
		t.Run(what+", the timeout", func(t *testing.T) {
			o := s.options()
			o.Timeout = 300 * time.Millisecond
			ids, err := sender(t, o).Send(t.Context(), message(what+"@example.com"))
			is(t, ids, err, want)
		})
		t.Run(what+", the end", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			o := s.options()
			o.Timeout = time.Hour
			ids, err := sender(t, o).Send(ctx, message(what+"@example.com"))
			is(t, ids, err, want)
		})
	}
}

func TestTimeoutOfTheGreeting(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // a test's own
	o := newServer(t).options()
	o.Port, o.Timeout = listener.Addr().(*net.TCPAddr).Port, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	ids, err := sender(t, o).Send(ctx, message("ok@example.com"))
	is(t, ids, err, models.ErrTransportUnreachable)
}

func TestUnreachable(t *testing.T) {
	for name, change := range map[string]func(*server, *Options){
		"nobody listens":       func(_ *server, o *Options) { o.Port = 1 },
		"a wrong password":     func(_ *server, o *Options) { o.Password = "wrong" },
		"an unknown authority": func(_ *server, o *Options) { o.TLS = nil },
		"another name":         func(_ *server, o *Options) { o.Host = "127.0.0.1" },
		"an expired one": func(s *server, o *Options) {
			o.TLS = &tls.Config{RootCAs: s.roots, Time: func() time.Time { return time.Now().Add(2 * time.Hour) }}
		},
		"no STARTTLS":     func(s *server, _ *Options) { s.TLSConfig = nil },
		"no login":        func(s *server, _ *Options) { s.logins = nil },
		"a login we lack": func(s *server, _ *Options) { s.logins = []string{"GSSAPI"} },
	} {
		t.Run(name, func(t *testing.T) {
			var o Options
			s := newServer(t, func(s *server) { change(s, &o) })
			o = s.options()
			change(s, &o)
			ids, err := sender(t, o).Send(t.Context(), message("ok@example.com"))
			is(t, ids, err, models.ErrTransportUnreachable)
			if strings.Contains(err.Error(), password) || len(s.got()) != 0 {
				t.Errorf("got %v, and the server %v", err, s.got())
			}
		})
	}
}

// A password and an authority that are replaced are used from the next message on.
func TestSecretsAreRenewed(t *testing.T) {
	s := newServer(t)
	good := s.options()
	o, renewed := good, false
	o.Password, o.TLS = "wrong", nil
	o.Renew = func(o *Options) {
		if renewed {
			o.Password, o.TLS = good.Password, good.TLS
		}
	}
	mail := sender(t, o)
	ids, err := mail.Send(t.Context(), message("ok@example.com"))
	is(t, ids, err, models.ErrTransportUnreachable)
	renewed = true
	if _, err := mail.Send(t.Context(), message("ok@example.com")); err != nil {
		t.Error(err)
	}
}

func TestAuthentication(t *testing.T) {
	plain := func(s *server) { s.TLSConfig, s.AllowInsecureAuth = nil, true }
	for name, c := range map[string]struct {
		server func(*server)
		change func(*Options)
	}{
		"LOGIN":             {func(s *server) { s.logins = []string{sasl.Login} }, func(*Options) {}},
		"no login asked":    {func(*server) {}, func(o *Options) { o.Username = "" }},
		"without TLS":       {plain, func(o *Options) { o.Security = None }},
		"without TLS, bare": {plain, func(o *Options) { o.Security, o.Username = None, "" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, c.server)
			o := s.options()
			c.change(&o)
			if _, err := sender(t, o).Send(t.Context(), message("ok@example.com")); err != nil {
				t.Fatal(err)
			}
			got := s.got()
			if len(got) != 1 || got[0].encrypted != (o.Security != None) || got[0].loggedIn != (o.Username != "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestImplicitTLS(t *testing.T) {
	s := newServer(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := s.options()
	o.Security, o.Port = TLS, listener.Addr().(*net.TCPAddr).Port
	go func() { _ = s.Serve(tlsListener(listener, s)) }() // ends with the server
	if _, err := sender(t, o).Send(t.Context(), message("ok@example.com")); err != nil {
		t.Fatal(err)
	}
	if got := s.got(); len(got) != 1 || !got[0].encrypted || !got[0].loggedIn {
		t.Errorf("got %+v", got)
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	s := newServer(t)
	for name, change := range map[string]func(*models.InvitationMessage){
		"line break in the address": func(m *models.InvitationMessage) { m.Recipient = "ok@example.com\r\nBcc: victim@example.com" },
		"newline in the address":    func(m *models.InvitationMessage) { m.Recipient = "ok@example.com\nBcc: victim@example.com" },
		"two addresses":             func(m *models.InvitationMessage) { m.Recipient = "ok@example.com, victim@example.com" },
		"a name":                    func(m *models.InvitationMessage) { m.Recipient = "Victim <ok@example.com>" },
		"an SMTP command":           func(m *models.InvitationMessage) { m.Recipient = "ok@example.com>\r\nRCPT TO:<victim@example.com" },
		"a parameter":               func(m *models.InvitationMessage) { m.Recipient = "ok@example.com> BODY=8BITMIME <x@example.com" },
		"line break in the subject": func(m *models.InvitationMessage) { m.Subject = "Скидка\r\nBcc: victim@example.com" },
		"carriage return":           func(m *models.InvitationMessage) { m.Subject = "Sale\rBcc: victim@example.com" },
		"line separator":            func(m *models.InvitationMessage) { m.Subject = "Sale\u2028Bcc: victim@example.com" },
		"line break in the link":    func(m *models.InvitationMessage) { m.OptOutLink += "\r\nBcc: victim@example.com" },
		"NUL":                       func(m *models.InvitationMessage) { m.Subject = "Sale\x00" },
		"an encoded word by hand":   func(m *models.InvitationMessage) { m.Subject = "=?utf-8?q?Sale=0D=0ABcc:_victim@example.com?=" },
		"a header in the text": func(m *models.InvitationMessage) {
			m.Text = "\r\n.\r\nMAIL FROM:<x@example.com>\r\nBcc: victim@example.com"
		},
		"a header in the HTML":       func(m *models.InvitationMessage) { m.HTML = "\n\n--boundary\nBcc: victim@example.com\n.\nQUIT" },
		"angle brackets in the link": func(m *models.InvitationMessage) { m.OptOutLink = "https://x/>, <mailto:victim@example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.got())
			m := message("ok@example.com")
			change(m)
			ids, err := sender(t, s.options()).Send(t.Context(), m)
			got := s.got()[before:]
			if err != nil {
				is(t, ids, err, models.ErrMessageRefused)
				if len(got) != 0 || strings.Contains(err.Error(), "victim") {
					t.Errorf("got %v, and the server %v", err, got)
				}
				return
			}
			if len(got) != 1 || got[0].to != "ok@example.com" {
				t.Fatalf("the server got %+v", got)
			}
			parsed, err := mail.ReadMessage(bytes.NewReader(got[0].body))
			if err != nil || len(parsed.Header) != 12 || parsed.Header.Get("Bcc") != "" {
				t.Errorf("%v, %v", parsed.Header, err)
			}
			if l := parsed.Header.Get("List-Unsubscribe"); strings.Count(l, ">") != 1 {
				t.Errorf("List-Unsubscribe is %s", l)
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := newServer(t).options()
	for name, change := range map[string]func(*Options){
		"no host":             func(o *Options) { o.Host = "" },
		"no port":             func(o *Options) { o.Port = 0 },
		"a port too large":    func(o *Options) { o.Port = 65536 },
		"no sender":           func(o *Options) { o.From = "" },
		"a name and sender":   func(o *Options) { o.From = "X <x@example.ru>" },
		"two senders":         func(o *Options) { o.From = "x@example.ru, y@example.ru" },
		"a name of two lines": func(o *Options) { o.FromName = "t2\r\nBcc: x@example.ru" },
		"no clock":            func(o *Options) { o.Now = nil },
		"open to the world":   func(o *Options) { o.Host, o.Security = "mail.example.ru", None },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
