package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"referral/contact"
	"referral/models"
	"referral/store"
	"referral/test/asyncapi"
	"referral/test/fakesmtp"
	"referral/test/smppserver"
)

// invites has an account invite somebody, as the personal account does.
func (w *world) invites(channel models.Channel, typed string) models.Invitation {
	w.t.Helper()
	to, err := contact.Rules{}.Normalize(channel, typed)
	if err != nil {
		w.t.Fatal(err)
	}
	db, err := store.Open(store.Options{DSN: w.db.Config().ConnString()})
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test's own
	var id models.UUID
	if _, err := rand.Read(id[:]); err != nil {
		w.t.Fatal(err)
	}
	i, err := db.Invite(w.t.Context(), models.InvitationRequest{
		ID: id, AccountID: 885, Channel: channel, Recipient: to.Address, Key: to.Key, Code: "K7M2XQ9PR", Token: rand.Text(),
		Day: models.NewDate(2026, 5, 1), PerDay: 10,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

// stands waits until an invitation stands somewhere.
func (w *world) stands(i models.Invitation, want models.InvitationState) {
	w.t.Helper()
	w.until("an invitation to be "+string(want), func() (bool, string) {
		var state models.InvitationState
		err := w.db.QueryRow(w.t.Context(), "SELECT state FROM invitations WHERE invitation_id = $1", i.ID.String()).Scan(&state)
		return err == nil && state == want, fmt.Sprint(state, " ", err)
	})
}

// transports is a mail server and an SMSC, with the settings by which the program
// uses them.
func transports(t *testing.T, refuse func(string) error) (*fakesmtp.Server, *smppserver.Recorder, []string) {
	t.Helper()
	box, err := fakesmtp.Start(refuse)
	if err != nil {
		t.Fatal(err)
	}
	setting := func(name string) string {
		value := os.Getenv(name)
		if value == "" {
			t.Fatalf("%s is not set: run me through make test", name)
		}
		return value
	}
	recorder, err := smppserver.NewRecorder(setting("REFERRAL_TEST_SMPP"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range []error{box.Close(), recorder.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	ca := t.TempDir() + "/ca.pem"
	if err := os.WriteFile(ca, box.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(box.Addr())
	if err != nil {
		t.Fatal(err)
	}
	const mail, sms = "REFERRAL_INVITATIONS_EMAIL_", "REFERRAL_INVITATIONS_SMS_"
	return box, recorder, []string{
		"REFERRAL_CABINET_PUBLIC_URL=https://lk.example.ru",
		mail + "VIA=smtp", mail + "SMTP_HOST=" + host, mail + "SMTP_PORT=" + port, mail + "SMTP_CA_FILE=" + ca,
		mail + "SMTP_USERNAME=" + fakesmtp.User, mail + "SMTP_PASSWORD=" + box.Password(), mail + "SMTP_FROM=referral@example.ru",
		sms + "VIA=smpp", sms + "SMPP_ADDRESS=" + recorder.Addr(), sms + "SMPP_SYSTEM_ID=" + setting("REFERRAL_TEST_SMPP_USER"),
		sms + "SMPP_PASSWORD=" + setting("REFERRAL_TEST_SMPP_PASSWORD"), sms + "SMPP_RECEIPT_IDS=decimal",
	}
}

// page is what an admin page says.
func (s *server) page(path string) string {
	s.w.t.Helper()
	answer, err := http.Get("http://" + s.admin + path)
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return string(text)
}

// Invitations go out by mail and by SMS, their receipts come back, and nobody who
// reads logs or metrics learns to whom.
func TestInvitationsGoOutByMailAndSMS(t *testing.T) {
	box, recorder, overrides := transports(t, func(to string) error {
		if strings.HasPrefix(to, "nobody") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + ">: no such user"}
		}
		return nil
	})
	w := newWorld(t, overrides...)
	s := w.serve()
	mail, text := w.invites(models.Email, "Friend.canary@Example.com"), w.invites(models.SMS, "8 (912) 345-67-89")
	w.stands(w.invites(models.Email, "nobody.canary@example.com"), models.InvitationFailed)
	w.stands(mail, models.InvitationSent)
	w.stands(text, models.InvitationDelivered)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	mails, err := box.Wait(ctx, "Friend.canary@example.com", 1)
	if err != nil {
		t.Fatal(err)
	}
	if m := mails[0]; m.Subject != "Вас приглашают в t2 АТС: скидка 20% на 3 месяца" || !strings.Contains(m.Text, "K7M2XQ9PR") || !strings.Contains(m.HTML, "K7M2XQ9PR") {
		t.Errorf("the mail is %+v", m)
	}
	messages, err := recorder.Wait(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if m := messages[0]; m.To != "79123456789" || !strings.HasPrefix(m.Text, "Приглашаем в t2 АТС: скидка 20% на 3 мес. Код K7M2XQ9PR") {
		t.Errorf("the SMS is %+v", m)
	}
	metrics := s.page("/metrics")
	for _, want := range []string{
		`referral_notify_send_attempts_total{channel="email",outcome="sent",transport="smtp"} 1`,
		`referral_notify_send_attempts_total{channel="email",outcome="refused",transport="smtp"} 1`,
		`referral_notify_send_attempts_total{channel="sms",outcome="sent",transport="smpp"} 1`,
		`referral_notify_delivery_receipts_total{state="delivered",transport="smpp"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not say %s", want)
		}
	}
	told := metrics + s.page("/readyz") + s.log.tail()
	for _, canary := range []string{"canary", "79123456789", "K7M2XQ9PR"} {
		if strings.Contains(told, canary) {
			t.Errorf("%s is told", canary)
		}
	}
	if status := s.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
	if got := len(box.Mails("Friend.canary@example.com")); got != 1 {
		t.Errorf("%d mails", got)
	}
}

// As long as the topic of invitations is not there they wait, and all else works.
func TestInvitationsWaitForTheirTopic(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t)
	w.variables = append(w.variables, "REFERRAL_INVITATIONS={email: {via: \"off\"}, sms: {via: \"off\"}}")
	if o := w.must("migrate"); strings.Contains(o.stdout, "notifications") {
		t.Errorf("a topic that nobody uses is made: %s", o.stdout)
	}
	w.variables = append(w.variables[:len(w.variables)-1], "REFERRAL_KAFKA_CREATE_TOPICS=false", "REFERRAL_CABINET_PUBLIC_URL=https://lk.example.ru")
	if o := w.must("migrate"); !strings.Contains(o.stdout, w.topics["notifications"]+" is missing: invitations wait") {
		t.Errorf("migrate says %s", o.stdout)
	}
	s := w.serve()
	i := w.invites(models.Email, "friend@example.com")
	w.until("readyz to say that they wait", func() (bool, string) {
		page := s.page("/readyz")
		return strings.HasPrefix(page, "ready\n") && strings.Contains(page, "notify: (the rest works) ") &&
			strings.Contains(s.page("/metrics"), `referral_notify_transport_up{channel="email",transport="kafka"} 0`), page
	})
	w.stands(i, models.InvitationQueued)

	w.variables = append(w.variables, "REFERRAL_KAFKA_CREATE_TOPICS=true")
	w.must("migrate")
	w.stands(i, models.InvitationSent)
	s.ready()
	records := w.records("notifications")
	if len(records) != 1 || string(records[0].Key) != "885" {
		t.Fatalf("on the topic: %+v", records)
	}
	contract, err := asyncapi.Load("../../asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := contract.Validate(asyncapi.Message{
		Topic: "referral.notifications", Key: "885", Headers: records[0].header, Value: records[0].Value,
	}); err != nil {
		t.Error(err)
	}
	if e := w.event(records[0]); e.ID != i.ID.String() {
		t.Errorf("the event's id is %s, want %s", e.ID, i.ID)
	}
}

// A process that is killed while it sends leaves an invitation of which nobody
// knows whether it went out. It does not go out again.
func TestInvitationsAfterAKilledSender(t *testing.T) {
	reached, release := make(chan struct{}, 10), make(chan struct{})
	box, _, overrides := transports(t, func(string) error {
		reached <- struct{}{}
		<-release
		return nil
	})
	defer close(release)
	w := newWorld(t, overrides...)
	s := w.serve("--only", "notify,web")
	i := w.invites(models.Email, "friend@example.com")
	<-reached
	s.kill()
	w.stands(i, models.InvitationSending)

	// Ten minutes pass.
	w.execute("UPDATE invitations SET claimed_at = now() - interval '11 minutes'")
	s = w.serve("--only", "notify,web")
	w.stands(i, models.InvitationUnknown)
	w.until("it to be counted", func() (bool, string) {
		return strings.Contains(s.page("/metrics"), `referral_notify_abandoned_invitations_total{channel="email"} 1`), "it is not"
	})
	other := w.invites(models.Email, "other@example.com")
	<-reached // this one alone
	w.stands(other, models.InvitationSending)
	if n := len(reached) + len(box.Mails("friend@example.com")); n != 0 {
		t.Errorf("the mail server was asked %d times more", n)
	}
}
