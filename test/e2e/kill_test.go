package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// killedProgram ends processes at random times of its seed.
type killedProgram struct {
	w      *world
	r      *rand.Rand
	server *server
	kills  int
}

// strike kills the serving process after a random while, and starts another.
func (k *killedProgram) strike(within time.Duration) {
	k.w.t.Helper()
	<-time.After(time.Duration(k.r.Int64N(int64(within)))) // a time to die, not to wait for anything
	k.server.kill()
	k.w.expel()
	k.server = k.w.launch(nil)
	k.kills++
}

// send sends messages a few at a time, with strikes in between.
func (k *killedProgram) send(all []message) {
	k.w.t.Helper()
	for len(all) > 0 {
		n := min(len(all), 20+k.r.IntN(100))
		k.w.send(all[:n]...)
		all = all[n:]
		if k.r.IntN(3) > 0 {
			k.strike(400 * time.Millisecond)
		}
	}
}

// run settles a period by processes that get killed, until one comes through.
func (k *killedProgram) run(period string) {
	k.w.t.Helper()
	for range 4 {
		ctx, cancel := context.WithTimeout(k.w.t.Context(), time.Duration(k.r.IntN(300))*time.Millisecond)
		_ = k.w.command(ctx, "run", period).Run() // killed or not: the next one must come to terms with it
		cancel()
		k.kills++
	}
	k.w.must("run", period)
}

func TestLedgerIsTheSameAfterRepeatedKills(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	k := killedProgram{w: w, r: rand.New(rand.NewPCG(20260331, 7)), server: w.serve()}
	for phase := range s.phases {
		p := &s.phases[phase]
		k.send(w.messages(p.registrations))
		k.send(w.messages(p.rest))
		w.drained()
		for _, period := range runs(phase) {
			k.run(period)
			k.strike(100 * time.Millisecond)
		}
		w.check("after being killed", s.wanted(w, phase))
	}
	t.Logf("killed %d times", k.kills)
}

// The group waits out the session of a dead member before its partitions go to
// the one that lives: nothing may be lost or taken twice meanwhile.
func TestOneOfTwoReplicasIsKilled(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	w.serve()
	other := w.serve()
	first := &s.phases[0]
	w.send(w.messages(first.registrations)...)
	all := w.messages(first.rest)
	w.send(all[:len(all)/2]...)
	other.kill()
	w.send(all[len(all)/2:]...)
	w.drained()
	w.must("run", "2026-03")
	w.check("after one of two died", s.wanted(w, 0))
}

func TestNothingIsLostWhileTheDatabaseIsUnreachable(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	server := w.serve()
	first := &s.phases[0]
	w.send(w.messages(first.registrations)...)
	all := w.messages(first.rest)
	w.send(all[:len(all)/2]...)
	w.databaseAnswers(false)
	w.send(all[len(all)/2:]...)
	server.answers("/readyz", http.StatusServiceUnavailable)
	server.answers("/healthz", http.StatusOK)

	w.databaseAnswers(true)
	server.ready()
	w.drained()
	w.must("run", "2026-03")
	w.check("after the database was away", s.wanted(w, 0))
}

// databaseAnswers takes the world's database away, for superusers too, or gives
// it back.
func (w *world) databaseAnswers(yes bool) {
	w.t.Helper()
	w.asAdmin(
		fmt.Sprintf("ALTER DATABASE %s WITH ALLOW_CONNECTIONS %v", w.name, yes),
		fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'", w.name),
	)
	w.db.Reset()
}
