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
	invoices map[string][]revision
	answers  map[answerKey]models.Money
	periods  map[models.Period]periodBounds
}

// revision is what is known of one revision of an invoice.
type revision struct {
	account int64
	number  int
	period  models.Period
	body    *models.Invoice // only of those that come again
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

// gateSQL passes the gate by a lock of the kind named, and also keeps the planner from reading whole tables for the lists of a
// batch, which is what it makes of long lists and of tables that it has no
// statistics of yet.
const gateSQL = `SELECT %s($1), set_config('enable_seqscan', 'off', true),
	set_config('plan_cache_mode', 'force_generic_plan', true)`

// passGate passes the gate and looks up behind it, in one round trip, what is
// known of the batch. The statements run one after another, and each sees what
// was committed before it.
func (b *intake) passGate(ctx context.Context) error {
	b.known = lookups{invoices: map[string][]revision{}, answers: map[answerKey]models.Money{}, periods: map[models.Period]periodBounds{}}
	var batch pgx.Batch
	lock := "pg_advisory_xact_lock_shared"
	if b.alone {
		lock = "pg_advisory_xact_lock"
	}
	queue(&batch, "the gate", func([][]byte) {}, fmt.Sprintf(gateSQL, lock), int64(lockGate))
	if slices.ContainsFunc(b.batch, func(d models.Delivery) bool { return d.Fault == nil && ofStanding(d.Fact) }) {
		b.queueHoldTerms(&batch, readTerms)
	}
	if documents := b.documentsAnswered(); len(documents) > 0 {
		queue(&batch, "billing's answers", b.known.answer,
			"SELECT adjustment_id, at, status, amount_minor FROM results WHERE adjustment_id = ANY($1::uuid[])", documents)
	}
	if ids, periods := b.invoiceKeys(); len(ids) > 0 {
		queue(&batch, "invoices", b.known.invoice,
			"SELECT invoice_id, account_id, revision, period FROM invoices WHERE invoice_id = ANY($1)", ids)
		queue(&batch, "periods", b.known.period, "SELECT period, min_day, max_day, started_at FROM periods WHERE period = ANY($1)", periods)
	}
	if err := b.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("passing the gate and looking up what is known: %w", err)
	}
	return nil
}

func (l *lookups) answer(v [][]byte) {
	l.answers[answerKey{getUUID(v[0]), getTime(v[1]).UnixMicro(), models.ResultStatus(v[2])}] = models.Money(getInt8(v[3]))
}

func (l *lookups) invoice(v [][]byte) {
	id := string(v[0])
	l.invoices[id] = append(l.invoices[id], revision{account: getInt8(v[1]), number: getInt4(v[2]), period: models.Period(getInt4(v[3]))})
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

// readRepeated reads the revisions that come again, to compare them. Where nothing
// comes again it asks nothing.
func (b *intake) readRepeated(ctx context.Context) error {
	type key struct {
		id     string
		number int
	}
	bodies := map[key]*models.Invoice{}
	var accounts []int64
	var periods, numbers []int32
	var ids []string
	factsOf(b, func(_ int, _ *models.Fact, inv *models.Invoice) {
		for k := range b.known.invoices[inv.ID] {
			r := &b.known.invoices[inv.ID][k]
			if r.number != inv.Revision || r.body != nil {
				continue
			}
			r.body = &models.Invoice{AccountID: r.account, ID: inv.ID, Revision: r.number, Period: r.period}
			bodies[key{inv.ID, r.number}] = r.body
			accounts, periods = append(accounts, r.account), append(periods, int32(r.period))
			ids, numbers = append(ids, inv.ID), append(numbers, int32(r.number))
		}
	})
	if len(ids) == 0 {
		return nil
	}
	return each(ctx, b.pgx, "invoices that come again", func(v [][]byte) {
		body := bodies[key{string(v[0]), getInt4(v[1])}]
		body.Currency = string(v[2])
		if v[3] != nil {
			body.Lines = append(body.Lines, models.Line{
				ID: string(v[3]), Service: string(v[4]), From: getDate(v[5]), To: getDate(v[6]), Amount: models.Money(getInt8(v[7])),
			})
		}
	}, `SELECT i.invoice_id, i.revision, i.currency, l.line_id, l.service, l.from_day, l.to_day, l.amount_minor
		FROM unnest($1::bigint[], $2::int[], $3::text[], $4::int[]) AS u (account_id, period, invoice_id, revision)
		JOIN invoices i ON i.account_id = u.account_id AND i.period = u.period AND i.invoice_id = u.invoice_id COLLATE "C" AND i.revision = u.revision
		LEFT JOIN invoice_lines l ON l.account_id = i.account_id AND l.period = i.period AND l.invoice_id = i.invoice_id AND l.revision = i.revision`,
		accounts, periods, ids, numbers)
}
