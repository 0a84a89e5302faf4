package e2e

import (
	"net/http"
	"slices"
	"time"

	"referral/internal/demo/workload"
	"referral/test/kafkaserver"
)

// strike is something that breaks while messages are taken.
type strike struct {
	kind   string
	weight int               // how often it is drawn, compared with the others
	begin  func(*soak) int64 // breaks it, and counts what was broken
	end    func(*soak)       // lets it work again once others have done the work; nil for what needs nothing
}

// strikes are those on the servers of the life. Servers that take seconds to start again are
// struck seldom.
func (s *soak) strikes() []strike {
	once := func(do func(*soak)) func(*soak) int64 {
		return func(s *soak) int64 { do(s); return 1 }
	}
	all := []strike{
		{"killed processes", 3, (*soak).killReplicas, nil},
		{"processes paused for a moment", 3, (*soak).blink, nil},
		{"processes paused until others had replaced them", 1, once((*soak).pauseReplica), (*soak).resumeReplica},
		{"all connections to the database cut at once", 4, once(func(s *soak) { s.database.CutAll() }), nil},
		{"all connections to a broker cut at once", 4, once(func(s *soak) { s.b.via[s.draws.IntN(len(s.b.via))].CutAll() }), nil},
		{"cancelled statements", 4, func(s *soak) int64 { return s.signalSessions("pg_cancel_backend", "state <> 'idle'") }, nil},
		{"terminated sessions", 4, func(s *soak) int64 { return s.signalSessions("pg_terminate_backend", "true") }, nil},
		{"refused connections to the database", 1, once((*soak).refuseConnections), func(s *soak) { s.giveConnections() }},
		{"clock jumps", 4, once((*soak).jumpClock), nil},
		{"database servers that hang for a moment", 2, once(func(s *soak) { s.hang(s.database.Silence()) }), nil},
		{"brokers that hang for a moment", 2, once(func(s *soak) { s.hang(s.b.via[s.draws.IntN(len(s.b.via))].Silence()) }), nil},
		{"read-only databases", 1, once((*soak).refuseWrites), (*soak).allowWrites},
	}
	if s.b.pair != nil {
		all = append(all, strike{"database servers that failed over to their standby", 1, once(func(s *soak) { s.failOver() }), nil})
	} else {
		all = append(all, strike{"killed database servers", 2, once(func(s *soak) { s.killDatabase() }), nil})
	}
	if s.b.cluster == nil {
		return append(all, strike{"killed brokers", 1, once(func(s *soak) { s.killBroker() }), nil})
	}
	return append(all,
		strike{"too few replicas in sync", 1, once((*soak).lackReplicas), func(s *soak) { s.restart(s.lastKilled()); s.require(kafkaserver.Nodes - 1) }},
		strike{"killed nodes with their leaders", 1, once(func(s *soak) { s.killNextNode() }), nil},
		strike{"moved leaders", 1, once(func(s *soak) {
			s.restart(s.lastKilled())
			s.restart(s.b.cluster.Nodes[s.draws.IntN(len(s.b.cluster.Nodes))])
		}), nil},
	)
}

// draw draws what breaks.
func (s *soak) draw() strike {
	all := s.strikes()
	total := 0
	for _, one := range all {
		total += one.weight
	}
	n := s.draws.IntN(total)
	i := slices.IndexFunc(all, func(one strike) bool { n -= one.weight; return n < 0 })
	return all[i]
}

// strikeWhileTaking sends messages and lets something break: in the middle of the
// transaction that takes them, or at any moment.
func (s *soak) strikeWhileTaking(batch []workload.Message) {
	s.w.t.Helper()
	what := s.draw()
	s.fault.breakOnce = func(*faultyRun) { s.breaking[what.kind] += what.begin(s) }
	s.fault.heal = nil
	if what.end != nil {
		s.fault.heal = func(*faultyRun) { what.end(s) }
	}
	brings := slices.ContainsFunc(batch, func(m workload.Message) bool {
		return m.Expected.Bad == "" && !m.Expected.Repeat && (m.Topic == workload.Invoices || m.Topic == workload.Activation)
	})
	if !brings || s.chance(2) {
		s.write(batch)
		s.fault.breakOnce(s.faultyRun)
		if what.end != nil {
			what.end(s)
		}
		return
	}
	s.w.drained()
	release := s.hold("activations, invoices")
	s.write(batch)
	s.strikeWhileBlocked(release)
}

// refuseConnections has the database refuse connections. The newest process, whose metrics
// tell of it, must have begun to serve.
func (s *soak) refuseConnections() {
	s.w.t.Helper()
	s.serving.answers("/healthz", http.StatusOK)
	s.takeConnections()
}

// hang lasts for less than anything that waits.
func (s *soak) hang(goOn func()) {
	s.moment()
	goOn()
}

// moment is a pause, not to wait for anything.
func (s *soak) moment() { <-time.After(time.Duration(s.draws.IntN(300)) * time.Millisecond) }

// refuseWrites has the database refuse writes, as a standby would that is taken for the
// primary. Sessions keep their settings, so they end.
func (s *soak) refuseWrites() {
	s.w.t.Helper()
	s.w.readOnly("on")
	s.signalSessions("pg_terminate_backend", "true")
}

// allowWrites waits until the newest process has noticed.
func (s *soak) allowWrites() {
	s.w.t.Helper()
	s.serving.shows("/readyz", readOnlySentence)
	s.w.readOnly("off")
}

// lackReplicas has a second node die only when the first one is back.
func (s *soak) lackReplicas() {
	s.w.t.Helper()
	s.restart(s.lastKilled())
	s.faultyRun.lackReplicas()
}

// killReplicas kills the processes that take messages, and starts others.
func (s *soak) killReplicas() (n int64) {
	s.w.t.Helper()
	for _, replica := range s.replicas {
		replica.kill()
		n++
	}
	s.w.expel()
	for i, replica := range s.replicas {
		s.replicas[i] = s.start(replica.args...)
	}
	return n
}

// blink pauses all processes that take messages for less than others wait for them.
func (s *soak) blink() int64 {
	s.w.t.Helper()
	for _, replica := range s.replicas {
		replica.pause()
	}
	s.moment()
	for _, replica := range s.replicas {
		replica.resume()
	}
	return int64(len(s.replicas))
}

// pauseReplica pauses a process, if any one that is in the middle of a transaction. The servers give it
// up, as after a network that has failed. The process still believes that it owns
// partitions, and leads if it did.
func (s *soak) pauseReplica() {
	s.w.t.Helper()
	i := s.draws.IntN(len(s.replicas))
	if at := slices.IndexFunc(s.replicas, s.waits); at >= 0 {
		i = at
	}
	s.paused = s.replicas[i]
	s.paused.pause()
	s.disconnect(s.paused)
	s.w.expel()
}

// resumeReplica lets the process go on when others have done its work.
func (s *soak) resumeReplica() {
	s.w.t.Helper()
	s.w.drained()
	s.paused.resume()
}

// waits tells whether a process waits for a table.
func (s *soak) waits(p *server) bool {
	return s.maybe(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'relation' AND application_name = '`+p.name+`'`) > 0
}

// blockedOf is that one of several processes which waits for a table.
func (s *soak) blockedOf(all []*server) *server {
	s.w.t.Helper()
	i := 0
	s.w.until("one of the processes in the middle of its work", func() (bool, string) {
		i = slices.IndexFunc(all, s.waits)
		return i >= 0, "none waits"
	})
	return all[i]
}

// disconnect ends the sessions of a process at the database.
func (s *soak) disconnect(p *server) {
	s.w.t.Helper()
	s.w.asAdmin(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '` + p.name + `'`)
}

// signalSessions calls a function for sessions of the programs, and counts them.
func (s *soak) signalSessions(function, which string) int64 {
	return s.maybe(`SELECT count(*) FILTER (WHERE ` + function + `(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND usename = '` + s.role + `' AND ` + which)
}

// jumpClock moves the clocks of the processes, and of those that start, from 20 hours
// behind to 50 minutes ahead: brokers refuse what comes from more than an hour ahead, and
// those of a test delete what is older than a day.
func (s *soak) jumpClock() {
	s.w.t.Helper()
	s.setClock(time.Now().Add(50*time.Minute - time.Duration(s.draws.Int64N(int64(21*time.Hour)))))
}

// bill has billing book postings that it has not booked yet.
func (s *soak) bill(postings int) {
	s.w.t.Helper()
	billing := s.w.startBilling()
	s.w.answered(billing, postings)
	if err := billing.Stop(); err != nil {
		s.w.t.Errorf("billing: %v", err)
	}
}
