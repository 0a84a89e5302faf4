package store_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"referral/billing"
	"referral/models"
)

// takenBack is the ledger as it must be after a recovery: without its runs and chunks.
const takenBack = `SELECT account_id, invoice_id, sequence, adjustment_id, storage_period, period, posting_period, invoice_revision, currency, reason, amount_minor, items, posted_at FROM adjustments`

const packagesTakenBack = "SELECT account_id, sms, ordinal, package_id, granted_on, period, posting_period, invoice_id, step, posted_at FROM sms_packages"

// published is what waits to be published, as its messages tell it: of the days of a discount
// they have the percent alone.
func (l *life) published() (all []models.Published) {
	l.Helper()
	refs, err := l.UnpublishedChunks(l.Context(), 1000)
	if err != nil {
		l.Fatal(err)
	}
	for _, ref := range refs {
		docs := l.chunk(ref)
		for _, a := range docs.Adjustments {
			for i := range a.Items {
				a.Items[i].Segments = slices.Clone(a.Items[i].Segments)
				for j, s := range a.Items[i].Segments {
					a.Items[i].Segments[j] = models.Segment{From: s.From, To: s.To, Inviter: s.Percent()}
				}
			}
			all = append(all, models.Published{At: docs.PostedAt, Adjustment: &a})
		}
		for _, p := range docs.Packages {
			p.PostingPeriod = 0
			all = append(all, models.Published{At: docs.PostedAt, Package: &p})
		}
	}
	return all
}

// restored deletes what was posted after a run, as a database that was restored to that moment
// does not have it.
func (l *life) restored(run models.Run) {
	l.Helper()
	for _, table := range []string{"adjustments", "sms_packages", "run_chunks", "runs"} {
		l.behindTriggers(fmt.Sprintf("DELETE FROM %s WHERE run_id > %d", table, run.ID))
	}
	l.exec("UPDATE periods SET settled_at = NULL WHERE period <> $1", run.Period)
}

func (l *life) recoverDocuments(all []models.Published) models.TakenDocuments {
	l.Helper()
	taken, err := l.RecoverDocuments(l.Context(), "recovery", all, billing.AttributeDays)
	if err != nil {
		l.Fatal(err)
	}
	return taken
}

// A ledger that was restored to an earlier moment gets back what had been published since, as
// it was. It ties, and no run has anything to post.
func TestPublishedDocumentsAreTakenBack(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	first := l.settle(models.RunRequest{Period: 202604, Chunk: 3})
	l.publishAll()
	l.settle(models.RunRequest{Period: 202605, Chunk: 3})
	l.inviter(700, 712) // the third friend
	for _, end := range []models.PromoEnded{{AccountID: 901, EndedAt: at("2026-04-10T21:00:00Z")}, {AccountID: 902, EndedAt: at("2026-04-11T21:00:00Z")}} {
		l.facts(end)
		l.calm()
	}
	all, documents, packages := l.published(), l.dump(takenBack), l.dump(packagesTakenBack)
	l.restored(first)
	l.exec("INSERT INTO runs (period, posting_period, kind, state, started_at) VALUES (202605, 202605, 'regular', 'braked', now())")

	half := len(all) / 2
	taken := l.recoverDocuments(all[:half])
	rest := l.recoverDocuments(all) // the first half has come twice
	if n := taken.Documents + taken.Packages + rest.Documents + rest.Packages; n != int64(len(all)) || rest.Packages == 0 || len(taken.Untaken)+len(rest.Untaken) > 0 {
		t.Errorf("taken %+v and %+v of %d", taken, rest, len(all))
	}
	if got := l.dump(takenBack); got != documents {
		t.Errorf("the documents are\n%s\nwere\n%s", got, documents)
	}
	if got := l.dump(packagesTakenBack); got != packages {
		t.Errorf("the packages are\n%s\nwere\n%s", got, packages)
	}
	if n := l.number("SELECT count(*) FROM runs WHERE state = 'braked'"); n > 0 {
		t.Error("a run still waits for a person, although the ledger has changed since it was rehearsed")
	}
	if n := l.number("SELECT count(*) FROM runs WHERE slot LIKE 'recovery %'"); n != 2 {
		t.Errorf("%d runs for two months", n)
	}
	l.tie(202604, 202605)
	for _, p := range []models.Period{202604, 202605} {
		if run := l.settle(models.RunRequest{Period: p, Full: true}); run.Totals.Documents+run.Totals.Packages > 0 {
			t.Errorf("%s: %+v is posted again", p, run.Totals)
		}
	}
	l.tie(202604, 202605)
	if refs := l.publishAll(); len(refs) > 0 {
		t.Errorf("published again: %v", refs)
	}
}

// A document is not taken without those before it, without its invoice, in the place of
// another one, or when its amounts do not add up.
func TestWhatCannotBeTakenBackIsNamed(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604, Chunk: 100})
	l.facts(april(885, 2, 500000))
	l.calm()
	all := l.published()
	at := func(sequence int) models.Adjustment {
		i := slices.IndexFunc(all, func(p models.Published) bool {
			return p.Adjustment != nil && p.Adjustment.AccountID == 885 && p.Adjustment.Period == 202604 && p.Adjustment.Sequence == sequence
		})
		doc := *all[i].Adjustment
		doc.Items = slices.Clone(doc.Items)
		return doc
	}
	one, two := at(1), at(2)
	other := at(1)
	other.Items[0].Amount, other.Amount = other.Items[0].Amount-1, other.Amount-1
	wrong := at(1)
	wrong.Amount--
	stranger := at(1)
	stranger.InvoiceID = "INV-of-nobody"
	documents := l.dump(takenBack)
	for _, c := range []struct {
		doc  models.Adjustment
		want string
	}{
		{two, "document 1 of the invoice is missing"}, {wrong, "document 1 says"}, {stranger, "the invoice is not known"},
	} {
		m := newLife(t)
		m.climb()
		m.facts(april(885, 2, 500000))
		taken := m.recoverDocuments([]models.Published{{At: m.now, Adjustment: &c.doc}})
		if len(taken.Untaken) != 1 || !strings.Contains(taken.Untaken[0].Reason, c.want) || taken.Documents > 0 {
			t.Errorf("taken %+v, want %q", taken, c.want)
		}
		if n := m.number("SELECT count(*) FROM adjustments"); n > 0 {
			t.Errorf("%q: %d documents are in the ledger", c.want, n)
		}
		if taken := m.recoverDocuments([]models.Published{{At: m.now, Adjustment: &one}, {At: m.now, Adjustment: &two}}); taken.Documents != 2 {
			t.Errorf("in order: %+v", taken)
		}
	}
	m := newLife(t)
	m.climb()
	m.settle(models.RunRequest{Period: 202604, Shadow: true, Chunk: 100})
	published := []models.Published{{At: m.now, Adjustment: &two}, {At: m.now, Package: &models.SMSPackage{ID: models.UUID{1}, AccountID: 700, SMS: 1200, Ordinal: 9, Period: 202604}}}
	if taken := m.recoverDocuments(published); taken.Documents+taken.Packages > 0 || len(taken.Untaken) != 2 || !strings.Contains(taken.Untaken[1].Reason, "shadow mode") {
		t.Errorf("in shadow mode: %+v", taken)
	}

	taken := l.recoverDocuments([]models.Published{{At: l.now, Adjustment: &other}, {At: l.now, Adjustment: &one}})
	if len(taken.Untaken) != 1 || !strings.Contains(taken.Untaken[0].Reason, "another document") || taken.Documents > 0 || l.dump(takenBack) != documents {
		t.Errorf("%+v is taken in the place of another document", taken)
	}
}

// What billing has booked and the ledger does not hold is told, unless billing has cancelled it
// since.
func TestBookedNotPosted(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604, Chunk: 100})
	var booked []models.UUID
	for _, p := range l.published() {
		booked = append(booked, p.ID())
		l.answer(p.ID(), models.ResultApplied)
	}
	told := func() (ids []models.UUID) {
		all, err := l.BookedNotPosted(l.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			ids = append(ids, r.AdjustmentID)
		}
		return ids
	}
	if ids := told(); len(ids) > 0 {
		t.Errorf("%v are in the ledger", ids)
	}
	l.restored(models.Run{Period: 202604})
	byID := func(a, b models.UUID) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(booked, byID)
	if ids := told(); len(booked) < 2 || !slices.Equal(ids, booked) {
		t.Errorf("%v are told, want %v", ids, booked)
	}
	l.answer(booked[0], models.ResultRejected)
	if ids := told(); !slices.Equal(ids, booked[1:]) {
		t.Errorf("%v are told, want %v", ids, booked[1:])
	}
}

// What an account was given and is not owed any more is taken back by the next run, also where
// the restored ledger does not know that the month was run: nothing else has the run look at
// an account without a discount.
func TestWhatIsTakenBackIsSettledAgain(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604, Chunk: 100})
	all := l.published()
	isOf := func(account int64) func(models.Published) bool {
		return func(p models.Published) bool {
			return p.Adjustment != nil && p.Adjustment.AccountID == account && p.Adjustment.Period == 202604
		}
	}
	doc := *all[slices.IndexFunc(all, isOf(885))].Adjustment
	for _, settled := range []bool{false, true} {
		m := newLife(t)
		m.facts(registered(885, "2025-06-01T09:00:00Z"), invoice(885, 202604, 1, 300000, 1001))
		if settled {
			m.settle(models.RunRequest{Period: 202604})
		}
		if taken := m.recoverDocuments([]models.Published{{At: m.now, Adjustment: &doc}}); taken.Documents != 1 {
			t.Fatalf("taken %+v", taken)
		}
		if run := m.settle(models.RunRequest{Period: 202604}); run.Totals.Amount != -doc.Amount {
			t.Errorf("settled %t: the run came to %+v, want %s", settled, run.Totals, -doc.Amount)
		}
		m.tie(202604)
	}
}
