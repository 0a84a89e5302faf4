package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/portal"
)

// together runs n goroutines that start at one moment.
func together(n int, fn func(i int)) {
	var group sync.WaitGroup
	gun := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-gun
			fn(i)
		})
	}
	close(gun)
	group.Wait()
}

// A new client enters a code, and both accounts see the result.
func TestActivation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.expect(r.get(901, "/standing"), http.StatusNotFound, map[string]any{"code": "unknown_account"})
	r.kafka(registered(885, "2025-06-01T09:00:00Z"), registered(901, "2026-03-10T09:00:00Z"))
	code := r.codeOf(885)
	before := r.get(901, "/standing")
	r.expect(before, http.StatusOK, map[string]any{
		"window.open": true, "window.last_day": "2026-04-10", "window.closes_at": "2026-04-11T00:00:00+03:00", "entered": false, "current.percent": 0,
		"name": "Резервация-901", "next_friend.step": 1, "next_friend.percent": 20, "steps.2.sms": 1200, "link": "https://lk.example.com/referral?code=" + r.codeOf(901),
	})
	r.expect(r.enter(901, "QQQQQQQQQ", ""), http.StatusOK, map[string]any{"accepted": false, "waiting": false, "reason": "unknown_code"})
	r.expect(r.enter(901, r.codeOf(901), ""), http.StatusOK, map[string]any{"reason": "own_code"})
	r.expect(r.enter(901, strings.ToLower(code[:4])+"-"+code[4:], ""), http.StatusOK, map[string]any{"accepted": true, "reason": nil})
	r.later(time.Second) // the same code at the same moment would be the same request
	r.expect(r.enter(901, code, ""), http.StatusOK, map[string]any{"reason": "already_activated"})
	r.expect(r.get(901, "/standing"), http.StatusOK, map[string]any{
		"joined.on": "2026-04-02", "joined.percent": 20, "promised.percent": 20, "promised.months": 3, "window.open": false, "entered": true, "current.percent": 0,
	})
	r.kafka(models.PromoEnded{AccountID: 901, EndedAt: instant("2026-04-01T00:00:00+03:00")})
	r.expect(r.get(901, "/standing"), http.StatusOK, map[string]any{
		"promised": nil, "invitee_discount.from": "2026-04-02", "invitee_discount.to": "2026-07-02", "current.percent": 20, "current.until": "2026-07-02",
	})
	r.expect(r.get(885, "/standing"), http.StatusOK, map[string]any{
		"current.percent": 20, "current.step": 1, "friends": 1, "friends_on_ladder": 1, "steps.0.own": true, "next_friend.percent": 40, "window.open": false,
	})
	r.at("2026-04-11T00:00:00+03:00")
	r.kafka(registered(902, "2026-03-10T09:00:00Z"))
	r.expect(r.enter(902, code, ""), http.StatusOK, map[string]any{"reason": "window_closed"})
}

// The code of an unknown account is checked when its registration arrives.
func TestActivationBeforeTheRegistration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(885, "2025-06-01T09:00:00Z"))
	code := r.codeOf(885)
	r.expect(r.enter(901, code, "k"), http.StatusOK, map[string]any{"accepted": false, "waiting": true, "reason": nil})
	r.expect(r.get(901, "/standing"), http.StatusOK, map[string]any{"activation_pending": true, "registered": false, "code": nil, "window": nil})
	r.kafka(registered(901, "2026-04-01T09:00:00Z"))
	r.expect(r.get(901, "/standing"), http.StatusOK, map[string]any{"activation_pending": false, "joined.on": "2026-04-02"})
}

// Of twenty concurrent requests of one account by HTTP and Kafka one is accepted, and all
// get the same answer.
func TestConcurrentActivations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var codes []string
	for i := range int64(4) {
		r.kafka(registered(880+i, "2025-06-01T09:00:00Z"))
		codes = append(codes, r.codeOf(880+i))
	}
	r.kafka(registered(901, "2026-03-20T09:00:00Z"))
	accepted := make([]bool, 20)
	together(20, func(i int) {
		code := codes[i%len(codes)]
		if i%2 == 0 {
			r.kafka(models.ActivationRequested{AccountID: 901, Code: code, RequestedAt: r.now()})
			return
		}
		accepted[i] = r.enter(901, code, fmt.Sprint("key-", i%3)).is("accepted") == true
	})
	if n := r.number("SELECT count(*) FROM activations WHERE account_id = 901 AND status = 'accepted'"); n != 1 {
		t.Errorf("%d are accepted", n)
	}
	if n := r.number("SELECT count(*) FROM referrals WHERE invitee_id = 901"); n != 1 {
		t.Errorf("%d inviters have been rewarded", n)
	}
	if n := r.number("SELECT count(*) FROM activations WHERE account_id = 901 AND status = 'pending'"); n != 0 {
		t.Errorf("%d have no decision", n)
	}
	told := 0
	for _, yes := range accepted {
		if yes {
			told++
		}
	}
	byHTTP := r.number(`SELECT count(*) FROM activations v JOIN client_requests q ON q.account_id = v.account_id
		WHERE v.account_id = 901 AND v.status = 'accepted' AND convert_from(q.answer, 'UTF8') LIKE '%"accepted":true%'`)
	if (told > 0) != (byHTTP > 0) {
		t.Errorf("%d were told that their code is accepted, %d such answers are kept", told, byHTTP)
	}
}

// A repeat has no effect and gets the first answer; another request with the key is
// refused.
func TestRepeatGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(885, "2025-06-01T09:00:00Z"), registered(901, "2026-03-20T09:00:00Z"), registered(902, "2026-03-20T09:00:00Z"))
	code := r.codeOf(885)
	answers := make([]answer, 20)
	together(20, func(i int) { answers[i] = r.enter(901, code, "the key") })
	done := 0
	for _, a := range answers {
		switch a.status {
		case http.StatusOK:
			done++
			r.expect(a, http.StatusOK, map[string]any{"accepted": true})
		default:
			r.expect(a, http.StatusConflict, map[string]any{"code": "request_under_way"})
		}
	}
	if done == 0 {
		t.Error("nobody was answered")
	}
	r.later(time.Hour)
	r.expect(r.enter(901, strings.ToLower(code), "the key"), http.StatusOK, map[string]any{"accepted": true})
	r.expect(r.enter(901, "QQQQQQQQQ", "the key"), http.StatusUnprocessableEntity, map[string]any{"code": "idempotency_key_reused"})
	r.expect(r.enter(902, code, "the key"), http.StatusOK, map[string]any{"accepted": true})
	r.expect(r.enter(901, code, "another key"), http.StatusOK, map[string]any{"reason": "already_activated"})
	if n := r.number("SELECT count(*) FROM activations WHERE account_id = 901"); n != 2 {
		t.Errorf("%d requests were made of 901, want the one and the one under another key", n)
	}
}

// broken is a store that loses the answers of the database, or is unavailable.
type broken struct {
	portal.Store
	lose, away bool
}

var errLost = errors.New("the connection is lost; it was about account 901 and secret901@canary.example")

func (b *broken) Ingest(ctx context.Context, batch []models.DecodedMessage, derive models.DeriveFunc) ([]models.Disposition, error) {
	if b.away {
		return nil, errLost
	}
	fate, err := b.Store.Ingest(ctx, batch, derive)
	if b.lose {
		return nil, errLost
	}
	return fate, err
}

// After a lost answer the repeat gets the first decision, and is not counted as another
// attempt.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	b := &broken{}
	r := newRig(t, func(o *portal.Options) { b.Store, o.Store = o.Store, b })
	r.kafka(registered(885, "2025-06-01T09:00:00Z"), registered(901, "2026-03-20T09:00:00Z"))
	code := r.codeOf(885)
	for _, b.away = range []bool{true, false} {
		b.lose = !b.away
		a := r.enter(901, code, "k")
		r.expect(a, http.StatusServiceUnavailable, map[string]any{"code": "unavailable", "detail": nil})
		if a.header.Get("Retry-After") == "" || strings.Contains(a.text, "901") {
			t.Errorf("told were %v %s", a.header, a.text)
		}
		r.later(10 * time.Second)
	}
	b.lose = false
	r.expect(r.enter(901, code, "k"), http.StatusOK, map[string]any{"accepted": true})
	if n := r.number("SELECT count(*) FROM activations WHERE account_id = 901"); n != 1 {
		t.Errorf("the code was entered %d times", n)
	}
	if at := r.get(901, "/standing").is("joined.on"); at != "2026-04-02" {
		t.Errorf("joined on %v", at)
	}
	if n := r.number("SELECT coalesce(sum(tries), 0) FROM code_tries"); n != 0 {
		t.Errorf("%d tries count as wrong codes", n)
	}
}

// An impossible code is refused like an unknown one, and not stored.
func TestImpossibleCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(901, "2026-03-20T09:00:00Z"))
	for _, code := range []string{"ABC\x00DEF", strings.Repeat("A", 5000), "\xff\xfe", " - ", "ABC\nDEF", strings.Repeat("Ж", 65)} {
		v, err := r.service.Activate(t.Context(), 901, portal.ActivationRequest{Code: code, ClientIP: "192.0.2.1"})
		if err != nil || v != (portal.ActivationResult{Reason: models.UnknownCode}) {
			t.Errorf("%.10q: %+v, %v", code, v, err)
		}
	}
	if n := r.number("SELECT count(*) FROM activations"); n != 0 {
		t.Errorf("%d are kept", n)
	}
	if n := r.number("SELECT tries FROM code_tries WHERE scope = 'account'"); n != 5 {
		t.Errorf("%d count as wrong codes, want all but the empty one", n)
	}
	v, err := r.service.Activate(t.Context(), 901, portal.ActivationRequest{Code: "'; DROP TABLE accounts; --", ClientIP: "192.0.2.1"})
	if err != nil || v.Reason != models.UnknownCode {
		t.Errorf("%+v, %v", v, err)
	}
}

// Unreadable requests are refused, and change nothing.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(901, "2026-03-20T09:00:00Z"))
	for _, c := range []struct {
		name   string
		call   call
		status int
		code   string
	}{
		{"no body", call{method: http.MethodPost, path: "/activations"}, http.StatusBadRequest, "bad_request"},
		{"no code", call{method: http.MethodPost, path: "/activations", body: map[string]string{}}, http.StatusUnprocessableEntity, "invalid"},
		{"a code of another type", call{method: http.MethodPost, path: "/activations", body: map[string]int{"code": 7}}, http.StatusUnprocessableEntity, "invalid"},
		{"a code too long", call{method: http.MethodPost, path: "/activations", body: map[string]string{"code": strings.Repeat("A", 65)}}, http.StatusUnprocessableEntity, "invalid"},
		{"a body too large", call{method: http.MethodPost, path: "/activations", body: map[string]string{"code": strings.Repeat("A", 9000)}}, http.StatusRequestEntityTooLarge, "too_large"},
		{"no object", call{method: http.MethodPost, path: "/activations", body: []int{1}}, http.StatusUnprocessableEntity, "invalid"},
		{"a key too long", call{method: http.MethodPost, path: "/activations", body: map[string]string{"code": "A"}, key: strings.Repeat("k", 256)}, http.StatusUnprocessableEntity, "invalid"},
		{"an unknown channel", call{method: http.MethodPost, path: "/invitations", body: map[string]string{"channel": "fax", "recipient": "1"}}, http.StatusUnprocessableEntity, "invalid"},
		{"a page too large", call{method: http.MethodGet, path: "/friends?limit=101"}, http.StatusUnprocessableEntity, "invalid"},
		{"a page of nothing", call{method: http.MethodGet, path: "/friends?limit=0"}, http.StatusUnprocessableEntity, "invalid"},
		{"a page of words", call{method: http.MethodGet, path: "/friends?limit=all"}, http.StatusUnprocessableEntity, "invalid"},
		{"a made-up cursor", call{method: http.MethodGet, path: "/friends?cursor=abc"}, http.StatusBadRequest, "bad_cursor"},
		{"an invoice that is none", call{method: http.MethodGet, path: "/invoices/..%2F..%2Fetc/explanation"}, http.StatusNotFound, "unknown_invoice"},
	} {
		c.call.account = 901
		a := r.call(c.call)
		if a.status != c.status || a.is("code") != c.code || a.is("type") != "urn:referral:problem:"+c.code {
			t.Errorf("%s: %d %s", c.name, a.status, a.text)
		}
		if strings.Contains(a.text, "AAAA") || strings.Contains(a.text, "kkkk") {
			t.Errorf("%s: the answer repeats what was sent: %s", c.name, a.text)
		}
	}
	if n := r.number("SELECT count(*) FROM activations"); n != 0 {
		t.Errorf("%d codes were entered", n)
	}
	unknown := r.call(call{account: 901, method: http.MethodPost, path: "/activations", body: map[string]any{"code": "QQQ", "colour": "green", "account_id": 885}})
	r.expect(unknown, http.StatusOK, map[string]any{"reason": "unknown_code"})
}

func TestJoinWithoutACode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kafka(registered(901, "2026-03-20T09:00:00Z"))
	for range 2 {
		r.expect(r.call(call{account: 901, method: http.MethodPost, path: "/membership", key: "k"}), http.StatusOK, map[string]any{"entered": true})
	}
	r.expect(r.get(901, "/standing"), http.StatusOK, map[string]any{"entered": true, "window.open": true})
}

func TestEnumsOfTheDocument(t *testing.T) {
	t.Parallel()
	s := readSchemas(t)
	for path, want := range map[string][]string{
		"ActivationResult.reason": {string(models.UnknownCode), string(models.OwnCode), string(models.OwnCompany), string(models.AlreadyActivated), string(models.WindowClosed)},
		"Change.reason":           {string(billing.ChangeFriend), string(billing.ChangeLadderEnd), string(billing.ChangeInviteeStart), string(billing.ChangeInviteeEnd), string(billing.ChangeAgreedStart), string(billing.ChangeAgreedEnd), string(billing.ChangeTermination), string(billing.ChangeRevoked)},
		"Package.state":           {string(billing.PackageEarned), string(billing.PackageOrdered), string(billing.PackageCredited), string(billing.PackageRejected), string(billing.PackageWrittenOff)},
		"Document.reason":         {string(models.ReasonRun), string(models.ReasonLateFact), string(models.ReasonInvoiceRevised), string(models.ReasonRevoked), string(models.ReasonBookedElsewhere)},
		"Document.state": {string(billing.DocumentPosted), string(billing.DocumentPublished), string(billing.DocumentApplied), string(billing.DocumentRejected),
			string(billing.DocumentResent), string(billing.DocumentWrittenOff), string(billing.DocumentShadow)},
	} {
		name, field, _ := strings.Cut(path, ".")
		at := any(s.document)
		for _, key := range []string{"components", "schemas", name, "properties", field, "enum"} {
			at = at.(map[string]any)[key]
		}
		var got []string
		for _, v := range at.([]any) {
			got = append(got, fmt.Sprint(v))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
