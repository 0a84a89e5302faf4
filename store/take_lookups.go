package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// lookups is what the database knows about a batch.
type lookups struct {
	events   map[models.EventKey]models.UUID // digests of the events taken before
	invoices map[string][]revision
	periods  map[models.Period]periodBounds
}

// revision is what is known of one revision of an invoice.
type revision struct {
	account int64
	number  int
	period  models.Period
	digest  models.UUID
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
	b.known = lookups{events: map[models.EventKey]models.UUID{}, invoices: map[string][]revision{}, periods: map[models.Period]periodBounds{}}
	var batch pgx.Batch
	lock := "pg_advisory_xact_lock_shared"
	if b.alone {
		lock = "pg_advisory_xact_lock"
	}
	queue(&batch, "the gate", func([][]byte) {}, fmt.Sprintf(gateSQL, lock), int64(lockGate))
	if slices.ContainsFunc(b.byKey, func(k keyed) bool { return ofStanding(b.batch[k.i].Fact) }) {
		b.queueHoldTerms(&batch, readTerms)
	}
	if len(b.byKey) > 0 {
		queue(&batch, "the inbox", b.known.event, "SELECT event_key, digest FROM inbox WHERE event_key = ANY($1::uuid[])", b.eventKeys())
	}
	if ids, periods := b.invoiceKeys(); len(ids) > 0 {
		queue(&batch, "invoices", b.known.invoice,
			"SELECT invoice_id, account_id, revision, period, digest FROM invoices WHERE invoice_id = ANY($1)", ids)
		queue(&batch, "periods", b.known.period, "SELECT period, min_day, max_day, started_at FROM periods WHERE period = ANY($1)", periods)
	}
	if err := b.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("passing the gate and looking up what is known: %w", err)
	}
	return nil
}

func (l *lookups) event(v [][]byte) { l.events[getUUID(v[0])] = getUUID(v[1]) }

func (l *lookups) invoice(v [][]byte) {
	id := string(v[0])
	l.invoices[id] = append(l.invoices[id], revision{getInt8(v[1]), getInt4(v[2]), models.Period(getInt4(v[3])), getUUID(v[4])})
}

func (l *lookups) period(v [][]byte) {
	l.periods[models.Period(getInt4(v[0]))] = periodBounds{getDate(v[1]), getDate(v[2]), v[3] != nil}
}

// keyed is a fact of a batch, to be put in the order of the events' keys.
type keyed struct {
	head uint64 // the key's first bytes, which hardly ever leave a doubt
	i    int
}

// sortByKey puts the batch's facts in the order of the inbox's index: in it the
// database passes over each page of the index once, when it looks for them and
// when it adds them, and repeats within the batch lie side by side.
func (b *intake) sortByKey() {
	b.byKey = make([]keyed, 0, len(b.batch))
	for i := range b.batch {
		if f := b.batch[i].Fact; f != nil {
			b.byKey = append(b.byKey, keyed{binary.BigEndian.Uint64(f.Key[:]), i})
		}
	}
	slices.SortFunc(b.byKey, func(x, y keyed) int {
		if x.head != y.head {
			return cmp.Compare(x.head, y.head)
		}
		return cmp.Or(bytes.Compare(b.batch[x.i].Fact.Key[:], b.batch[y.i].Fact.Key[:]), cmp.Compare(x.i, y.i))
	})
}

func (b *intake) eventKeys() [][16]byte {
	keys := make([][16]byte, len(b.byKey))
	for n, k := range b.byKey {
		keys[n] = b.batch[k.i].Fact.Key
	}
	return keys
}

// invoiceKeys is the ids of the batch's invoices, each once and in the order of
// the index, and their periods.
func (b *intake) invoiceKeys() (ids []string, periods []int32) {
	for i := range b.batch {
		f := b.batch[i].Fact
		if f == nil {
			continue
		}
		if inv, ok := f.Data.(*models.Invoice); ok {
			ids = append(ids, inv.ID)
			if p := int32(inv.Period); !slices.Contains(periods, p) {
				periods = append(periods, p)
			}
		}
	}
	slices.Sort(ids)
	all := len(ids)
	ids = slices.Compact(ids)
	b.revisedWithin = len(ids) < all
	return ids, periods
}
