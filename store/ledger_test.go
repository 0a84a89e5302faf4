package store_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"referral/models"
	"referral/store"
)

// What a chunk posted comes back as the rules made it, down to the segments, and
// chunks come in the order of the runs.
func TestChunksRoundTrip(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	made := map[models.UUID]string{}
	record := func(r models.Run, c *models.SettlementInput) models.SettlementResult {
		o := l.pay(r, c)
		for _, a := range o.Adjustments {
			slices.SortFunc(a.Items, func(x, y models.AdjustmentItem) int { return len(x.LineID) - len(y.LineID) })
			made[a.ID] = fmt.Sprintf("%+v", a)
		}
		for _, p := range o.Packages {
			made[p.ID] = fmt.Sprintf("%+v", p)
		}
		return o
	}
	for _, p := range []models.Period{202604, 202605} {
		l.finish(l.start(models.RunRequest{Period: p, Chunk: 2}), record)
	}
	l.facts(models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-10T21:00:00Z")})
	l.finish(l.start(models.RunRequest{Period: 202604, Chunk: 2}), record)

	refs, err := l.UnpublishedChunks(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(refs, func(a, b models.ChunkRef) int {
		return slices.Compare([]int64{a.RunID, int64(a.Chunk)}, []int64{b.RunID, int64(b.Chunk)})
	}) {
		t.Errorf("the chunks come as %v", refs)
	}
	sequence := map[string]int{}
	for _, ref := range refs {
		doc, err := l.LoadChunk(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if len(doc.Adjustments)+len(doc.Packages) == 0 || doc.Ref != ref || doc.PostedAt.IsZero() {
			t.Errorf("chunk %v came back as %+v", ref, doc)
		}
		for _, a := range doc.Adjustments {
			if got := fmt.Sprintf("%+v", a); got != made[a.ID] {
				t.Errorf("a document came back as\n%s\nmade as\n%s", got, made[a.ID])
			}
			if a.Sequence != sequence[a.InvoiceID]+1 {
				t.Errorf("document %d of %s comes after %d", a.Sequence, a.InvoiceID, sequence[a.InvoiceID])
			}
			sequence[a.InvoiceID] = a.Sequence
			delete(made, a.ID)
		}
		for _, p := range doc.Packages {
			if got := fmt.Sprintf("%+v", p); got != made[p.ID] {
				t.Errorf("a package came back as\n%s\nmade as\n%s", got, made[p.ID])
			}
			delete(made, p.ID)
		}
	}
	if len(made) > 0 {
		t.Errorf("never to be published: %v", made)
	}
	l.publish(refs)
}

// Two months' runs at once, and an invoice that moves from the one posted first to
// the one started first: its documents leave in the order of their sequence all
// the same.
func TestChunksOfConcurrentRunsKeepTheOrder(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900)
	bill := of(202605, april(885, 1, 300000))
	l.facts(bill)
	first := l.phase(l.start(models.RunRequest{Period: 202604}), l.pay)
	l.settle(models.RunRequest{Period: 202605})
	l.facts(moved(bill, 202604, 200000))
	l.finish(first, l.pay)
	l.calm()
	l.tie(202604, 202605)

	if last := l.leaving()[bill.ID]; last != 2 {
		t.Errorf("%s has %d documents", bill.ID, last)
	}
}

// Days that somebody has made unreadable damage their own document only.
func TestDamagedDays(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	for id := range int64(3) {
		l.facts(registered(885+id, "2025-06-01T09:00:00Z"), registered(900+id, "2026-04-01T08:00:00Z"), activated(900+id, 885+id, "2026-04-05T09:00:00Z"),
			billOf(885+id, fmt.Sprint("INV", id), 202604))
	}
	l.settle(models.RunRequest{Period: 202604})
	l.behindTriggers("UPDATE adjustments SET items = items || ' 9999-12-31/10000-01-01@20+0' WHERE account_id = 886")
	refs, err := l.UnpublishedChunks(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[int64]bool{}
	for _, ref := range refs {
		docs, err := l.LoadChunk(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range docs.Adjustments {
			damaged[a.AccountID] = a.Damage != nil
			if (a.Items[0].Segments == nil) != (a.Damage != nil) {
				t.Errorf("%d: days %v, damage %v", a.AccountID, a.Items[0].Segments, a.Damage)
			}
		}
	}
	if fmt.Sprint(damaged) != "map[885:false 886:true 887:false]" {
		t.Errorf("damaged are %v", damaged)
	}
}

// leaving is how many documents of each invoice wait to be published; each must
// come after the one before it.
func (l *life) leaving() map[string]int {
	l.Helper()
	refs, err := l.UnpublishedChunks(l.Context(), 100_000)
	if err != nil {
		l.Fatal(err)
	}
	last := map[string]int{}
	for _, ref := range refs {
		docs, err := l.LoadChunk(l.Context(), ref)
		if err != nil {
			l.Fatal(err)
		}
		for _, a := range docs.Adjustments {
			if a.Sequence != last[a.InvoiceID]+1 {
				l.Errorf("document %d of %s would be published after %d", a.Sequence, a.InvoiceID, last[a.InvoiceID])
			}
			last[a.InvoiceID] = a.Sequence
		}
	}
	return last
}

// publish marks chunks one by one and looks at what is left.
func (l *life) publish(refs []models.ChunkRef) {
	l.Helper()
	for i := range refs {
		documents, _, _, oldest, err := l.Backlog(l.Context())
		if err != nil || documents == 0 || oldest.IsZero() {
			l.Errorf("with %d chunks left, the backlog is %d since %s, %v", len(refs)-i, documents, oldest, err)
		}
		if err := l.MarkPublished(l.Context(), refs[i], l.now); err != nil {
			l.Fatal(err)
		}
		left, err := l.UnpublishedChunks(l.Context(), 1)
		if err != nil || i+1 < len(refs) && (len(left) != 1 || left[0] != refs[i+1]) || i+1 == len(refs) && len(left) != 0 {
			l.Errorf("after %v comes %v, %v", refs[i], left, err)
		}
	}
	if documents, _, _, _, err := l.Backlog(l.Context()); err != nil || documents != 0 {
		l.Errorf("with everything out, the backlog is %d, %v", documents, err)
	}
}

// A chunk that posted nothing is nothing to publish.
func TestEmptyChunksAreNotPublished(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	before, err := l.UnpublishedChunks(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	l.settle(models.RunRequest{Period: 202604, Full: true})
	if after, err := l.UnpublishedChunks(t.Context(), 1000); err != nil || !slices.Equal(before, after) {
		t.Errorf("%v became %v, %v", before, after, err)
	}
}

// OutboxEvents leave in the order in which an account's things happened, and
// those that are dropped do not come back.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900, 901)
	l.facts(activated(901, 885, "2026-04-02T09:00:00Z"), models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-14T21:00:00Z")})
	list, err := l.OutboxEvents(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	story := map[int64][]models.OutboxEventType{}
	for i, a := range list {
		story[a.AccountID] = append(story[a.AccountID], a.Type)
		if i > 0 && list[i-1].Seq >= a.Seq || a.ID == (models.UUID{}) || !a.At.Equal(l.now) {
			t.Errorf("out of order or without a name: %+v", a)
		}
	}
	for id, want := range map[int64][]models.OutboxEventType{
		885: {models.CodeIssued, models.DiscountChanged, models.DiscountChanged},
		900: {models.CodeIssued, models.Activated, models.DiscountChanged, models.DiscountChanged},
		901: {models.CodeIssued, models.Activated, models.DiscountChanged, models.Refused},
	} {
		if !slices.Equal(story[id], want) {
			t.Errorf("account %d was told %v, want %v", id, story[id], want)
		}
	}
	last := list[len(list)-1].Data
	if got := fmt.Sprintf("%v %v %v %v", last["account_id"], last["starts_on"], last["ends_on"], last["percent"]); got != "900 2026-04-15 2026-07-15 20" {
		t.Errorf("the last one says %s", got)
	}
	for n := len(list); n > 0; n-- {
		if _, events, _, _, err := l.Backlog(t.Context()); err != nil || events != int64(n) {
			t.Errorf("the backlog is %d, %v; want %d", events, err, n)
		}
		next, err := l.OutboxEvents(t.Context(), 1)
		if err != nil || len(next) != 1 || next[0].Seq != list[len(list)-n].Seq {
			t.Fatalf("next comes %v, %v", next, err)
		}
		if err := l.DropOutboxEvents(t.Context(), []int64{next[0].Seq}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.DropOutboxEvents(t.Context(), nil); err != nil {
		t.Errorf("dropping none: %v", err)
	}
}

// Two batches about one inviter, taken at once: what the inviter is told is in
// the order in which it came about.
func TestAnnouncementsOfOneAccountKeepTheirOrder(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(885, "2025-06-01T09:00:00Z"))
	together(t, 12, func(i int) error {
		id := int64(900 + i)
		_, err := l.Ingest(t.Context(), l.deliveries(registered(id, "2026-04-01T08:00:00Z"), activated(id, 885, "2026-04-01T09:00:00Z")), l.derive)
		return err
	})
	list, err := l.OutboxEvents(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	step := "0"
	for _, a := range list {
		if a.AccountID != 885 || a.Type != models.DiscountChanged {
			continue
		}
		next := fmt.Sprint(a.Data["step"])
		if next < step {
			t.Errorf("step %s is told after step %s", next, step)
		}
		step = next
	}
	if step != "5" {
		t.Errorf("the last word is step %s", step)
	}
}

// One publisher leads; the next may when it has stepped back, or when the database
// has lost sight of it, and then the first one's context has ended.
func TestLead(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	other := l.another()
	ctx, release, ok, err := l.Lead(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, _, ok, err := other.Lead(t.Context()); ok || err != nil {
		t.Errorf("the second one leads too: %t, %v", ok, err)
	}
	if _, _, ok, err := l.Lead(t.Context()); ok || err != nil {
		t.Errorf("the first one leads twice: %t, %v", ok, err)
	}
	release()
	if ctx.Err() == nil {
		t.Error("stepping back did not end the leadership")
	}
	ctx, release, ok, err = other.Lead(t.Context())
	if err != nil || !ok {
		t.Fatalf("after the first one stepped back: %t, %v", ok, err)
	}
	l.exec("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	<-ctx.Done()
	release()
	if _, release, ok, err = l.Lead(t.Context()); err != nil || !ok {
		t.Fatalf("after the second one was lost: %t, %v", ok, err)
	}
	release()
}

// A database that falls silent, and may have let another one lead, ends the
// leadership too. The server does not wait for a word from the first one for long.
func TestLeadEndsInSilence(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	dsn, silence := silenced(t, l.dsn)
	ctx, release, ok, err := open(t, dsn).Lead(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	silence()
	<-ctx.Done()
	release()
	for _, release, ok, err = l.Lead(t.Context()); !ok; _, release, ok, err = l.Lead(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	release()
}

// A transaction whose program has been paused, or whose machine is cut off, is ended
// by the server, and its locks with it.
func TestAbandonedTransactionIsEnded(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	s, err := store.Open(store.Options{DSN: l.dsn, MaxConnections: 4, StatementTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // its connections are of no use any more
	err = s.LockDeadLetters(t.Context(), func() {
		l.exec(`DO $$ BEGIN PERFORM set_config('lock_timeout', '1min', true); TRUNCATE dead_letters; END $$`)
	})
	if err == nil {
		t.Error("a transaction was committed whose session the server had to end")
	}
}

// silenced is another way to a database, which can be made to carry nothing any
// more without ending its connections.
func silenced(t *testing.T, dsn string) (way string, silence func()) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	silent := make(chan struct{})
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = near.Close() })
			far, err := net.Dial("tcp", server)
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = far.Close() })
			go carry(near, far, silent)
			go carry(far, near, silent)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String(), func() { close(silent) }
}

// carry hands on what it reads until there is to be silence.
func carry(to io.Writer, from net.Conn, silent <-chan struct{}) {
	defer from.Close() //nolint:errcheck // a connection that is done with
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		select {
		case <-silent:
			if err == nil {
				continue
			}
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Leading leaves no goroutine behind, however it ends.
func TestLeadLeavesNothingBehind(t *testing.T) {
	l := newLife(t)
	ignore := goleak.IgnoreCurrent()
	for range 3 {
		_, release, ok, err := l.Lead(t.Context())
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		release()
	}
	goleak.VerifyNone(t, ignore)
}

// The oldest of what waits is what counts.
func TestBacklogTellsTheOldest(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	if documents, events, asides, oldest, err := l.Backlog(t.Context()); documents+events+asides != 0 || !oldest.IsZero() || err != nil {
		t.Errorf("an empty database has a backlog: %d, %d, %d, %s, %v", documents, events, asides, oldest, err)
	}
	l.take(models.DecodedMessage{Message: models.Message{At: l.now}, Err: &models.InputError{Reason: models.BadUnreadable}})
	first := l.now
	l.now = first.Add(time.Hour)
	l.climb()
	run := l.settle(models.RunRequest{Period: 202604})
	documents, events, asides, oldest, err := l.Backlog(t.Context())
	if err != nil || documents != run.Totals.Documents+run.Totals.Packages || events == 0 || asides != 1 || !oldest.Equal(first) {
		t.Errorf("the backlog is %d, %d, %d since %s, %v", documents, events, asides, oldest, err)
	}
	if err := l.MarkDeadLettersPublished(t.Context(), []int64{l.asides()[0].ID}, l.now); err != nil {
		t.Fatal(err)
	}
	if _, _, asides, oldest, err = l.Backlog(t.Context()); err != nil || asides != 0 || !oldest.Equal(l.now) {
		t.Errorf("without the message set aside: %d since %s, %v", asides, oldest, err)
	}
}
