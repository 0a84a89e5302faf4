package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/models"
	"referral/store"
	"referral/test/pgproxy"
)

// mostMessages is more than any operation here makes the server send.
const mostMessages = 3000

const mostConnections = 4

// cutter runs operations through a proxy that breaks the connection at one message
// of the server after another, and the same operations on a twin undisturbed.
type cutter struct {
	*life
	twin    *life
	direct  *store.Store
	through *store.Store
	proxy   *pgproxy.Proxy
	broken  bool // a connection was cut, and the pool may not know yet
}

func newCutter(t *testing.T) *cutter {
	t.Helper()
	c := &cutter{life: newLife(t), twin: newLife(t)}
	c.direct, c.proxy = c.Store, pgproxy.New(t, c.dsn)
	c.through = c.over(c.proxy.DSN())
	return c
}

func (c *cutter) over(dsn string) *store.Store {
	c.Helper()
	s, err := store.Open(store.Options{DSN: dsn, MaxConnections: mostConnections, Now: func() time.Time { return c.now }})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = s.Close() })
	return s
}

// everywhere does an operation again and again, with the connection cut behind
// each message and in the middle of each, until it comes through with no cut. It
// returns the number of its steps. A cut must end in an error that is not taken for
// the data's, or in success.
func (c *cutter) everywhere(op func(s *store.Store, step int) error) (steps int) {
	c.Helper()
	c.Store = c.through
	defer func() { c.Store = c.direct }()
	for n := 1; n < mostMessages; n++ {
		work := func() error { return op(c.through, n) }
		behind := c.cut(n, false, work)
		inside := c.cut(n-1, true, work)
		c.again(n, work)
		if !behind && !inside {
			return n
		}
	}
	c.Fatalf("still cut at message %d", mostMessages)
	return 0
}

func (c *cutter) cut(n int, inside bool, op func() error) (done bool) {
	c.Helper()
	c.proxy.CutAfter(n, inside)
	panicked, err := guarded(op)
	done = c.proxy.DropPlan()
	c.broken = c.broken || done
	switch {
	case panicked != nil:
		c.Fatalf("cut at message %d (inside: %t): a panic: %v", n, inside, panicked)
	case err != nil && !c.broken:
		c.Fatalf("not cut at message %d, and yet: %v", n, err)
	case errors.Is(err, models.ErrRefused):
		c.Fatalf("cut at message %d (inside: %t): taken for a fault of the data: %v", n, inside, err)
	}
	return done
}

// again tries as the service does. Each try may find one more connection of the
// pool broken.
func (c *cutter) again(n int, op func() error) {
	c.Helper()
	err := op()
	for tries := 0; err != nil && tries < mostConnections; tries++ {
		err = op()
	}
	if err != nil {
		c.Fatalf("cut at message %d, done again: %v", n, err)
	}
	c.broken = false
}

func guarded(op func() error) (panicked any, err error) {
	defer func() { panicked = recover() }()
	return nil, op()
}

// mixed is a batch that passes every way of taking facts in, about accounts that
// only this step knows.
func (c *cutter) mixed(step int) []models.DecodedMessage {
	base := int64(step) * 1000
	data := []models.FactData{
		registered(base, "2025-06-01T09:00:00Z"),
		registered(base+1, "2026-04-01T08:00:00+03:00"), activated(base+1, base, "2026-04-01T09:00:00+03:00"),
		registered(base+2, "2026-04-01T08:00:00+03:00"), activated(base+2, base, "2026-04-02T09:00:00+03:00"),
		registered(base+3, "2026-04-01T08:00:00+03:00"), activated(base+3, base, "2026-04-03T09:00:00+03:00"),
		activated(base+4, base, "2026-04-02T09:00:00+03:00"), // which is not registered yet
		models.PromoEnded{AccountID: base + 2, EndedAt: at("2026-04-15T21:00:00Z")},
		models.Terminated{AccountID: base + 1, TerminatedAt: at("2026-04-20T21:00:00Z")},
		april(base, 1, 300000, 1000), april(base, 2, 600000),
		models.Result{AdjustmentID: models.HashUUID("answer", fmt.Sprint(step)), AccountID: base, Status: models.ResultApplied, At: c.now},
	}
	for n := range int64(60) { // more than are written one by one
		data = append(data, april(base+100+n, 1, 100))
	}
	batch := make([]models.DecodedMessage, len(data), len(data)+1)
	for i, d := range data {
		batch[i] = c.named(fmt.Sprintf("%d-%d", step, i), d)
		batch[i].Message.Origin.Offset = base + int64(i)
		batch[i].Fact.Provenance.Origin = batch[i].Message.Origin
	}
	return append(batch, models.DecodedMessage{
		Message: models.Message{Origin: models.Origin{Topic: "t", Offset: base + 999}, At: c.now, Value: []byte("{")},
		Err:     &models.InputError{Reason: models.BadUnreadable, Detail: "it ends"},
	})
}

// taken is what a batch leaves behind, but for the numbers that a transaction which
// is rolled back uses up.
var taken = []string{
	"SELECT * FROM accounts", "SELECT * FROM codes", "SELECT account_id, code, requested_at, status, reason, inviter_id, provenance FROM activations",
	"SELECT * FROM referrals", "SELECT * FROM discounts", "SELECT * FROM package_grants", "SELECT name FROM topics", "SELECT * FROM invoices",
	"SELECT * FROM invoice_lines", "SELECT DISTINCT period, account_id FROM stale", "SELECT period, min_day, max_day FROM periods",
	"SELECT account_id, event_id, type, data FROM outbox", "SELECT topic, partition, \"offset\", reason, detail FROM dead_letters", "SELECT * FROM results",
}

func (c *cutter) same(what string, queries ...string) {
	c.Helper()
	for _, q := range queries {
		if got, want := c.dump(q), c.twin.dump(q); got != want || want == "" {
			c.Errorf("%s: %s\ngives\n%s\nundisturbed\n%s", what, q, got, want)
		}
	}
}

func TestConnectionCutAtEveryMessageOfABatch(t *testing.T) {
	t.Parallel()
	c := newCutter(t)
	steps := c.everywhere(func(s *store.Store, step int) error {
		_, err := s.Ingest(t.Context(), c.mixed(step), c.derive)
		return err
	})
	for step := 1; step <= steps; step++ {
		c.twin.take(c.mixed(step)...)
	}
	t.Logf("%d messages", steps)
	c.same("the facts", taken...)
}

func TestConnectionCutAtEveryMessageOfARun(t *testing.T) {
	t.Parallel()
	c := newCutter(t)
	const inviters = 250
	for _, l := range []*life{c.life, c.twin} {
		var batch []models.DecodedMessage
		for n := range int64(inviters) {
			id := 1000 * (n + 1)
			batch = append(batch, l.deliveries(registered(id, "2025-06-01T09:00:00Z"), april(id, 1, 300000))...)
			for friend := id + 1; friend <= id+3; friend++ {
				batch = append(batch, l.deliveries(registered(friend, "2026-04-01T08:00:00+03:00"), activated(friend, id, "2026-04-01T09:00:00+03:00"))...)
			}
		}
		l.take(batch...)
	}
	q := models.RunRequest{Period: 202604, Chunk: 1, Accept: true, Slot: "one"}
	c.twin.settle(q)

	var run models.Run
	chunk := func(s *store.Store, _ int) error {
		_, _, err := s.WorkChunk(t.Context(), run, c.pay)
		return err
	}
	advance := func(s *store.Store, _ int) error {
		next, _, err := s.AdvanceRun(t.Context(), run.ID, c.p.Brake)
		if err == nil {
			run = next
		}
		return err
	}
	started := c.everywhere(func(s *store.Store, _ int) (err error) {
		run, _, err = s.StartRun(t.Context(), q)
		return err
	})
	rehearsed := c.everywhere(chunk)
	c.unfinished(run)
	// What is left is rehearsed by the store that will post it in part.
	for worked := true; worked; {
		var err error
		if _, worked, err = c.through.WorkChunk(t.Context(), run, c.pay); err != nil {
			t.Fatal(err)
		}
	}
	moved := c.everywhere(advance)
	if run.State != models.RunPosting {
		t.Fatalf("the run is %s", run.State)
	}
	posted := c.everywhere(chunk)
	c.unfinished(run)
	c.through = c.over(c.proxy.DSN()) // which has rehearsed nothing
	settledAgain := c.everywhere(chunk)
	c.unfinished(run)
	c.finish(run, c.pay)
	t.Logf("messages: start %d, rehearse %d, advance %d, post %d, settle again and post %d", started, rehearsed, moved, posted, settledAgain)
	c.halves()
	c.same("the ledger", ledger, "SELECT DISTINCT period, account_id FROM periods p JOIN adjustments USING (period)",
		"SELECT kind, state, accounts, documents, items, amount, packages, parked FROM runs")
	c.tie(202604)
	c.publish()
}

// unfinished makes sure that there were chunks enough to cut.
func (c *cutter) unfinished(run models.Run) {
	c.Helper()
	through, all, err := c.direct.Progress(c.Context(), run)
	if err != nil || through >= all {
		c.Fatalf("%d of %d chunks are through, so not every message was cut: %v", through, all, err)
	}
}

// publish breaks what the publisher asks for: an answer is whole, or an error.
func (c *cutter) publish() {
	ctx := c.Context()
	refs, err := c.direct.UnpublishedChunks(ctx, 1000)
	if err != nil || len(refs) == 0 {
		c.Fatalf("%d chunks: %v", len(refs), err)
	}
	c.reads("the chunks to publish", func(s *store.Store) (any, error) { return s.UnpublishedChunks(ctx, 1000) })
	c.reads("a chunk", func(s *store.Store) (any, error) { return s.LoadChunk(ctx, refs[0]) })
	c.reads("the announcements", func(s *store.Store) (any, error) { return s.OutboxEvents(ctx, 100) })
	c.reads("the main page", func(s *store.Store) (any, error) { a, _, _, err := s.PortalAccount(ctx, 1000); return a, err })
	c.reads("the bills", func(s *store.Store) (any, error) { return s.PortalInvoices(ctx, 1000, 202605, 12) })
	c.reads("the periods", func(s *store.Store) (any, error) { return s.Periods(ctx) })
	c.exec("ANALYZE accounts") // the server estimates their number
	c.reads("the statistics", func(s *store.Store) (any, error) { return s.Stats(ctx) })
	c.everywhere(func(s *store.Store, _ int) error { return s.MarkPublished(ctx, refs[0], c.now) })
	events, err := c.direct.OutboxEvents(ctx, 10)
	if err != nil {
		c.Fatal(err)
	}
	c.everywhere(func(s *store.Store, _ int) error { return s.DropOutboxEvents(ctx, []int64{events[0].Seq}) })
	if left, err := c.direct.UnpublishedChunks(ctx, 1000); err != nil || !reflect.DeepEqual(left, refs[1:]) {
		c.Errorf("%d chunks are left of %d: %v", len(left), len(refs), err)
	}
	if next, err := c.direct.OutboxEvents(ctx, 1); err != nil || next[0].Seq != events[1].Seq {
		c.Errorf("the next announcement is %+v, %v; want %d", next, err, events[1].Seq)
	}
	c.everywhere(func(s *store.Store, _ int) error {
		led, release, ok, err := s.Lead(ctx)
		if err != nil || !ok {
			return errors.Join(err, context.Cause(led))
		}
		release()
		return nil
	})
}

// reads compares what each cut lets through with the undisturbed answer.
func (c *cutter) reads(what string, read func(*store.Store) (any, error)) {
	c.Helper()
	want, err := read(c.direct)
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
	c.everywhere(func(s *store.Store, step int) error {
		got, err := read(s)
		if err == nil && !reflect.DeepEqual(got, want) {
			c.Errorf("%s, cut at message %d, is %+v, want %+v", what, step, got, want)
		}
		return err
	})
}

// What an activation at the personal account asks of the store.
func TestConnectionCutAtEveryMessageOfAnActivation(t *testing.T) {
	t.Parallel()
	c := newCutter(t)
	inviter := func(l *life) { l.facts(registered(1, "2025-06-01T09:00:00Z")) }
	inviter(c.life)
	inviter(c.twin)
	request := func(s *store.Store, step int) error {
		id := int64(1000 + step)
		key := models.HashUUID("request", fmt.Sprint(step))
		// Nobody who tries again waits for an earlier try of the test to be taken for dead.
		claim, err := s.ClaimRequest(t.Context(), models.ClientRequest{AccountID: id, Key: key, Digest: key}, time.Hour, -time.Second)
		if err != nil || claim.Status == models.RequestAnswered {
			return err
		}
		if claim.Status != models.RequestOurs {
			return fmt.Errorf("the request is %v", claim.Status)
		}
		counters := []models.AttemptLimit{{Scope: "account", Subject: fmt.Sprint(id), Ends: c.now.Add(time.Hour), Allowed: 1000}}
		if over, err := s.ReserveAttempt(t.Context(), counters); err != nil || !over.IsZero() {
			return errors.Join(err, s.ReleaseRequest(context.WithoutCancel(t.Context()), claim))
		}
		fact := c.named("", activated(id, 1, "2026-04-01T09:00:00+03:00"))
		fact.Fact.Provenance = models.Provenance{Request: key, At: c.now}
		if _, err := s.Ingest(t.Context(), []models.DecodedMessage{fact}, c.derive); err != nil {
			return err
		}
		decision, found, err := s.ActivationOutcome(t.Context(), activated(id, 1, "2026-04-01T09:00:00+03:00").Key())
		if err != nil {
			return err
		}
		if !found || decision.Status != models.ActivationPending {
			c.Errorf("step %d: the decision is %+v, %t", step, decision, found)
		}
		return s.AnswerRequest(t.Context(), claim, []byte("{}"))
	}
	steps := c.everywhere(request)
	for step := 1; step <= steps; step++ {
		if err := request(c.twin.Store, step); err != nil {
			t.Fatal(err)
		}
	}
	c.same("the activations", "SELECT account_id, requested_at, code, status, reason, provenance FROM activations", "SELECT account_id, key, answer FROM client_requests",
		"SELECT * FROM accounts")
}

// A panic on a connection closes it: it leaves no transaction open, and nobody gets
// its unread answers.
func TestPanicLeavesNoConnectionBehind(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	run := l.start(models.RunRequest{Period: 202604})
	s := (&cutter{life: l}).over(l.dsn)
	for name, work := range map[string]func() error{
		"in the rules": func() error {
			_, err := s.Ingest(t.Context(), l.deliveries(registered(5000, "2026-04-01T08:00:00+03:00")),
				func(*models.WorkingSet, []*models.Fact) models.Changes { panic("the rules") })
			return err
		},
		"in a settlement": func() error {
			for { // until the server has noticed that the session before, which held the chunk, was closed
				_, worked, err := s.WorkChunk(t.Context(), run, func(models.Run, *models.SettlementInput) models.SettlementResult { panic("the settlement") })
				if worked || err != nil {
					return err
				}
			}
		},
		"among the answers of a transaction": func() error { return s.PanicInTransaction(t.Context()) },
		"among the answers of a statement":   func() error { return s.PanicInStatement(t.Context()) },
	} {
		for range 2 * mostConnections {
			if panicked, err := guarded(work); panicked == nil {
				t.Fatalf("%s: no panic, %v", name, err)
			}
		}
		var group errgroup.Group
		for range mostConnections {
			group.Go(func() error { _, err := s.Periods(t.Context()); return err })
		}
		if err := group.Wait(); err != nil {
			t.Errorf("after a panic %s: %v", name, err)
		}
		if n := s.InUse(); n != 0 {
			t.Errorf("after a panic %s: %d connections are not given back", name, n)
		}
	}
	// What a session that was closed held is released once the server has noticed.
	l.take(l.deliveries(registered(5000, "2026-04-01T08:00:00+03:00"))...)
	l.finish(run, l.pay)
	l.halves()
	l.tie(202604)
}
