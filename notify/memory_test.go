package notify

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/models"
)

// memoryQueue is a queue in memory that behaves like the database.
type memoryQueue struct {
	mutex sync.Mutex
	rows  []*row
	notes []note
	said  []models.Receipt
	err   error // of everything
}

type row struct {
	models.ClaimedInvitation
	state     models.InvitationState
	transport string
	inDoubt   bool
	due       time.Time
	claimed   time.Time
	attempts  int
}

type note struct {
	at      time.Time
	id      models.UUID
	outcome models.InvitationOutcome
}

func (m *memoryQueue) fail(err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.err = err
}

// add queues invitations of a channel, with ids from 1.
func (m *memoryQueue) add(channel models.Channel, n int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for range n {
		c := claimed(channel)
		c.Claim.ID, c.CreatedAt = models.UUID{byte(len(m.rows) + 1)}, time.Now()
		m.rows = append(m.rows, &row{ClaimedInvitation: *c, state: models.InvitationQueued, due: time.Now()})
	}
}

func (m *memoryQueue) ClaimInvitations(_ context.Context, channel models.Channel, transport string, limit int) ([]models.ClaimedInvitation, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	slices.SortStableFunc(m.rows, func(a, b *row) int { return a.due.Compare(b.due) })
	var list []models.ClaimedInvitation
	for _, r := range m.rows {
		if len(list) < limit && r.state == models.InvitationQueued && r.Channel == channel && !r.due.After(time.Now()) {
			r.attempts++
			if r.inDoubt && r.transport != transport {
				r.MaybeSentBy = r.transport
			} else {
				r.transport = transport
			}
			r.state, r.claimed, r.Claim.Attempt = models.InvitationSending, time.Now(), r.attempts
			list = append(list, r.ClaimedInvitation)
		}
	}
	return list, nil
}

func (m *memoryQueue) RecordInvitationOutcome(_ context.Context, claim models.InvitationClaim, o models.InvitationOutcome) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.err != nil {
		return m.err
	}
	m.notes = append(m.notes, note{time.Now(), claim.ID, o})
	for _, r := range m.rows {
		if r.Claim == claim && r.state == models.InvitationSending {
			r.state, r.due, r.Deferrals, r.inDoubt = o.State, o.RetryAt, o.Deferrals, r.inDoubt || o.InDoubt
		}
	}
	return nil
}

func (m *memoryQueue) ReleaseInvitations(_ context.Context, before time.Time, repeatable []string) (map[models.Channel]int, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	unknown := map[models.Channel]int{}
	for _, r := range m.rows {
		switch {
		case r.state != models.InvitationSending || !r.claimed.Before(before):
		case slices.Contains(repeatable, r.transport):
			r.state, r.due, r.inDoubt = models.InvitationQueued, time.Now(), true
		default:
			r.state = models.InvitationUnknown
			unknown[r.Channel]++
		}
	}
	return unknown, m.err
}

func (m *memoryQueue) RecordReceipt(_ context.Context, r models.Receipt) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.err == nil {
		m.said = append(m.said, r)
	}
	return m.err
}

func (m *memoryQueue) InvitationQueues(context.Context) ([]models.InvitationQueue, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	by := map[models.Channel]*models.InvitationQueue{}
	var list []models.InvitationQueue
	for _, channel := range []models.Channel{models.Email, models.SMS} {
		by[channel] = &models.InvitationQueue{Channel: channel}
	}
	for _, r := range m.rows {
		q := by[r.Channel]
		switch r.state {
		case models.InvitationQueued:
			q.Waiting++
			if q.Oldest.IsZero() || r.CreatedAt.Before(q.Oldest) {
				q.Oldest = r.CreatedAt
			}
		case models.InvitationSending:
			q.Claimed++
		}
	}
	for _, q := range by {
		if q.Waiting+q.Claimed > 0 {
			list = append(list, *q)
		}
	}
	return list, m.err
}

// hanging is a queue that does not answer any more.
type hanging struct {
	*memoryQueue
	on atomic.Bool
}

// RecordInvitationOutcome answers, unless it hangs.
func (h *hanging) RecordInvitationOutcome(ctx context.Context, claim models.InvitationClaim, o models.InvitationOutcome) error {
	if h.on.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.memoryQueue.RecordInvitationOutcome(ctx, claim, o)
}

// count is how many invitations stand there.
func (m *memoryQueue) count(state models.InvitationState) (n int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, r := range m.rows {
		if r.state == state {
			n++
		}
	}
	return n
}

// fakeSender is a sender under the control of a test.
type fakeSender struct {
	mutex sync.Mutex
	send  func(ctx context.Context, m *models.InvitationMessage, n int) error // n counts the messages, from 1
	at    []time.Time
	seen  map[models.UUID]int
}

func newFakeSender(send func(ctx context.Context, m *models.InvitationMessage, n int) error) *fakeSender {
	return &fakeSender{send: send, seen: map[models.UUID]int{}}
}

// answering returns a sender with the same answer to every message.
func answering(err error) *fakeSender {
	return newFakeSender(func(context.Context, *models.InvitationMessage, int) error { return err })
}

func (f *fakeSender) Send(ctx context.Context, m *models.InvitationMessage) ([]string, error) {
	f.mutex.Lock()
	f.at = append(f.at, time.Now())
	f.seen[m.ID]++
	n := len(f.at)
	f.mutex.Unlock()
	if err := f.send(ctx, m, n); err != nil {
		return nil, err
	}
	return []string{m.ID.String()}, nil
}

// tries is how often it was given a message.
func (f *fakeSender) tries() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return len(f.at)
}

// fakeConnection is a fakeSender with a connection.
type fakeConnection struct {
	*fakeSender
	mutex sync.Mutex
	down  error
	run   func(ctx context.Context, receipts func(context.Context, models.Receipt) error) error
}

func (l *fakeConnection) Run(ctx context.Context, receipts func(context.Context, models.Receipt) error) error {
	return l.run(ctx, receipts)
}

func (l *fakeConnection) Ready() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.down
}

func (l *fakeConnection) set(down error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.down = down
}

// rig is a notifier under test.
type rig struct {
	*Notifier
	queue    *memoryQueue
	registry *prometheus.Registry
	log      *lockedBuffer
	stop     context.CancelFunc
	done     chan error
}

type lockedBuffer struct {
	mutex sync.Mutex
	bytes.Buffer
}

// String is what was written so far.
func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.Buffer.String()
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.Buffer.Write(p)
}

func byEmail(s Sender) Transport {
	return Transport{Channel: models.Email, Name: "smtp", Sender: s, PerSecond: 1000, AtOnce: 4}
}

func newRig(t testing.TB, queue *memoryQueue, transports ...Transport) *rig {
	t.Helper()
	o := &rig{queue: queue, registry: prometheus.NewRegistry(), log: &lockedBuffer{}, done: make(chan error, 1)}
	var err error
	o.Notifier, err = New(Options{
		Queue: queue, Writer: writer(t), Transports: transports, Log: slog.New(slog.NewTextHandler(o.log, nil)), Registerer: o.registry, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// start runs it until the end of the test.
func (o *rig) start(t testing.TB) *rig {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	o.stop = stop
	go func() { o.done <- o.Run(ctx) }()
	return o
}

// metric is what a counter or gauge of the labels says.
func (o *rig) metric(t testing.TB, c interface {
	With(prometheus.Labels) prometheus.Counter
}, labels prometheus.Labels) float64 {
	t.Helper()
	return testutil.ToFloat64(c.With(labels))
}

func (o *rig) messages(t testing.TB, outcome string) float64 {
	t.Helper()
	return o.metric(t, o.metrics.messages, prometheus.Labels{"channel": "email", "transport": "smtp", "outcome": outcome})
}
