package store

import (
	"context"
	"fmt"
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

// Ingest stores a batch of deliveries in one transaction and says what became of
// each: facts are a set, so that a repeat changes nothing, and what contradicts a
// fact that came before, or cannot be read, is set aside with its reason. On an
// error nothing has happened, or (at a commit whose answer was lost) all of it:
// taking the batch again is right in either case.
func (s *Store) Ingest(ctx context.Context, batch []models.DecodedMessage, derive Derive) ([]models.Disposition, error) {
	var fate []models.Disposition
	numbers, err := s.topicNumbers(ctx, batch)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, func(tx *tx) error {
		b := &ingestion{tx: tx, batch: batch, numbers: numbers, fate: make([]models.Disposition, len(batch)), faults: map[int]models.InputError{}}
		fate = b.fate
		return b.take(ctx, derive)
	})
	if err != nil {
		return nil, fmt.Errorf("taking a batch of %d messages: %w", len(batch), err)
	}
	return fate, nil
}

// ingestion is one batch on its way in.
type ingestion struct {
	*tx
	batch   []models.DecodedMessage
	numbers topicNumbers
	fate    []models.Disposition
	faults  map[int]models.InputError
	known   lookups
	again   map[int]int64 // dead letters that were put back, by index
	marks   map[mark]bool
	out     *ingestRows
	last    *statementBatch // what is written at the end, in one round trip

	revisedWithin bool // an invoice comes more than once in the batch
}

// ingestRows is the rows that a batch brings to the tables that grow with every
// message. Their room is used again: a batch of invoices fills a megabyte.
type ingestRows struct{ invoices, owners rows }

var ingestRowPool = sync.Pool{New: func() any { return new(ingestRows) }}

// giveBack keeps the room for another batch, unless this one was out of the
// ordinary. What was being sent when something failed is not given back.
func (r *ingestRows) giveBack() {
	const ordinary = 4 << 20
	for _, table := range []*rows{&r.invoices, &r.owners} {
		if cap(table.buf) > ordinary {
			table.buf = nil
		}
		table.buf, table.count = table.buf[:0], 0
	}
	ingestRowPool.Put(r)
}

// mark is an account to settle again in a period.
type mark struct {
	period  models.Period
	account int64
}

func (b *ingestion) take(ctx context.Context, derive Derive) error {
	b.marks = map[mark]bool{}
	b.out = ingestRowPool.Get().(*ingestRows)
	b.last = b.statementBatch()
	b.sortOutFaults()
	if err := b.passGate(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		b.takeInvoices,
		b.takeResults,
		func(ctx context.Context) error { return b.takeAccountFacts(ctx, derive) },
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

// sortOutFaults leaves the facts, which are applied until something is found that
// speaks against it.
func (b *ingestion) sortOutFaults() {
	for i := range b.batch {
		if f := b.batch[i].Err; f != nil {
			b.setAside(i, *f)
			continue
		}
		b.fate[i] = models.Applied
	}
}

func (b *ingestion) setAside(i int, f models.InputError) {
	b.fate[i] = models.Aside
	b.faults[i] = f
}

func (b *ingestion) conflict(i int, detail string) {
	b.setAside(i, models.InputError{Reason: models.BadConflict, Detail: detail})
}

// factsOf hands over the facts of one kind, in the order of the batch: of two that
// contradict one another the first counts.
func factsOf[T models.FactData](b *ingestion, fn func(i int, f *models.Fact, data T)) {
	for i := range b.batch {
		if b.batch[i].Err != nil {
			continue
		}
		f := b.batch[i].Fact
		if data, ok := f.Data.(T); ok {
			fn(i, f, data)
		}
	}
}

// few is so many rows that a COPY of their own, which is a round trip, costs more
// than it saves.
const few = 64

// periodsAtWork is those that a run is at work on.
const periodsAtWork = "SELECT period FROM runs WHERE state IN ('rehearsing', 'posting')"

// markAtWork marks accounts, without asking for reasons, in every period that a
// run is at work on. What another batch is just taking about them cannot be seen
// from here, and the run may see that before it sees this.
func (b *ingestion) markAtWork(accounts []int64) {
	b.last.exec("marking accounts for the runs at work", `INSERT INTO stale (period, account_id)
		SELECT DISTINCT w.period, a FROM (`+periodsAtWork+`) w, unnest($1::bigint[]) a`, accounts)
}

func (b *ingestion) writeMarks(ctx context.Context) error {
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

// takeResults stores billing's answers. An answer is known by its document, time
// and status, and by nothing else.
func (b *ingestion) takeResults(ctx context.Context) error {
	var out rows
	factsOf(b, func(i int, f *models.Fact, r models.Result) {
		key := answerKey{r.AdjustmentID, r.At.UnixMicro(), r.Status}
		switch amount, known := b.known.answers[key]; {
		case !known:
			b.known.answers[key] = r.Amount
			out.row(7).int8(r.AccountID).int8(int64(r.Amount)).time(r.At).uuid(r.AdjustmentID).text(string(r.Status)).text(r.Reason).
				provenance(b.numbers, f.Provenance)
		case amount == r.Amount:
			b.fate[i] = models.Repeated
		default:
			b.conflict(i, "data.amount_minor: this answer, of the same document, time and status, came before with another amount; send a further answer with its own time")
		}
	})
	return out.into(ctx, b.pgx, "results (account_id, amount_minor, at, adjustment_id, status, reason, provenance)")
}
