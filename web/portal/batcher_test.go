package portal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"referral/internal/recovering"
	"referral/models"
)

// slowIntake takes a batch when the test lets it, and keeps what it was given.
type slowIntake struct {
	begun   chan int // sizes of batches
	let     chan struct{}
	spoiled map[int64]error // what is said of a batch with this account
	twice   bool            // as when a transaction is repeated
	before  map[int64]bool  // accounts whose events were taken before
	taken   []int64
}

func (s *slowIntake) Ingest(_ context.Context, batch []models.DecodedMessage, derive Derive) ([]models.Disposition, error) {
	s.begun <- len(batch)
	<-s.let
	var facts []*models.Fact
	for _, d := range batch {
		account := d.Fact.Data.Account()
		if err := s.spoiled[account]; err != nil {
			return nil, err
		}
		if !s.before[account] {
			facts = append(facts, d.Fact)
		}
	}
	if s.twice {
		derive(nil, facts[:1])
	}
	derive(nil, facts)
	for _, f := range facts {
		s.taken = append(s.taken, f.Data.Account())
	}
	return make([]models.Disposition, len(batch)), nil
}

func (s *slowIntake) ActivationOutcome(_ context.Context, request models.ActivationKey) (models.Activation, bool, error) {
	account := request.AccountID
	if account == 14 {
		panic("rows without a result")
	}
	return models.Activation{AccountID: account, Status: models.ActivationRefused, Reason: models.OwnCode}, s.before[account], nil
}

// acceptAll has the rules accept all, and stop at account 13.
func acceptAll(_ *models.WorkingSet, facts []*models.Fact) (c models.Changes) {
	for _, f := range facts {
		if f.Data.Account() == 13 {
			panic("a sum that does not fit")
		}
		request := f.Data.(models.ActivationRequested)
		c.Activations = append(c.Activations, &models.Activation{
			AccountID: request.AccountID, Code: request.Code, RequestedAt: request.RequestedAt, Status: models.ActivationAccepted,
		})
	}
	return c
}

func newSlow() (*slowIntake, *batcher) {
	s := &slowIntake{begun: make(chan int, 200), let: make(chan struct{}, 200), spoiled: map[int64]error{}, before: map[int64]bool{}}
	guard, err := recovering.NewPrivate(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), "portal")
	if err != nil {
		panic(err)
	}
	return s, &batcher{intake: s, derive: acceptAll, guard: guard}
}

// enter has accounts enter codes behind the first, which is under way; release ends
// that, and result is what became of each.
func (s *slowIntake) enter(t *testing.T, g *batcher, accounts ...int64) (release func() map[int64]string) {
	t.Helper()
	type answer struct {
		account int64
		said    string
	}
	answers := make(chan answer, len(accounts))
	for i, account := range accounts {
		go func() {
			v, err := g.submit(t.Context(), activation(account, "CODE", identity{id: fmt.Sprint(account)}))
			said := fmt.Sprint(v.Status, v.Reason)
			if err != nil {
				said = err.Error()
			}
			answers <- answer{account, said}
		}()
		if i == 0 {
			<-s.begun
		}
		await(g, i)
	}
	return func() map[int64]string {
		for range 200 {
			select {
			case s.let <- struct{}{}:
			default:
			}
		}
		got := map[int64]string{}
		for range accounts {
			a := <-answers
			got[a.account] = a.said
		}
		return got
	}
}

// await returns once so many wait behind the batch that is under way.
func await(g *batcher, n int) {
	for {
		g.mu.Lock()
		there := len(g.waiting)
		g.mu.Unlock()
		if there >= n {
			return
		}
		runtime.Gosched()
	}
}

// What comes while a batch is under way is one batch, and everybody gets its own
// decision; also when the transaction had to be repeated.
func TestCodesAreBatched(t *testing.T) {
	s, g := newSlow()
	s.twice = true
	s.before[4] = true
	got := s.enter(t, g, 1, 2, 3, 4)()
	if n := <-s.begun; n != 3 || len(s.begun) != 0 {
		t.Errorf("the second batch has %d, and %d follow", n, len(s.begun))
	}
	for account, want := range map[int64]string{1: "accepted", 2: "accepted", 3: "accepted", 4: "refusedown_code"} {
		if got[account] != want {
			t.Errorf("account %d: %q, want %q", account, got[account], want)
		}
	}
	if again := s.enter(t, g, 5)(); again[5] != "accepted" {
		t.Errorf("after everything was still: %v", again)
	}
}

// A code that the database refuses, or that the rules stop at, spoils no other.
func TestABadCodeHarmsNoOther(t *testing.T) {
	s, g := newSlow()
	s.spoiled[3], s.before[14] = fmt.Errorf("%w: of account 3", models.ErrRefused), true
	got := s.enter(t, g, 1, 2, 3, 13, 4, 14)()
	for account, want := range map[int64]string{1: "accepted", 2: "accepted", 4: "accepted", 13: "panic: string", 14: "panic: string", 3: "entering codes: " + s.spoiled[3].Error()} {
		if got[account] != want {
			t.Errorf("account %d: %q, want %q", account, got[account], want)
		}
	}
	if slices.Sort(s.taken); !slices.Equal(s.taken, []int64{1, 2, 4}) {
		t.Errorf("taken are %v", s.taken)
	}
}

// A database that is away fails all of a batch, and nothing is tried one by one.
func TestADatabaseThatIsAway(t *testing.T) {
	s, g := newSlow()
	away := errors.New("the database is away")
	for account := range int64(4) {
		s.spoiled[account] = away
	}
	for account, said := range s.enter(t, g, 0, 1, 2, 3)() {
		if said != "entering codes: "+away.Error() {
			t.Errorf("account %d: %q", account, said)
		}
	}
	if len(s.begun) != 1 {
		t.Errorf("%d more batches", len(s.begun))
	}
}

// Whoever has hung up before its batch began is left out of it, and waits for
// nothing.
func TestWhoeverHasHungUp(t *testing.T) {
	s, g := newSlow()
	release := s.enter(t, g, 1)
	ctx, hangUp := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := g.submit(ctx, activation(2, "CODE", identity{id: "2"}))
		left <- err
	}()
	await(g, 1)
	hangUp()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("told was %v", err)
	}
	if got := release(); got[1] != "accepted" {
		t.Errorf("%v", got)
	}
	if got := s.enter(t, g, 3)(); got[3] != "accepted" || !slices.Equal(s.taken, []int64{1, 3}) {
		t.Errorf("%v; taken are %v", got, s.taken)
	}
}

func TestABatchIsBounded(t *testing.T) {
	s, g := newSlow()
	var accounts []int64
	for i := range int64(1 + 2*maxBatch) {
		accounts = append(accounts, 100+i)
	}
	if got := s.enter(t, g, accounts...)(); len(got) != len(accounts) {
		t.Fatalf("%d answers", len(got))
	}
	if first, second := <-s.begun, <-s.begun; first != maxBatch || second != maxBatch || len(s.begun) != 0 {
		t.Errorf("batches of %d and %d, and %d follow", first, second, len(s.begun))
	}
}
