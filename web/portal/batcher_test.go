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

// slowStore stores a batch when the test permits it, and records the accounts.
type slowStore struct {
	Store            // no other method is called
	begun   chan int // sizes of batches
	permits chan struct{}
	errs    map[int64]error // of a batch with this account
	twice   bool            // derive is called twice, as when a transaction is retried
	known   map[int64]bool  // accounts whose facts were stored before
	stored  []int64
}

func (s *slowStore) Ingest(_ context.Context, batch []models.DecodedMessage, derive models.DeriveFunc) ([]models.Disposition, error) {
	s.begun <- len(batch)
	<-s.permits
	var facts []*models.Fact
	for _, d := range batch {
		account := d.Fact.Data.Account()
		if err := s.errs[account]; err != nil {
			return nil, err
		}
		if !s.known[account] {
			facts = append(facts, d.Fact)
		}
	}
	if s.twice {
		derive(nil, facts[:1])
	}
	derive(nil, facts)
	for _, f := range facts {
		s.stored = append(s.stored, f.Data.Account())
	}
	return make([]models.Disposition, len(batch)), nil
}

func (s *slowStore) ActivationOutcome(_ context.Context, request models.ActivationKey) (models.Activation, bool, error) {
	account := request.AccountID
	if account == 14 {
		panic("rows without a result")
	}
	return models.Activation{AccountID: account, Status: models.ActivationRefused, Reason: models.OwnCode}, s.known[account], nil
}

// acceptAll accepts every code, and panics at account 13.
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

func newSlow() (*slowStore, *batcher) {
	s := &slowStore{begun: make(chan int, 200), permits: make(chan struct{}, 200), errs: map[int64]error{}, known: map[int64]bool{}}
	guard, err := recovering.NewPrivate(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), "portal")
	if err != nil {
		panic(err)
	}
	return s, &batcher{store: s, derive: acceptAll, guard: guard}
}

// enter has accounts enter codes while the batch of the first one is under way. release
// lets it end and returns the outcome of each.
func (s *slowStore) enter(t *testing.T, g *batcher, accounts ...int64) (release func() map[int64]string) {
	t.Helper()
	type answer struct {
		account int64
		text    string
	}
	answers := make(chan answer, len(accounts))
	for i, account := range accounts {
		go func() {
			v, err := g.submit(t.Context(), activation(account, "CODE", identity{id: fmt.Sprint(account)}))
			text := fmt.Sprint(v.Status, v.Reason)
			if err != nil {
				text = err.Error()
			}
			answers <- answer{account, text}
		}()
		if i == 0 {
			<-s.begun
		}
		await(g, i)
	}
	return func() map[int64]string {
		for range 200 {
			select {
			case s.permits <- struct{}{}:
			default:
			}
		}
		got := map[int64]string{}
		for range accounts {
			a := <-answers
			got[a.account] = a.text
		}
		return got
	}
}

// await returns once n entries wait behind the batch that is under way.
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

// Codes entered while a batch is under way form one batch, and each gets its own
// decision, also when the transaction is retried.
func TestCodesAreBatched(t *testing.T) {
	s, g := newSlow()
	s.twice = true
	s.known[4] = true
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
		t.Errorf("after the batcher was idle: %v", again)
	}
}

func TestRefusedCodeDoesNotAffectOthers(t *testing.T) {
	s, g := newSlow()
	s.errs[3], s.known[14] = fmt.Errorf("%w: of account 3", models.ErrRefused), true
	got := s.enter(t, g, 1, 2, 3, 13, 4, 14)()
	for account, want := range map[int64]string{1: "accepted", 2: "accepted", 4: "accepted", 13: "panic: string", 14: "panic: string", 3: "entering codes: " + s.errs[3].Error()} {
		if got[account] != want {
			t.Errorf("account %d: %q, want %q", account, got[account], want)
		}
	}
	if slices.Sort(s.stored); !slices.Equal(s.stored, []int64{1, 2, 4}) {
		t.Errorf("stored are %v", s.stored)
	}
}

// When the database is unavailable, the entries of a batch are not tried one by one.
func TestUnavailableDatabaseFailsTheBatch(t *testing.T) {
	s, g := newSlow()
	unavailable := errors.New("the database is unavailable")
	for account := range int64(4) {
		s.errs[account] = unavailable
	}
	for account, text := range s.enter(t, g, 0, 1, 2, 3)() {
		if text != "entering codes: "+unavailable.Error() {
			t.Errorf("account %d: %q", account, text)
		}
	}
	if len(s.begun) != 1 {
		t.Errorf("%d more batches", len(s.begun))
	}
}

func TestDisconnectedClientIsLeftOut(t *testing.T) {
	s, g := newSlow()
	release := s.enter(t, g, 1)
	ctx, disconnect := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := g.submit(ctx, activation(2, "CODE", identity{id: "2"}))
		left <- err
	}()
	await(g, 1)
	disconnect()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := release(); got[1] != "accepted" {
		t.Errorf("%v", got)
	}
	if got := s.enter(t, g, 3)(); got[3] != "accepted" || !slices.Equal(s.stored, []int64{1, 3}) {
		t.Errorf("%v; stored are %v", got, s.stored)
	}
}

func TestBatchIsBounded(t *testing.T) {
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
