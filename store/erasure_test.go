package store_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"referral/models"
)

// The personal data of a client, wherever they came in, are nowhere in the database after
// they were erased, and no message or file brings them back. The money stays, and ties.
func TestErasedDataLeaveNoTrace(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	canaries := []string{"Канарейка", "770101010101", "canary@example.ru", "79990001122", "friend-of-canary@example.ru", "79990003344"}
	profile := models.Profile{Name: "ООО Канарейка", TaxID: "770101010101", Email: "canary@example.ru", Phone: "79990001122", PromoUntil: "2026-03-15", At: at("2026-03-01T09:00:00Z")}
	canary := models.Registered{AccountID: 901, RegisteredAt: at("2026-03-01T09:00:00Z"), Profile: profile}
	imported := models.ImportedAccount{AccountID: 901, Name: profile.Name, TaxID: profile.TaxID, RegisteredAt: canary.RegisteredAt}
	letter := func(key, value string) models.DecodedMessage {
		m := l.fact(nil)
		m.Fact, m.Err = nil, &models.InputError{Reason: models.BadField, Detail: "data.registered_at: it is missing"}
		m.Message.Key, m.Message.Value = []byte(key), []byte(value)
		m.Message.Headers = []models.Header{{Key: "note", Value: []byte(profile.Name)}}
		return m
	}
	letters := func() []models.DecodedMessage {
		return []models.DecodedMessage{
			letter("901", `{"data":{"name":"ООО Канарейка"}}`), letter("", `{"data":{"account_id": 901,"phone":"79990001122"}}`),
			letter("", `not JSON: canary@example.ru`), letter("7", `{"data":{"name":"\u041e\u041e\u041e \u041a\u0430\u043d\u0430\u0440\u0435\u0439\u043a\u0430"}}`),
		}
	}
	l.facts(models.Registered{AccountID: 885, RegisteredAt: at("2025-06-01T09:00:00Z"), Profile: models.Profile{Name: "Инвайтер", At: at("2025-06-01T09:00:00Z")}})
	l.imports(imported)
	l.facts(canary, models.PromoEnded{AccountID: 901, EndedAt: at("2026-03-15T09:00:00Z")},
		models.ActivationRequested{AccountID: 901, Code: codeOf(885), RequestedAt: at("2026-03-02T09:00:00Z")}, april(901, 1, 300000), april(885, 1, 300000))
	l.take(append(letters(), letter("902", `{"data":{"account_id":9010,"name":"another one"}}`))...)
	l.exec(`INSERT INTO invitations (account_id, invitation_id, channel, recipient, recipient_key, code, day, state, next_try_at, token, token_hash, created_at, changed_at)
		VALUES (901, gen_random_uuid(), 'email', 'friend-of-canary@example.ru', '\x01', 'C', '2026-04-01', 'queued', now(), 'secret', '\x02', now(), now()),
			(901, gen_random_uuid(), 'sms', '79990003344', '\x03', 'C', '2026-04-01', 'sent', now(), '', '\x04', now(), now()),
			(901, '00000000-0000-0000-0000-000000000901', 'sms', '79990003344', sha256('x'), 'C', '2026-04-01', 'sending', now(), 'secret', '\x05', now(), now())`)
	l.exec(`INSERT INTO client_requests VALUES (901, gen_random_uuid(), gen_random_uuid(), now(), now(), convert_to('{"to":"79990003344"}', 'UTF8'))`)
	l.exec(`INSERT INTO sessions VALUES (sha256('x'), 901, convert_to('canary@example.ru', 'UTF8'), now(), now(), now(), now())`)
	if _, err := l.Propose(t.Context(), models.Proposal{
		What: models.ActionReplayCorrected, Subject: models.DeadLetterSubject(l.number("SELECT min(id) FROM dead_letters")), Details: []byte(`{"value":"ООО Канарейка"}`), Proposer: anna, Reason: "a test",
	}, models.RoleFinance); err != nil {
		t.Fatal(err)
	}
	l.settle(models.RunRequest{Period: 202604})
	ledgerBefore := l.dump(ledger)

	planted := l.everything()
	for _, text := range canaries {
		if !strings.Contains(planted, text) && !strings.Contains(planted, hex.EncodeToString([]byte(text))) {
			t.Errorf("%q is not planted", text)
		}
	}
	erase := models.OperatorAction{Who: "Anna", What: models.ActionErase, Subject: "901", Reason: "the client's request"}
	for _, want := range []bool{true, false} {
		if erased, err := l.Erase(t.Context(), 901, erase); err != nil || erased != want {
			t.Fatalf("erased: %t, want %t, %v", erased, want, err)
		}
	}
	if erased, err := l.Erase(t.Context(), 999, erase); err != nil || erased {
		t.Errorf("an unknown account is erased: %t, %v", erased, err)
	}
	check := func(when string) {
		t.Helper()
		all := l.everything()
		for _, text := range canaries {
			if strings.Contains(all, text) || strings.Contains(all, hex.EncodeToString([]byte(text))) {
				for line := range strings.Lines(all) {
					if strings.Contains(line, text) || strings.Contains(line, hex.EncodeToString([]byte(text))) {
						t.Errorf("%s there is %q: %s", when, text, line)
					}
				}
			}
		}
	}
	check("at once")

	// Nothing brings them back: a repeat, a newer message, a file, another dead letter.
	l.facts(canary)
	newer := canary
	newer.Profile.At = at("2026-04-30T09:00:00Z")
	newer.RegisteredAt = at("2026-02-28T09:00:00Z")
	l.facts(newer)
	l.imports(imported)
	l.take(letters()[:2]...)
	check("after they came again")
	id, err := models.ParseUUID("00000000-0000-0000-0000-000000000901")
	if err != nil {
		t.Fatal(err)
	}
	later := models.InvitationOutcome{State: models.InvitationQueued, RetryAt: l.now, Deferrals: 1}
	if err := l.RecordInvitationOutcome(t.Context(), models.InvitationClaim{AccountID: 901, ID: id}, later); err != nil {
		t.Fatal(err)
	}
	if got, want := l.dump("SELECT registered_at::date, name FROM accounts WHERE account_id = 901"), `(2026-02-28,"")`; got != want {
		t.Errorf("the account is %s, want %s: its registration still counts", got, want)
	}
	if got := l.dump(ledger); got != ledgerBefore {
		t.Errorf("the ledger is\n%s, was\n%s", got, ledgerBefore)
	}
	l.calm()
	l.tie(202604)

	friends, err := l.ReferredAccounts(t.Context(), 885, models.ReferralCursor{}, 10)
	if err != nil || len(friends) != 1 || !friends[0].Erased || friends[0].Name != "" {
		t.Errorf("the inviter sees %+v, %v", friends, err)
	}
	for query, want := range map[string]string{
		"SELECT state, recipient FROM invitations ORDER BY 1":                            "(failed,\"\")\n(failed,\"\")\n(sent,\"\")",
		"SELECT count(*) FROM sessions":                                                  "(0)",
		"SELECT state, count(*) FROM dead_letters GROUP BY 1":                            "(discarded,6)\n(waiting,1)",
		"SELECT who, subject, reason FROM operator_actions WHERE what = 'erase'":         `(Anna,901,"the client's request")`,
		"SELECT count(*) FROM dead_letters WHERE published_at IS NULL AND value IS NULL": "(0)",
	} {
		if got := l.dump(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := l.number("SELECT count(*) FROM dead_letters WHERE convert_from(value, 'UTF8') LIKE '%another one%'"); got != 1 {
		t.Errorf("the message of another account is gone")
	}

	history, tables, _, err := l.PersonalData(t.Context(), 901)
	if err != nil || history.Account.ErasedAt.IsZero() || len(tables["accounts"]) != 1 || len(tables["invitations"]) != 3 || len(tables["adjustments"]) == 0 || len(tables["dead_letters"]) != 2 ||
		len(tables["operator_actions"]) != 1 || bytes.Contains(tables["operator_actions"][0], []byte("Anna")) || bytes.Contains(tables["invitations"][0], []byte("token")) {
		t.Errorf("the data of the account: %s, %v", tables, err)
	}
}

// The personal data of accounts that left are erased when they have had no document for
// as long as the retention says, with one entry of the journal for many.
func TestTerminatedAccountsAreErased(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	left := at("2026-04-20T09:00:00Z")
	for id := int64(901); id <= 904; id++ {
		l.facts(models.Registered{AccountID: id, RegisteredAt: at("2026-01-10T09:00:00Z"), Profile: models.Profile{Name: "a name", At: left}})
	}
	l.facts(models.Terminated{AccountID: 901, TerminatedAt: left}, models.Terminated{AccountID: 902, TerminatedAt: left.AddDate(0, 1, 0)}, models.Terminated{AccountID: 903, TerminatedAt: left})
	// One of them got a document later.
	l.facts(models.ActivationRequested{AccountID: 903, Code: codeOf(904), RequestedAt: at("2026-01-10T09:00:00Z")}, models.PromoEnded{AccountID: 903, EndedAt: at("2026-03-20T09:00:00Z")}, april(903, 1, 300000))
	l.settle(models.RunRequest{Period: 202604})
	l.behindTriggers("UPDATE adjustments SET posted_at = '2026-05-01'")

	keep := map[string]time.Duration{"accounts.personal_data": 365 * 24 * time.Hour}
	erased := func(now string) (accounts int64) {
		l.now = at(now)
		l.DeleteExpired(t.Context(), keep, func(table string, rows int64, err error) {
			if table == "accounts.personal_data" {
				if accounts = rows; err != nil {
					t.Error(err)
				}
			}
		})
		return accounts
	}
	for _, step := range []struct {
		now  string
		want int64
	}{{"2027-04-20T08:00:00Z", 0}, {"2027-04-20T10:00:00Z", 1}, {"2027-04-20T11:00:00Z", 0}, {"2027-06-01T10:00:00Z", 2}} {
		if due, err := l.TerminatedAccounts(t.Context(), at(step.now).Add(-keep["accounts.personal_data"]), 10); err != nil || int64(len(due)) != step.want {
			t.Errorf("at %s accounts %v are due, want %d, %v", step.now, due, step.want, err)
		}
		if got := erased(step.now); got != step.want {
			t.Errorf("at %s %d accounts are erased, want %d", step.now, got, step.want)
		}
	}
	if got, want := l.dump("SELECT account_id FROM accounts WHERE name <> ''"), "(904)"; got != want {
		t.Errorf("names are left of %s, want %s", got, want)
	}
	if got, want := l.dump("SELECT who, subject FROM operator_actions WHERE what = 'erase'"), "(retention,\"1 accounts\")\n(retention,\"2 accounts\")"; got != want {
		t.Errorf("recorded is %s, want %s", got, want)
	}
}
