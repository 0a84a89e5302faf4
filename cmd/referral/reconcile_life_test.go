package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/cmd/referral/config"
	"referral/models"
	"referral/store"
	"referral/test/citus"
	"referral/test/storetest"
)

// town is a database with a programme in it, driven as the consumer, the
// scheduler, the publisher and billing drive it, and asked by the commands.
type town struct {
	*testing.T
	store *store.Store
	dsn   string
	terms *billing.Programme
	now   time.Time
	facts int
	codes int

	db      *sql.DB  // behind the store's back
	environ []string // of the commands, besides the database
}

// newTown is a town that has been served once: its terms are in force.
func newTown(t *testing.T) *town {
	t.Helper()
	w := newBareTown(t)
	if _, err := w.store.AdoptTerms(t.Context(), w.terms.Digest(), w.derive); err != nil {
		t.Fatal(err)
	}
	return w
}

func newBareTown(t *testing.T) *town {
	t.Helper()
	programme := config.Default().Programme
	terms, err := programme.Rules()
	if err != nil {
		t.Fatal(err)
	}
	w := &town{T: t, terms: terms, now: time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)}
	w.store, w.dsn = storetest.Open(t, func() time.Time { return w.now })
	w.db = storetest.SQL(t, w.dsn)
	return w
}

func (w *town) hears(data ...models.FactData) {
	w.Helper()
	var batch []models.DecodedMessage
	for _, d := range data {
		w.facts++
		batch = append(batch, models.DecodedMessage{
			Message: models.Message{Origin: models.Origin{Topic: "test", Offset: int64(w.facts)}, At: w.now},
			Fact: &models.Fact{
				At: w.now, Provenance: models.Provenance{Origin: models.Origin{Topic: "test", Offset: int64(w.facts)}, At: w.now}, Data: d,
			},
		})
	}
	if fates := w.takes(batch...); slices.ContainsFunc(fates, func(d models.Disposition) bool { return d != models.Applied }) {
		w.Fatalf("facts were not taken: %v", fates)
	}
}

func (w *town) takes(batch ...models.DecodedMessage) []models.Disposition {
	w.Helper()
	fates, err := w.store.Ingest(w.Context(), batch, w.derive)
	if err != nil {
		w.Fatal(err)
	}
	return fates
}

// name is that of the town's database, which no other has.
func (w *town) name() string {
	u, err := url.Parse(w.dsn)
	if err != nil {
		w.Fatal(err)
	}
	return strings.Trim(u.Path, "/")
}

// opens is the program on the town's database.
func (w *town) opens(readOnly bool) *app {
	w.Helper()
	c := config.Default()
	c.Database.DSN = config.DSN(w.dsn)
	a, err := newApp(c, process{out: io.Discard, err: io.Discard}, readOnly)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(a.close)
	return a
}

func (w *town) derive(set *models.WorkingSet, facts []*models.Fact) models.Changes {
	return w.terms.Derive(func() string { w.codes++; return fmt.Sprintf("CODE%05d", w.codes) })(set, facts)
}

// befriends has an inviter with friends who register and enter its code on some
// days.
func (w *town) befriends(inviter int64, friends map[int64]string) {
	w.Helper()
	w.hears(models.Registered{AccountID: inviter, RegisteredAt: instant(w, "2025-06-01")})
	var code string
	w.one("SELECT code FROM codes WHERE account_id = $1", &code, inviter)
	for friend, day := range friends {
		w.hears(
			models.Registered{AccountID: friend, RegisteredAt: instant(w, day)},
			models.ActivationRequested{AccountID: friend, Code: code, RequestedAt: instant(w, day)},
		)
	}
}

// instant is noon in Moscow on a day.
func instant(t testing.TB, day string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateTime, day+" 09:00:00")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// bill is an invoice of a month, a line for each amount of each service.
func bill(account int64, period models.Period, revision int, lines ...models.Line) *models.Invoice {
	inv := &models.Invoice{AccountID: account, ID: fmt.Sprintf("INV-%s-%d", period, account), Revision: revision, Period: period, Currency: "RUB"}
	for i, l := range lines {
		l.ID, l.From, l.To = fmt.Sprint(i+1), period.First(), period.End()
		inv.Lines = append(inv.Lines, l)
	}
	return inv
}

func subscription(amount models.Money) models.Line {
	return models.Line{Service: "subscription", Amount: amount}
}

// settles runs a period to its end.
func (w *town) settles(period models.Period) {
	w.Helper()
	run, _, err := w.store.StartRun(w.Context(), models.RunRequest{Period: period, Accept: true, Chunk: 3})
	for err == nil && run.Active() {
		for worked := true; worked && err == nil; {
			_, worked, err = w.store.WorkChunk(w.Context(), run, w.terms.Settle)
		}
		if err == nil {
			run, _, err = w.store.AdvanceRun(w.Context(), run.ID, w.terms.Brake)
		}
	}
	if err != nil {
		w.Fatal(err)
	}
	if run.State != models.RunDone {
		w.Fatalf("the run ended %s %s", run.State, run.Brake)
	}
}

// publishes marks all as published; billing applies what it has not answered yet.
func (w *town) publishes() {
	w.Helper()
	refs, err := w.store.UnpublishedChunks(w.Context(), 1000)
	if err != nil {
		w.Fatal(err)
	}
	for _, ref := range refs {
		if err := w.store.MarkPublished(w.Context(), ref, w.now); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *town) billingApplies() {
	w.Helper()
	var answers []models.FactData
	w.each(`SELECT adjustment_id::text, account_id, amount_minor FROM adjustments WHERE adjustment_id NOT IN (SELECT adjustment_id FROM results)
		UNION ALL SELECT package_id::text, account_id, 0 FROM sms_packages WHERE package_id NOT IN (SELECT adjustment_id FROM results)`, func(rows *sql.Rows) error {
		var id string
		r := models.Result{Status: models.ResultApplied, At: w.now}
		if err := rows.Scan(&id, &r.AccountID, &r.Amount); err != nil {
			return err
		}
		var err error
		r.AdjustmentID, err = models.ParseUUID(id)
		answers = append(answers, r)
		return err
	})
	if len(answers) > 0 {
		w.hears(answers...)
	}
}

// month settles a period and has it published and answered.
func (w *town) month(period models.Period) {
	w.Helper()
	w.settles(period)
	w.publishes()
	w.billingApplies()
}

func (w *town) each(query string, see func(*sql.Rows) error) {
	w.Helper()
	rows, err := w.db.QueryContext(w.Context(), query)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := see(rows); err != nil {
			w.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
}

func (w *town) one(query string, into any, args ...any) {
	w.Helper()
	if err := w.db.QueryRowContext(w.Context(), query, args...).Scan(into); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

// tampers changes rows behind the ledger's triggers, as only a superuser can.
func (w *town) tampers(statements ...string) {
	w.Helper()
	tx, err := storetest.SQL(w, w.dsn).BeginTx(w.Context(), nil)
	if err != nil {
		w.Fatal(err)
	}
	for _, statement := range citus.BehindTriggers(statements...) {
		result, err := tx.ExecContext(w.Context(), statement)
		if err != nil {
			w.Fatalf("%s: %v", statement, err)
		}
		if n, err := result.RowsAffected(); slices.Contains(statements, statement) && (err != nil || n == 0) {
			w.Fatalf("%s: touches nothing (%v)", statement, err)
		}
	}
	if err := tx.Commit(); err != nil {
		w.Fatal(err)
	}
}

// asked is what a command answered.
type asked struct {
	status   int
	out, err string
}

func (w *town) asks(args ...string) asked {
	w.Helper()
	var out, complaints bytes.Buffer
	status := run(context.Background(), args, process{
		in: bytes.NewReader(nil), out: &out, err: &complaints, environ: append([]string{"REFERRAL_DATABASE_DSN=" + w.dsn}, w.environ...),
	})
	return asked{status, out.String(), complaints.String()}
}

// answers is asks of a command that must end with a status and speak JSON.
func (w *town) answers(status int, into any, args ...string) {
	w.Helper()
	a := w.asks(args...)
	if a.status != status {
		w.Errorf("%v: status %d, want %d: %s", args, a.status, status, a.err)
	}
	if err := json.Unmarshal([]byte(a.out), into); err != nil {
		w.Fatalf("%v: %v: %s%s", args, err, a.out, a.err)
	}
}

// spring is a town in which April 2026 was settled, published and answered:
// account 885 of the worked example, its friends 901 to 903 with discounts of
// their own, and others.
func spring(t *testing.T) *town {
	w := newTown(t)
	w.befriends(885, map[int64]string{901: "2026-01-10", 902: "2026-03-05", 903: "2026-04-20"})
	w.befriends(700, map[int64]string{701: "2026-03-30"})
	w.hears(
		models.PromoEnded{AccountID: 902, EndedAt: instant(w, "2026-03-20")},
		models.PromoEnded{AccountID: 701, EndedAt: instant(w, "2026-04-11")},
		bill(885, 202604, 1, subscription(300000), models.Line{Service: "calls", Amount: 12345}, models.Line{Service: "sms_package", Amount: 5000}),
		bill(902, 202604, 1, subscription(99999)),
		bill(903, 202604, 1, subscription(50000)),
		bill(700, 202604, 1, subscription(77777)),
		bill(701, 202604, 1, subscription(10000), subscription(-2500)),
		bill(5, 202604, 1, subscription(100)),
	)
	w.month(202604)
	return w
}

func unmarshal(t testing.TB, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}
