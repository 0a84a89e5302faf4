package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/models"
)

// storm is one round of a life in which everything happens at once: facts of
// every kind, revisions, moves and cancellations of invoices, while runs of two
// months are at work. Each round has years and accounts of its own.
type storm struct {
	r      *rand.Rand
	base   int64
	year   int
	first  models.Period
	second models.Period
}

func newStorm(seed uint64, round int) *storm {
	year := 2022 + 3*round
	return &storm{
		r: rand.New(rand.NewPCG(seed, uint64(round))), base: int64(1000 * (round + 1)), year: year,
		first: models.NewPeriod(year, 4), second: models.NewPeriod(year, 5),
	}
}

func (s *storm) on(month time.Month, day int) time.Time {
	return time.Date(s.year, month, day, 12, 0, 0, 0, moscow)
}

func (s *storm) register(account int64, month time.Month, day int) models.Registered {
	return models.Registered{AccountID: account, RegisteredAt: s.on(month, day), Profile: models.Profile{TaxID: fmt.Sprint(account)}}
}

const (
	stormInviters = 3
	stormCouples  = 14
)

// before is what has arrived when the storm begins: a code exists before anybody
// can enter it.
func (s *storm) before() []models.FactData {
	var facts []models.FactData
	for i := range int64(stormInviters) {
		facts = append(facts, s.register(s.base+i, 1, 1))
		if i > 0 {
			facts = append(facts, invoice(s.base+i, s.first, 1, 100_000*models.Money(i)))
		}
	}
	for account := range s.couples {
		facts = append(facts, s.register(account, 4, 1),
			models.ActivationRequested{AccountID: account, Code: codeOf(s.base + s.r.Int64N(stormInviters)), RequestedAt: s.on(4, 1)})
	}
	return facts
}

func (s *storm) couples(yield func(int64) bool) {
	for i := range int64(stormCouples) {
		if !yield(s.base + 500 + i) {
			return
		}
	}
}

// pairs are two facts about one account each that come at one moment, and after
// which it is never heard of again: nothing later would fix what they miss.
func (s *storm) pairs() [][]models.FactData {
	var pairs [][]models.FactData
	for account := range s.couples {
		bill, promo := invoice(account, s.first, 1, 100_000), models.PromoEnded{AccountID: account, EndedAt: s.on(4, 10)}
		if account%2 == 0 {
			pairs = append(pairs, []models.FactData{bill}, []models.FactData{promo})
		} else {
			pairs = append(pairs, []models.FactData{promo, bill}, []models.FactData{moved(bill, s.second)})
		}
	}
	return pairs
}

// facts are streams in the order of each account's own partition: what one of
// them says of one kind keeps its order.
func (s *storm) facts() [][]models.FactData {
	var streams [][]models.FactData
	for i := range int64(stormInviters) {
		streams = append(streams, []models.FactData{invoice(s.base+i, s.second, 1, 70_000)}, s.invoices(s.base+i))
	}
	for i := range int64(7) {
		account := s.base + 100 + i
		streams = append(streams,
			[]models.FactData{s.register(account, 4, 1+s.r.IntN(20))},
			[]models.FactData{models.ActivationRequested{AccountID: account, Code: codeOf(s.base + s.r.Int64N(stormInviters)), RequestedAt: s.on(4, 1+s.r.IntN(28))}},
			[]models.FactData{models.PromoEnded{AccountID: account, EndedAt: s.on(4, 1+s.r.IntN(28))}},
			s.invoices(account),
		)
		if s.r.IntN(4) == 0 {
			streams = append(streams, []models.FactData{models.Terminated{AccountID: account, TerminatedAt: s.on(5, 1+s.r.IntN(28))}})
		}
	}
	return append(shuffled(s.r, streams), s.pairs()...)
}

// invoices is an account's bills of both months and what becomes of them.
func (s *storm) invoices(account int64) []models.FactData {
	first := invoice(account, s.first, 2, 100_000, 33_333)
	list := []models.FactData{invoice(account, s.first, 1, 90_000), first}
	switch s.r.IntN(4) {
	case 0:
		list = append(list, moved(first, s.second, 100_000))
	case 1:
		away := moved(first, s.second) // cancelled there
		list = append(list, away)
		if s.r.IntN(2) == 0 {
			list = append(list, moved(away, s.first, 50_000))
		}
	case 2:
		list = append(list, invoice(account, s.first, 3)) // cancelled
	}
	second := invoice(account, s.second, 1, 20_000)
	second.ID = fmt.Sprintf("INV-second-%d", account)
	list = append(list, second)
	if s.r.IntN(3) == 0 {
		list = append(list, moved(second, s.first, 20_000))
	}
	return list
}

// rage lets everything happen: several consumers, and several settlers that
// begin runs of either month again and again.
func (s *storm) rage(l *life) error {
	settlers, ctx := errgroup.WithContext(l.Context())
	var over atomic.Bool
	for i, period := range []models.Period{s.first, s.first, s.second, s.second} {
		settlers.Go(func() error {
			return s.settle(ctx, l, models.RunRequest{Period: period, Chunk: []int{1000, 2}[i%2]}, &over)
		})
	}
	consumers, taking := errgroup.WithContext(ctx)
	consumers.SetLimit(6)
	for _, stream := range s.facts() {
		seed := s.r.Uint64()
		consumers.Go(func() error { return blow(taking, l, rand.New(rand.NewPCG(seed, 0)), stream) })
	}
	err := consumers.Wait()
	over.Store(true)
	return errors.Join(err, settlers.Wait())
}

func (s *storm) settle(ctx context.Context, l *life, q models.RunRequest, over *atomic.Bool) error {
	for !over.Load() {
		run, _, err := l.StartRun(ctx, q)
		if err == nil {
			_, err = l.carry(ctx, run, l.pay)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// blow takes one stream in order, sometimes twice, in batches of any size.
func blow(ctx context.Context, l *life, r *rand.Rand, stream []models.FactData) error {
	for _, batch := range cut(r, l.deliveries(stream...), 3) {
		for range 1 + r.IntN(2) {
			if _, err := l.Ingest(ctx, batch, l.derive); err != nil {
				return err
			}
		}
	}
	return nil
}

// No client is ever silently left out: whatever arrives in whatever phase of
// whichever run, once nothing is stale the ledger is what the facts give, and
// it comes to the same as if the facts had all been there before.
func TestNothingSlipsThroughTheGate(t *testing.T) {
	t.Parallel()
	const rounds = 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	l := newLife(t)
	l.fog()
	for round := range rounds {
		s := newStorm(seed, round)
		l.facts(s.before()...)
		if err := s.rage(l); err != nil {
			t.Fatal(err)
		}
		l.calm()
		l.tie(s.first, s.second)
		if t.Failed() {
			t.Fatalf("round %d of seed %d", round, seed)
		}
	}
	l.leaving()
	if posted := l.number("SELECT count(*) FROM adjustments WHERE reason <> 'run'"); posted == 0 {
		t.Error("the storms have left no corrections: they were none")
	}
}

// fog makes transactions linger before they commit, now and then: what two of
// them can miss of one another they shall.
func (l *life) fog() {
	l.Helper()
	l.exec(`CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_sleep(0.03 * random() ^ 3); RETURN NULL; END $$`)
	for _, table := range []string{"invoices", "accounts", "stale", "adjustments", "run_chunks"} {
		l.inOne("SET LOCAL citus.enable_unsafe_triggers = on", "CREATE TRIGGER linger AFTER INSERT OR UPDATE ON "+table+" FOR EACH STATEMENT EXECUTE FUNCTION linger()")
	}
}

// waiting waits until some sessions of the database are held up by others' locks, on
// whatever node.
func (l *life) waiting(sessions int) {
	l.Helper()
	query := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	if l.distributed() {
		query = `SELECT count(DISTINCT waiting_gpid) FROM citus_lock_waits
			JOIN pg_stat_activity ON pid = citus_pid_for_gpid(waiting_gpid) WHERE datname = current_database()`
	}
	for l.number(query) < int64(sessions) {
		if err := l.Context().Err(); err != nil {
			l.Fatal(err)
		}
	}
}

// A promo end is being taken when the account's first invoice comes, is taken,
// and is settled: neither transaction sees the other, and the account must still
// be settled once more.
func TestFactAndInvoiceMeetDuringARun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900)
	l.facts(april(885, 1, 300000))
	run := l.start(models.RunRequest{Period: 202604})

	late := l.fact(models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-15T21:00:00Z")})
	batch, held := l.held(late)
	taken := make(chan error, 1)
	go func() {
		_, err := l.Ingest(l.Context(), batch, l.derive)
		taken <- err
	}()
	l.waiting(1) // all of it is done but the last row
	l.facts(april(900, 1, 1000))
	l.finish(run, l.pay)
	held()
	if err := <-taken; err != nil {
		t.Fatal(err)
	}

	l.calm()
	l.tie(202604)
	if got := l.number("SELECT coalesce(sum(amount_minor), 0) FROM adjustments WHERE account_id = 900"); got != -100 {
		t.Errorf("account 900 was given %s, want 1.00 off", models.Money(got))
	}
}

// hold runs a statement in a transaction of another session; the function
// returned rolls it back.
func (l *life) hold(query string, args ...any) (release func()) {
	l.Helper()
	tx, err := l.db.Begin()
	if err != nil {
		l.Fatal(err)
	}
	if _, err := tx.Exec(query, args...); err != nil {
		l.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			l.Error(err)
		}
	}
}

// held makes a batch that has all its facts written and then waits, until release:
// its last row, of a message that cannot be read, is being written by another
// session, which takes it back.
func (l *life) held(facts ...models.DecodedMessage) (batch []models.DecodedMessage, release func()) {
	l.Helper()
	bad := models.DecodedMessage{
		Message: models.Message{Origin: models.Origin{Topic: "bad", Offset: l.n.Add(1)}, At: l.now, Value: []byte("{")},
		Err:     &models.InputError{Reason: models.BadUnreadable},
	}
	return append(facts, bad), l.hold(`INSERT INTO dead_letters (topic, partition, "offset", headers, sent_at, reason, detail, set_aside_at)
		VALUES ($1, $2, $3, '[]', $4, 'unreadable', '', $4)`, bad.Message.Origin.Topic, bad.Message.Origin.Partition, bad.Message.Origin.Offset, bad.Message.At)
}

// While April's run posts a document, its invoice is moved to May and cancelled
// there, and May is settled before that document is to be seen: May has nothing
// to take back, April no invoice any more, and the ledger must come to nothing
// all the same.
func TestInvoiceMovesAwayFromUnderARun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900)
	bill := april(885, 1, 300000)
	l.facts(bill)
	run := l.another().phase(l.start(models.RunRequest{Period: 202604}), l.pay) // rehearsed elsewhere: to be settled here again

	var once atomic.Bool
	l.finish(run, func(r models.Run, c *models.SettlementInput) models.SettlementResult {
		if c.AccountID == 885 && once.CompareAndSwap(false, true) {
			l.facts(moved(bill, 202605))
			l.settle(models.RunRequest{Period: 202605})
		}
		return l.pay(r, c)
	})
	l.calm()
	l.tie(202604, 202605)
	if got := l.number("SELECT coalesce(sum(amount_minor), 0) FROM adjustments"); got != 0 {
		t.Errorf("the ledger of a cancelled invoice comes to %s", models.Money(got))
	}
}

// The same, and neither the revision that brings the invoice to April nor the one
// that takes it away has seen the other on its way in, as when a consumer that has
// lost its partition still writes.
func TestRevisionsMissOneAnotherUnderARun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900)
	l.settle(models.RunRequest{Period: 202605})
	l.facts(april(700, 1, 1), of(202605, april(885, 1, 200000)))
	run := l.start(models.RunRequest{Period: 202604})
	bill := april(885, 2, 300000)
	late := l.fact(moved(bill, 202605))
	batch, held := l.held(late)
	taken := make(chan error, 1)
	go func() {
		_, err := l.Ingest(l.Context(), batch, l.derive)
		taken <- err
	}()
	l.waiting(1)
	l.facts(bill)
	run = l.another().phase(run, l.pay)
	var once atomic.Bool
	l.finish(run, func(r models.Run, c *models.SettlementInput) models.SettlementResult {
		if c.AccountID == 885 && once.CompareAndSwap(false, true) {
			held()
			if err := <-taken; err != nil {
				t.Error(err)
			}
			l.settle(models.RunRequest{Period: 202605})
		}
		return l.pay(r, c)
	})
	l.calm()
	l.tie(202604, 202605)
	if got := l.number("SELECT coalesce(sum(amount_minor), 0) FROM adjustments"); got != 0 || !once.Load() {
		t.Errorf("the ledger of a cancelled invoice comes to %s", models.Money(got))
	}
}

// A run's start waits for every batch that passed the gate before it, and a batch
// that comes after it marks what it touches, whatever isolation the server has
// for its habit.
func TestGateHoldsAtAnyDefaultIsolation(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.exec("ALTER DATABASE " + l.database() + " SET default_transaction_isolation = '" + level + "'")
			l = l.another() // whose connections begin so
			l.inviter(885, 900)
			l.facts(april(885, 1, 300000))
			held := l.hold("SELECT pg_advisory_xact_lock(x'7265660001'::bigint)")
			taken := make(chan error, 1)
			go func() {
				_, err := l.Ingest(l.Context(), []models.DecodedMessage{l.fact(april(900, 1, 1000)), l.fact(models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-15T21:00:00Z")})}, l.derive)
				taken <- err
			}()
			l.waiting(1)
			l.exec("UPDATE periods SET started_at = now(), settled_at = now() WHERE period = 202604")
			held()
			if err := <-taken; err != nil {
				t.Fatal(err)
			}
			if marks := l.number("SELECT count(*) FROM stale WHERE account_id = 900"); marks == 0 {
				t.Error("the batch did not see that its period had been started while it waited")
			}
		})
	}
}

func (l *life) database() (name string) {
	l.Helper()
	if err := l.db.QueryRow("SELECT current_database()").Scan(&name); err != nil {
		l.Fatal(err)
	}
	return name
}
