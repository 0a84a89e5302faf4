package store

import (
	"context"
	"fmt"

	"referral/models"
)

// What an invoice of four lines takes in the two COPYs.
const (
	invoiceBytes = 88
	linesBytes   = 480
)

// takeInvoices stores the batch's invoices with their lines. All revisions are
// kept; which one counts is for the reader to say.
func (b *intake) takeInvoices(ctx context.Context) error {
	if !b.alone && b.hasOrphan() {
		return errAlone
	}
	headers, lines := &b.out.invoices, &b.out.lines
	spans := map[models.Period]*span{}
	var revised []int64
	factsOf(b, func(i int, f *models.Fact, inv *models.Invoice) {
		known := b.known.invoices[inv.ID]
		if !b.admit(i, inv, known) {
			return
		}
		if headers.count == 0 {
			headers.room(len(b.batch) * invoiceBytes)
			lines.room(len(b.batch) * linesBytes)
		}
		b.appendInvoice(f, inv)
		spanOf(spans, inv.Period).cover(inv)
		if inv.Revision > 1 || len(known) > 0 || b.revisedWithin {
			known = append(known, revision{inv.AccountID, inv.Revision, inv.Period, inv})
			b.known.invoices[inv.ID] = known
		}
		if inv.Revision > 1 || len(known) > 1 {
			b.markRevisions(inv, known)
			revised = append(revised, inv.AccountID)
		}
	})
	if headers.count == 0 {
		return nil
	}
	if err := b.startedPeriods(spans); err != nil {
		return err
	}
	if len(revised) > 0 {
		b.markAtWork(revised)
	}
	if err := headers.send(ctx, b.pgx, "invoices (account_id, period, invoice_id, revision, currency, provenance)"); err != nil {
		return err
	}
	return lines.send(ctx, b.pgx, "invoice_lines (account_id, period, invoice_id, revision, line_no, line_id, service, from_day, to_day, amount_minor)")
}

func (b *intake) appendInvoice(f *models.Fact, inv *models.Invoice) {
	b.out.invoices.row(6).int8(inv.AccountID).int4(int(inv.Period)).text(inv.ID).int4(inv.Revision).text(inv.Currency).provenance(b.numbers, f.Provenance)
	out := &b.out.lines
	for n := range inv.Lines {
		l := &inv.Lines[n]
		out.row(10).int8(inv.AccountID).int4(int(inv.Period)).text(inv.ID).int4(inv.Revision).int4(n).
			text(l.ID).text(l.Service).date(l.From).date(l.To).int8(int64(l.Amount))
	}
}

// errAlone asks for the batch to be taken again while no other one is.
var errAlone = fmt.Errorf("a revision has come before its invoice: %w", errAgain)

// hasOrphan tells whether a later revision has come before the first one of its
// invoice. Whose invoice that is, a batch which is just being taken may see
// otherwise: of two first revisions the unique key lets one pass, but a first and
// a second one do not meet there.
func (b *intake) hasOrphan() bool {
	orphans := map[invoiceKey]bool{}
	factsOf(b, func(_ int, _ *models.Fact, inv *models.Invoice) {
		if inv.Revision > 1 && len(b.known.invoices[inv.ID]) == 0 {
			orphans[invoiceKey{inv.AccountID, inv.ID}] = true
		}
	})
	if len(orphans) == 0 {
		return false
	}
	factsOf(b, func(_ int, _ *models.Fact, inv *models.Invoice) {
		if inv.Revision == 1 {
			delete(orphans, invoiceKey{inv.AccountID, inv.ID})
		}
	})
	return len(orphans) > 0
}

// admit sorts out a revision that came before, and one that contradicts what came
// before: no order of arrival may choose between two bodies of one revision, or
// between two owners of one invoice.
func (b *intake) admit(i int, inv *models.Invoice, known []revision) bool {
	for _, r := range known {
		switch {
		case r.account != inv.AccountID:
			b.conflict(i, "data.invoice_id: this invoice belongs to another account; give it an id of its own")
			return false
		case r.number != inv.Revision:
		case !r.body.Same(inv):
			b.conflict(i, fmt.Sprintf("data.revision: revision %d of this invoice came before with another body; send the change as a higher revision", inv.Revision))
			return false
		default:
			b.fate[i] = models.Repeated
			return false
		}
	}
	return true
}

// markRevisions has a revised invoice looked at in each period that any of its
// revisions names, started or not: the ledger may hold something of it.
func (b *intake) markRevisions(inv *models.Invoice, revisions []revision) {
	for _, r := range revisions {
		b.marks[mark{r.period, inv.AccountID}] = true
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

// startedPeriods makes the batch's periods known, widens their bounds, and marks
// the accounts whose invoice comes after its period was started.
func (b *intake) startedPeriods(spans map[models.Period]*span) error {
	for _, p := range sortedPeriods(spans) {
		s := spans[p]
		known, ok := b.known.periods[p]
		if known.started {
			for _, account := range s.accounts {
				b.marks[mark{p, account}] = true
			}
		}
		if ok && s.min >= known.min && s.max <= known.max {
			continue
		}
		if err := b.widen(p, s); err != nil {
			return err
		}
	}
	return nil
}

func (b *intake) widen(p models.Period, s *span) error {
	err := b.Exec(`INSERT INTO periods (period, min_day, max_day) VALUES (?, ?, ?)
		ON CONFLICT (period) DO UPDATE SET min_day = LEAST(periods.min_day, excluded.min_day), max_day = GREATEST(periods.max_day, excluded.max_day)`,
		p, dateValue(s.min), dateValue(s.max)).Error
	if err != nil {
		return fmt.Errorf("noting period %s: %w", p, err)
	}
	return nil
}
