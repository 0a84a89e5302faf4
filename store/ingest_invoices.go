package store

import (
	"context"
	"fmt"

	"referral/models"
)

// What an invoice of four lines takes in the two COPYs.
const (
	invoiceBytes = 190
	ownerBytes   = 46
)

// storeInvoices stores the batch's invoices with their lines. All revisions are kept;
// the highest counts.
func (b *ingestion) storeInvoices(ctx context.Context) error {
	rows, owners := &b.rows.invoices, &b.rows.owners
	spans := map[models.Period]*span{}
	var revised []int64
	factsOf(b, func(i int, f *models.Fact, inv *models.Invoice) {
		known, isKnown := b.known.invoices[inv.ID]
		if isKnown && !b.isNewRevision(i, inv, known) {
			return
		}
		if rows.Count() == 0 {
			rows.Grow(len(b.messages) * invoiceBytes)
			owners.Grow(len(b.messages) * ownerBytes)
		}
		if !isKnown {
			known = knownInvoice{account: inv.AccountID, stored: inv.Period}
			owners.Row(3).Int8(inv.AccountID).Int4(int(known.stored)).Text(inv.ID)
		}
		b.appendInvoice(f, inv, known.stored)
		spanOf(spans, inv.Period).cover(inv)
		if inv.Revision > 1 || isKnown || b.revisedWithin {
			known.revisions = append(known.revisions, inv)
			b.known.invoices[inv.ID] = known
		}
		if inv.Revision > 1 || len(known.revisions) > 1 {
			b.markRevisions(known)
			revised = append(revised, inv.AccountID)
		}
	})
	if rows.Count() == 0 {
		return nil
	}
	b.notePeriods(spans)
	if len(revised) > 0 {
		b.markForActiveRuns(revised)
	}
	// The owners first: of two batches that bring one invoice, the second waits here.
	if err := owners.Send(ctx, b.pgx, "invoice_ids (account_id, storage_period, invoice_id)"); err != nil {
		return err
	}
	return rows.Send(ctx, b.pgx, "invoices (account_id, storage_period, period, revision, invoice_id, currency, lines, provenance)")
}

func (b *ingestion) appendInvoice(f *models.Fact, inv *models.Invoice, stored models.Period) {
	out := b.rows.invoices.Row(8).Int8(inv.AccountID).Int4(int(stored)).Int4(int(inv.Period)).Int4(inv.Revision).Text(inv.ID).Text(inv.Currency)
	out.Value(func(buf []byte) []byte { return appendLines(buf, inv) })
	out.Bytes(b.provenance(f))
}

// isNewRevision tells whether a revision is to be stored: one that came before is not,
// and one that contradicts what came before is rejected, so that no order of arrival
// chooses between two bodies of one revision, or between two owners of one invoice.
func (b *ingestion) isNewRevision(i int, inv *models.Invoice, known knownInvoice) bool {
	if known.account != inv.AccountID {
		b.rejectConflict(i, "data.invoice_id: this invoice belongs to another account; give it an id of its own")
		return false
	}
	for _, r := range known.revisions {
		switch {
		case r.Revision != inv.Revision:
		case !r.Same(inv):
			b.rejectConflict(i, fmt.Sprintf("data.revision: revision %d of this invoice came before with another body; send the change as a higher revision", inv.Revision))
			return false
		default:
			b.dispositions[i] = models.Repeated
			return false
		}
	}
	return true
}

// markRevisions marks the account of a revised invoice in each period that any of its
// revisions names, started or not: the ledger may hold something of it.
func (b *ingestion) markRevisions(known knownInvoice) {
	for _, r := range known.revisions {
		b.stale[staleMark{r.Period, known.account}] = true
	}
}

// span is the accounts and the service days that a batch brings to a period.
type span struct {
	accounts []int64
	min, max models.Date
}

func spanOf(spans map[models.Period]*span, p models.Period) *span {
	if spans[p] == nil {
		spans[p] = &span{min: p.First(), max: p.End()}
	}
	return spans[p]
}

func (s *span) cover(inv *models.Invoice) {
	s.accounts = append(s.accounts, inv.AccountID)
	for i := range inv.Lines {
		s.min, s.max = min(s.min, inv.Lines[i].From), max(s.max, inv.Lines[i].End())
	}
}

// notePeriods saves the batch's periods and their bounds, and marks the accounts whose
// invoice comes after its period was started.
func (b *ingestion) notePeriods(spans map[models.Period]*span) {
	for _, p := range sortedPeriods(spans) {
		s := spans[p]
		known, ok := b.known.periods[p]
		if known.started {
			for _, account := range s.accounts {
				b.stale[staleMark{p, account}] = true
			}
		}
		if ok && s.min >= known.min && s.max <= known.max {
			continue
		}
		b.widen(p, s)
	}
}

func (b *ingestion) widen(p models.Period, s *span) {
	b.writes.Exec("noting period "+p.String(), `INSERT INTO periods (period, min_day, max_day) VALUES ($1, $2, $3)
		ON CONFLICT (period) DO UPDATE SET min_day = LEAST(periods.min_day, excluded.min_day), max_day = GREATEST(periods.max_day, excluded.max_day)`,
		p, s.min.Time(), s.max.Time())
}
