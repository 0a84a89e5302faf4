package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/billing"
	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

var moscow = time.FixedZone("MSK", 3*60*60)

func terms() billing.Terms {
	return billing.Terms{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, RefuseOwnCompany: true,
		Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{
			{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 60, Months: 12, SMS: 1200}, {Percent: 80, Months: 12}, {Percent: 100, Months: 12, SMS: 3200},
		},
		Discounted: []string{"subscription", "calls"}, Excluded: []string{"sms_package"},
	}
}

func programme(t testing.TB, versions ...billing.Terms) *billing.Programme {
	t.Helper()
	if len(versions) == 0 {
		versions = []billing.Terms{terms()}
	}
	p, err := billing.NewProgramme(moscow, versions)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// life drives a store with facts and runs, as the consumer and the scheduler do.
// Its fields are set before anything runs at the same time.
type life struct {
	testing.TB
	*store.Store
	dsn string
	db  *sql.DB // behind the store's back
	p   *billing.Programme
	now time.Time
	n   *atomic.Int64
}

func newLife(t testing.TB) *life {
	t.Helper()
	return newLifeOn(t, storetest.DSN(t))
}

// newLifeOn is a life on an empty database.
func newLifeOn(t testing.TB, dsn string) *life {
	t.Helper()
	l := &life{TB: t, p: programme(t), now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), n: new(atomic.Int64), dsn: dsn}
	l.Store = l.another().Store
	storetest.Migrate(t, l.Store)
	l.db = storetest.SQL(t, dsn)
	return l
}

// another is a further process on the same database.
func (l *life) another() *life {
	l.Helper()
	s, err := store.Open(store.Options{DSN: l.dsn, MaxConnections: 8, Now: func() time.Time { return l.now }})
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = s.Close() })
	other := *l
	other.Store = s
	return &other
}

func codeOf(account int64) string { return fmt.Sprintf("CODE%d", account) }

// derive is what the consumer does, but for the codes, which tell their owners.
func (l *life) derive(set *models.WorkingSet, facts []*models.Fact) models.Changes {
	var owner int64
	book := billing.NewFactApplier(l.p, set, func() string { return codeOf(owner) })
	for _, f := range facts {
		owner = f.Data.Account()
		book.Apply(f)
	}
	return book.Close()
}

func (l *life) fact(data models.FactData) models.DecodedMessage {
	return l.named(fmt.Sprintf("e-%d", l.n.Add(1)), data)
}

// named is a fact whose event has this id, at the next place of a topic.
func (l *life) named(id string, data models.FactData) models.DecodedMessage {
	origin := models.Origin{Topic: "t", Offset: l.n.Add(1)}
	return models.DecodedMessage{
		Message: models.Message{Origin: origin, At: l.now, Value: []byte(id)},
		Fact:    &models.Fact{At: l.now, Provenance: models.Provenance{Origin: origin, At: l.now}, Data: data},
	}
}

func (l *life) deliveries(data ...models.FactData) []models.DecodedMessage {
	batch := make([]models.DecodedMessage, len(data))
	for i, d := range data {
		batch[i] = l.fact(d)
	}
	return batch
}

func (l *life) take(batch ...models.DecodedMessage) []models.Disposition {
	l.Helper()
	fate, err := l.Ingest(l.Context(), batch, l.derive)
	if err != nil {
		l.Fatal(err)
	}
	return fate
}

func (l *life) facts(data ...models.FactData) {
	l.Helper()
	l.take(l.deliveries(data...)...)
}

// pay settles one account by the rules.
func (l *life) pay(r models.Run, c *models.SettlementInput) models.SettlementResult {
	return l.p.Settle(r, c)
}

func (l *life) start(q models.RunRequest) models.Run {
	l.Helper()
	if q.Chunk == 0 {
		q.Chunk = 2
	}
	run, _, err := l.StartRun(l.Context(), q)
	if err != nil {
		l.Fatal(err)
	}
	return run
}

func (l *life) settle(q models.RunRequest) models.Run {
	l.Helper()
	return l.finish(l.start(q), l.pay)
}

// finish carries a run to its end.
func (l *life) finish(run models.Run, pay models.SettleFunc) models.Run {
	l.Helper()
	run, err := l.carry(l.Context(), run, pay)
	if err != nil {
		l.Fatal(err)
	}
	return run
}

// phase takes a run through its present phase and no further.
func (l *life) phase(run models.Run, pay models.SettleFunc) models.Run {
	l.Helper()
	if err := l.work(l.Context(), run, pay); err != nil {
		l.Fatal(err)
	}
	next, moved, err := l.AdvanceRun(l.Context(), run.ID, l.p.Brake)
	if err != nil || !moved {
		l.Fatalf("run %d did not move on: %v", run.ID, err)
	}
	return next
}

func (l *life) work(ctx context.Context, run models.Run, pay models.SettleFunc) error {
	for {
		if _, worked, err := l.WorkChunk(ctx, run, pay); err != nil || !worked {
			return err
		}
	}
}

func (l *life) carry(ctx context.Context, run models.Run, pay models.SettleFunc) (models.Run, error) {
	for run.Active() {
		if err := l.work(ctx, run, pay); err != nil {
			return run, err
		}
		next, _, err := l.AdvanceRun(ctx, run.ID, l.p.Brake)
		if err != nil {
			return run, err
		}
		run = next
	}
	return run, nil
}

// calm settles differences, the oldest period first, until no period waits for
// its own run and nothing is stale.
func (l *life) calm() {
	l.Helper()
	for range 20 {
		periods, err := l.Periods(l.Context())
		if err != nil {
			l.Fatal(err)
		}
		restless := slices.DeleteFunc(periods, func(p models.PeriodInfo) bool { return p.State != models.PeriodOpen && p.Stale == 0 })
		if len(restless) == 0 {
			return
		}
		for _, p := range restless {
			if run := l.settle(models.RunRequest{Period: p.Period, Accept: true}); run.State != models.RunDone {
				l.Fatalf("a run of %s ended %s", p.Period, run.State)
			}
		}
	}
	l.Fatal("something is stale after twenty nights")
}

// breaks is what a reconciliation finds wrong in the ledger. That nothing was
// published or answered is not the ledger's fault.
func (l *life) breaks(p models.Period) []billing.Break {
	l.Helper()
	var r *billing.Reconciliation
	err := l.Audit(l.Context(), p, func(head models.AuditHead) error {
		r = billing.NewReconciliation(l.p, p, head, billing.AnswerGrace{})
		return nil
	}, func(c *models.AccountHistory) error {
		r.Account(c)
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
	r.Close()
	return slices.DeleteFunc(r.Breaks, func(b billing.Break) bool {
		return b.Kind == billing.BreakUnpublished || b.Kind == billing.BreakUnanswered
	})
}

// tie fails when the ledger of a period differs from what the facts give.
func (l *life) tie(periods ...models.Period) {
	l.Helper()
	for _, p := range periods {
		for _, b := range l.breaks(p) {
			l.Errorf("%s: %s: account %d, invoice %q: expected %s, is %s (%s)", p, b.Kind, b.AccountID, b.InvoiceID, b.Expected, b.Actual, b.Detail)
		}
	}
}

// distributed tells whether the tables lie on the nodes of a Citus cluster.
func (l *life) distributed() bool {
	l.Helper()
	return l.number("SELECT count(*) FROM pg_class WHERE relname = 'pg_dist_partition'") > 0
}

// dump is the rows of a query as text, a line each, sorted.
func (l *life) dump(query string, args ...any) string {
	l.Helper()
	rows, err := l.db.Query("SELECT t::text FROM ("+query+") t ORDER BY 1", args...)
	if err != nil {
		l.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			l.Fatal(err)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		l.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// number is the single number that a query finds.
func (l *life) number(query string, args ...any) (n int64) {
	l.Helper()
	if err := l.db.QueryRow(query, args...).Scan(&n); err != nil {
		l.Fatalf("%s: %v", query, err)
	}
	return n
}

func (l *life) exec(query string, args ...any) {
	l.Helper()
	if _, err := l.db.Exec(query, args...); err != nil {
		l.Fatalf("%s: %v", query, err)
	}
}

// Ledger is what has been posted, with nothing in it that depends on who posted it.
const ledger = `SELECT 'adjustment', account_id, invoice_id, sequence, adjustment_id::text, period, posting_period, amount_minor, reason, '' FROM adjustments
	UNION ALL SELECT 'item', account_id, invoice_id, sequence, line_id, 0, 0, amount_minor, service, segments FROM adjustment_items
	UNION ALL SELECT 'package', account_id, invoice_id, ordinal, package_id::text, period, posting_period, sms, granted_on::text, step::text FROM sms_packages`

// sums is what the ledger comes to, whatever the steps that led there.
const sums = `SELECT account_id, invoice_id, line_id, sum(amount_minor) AS amount FROM adjustment_items GROUP BY 1, 2, 3 HAVING sum(amount_minor) <> 0
	UNION ALL SELECT account_id, '', sms::text, count(*) FROM sms_packages GROUP BY 1, 3`

// everything is all rows but the schema version and the terms in force.
func (l *life) everything() string {
	l.Helper()
	var out []string
	tables := strings.NewReplacer("(", "", ")", "").Replace(l.dump("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('goose_db_version', 'programme_state', 'schema_programs')"))
	for table := range strings.FieldsSeq(tables) {
		out = append(out, table+":\n"+l.dump("SELECT * FROM "+table))
	}
	return strings.Join(out, "\n")
}

// together runs n goroutines that start at one moment.
func together(t testing.TB, n int, fn func(i int) error) {
	t.Helper()
	var group errgroup.Group
	gun := make(chan struct{})
	for i := range n {
		group.Go(func() error {
			<-gun
			return fn(i)
		})
	}
	close(gun)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func shuffled[T any](r *rand.Rand, list []T) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// cut divides a list into pieces of 1 to most elements.
func cut[T any](r *rand.Rand, list []T, most int) [][]T {
	var pieces [][]T
	for len(list) > 0 {
		n := min(1+r.IntN(most), len(list))
		pieces, list = append(pieces, list[:n]), list[n:]
	}
	return pieces
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func day(s string) models.Date {
	d, err := models.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// invoice is an account's bill of a month, each amount a line over the whole of it.
func invoice(account int64, period models.Period, revision int, amounts ...models.Money) *models.Invoice {
	inv := &models.Invoice{
		AccountID: account, ID: fmt.Sprintf("INV-%s-%d", period, account), Revision: revision, Period: period, Currency: "RUB",
	}
	for i, a := range amounts {
		inv.Lines = append(inv.Lines, models.Line{ID: fmt.Sprint(i + 1), Service: "subscription", From: period.First(), To: period.End(), Amount: a})
	}
	return inv
}

func april(account int64, revision int, amounts ...models.Money) *models.Invoice {
	return invoice(account, 202604, revision, amounts...)
}

// moved is the next revision of an invoice, in another month.
func moved(inv *models.Invoice, to models.Period, amounts ...models.Money) *models.Invoice {
	next := invoice(inv.AccountID, to, inv.Revision+1, amounts...)
	next.ID = inv.ID
	return next
}

func registered(account int64, when string) models.Registered {
	return models.Registered{AccountID: account, RegisteredAt: at(when), Profile: models.Profile{Name: fmt.Sprint("client ", account), TaxID: fmt.Sprint("tax ", account)}}
}

func activated(account, inviter int64, when string) models.ActivationRequested {
	return models.ActivationRequested{AccountID: account, Code: codeOf(inviter), RequestedAt: at(when)}
}

// inviter is an account that has had friends since the first day of April: 20 %
// off for the first, 40 % with the second, 60 % and a package with the third.
func (l *life) inviter(account int64, friends ...int64) {
	l.Helper()
	l.facts(registered(account, "2025-06-01T09:00:00Z"))
	for _, friend := range friends {
		l.facts(registered(friend, "2026-04-01T08:00:00+03:00"), activated(friend, account, "2026-04-01T09:00:00+03:00"))
	}
}

// The worked example of the rules: account 885 with friends on 10 January,
// 5 March and 20 April gets 1 420.00 off its April line of 3 000.00.
func TestWorkedExample(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(885, "2025-06-01T09:00:00Z"))
	for i, on := range []string{"2026-01-10", "2026-03-05", "2026-04-20"} {
		friend := int64(900 + i)
		l.facts(activated(friend, 885, on+"T09:00:00Z"), registered(friend, on+"T08:00:00Z"))
	}
	l.facts(april(885, 1, 300000), april(900, 1, 1000))
	run := l.settle(models.RunRequest{Period: 202604})
	if run.State != models.RunDone || run.Totals.Amount != -142000 || run.Totals.Packages != 1 {
		t.Fatalf("the run came to %+v", run)
	}
	if again := l.settle(models.RunRequest{Period: 202604}); again.Totals.Documents != 0 {
		t.Fatalf("a second run posted %+v", again.Totals)
	}
	// A late promo end gives friend 900 its April discount, and nothing else changes.
	l.facts(models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-15T21:00:00Z")})
	if late := l.settle(models.RunRequest{Period: 202604}); late.Totals.Amount != -100 || late.Totals.Documents != 1 {
		t.Fatalf("the late fact posted %+v", late.Totals)
	}
	// The cancelled invoice gives back what was posted.
	l.facts(april(885, 2))
	if back := l.settle(models.RunRequest{Period: 202604}); back.Totals.Amount != 142000 || back.Totals.Packages != 0 {
		t.Fatalf("the cancellation posted %+v", back.Totals)
	}
	l.tie(202604)
}
