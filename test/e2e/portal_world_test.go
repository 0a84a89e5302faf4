package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"referral/internal/demo/fakeoidc"
	"referral/models"
	"referral/test/browser"
	"referral/test/fakesmtp"
	"referral/test/smppserver"
)

// portalWorld is a world whose personal account is served, with those around it: the
// operator's sign-in, and browsers.
type portalWorld struct {
	*world
	site     string // origin of the personal account
	identity *fakeoidc.Provider
	server   *server
}

var moscow = time.FixedZone("MSK", 3*60*60)

// newPortalWorld makes a world and serves it.
func newPortalWorld(t *testing.T, overrides ...string) *portalWorld {
	t.Helper()
	c := &portalWorld{world: newWorld(t, overrides...)}
	address := c.startProvider(t, "/referral", nil)
	c.server = c.launch(append(signInAt(c.identity), "REFERRAL_HTTP_CABINET="+address))
	c.server.ready()
	return c
}

// signInAt is the settings of a personal account with that provider.
func signInAt(identity *fakeoidc.Provider) []string {
	return []string{
		"REFERRAL_CABINET_SIGN_IN_ISSUER=" + identity.Issuer(),
		"REFERRAL_CABINET_SIGN_IN_CLIENT_ID=" + fakeoidc.ClientID,
		"REFERRAL_CABINET_SIGN_IN_CLIENT_SECRET=" + identity.ClientSecret(),
		"REFERRAL_CABINET_SIGN_IN_ACCOUNT_CLAIM=" + fakeoidc.AccountClaim,
		"REFERRAL_CABINET_SIGN_IN_AUDIENCE=" + fakeoidc.Audience,
	}
}

// startProvider starts the OpenID provider of a site at base, which will be served at
// the address returned.
func (c *portalWorld) startProvider(t *testing.T, base string, claims func(account int64) map[string]any) (address string) {
	t.Helper()
	address = freeAddress(c.world)
	c.site = "http://" + address
	var err error
	c.identity, err = fakeoidc.Start(t.Context(), fakeoidc.Options{
		RedirectURIs: []string{c.site + base + "/sign-in/callback"}, PostLogoutURIs: []string{c.site + base + "/signed-out"}, Claims: claims,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.identity.Stop(); err != nil {
			t.Error(err)
		}
	})
	return address
}

// visit opens a browser for somebody who signs in as the account, and is on the
// page then.
func (c *portalWorld) visit(t *testing.T, account int64, path string, o browser.Options) *browser.Page {
	t.Helper()
	o.Hosts = c.hosts()
	p := browser.Open(t, o)
	p.Goto(c.site + path)
	if wide := p.ExcessWidth(); wide > 0 {
		t.Errorf("the page of the sign-in is wider than the screen by %d pixels", wide)
	}
	p.Fill("Номер любого клиента", strconv.FormatInt(account, 10))
	if a := p.Follow(func() { p.Click("Войти") }); a.Status != 200 || !strings.HasPrefix(a.URL, c.site+path) {
		t.Fatalf("signing in as %d leads to %+v", account, a)
	}
	return p
}

// hosts are those that a browser has to do with.
func (c *portalWorld) hosts() []string {
	return []string{strings.TrimPrefix(c.site, "http://"), strings.TrimPrefix(c.identity.Issuer(), "http://")}
}

// to goes to a page of the personal account.
func (c *portalWorld) to(p *browser.Page, path string) { p.Goto(c.site + path) }

// today is the programme's day.
func today() models.Date {
	year, month, day := time.Now().In(moscow).Date()
	return models.NewDate(year, month, day)
}

// noon of a day that many days before today.
func before(days int) string {
	return (today() - models.Date(days)).Time().Format("2006-01-02") + "T12:00:00+03:00"
}

// in writes a day as the customer's text does: 21.02.2023.
func dotted(d models.Date) string { return d.Time().Format("02.01.2006") }

// friends are those whom invitations reach: a mail server and an SMSC.
type friends struct {
	mail *fakesmtp.Server
	sms  *smppserver.Recorder
}

// newFriends starts a mail server and stands before the SMSC. The settings make
// the program send by both.
func newFriends(t *testing.T) (*friends, []string) {
	t.Helper()
	box, err := fakesmtp.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := smppserver.NewRecorder(setting(t, "REFERRAL_TEST_SMPP"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(box.Close(), recorder.Close()); err != nil {
			t.Error(err)
		}
	})
	authority := filepath.Join(t.TempDir(), "mail.pem")
	if err := os.WriteFile(authority, box.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(box.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return &friends{box, recorder}, []string{
		"REFERRAL_INVITATIONS_EMAIL_VIA=smtp", "REFERRAL_INVITATIONS_EMAIL_SMTP_HOST=" + host, "REFERRAL_INVITATIONS_EMAIL_SMTP_PORT=" + port,
		"REFERRAL_INVITATIONS_EMAIL_SMTP_CA_FILE=" + authority, "REFERRAL_INVITATIONS_EMAIL_SMTP_FROM=referral@example.ru",
		"REFERRAL_INVITATIONS_EMAIL_SMTP_USERNAME=" + fakesmtp.User, "REFERRAL_INVITATIONS_EMAIL_SMTP_PASSWORD=" + box.Password(),
		"REFERRAL_INVITATIONS_SMS_VIA=smpp", "REFERRAL_INVITATIONS_SMS_SMPP_ADDRESS=" + recorder.Addr(),
		"REFERRAL_INVITATIONS_SMS_SMPP_SYSTEM_ID=" + setting(t, "REFERRAL_TEST_SMPP_USER"),
		"REFERRAL_INVITATIONS_SMS_SMPP_PASSWORD=" + setting(t, "REFERRAL_TEST_SMPP_PASSWORD"),
		"REFERRAL_INVITATIONS_SMS_SMPP_RECEIPT_IDS=decimal", // as jSMPP's simulator has it
	}
}

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatal(name + " is not set: run the tests with test/testenv (make test does)")
	}
	return value
}

// letter waits for the only mail to an address.
func (f *friends) letter(t *testing.T, to string) fakesmtp.Mail {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	mails, err := f.mail.Wait(ctx, to, 1)
	if err != nil || len(mails) != 1 {
		t.Fatalf("%d mails, %v", len(mails), err)
	}
	return mails[0]
}

// short waits for n SMS, and gives the last.
func (f *friends) short(t *testing.T, n int) smppserver.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	messages, err := f.sms.Wait(ctx, n)
	if err != nil || len(messages) != n {
		t.Fatalf("%d SMS, %v", len(messages), err)
	}
	return messages[n-1]
}

// client is a registration as the PBX sends it.
func client(account int64, name, at string) message {
	return fact("registered", "/pbx", "pbx.registered.v1", fmt.Sprint("r-", account), account,
		`{"account_id":%d,"name":%s,"tax_id":"77%08d","registered_at":%q,"promo_until":%q}`,
		account, jsonText(name), account, at, (today() + 14).String())
}

// bill is an invoice of the subscription for a whole month.
func bill(account int64, period models.Period, amount int64) message {
	return fact("invoices", "/billing", "billing.invoice-issued.v1", fmt.Sprint("i-", account, "-", period), account,
		`{"invoice_id":"INV-%s-%d","account_id":%d,"period":%q,"revision":1,"currency":"RUB",
		"lines":[{"line_id":"1","service":"subscription","from":%q,"to":%q,"amount_minor":%d}]}`,
		period, account, account, period, period.First(), period.End(), amount)
}

func jsonText(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string is always a JSON value
	}
	return string(out)
}
