package store

import (
	"context"

	"referral/models"
)

// cursor walks the invoices of sorted cases in step with sorted rows.
type cursor struct {
	list             []models.AccountCase
	account, invoice int
}

// seek is the invoice of an account, nil when the cases do not hold it. It must
// be asked in ascending order.
func (c *cursor) seek(account int64, invoice []byte) *models.InvoiceCase {
	for c.account < len(c.list) && c.list[c.account].AccountID < account {
		c.account, c.invoice = c.account+1, 0
	}
	if c.account == len(c.list) || c.list[c.account].AccountID != account {
		return nil
	}
	invoices := c.list[c.account].Invoices
	for c.invoice < len(invoices) && invoices[c.invoice].Invoice.ID < string(invoice) {
		c.invoice++
	}
	if c.invoice == len(invoices) || invoices[c.invoice].Invoice.ID != string(invoice) {
		return nil
	}
	return &invoices[c.invoice]
}

// posted is what the ledger holds on these invoices, whatever period it was
// posted for.
func (l *caseLoader) posted(ctx context.Context) error {
	accounts, invoices := l.invoiceKeys()
	if len(accounts) == 0 {
		return nil
	}
	at := cursor{list: l.cases.list}
	found := false
	err := each(ctx, l.pgx, "the ledger", func(v [][]byte) {
		if inv := at.seek(getInt8(v[0]), v[1]); inv != nil {
			inv.Sequence, inv.Revision, found = getInt4(v[2]), getInt4(v[3]), true
		}
	}, `SELECT a.account_id, a.invoice_id, a.sequence, a.invoice_revision
		FROM unnest($1::bigint[], $2::text[]) AS u (account_id, invoice_id) JOIN adjustments a
			ON a.account_id = u.account_id AND a.invoice_id = u.invoice_id COLLATE "C"
		ORDER BY a.account_id, a.invoice_id, a.sequence`, accounts, invoices)
	if err != nil || !found {
		return err
	}
	at = cursor{list: l.cases.list}
	return each(ctx, l.pgx, "the items of the ledger", func(v [][]byte) {
		if inv := at.seek(getInt8(v[0]), v[1]); inv != nil {
			inv.Posted = append(inv.Posted, models.PostedLine{LineID: l.words.of(v[2]), Service: l.words.of(v[3]), Amount: models.Money(getInt8(v[4]))})
		}
	}, `SELECT i.account_id, i.invoice_id, i.line_id, max(i.service), sum(i.amount_minor)::bigint
		FROM unnest($1::bigint[], $2::text[]) AS u (account_id, invoice_id) JOIN adjustment_items i
			ON i.account_id = u.account_id AND i.invoice_id = u.invoice_id COLLATE "C"
		GROUP BY i.account_id, i.invoice_id, i.line_id
		ORDER BY i.account_id, i.invoice_id, i.line_id`, accounts, invoices)
}

func (l *caseLoader) invoiceKeys() (accounts []int64, invoices []string) {
	for i := range l.cases.list {
		for j := range l.cases.list[i].Invoices {
			accounts = append(accounts, l.cases.list[i].AccountID)
			invoices = append(invoices, l.cases.list[i].Invoices[j].Invoice.ID)
		}
	}
	return accounts, invoices
}
