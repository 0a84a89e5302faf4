package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"referral/internal/demo/postgres"
	"referral/internal/demo/workload"
	"referral/test/kafkaserver"
	"referral/test/pgproxy"
	"referral/test/reference"
)

// The life that is played under every fault.
const (
	faultsSeed     = 20261126
	faultsAccounts = 150
)

// TestFaults plays one life again and again. Each time something else breaks while
// work is under way. The ledger must be what it is when nothing breaks and what the
// model says, and no process may end unless it is asked to.
func TestFaults(t *testing.T) {
	t.Parallel()
	b := startFaultServers(t)
	undisturbed := b.play(t, fault{})
	play := func(t *testing.T, b *faultServers, f fault) {
		t.Helper()
		got := b.play(t, f)
		if !maps.Equal(got.lines, undisturbed.lines) || !maps.Equal(got.packages, undisturbed.packages) {
			t.Error("the ledger is not that of the undisturbed life")
		}
	}
	for _, f := range serverFaults() {
		t.Run(f.name, func(t *testing.T) { play(t, b, f) })
	}
	t.Run("the primary database server fails over to its standby", func(t *testing.T) {
		play(t, b.onPair(t), fault{breakOnce: (*faultyRun).failOver})
	})
	t.Run("a cluster of brokers", func(t *testing.T) {
		c := b.onCluster(t)
		for _, f := range clusterFaults() {
			t.Run(f.name, func(t *testing.T) { play(t, c, f) })
		}
	})
	for _, f := range limitFaults() {
		t.Run(f.name, func(t *testing.T) { t.Parallel(); play(t, b, f) })
	}
	t.Run("the disk of the database is full", func(t *testing.T) {
		t.Parallel()
		play(t, b.onSmallDisk(t), fault{breakOnce: (*faultyRun).fillDisk, heal: (*faultyRun).freeDisk})
	})
	t.Run("members of each kind are killed", func(t *testing.T) {
		t.Parallel()
		play(t, b, fault{live: (*faultyRun).spread, send: (*faultyRun).sendInSteps})
	})
	for name, from := range map[string]func(*testing.T) *upgrade{"this release replaces the last one": fromRelease, "a later release replaces this one": toNextRelease} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, b, fault{upgrade: from(t), live: (*faultyRun).replaceRelease, send: (*faultyRun).sendInSteps})
		})
	}
	for _, f := range otherFaults() {
		t.Run(f.name, func(t *testing.T) { t.Parallel(); play(t, b, f) })
	}
}

// ledger is what came out of a life.
type ledger struct {
	lines    map[reference.Line]int64
	packages map[reference.Package]int
}

// faultServers is a database server and a broker that may be killed without disturbing
// other tests. Programs reach the broker through the proxy, whatever address it
// names to them; tests reach it directly.
type faultServers struct {
	database *postgres.Server
	broker   *kafkaserver.Broker
	via      proxies
	pair     *pair                // in place of database; nil for none
	cluster  *kafkaserver.Cluster // in place of broker; nil for none
	disk     *smallDisk           // that the database is on; nil for that of its server
}

func startFaultServers(t *testing.T) *faultServers {
	t.Helper()
	b := &faultServers{via: newProxies(t, 1)}
	var err error
	// As for the shared ones: durable against killed processes, not against power cuts.
	settings := map[string]string{"fsync": "off", "full_page_writes": "off"}
	if b.database, err = postgres.Start(t.Context(), postgres.Options{Settings: settings}); err != nil {
		t.Fatal(err)
	}
	closing(t, b.database.Stop)
	if b.broker, err = kafkaserver.Start(t.Context(), kafkaserver.Options{SASLVia: b.via.addrs()}); err != nil {
		t.Fatal(err)
	}
	closing(t, b.broker.Stop)
	b.via.forwardTo(b.broker)
	return b
}

func (b *faultServers) dsn(database string) string {
	if b.pair != nil {
		return b.pair.dsn(database)
	}
	return b.database.DSN(database)
}

// oneServer is a connection string with one server, of a pair the primary.
func (b *faultServers) oneServer(database string) string {
	if b.pair != nil {
		return b.pair.primary.DSN(database)
	}
	return b.database.DSN(database)
}

// proxyTo is a proxy before the database of a life. One that has two servers is reached
// directly.
func (b *faultServers) proxyTo(t *testing.T, dsn string) *pgproxy.Proxy {
	t.Helper()
	if b.pair != nil {
		return nil
	}
	return pgproxy.New(t, dsn)
}

func closing(t *testing.T, stop func() error) {
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// fault is something that breaks.
type fault struct {
	name string
	// breakOnce breaks it once, in the middle of a transaction of a stage; nil where
	// cut breaks connections all the time.
	breakOnce      func(*faultyRun)
	cutConnections func(*faultyRun)
	// heal, unless it is nil, ends what breakOnce began once work goes on.
	heal func(*faultyRun)
	// settle has the first month settled otherwise than at a start.
	settleFirstMonth func(*faultyRun)
	// between the two months something may be changed in peace.
	between func(*faultyRun)
	// send sends messages otherwise than plainly.
	send func(*faultyRun, []message)
	// live, unless it is nil, is the whole life in place of the two months.
	live func(*faultyRun)
	// upgrade, unless it is nil, is of a release that the life begins with.
	upgrade *upgrade
	// settings are further ones of the programs that serve.
	settings []string
	// limitedRole has them be a role of the database server of their own.
	limitedRole bool
}

// serverFaults are those that affect every program on the servers.
func serverFaults() []fault {
	return []fault{
		{name: "the database is killed", breakOnce: (*faultyRun).killDatabase},
		{name: "the broker is killed", breakOnce: (*faultyRun).killBroker},
		{name: "the broker hangs", breakOnce: (*faultyRun).silenceBroker, heal: (*faultyRun).hearBroker},
		{name: "connections to the database are cut", cutConnections: (*faultyRun).cutDatabase},
		{name: "connections to the broker are cut", cutConnections: (*faultyRun).cutBroker},
	}
}

// otherFaults are those of one life alone.
func otherFaults() []fault {
	return []fault{
		{name: "transactions are aborted", send: (*faultyRun).sendInTransactions},
		{name: "topics are recreated", between: (*faultyRun).recreateTopics, send: (*faultyRun).sendAgain},
		{name: "the database hangs", breakOnce: (*faultyRun).silenceDatabase, heal: (*faultyRun).hearDatabase},
		{name: "the clock jumps", settleFirstMonth: (*faultyRun).settleByJumps},
	}
}

// faultyRun is a life under a fault.
type faultyRun struct {
	generator
	b          *faultServers
	fault      fault
	database   *pgproxy.Proxy
	serving    *server // the newest
	r          *rand.Rand
	broken     bool     // in this phase
	publishing bool     // is what the first month is in the middle of
	killed     int      // nodes of the cluster so far, in turn
	clock      string   // file that moves the clock of processes; empty for none
	steps      []func() // of an upgrade, which are still to be taken
	role       string   // of the programs that serve
	goOn       func()   // ends a server's silence
}

const twoMonths = 2

// play lets the life go by, and gives what came out.
func (b *faultServers) play(t *testing.T, f fault) *ledger {
	t.Helper()
	w := newWorldOn(t, b.servers(), b.overrides()...)
	if f.upgrade != nil {
		w.use(f.upgrade.program)
	}
	role := serviceRole
	if f.limitedRole {
		role = w.ownRole()
	}
	w.must("migrate")
	life, err := workload.New(workload.Options{Seed: faultsSeed, Accounts: faultsAccounts, First: 202601, Months: twoMonths})
	if err != nil {
		t.Fatal(err)
	}
	p := &faultyRun{
		generator: generator{mirror: newMirror(w), workload: life, sentFacts: map[workload.Topic]int{}}, b: b, fault: f,
		database: b.proxyTo(t, w.dsn()), r: rand.New(rand.NewPCG(faultsSeed, 1)),
		role: role,
	}
	w.deliver = p.send
	before := b.via.cuts()
	if f.cutConnections != nil {
		f.cutConnections(p)
	}
	if f.live != nil {
		f.live(p)
	} else {
		p.firstMonth()
		if f.between != nil {
			f.between(p)
		}
		p.secondMonth()
	}
	b.via.dropPlan()
	cuts := b.via.cuts() - before
	if p.database != nil {
		p.database.DropPlan()
		cuts += p.database.Cuts()
	}
	if f.cutConnections != nil && cuts == 0 {
		t.Error("no connection was cut")
	} else {
		t.Logf("%d connections were cut", cuts)
	}
	return &ledger{w.insideLines(), w.insidePackages()}
}

// firstMonth has a process for each part, so that each can be in the middle of its
// work when the fault strikes.
func (p *faultyRun) firstMonth() {
	p.w.t.Helper()
	taking := p.launch("--only=consumer,publisher,web")
	p.tell(0)
	p.taken()
	p.stop(taking)

	if err := p.model.Run(p.workload.Period(0).String()); err != nil {
		p.w.t.Fatal(err)
	}
	if p.fault.settleFirstMonth != nil {
		p.fault.settleFirstMonth(p)
	} else {
		p.settleAtStart()
	}

	p.publishing = true
	release := p.hold("run_chunks")
	publishing := p.launch("--only=publisher,web")
	p.strikeWhileBlocked(release)
	p.w.published()
	p.stop(publishing)
	p.publishing = false
	p.check("the first month")
}

// settleAtStart: what was missed is settled when the scheduler starts.
func (p *faultyRun) settleAtStart() {
	p.w.t.Helper()
	release := p.hold("adjustments")
	settling := p.launch("--only=scheduler,web")
	p.strikeWhileBlocked(release)
	p.firstRun()
	p.stop(settling)
}

// firstRun waits until the first month has been settled.
func (p *faultyRun) firstRun() {
	p.w.t.Helper()
	p.w.until("the run of the first month", func() (bool, string) {
		return p.maybe(`SELECT count(*) FROM runs WHERE state = 'done'`) > 0, "no run is done"
	})
}

// secondMonth is one process that does everything.
func (p *faultyRun) secondMonth() {
	p.w.t.Helper()
	p.broken = false
	all := p.launch()
	p.tell(1)
	p.taken()
	for month := range twoMonths {
		p.run(p.workload.Period(month).String())
	}
	p.check("the second month")
	p.stop(all)
}

// taken waits until all that was sent has been taken. A topic that was recreated
// begins at 0 again, so that the group's offsets alone do not tell.
func (p *faultyRun) taken() {
	p.w.t.Helper()
	p.w.until("taking every invoice", func() (bool, string) {
		n, want := p.maybe(`SELECT count(*) FROM invoices`), p.sentFacts[workload.Invoices]
		return n >= int64(want), fmt.Sprintf("%d of %d", n, want)
	})
	p.w.drained()
}

// launch starts serving through the proxies, and fails the test when the process
// ends unasked.
func (p *faultyRun) launch(args ...string) *server {
	p.w.t.Helper()
	return p.launchAs("referral", nil, args...)
}

// launchAs is launch of a process that the database knows by a name, with settings of
// its own.
func (p *faultyRun) launchAs(name string, settings []string, args ...string) *server {
	p.w.t.Helper()
	dsn := p.w.dsn()
	if p.database != nil {
		dsn = p.database.DSN()
	}
	s := p.w.launch(append([]string{
		"REFERRAL_DATABASE_DSN=" + asRole(p.w.t, dsn, p.role) + "&application_name=" + name, "REFERRAL_KAFKA_BROKERS=" + strings.Join(p.b.via.addrs(), ","),
		"REFERRAL_KAFKA_SASL_MECHANISM=scram-sha-256", "REFERRAL_KAFKA_SASL_USERNAME=" + p.b.node().User(),
		"REFERRAL_KAFKA_SASL_PASSWORD=" + p.b.node().Password(), "REFERRAL_SCHEDULE_RUN=0 3 1 * *",
		clockVariable + "=" + p.clock,
	}, slices.Concat(p.fault.settings, settings)...), args...)
	p.serving, s.name = s, name
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		<-s.exited
		if !s.asked.Load() {
			p.w.t.Errorf("serve %v ended by itself: %s\n%s", args, s.cmd.ProcessState, s.log.tail())
		}
	}()
	p.w.t.Cleanup(func() { s.kill(); <-watched })
	return s
}

// stop ends a process in an orderly way.
func (p *faultyRun) stop(s *server) {
	p.w.t.Helper()
	if status := s.stop(); status != 0 {
		p.w.t.Errorf("a process ended with status %d\n%s", status, s.log.tail())
	}
}

// send sends messages of the life. The fault strikes while the first that are not
// registrations are being taken.
func (p *faultyRun) send(batch []message) {
	p.w.t.Helper()
	write := p.w.write
	if p.fault.send != nil {
		write = func(batch []message) { p.fault.send(p, batch) }
	}
	if p.broken || p.fault.breakOnce == nil || batch[0].topic == string(workload.Registered) {
		write(batch)
		return
	}
	p.broken = true
	p.w.drained() // nothing else is under way
	release := p.hold("activations, invoices")
	write(batch)
	p.strikeWhileBlocked(release)
}

// hold keeps programs from writing to tables, so that they are in the middle of a
// transaction. Without a fault that strikes there is nothing to hold.
func (p *faultyRun) hold(tables string) (release func()) {
	p.w.t.Helper()
	if p.fault.breakOnce == nil {
		return func() {}
	}
	return p.lock(tables)
}

// lock keeps programs from writing to tables.
func (p *faultyRun) lock(tables string) (release func()) {
	p.w.t.Helper()
	return p.w.begin("LOCK TABLE " + tables + " IN SHARE ROW EXCLUSIVE MODE")
}

// begin executes a statement in a transaction that is undone by release.
func (w *world) begin(statement string) (release func()) {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	conn, err := pgx.Connect(ctx, w.dsn())
	if err != nil {
		w.t.Fatal(err)
	}
	tx, err := conn.Begin(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, statement)
	}
	if err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
	return func() { _ = conn.Close(ctx) } // the server may have gone
}

// strikeWhileBlocked waits until a program waits for what is held, and lets the
// fault occur.
func (p *faultyRun) strikeWhileBlocked(release func()) {
	p.w.t.Helper()
	if p.fault.breakOnce == nil {
		return
	}
	p.awaitBlocked()
	p.fault.breakOnce(p)
	release()
	if p.fault.heal != nil {
		p.fault.heal(p)
	}
}

// awaitBlocked waits until a program waits for what is held.
func (p *faultyRun) awaitBlocked() {
	p.w.t.Helper()
	p.w.until("a program in the middle of its work", func() (bool, string) {
		return p.maybe(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0, "none waits"
	})
}

// maybe reads a number from a database that may be away; 0 then.
func (p *faultyRun) maybe(sql string) (n int64) {
	_ = p.w.db.QueryRow(p.w.t.Context(), sql).Scan(&n)
	return n
}

func (p *faultyRun) killDatabase() {
	p.w.t.Helper()
	if err := p.b.database.Kill(); err != nil {
		p.w.t.Fatal(err)
	}
	if err := p.b.database.Restart(p.w.t.Context()); err != nil {
		p.w.t.Fatal(err)
	}
	p.w.db.Reset()
	p.w.until("the database", func() (bool, string) { return p.maybe(`SELECT 1`) == 1, "it does not answer" })
}

func (p *faultyRun) killBroker() {
	p.w.t.Helper()
	if err := p.b.broker.Kill(); err != nil {
		p.w.t.Fatal(err)
	}
	if err := p.b.broker.Restart(p.w.t.Context()); err != nil {
		p.w.t.Fatal(err)
	}
}

// silenceBroker has the broker answer nothing, while connections stay open.
func (p *faultyRun) silenceBroker() { p.goOn = p.b.via[0].Silence() }

// hearBroker has it answer again once a program that reads from it has noticed.
func (p *faultyRun) hearBroker() {
	p.w.t.Helper()
	if args := p.serving.args; len(args) == 0 || strings.Contains(args[0], "consumer") {
		p.serving.answers("/readyz", http.StatusServiceUnavailable)
	}
	p.goOn()
}

func (p *faultyRun) silenceDatabase() { p.goOn = p.database.Silence() }

// hearDatabase has it answer again once a connection has been given up.
func (p *faultyRun) hearDatabase() {
	p.w.t.Helper()
	p.w.until("the silence of the database", func() (bool, string) {
		return strings.Contains(p.serving.log.all(), "does not answer; does it hang"), "none is logged"
	})
	p.goOn()
}

func (p *faultyRun) cutDatabase() { p.database.CutAgain(cuts(p.r, 50)) }

func (p *faultyRun) cutBroker() { p.b.via[0].CutAgain(cuts(p.r, 0)) }

// cuts breaks a connection every so many messages, and every other one in the middle
// of a message. More and more messages pass in between: what takes many of them, a
// chunk or a group that is joined by all its readers, must get through some time.
func cuts(r *rand.Rand, pass int) func() (n int, inside bool) {
	return func() (int, bool) {
		pass += 30 + pass/20
		return pass/2 + r.IntN(pass), r.IntN(2) == 0
	}
}

// setting is what the world's programs find in their environment.
func (w *world) setting(name string) string {
	w.t.Helper()
	for _, v := range slices.Backward(w.variables) {
		if len(v) > len(name) && v[:len(name)+1] == name+"=" {
			return v[len(name)+1:]
		}
	}
	w.t.Fatalf("no setting %s", name)
	return ""
}
