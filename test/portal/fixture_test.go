package portal

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"referral/billing"
	"referral/contact"
	"referral/models"
	"referral/scheduler"
	"referral/store"
	"referral/test/storetest"
	"referral/web/auth"
	"referral/web/portal"
	"referral/web/portal/api"
)

var moscow = time.FixedZone("MSK", 3*60*60)

func terms() billing.Terms {
	return billing.Terms{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, RefuseOwnCompany: true,
		Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{
			{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 60, Months: 12, SMS: 1200}, {Percent: 80, Months: 12}, {Percent: 100, Months: 12, SMS: 3200},
		},
		Discounted: []string{"subscription"}, Excluded: []string{"sms_package"},
	}
}

// fixture is a personal account on a database of its own.
type fixture struct {
	*testing.T
	store    *store.Store
	db       *sql.DB
	p        *billing.Programme
	derive   models.DeriveFunc
	service  portal.Service
	api      *api.API
	mux      *http.ServeMux
	log      *logged
	registry *prometheus.Registry
	ids      atomic.Int64
	clock    atomic.Int64 // what time it is, in microseconds
	schemas  *schemas
}

// logged collects the log.
type logged struct {
	sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(b)
}

func newRig(t *testing.T, change ...func(*portal.Options)) *fixture {
	t.Helper()
	r := &fixture{T: t, log: &logged{}, registry: prometheus.NewRegistry(), mux: http.NewServeMux(), schemas: readSchemas(t)}
	r.at("2026-04-02T09:00:00Z")
	var dsn string
	r.store, dsn = storetest.Open(t, r.now)
	r.db = storetest.SQL(t, dsn)
	var err error
	if r.p, err = billing.NewProgramme(moscow, []billing.Terms{terms()}); err != nil {
		t.Fatal(err)
	}
	r.derive = r.p.Derive(newCode)
	o := r.options()
	for _, c := range change {
		c(&o)
	}
	r.open(o)
	return r
}

func (r *fixture) options() portal.Options {
	hour := portal.Limit{Wrong: 1000, In: time.Hour}
	return portal.Options{
		Store: r.store, Programme: r.p, Derive: r.derive, Limits: portal.Limits{Account: hour, Address: hour, Overall: hour},
		Invites: portal.InviteOptions{
			Channels: []models.Channel{models.Email, models.SMS}, Recipients: contact.Rules{}, PerDay: 10,
		},
		PublicURL: "https://lk.example.com", Now: r.now, NewID: func() models.UUID { return models.UUID(uuid.New()) }, NewToken: newToken,
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Registerer: r.registry,
	}
}

func (r *fixture) open(o portal.Options) {
	r.Helper()
	var err error
	if r.service, err = portal.NewService(o); err != nil {
		r.Fatal(err)
	}
	if r.api, err = api.New(r.service, nil); err != nil {
		r.Fatal(err)
	}
	for _, route := range r.api.Routes() {
		r.mux.Handle(route.Pattern, route.Handler)
	}
}

func newCode() string {
	code := make([]byte, models.CodeLength)
	if _, err := rand.Read(code); err != nil {
		panic(err)
	}
	for i, b := range code {
		code[i] = models.CodeAlphabet[int(b)%len(models.CodeAlphabet)]
	}
	return string(code)
}

func newToken() string {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// at sets the clock.
func (r *fixture) at(when string) { r.clock.Store(instant(when).UnixMicro()) }

func (r *fixture) now() time.Time { return time.UnixMicro(r.clock.Load()).UTC() }

func (r *fixture) later(d time.Duration) { r.clock.Add(d.Microseconds()) }

func instant(when string) time.Time {
	t, err := time.Parse(time.RFC3339, when)
	if err != nil {
		panic(err)
	}
	return t
}

// kafka stores facts as the consumer does.
func (r *fixture) kafka(data ...models.FactData) {
	r.Helper()
	batch := make([]models.DecodedMessage, len(data))
	for i, d := range data {
		batch[i] = models.DecodedMessage{Fact: &models.Fact{
			At: r.now(), Provenance: models.Provenance{Origin: models.Origin{Topic: "kafka", Offset: r.ids.Add(1)}, At: r.now()}, Data: d,
		}}
	}
	if _, err := r.store.Ingest(r.Context(), batch, r.derive); err != nil {
		r.Error(err)
	}
}

func registered(account int64, when string) models.Registered {
	return models.Registered{AccountID: account, RegisteredAt: instant(when), Profile: models.Profile{
		Name: fmt.Sprint("Резервация-", account), TaxID: fmt.Sprint("77000000", account), Email: fmt.Sprintf("secret%d@canary.example", account),
		Phone: fmt.Sprintf("+7916000%04d", account%10000), At: instant(when),
	}}
}

func bill(account int64, id string, p models.Period) *models.Invoice {
	return &models.Invoice{AccountID: account, ID: id, Revision: 1, Period: p, Currency: "RUB", Lines: []models.Line{
		{ID: "1", Service: "subscription", From: p.First(), To: p.End(), Amount: 300_000},
		{ID: "2", Service: "sms_package", From: p.First(), To: p.First(), Amount: 5_000},
	}}
}

// settle runs a month.
func (r *fixture) settle(p models.Period) {
	r.Helper()
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: r.store, Calendar: r.store, Programme: r.p, Workers: 1, Chunk: 10, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Metrics: scheduler.NewMetrics(prometheus.NewRegistry()), Now: r.now,
	})
	if err == nil {
		_, err = settler.Run(context.Background(), models.RunRequest{Period: p})
	}
	if err != nil {
		r.Fatal(err)
	}
}

// codeOf returns an account's own code.
func (r *fixture) codeOf(account int64) string {
	r.Helper()
	s, err := r.service.Overview(r.Context(), account)
	if err != nil || s.Code == "" {
		r.Fatalf("account %d has no code: %v", account, err)
	}
	return s.Code
}

func (r *fixture) number(query string, args ...any) (n int) {
	r.Helper()
	if err := r.db.QueryRow(query, args...).Scan(&n); err != nil {
		r.Fatalf("%s: %v", query, err)
	}
	return n
}

// call is a request of a client.
type call struct {
	account int64
	method  string
	path    string // below the prefix
	body    any
	key     string
	from    string // address; 192.0.2.1 when empty
}

// answer is the answer to a call.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// is the value of a field: "current.percent".
func (a answer) is(path string) any {
	var at any = a.body
	for name := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	if n, ok := at.(float64); ok {
		return int64(n)
	}
	return at
}

// call calls the API, and checks the answer against the OpenAPI document.
func (r *fixture) call(c call) answer {
	r.Helper()
	body := ""
	if c.body != nil {
		text, err := json.Marshal(c.body)
		if err != nil {
			r.Fatal(err)
		}
		body = string(text)
	}
	request := httptest.NewRequestWithContext(auth.WithPrincipal(r.Context(), auth.Principal{AccountID: c.account}), c.method, api.Prefix+c.path, strings.NewReader(body))
	if c.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set("Idempotency-Key", c.key)
	}
	if c.from != "" {
		request.RemoteAddr = c.from
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, request)
	a := answer{status: w.Code, header: w.Header(), text: w.Body.String()}
	_, pattern := r.mux.Handler(request)
	r.schemas.check(r.T, pattern, &a)
	if cache := a.header.Get("Cache-Control"); cache != "no-store" {
		r.Errorf("%s may be kept on the way: %q", c.path, cache)
	}
	return a
}

func (r *fixture) get(account int64, path string) answer {
	r.Helper()
	return r.call(call{account: account, method: http.MethodGet, path: path})
}

// enter enters a code for an account.
func (r *fixture) enter(account int64, code, key string) answer {
	r.Helper()
	return r.call(call{account: account, method: http.MethodPost, path: "/activations", body: map[string]string{"code": code}, key: key})
}

// expect checks the status and fields of an answer.
func (r *fixture) expect(a answer, status int, fields map[string]any) {
	r.Helper()
	if a.status != status {
		r.Errorf("status %d, want %d: %s", a.status, status, a.text)
	}
	for path, want := range fields {
		if n, ok := want.(int); ok {
			want = int64(n)
		}
		if got := a.is(path); got != want {
			r.Errorf("%s is %v, want %v: %s", path, got, want, a.text)
		}
	}
}
