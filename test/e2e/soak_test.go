package e2e

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"referral/internal/demo/workload"
	"referral/models"
)

// What `make soak` gives.
var (
	soakHours = flag.Float64("hours", 0, "how long TestSoak plays one life after another; 0 plays a short one")
	soakSeed  = flag.Uint64("seed", 0, "the first life of TestSoak, the next ones count up; 0 draws it")
)

// soakLife is how large the lives are.
type soakLife struct {
	accounts, months int
	strikes          int // processes and servers at most that are struck while the messages of a month are taken
}

var (
	shortLife = soakLife{accounts: 60, months: 2, strikes: 4}
	longLife  = soakLife{accounts: 400, months: 12, strikes: 12}
)

// TestSoak plays lives in which everything breaks at random: processes and servers are
// killed, also in the middle of their work, connections are cut, leaders move, clocks jump,
// messages are late, repeated and shuffled. At the end of every month the ledger and the
// topics must be what the reference model says, and no process may have ended by itself.
func TestSoak(t *testing.T) {
	t.Parallel()
	b := startFaultServers(t)
	seed := *soakSeed
	if seed == 0 {
		seed = lifeSeed(t)
	}
	size, end := shortLife, time.Now().Add(time.Duration(*soakHours*float64(time.Hour)))
	if *soakHours > 0 {
		size = longLife
	}
	faults := map[string]int64{}
	months := 0
	for lives := 0; lives == 0 || time.Now().Before(end) && !t.Failed(); lives++ {
		on := b
		t.Run(fmt.Sprint("seed ", seed+uint64(lives)), func(t *testing.T) {
			if lives%3 == 2 {
				on = b.onCluster(t)
			}
			months += on.soak(t, seed+uint64(lives), size, end, faults)
		})
		t.Logf("%d months, %d faults: %v", months, sum(faults), faults)
	}
}

// soak is a life under faults that are drawn at random.
type soak struct {
	*faultyRun
	size      soakLife
	draws     *rand.Rand
	faults    map[string]int64
	replicas  []*server          // that take messages now
	late      []workload.Message // that the next phase sends
	past      []message          // good ones that were sent
	cutBefore int                // connections before this month
}

// soak plays one life, or the months of it that begin before the end. It returns how many.
func (b *faultServers) soak(t *testing.T, seed uint64, size soakLife, end time.Time, faults map[string]int64) (months int) {
	t.Helper()
	w := newWorldOn(t, b.servers(), b.overrides()...)
	w.must("migrate")
	life, err := workload.New(workload.Options{Seed: seed, Accounts: size.accounts, First: 202501, Months: size.months})
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{
		faultyRun: &faultyRun{
			// A batch is sent again when a node dies that has taken a part of it.
			generator: generator{mirror: newMirror(w), workload: life, sentFacts: map[workload.Topic]int{}, sentAgain: b.cluster != nil}, b: b,
			database: b.proxyTo(t, w.setting("REFERRAL_DATABASE_DSN")), role: serviceRole, clock: filepath.Join(t.TempDir(), "clock"),
		},
		size: size, draws: rand.New(rand.NewPCG(seed, 2)), faults: faults,
	}
	for phase := range size.months {
		if phase > 1 && !time.Now().Before(end) {
			break
		}
		s.jumpClock()
		s.startCutting()
		s.takeMonth(phase)
		s.settleMonth(phase)
		s.stopCutting()
		s.check(fmt.Sprintf("seed %d, month %d", seed, phase+1))
		if t.Failed() {
			t.FailNow()
		}
		months++
		t.Logf("month %d is right, after %d faults: %v", phase+1, sum(faults), faults)
	}
	return months
}

func (s *soak) chance(oneIn int) bool { return s.draws.IntN(oneIn) == 0 }

// takeMonth sends the messages of a phase to one or two processes that are struck meanwhile.
func (s *soak) takeMonth(phase int) {
	s.w.t.Helper()
	parts := [][]string{{"--only=consumer,publisher,web"}, {"--only=consumer,web"}}
	for _, args := range parts[:1+s.draws.IntN(len(parts))] {
		s.replicas = append(s.replicas, s.launch(args...))
	}
	strikes := 0
	send := func(all []workload.Message) {
		for len(all) > 0 {
			n := min(len(all), 20+s.draws.IntN(60))
			batch := s.shuffled(all[:n])
			all = all[n:]
			s.tellAll(batch)
			if strikes < s.size.strikes && s.chance(2) {
				strikes++
				s.strikeWhileTaking(batch)
			} else {
				s.write(batch)
			}
		}
	}
	var batch []workload.Message
	var issued []int64
	for m := range s.workload.Registrations(phase) {
		batch = append(batch, m)
		issued = append(issued, m.Expected.AccountID)
	}
	send(batch)
	s.w.learnCodes(issued...)
	batch, s.late = s.late, nil
	held := map[string]bool{}
	for m, err := range s.workload.Rest(phase, func(account int64) (string, bool) { return s.w.codes[account], true }) {
		if err != nil {
			s.w.t.Fatal(err)
		}
		key := string(m.Topic) + string(m.Key) // what has one key keeps its order
		if _, known := held[key]; !known {
			held[key] = phase+1 < s.size.months && s.chance(30)
		}
		if held[key] {
			s.late = append(s.late, m)
			s.faults["late messages"]++
			continue
		}
		batch = append(batch, m)
	}
	send(batch)
	s.w.drained()
	s.w.published()
	for _, replica := range s.replicas {
		s.stop(replica)
	}
	s.replicas = nil
}

// shuffled is messages in another order, in which those of one key keep theirs.
func (s *soak) shuffled(all []workload.Message) []workload.Message {
	queues := map[string][]workload.Message{}
	for _, m := range all {
		queues[string(m.Key)] = append(queues[string(m.Key)], m)
	}
	keys := make([]string, len(all))
	for i, m := range all {
		keys[i] = string(m.Key)
	}
	s.draws.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var list []workload.Message
	for _, key := range keys {
		list = append(list, queues[key][0])
		queues[key] = queues[key][1:]
	}
	s.faults["shuffled batches"]++
	return list
}

// tellAll tells the model.
func (s *soak) tellAll(batch []workload.Message) {
	s.w.t.Helper()
	for i := range batch {
		m := &batch[i]
		s.told.Count(m)
		if m.Expected.Bad != "" {
			continue
		}
		one := ofLife(m)
		s.take(one)
		s.past = append(s.past, one)
		if !m.Expected.Repeat {
			s.sentFacts[m.Topic]++
		}
	}
}

// write sends messages, and some that were sent before once more.
func (s *soak) write(batch []workload.Message) {
	s.w.t.Helper()
	var all []message
	for i := range batch {
		all = append(all, ofLife(&batch[i]))
		if s.chance(3) && len(s.past) > len(batch) {
			all = append(all, s.past[s.draws.IntN(len(s.past)-len(batch))])
			s.faults["repeated messages"]++
		}
	}
	s.sendAgain(all)
}

// strikeWhileTaking sends messages and lets something break: in the middle of the
// transaction that takes them, or at any moment.
func (s *soak) strikeWhileTaking(batch []workload.Message) {
	s.w.t.Helper()
	s.fault.breakOnce = s.draw()
	brings := slices.ContainsFunc(batch, func(m workload.Message) bool {
		return m.Expected.Bad == "" && !m.Expected.Repeat && (m.Topic == workload.Invoices || m.Topic == workload.Activation)
	})
	if !brings || s.chance(2) {
		s.write(batch)
		s.fault.breakOnce(s.faultyRun)
		return
	}
	s.w.drained()
	release := s.hold("activations, invoices")
	s.write(batch)
	s.strikeWhileBlocked(release)
}

// draw draws what breaks.
func (s *soak) draw() func(*faultyRun) {
	strikes := map[string]func(*faultyRun){
		"connections to the database cut at once": func(*faultyRun) { s.database.CutAll() },
		"killed processes":                        func(*faultyRun) { s.killReplicas() },
		"clock jumps":                             func(*faultyRun) { s.jumpClock() },
		"killed database servers":                 func(p *faultyRun) { p.killDatabase() },
	}
	if s.b.cluster != nil {
		strikes["killed nodes with their leaders"] = (*faultyRun).killNextNode
	} else {
		strikes["killed brokers"] = (*faultyRun).killBroker
	}
	names := slices.Sorted(maps.Keys(strikes))
	name := names[s.draws.IntN(len(names))]
	return func(p *faultyRun) {
		strikes[name](p)
		if name != "killed processes" && name != "clock jumps" { // which count themselves
			s.faults[name]++
		}
	}
}

// killReplicas kills the processes that take messages, and starts others.
func (s *soak) killReplicas() {
	s.w.t.Helper()
	for _, replica := range s.replicas {
		replica.kill()
		s.faults["killed processes"]++
	}
	s.w.expel()
	for i, replica := range s.replicas {
		s.replicas[i] = s.launch(replica.args...)
	}
}

// jumpClock moves the clocks of the processes, and of those that start, from 20 hours
// behind to 50 minutes ahead: brokers refuse what comes from more than an hour ahead, and
// those of a test delete what is older than a day.
func (s *soak) jumpClock() {
	s.w.t.Helper()
	s.setClock(time.Now().Add(50*time.Minute - time.Duration(s.draws.Int64N(int64(21*time.Hour)))))
	s.faults["clock jumps"]++
}

// startCutting has connections cut again and again.
func (s *soak) startCutting() {
	s.database.CutAgain(cuts(rand.New(rand.NewPCG(s.draws.Uint64(), 3)), 50))
	if s.b.cluster == nil {
		s.b.via.CutAgain(cuts(rand.New(rand.NewPCG(s.draws.Uint64(), 4)), 0))
	}
	s.cutBefore = s.database.Cuts() + s.b.via.Cuts()
}

func (s *soak) stopCutting() {
	s.database.DropPlan()
	s.b.via.DropPlan()
	s.faults["cut connections"] += int64(s.database.Cuts() + s.b.via.Cuts() - s.cutBefore)
}

// settleMonth settles all months so far, the newest by a scheduler that is killed in the
// middle of its run, and has it published by a process that is killed between sending and
// marking what it has sent.
func (s *soak) settleMonth(phase int) {
	s.w.t.Helper()
	for month := range phase {
		s.killedRun(s.workload.Period(month))
	}
	newest := s.workload.Period(phase)
	before := len(s.model.Lines())
	if err := s.model.Run(newest.String()); err != nil {
		s.w.t.Fatal(err)
	}
	if len(s.model.Lines()) > before { // it has something to post
		s.killWhileBlocked("adjustments", "killed schedulers in a run", "--only=scheduler,web")
	}
	settling := s.launch("--only=scheduler,web")
	s.w.until("the run of "+newest.String(), func() (bool, string) {
		return s.maybe(fmt.Sprintf("SELECT count(*) FROM runs WHERE state = 'done' AND period = %d", newest)) > 0, "it is not done"
	})
	s.stop(settling)

	if s.maybe("SELECT count(*) FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL") > 0 {
		s.killWhileBlocked("run_chunks", "killed publishers between sending and marking", "--only=publisher,web")
	}
	publishing := s.launch("--only=publisher,web")
	s.w.published()
	s.stop(publishing)
}

// killWhileBlocked kills processes that wait to write to a table.
func (s *soak) killWhileBlocked(table, what string, args ...string) {
	s.w.t.Helper()
	for range 1 + s.draws.IntN(2) {
		var p *server
		s.fault.breakOnce = func(*faultyRun) { p.kill() }
		release := s.hold(table)
		p = s.launch(args...)
		s.strikeWhileBlocked(release)
		s.faults[what]++
	}
}

// killedRun settles a month by commands, of which some are killed.
func (s *soak) killedRun(period models.Period) {
	s.w.t.Helper()
	for s.chance(3) {
		ctx, cancel := context.WithTimeout(s.w.t.Context(), time.Duration(s.draws.IntN(300))*time.Millisecond)
		if s.w.command(ctx, "run", period.String()).Run() != nil && ctx.Err() != nil {
			s.faults["killed commands"]++
		}
		cancel()
	}
	s.run(period.String())
}
