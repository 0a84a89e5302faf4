package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

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
	fresh  []int // indexes of facts not taken before
	marks  map[mark]bool
	alone  bool // no other batch is on its way in
}

// mark is an account to settle again in a period.
type mark struct {
	period  models.Period
	account int64
}

func (b *intake) take(ctx context.Context, derive Derive) error {
	b.marks = map[mark]bool{}
	b.sortOutFaults()
	if err := b.passGate(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		b.sortOutRepeats,
		b.takeInvoices,
		b.takeResults,
		func(ctx context.Context) error { return b.takeAccountFacts(ctx, derive) },
		b.writeInbox,
		b.writeMarks,
		b.writeSetAsides,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// passGate also keeps the planner from reading whole tables for the lists of a
// batch, which is what it makes of long lists and of tables that it has no
// statistics of yet.
func (b *intake) passGate(ctx context.Context) error {
	lock := "pg_advisory_xact_lock_shared"
	if b.alone {
		lock = "pg_advisory_xact_lock"
	}
	_, err := b.pgx.Exec(ctx, "SELECT "+lock+`($1), set_config('enable_seqscan', 'off', true),
		set_config('plan_cache_mode', 'force_generic_plan', true)`, int64(lockGate))
	if err != nil {
		return fmt.Errorf("passing the gate: %w", err)
	}
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
// inbox.
func (b *intake) sortOutRepeats(ctx context.Context) error {
	known, err := b.knownEvents(ctx)
	if err != nil {
		return err
	}
	for i := range b.batch {
		f := b.batch[i].Fact
		if f == nil {
			continue
		}
		digest, seen := known[f.Key]
		switch {
		case !seen:
			known[f.Key] = f.Digest
			b.fate[i] = models.Applied
			b.fresh = append(b.fresh, i)
		case digest == f.Digest:
			b.fate[i] = models.Repeated
		default:
			b.conflict(i, sameIDOtherBody)
		}
	}
	return nil
}

func (b *intake) knownEvents(ctx context.Context) (map[models.EventKey]models.UUID, error) {
	keys := make([][16]byte, 0, len(b.batch))
	for i := range b.batch {
		if f := b.batch[i].Fact; f != nil {
			keys = append(keys, f.Key)
		}
	}
	known := make(map[models.EventKey]models.UUID, len(keys))
	if len(keys) == 0 {
		return known, nil
	}
	err := each(ctx, b.pgx, "the inbox", func(v [][]byte) { known[getUUID(v[0])] = getUUID(v[1]) },
		"SELECT event_key, digest FROM inbox WHERE event_key = ANY($1::uuid[])", keys)
	return known, err
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

// writeInbox remembers every fresh event, those in conflict excepted: a mended
// one must still find its id free.
func (b *intake) writeInbox(ctx context.Context) error {
	var out rows
	out.room(len(b.fresh) * inboxBytes)
	// In the order of the index each of its pages is looked up once, not once for
	// every key that lies on it.
	slices.SortFunc(b.fresh, func(x, y int) int { return bytes.Compare(b.batch[x].Fact.Key[:], b.batch[y].Fact.Key[:]) })
	for _, i := range b.fresh {
		if f := b.batch[i].Fact; b.fate[i] != models.Aside {
			out.row(4).uuid(f.Key).int8(f.Data.Account()).uuid(f.Digest).time(b.now)
		}
	}
	return out.into(ctx, b.pgx, "inbox (event_key, account_id, digest, taken_at)")
}

// markAtWork marks accounts, without asking for reasons, in every period that a
// run is at work on. What a neighbour is just taking about them cannot be seen
// from here, and the run may see that before it sees this.
func (b *intake) markAtWork(ctx context.Context, accounts []int64) error {
	return each(ctx, b.pgx, "runs at work", func(v [][]byte) {
		for _, id := range accounts {
			b.marks[mark{models.Period(getInt4(v[0])), id}] = true
		}
	}, "SELECT period FROM runs WHERE state IN ('rehearsing', 'posting')")
}

func (b *intake) writeMarks(ctx context.Context) error {
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
