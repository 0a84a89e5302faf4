package store

import (
	"context"
	"maps"
	"slices"
	"sync"

	"referral/models"
	"referral/store/pgcopy"
)

// Locks shared by all processes on one database. The ingest barrier keeps a fact from
// slipping between a batch and the start of a run: a batch holds it shared, a run's
// start exclusively. So a fact is either visible to every chunk of the run or knows
// that the period has started, and marks what it touches. On a distributed database a chunk
// that is posted holds it shared too: with it held exclusively, no commit is on its way to
// several nodes.
const (
	lockIngest    advisoryLock = 0x7265660001
	lockPublisher advisoryLock = 0x7265660002
)

// Ingest stores a batch of messages in one transaction and returns what it did with each:
// facts are a set, so that a repeat changes nothing, and what contradicts a fact that
// came before, or cannot be read, is kept as a dead letter with its reason. On an error
// nothing has happened, or (at a commit whose answer was lost) all of it: ingesting the
// batch again is right in either case.
func (s *Store) Ingest(ctx context.Context, batch []models.DecodedMessage, derive models.DeriveFunc) ([]models.Disposition, error) {
	numbers, err := s.topicNumbers(ctx, batch)
	if err != nil {
		return nil, err
	}
	var b *ingestion
	err = s.writeBatches(ctx, "ingesting messages", func(tx *tx) error {
		b = &ingestion{
			tx: tx, messages: batch, numbers: numbers, dispositions: make([]models.Disposition, len(batch)),
			faults: map[int]models.InputError{}, stale: map[staleMark]bool{}, rows: ingestRowPool.Get().(*ingestRows),
		}
		return b.ingest(ctx, derive)
	})
	if err != nil {
		return nil, err
	}
	return b.dispositions, nil
}

// ingestion is one batch on its way into the database.
type ingestion struct {
	*tx
	messages     []models.DecodedMessage
	numbers      topicNumbers
	dispositions []models.Disposition
	faults       map[int]models.InputError // of messages that become dead letters, by index
	replays      map[int]int64             // dead letters of messages that were replayed, by index
	known        lookups
	facts        accountFacts
	stale        map[staleMark]bool
	rows         *ingestRows
	writes       pgcopy.Batch // what is written at the end, in one round trip

	revisedWithin bool   // an invoice comes more than once in the batch
	packed        []byte // memory of a packed provenance
}

// ingestRows is the rows that a batch brings to the tables that grow with every
// message. Their memory is used again: a batch of invoices fills a megabyte.
type ingestRows struct{ invoices, owners pgcopy.Rows }

var ingestRowPool = sync.Pool{New: func() any { return new(ingestRows) }}

// release keeps the memory for another batch, unless this one was out of the ordinary.
// What was being sent when something failed is not released.
func (r *ingestRows) release() {
	const ordinary = 4 << 20
	for _, table := range []*pgcopy.Rows{&r.invoices, &r.owners} {
		if table.Cap() > ordinary {
			*table = pgcopy.Rows{}
		}
		table.Reset()
	}
	ingestRowPool.Put(r)
}

// staleMark is an account to settle again in a period.
type staleMark struct {
	period  models.Period
	account int64
}

func (b *ingestion) ingest(ctx context.Context, derive models.DeriveFunc) error {
	for i := range b.messages {
		b.dispositions[i] = models.Applied
		if fault := b.messages[i].Err; fault != nil {
			b.reject(i, *fault)
		}
	}
	b.findAccountFacts()
	for _, step := range []func(context.Context) error{
		b.lookUp,
		b.storeInvoices,
		b.storeResults,
		func(ctx context.Context) error { return b.applyAccountFacts(ctx, derive) },
		b.markStale,
		b.findReplays,
		b.storeDeadLetters,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.writes.Query("committing", readCommit, commit)
	if err := b.writes.Send(ctx, b.pgx); err != nil {
		return err
	}
	b.rows.release()
	return nil
}

// reject makes a message a dead letter.
func (b *ingestion) reject(i int, fault models.InputError) {
	b.dispositions[i] = models.DeadLettered
	b.faults[i] = fault
}

func (b *ingestion) rejectConflict(i int, detail string) {
	b.reject(i, models.InputError{Reason: models.BadConflict, Detail: detail})
}

// factsOf hands over the facts of one kind, in the order of the batch: of two that
// contradict one another the first counts.
func factsOf[T models.FactData](b *ingestion, fn func(i int, f *models.Fact, data T)) {
	for i := range b.messages {
		if b.messages[i].Err != nil {
			continue
		}
		f := b.messages[i].Fact
		if data, ok := f.Data.(T); ok {
			fn(i, f, data)
		}
	}
}

// provenance is that of a fact as a column, good until the next one is packed.
func (b *ingestion) provenance(f *models.Fact) []byte {
	b.packed = b.numbers.pack(b.packed[:0], f.Provenance)
	return b.packed
}

// activePeriods selects the periods that a run is at work on.
const activePeriods = "SELECT period FROM runs WHERE state IN ('rehearsing', 'posting')"

// markForActiveRuns marks accounts, unconditionally, in every period that a run is at
// work on. What another batch is storing about them at the same time cannot be seen from
// here, and the run may see that before it sees this.
func (b *ingestion) markForActiveRuns(accounts []int64) {
	b.writes.Exec("marking accounts for active runs", `INSERT INTO stale (period, account_id)
		SELECT DISTINCT w.period, a FROM (`+activePeriods+`) w, unnest($1::bigint[]) a`, accounts)
}

// markStale writes the marks with the rest when they are few: a COPY of their own,
// which is a round trip, pays off for many.
func (b *ingestion) markStale(ctx context.Context) error {
	const few = 64
	if len(b.stale) > few {
		var out pgcopy.Rows
		for m := range b.stale {
			out.Row(2).Int4(int(m.period)).Int8(m.account)
		}
		return out.Send(ctx, b.pgx, "stale (period, account_id)")
	}
	if len(b.stale) > 0 {
		var periods []int32
		var accounts []int64
		for m := range b.stale {
			periods, accounts = append(periods, int32(m.period)), append(accounts, m.account)
		}
		b.writes.Exec("writing stale", "INSERT INTO stale (period, account_id) SELECT * FROM unnest($1::int[], $2::bigint[])", periods, accounts)
	}
	return nil
}

// storeResults stores billing's answers. An answer is identified by its document, time
// and status, and by nothing else.
func (b *ingestion) storeResults(ctx context.Context) error {
	var out pgcopy.Rows
	factsOf(b, func(i int, f *models.Fact, r models.Result) {
		key := answerKey{r.AdjustmentID, r.At.UnixMicro(), r.Status}
		switch amount, known := b.known.answers[key]; {
		case !known:
			b.known.answers[key] = r.Amount
			out.Row(7).Int8(r.AccountID).Int8(int64(r.Amount)).Time(r.At).UUID(r.AdjustmentID).Text(string(r.Status)).Text(r.Reason).
				Bytes(b.provenance(f))
		case amount == r.Amount:
			b.dispositions[i] = models.Repeated
		default:
			b.rejectConflict(i, "data.amount_minor: this answer, of the same document, time and status, came before with another amount; send a further answer with its own time")
		}
	})
	return out.Send(ctx, b.pgx, "results (account_id, amount_minor, at, adjustment_id, status, reason, provenance)")
}

func sortedPeriods[V any](m map[models.Period]V) []models.Period { return slices.Sorted(maps.Keys(m)) }

// numbersOf is periods as one parameter.
func numbersOf(periods map[models.Period]bool) []int32 {
	var numbers []int32
	for _, p := range sortedPeriods(periods) {
		numbers = append(numbers, int32(p))
	}
	return numbers
}

func sortedIDs[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }
