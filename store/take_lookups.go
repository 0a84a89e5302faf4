package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// lookups is what the database knows about a batch.
type lookups struct {
	invoices map[string][]revision // by their ids, all revisions
	answers  map[answerKey]models.Money
	periods  map[models.Period]periodBounds
}

// revision is one revision of an invoice.
type revision struct {
	account int64
	stored  models.Period
	body    *models.Invoice
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

// gateSQL passes the gate, and also keeps the planner from reading whole tables for
// the lists of a batch, which is what it makes of long lists and of tables that it
// has no statistics of yet.
const gateSQL = `SELECT pg_advisory_xact_lock_shared($1), set_config('enable_seqscan', 'off', true),
	set_config('plan_cache_mode', 'force_generic_plan', true)`

// passGate passes the gate and looks up behind it, in one round trip, what is
// known of the batch. The statements run one after another, and each sees what
// was committed before it.
func (b *intake) passGate(ctx context.Context) error {
	b.known = lookups{invoices: map[string][]revision{}, answers: map[answerKey]models.Money{}, periods: map[models.Period]periodBounds{}}
	var batch pgx.Batch
	owners := owners{}
	queue(&batch, "the gate", func([][]byte) {}, gateSQL, int64(lockGate))
	if slices.ContainsFunc(b.batch, func(d models.Delivery) bool { return d.Fault == nil && ofStanding(d.Fact) }) {
		b.queueHoldTerms(&batch, readTerms)
	}
	if documents := b.documentsAnswered(); len(documents) > 0 {
		queue(&batch, "billing's answers", b.known.answer,
			"SELECT adjustment_id, at, status, amount_minor FROM results WHERE adjustment_id = ANY($1::uuid[])", documents)
	}
	if ids, periods := b.invoiceKeys(); len(ids) > 0 {
		queue(&batch, "owners of invoices", owners.read,
			"SELECT invoice_id, account_id, storage_period FROM invoice_ids WHERE invoice_id = ANY($1)", ids)
		queue(&batch, "periods", b.known.period, "SELECT period, min_day, max_day, started_at FROM periods WHERE period = ANY($1)", periods)
	}
	if err := b.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("passing the gate and looking up what is known: %w", err)
	}
	return b.readRevisions(ctx, owners)
}

func (l *lookups) answer(v [][]byte) {
	l.answers[answerKey{getUUID(v[0]), getTime(v[1]).UnixMicro(), models.ResultStatus(v[2])}] = models.Money(getInt8(v[3]))
}

func (l *lookups) period(v [][]byte) {
	l.periods[models.Period(getInt4(v[0]))] = periodBounds{getDate(v[1]), getDate(v[2]), v[3] != nil}
}

func (b *intake) documentsAnswered() [][16]byte {
	var documents [][16]byte
	factsOf(b, func(_ int, _ *models.Fact, r models.Result) { documents = append(documents, r.AdjustmentID) })
	return documents
}

// invoiceKeys is the ids of the batch's invoices, each once and in the order of
// the index, and their periods.
func (b *intake) invoiceKeys() (ids []string, periods []int32) {
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

// owners is where the invoices that are known are stored.
type owners struct {
	accounts []int64
	periods  []int32
	ids      []string
}

func (o *owners) read(v [][]byte) {
	o.ids, o.accounts, o.periods = append(o.ids, string(v[0])), append(o.accounts, getInt8(v[1])), append(o.periods, int32(getInt4(v[2])))
}

// readRevisions reads all revisions of the batch's invoices that are known. Where
// every invoice is new it asks nothing.
func (b *intake) readRevisions(ctx context.Context, known owners) error {
	if len(known.ids) == 0 {
		return nil
	}
	texts := newUnpacker()
	return each(ctx, b.pgx, "revisions of invoices", func(v [][]byte) {
		r := revision{getInt8(v[0]), models.Period(getInt4(v[1])), readInvoice(v, texts)}
		b.known.invoices[r.body.ID] = append(b.known.invoices[r.body.ID], r)
	}, "SELECT "+invoiceColumns+" FROM invoices WHERE storage_period = ANY($1) AND account_id = ANY($2) AND invoice_id = ANY($3)",
		slices.Compact(slices.Sorted(slices.Values(known.periods))), known.accounts, known.ids)
}

// invoiceColumns and readInvoice belong together.
const invoiceColumns = "account_id, storage_period, period, revision, invoice_id, currency, lines"

func readInvoice(v [][]byte, texts *unpacker) *models.Invoice {
	inv := &models.Invoice{
		AccountID: getInt8(v[0]), Period: models.Period(getInt4(v[2])), Revision: getInt4(v[3]), ID: string(v[4]), Currency: texts.words.of(v[5]),
	}
	inv.Lines, inv.Damage = texts.linesOf(v[6], inv.Period)
	return inv
}
