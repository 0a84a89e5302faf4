package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
	"referral/signoff"
)

// given is what an older system has given, as added to invoices.
type given map[string]models.Money

func (g given) book() models.SettleFunc {
	return billing.Book(func(invoice string) models.Money { return g[invoice] }, func(int64) (models.Money, bool) { return 0, false })
}

func (l *life) toPublish() (documents int64) {
	l.Helper()
	documents, _, _, _, err := l.Backlog(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	if refs, err := l.UnpublishedChunks(l.Context(), 100); err != nil || (len(refs) > 0) != (documents > 0) {
		l.Errorf("%d chunks and %d documents wait to be published, %v", len(refs), documents, err)
	}
	return documents
}

func (l *life) refusesToRun(q models.RunRequest) {
	l.Helper()
	_, _, err := l.StartRun(l.Context(), q)
	if other := (*models.ErrOtherMode)(nil); !errors.As(err, &other) {
		l.Errorf("a run of %+v: %v", q, err)
	}
}

// A month that an older system bills is settled in shadow mode, and nothing of it is ever
// published. It is closed with what that system gave; then late facts post just the
// difference to what clients have got, and packages that were not given go out.
func TestShadowMonth(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	march := at("2026-03-01T09:00:00Z")
	l.facts(models.Registered{AccountID: 885, RegisteredAt: march.AddDate(-1, 0, 0)})
	for id := int64(901); id <= 903; id++ {
		l.facts(models.Registered{AccountID: id, RegisteredAt: at("2026-04-01T09:00:00Z")}, models.ActivationRequested{AccountID: id, Code: codeOf(885), RequestedAt: at("2026-04-01T09:00:00Z").AddDate(0, 0, int(id-901)*5)})
	}
	l.facts(april(885, 1, 300000), april(901, 1, 100000), april(902, 1, 100000))
	shadow := models.RunRequest{Period: 202604, Shadow: true}
	if run := l.settle(shadow); run.State != models.RunDone || !run.Shadow || run.Totals.Documents != 1 || run.Totals.Packages != 0 {
		t.Errorf("the run: %+v", run)
	}
	if n := l.toPublish(); n != 0 {
		t.Errorf("%d documents wait to be published", n)
	}
	l.tie(202604)
	l.refusesToRun(models.RunRequest{Period: 202604})
	signature := models.Signature{Period: 202604, Who: "Anna", Override: "a test"}
	signer := &signoff.Signer{
		Store: l.Store, Programme: l.p, Now: func() time.Time { return l.now }, RequireTerms: func(context.Context) error { return nil },
	}
	var no *models.NotClosed
	if _, err := signer.Close(t.Context(), signature); !errors.As(err, &no) || len(no.Obstacles) != 1 {
		t.Errorf("it is closed without what the older system has given: %v", err)
	}

	// The older system has given 20.00 less to the inviter, and 10.00 to a client who has
	// nothing by the rules.
	facts := l.number("SELECT -sum(amount_minor) FROM adjustments WHERE account_id = 885")
	old := given{"INV-2026-04-885": -models.Money(facts) + 2000, "INV-2026-04-901": -1000}
	for period, not := range map[models.Period]int{202603: 3, 202604: 1} {
		invoices, accounts, err := l.MarkBooked(t.Context(), period, []string{"INV-2026-04-885", "INV-2026-04-901", "INV-?"}, []int64{885, 901, 999})
		if err != nil || len(invoices) != not || len(accounts) != not {
			t.Errorf("%s: nothing can be booked on %v and %v, %v", period, invoices, accounts, err)
		}
	}
	booked := l.finish(l.start(models.RunRequest{Period: 202604, Shadow: true, Booked: true, Accept: true}), old.book())
	if booked.State != models.RunDone || booked.Totals.Documents != 2 || l.toPublish() != 0 {
		t.Errorf("the booking: %+v", booked)
	}
	if _, err := signer.Close(t.Context(), signature); err != nil {
		t.Fatal(err)
	}
	l.tie(202604)
	l.refusesToRun(shadow)

	// Shadow mode has ended. The package that was not given goes out, and a late fact posts
	// the difference to what the inviter has got.
	for range 2 {
		if err := l.LeaveShadowMode(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.facts(models.Terminated{AccountID: 902, TerminatedAt: at("2026-04-30T09:00:00Z")}, april(885, 2, 330000))
	l.now = l.now.AddDate(0, 1, 0)
	l.settle(models.RunRequest{Period: 202605})
	l.settle(models.RunRequest{Period: 202604})
	due := models.Money(facts) * 11 / 10
	if got := l.number("SELECT -sum(amount_minor) FROM adjustments WHERE account_id = 885"); models.Money(got) != due {
		t.Errorf("the inviter has got %d in total, want %d", got, due)
	}
	if got, want := l.dump("SELECT account_id, sms, posting_period FROM sms_packages"), "(885,1200,202605)"; got != want {
		t.Errorf("packages are %s, want %s", got, want)
	}
	if n := l.toPublish(); n != 2 {
		t.Errorf("%d documents wait to be published, want the correction and the package", n)
	}
	l.tie(202604, 202605)
	l.refusesToRun(models.RunRequest{Period: 202605, Shadow: true})
}

// Whatever an older system gave, the ledger holds just that on every invoice once it is
// booked, and a run of all accounts afterwards brings it to what the facts give.
func TestBookedIsWhatWasGiven(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	l := newLife(t)
	l.facts(someFacts(r)...)
	l.settle(models.RunRequest{Period: 202604, Shadow: true, Accept: true})
	l.settle(models.RunRequest{Period: 202604, Shadow: true, Accept: true, Full: true})
	desired := l.dump("SELECT invoice_id, sum(amount_minor) AS amount FROM adjustments WHERE period = 202604 GROUP BY 1 HAVING sum(amount_minor) <> 0")

	old := given{}
	rows, err := l.db.Query("SELECT DISTINCT invoice_id FROM invoices i WHERE period = 202604 AND revision = (SELECT max(revision) FROM invoices n WHERE n.invoice_id = i.invoice_id)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var invoices []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		invoices = append(invoices, id)
		if r.IntN(3) > 0 {
			old[id] = models.Money(r.IntN(2000) - 1500)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.MarkBooked(t.Context(), 202604, invoices, nil); err != nil {
		t.Fatal(err)
	}
	l.finish(l.start(models.RunRequest{Period: 202604, Shadow: true, Booked: true, Accept: true}), old.book())
	for _, id := range invoices {
		if got := l.number("SELECT coalesce(sum(amount_minor), 0) FROM adjustments WHERE period = 202604 AND invoice_id = $1", id); models.Money(got) != old[id] {
			t.Errorf("invoice %s holds %d, want %d", id, got, old[id])
		}
	}
	if n := l.toPublish(); n != 0 {
		t.Errorf("%d documents wait to be published", n)
	}
	l.exec("UPDATE periods SET closed_at = now(), closed_by = 'Anna' WHERE period = 202604")
	l.tie(202604)
	l.settle(models.RunRequest{Period: 202604, Accept: true, Full: true})
	if got := l.dump("SELECT invoice_id, sum(amount_minor) AS amount FROM adjustments WHERE period = 202604 GROUP BY 1 HAVING sum(amount_minor) <> 0"); got != desired {
		t.Errorf("after shadow mode the ledger holds\n%s\nthe facts give\n%s", got, desired)
	}
	l.tie(202604)
}
