package store_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

var adjustment885, package885 = billing.AdjustmentID(202604, "INV-2026-04-885", 1), billing.PackageID(885, 1200, 1)

// rejectedMonth is an April that was settled and published, of which billing has
// rejected a document and a package.
func rejectedMonth(t *testing.T) *life {
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	l.publishAll()
	l.answer(adjustment885, models.ResultRejected)
	l.answer(package885, models.ResultRejected)
	return l
}

// publishAll marks what waits as published, in its order.
func (l *life) publishAll() (refs []models.ChunkRef) {
	l.Helper()
	refs, err := l.UnpublishedChunks(l.Context(), 1000)
	if err != nil {
		l.Fatal(err)
	}
	for _, ref := range refs {
		if err := l.MarkPublished(l.Context(), ref, l.now); err != nil {
			l.Fatal(err)
		}
	}
	return refs
}

func (l *life) answer(id models.UUID, status models.ResultStatus) {
	l.Helper()
	l.now = l.now.Add(time.Hour)
	l.facts(models.Result{AdjustmentID: id, AccountID: 885, Status: status, Reason: "the invoice is closed", At: l.now})
}

func (l *life) resend(id models.UUID) (models.LedgerDocument, bool, error) {
	return l.Resend(l.Context(), id, models.OperatorAction{Who: "Anna", What: models.ActionResend, Subject: id.String(), Reason: "it is open again"}, billing.MayResend)
}

func (l *life) writeOff(id models.UUID) (models.LedgerDocument, bool, error) {
	return l.WriteOff(l.Context(), id, models.OperatorAction{Who: "Boris", What: models.ActionWriteOff, Subject: id.String(), Reason: "paid in cash"}, billing.MayWriteOff)
}

func (l *life) chunk(ref models.ChunkRef) models.ChunkDocuments {
	l.Helper()
	docs, err := l.LoadChunk(l.Context(), ref)
	if err != nil {
		l.Fatal(err)
	}
	return docs
}

// A document that is sent again is the very one that was posted, and lies behind
// what was posted before and before what is posted later.
func TestResending(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	var posted models.ChunkDocuments
	for n := range l.number("SELECT count(*) FROM run_chunks") {
		whole := l.chunk(models.ChunkRef{RunID: 1, Chunk: int(n)})
		if i := slices.IndexFunc(whole.Adjustments, func(a models.Adjustment) bool { return a.ID == adjustment885 }); i >= 0 {
			posted = models.ChunkDocuments{PostedAt: whole.PostedAt, Adjustments: whole.Adjustments[i : i+1], Packages: whole.Packages}
		}
	}
	if len(posted.Packages) != 1 || posted.Packages[0].ID != package885 {
		t.Fatalf("posted %+v", posted)
	}
	ledger := l.dump("SELECT * FROM adjustments") + l.dump("SELECT * FROM adjustment_items") + l.dump("SELECT * FROM sms_packages")

	d, found, err := l.resend(adjustment885)
	if err != nil || !found || d.AccountID != 885 || d.InvoiceID != "INV-2026-04-885" || d.Amount != posted.Adjustments[0].Amount {
		t.Fatalf("%+v, found %v, %v", d, found, err)
	}
	if _, _, err := l.resend(package885); err != nil {
		t.Fatal(err)
	}
	l.facts(april(885, 2, 1000))
	l.settle(models.RunRequest{Period: 202604})
	documents, _, _, oldest, err := l.Backlog(t.Context())
	if err != nil || documents < 3 || oldest.IsZero() {
		t.Errorf("%d documents wait since %s, %v", documents, oldest, err)
	}
	refs, err := l.UnpublishedChunks(t.Context(), 10)
	if err != nil || len(refs) < 3 || refs[0].Resend == 0 || refs[1].Resend <= refs[0].Resend || refs[2].RunID != 2 {
		t.Fatalf("%+v, %v", refs, err)
	}
	for range 2 { // as long as it is not marked, it is there
		got := l.chunk(refs[0])
		if !reflect.DeepEqual(got.Adjustments, posted.Adjustments) || !got.PostedAt.Equal(posted.PostedAt) || len(got.Packages) != 0 {
			t.Errorf("sent again\n%+v, posted\n%+v", got, posted)
		}
	}
	if got := l.chunk(refs[1]); !reflect.DeepEqual(got.Packages, posted.Packages) || len(got.Adjustments) != 0 {
		t.Errorf("sent again\n%+v, posted\n%+v", got, posted)
	}
	var refusal billing.Refusal
	if _, _, err := l.resend(adjustment885); !errors.As(err, &refusal) {
		t.Errorf("sent again while it waits: %v", err)
	}
	l.publishAll()
	if now := l.dump("SELECT * FROM adjustments WHERE (invoice_id, sequence) <> ('INV-2026-04-885', 2)") +
		l.dump("SELECT * FROM adjustment_items WHERE (invoice_id, sequence) <> ('INV-2026-04-885', 2)") + l.dump("SELECT * FROM sms_packages"); now != ledger {
		t.Errorf("the ledger was\n%s\nand is\n%s", ledger, now)
	}
	l.answer(adjustment885, models.ResultApplied)
	if _, _, err := l.resend(adjustment885); !errors.As(err, &refusal) {
		t.Errorf("sent again after it was applied: %v", err)
	}
	acts, err := l.Actions(t.Context(), adjustment885.String())
	if err != nil || len(acts) != 1 || acts[0].Who != "Anna" || acts[0].Reason != "it is open again" {
		t.Errorf("recorded %+v, %v", acts, err)
	}
}

// What is decided is seen by the audit, the dossier and the page of the account.
func TestWritingOff(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	if b := l.breaks(202604); len(b) != 2 || b[0].Kind != billing.BreakRejected {
		t.Fatalf("%+v", b)
	}
	for _, id := range []models.UUID{adjustment885, package885} {
		if d, found, err := l.writeOff(id); err != nil || !found || d.AccountID != 885 {
			t.Fatalf("%+v, found %v, %v", d, found, err)
		}
	}
	if b := l.breaks(202604); len(b) != 0 {
		t.Errorf("after the write-off there are breaks %+v", b)
	}
	var refusal billing.Refusal
	for _, decide := range []func(models.UUID) (models.LedgerDocument, bool, error){l.writeOff, l.resend} {
		if _, _, err := decide(adjustment885); !errors.As(err, &refusal) {
			t.Errorf("decided twice: %v", err)
		}
	}
	c, _, err := l.AccountHistory(t.Context(), 885)
	if err != nil || len(c.Packages) != 1 || c.Packages[0].WriteOff == nil || c.Packages[0].WriteOff.By != "Boris" || c.Packages[0].WriteOff.Reason != "paid in cash" {
		t.Errorf("%+v, %v", c.Packages, err)
	}
	l.answer(adjustment885, models.ResultApplied)
	if b := l.breaks(202604); len(b) != 1 || b[0].Kind != billing.BreakPaidWrittenOff || b[0].DocumentID != adjustment885 {
		t.Errorf("billing has booked it after all: %+v", b)
	}
}

func TestOnlyWhatBillingRejectedIsDecided(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	var refusal billing.Refusal
	both := []func(models.UUID) (models.LedgerDocument, bool, error){l.resend, l.writeOff}
	refused := func(what string) {
		t.Helper()
		for _, decide := range both {
			if _, _, err := decide(adjustment885); !errors.As(err, &refusal) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	refused("not published")
	l.publishAll()
	refused("not answered")
	l.answer(adjustment885, models.ResultApplied)
	refused("applied")
	for _, decide := range both {
		if _, found, err := decide(billing.AdjustmentID(202604, "INV-OF-NOBODY", 1)); found || err != nil {
			t.Errorf("a document that there is not: found %v, %v", found, err)
		}
	}
	if n := l.number("SELECT (SELECT count(*) FROM document_resends) + (SELECT count(*) FROM document_write_offs) + (SELECT count(*) FROM operator_actions)"); n != 0 {
		t.Errorf("refusals have left %d rows", n)
	}
}

// Of two who decide at one moment, one is refused.
func TestTwoDecideAtOnce(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	errs := make([]error, 8)
	together(t, len(errs), func(i int) error {
		decide := l.resend
		if i%2 == 0 {
			decide = l.writeOff
		}
		_, _, errs[i] = decide(adjustment885)
		return nil
	})
	done := 0
	for _, err := range errs {
		var refusal billing.Refusal
		switch {
		case err == nil:
			done++
		case !errors.As(err, &refusal):
			t.Error(err)
		}
	}
	if n := l.number("SELECT (SELECT count(*) FROM document_resends) + (SELECT count(*) FROM document_write_offs)"); done != 1 || n != 1 {
		t.Errorf("%d decisions were taken, %d rows", done, n)
	}
}

// The main page tells of a package what was decided about it.
func TestThePageKnowsWhatWasDecidedAboutAPackage(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	state := func() billing.PackageState {
		t.Helper()
		c, _, _, err := l.PortalAccount(t.Context(), 885)
		if err != nil {
			t.Fatal(err)
		}
		return l.p.PortalView(&c, 20600).Packages[0].State
	}
	want := func(want billing.PackageState) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
	want(billing.PackageRejected)
	if _, _, err := l.resend(package885); err != nil {
		t.Fatal(err)
	}
	want(billing.PackageOrdered)
	l.publishAll()
	l.answer(package885, models.ResultRejected)
	want(billing.PackageRejected)
	if _, _, err := l.writeOff(package885); err != nil {
		t.Fatal(err)
	}
	want(billing.PackageWrittenOff)
	l.answer(package885, models.ResultApplied)
	want(billing.PackageCredited)
}
