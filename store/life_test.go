package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"referral/billing"
	"referral/internal/storetest"
	"referral/models"
	"referral/store"
)

var moscow = time.FixedZone("MSK", 3*60*60)

func programme(t testing.TB) *billing.Programme {
	t.Helper()
	p, err := billing.NewProgramme(moscow, []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, RefuseOwnCompany: true,
		Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{
			{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 60, Months: 12, SMS: 1200}, {Percent: 80, Months: 12}, {Percent: 100, Months: 12, SMS: 3200},
		},
		Discounted: []string{"subscription", "calls"}, Excluded: []string{"sms_package"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// life drives a store with facts and runs, as the consumer and the scheduler do.
type life struct {
	testing.TB
	*store.Store
	dsn  string
	p    *billing.Programme
	now  time.Time
	n    int
	code int
}

func newLife(t testing.TB) *life {
	l := &life{TB: t, p: programme(t), now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	l.Store, l.dsn = storetest.Open(t, func() time.Time { return l.now })
	return l
}

func (l *life) derive(set *models.WorkingSet, facts []*models.Fact) models.Changes {
	book := billing.NewBook(l.p, set, func() string { l.code++; return fmt.Sprintf("CODE%05d", l.code) })
	for _, f := range facts {
		book.Take(f)
	}
	return book.Close()
}

func (l *life) fact(data models.FactData) models.Delivery {
	l.n++
	id := fmt.Sprintf("e-%d", l.n)
	return models.Delivery{
		Message: models.Message{Origin: models.Origin{Topic: "t", Offset: int64(l.n)}, At: l.now, Value: []byte(id)},
		Fact: &models.Fact{
			Key: models.NewEventKey("test", id), Digest: models.NewEventKey("digest", fmt.Sprint(data)), Event: "test " + id, At: l.now, Data: data,
		},
	}
}

func (l *life) take(batch ...models.Delivery) []models.Disposition {
	l.Helper()
	fate, err := l.Take(context.Background(), batch, l.derive)
	if err != nil {
		l.Fatal(err)
	}
	return fate
}

func (l *life) facts(data ...models.FactData) {
	l.Helper()
	var batch []models.Delivery
	for _, d := range data {
		batch = append(batch, l.fact(d))
	}
	l.take(batch...)
}

func (l *life) settle(q models.RunRequest) models.Run {
	l.Helper()
	ctx := context.Background()
	if q.Chunk == 0 {
		q.Chunk = 2
	}
	run, _, err := l.StartRun(ctx, q)
	if err != nil {
		l.Fatal(err)
	}
	settle := func(r models.Run, c *models.AccountCase) models.AccountOutcome {
		return l.p.Settle(billing.Posting{Period: r.Period, Into: r.PostingPeriod, Regular: r.Kind == models.RunRegular}, c)
	}
	for run.Active() {
		for worked := true; worked; {
			if _, worked, err = l.WorkChunk(ctx, run, settle); err != nil {
				l.Fatal(err)
			}
		}
		if run, _, err = l.Advance(ctx, run.ID, l.p.LimitsFor(run).Check); err != nil {
			l.Fatal(err)
		}
	}
	return run
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

func (l *life) codeOf(account int64) string {
	var code string
	if err := storetest.SQL(l, l.dsn).QueryRow("SELECT code FROM codes WHERE account_id = $1", account).Scan(&code); err != nil {
		l.Fatal(err)
	}
	return code
}

func april(account int64, revision int, amounts ...models.Money) *models.Invoice {
	inv := &models.Invoice{AccountID: account, ID: fmt.Sprintf("INV-2026-04-%d", account), Revision: revision, Period: 202604, Currency: "RUB"}
	for i, a := range amounts {
		inv.Lines = append(inv.Lines, models.Line{ID: fmt.Sprint(i + 1), Service: "subscription", From: day("2026-04-01"), To: day("2026-05-01"), Amount: a})
	}
	return inv
}

// The worked example of the rules: account 885 with friends on 10 January,
// 5 March and 20 April gets 1 420.00 off its April line of 3 000.00.
func TestWorkedExample(t *testing.T) {
	l := newLife(t)
	l.facts(models.Registered{AccountID: 885, RegisteredAt: at("2025-06-01T09:00:00Z"), Profile: models.Profile{Name: "Резервация", TaxID: "1"}})
	code := l.codeOf(885)
	for i, on := range []string{"2026-01-10", "2026-03-05", "2026-04-20"} {
		friend := int64(900 + i)
		l.facts(
			models.ActivationRequested{AccountID: friend, Code: code, RequestedAt: at(on + "T09:00:00Z")},
			models.Registered{AccountID: friend, RegisteredAt: at(on + "T08:00:00Z")},
		)
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
}
