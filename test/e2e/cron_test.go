package e2e

import (
	"fmt"
	"testing"
	"time"
)

// startReplicas starts serving three times at once.
func startReplicas(w *world, overrides ...string) []*server {
	w.t.Helper()
	var replicas []*server
	for range 3 {
		replicas = append(replicas, w.launch(overrides))
	}
	for _, s := range replicas {
		s.ready()
	}
	return replicas
}

// oneRun waits for March's run, lets every replica finish what it does, and
// looks at how many runs there were.
func oneRun(w *world, replicas []*server) {
	w.t.Helper()
	w.until("the run of March", func() (bool, string) {
		return w.number(`SELECT count(*) FROM runs WHERE state = 'done'`) > 0, "no run is done"
	})
	w.published()
	for _, s := range replicas {
		if status := s.stop(); status != 0 {
			w.t.Errorf("a replica ended with status %d\n%s", status, s.log.tail())
		}
	}
	if got := w.number(`SELECT count(*) FROM runs`); got != 1 {
		w.t.Errorf("%d runs, want one", got)
	}
	if got := w.number(`SELECT count(*) FROM runs WHERE period = 202603 AND kind = 'regular' AND state = 'done'`); got != 1 {
		w.t.Errorf("%d runs of March are done, want one", got)
	}
}

func TestThreeReplicasWithTheSameCronMakeOneRun(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	at := time.Now().UTC().Add(time.Minute).Truncate(time.Minute)
	if time.Until(at) < 25*time.Second { // March must have arrived before the clock strikes
		at = at.Add(time.Minute)
	}
	replicas := startReplicas(w, "REFERRAL_SCHEDULE_TIMEZONE=UTC", fmt.Sprintf("REFERRAL_SCHEDULE_RUN=%d %d * * *", at.Minute(), at.Hour()))
	first := &s.phases[0]
	w.send(w.messages(first.registrations)...)
	w.send(w.messages(first.rest)...)
	w.drained()

	oneRun(w, replicas)
	w.check("after the cron", s.wanted(w, 0))
}

func TestThreeReplicasCatchUpAMissedMonthOnce(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	before := w.serve("--only=consumer,publisher,web")
	first := &s.phases[0]
	w.send(w.messages(first.registrations)...)
	w.send(w.messages(first.rest)...)
	w.drained()
	before.stop()

	oneRun(w, startReplicas(w, "REFERRAL_SCHEDULE_RUN=0 3 1 * *"))
	w.check("after the outage", s.wanted(w, 0))
}
