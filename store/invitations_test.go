package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

// post drives the store as the personal account and the senders do.
type post struct {
	testing.TB
	*store.Store
	dsn string
	mu  *sync.Mutex
	now *time.Time
}

func newPost(t testing.TB) *post {
	t.Helper()
	now := at("2026-05-01T09:00:00Z")
	p := &post{TB: t, mu: new(sync.Mutex), now: &now}
	p.Store, p.dsn = storetest.Open(t, p.clock)
	return p
}

func (p *post) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *p.now
}

func (p *post) wait(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.now = p.now.Add(d)
}

func (p *post) another() *post {
	p.Helper()
	s, err := store.Open(store.Options{DSN: p.dsn, MaxConnections: 8, Now: p.clock})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = s.Close() })
	other := *p
	other.Store = s
	return &other
}

// friend is an invitation of an account to one of its friends, each of which has
// an id of its own.
func friend(account int64, n int) models.InvitationRequest {
	address := fmt.Sprintf("friend%d-%d@example.com", account, n)
	return models.InvitationRequest{
		ID: models.UUID{byte(account), byte(n), 1}, AccountID: account, Channel: models.Email, Recipient: address,
		Key: models.NewRecipientKey(models.Email, address), Code: codeOf(account), Token: fmt.Sprintf("token-%d-%d", account, n),
		Day: day("2026-05-01"), PerDay: 10,
	}
}

func (p *post) invite(q models.InvitationRequest) models.Invitation {
	p.Helper()
	i, err := p.Invite(p.Context(), q)
	if err != nil {
		p.Fatal(err)
	}
	return i
}

func (p *post) refused(q models.InvitationRequest, want error) {
	p.Helper()
	if i, err := p.Invite(p.Context(), q); !errors.Is(err, want) {
		p.Errorf("got %+v, %v, want %v", i, err, want)
	}
}

func (p *post) claim(limit int) []models.ClaimedInvitation {
	p.Helper()
	list, err := p.ClaimInvitations(p.Context(), models.Email, "smtp", limit)
	if err != nil {
		p.Fatal(err)
	}
	return list
}

func (p *post) note(c models.InvitationClaim, o models.InvitationOutcome) {
	p.Helper()
	if err := p.RecordInvitationOutcome(p.Context(), c, o); err != nil {
		p.Fatal(err)
	}
}

func (p *post) receipt(id string, state models.InvitationState) {
	p.Helper()
	if err := p.RecordReceipt(p.Context(), models.Receipt{Transport: "smtp", TransportID: id, State: state}); err != nil {
		p.Fatal(err)
	}
}

func (p *post) optOut(token string) {
	p.Helper()
	if found, err := p.OptOut(p.Context(), models.TokenDigest(token)); err != nil || !found {
		p.Fatalf("opting out: %v, %v", found, err)
	}
}

func (p *post) release(repeatable ...string) map[models.Channel]int {
	p.Helper()
	unknown, err := p.ReleaseInvitations(p.Context(), p.clock().Add(-10*time.Minute), repeatable)
	if err != nil {
		p.Fatal(err)
	}
	return unknown
}

// is is where the only invitation of account 1 stands.
func (p *post) is(want models.InvitationState) models.Invitation {
	p.Helper()
	list, err := p.Invitations(p.Context(), 1, models.UUID{}, 2)
	if err != nil || len(list) != 1 {
		p.Fatalf("%d invitations, %v", len(list), err)
	}
	if list[0].State != want {
		p.Errorf("it is %s, want %s", list[0].State, want)
	}
	return list[0]
}

var (
	sent    = models.InvitationOutcome{State: models.InvitationSent, TransportIDs: []string{"m-1"}}
	failed  = models.InvitationOutcome{State: models.InvitationFailed}
	unknown = models.InvitationOutcome{State: models.InvitationUnknown}
)

// Of twenty invitations that a client sends at once, exactly ten are taken on.
func TestTenInvitationsADay(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	other := p.another()
	outcomes := make([]error, 20)
	together(t, len(outcomes), func(n int) error {
		_, outcomes[n] = []*post{p, other}[n%2].Invite(t.Context(), friend(1, n))
		return nil
	})
	taken := 0
	for n, err := range outcomes {
		switch {
		case err == nil:
			taken++
		case !errors.Is(err, models.ErrTooManyInvitations):
			t.Errorf("invitation %d: %v", n, err)
		}
	}
	list, err := p.Invitations(t.Context(), 1, models.UUID{}, 100)
	if taken != 10 || len(list) != 10 || err != nil {
		t.Fatalf("%d were taken on and %d are there, %v", taken, len(list), err)
	}
	p.refused(friend(1, 30), models.ErrTooManyInvitations)
	tomorrow := friend(1, 30)
	tomorrow.Day++
	p.invite(tomorrow)
	p.invite(friend(2, 1))
}

// Of twenty clients that write to one recipient at once, one may.
func TestOneInvitationADayPerRecipient(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	outcomes := make([]error, 20)
	together(t, len(outcomes), func(n int) error {
		q := friend(int64(n)+1, 1)
		q.Key = friend(1, 1).Key
		_, outcomes[n] = p.Invite(t.Context(), q)
		return nil
	})
	taken := 0
	for n, err := range outcomes {
		switch {
		case err == nil:
			taken++
		case !errors.Is(err, models.ErrRecipientInvited):
			t.Errorf("client %d: %v", n, err)
		}
	}
	if taken != 1 {
		t.Errorf("%d may write to one recipient", taken)
	}
	q := friend(30, 1)
	q.Key = friend(1, 1).Key
	q.Day++
	p.invite(q)
	q.AccountID, q.Day = 31, q.Day-1 // a replica whose clock is behind
	p.refused(q, models.ErrRecipientInvited)
}

// A refused invitation uses up nothing, one that failed does.
func TestWhatCountsForTheDay(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(2, 1))
	for range 3 {
		q := friend(1, 1)
		q.Key, q.PerDay = friend(2, 1).Key, 1
		p.refused(q, models.ErrRecipientInvited)
	}
	q := friend(1, 2)
	q.PerDay = 1
	p.invite(q)
	for _, c := range p.claim(10) {
		p.note(c.Claim, failed)
	}
	again := q
	again.ID, again.PerDay = models.UUID{9}, 10
	p.refused(again, models.ErrRecipientInvited)
	again.Key, again.PerDay = models.RecipientKey{9}, 1
	p.refused(again, models.ErrTooManyInvitations)
}

// The same request is the same invitation: in a row, at once, and on the day's
// last place.
func TestARepeatedInvitationIsTheSame(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	q := friend(1, 1)
	q.PerDay = 1
	together(t, 10, func(int) error {
		i, err := p.Invite(t.Context(), q)
		if err == nil && (i.ID != q.ID || i.State != models.InvitationQueued) {
			err = fmt.Errorf("got %+v", i)
		}
		return err
	})
	first := p.is(models.InvitationQueued)
	p.note(p.claim(1)[0].Claim, sent)
	q.Day++
	if again := p.invite(q); again.State != models.InvitationSent || !again.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("got %+v, want %+v", again, first)
	}
	q.AccountID = 2 // the id of another client's is another invitation
	q.Key = models.RecipientKey{2}
	p.invite(q)
	p.is(models.InvitationSent)
}

func TestInvitationsArePaged(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	var want []models.UUID
	for n := range 10 {
		want = append(want, p.invite(friend(1, n)).ID)
		if n%3 == 0 {
			p.wait(time.Second) // some have the same moment
		}
	}
	p.invite(friend(2, 1))
	var got []models.UUID
	after := models.UUID{}
	for {
		page, err := p.Invitations(t.Context(), 1, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			got = append(got, page[i].ID)
		}
		after = got[len(got)-1]
	}
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if page, err := p.Invitations(t.Context(), 2, want[0], 3); err != nil || len(page) != 0 {
		t.Errorf("after another client's: %v, %v", page, err)
	}
}

// Several senders share the invitations out: each gets another one.
func TestEveryInvitationIsClaimedOnce(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for n := range 40 {
		q := friend(int64(n/10)+1, n)
		p.invite(q)
	}
	var mu sync.Mutex
	seen := map[models.UUID]int{}
	together(t, 8, func(int) error {
		for {
			list, err := p.ClaimInvitations(t.Context(), models.Email, "smtp", 3)
			if err != nil || len(list) == 0 {
				return err
			}
			mu.Lock()
			for _, c := range list {
				seen[c.Claim.ID]++
			}
			mu.Unlock()
		}
	})
	if len(seen) != 40 {
		t.Errorf("%d of 40 were claimed", len(seen))
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was claimed %d times", id, times)
		}
	}
}

func TestAClaimHoldsWhatIsWritten(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	q := friend(1, 1)
	i := p.invite(q)
	if list, err := p.ClaimInvitations(t.Context(), models.SMS, "smpp", 10); err != nil || len(list) != 0 {
		t.Errorf("another channel's sender got %v, %v", list, err)
	}
	list := p.claim(10)
	want := models.ClaimedInvitation{
		Claim:   models.InvitationClaim{AccountID: 1, ID: q.ID, Attempt: 1},
		Channel: models.Email, Recipient: q.Recipient, Code: q.Code, Token: q.Token, CreatedAt: i.CreatedAt,
	}
	if len(list) != 1 || list[0] != want {
		t.Fatalf("got %+v, want %+v", list, want)
	}
	p.note(list[0].Claim, sent)
	if got := p.is(models.InvitationSent); got.TransportID != "m-1" || got.Attempts != 1 {
		t.Errorf("got %+v", got)
	}
	if n := p.count("token <> ''"); n != 0 {
		t.Error("the token is kept after it has gone out")
	}
}

func (p *post) count(where string, args ...any) (n int) {
	p.Helper()
	if err := storetest.SQL(p, p.dsn).QueryRow("SELECT count(*) FROM invitations WHERE "+where, args...).Scan(&n); err != nil {
		p.Fatal(err)
	}
	return n
}

// An attempt to be repeated is due at its time and not before.
func TestAnInvitationIsTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(1, 1))
	p.note(p.claim(1)[0].Claim, models.InvitationOutcome{State: models.InvitationQueued, RetryAt: p.clock().Add(time.Minute), Deferrals: 1})
	p.is(models.InvitationQueued)
	p.wait(59 * time.Second)
	if list := p.claim(1); len(list) != 0 {
		t.Errorf("due too early: %+v", list)
	}
	p.wait(time.Second)
	list := p.claim(1)
	if len(list) != 1 || list[0].Claim.Attempt != 2 || list[0].Deferrals != 1 || list[0].Token == "" {
		t.Fatalf("got %+v", list)
	}
	p.note(list[0].Claim, failed)
	p.is(models.InvitationFailed)
	p.wait(24 * time.Hour)
	if list := p.claim(1); len(list) != 0 {
		t.Errorf("one that failed is tried again: %+v", list)
	}
}

// A transport may be away for a month, and every replica asks it once a minute.
func TestAnInvitationMayBeTriedVeryOften(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(1, 1))
	if _, err := storetest.SQL(t, p.dsn).Exec("UPDATE invitations SET attempts = 1000000"); err != nil {
		t.Fatal(err)
	}
	if list := p.claim(1); len(list) != 1 || list[0].Claim.Attempt != 1_000_001 {
		t.Errorf("claimed %+v", list)
	}
}

// A sender that dies with an invitation in hand leaves it unknown, and nobody
// sends it again.
func TestADeadSendersInvitationIsNeverSentAgain(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(1, 1))
	claim := p.claim(1)[0].Claim
	p.wait(9 * time.Minute)
	if n := p.release("kafka"); len(n) != 0 {
		t.Errorf("%v were given up early", n)
	}
	p.is(models.InvitationSending)
	p.wait(2 * time.Minute)
	if n := p.release("kafka"); n[models.Email] != 1 || len(n) != 1 {
		t.Errorf("given up: %v", n)
	}
	if n := p.release("kafka"); len(n) != 0 {
		t.Errorf("given up twice: %v", n)
	}
	p.is(models.InvitationUnknown)
	p.wait(24 * time.Hour)
	if list := p.claim(1); len(list) != 0 {
		t.Errorf("it is sent again: %+v", list)
	}
	for _, o := range []models.InvitationOutcome{failed, unknown, {State: models.InvitationQueued, RetryAt: p.clock()}} {
		p.note(claim, o) // a sender that only seemed dead
		p.is(models.InvitationUnknown)
	}
	p.note(claim, sent)
	p.is(models.InvitationSent)
}

// A transport whose peers drop a repeat gets it again.
func TestADeadSendersInvitationGoesAgainToARepeatableTransport(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(1, 1))
	first := p.claim(1)[0].Claim
	p.wait(11 * time.Minute)
	if n := p.release("smtp"); len(n) != 0 {
		t.Errorf("given up: %v", n)
	}
	p.is(models.InvitationQueued)
	second := p.claim(1)[0].Claim
	p.note(first, sent) // the first attempt wakes up: it is the second one's word that counts
	p.is(models.InvitationSending)
	p.note(second, sent)
	p.is(models.InvitationSent)
}

// Who opts out is never written to again: not by what waits, not by what is tried
// again, and not by anybody else.
func TestOptOut(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(1, 1))
	if found, err := p.OptOut(t.Context(), models.TokenDigest("nobody's")); err != nil || found {
		t.Errorf("an unknown token: %v, %v", found, err)
	}
	p.is(models.InvitationQueued)
	p.optOut("token-1-1")
	p.optOut("token-1-1")
	p.is(models.InvitationOptedOut)
	if list := p.claim(1); len(list) != 0 {
		t.Errorf("it is sent: %+v", list)
	}
	q := friend(2, 1)
	q.Key = friend(1, 1).Key
	for range 3 {
		p.refused(q, models.ErrOptedOut)
		q.Day++
	}
	p.invite(friend(1, 2))
}

func TestOptOutWhileItIsSent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcome models.InvitationOutcome
		want    models.InvitationState
	}{
		"tried again": {models.InvitationOutcome{State: models.InvitationQueued, RetryAt: at("2026-05-01T09:00:00Z")}, models.InvitationOptedOut},
		"sent":        {sent, models.InvitationSent},
		"failed":      {failed, models.InvitationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t)
			p.invite(friend(1, 1))
			claim := p.claim(1)[0].Claim
			p.optOut("token-1-1")
			p.is(models.InvitationSending)
			p.note(claim, c.outcome)
			p.is(c.want)
		})
	}
	t.Run("the sender dies", func(t *testing.T) {
		t.Parallel()
		p := newPost(t)
		p.invite(friend(1, 1))
		p.claim(1)
		p.optOut("token-1-1")
		p.wait(time.Hour)
		p.release("smtp")
		p.is(models.InvitationOptedOut)
	})
}

// An opt-out against claims, repeats and invitations at the same moment: whatever
// comes first, nothing waits for the recipient in the end.
func TestOptOutRaces(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for round := range 20 {
		q := friend(int64(round)+1, 1)
		p.invite(q)
		claim := p.claim(1)[0].Claim
		other := friend(100, round)
		other.Key, other.Day, other.PerDay = q.Key, q.Day+1, 1000
		together(t, 3, func(n int) (err error) {
			switch n {
			case 0:
				_, err = p.OptOut(t.Context(), models.TokenDigest(q.Token))
			case 1:
				err = p.RecordInvitationOutcome(t.Context(), claim, models.InvitationOutcome{State: models.InvitationQueued, RetryAt: p.clock()})
			case 2:
				if _, err = p.Invite(t.Context(), other); errors.Is(err, models.ErrOptedOut) {
					err = nil
				}
			}
			return err
		})
	}
	if n := p.count("state = 'queued' OR state = 'sending'"); n != 0 {
		t.Errorf("%d wait for recipients that have opted out", n)
	}
}

// A message of several parts has arrived when all have, whatever the order in
// which we hear of it.
func TestReceipts(t *testing.T) {
	t.Parallel()
	three := models.InvitationOutcome{State: models.InvitationSent, TransportIDs: []string{"a", "b", "c"}}
	arrived, lost := models.InvitationDelivered, models.InvitationFailed
	for name, c := range map[string]struct {
		say  func(p *post, sent func())
		want models.InvitationState
	}{
		"all": {func(p *post, sent func()) {
			sent()
			p.receipt("a", arrived)
			p.receipt("b", arrived)
			p.receipt("c", arrived)
		}, arrived},
		"two": {func(p *post, sent func()) { sent(); p.receipt("a", arrived); p.receipt("c", arrived) }, models.InvitationSent},
		"twice": {func(p *post, sent func()) {
			sent()
			p.receipt("a", arrived)
			p.receipt("a", arrived)
			p.receipt("a", lost)
		}, models.InvitationSent},
		"early": {func(p *post, sent func()) {
			p.receipt("c", arrived)
			p.receipt("b", arrived)
			sent()
			p.receipt("a", arrived)
		}, arrived},
		"all early": {func(p *post, sent func()) {
			p.receipt("c", arrived)
			p.receipt("b", arrived)
			p.receipt("a", arrived)
			sent()
		}, arrived},
		"one lost":   {func(p *post, sent func()) { sent(); p.receipt("b", lost) }, lost},
		"lost early": {func(p *post, sent func()) { p.receipt("b", lost); sent() }, lost},
		"lost at last": {func(p *post, sent func()) {
			sent()
			p.receipt("a", arrived)
			p.receipt("b", arrived)
			p.receipt("c", lost)
		}, lost},
		"a stranger": {func(p *post, sent func()) { sent(); p.receipt("x", lost) }, models.InvitationSent},
		"at once": {func(p *post, sent func()) {
			sent()
			together(p, 3, func(n int) error {
				return p.RecordReceipt(p.Context(), models.Receipt{Transport: "smtp", TransportID: string(rune('a' + n)), State: arrived})
			})
		}, arrived},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t)
			p.invite(friend(1, 1))
			claim := p.claim(1)[0].Claim
			c.say(p, func() { p.note(claim, three) })
			p.is(c.want)
		})
	}
}

// Transports use their ids again: the newest message has them.
func TestATransportUsesAnIDAgain(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(1, 1))
	p.note(p.claim(1)[0].Claim, sent)
	p.receipt("m-1", models.InvitationFailed)
	p.is(models.InvitationFailed)
	p.invite(friend(2, 1))
	p.note(p.claim(1)[0].Claim, sent)
	if n := p.count("account_id = 2 AND state = 'sent'"); n != 1 {
		t.Error("the old receipt was taken for the new message's")
	}
	p.receipt("m-1", models.InvitationDelivered)
	p.is(models.InvitationFailed)
	if n := p.count("account_id = 2 AND state = 'delivered'"); n != 1 {
		t.Error("the receipt did not reach the new message")
	}
}

func TestInvitationQueues(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	if list, err := p.InvitationQueues(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("an empty queue: %v, %v", list, err)
	}
	oldest := p.clock()
	p.invite(friend(1, 1))
	p.invite(friend(1, 2))
	p.claim(1)
	p.wait(time.Minute)
	p.invite(friend(1, 3))
	list, err := p.InvitationQueues(t.Context())
	want := models.InvitationQueue{Channel: models.Email, Waiting: 2, Claimed: 1, Oldest: oldest}
	if err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("got %+v, %v, want %+v", list, err, want)
	}
}

// The role that serves may do all of this.
func TestServiceRoleCanInvite(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	name := role(t, p.dsn)
	if _, err := p.Migrate(t.Context(), store.Roles{Service: name}); err != nil {
		t.Fatal(err)
	}
	p.dsn = as(t, p.dsn, name)
	p = p.another()
	p.invite(friend(1, 1))
	p.note(p.claim(1)[0].Claim, sent)
	p.receipt("m-1", models.InvitationDelivered)
	p.optOut("token-1-1")
	p.release("kafka")
	p.erase(time.Nanosecond)
	p.is(models.InvitationDelivered)
	if _, err := p.InvitationQueues(t.Context()); err != nil {
		t.Error(err)
	}
}

// Addresses are erased when they have had their time, of what nobody sends any
// more; everything else about an invitation stays, and so do limit and opt-out.
func TestAddressesAreErased(t *testing.T) {
	t.Parallel()
	const keep = 90 * 24 * time.Hour
	p := newPost(t)
	for n, o := range []models.InvitationOutcome{sent, failed, unknown} {
		p.invite(friend(1, n))
		p.note(p.claim(1)[0].Claim, o)
	}
	p.invite(friend(1, 3))
	p.note(p.claim(1)[0].Claim, sent)
	p.receipt("m-1", models.InvitationDelivered)
	p.invite(friend(1, 4))
	p.optOut("token-1-4")
	p.invite(friend(1, 5))
	p.claim(1) // in a sender's hands for months
	p.invite(friend(1, 6))
	if _, err := storetest.SQL(t, p.dsn).Exec("UPDATE invitations SET token = 'left over' WHERE state = 'failed'"); err != nil {
		t.Fatal(err)
	}
	const rest = `SELECT string_agg(concat_ws(' ', invitation_id, channel, recipient_key, code, day, state, attempts, carrier, carrier_id, token_hash,
		created_at, changed_at), '; ' ORDER BY invitation_id) FROM invitations`
	before := p.text(rest + " WHERE account_id = 1")
	p.wait(keep)
	p.invite(friend(2, 1))
	erase := func(want int64) {
		t.Helper()
		if n := p.erase(keep); n != want {
			t.Errorf("%d were erased, want %d", n, want)
		}
	}
	erase(0)
	p.wait(time.Microsecond)
	erase(5)
	erase(0)
	if n := p.count("recipient = '' AND token = '' AND state IN ('sent', 'delivered', 'failed', 'unknown', 'opted_out')"); n != 5 {
		t.Errorf("%d have no address", n)
	}
	if n := p.count("recipient LIKE 'friend%@example.com' AND token <> '' AND state IN ('queued', 'sending')"); n != 3 {
		t.Errorf("%d of those that still wait have theirs", n)
	}
	if after := p.text(rest + " WHERE account_id = 1"); after != before {
		t.Errorf("the rest was\n%s\nand is\n%s", before, after)
	}
	list, err := p.Invitations(t.Context(), 1, models.UUID{}, 100)
	if err != nil || len(list) != 7 || list[6].Recipient != "" || list[6].Code == "" {
		t.Errorf("the client is shown %+v, %v", list, err)
	}
	again := friend(3, 1)
	again.Key, again.Day = friend(1, 4).Key, day("2026-08-01")
	p.refused(again, models.ErrOptedOut)
	again.Key, again.Day = friend(1, 0).Key, day("2026-05-01")
	p.refused(again, models.ErrRecipientInvited)
	p.optOut("token-1-0") // the link in an old message
	again.Day = day("2026-08-01")
	p.refused(again, models.ErrOptedOut)
	p.release("kafka") // its sender was dead: nobody sends it, and its address goes too
	erase(1)
}

// erase erases the addresses of invitations older than keep.
func (p *post) erase(keep time.Duration) int64 {
	p.Helper()
	return expire(p, p.Store, "invitations.recipient", keep)
}

func (p *post) text(query string) (text string) {
	p.Helper()
	if err := storetest.SQL(p, p.dsn).QueryRow(query).Scan(&text); err != nil {
		p.Fatal(err)
	}
	return text
}

// What an outcome that comes late says is noted all the same, and brings no
// address back.
func TestALateOutcomeAfterTheAddressIsErased(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(1, 1))
	claim := p.claim(1)[0].Claim
	p.note(claim, unknown)
	p.wait(time.Hour)
	if n := p.erase(time.Minute); n != 1 {
		t.Fatalf("%d were erased", n)
	}
	p.note(claim, sent)
	p.receipt("m-1", models.InvitationDelivered)
	if got := p.is(models.InvitationDelivered); got.Recipient != "" {
		t.Errorf("its address is %q", got.Recipient)
	}
}

// Replicas at once erase each address once, and wait for nobody.
func TestErasingAtOnce(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for n := range 10 {
		p.invite(friend(1, n))
	}
	for _, c := range p.claim(10) {
		p.note(c.Claim, failed)
	}
	p.wait(time.Hour)
	var erased atomic.Int64
	together(t, 6, func(int) error {
		erased.Add(p.erase(time.Minute))
		return nil
	})
	if erased.Load() != 10 || p.count("recipient <> ''") != 0 {
		t.Errorf("%d were erased, %d are left", erased.Load(), p.count("recipient <> ''"))
	}
}
