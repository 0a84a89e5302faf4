package store_test

import (
	"slices"
	"strings"
	"testing"

	"referral/billing"
	"referral/models"
	"referral/test/citus"
)

// behindTriggers changes the ledger as only a superuser can, on all nodes of a cluster.
func (l *life) behindTriggers(statements ...string) {
	l.Helper()
	l.inOne(citus.BehindTriggers(statements...)...)
}

// inOne executes statements in one transaction.
func (l *life) inOne(statements ...string) {
	l.Helper()
	tx, err := l.db.BeginTx(l.Context(), nil)
	if err != nil {
		l.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := tx.Exec(statement); err != nil {
			l.Fatalf("%s: %v", statement, err)
		}
	}
	if err := tx.Commit(); err != nil {
		l.Fatal(err)
	}
}

// A chunk shows what its run has posted beside what the ledger holds, so that what
// is missing is seen; and the reconciliation names it as long as it is not published.
func TestMissingRowsOfAChunkAreSeen(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"document": "DELETE FROM adjustments WHERE account_id = 885",
		"package":  "DELETE FROM sms_packages WHERE account_id = 885",
	} {
		l := newLife(t)
		l.climb()
		l.settle(models.RunRequest{Period: 202604, Chunk: 100})
		refs, err := l.UnpublishedChunks(t.Context(), 10)
		if err != nil || len(refs) != 1 {
			t.Fatalf("%v, %v", refs, err)
		}
		docs, err := l.LoadChunk(t.Context(), refs[0])
		if err != nil || docs.Size() != docs.Posted || docs.From > 885 || docs.To < 885 {
			t.Fatalf("%s: %+v is there of %+v, accounts %d to %d, %v", name, docs.Size(), docs.Posted, docs.From, docs.To, err)
		}
		if named := l.incomplete(); named != "" {
			t.Errorf("%s: named although it is whole: %s", name, named)
		}
		l.behindTriggers(statement)
		docs, err = l.LoadChunk(t.Context(), refs[0])
		if err != nil || !docs.Size().Lacks(docs.Posted) {
			t.Errorf("%s: %+v is there of %+v, %v", name, docs.Size(), docs.Posted, err)
		}
		if named := l.incomplete(); !strings.Contains(named, "chunk 1 posted "+docs.Posted.String()+"; the ledger shows "+docs.Size().String()) {
			t.Errorf("%s: named as %q", name, named)
		}
	}
}

// incomplete is what the reconciliation of April says of chunks.
func (l *life) incomplete() string {
	breaks := l.breaks(202604)
	at := slices.IndexFunc(breaks, func(b billing.Break) bool { return b.Kind == billing.BreakIncomplete })
	if at < 0 {
		return ""
	}
	return breaks[at].Detail
}

// What was rehearsed here is not posted under the totals of another rehearsal: the
// totals of a posted chunk are those of its documents.
func TestTotalsAreThoseOfWhatIsPosted(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	run := l.phase(l.start(models.RunRequest{Period: 202604, Chunk: 100}), l.pay)
	// Another process has rehearsed it too, and could not settle one of the accounts.
	l.exec("UPDATE run_chunks SET documents = documents - 1, items = items - 1, parked = 1")
	l.finish(run, l.pay)
	l.halves()
	refs, err := l.UnpublishedChunks(t.Context(), 10)
	if err != nil || len(refs) != 1 {
		t.Fatalf("%v, %v", refs, err)
	}
	if docs, err := l.LoadChunk(t.Context(), refs[0]); err != nil || docs.Size() != docs.Posted {
		t.Errorf("%+v is there, the run has noted %+v, %v", docs.Size(), docs.Posted, err)
	}
}
