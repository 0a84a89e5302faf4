package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// facts reads what is known of the accounts, all in one round trip.
func (l *caseLoader) facts(ctx context.Context) error {
	if len(l.ids) == 0 {
		return nil
	}
	var batch pgx.Batch
	var discounts []models.Discount
	if s := l.scope; s.kind == models.RunDifferences {
		queue(&batch, "discounts", func(v [][]byte) { discounts = append(discounts, l.discount(v)) },
			"SELECT "+discountColumns+` FROM discounts WHERE account_id = ANY($1) AND to_day > $2 AND from_day < $3
			ORDER BY account_id, kind, from_day`, l.ids, s.min.Time(), s.max.Time())
	}
	l.queueInvoices(&batch)
	l.queueGrants(&batch)
	lines := l.queueLines(&batch)
	if err := l.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("reading the facts of a chunk: %w", err)
	}
	lines.settle()
	l.handOut(discounts)
	return nil
}

// queueInvoices finds the invoices whose highest revision lies in the period.
func (l *caseLoader) queueInvoices(batch *pgx.Batch) {
	// The highest revision of the invoices that have more than a first, in any
	// period: an invoice may have moved.
	higher := map[invoiceKey]revision{}
	queue(batch, "revised invoices", func(v [][]byte) {
		higher[invoiceKey{getInt8(v[0]), string(v[1])}] = revision{number: getInt4(v[2]), period: models.Period(getInt4(v[3]))}
	}, `SELECT DISTINCT ON (account_id, invoice_id) account_id, invoice_id, revision, period FROM invoices
		WHERE account_id = ANY($1) AND revision > 1 ORDER BY account_id, invoice_id, revision DESC`, l.ids)
	passed := map[mark]bool{}
	queue(batch, "invoices", func(v [][]byte) {
		c, revision := l.account(getInt8(v[0])), getInt4(v[2])
		if len(higher) > 0 {
			if h := higher[invoiceKey{c.AccountID, string(v[1])}]; h.number > revision {
				l.passOn(passed, mark{h.period, c.AccountID})
				return
			}
		}
		c.Invoices = append(c.Invoices, models.InvoiceCase{Invoice: models.Invoice{
			AccountID: c.AccountID, ID: string(v[1]), Revision: revision, Period: l.scope.period, Currency: l.words.of(v[3]),
		}})
	}, `SELECT account_id, invoice_id, revision, currency FROM invoices
		WHERE account_id = ANY($1) AND period = $2 ORDER BY account_id, invoice_id, revision`, l.ids, l.scope.period)
}

type invoiceKey struct {
	account int64
	invoice string
}

// passOn has an account looked at in the period that an invoice has moved to.
// A run of this period may have been posting on the invoice when it moved, and
// the other period may have been settled before that could be seen. Only marks
// made by facts are passed on, and once: their likeness there has the negative
// id, or two invoices that change places would be passed to and fro for ever.
func (l *caseLoader) passOn(passed map[mark]bool, to mark) {
	id, asked := l.asked[to.account]
	if !asked || to.period == l.scope.period || passed[to] {
		return
	}
	passed[to] = true
	l.cases.moved.row(3).int4(int(to.period)).int8(to.account).int8(-id)
}

// queueGrants reads what the accounts ever earned, and of it what is due in the
// period.
func (l *caseLoader) queueGrants(batch *pgx.Batch) {
	queue(batch, "package grants", func(v [][]byte) {
		c := l.account(getInt8(v[0]))
		if c.Earned == nil {
			c.Earned = map[int]int{}
			l.granted = append(l.granted, c.AccountID)
		}
		g := models.Grant{AccountID: c.AccountID, SMS: getInt4(v[1]), Ordinal: getInt4(v[2]), GrantedOn: getDate(v[3]), Step: getInt2(v[4])}
		c.Earned[g.SMS]++
		if g.GrantedOn.Period() == l.scope.period {
			c.Grants = append(c.Grants, g)
		}
	}, `SELECT account_id, sms, ordinal, granted_on, step FROM package_grants
		WHERE account_id = ANY($1) ORDER BY account_id, granted_on, sms, ordinal`, l.ids)
}

// gone is the packages that went out to these accounts, of any period.
func (l *caseLoader) gone(ctx context.Context) error {
	if len(l.granted) == 0 {
		return nil
	}
	return each(ctx, l.pgx, "packages gone out", func(v [][]byte) {
		c := l.account(getInt8(v[0]))
		c.Packages = append(c.Packages, models.SMSPackage{AccountID: c.AccountID, SMS: getInt4(v[1]), Ordinal: getInt4(v[2])})
	}, "SELECT account_id, sms, ordinal FROM sms_packages WHERE account_id = ANY($1)", l.granted)
}
