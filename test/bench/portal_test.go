package bench

import (
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"referral/models"
	"referral/store"
	"referral/test/storetest"
	"referral/web/auth"
	"referral/web/auth/authtest"
	"referral/web/portal"
	"referral/web/portal/api"
)

// BenchmarkPortal asks for the main page's data and enters codes at 200 requests a
// second, as clients do: over HTTP, behind authentication, with sessions in the database.
// The baseline is a SELECT 1 through the same stack.
func BenchmarkPortal(b *testing.B) {
	for _, n := range sizes(b, "1000000") {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) {
			for range b.N {
				cabinetOnce(b, n)
			}
		})
	}
}

const (
	cabinetRate    = 200
	cabinetLasts   = 10 * time.Second
	cabinetClients = 2000 // that are signed in and look at their pages
)

func cabinetOnce(b *testing.B, n int) {
	s, dsn := storetest.Open(b, time.Now)
	db := storetest.SQL(b, dsn)
	fillCabinet(b, db, n)
	stack := newCabinetStack(b, s, db)
	var select1, page, enter latencies
	var entered uint64
	for round := range rounds(b) {
		select1.note(stack.attack(b, "SELECT 1", stack.reads("/api/v1/select-1", n)))
		page.note(stack.attack(b, "main page", stack.reads("/api/v1/standing", n)))
		activations := stack.attack(b, "activation", stack.activations(b, n, round))
		enter.note(activations)
		entered += activations.Requests // a busy machine may be a few late for the last of them
	}
	stack.checkActivated(b, db, entered)
	b.ReportMetric(page.p50.Seconds()*1e3, "page_p50_ms")
	b.ReportMetric(page.p99.Seconds()*1e3, "page_p99_ms")
	b.ReportMetric(enter.p50.Seconds()*1e3, "activation_p50_ms")
	b.ReportMetric(enter.p99.Seconds()*1e3, "activation_p99_ms")
	b.ReportMetric(select1.p50.Seconds()*1e3, "select1_p50_ms")
	b.ReportMetric(select1.p99.Seconds()*1e3, "select1_p99_ms")
	b.ReportMetric(page.p99.Seconds()/select1.p99.Seconds(), "page_p99_x_of_select1")
	b.ReportMetric(enter.p99.Seconds()/select1.p99.Seconds(), "activation_p99_x_of_select1")
	b.ReportMetric(0, "ns/op")
}

// latencies is those of the fastest of several rounds.
type latencies struct{ p50, p99 time.Duration }

func (l *latencies) note(m *vegeta.Metrics) {
	if l.p99 == 0 || m.Latencies.P99 < l.p99 {
		l.p50, l.p99 = m.Latencies.P50, m.Latencies.P99
	}
}

// fillCabinet makes n accounts: a third of them joined by a friend's code in the
// last two years, a tenth of all brought them, and anyone who brought three or more
// has had its package. The last tenth has registered lately and may still join.
func fillCabinet(b *testing.B, db *sql.DB, n int) {
	b.Helper()
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO accounts (account_id, code, name, tax_id, registered_at, promo_ended_at)
			SELECT a, 'CODE' || a, 'Клиент ' || a, a::text,
				now() - CASE WHEN a > %d THEN interval '5 days' ELSE interval '25 months' END, now() - interval '1 day'
			FROM generate_series(1, %d) a ORDER BY hashint8(a)`, n-n/10, n),
		`INSERT INTO codes SELECT code, account_id FROM accounts`,
		fmt.Sprintf(`INSERT INTO activations (account_id, code, requested_at, status, reason, inviter_id)
			SELECT a, 'CODE' || i, now() - random() * interval '24 months', 'accepted', '', i
			FROM (SELECT a, 1 + abs(hashint8(a)::bigint) %% (%d / 10) AS i FROM generate_series(3, %d, 3) a) x WHERE a <> i`, n, n-n/10),
		`INSERT INTO referrals SELECT inviter_id, account_id, requested_at FROM activations`,
		`INSERT INTO sms_packages SELECT account_id, 1200, 1, md5(account_id::text)::uuid, now()::date, 202604, 202604, '', 3, 1, 1
			FROM referrals GROUP BY account_id HAVING count(*) >= 3`,
		`INSERT INTO results (adjustment_id, account_id, status, amount_minor, reason, at) SELECT package_id, account_id, 'applied', 0, '', now() FROM sms_packages`,
		`VACUUM ANALYZE`, `CHECKPOINT`,
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
}

// cabinetStack is the personal account as it is served.
type cabinetStack struct {
	rig     *authtest.Rig
	clients []string // cookies of sessions, of accounts spread over all
}

func newCabinetStack(b *testing.B, s *store.Store, db *sql.DB) *cabinetStack {
	b.Helper()
	a, err := api.New(newPortal(b, s), nil)
	if err != nil {
		b.Fatal(err)
	}
	stack := &cabinetStack{rig: authtest.New(b, authtest.Options{Sessions: s})}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	stack.rig.Serve(append(a.Routes(), auth.Route{Pattern: "GET /api/v1/select-1", Access: auth.SignedInAPI, Handler: selectOne(db)}))
	return stack
}

func newPortal(b *testing.B, s *store.Store) portal.Service {
	b.Helper()
	generous := portal.Limit{Wrong: 1_000_000, In: time.Hour}
	service, err := portal.NewService(portal.Options{
		Store: s, Programme: usualTerms(b), Derive: usualTerms(b).Derive(rand.Text),
		Limits:  portal.Limits{Account: generous, Address: generous, Overall: generous},
		Invites: portal.InviteOptions{PerDay: 10}, PublicURL: "https://lk.example.com", Now: time.Now,
		NewID: func() models.UUID { return models.UUID(uuid.New()) }, NewToken: rand.Text,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		b.Fatal(err)
	}
	return service
}

// selectOne answers with what a SELECT 1 gives.
func selectOne(db *sql.DB) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var one int
		if err := db.QueryRowContext(r.Context(), "SELECT 1").Scan(&one); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(one)
	})
}

func (c *cabinetStack) signIn(account int) string {
	return "referral=" + c.rig.Session(int64(account), time.Hour)
}

// reads asks for a path as one client after another.
func (c *cabinetStack) reads(path string, n int) vegeta.Targeter {
	for len(c.clients) < cabinetClients {
		c.clients = append(c.clients, c.signIn(1+(len(c.clients)*7919)%n))
	}
	var next atomic.Int64 // requests are sent concurrently
	return func(t *vegeta.Target) error {
		cookie := c.clients[int(next.Add(1)-1)%len(c.clients)]
		*t = vegeta.Target{Method: http.MethodGet, URL: c.rig.URL + path, Header: http.Header{"Cookie": {cookie}}}
		return nil
	}
}

const activationsInRound = cabinetRate * int(cabinetLasts/time.Second)

// activations has new clients enter the codes of old ones, each once, with an
// idempotency key as a careful program sends it.
func (c *cabinetStack) activations(b *testing.B, n, round int) vegeta.Targeter {
	b.Helper()
	first := n - n/10 + 1 + round*activationsInRound
	cookies := make([]string, activationsInRound)
	for i := range cookies {
		cookies[i] = c.signIn(first + i)
	}
	var next atomic.Int64 // requests are sent concurrently
	return func(t *vegeta.Target) error {
		i := int(next.Add(1)-1) % len(cookies)
		*t = vegeta.Target{
			Method: http.MethodPost, URL: c.rig.URL + "/api/v1/activations", Body: fmt.Appendf(nil, `{"code":"CODE%d"}`, 1+(first+i)*31%(n/10)),
			Header: http.Header{"Cookie": {cookies[i]}, "Content-Type": {"application/json"}, "Idempotency-Key": {rand.Text()}},
		}
		return nil
	}
}

// attack sends requests at the rate, and fails when one of them does.
func (c *cabinetStack) attack(b *testing.B, what string, targets vegeta.Targeter) *vegeta.Metrics {
	b.Helper()
	var m vegeta.Metrics
	attacker := vegeta.NewAttacker(vegeta.Timeout(10 * time.Second))
	for result := range attacker.Attack(targets, vegeta.Rate{Freq: cabinetRate, Per: time.Second}, cabinetLasts, what) {
		m.Add(result)
	}
	m.Close()
	if m.Success != 1 {
		b.Fatalf("%s: %.1f %% succeeded: %v %v", what, 100*m.Success, m.StatusCodes, m.Errors)
	}
	b.Logf("%s: p50 %s, p99 %s, most %s", what, m.Latencies.P50, m.Latencies.P99, m.Latencies.Max)
	return &m
}

// checkActivated holds what was entered against what is in the database.
func (c *cabinetStack) checkActivated(b *testing.B, db *sql.DB, entered uint64) {
	b.Helper()
	var accepted, tries uint64
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM client_requests WHERE convert_from(answer, 'UTF8') LIKE '%"accepted":true%'),
		(SELECT sum(tries) FROM code_tries)`).Scan(&accepted, &tries); err != nil {
		b.Fatal(err)
	}
	if accepted != entered || tries != 0 {
		b.Fatalf("%d codes were entered, %d accepted; %d tries are left", entered, accepted, tries)
	}
}
