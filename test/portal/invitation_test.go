package portal

import (
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
	"referral/web/portal"
)

func (r *fixture) invite(account int64, channel, to, key string) answer {
	r.Helper()
	return r.call(call{account: account, method: http.MethodPost, path: "/invitations", body: map[string]string{"channel": channel, "recipient": to}, key: key})
}

func TestInvitationsAreAccepted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(885, "2025-06-01T09:00:00Z"))
	r.expect(r.invite(885, "email", " friend@example.com ", ""), http.StatusCreated, map[string]any{"recipient": "friend@example.com", "state": "queued", "channel": "email"})
	r.later(time.Second)
	r.expect(r.invite(885, "sms", "8 (916) 123-45-67", ""), http.StatusCreated, map[string]any{"recipient": "+79161234567", "channel": "sms"})
	list := r.get(885, "/invitations")
	r.expect(list, http.StatusOK, map[string]any{"invitations.0.channel": "sms", "invitations.1.channel": "email", "invitations.2": nil})
	if n := r.number("SELECT count(*) FROM invitations WHERE account_id = 885 AND code = $1 AND length(token) >= 22", r.codeOf(885)); n != 2 {
		t.Errorf("%d invitations with the code and a token", n)
	}
}

func TestInvitationsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *portal.Options) { o.Invites.PerDay = 2 })
	r.kafka(registered(885, "2025-06-01T09:00:00Z"), registered(886, "2025-06-01T09:00:00Z"), registered(887, "2025-06-01T09:00:00Z"),
		models.Terminated{AccountID: 887, TerminatedAt: instant("2026-04-01T00:00:00Z")})
	refuse := func(account int64, channel, to string, status int, code string) answer {
		t.Helper()
		a := r.invite(account, channel, to, "")
		r.expect(a, status, map[string]any{"code": code})
		return a
	}
	refuse(885, "email", "no address", http.StatusUnprocessableEntity, "bad_recipient")
	refuse(885, "sms", "+7 495 123-45-67", http.StatusUnprocessableEntity, "bad_recipient")
	refuse(885, "email", "friend@еxample.com", http.StatusUnprocessableEntity, "lookalike")
	refuse(885, "email", "друг@пример.рф", http.StatusUnprocessableEntity, "foreign_letters")
	refuse(885, "email", "a@example.com\r\nBcc: all@example.com", http.StatusUnprocessableEntity, "bad_recipient")
	refuse(999, "email", "friend@example.com", http.StatusConflict, "not_possible")
	refuse(887, "email", "friend@example.com", http.StatusConflict, "not_possible")
	r.expect(r.invite(885, "email", "friend@example.com", ""), http.StatusCreated, nil)
	a := refuse(886, "email", "friend@example.com", http.StatusTooManyRequests, "already_invited")
	if wait := a.header.Get("Retry-After"); wait != "43200" { // from noon to midnight in Moscow
		t.Errorf("come again after %s", wait)
	}
	r.expect(r.invite(885, "email", "second@example.com", ""), http.StatusCreated, nil)
	refuse(885, "email", "third@example.com", http.StatusTooManyRequests, "too_many")
	r.later(12 * time.Hour)
	r.expect(r.invite(885, "email", "third@example.com", ""), http.StatusCreated, nil)
}

// An account may invite until its day of termination in Moscow.
func TestInvitationsUntilTheTermination(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(885, "2025-06-01T09:00:00Z"), models.Terminated{AccountID: 885, TerminatedAt: instant("2026-04-02T21:30:00Z")})
	r.expect(r.get(885, "/standing"), http.StatusOK, map[string]any{"terminated": false})
	r.expect(r.invite(885, "email", "friend@example.com", ""), http.StatusCreated, nil)
	r.later(12 * time.Hour) // midnight in Moscow, half an hour before it leaves
	r.expect(r.get(885, "/standing"), http.StatusOK, map[string]any{"terminated": true})
	r.expect(r.invite(885, "email", "other@example.com", ""), http.StatusConflict, map[string]any{"code": "not_possible"})
}

// A repeat returns the same invitation, and the stored answer contains no address.
func TestRepeatedInvitation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(885, "2025-06-01T09:00:00Z"))
	ids := make([]any, 12)
	together(len(ids), func(i int) {
		if a := r.invite(885, "email", "friend@example.com", "k"); a.status == http.StatusCreated {
			ids[i] = a.is("invitation_id")
		}
	})
	ids = slices.DeleteFunc(ids, func(id any) bool { return id == nil })
	r.later(time.Hour)
	again := r.invite(885, "email", "Friend@Example.com ", "k")
	if again.status == http.StatusCreated {
		ids = append(ids, again.is("invitation_id"))
	}
	if len(ids) == 0 || len(slices.Compact(ids)) != 1 {
		t.Errorf("invitations %v", ids)
	}
	if n := r.number("SELECT count(*) FROM invitations"); n != 1 {
		t.Errorf("%d invitations", n)
	}
	if n := r.number("SELECT count(*) FROM client_requests WHERE convert_from(answer, 'UTF8') LIKE '%friend%'"); n != 0 {
		t.Error("the recipient is kept with the answer")
	}
	r.expect(r.invite(885, "email", "other@example.com", "k"), http.StatusUnprocessableEntity, map[string]any{"code": "idempotency_key_reused"})
	r.expect(r.enter(885, "QQQQQQQQQ", "k"), http.StatusUnprocessableEntity, map[string]any{"code": "idempotency_key_reused"})
}

func TestRepeatAfterTheTermination(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(885, "2025-06-01T09:00:00Z"))
	first := r.invite(885, "email", "friend@example.com", "k")
	r.kafka(models.Terminated{AccountID: 885, TerminatedAt: r.now()})
	o := r.options()
	o.Invites.Channels, o.Registerer = nil, prometheus.NewRegistry()
	r.mux = http.NewServeMux()
	r.open(o)
	if again := r.invite(885, "email", "friend@example.com", "k"); again.status != http.StatusCreated || again.text != first.text {
		t.Errorf("first %d %s, then %d %s", first.status, first.text, again.status, again.text)
	}
	r.expect(r.invite(885, "email", "friend@example.com", "another"), http.StatusConflict, map[string]any{"code": "not_possible"})
}

func TestOptOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *portal.Options) { o.NewToken = func() string { return "the token of the link" } })
	r.kafka(registered(885, "2025-06-01T09:00:00Z"), registered(886, "2025-06-01T09:00:00Z"))
	r.expect(r.invite(885, "email", "friend@example.com", ""), http.StatusCreated, nil)
	if found, err := r.service.OptOut(t.Context(), "another token"); found || err != nil {
		t.Errorf("found %t, %v", found, err)
	}
	for range 2 {
		if found, err := r.service.OptOut(t.Context(), "the token of the link"); !found || err != nil {
			t.Errorf("found %t, %v", found, err)
		}
	}
	r.expect(r.get(885, "/invitations"), http.StatusOK, map[string]any{"invitations.0.state": "opted_out"})
	r.later(48 * time.Hour)
	r.expect(r.invite(886, "email", "friend@example.com", "k"), http.StatusConflict, map[string]any{"code": "opted_out"})
	r.expect(r.invite(886, "email", "friend@example.com", "k"), http.StatusConflict, map[string]any{"code": "opted_out"})
}

func TestChannelIsOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *portal.Options) { o.Invites.Channels = []models.Channel{models.Email} })
	r.kafka(registered(885, "2025-06-01T09:00:00Z"))
	r.expect(r.invite(885, "sms", "+7 916 123-45-67", ""), http.StatusConflict, map[string]any{"code": "not_possible"})
	r.expect(r.invite(885, "email", "friend@example.com", ""), http.StatusCreated, nil)
}

// An erased address is not shown, and an opt-out remains in force.
func TestErasedAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *portal.Options) { o.NewToken = func() string { return "the token of the link" } })
	r.kafka(registered(885, "2025-06-01T09:00:00Z"), registered(886, "2025-06-01T09:00:00Z"))
	id := r.expectTaken(r.invite(885, "email", "canary@example.com", ""))
	if found, err := r.service.OptOut(t.Context(), "the token of the link"); !found || err != nil {
		t.Fatalf("found %t, %v", found, err)
	}
	erase := func() {
		r.store.DeleteExpired(t.Context(), map[string]time.Duration{"invitations.recipient": 90 * 24 * time.Hour}, func(string, int64, error) {})
	}
	erase()
	r.expect(r.get(885, "/invitations"), http.StatusOK, map[string]any{"invitations.0.recipient": "canary@example.com"})
	r.later(90*24*time.Hour + time.Second)
	r.expectTaken(r.invite(885, "sms", "+7 916 555-44-33", ""))
	erase()
	r.expect(r.get(885, "/invitations"), http.StatusOK, map[string]any{
		"invitations.0.recipient": "+79165554433", "invitations.1.recipient": nil, "invitations.1.invitation_id": id,
		"invitations.1.channel": "email", "invitations.1.state": "opted_out",
	})
	r.expect(r.invite(886, "email", "canary@example.com", "k"), http.StatusConflict, map[string]any{"code": "opted_out"})
}

func (r *fixture) expectTaken(a answer) (id any) {
	r.Helper()
	r.expect(a, http.StatusCreated, nil)
	return a.is("invitation_id")
}

// Staff who look at what a client sees see everything but whom it invited.
func TestStaffReader(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(885, "2025-06-01T09:00:00Z"))
	r.expect(r.invite(885, "email", "friend@example.org", ""), http.StatusCreated, map[string]any{"recipient": "friend@example.org"})
	staff := portal.NewStaffReader(r.store, r.p, r.options().PublicURL, r.now)
	page, err := staff.Invitations(t.Context(), 885, "", 10)
	if err != nil || len(page.Items) != 1 || page.Items[0].Recipient != "f***@example.org" {
		t.Errorf("%+v, %v", page, err)
	}
	own, err := r.service.Overview(t.Context(), 885)
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := staff.Overview(t.Context(), 885); err != nil || !reflect.DeepEqual(seen, own) {
		t.Errorf("staff see\n%+v, %v, the client\n%+v", seen, err, own)
	}
}
