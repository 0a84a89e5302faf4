package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/models"
	"referral/store"
)

// A store whose rehearsal cache does not hold the rehearsal, for another process made it,
// posts the same.
func TestAnotherProcessPosts(t *testing.T) {
	t.Parallel()
	l, twin := newLife(t), newLife(t)
	l.climb()
	twin.climb()
	twin.settle(models.RunRequest{Period: 202604})
	other := l.another()
	run := other.phase(l.start(models.RunRequest{Period: 202604}), l.pay)
	done := l.finish(run, l.pay)
	if got, want := l.dump(ledger), twin.dump(ledger); got != want || done.Totals != run.Totals {
		t.Errorf("without the cache, %+v:\n%s\nwith it, %+v:\n%s", done.Totals, got, run.Totals, want)
	}
	if other.finish(run, l.pay); other.CachedChunks() != 0 {
		t.Errorf("%d chunks are still kept for a run that is over", other.CachedChunks())
	}
}

// What the temporary directory has harmed is settled again, and the run goes on.
func TestHarmedRehearsalCacheIsSettledAgain(t *testing.T) {
	t.Parallel()
	l, twin := newLife(t), newLife(t)
	l.climb()
	twin.climb()
	twin.settle(models.RunRequest{Period: 202604})
	var faults atomic.Int64
	s, err := store.Open(store.Options{DSN: l.dsn, MaxConnections: 8, Now: func() time.Time { return l.now },
		RehearsalFault: func(models.ChunkRef, error) { faults.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.CacheRehearsalsInFile()
	l.Store = s
	run := l.phase(l.start(models.RunRequest{Period: 202604}), l.pay)
	chunks := int64(l.CachedChunks())
	if err := l.HarmRehearsals(); err != nil {
		t.Fatal(err)
	}
	done := l.finish(run, l.pay)
	if got, want := l.dump(ledger), twin.dump(ledger); got != want || done.State != models.RunDone || done.Totals != run.Totals {
		t.Errorf("%s with %+v:\n%s\nwant %+v:\n%s", done.State, done.Totals, got, run.Totals, want)
	}
	if faults.Load() != chunks || chunks == 0 {
		t.Errorf("%d of %d harmed chunks were told of", faults.Load(), chunks)
	}
	l.tie(202604)
}

// What was rehearsed is not settled again, unless a fact has come between; then
// the fact is honoured at once, and the rest of the run posts as rehearsed.
func TestFactBetweenRehearsalAndPosting(t *testing.T) {
	t.Parallel()
	for _, late := range []models.FactData{
		april(885, 2, 600000),
		models.PromoEnded{AccountID: 901, EndedAt: at("2026-04-15T21:00:00Z")},
		models.Terminated{AccountID: 885, TerminatedAt: at("2026-04-10T21:00:00Z")},
		april(1000, 1, 10), // an account that has nothing else
	} {
		l, twin := newLife(t), newLife(t)
		l.climb()
		twin.climb()
		twin.facts(late)
		twin.settle(models.RunRequest{Period: 202604})
		run := l.phase(l.start(models.RunRequest{Period: 202604, Chunk: 1}), l.pay)
		l.facts(late)
		again := map[int64]bool{}
		l.finish(run, func(r models.Run, c *models.SettlementInput) models.SettlementResult {
			again[c.AccountID] = true
			return l.pay(r, c)
		})
		if got, want := l.dump(sums), twin.dump(sums); got != want {
			t.Errorf("%T between: the ledger comes to\n%s\nwant\n%s", late, got, want)
		}
		if len(again) == 0 || len(again) > 2 {
			t.Errorf("%T between: accounts %v were settled again", late, again)
		}
		l.tie(202604)
	}
}

// A worker that is stopped at any moment leaves nothing half done, and another
// process takes the run up.
func TestStoppedWorkersLeaveNothingHalfDone(t *testing.T) {
	t.Parallel()
	l, twin := newLife(t), newLife(t)
	l.climb()
	twin.climb()
	twin.settle(models.RunRequest{Period: 202604, Chunk: 1})
	run := l.start(models.RunRequest{Period: 202604, Chunk: 1})
	for stops := 0; run.Active(); stops++ {
		ctx, stop := context.WithCancel(t.Context())
		left := stops
		worker := l.another()
		_ = worker.work(ctx, run, func(r models.Run, c *models.SettlementInput) models.SettlementResult {
			if left--; left < 0 {
				stop()
			}
			return l.pay(r, c)
		})
		stop()
		_ = worker.Close()
		l.halves()
		if stops > 3 { // the last one is let go through
			if err := l.work(t.Context(), run, l.pay); err != nil {
				t.Fatal(err)
			}
			run, _, _ = l.AdvanceRun(t.Context(), run.ID, l.p.Brake)
		}
	}
	if got, want := l.dump(ledger), twin.dump(ledger); got != want {
		t.Errorf("stopped and taken up:\n%s\nin one go:\n%s", got, want)
	}
	l.tie(202604)
}

// halves fails when the ledger holds a document of a chunk that is not marked as
// posted, or a marked chunk misses one, or a document misses its items.
func (l *life) halves() {
	l.Helper()
	const posted = `(SELECT run_id, chunk_no, count(*) AS documents FROM adjustments GROUP BY run_id, chunk_no OFFSET 0) a`
	if got := l.dump(`SELECT a.run_id, a.chunk_no FROM ` + posted + ` JOIN run_chunks c USING (run_id, chunk_no) WHERE c.state <> 'posted'`); got != "" {
		l.Errorf("documents of chunks that are not posted:\n%s", got)
	}
	if got := l.dump(`SELECT run_id, chunk_no FROM run_chunks c LEFT JOIN ` + posted + ` USING (run_id, chunk_no) WHERE state = 'posted'
		AND c.documents <> coalesce(a.documents, 0)`); got != "" {
		l.Errorf("posted chunks whose documents do not add up:\n%s", got)
	}
	if got := l.dump(`SELECT a.account_id FROM adjustments a WHERE amount_minor <> (SELECT sum(amount_minor) FROM adjustment_items i
		WHERE (i.account_id, i.invoice_id, i.sequence) = (a.account_id, a.invoice_id, a.sequence))`); got != "" {
		l.Errorf("documents whose items do not add up:\n%s", got)
	}
}

// Connections are killed at random while three processes take facts and post;
// each tries again, as the service does. The ledger is as if nothing had happened.
func TestKilledConnections(t *testing.T) {
	t.Parallel()
	l, twin := newLife(t), newLife(t)
	l.climb()
	twin.climb()
	late := []models.FactData{april(885, 2, 600000), april(900, 2), models.PromoEnded{AccountID: 902, EndedAt: at("2026-04-15T21:00:00Z")}}
	twin.facts(late...)
	twin.calm()

	killer := l.kill()
	var group errgroup.Group
	for range 3 {
		worker := l.another()
		group.Go(func() error { return worker.insist(models.RunRequest{Period: 202604, Slot: "one", Chunk: 1}) })
	}
	for _, delivery := range l.deliveries(late...) {
		for _, err := l.Ingest(t.Context(), []models.DecodedMessage{delivery}, l.derive); err != nil; {
			_, err = l.Ingest(t.Context(), []models.DecodedMessage{delivery}, l.derive)
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	kills := killer()
	l.halves()
	l.calm()
	l.tie(202604, 202605)
	if got, want := l.dump(sums), twin.dump(sums); got != want {
		t.Errorf("after %d kills:\n%s\nwithout:\n%s", kills, got, want)
	}
}

// kill ends sessions of the service that are at work, one after another, up to a
// number that lets the work end, until the function returned is called, which
// says how many they were.
func (l *life) kill() (stop func() int64) {
	ctx, cancel := context.WithCancel(l.Context())
	var kills int64
	var killer sync.WaitGroup
	killer.Go(func() {
		for ctx.Err() == nil && kills < 25 {
			var n int64
			_ = l.db.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'referral' AND state <> 'idle' ORDER BY random() LIMIT 1) p`).Scan(&n)
			kills += n
		}
	})
	return func() int64 {
		cancel()
		killer.Wait()
		if kills == 0 {
			l.Error("nothing was killed")
		}
		return kills
	}
}

// insist carries a run to its end, whatever happens to its connections.
func (l *life) insist(q models.RunRequest) error {
	for l.Context().Err() == nil {
		run, _, err := l.StartRun(l.Context(), q)
		if err != nil {
			continue
		}
		if run, err = l.carry(l.Context(), run, l.pay); err == nil && !run.Active() {
			return nil
		}
	}
	return l.Context().Err()
}

// What a process has rehearsed of a run that another one has carried to its end is
// forgotten when it next looks for work: else its file would grow with every run.
func TestRehearsedChunksOfAnEndedRunAreForgotten(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	run := l.phase(l.start(models.RunRequest{Period: 202604}), l.pay)
	if l.CachedChunks() == 0 {
		t.Fatal("nothing was kept")
	}
	if _, err := l.ActiveRuns(t.Context()); err != nil || l.CachedChunks() == 0 {
		t.Fatal("what the run has still to post is forgotten", err)
	}
	l.another().finish(run, l.pay)
	if _, err := l.ActiveRuns(t.Context()); err != nil || l.CachedChunks() > 0 {
		t.Errorf("%d chunks of the ended run are kept: %v", l.CachedChunks(), err)
	}
}
