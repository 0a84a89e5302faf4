package notify

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"referral/billing"
	"referral/internal/sleep"
	"referral/models"
	"referral/notify"
	"referral/store"
	"referral/test/storetest"
)

// patience is the timeout of tests, far above what anything should take.
const patience = time.Minute

// fixture is a database with invitations, whose clock is set by the test.
type fixture struct {
	*testing.T
	store *store.Store
	dsn   string
	db    *sql.DB
	clock atomic.Int64 // microseconds
	ids   atomic.Int64
}

func newRig(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	r := &fixture{T: t}
	r.clock.Store(time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC).UnixMicro())
	r.store, r.dsn = storetest.Open(t, r.now)
	r.db = storetest.SQL(t, r.dsn)
	return r
}

func (r *fixture) now() time.Time { return time.UnixMicro(r.clock.Load()).UTC() }

func (r *fixture) later(d time.Duration) { r.clock.Add(d.Microseconds()) }

// canary begins every recipient, code and token; no log or metric may contain it.
const canary = "canary"

// invite creates an invitation to a new recipient, and returns its id.
func (r *fixture) invite() models.UUID {
	r.Helper()
	n := r.ids.Add(1)
	to := fmt.Sprintf("%s%d@example.com", canary, n)
	i, err := r.store.Invite(r.Context(), models.InvitationRequest{
		ID: models.UUID{byte(n >> 8), byte(n)}, AccountID: 1 + n/10, Channel: models.Email, Recipient: to,
		Key: models.NewRecipientKey(models.Email, to), Code: canary + "CODE", Token: tokenOf(n), Day: models.NewDate(2026, 5, 1), PerDay: 10,
	})
	if err != nil {
		r.Fatal(err)
	}
	return i.ID
}

func tokenOf(n int64) string { return fmt.Sprint(canary, "-token-", n) }

// optOut opts the recipient of the nth invitation out.
func (r *fixture) optOut(n int64) {
	r.Helper()
	if found, err := r.store.OptOut(r.Context(), models.TokenDigest(tokenOf(n))); err != nil || !found {
		r.Fatalf("opting out: %v, %v", found, err)
	}
}

func (r *fixture) state(id models.UUID) (state models.InvitationState) {
	r.Helper()
	if err := r.db.QueryRow("SELECT state FROM invitations WHERE invitation_id = $1", id.String()).Scan(&state); err != nil {
		r.Fatal(err)
	}
	return state
}

// stands waits until an invitation has a state.
func (r *fixture) stands(id models.UUID, want models.InvitationState) {
	r.Helper()
	r.until("an invitation to be "+string(want), func() (bool, string) {
		state := r.state(id)
		return state == want, string(state)
	})
}

func (r *fixture) until(what string, done func() (ok bool, state string)) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	for {
		ok, state := done()
		if ok {
			return
		}
		if !sleep.For(ctx, 5*time.Millisecond) {
			r.Fatalf("%s: not after %s: %s", what, patience, state)
		}
	}
}

// another sends one more invitation. When it returns, the sender has looked for work
// since the call.
func (r *fixture) another() {
	r.Helper()
	r.stands(r.invite(), models.InvitationSent)
}

// transport answers as a test wants, and counts the messages.
type transport struct {
	answer func(ctx context.Context, m *models.InvitationMessage, times int) error
	mutex  sync.Mutex
	times  map[models.UUID]int
}

// saying answers an invitation with these errors in order, and then with nil; it accepts
// other invitations.
func saying(id func() models.UUID, errs ...error) *transport {
	return newTransport(func(_ context.Context, m *models.InvitationMessage, times int) error {
		if m.ID == id() && times <= len(errs) {
			return errs[times-1]
		}
		return nil
	})
}

func newTransport(answer func(context.Context, *models.InvitationMessage, int) error) *transport {
	return &transport{answer: answer, times: map[models.UUID]int{}}
}

// Send answers a message.
func (c *transport) Send(ctx context.Context, m *models.InvitationMessage) ([]string, error) {
	c.mutex.Lock()
	c.times[m.ID]++
	times := c.times[m.ID]
	c.mutex.Unlock()
	if err := c.answer(ctx, m, times); err != nil {
		return nil, err
	}
	return []string{m.ID.String()}, nil
}

// handed returns how often it got an invitation.
func (c *transport) handed(id models.UUID) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.times[id]
}

// replica is a process that sends.
type replica struct {
	*notify.Notifier
	r        *fixture
	registry *prometheus.Registry
	log      *logged
	stop     context.CancelFunc
	done     chan error
}

type logged struct {
	sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(b)
}

// start starts a replica with a storage of its own, which ends with the test.
func (r *fixture) start(c *transport, change ...func(*notify.Transport)) *replica {
	r.Helper()
	s, err := store.Open(store.Options{DSN: r.dsn, MaxConnections: 8, Now: r.now})
	if err != nil {
		r.Fatal(err)
	}
	by := notify.Transport{Channel: models.Email, Name: "smtp", Sender: c, PerSecond: 1000, AtOnce: 4}
	for _, f := range change {
		f(&by)
	}
	p := &replica{r: r, registry: prometheus.NewRegistry(), log: &logged{}, done: make(chan error, 1)}
	p.Notifier, err = notify.New(notify.Options{
		Queue: s, Writer: r.writer(), Transports: []notify.Transport{by}, Registerer: p.registry, Now: r.now,
		Log:  slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Poll: 2 * time.Millisecond, QueueInterval: 2 * time.Millisecond, RetryMin: 2 * time.Millisecond, RetryMax: 10 * time.Millisecond,
	})
	if err != nil {
		r.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.done <- p.Run(ctx) }()
	r.Cleanup(func() {
		stop()
		if err := <-p.done; err != nil {
			r.Errorf("Run ends with %v", err)
		}
		_ = s.Close()
		p.tellsNothing()
	})
	return p
}

func (r *fixture) writer() *notify.Writer {
	r.Helper()
	programme, err := billing.NewProgramme(time.UTC, []billing.Terms{{
		WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{{Percent: 20, Months: 3}}, Discounted: []string{"subscription"},
	}})
	if err != nil {
		r.Fatal(err)
	}
	w, err := notify.NewWriter(notify.WriterOptions{PublicURL: "https://lk.example.ru", Brand: "t2 АТС", Programme: programme, Now: r.now})
	if err != nil {
		r.Fatal(err)
	}
	return w
}

// metrics returns the metrics as text.
func (p *replica) metrics() string {
	p.r.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		p.r.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			p.r.Fatal(err)
		}
	}
	return b.String()
}

// counts waits until the metrics contain a line.
func (p *replica) counts(line string) {
	p.r.Helper()
	p.r.until(line, func() (bool, string) {
		metrics := p.metrics()
		return strings.Contains(metrics, line+"\n"), metrics
	})
}

// says waits until the log has a line with all of the words.
func (p *replica) says(words ...string) {
	p.r.Helper()
	p.r.until("the log to say it", func() (bool, string) {
		p.log.Lock()
		defer p.log.Unlock()
		for line := range strings.Lines(p.log.String()) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return true, ""
			}
		}
		return false, p.log.String()
	})
}

// claimed claims the only waiting e-mail for a transport.
func (r *fixture) claimed(transport string) models.ClaimedInvitation {
	r.Helper()
	claims, err := r.store.ClaimInvitations(r.Context(), models.Email, transport, 1)
	if err != nil || len(claims) != 1 {
		r.Fatalf("claimed %+v, %v", claims, err)
	}
	return claims[0]
}

// once lets a replica of a transport try a waiting invitation once, with an error, and
// stops it.
func (r *fixture) once(id models.UUID, name string, err error) {
	r.Helper()
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	var tries atomic.Int64
	sender := newTransport(func(context.Context, *models.InvitationMessage, int) error {
		tries.Add(1)
		stop() // nothing is claimed any more
		return err
	})
	by := notify.Transport{Channel: models.Email, Name: name, Sender: sender, Repeatable: name == "kafka", PerSecond: 1000, AtOnce: 4}
	n, failed := notify.New(notify.Options{
		Queue: r.store, Writer: r.writer(), Transports: []notify.Transport{by}, Registerer: prometheus.NewRegistry(), Now: r.now,
		Log: slog.New(slog.DiscardHandler), Poll: 2 * time.Millisecond,
	})
	if failed != nil {
		r.Fatal(failed)
	}
	if failed := n.Run(ctx); failed != nil || tries.Load() != 1 || r.state(id) != models.InvitationQueued {
		r.Fatalf("tried %d times, it is %s, %v", tries.Load(), r.state(id), failed)
	}
}

// tellsNothing checks that log and metrics contain no canary.
func (p *replica) tellsNothing() {
	p.r.Helper()
	p.log.Lock()
	defer p.log.Unlock()
	if told := p.log.String() + p.metrics(); strings.Contains(told, canary) || strings.Contains(told, "lk.example.ru") {
		p.r.Errorf("a recipient, code, token or link is told in\n%s", told)
	}
}
