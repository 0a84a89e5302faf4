package e2e

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"referral/internal/demo/workload"
	"referral/models"
	"referral/test/pgproxy"
)

// What `make soak` gives.
var (
	soakHours = flag.Float64("hours", 0, "how long TestSoak begins one life of a year after another; 0 plays a short one")
	soakSeed  = flag.Uint64("seed", 0, "the first life of TestSoak, the next ones count up; 0 draws it when hours are given")
)

// soakLife is how large the lives are.
type soakLife struct {
	accounts, months int
	strikes          int  // at most, while the messages of a month are taken
	batch            int  // messages in a batch at least, and twice as many more at most
	several          bool // of three lives one is on a cluster of brokers, and one on a primary database server and its standby
}

var (
	shortLife = soakLife{accounts: 40, months: 2, strikes: 3, batch: 20}
	longLife  = soakLife{accounts: 900, months: 12, strikes: 40, batch: 10, several: true}
)

// TestSoak plays lives in which everything breaks at random: processes and servers are
// killed or paused, also in the middle of their work, servers hang, fail over or refuse writes, connections
// are cut, statements are cancelled, leaders move, clocks jump, messages are late, repeated and shuffled. At the end of
// every month the ledger and the topics must be what the reference model says, the ledger must tie
// with what billing has booked, and no process may have ended by itself.
func TestSoak(t *testing.T) {
	t.Parallel()
	b := startFaultServers(t)
	size, drawn := shortLife, lifeSeed(t)
	if *soakHours > 0 {
		size, drawn = longLife, rand.Uint64N(1_000_000)
	}
	seed, end := cmp.Or(*soakSeed, drawn), time.Now().Add(time.Duration(*soakHours*float64(time.Hour)))
	all := newTally()
	months := 0
	for ; months == 0 || time.Now().Before(end) && !t.Failed(); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			on := b
			switch kind := seed % 3; {
			case size.several && kind == 1:
				on = b.onCluster(t)
			case size.several && kind == 2:
				on = b.onPair(t)
			}
			on.soak(t, seed, size, all)
		})
		months += size.months
		t.Logf("%d months in all, %s", months, all)
	}
}

// tally counts faults by kind.
type tally struct {
	breaking   map[string]int64 // processes, servers, connections, statements, clocks
	disturbing map[string]int64 // messages
}

func newTally() *tally { return &tally{map[string]int64{}, map[string]int64{}} }

func (c *tally) add(more *tally) {
	for kind, n := range more.breaking {
		c.breaking[kind] += n
	}
	for kind, n := range more.disturbing {
		c.disturbing[kind] += n
	}
}

func (c *tally) String() string {
	return fmt.Sprintf("%d things broken: %v; %d messages disturbed: %v", sum(c.breaking), c.breaking, sum(c.disturbing), c.disturbing)
}

// soak is a life under faults that are drawn at random.
type soak struct {
	*faultyRun
	*tally
	size     soakLife
	draws    *rand.Rand
	replicas []*server          // that take messages now
	late     []workload.Message // that the next phase sends
	past     []message          // good ones that were sent
	launched int
	paused   *server // by a strike
	answered int     // documents and packages that billing has booked
}

// soak plays one life.
func (b *faultServers) soak(t *testing.T, seed uint64, size soakLife, all *tally) {
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
			database: pgproxy.New(t, b.oneServer(w.name)), role: serviceRole, clock: filepath.Join(t.TempDir(), "clock"),
		},
		tally: newTally(), size: size, draws: rand.New(rand.NewPCG(seed, 2)),
	}
	began := time.Now()
	for phase := range size.months {
		s.jumpClock()
		s.breaking["clock jumps"]++
		stopCutting := s.startCutting(1)
		s.takeMonth(phase)
		stopCutting()
		stopCutting = s.startCutting(3)
		s.settleMonth(phase)
		s.answer()
		stopCutting()
		s.check(fmt.Sprintf("seed %d, month %d", seed, phase+1))
		s.checkRecords(phase)
		if t.Failed() {
			t.FailNow()
		}
		t.Logf("seed %d: month %d is right after %s, %s", seed, phase+1, time.Since(began).Round(time.Second), s.tally)
	}
	all.add(s.tally)
}

func (s *soak) chance(oneIn int) bool { return s.draws.IntN(oneIn) == 0 }

// start starts a process by a name that the database knows it by.
func (s *soak) start(args ...string) *server {
	s.w.t.Helper()
	s.launched++
	return s.launchAs(fmt.Sprint("soak-", s.launched), []string{"REFERRAL_KAFKA_SESSION_TIMEOUT=6s"}, args...)
}

// takeMonth sends the messages of a phase to processes that are struck meanwhile.
func (s *soak) takeMonth(phase int) {
	s.w.t.Helper()
	parts := [][]string{{"--only=consumer,publisher,web"}, {"--only=consumer,publisher,web"}, {"--only=consumer,web"}}
	for _, args := range parts[:2+s.draws.IntN(2)] {
		s.replicas = append(s.replicas, s.start(args...))
	}
	strikes := 0
	send := func(all []workload.Message) {
		for len(all) > 0 {
			n := min(len(all), s.size.batch+s.draws.IntN(2*s.size.batch))
			batch := s.shuffled(all[:n])
			all = all[n:]
			s.tellAll(batch)
			if strikes < s.size.strikes && !s.chance(3) {
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
			s.disturbing["late"]++
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
	s.disturbing["batches in another order"]++
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
		if len(s.past) > len(batch) {
			all = append(all, s.past[s.draws.IntN(len(s.past)-len(batch))])
			s.disturbing["repeated"]++
		}
	}
	s.sendAgain(all)
}

// startCutting has connections cut again and again, with pauses that are so many times as
// long as they need to be, until the function that it returns is called.
func (s *soak) startCutting(calm int) (stop func()) {
	before := []int{s.database.Cuts(), s.b.via.cuts()}
	s.database.CutAgain(bursts(rand.New(rand.NewPCG(s.draws.Uint64(), 3)), 12, 1500*calm))
	for _, p := range s.b.via { // with several of them, all must pause at a time now and then
		p.CutAgain(bursts(rand.New(rand.NewPCG(s.draws.Uint64(), 4)), 10, 600*calm*len(s.b.via)))
	}
	return func() {
		s.database.DropPlan()
		s.b.via.dropPlan()
		s.breaking["connections to the database cut"] += int64(s.database.Cuts() - before[0])
		s.breaking["connections to brokers cut"] += int64(s.b.via.cuts() - before[1])
	}
}

// bursts breaks some connections, each after a few messages on the average, and every other
// one in the middle of a message. Then there is a pause of many messages, in which what takes many of
// them gets through, such as joining a group by all its members. A process that is alone and
// waits longer and longer between its tries would draw a burst out: it ends after a while.
func bursts(r *rand.Rand, average, pause int) func() (n int, inside bool) {
	const longest = 5 * time.Second
	left, began := 0, time.Time{}
	return func() (int, bool) {
		if began.IsZero() { // the first one behind a pause
			began = time.Now()
		}
		n := 1 + r.IntN(2*average)
		if left--; left < 0 || time.Since(began) > longest {
			left, began = 5+r.IntN(20), time.Time{}
			n += pause/2 + r.IntN(pause)
		}
		return n, r.IntN(2) == 0
	}
}

// settleMonth settles all months so far, the newest by schedulers of which some are
// killed or paused in the middle of their run, and has it published by processes that are killed
// or paused between sending and marking what they have sent.
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
	settled := func() {
		s.w.until("the run of "+newest.String(), func() (bool, string) {
			return s.maybe(fmt.Sprintf("SELECT count(*) FROM runs WHERE state = 'done' AND period = %d", newest)) > 0, "it is not done"
		})
	}
	if len(s.model.Lines()) > before { // it has something to post
		s.killWhileBlocked("adjustments", "killed schedulers in a run", "--only=scheduler,web")
		s.pauseWhileBlocked("adjustments", "paused schedulers in a run", settled, "--only=scheduler,web")
	} else {
		settling := s.start("--only=scheduler,web")
		settled()
		s.stop(settling)
	}

	if s.maybe("SELECT count(*) FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL") > 0 {
		s.killWhileBlocked("run_chunks", "killed publishers between sending and marking", "--only=publisher,web")
		s.pauseWhileBlocked("run_chunks", "paused publishers between sending and marking", s.w.published, "--only=publisher,web")
	}
	publishing := s.start("--only=publisher,web")
	publishing.ready()
	s.w.published()
	s.stop(publishing)
}

// killWhileBlocked kills processes that wait to write to a table.
func (s *soak) killWhileBlocked(table, what string, args ...string) {
	s.w.t.Helper()
	release := s.lock(table)
	p := s.start(args...)
	s.awaitBlocked()
	p.kill()
	release()
	s.breaking[what]++
}

// pauseWhileBlocked pauses one of two processes, which waits to write to a table, until the
// other one has done the work.
func (s *soak) pauseWhileBlocked(table, what string, done func(), args ...string) {
	s.w.t.Helper()
	release := s.lock(table)
	both := []*server{s.start(args...), s.start(args...)}
	paused := s.blockedOf(both)
	paused.pause()
	s.disconnect(paused)
	release()
	done()
	paused.resume()
	s.breaking[what]++
	for _, p := range both {
		s.stop(p)
	}
}

// killedRun settles a month by commands, of which some are killed.
func (s *soak) killedRun(period models.Period) {
	s.w.t.Helper()
	for s.chance(3) {
		ctx, cancel := context.WithTimeout(s.w.t.Context(), time.Duration(s.draws.IntN(300))*time.Millisecond)
		if s.w.command(ctx, "run", period.String()).Run() != nil && ctx.Err() != nil {
			s.breaking["killed commands"]++
		}
		cancel()
	}
	s.run(period.String())
}

// answer has billing book what was published, and its answers taken.
func (s *soak) answer() {
	s.w.t.Helper()
	taking := s.start("--only=consumer,web")
	posted := s.w.number(`SELECT (SELECT count(*) FROM adjustments) + (SELECT count(*) FROM sms_packages)`)
	s.bill(posted - s.answered)
	s.answered = posted
	s.w.drained()
	taking.ready()
	s.stop(taking)
}

// checkRecords checks what the reference model does not tell: each event has one content, the
// documents on the topics are those of the ledger, what billing has booked ties with it in every month so
// far, and the journal of what people did is unbroken.
func (s *soak) checkRecords(phase int) {
	s.w.t.Helper()
	s.w.checkEvents()
	if got, want := len(heard[outboxEvent](s.w, "events", "referral.activated.v1")), len(s.model.Accepted()); got != want {
		s.w.t.Errorf("%d activations announced, want %d", got, want)
	}
	for month := range phase + 1 {
		if r := s.w.reconcile(s.workload.Period(month).String()); !r.Ties {
			s.w.t.Errorf("%s does not tie: %+v", s.workload.Period(month), r.Breaks)
		}
	}
	s.w.must("audit", "verify")
}
