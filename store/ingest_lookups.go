package store

import (
	"context"
	"slices"

	"referral/models"
	"referral/store/pgcopy"
)

// lookups is what the database knows about a batch.
type lookups struct {
	invoices map[string]knownInvoice // by their ids
	answers  map[answerKey]models.Money
	periods  map[models.Period]periodBounds
}

// knownInvoice is an invoice that came before.
type knownInvoice struct {
	account   int64
	stored    models.Period
	revisions []*models.Invoice
}

// answerKey identifies an answer of billing.
type answerKey struct {
	document models.UUID
	at       int64 // microseconds
	status   models.ResultStatus
}

// periodBounds is the service days invoiced in a period, and whether it has been
// started.
type periodBounds struct {
	min, max models.Date
	started  bool
}

// passBarrier also has what a batch asks follow the indexes.
const passBarrier = planByIndexes + ", pg_advisory_xact_lock_shared($1)"

// lookUp begins the transaction, passes the ingest barrier and looks up behind it, in
// one round trip, what is known of the batch. The statements run one after another, and
// each sees what was committed before it.
func (b *ingestion) lookUp(ctx context.Context) error {
	b.known = lookups{invoices: map[string]knownInvoice{}, answers: map[answerKey]models.Money{}, periods: map[models.Period]periodBounds{}}
	var batch pgcopy.Batch
	batch.Exec("beginning a transaction", beginReadCommitted)
	batch.Exec("passing the ingest barrier", passBarrier, lockIngest.in(b.schema))
	if len(b.facts.list) > 0 {
		b.queueHoldTerms(&batch, readTerms)
		b.facts.affected.queue(&batch)
	}
	if documents := b.documentsAnswered(); len(documents) > 0 {
		batch.Each("billing's answers", b.known.answer,
			"SELECT adjustment_id, at, status, amount_minor FROM results WHERE adjustment_id = ANY($1::uuid[])", documents)
	}
	if ids, periods := b.invoiceIDs(); len(ids) > 0 {
		batch.Each("owners of invoices", b.known.owner,
			"SELECT invoice_id, account_id, storage_period FROM invoice_ids WHERE invoice_id = ANY($1)", ids)
		batch.Each("periods", b.known.period, "SELECT period, min_day, max_day, started_at FROM periods WHERE period = ANY($1)", periods)
	}
	if err := batch.Send(ctx, b.pgx); err != nil {
		return err
	}
	return b.readRevisions(ctx)
}

func (l *lookups) owner(v [][]byte) {
	l.invoices[string(v[0])] = knownInvoice{account: pgcopy.Int8(v[1]), stored: pgcopy.Period(v[2])}
}

func (l *lookups) answer(v [][]byte) {
	l.answers[answerKey{pgcopy.UUID(v[0]), pgcopy.Time(v[1]).UnixMicro(), models.ResultStatus(v[2])}] = pgcopy.Money(v[3])
}

func (l *lookups) period(v [][]byte) {
	l.periods[pgcopy.Period(v[0])] = periodBounds{pgcopy.Date(v[1]), pgcopy.Date(v[2]), v[3] != nil}
}

func (b *ingestion) documentsAnswered() [][16]byte {
	var documents [][16]byte
	factsOf(b, func(_ int, _ *models.Fact, r models.Result) { documents = append(documents, r.AdjustmentID) })
	return documents
}

// invoiceIDs is the ids of the batch's invoices, each once and in the order of
// the index, and their periods.
func (b *ingestion) invoiceIDs() (ids []string, periods []int32) {
	factsOf(b, func(_ int, _ *models.Fact, inv *models.Invoice) {
		ids = append(ids, inv.ID)
		if p := int32(inv.Period); !slices.Contains(periods, p) {
			periods = append(periods, p)
		}
	})
	slices.Sort(ids)
	all := len(ids)
	ids = slices.Compact(ids)
	b.revisedWithin = len(ids) < all
	return ids, periods
}

// readRevisions reads all revisions of the batch's invoices that are known. Where
// every invoice is new it asks nothing.
func (b *ingestion) readRevisions(ctx context.Context) error {
	if len(b.known.invoices) == 0 {
		return nil
	}
	under := storedAccounts{}
	for _, known := range b.known.invoices {
		under.add(known.stored, known.account)
	}
	var batch pgcopy.Batch
	var revisions []revision
	texts := newUnpacker()
	for stored, accounts := range under.sorted() {
		queueStoredInvoices(&batch, &revisions, texts, stored, accounts)
	}
	if err := batch.Send(ctx, b.pgx); err != nil {
		return err
	}
	for _, r := range revisions {
		if known, wanted := b.known.invoices[r.ID]; wanted { // an account has others too
			known.revisions = append(known.revisions, r.Invoice)
			b.known.invoices[r.ID] = known
		}
	}
	return nil
}
