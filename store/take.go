package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"referral/models"
)

// Locks shared by all processes on one database. The gate is what keeps a fact
// from slipping between a batch and the start of a run: a batch passes it
// shared, a run's start exclusively. So a fact is either visible to every chunk
// of the run or knows that the period has started, and marks what it touches.
const (
	lockGate      = 0x7265660001
	lockPublisher = 0x7265660002
)

// Derive says what facts do to the accounts that they may touch.
type Derive = func(*models.WorkingSet, []*models.Fact) models.Changes

// Take stores a batch of deliveries in one transaction and says what became of
// each: facts are applied once, a repeat changes nothing, and what cannot be
// taken is set aside with its reason. On an error nothing has happened, or (at a
// commit whose answer was lost) all of it: taking the batch again is right in
// either case.
func (s *Store) Take(ctx context.Context, batch []models.Delivery, derive Derive) ([]models.Disposition, error) {
	var fate []models.Disposition
	alone := false
	err := s.write(ctx, func(tx *tx) error {
		b := &intake{tx: tx, batch: batch, fate: make([]models.Disposition, len(batch)), faults: map[int]models.Fault{}, alone: alone}
		fate = b.fate
		err := b.take(ctx, derive)
		alone = alone || errors.Is(err, errAlone)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("taking a batch of %d messages: %w", len(batch), err)
	}
	return fate, nil
}

// intake is one batch on its way in.
type intake struct {
	*tx
	batch  []models.Delivery
	fate   []models.Disposition
	faults map[int]models.Fault
	byKey  []keyed // the facts, in the order of their events' keys
	known  lookups
	fresh  []int         // indexes of facts not taken before
	again  map[int]int64 // dead letters that were put back, by index
	marks  map[mark]bool
	alone  bool // no other batch is on its way in
	out    *takeRows
	last   *roundTrip // what is written at the end, in one round trip

	revisedWithin bool // an invoice comes more than once in the batch
}

// takeRows is the rows that a batch brings to the tables that grow with every
// message. Their room is used again: a batch of invoices fills a megabyte.
type takeRows struct{ inbox, invoices, lines rows }

var takeRoom = sync.Pool{New: func() any { return new(takeRows) }}

// giveBack keeps the room for another batch, unless this one was out of the
// ordinary. What was being sent when something failed is not given back.
func (r *takeRows) giveBack() {
	const ordinary = 4 << 20
	for _, table := range []*rows{&r.inbox, &r.invoices, &r.lines} {
		if cap(table.buf) > ordinary {
			table.buf = nil
		}
		table.buf, table.count = table.buf[:0], 0
	}
	takeRoom.Put(r)
}

// mark is an account to settle again in a period.
type mark struct {
	period  models.Period
	account int64
}

func (b *intake) take(ctx context.Context, derive Derive) error {
	b.marks = map[mark]bool{}
	b.out = takeRoom.Get().(*takeRows)
	b.last = b.roundTrip()
	b.sortOutFaults()
	b.sortByKey()
	if err := b.passGate(ctx); err != nil {
		return err
	}
	b.sortOutRepeats()
	for _, step := range []func(context.Context) error{
		b.takeInvoices,
		b.takeResults,
		func(ctx context.Context) error { return b.takeAccountFacts(ctx, derive) },
		b.writeInbox,
		b.writeMarks,
		b.findReplays,
		b.writeSetAsides,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := b.last.send(ctx); err != nil {
		return err
	}
	b.out.giveBack()
	return nil
}

func (b *intake) sortOutFaults() {
	for i := range b.batch {
		if f := b.batch[i].Fault; f != nil {
			b.setAside(i, *f)
		}
	}
}

func (b *intake) setAside(i int, f models.Fault) {
	b.fate[i] = models.Aside
	b.faults[i] = f
}

func (b *intake) conflict(i int, detail string) {
	b.setAside(i, models.Fault{Reason: models.BadConflict, Detail: detail})
}

const sameIDOtherBody = "id: an event with this source and id came before with another body; give a changed event an id of its own"

// sortOutRepeats keeps the facts whose event is new, within the batch and to the
// inbox. Within the batch, the first one counts.
func (b *intake) sortOutRepeats() {
	var first *models.Fact
	for _, k := range b.byKey {
		f := b.batch[k.i].Fact
		digest, seen := b.known.events[f.Key]
		if first != nil && first.Key == f.Key && !seen {
			digest, seen = first.Digest, true
		} else {
			first = f
		}
		switch {
		case !seen:
			b.fate[k.i] = models.Applied
		case digest == f.Digest:
			b.fate[k.i] = models.Repeated
		default:
			b.conflict(k.i, sameIDOtherBody)
		}
	}
	b.fresh = make([]int, 0, len(b.byKey))
	for i := range b.fate {
		if b.fate[i] == models.Applied {
			b.fresh = append(b.fresh, i)
		}
	}
}

// facts of one kind among the fresh ones, with their index in the batch.
func freshOf[T models.FactData](b *intake, fn func(i int, f *models.Fact, data T)) {
	for _, i := range b.fresh {
		f := b.batch[i].Fact
		if data, ok := f.Data.(T); ok && b.fate[i] == models.Applied {
			fn(i, f, data)
		}
	}
}

const inboxBytes = 72 // of a row

// few is so many rows that a COPY of their own, which is a round trip, costs more
// than it saves.
const few = 64

// writeInbox remembers every fresh event, those in conflict excepted: a mended
// one must still find its id free. What was found to be a repeat only on a closer
// look is remembered as well.
func (b *intake) writeInbox(ctx context.Context) error {
	if len(b.fresh) <= few {
		b.queueInbox()
		return nil
	}
	out := &b.out.inbox
	out.room(len(b.fresh) * inboxBytes)
	for f := range b.remembered() {
		out.row(4).uuid(f.Key).int8(f.Data.Account()).uuid(f.Digest).time(b.now)
	}
	return out.send(ctx, b.pgx, "inbox (event_key, account_id, digest, taken_at)")
}

func (b *intake) queueInbox() {
	var keys, digests [][16]byte
	var accounts []int64
	for f := range b.remembered() {
		keys, accounts, digests = append(keys, f.Key), append(accounts, f.Data.Account()), append(digests, f.Digest)
	}
	if len(keys) > 0 {
		b.last.exec("writing inbox", `INSERT INTO inbox (event_key, account_id, digest, taken_at)
			SELECT key, account, digest, $4 FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS f (key, account, digest)`, keys, accounts, digests, b.now)
	}
}

// remembered is the facts for the inbox, in the order of its index.
func (b *intake) remembered() iter.Seq[*models.Fact] {
	fresh := make([]bool, len(b.batch))
	for _, i := range b.fresh {
		fresh[i] = b.fate[i] != models.Aside
	}
	return func(yield func(*models.Fact) bool) {
		for _, k := range b.byKey {
			if fresh[k.i] && !yield(b.batch[k.i].Fact) {
				return
			}
		}
	}
}

// periodsAtWork is those that a run is at work on.
const periodsAtWork = "SELECT period FROM runs WHERE state IN ('rehearsing', 'posting')"

// markAtWork marks accounts, without asking for reasons, in every period that a
// run is at work on. What a neighbour is just taking about them cannot be seen
// from here, and the run may see that before it sees this.
func (b *intake) markAtWork(accounts []int64) {
	b.last.exec("marking accounts for the runs at work", `INSERT INTO stale (period, account_id)
		SELECT DISTINCT w.period, a FROM (`+periodsAtWork+`) w, unnest($1::bigint[]) a`, accounts)
}

func (b *intake) writeMarks(ctx context.Context) error {
	if len(b.marks) > 0 && len(b.marks) <= few {
		var periods []int32
		var accounts []int64
		for m := range b.marks {
			periods, accounts = append(periods, int32(m.period)), append(accounts, m.account)
		}
		b.last.exec("writing stale", "INSERT INTO stale (period, account_id) SELECT * FROM unnest($1::int[], $2::bigint[])", periods, accounts)
		return nil
	}
	var out rows
	for m := range b.marks {
		out.row(2).int4(int(m.period)).int8(m.account)
	}
	return out.into(ctx, b.pgx, "stale (period, account_id)")
}

func (b *intake) takeResults(ctx context.Context) error {
	var out rows
	freshOf(b, func(_ int, f *models.Fact, r models.Result) {
		out.row(7).uuid(r.AdjustmentID).int8(r.AccountID).uuid(f.Key).text(string(r.Status)).int8(int64(r.Amount)).text(r.Reason).time(r.At)
	})
	return out.into(ctx, b.pgx, "results (adjustment_id, account_id, event_key, status, amount_minor, reason, at)")
}
