package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// LeaveShadowMode has the packages looked at again that were earned in closed periods of
// the shadow mode, and that the older system has not given: the next runs send them. It
// may be called at every start.
func (s *Store) LeaveShadowMode(ctx context.Context) error {
	return s.exec(ctx, "marking packages of the shadow mode", `INSERT INTO stale (period, account_id)
		SELECT DISTINCT p.period, g.account_id FROM periods p JOIN package_grants g ON p.period = `+grantedMonth+`
		WHERE p.shadow AND p.closed_at IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM given_packages s WHERE s.account_id = g.account_id AND s.sms = g.sms AND s.ordinal = g.ordinal)
			AND (SELECT count(*) FROM given_packages s WHERE s.account_id = g.account_id AND s.sms = g.sms)
				< (SELECT count(*) FROM package_grants e WHERE e.account_id = g.account_id AND e.sms = g.sms)
			AND NOT EXISTS (SELECT 1 FROM stale m WHERE m.period = p.period AND m.account_id = g.account_id)`)
}

// MarkBooked has the accounts looked at by the run that books what an older system has
// given in a period: those that rows of its file name, and those of the invoices they name.
func (s *Store) MarkBooked(ctx context.Context, period models.Period, rows []models.BookedRow) error {
	invoices, accounts := namedIn(rows)
	return s.exec(ctx, "marking what an older system has given in "+period.String(), `INSERT INTO stale (period, account_id)
		SELECT DISTINCT $1::integer, account_id FROM (SELECT account_id FROM invoice_ids WHERE invoice_id = ANY($2) UNION SELECT unnest($3::bigint[])) a`,
		period, invoices, accounts)
}

// namedIn is the invoices that rows name, and the accounts of those that name none.
func namedIn(rows []models.BookedRow) (invoices []string, accounts []int64) {
	for i := range rows {
		if rows[i].InvoiceID != "" {
			invoices = append(invoices, rows[i].InvoiceID)
		} else {
			accounts = append(accounts, rows[i].AccountID)
		}
	}
	return invoices, accounts
}

// TallyBooked compares a file of what an older system has given with what the ledger holds
// since the run f.RunID has booked it, and keeps the rows that it does not hold, each with
// its reason, in place of those of the period's file before. It returns f with its counts
// and sums: what is booked and what is not make up what the file says.
func (s *Store) TallyBooked(ctx context.Context, f models.BookedFile, file models.BookedRows) (models.BookedFile, error) {
	err := s.write(ctx, "comparing the ledger with what an older system has given in "+f.Period.String(), func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		for _, table := range []string{"not_booked", "booked_files"} {
			if err := tx.exec("replacing the file before", "DELETE FROM "+table+" WHERE period = $1", f.Period); err != nil {
				return err
			}
		}
		if _, err := tx.pgx.Exec(ctx, planByIndexes); err != nil {
			return err
		}
		t := bookedTally{tx: tx, file: file, f: &f}
		f.Rows, f.Amount, f.NotBooked, f.NotBookedAmount, f.At = 0, 0, 0, 0, stored(tx.now)
		if err := file.EachRow(func(rows []models.BookedRow) error { return t.add(ctx, rows) }); err != nil {
			return err
		}
		return tx.exec("keeping the file", `INSERT INTO booked_files (period, run_id, sha256, row_count, amount_minor, not_booked, not_booked_minor, booked_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, f.Period, f.RunID, f.SHA256, f.Rows, f.Amount, f.NotBooked, f.NotBookedAmount, f.At)
	})
	return f, err
}

type bookedTally struct {
	*tx
	file models.BookedRows
	f    *models.BookedFile
}

// add compares some rows. Those that name one invoice or account are booked together, or
// not.
func (t *bookedTally) add(ctx context.Context, rows []models.BookedRow) error {
	invoices, accounts := namedIn(rows)
	onInvoices, onAccounts := map[string]models.NotBooked{}, map[int64]models.NotBooked{}
	var batch pgcopy.Batch
	batch.Each("the invoices that were booked", func(v [][]byte) {
		id := string(v[0])
		given, _, _ := t.file.OnInvoice(id)
		onInvoices[id] = notBookedOnInvoice(t.f.Period, given, v[1:])
	}, bookedInvoices, invoices, t.f.RunID)
	batch.Each("the accounts that were booked", func(v [][]byte) {
		id := pgcopy.Int8(v[0])
		given, _ := t.file.OnAccount(id)
		onAccounts[id] = notBookedOnAccount(given, v[1:])
	}, bookedAccounts, accounts, t.f.RunID, t.f.Period)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return err
	}
	var kept pgcopy.Rows
	for _, row := range rows {
		not := onAccounts[row.AccountID]
		if row.InvoiceID != "" {
			not = onInvoices[row.InvoiceID]
		}
		t.f.Rows, t.f.Amount = t.f.Rows+1, t.f.Amount.Add(row.Amount)
		if not.Reason == "" {
			continue
		}
		t.f.NotBooked, t.f.NotBookedAmount = t.f.NotBooked+1, t.f.NotBookedAmount.Add(row.Amount)
		kept.Row(7).Int4(int(t.f.Period)).Int4(row.Line).Int8(row.AccountID).Text(row.InvoiceID).Int8(int64(row.Amount)).Text(string(not.Reason)).Text(not.Detail)
	}
	return kept.Send(ctx, t.pgx, "not_booked (period, line, account_id, invoice_id, amount_minor, reason, detail)")
}

// bookedInvoices selects, of each invoice of $1, its owner, the period of its highest
// revision, what the ledger holds on it, and why the run $2 has parked it.
const bookedInvoices = `SELECT i, k.account_id,
		(SELECT v.period FROM invoices v WHERE (v.storage_period, v.account_id, v.invoice_id) = (k.storage_period, k.account_id, k.invoice_id) ORDER BY v.revision DESC LIMIT 1),
		(SELECT coalesce(sum(amount_minor), 0)::bigint FROM adjustments a WHERE (a.storage_period, a.account_id, a.invoice_id) = (k.storage_period, k.account_id, k.invoice_id)),
		(SELECT error FROM parked_accounts p WHERE p.run_id = $2 AND p.account_id = k.account_id AND p.invoice_id IN ('', k.invoice_id) LIMIT 1)
	FROM unnest($1::text[]) i LEFT JOIN invoice_ids k ON k.invoice_id = i`

// notBookedOnInvoice is why an amount is not booked on an invoice; its reason is empty when
// it is.
func notBookedOnInvoice(period models.Period, given models.Money, v [][]byte) (not models.NotBooked) {
	switch {
	case v[0] == nil:
		if given != 0 {
			not.Reason = models.NotBookedUnknownInvoice
		}
	case pgcopy.Period(v[1]) != period:
		if given != 0 {
			not.Reason, not.Detail = models.NotBookedOtherMonth, pgcopy.Period(v[1]).String()
		}
	case v[3] != nil:
		not.Reason, not.Detail = models.NotBookedRefused, string(v[3])
	case pgcopy.Money(v[2]) != given:
		not.Reason, not.Detail = models.NotBookedMeanwhile, pgcopy.Money(v[2]).String()
	}
	return not
}

// bookedAccounts selects, of each account of $1, whether it is known, how many invoices it
// has in the period $3, what the ledger holds on them, and why the run $2 has parked it or
// one of them.
const bookedAccounts = `SELECT i, EXISTS (SELECT FROM accounts WHERE account_id = i), b.invoices, b.held,
		(SELECT error FROM parked_accounts p WHERE p.run_id = $2 AND p.account_id = i ORDER BY invoice_id LIMIT 1)
	FROM unnest($1::bigint[]) i CROSS JOIN LATERAL (
		SELECT count(*), coalesce(sum(
			(SELECT sum(amount_minor) FROM adjustments a WHERE (a.storage_period, a.account_id, a.invoice_id) = (k.storage_period, k.account_id, k.invoice_id))), 0)::bigint
		FROM (SELECT storage_period, account_id, invoice_id FROM invoices WHERE storage_period = $3 AND account_id = i
			UNION SELECT storage_period, account_id, invoice_id FROM invoices WHERE period = $3 AND period <> storage_period AND account_id = i) k
		WHERE (SELECT v.period FROM invoices v WHERE (v.storage_period, v.account_id, v.invoice_id) = (k.storage_period, k.account_id, k.invoice_id)
			ORDER BY v.revision DESC LIMIT 1) = $3) b (invoices, held)`

// notBookedOnAccount is why an amount is not booked on the invoices of an account.
func notBookedOnAccount(given models.Money, v [][]byte) (not models.NotBooked) {
	switch {
	case pgcopy.Int8(v[1]) == 0:
		switch {
		case given == 0:
		case pgcopy.Bool(v[0]):
			not.Reason = models.NotBookedNoInvoice
		default:
			not.Reason = models.NotBookedUnknownAccount
		}
	case v[3] != nil:
		not.Reason, not.Detail = models.NotBookedRefused, string(v[3])
	case pgcopy.Money(v[2]) != given:
		not.Reason, not.Detail = models.NotBookedMeanwhile, pgcopy.Money(v[2]).String()
	}
	return not
}

// BookedFiles is what older systems have given, by period: of one period, or with 0 of all.
func (s *Store) BookedFiles(ctx context.Context, period models.Period) ([]models.BookedFile, error) {
	return list(ctx, s, "reading what older systems have given", pgx.RowToStructByPos[models.BookedFile],
		`SELECT period, run_id, sha256, row_count, amount_minor, not_booked, not_booked_minor, booked_at AT TIME ZONE 'UTC'
		FROM booked_files WHERE $1 IN (0, period) ORDER BY period`, period)
}

// NotBooked is the first rows that are not booked of the file of a period, or with 0 of
// those of all periods that are not closed, by period and line.
func (s *Store) NotBooked(ctx context.Context, period models.Period, limit int) ([]models.NotBooked, error) {
	return list(ctx, s, "reading what is not booked", func(row pgx.CollectableRow) (n models.NotBooked, err error) {
		err = row.Scan(&n.Period, &n.Line, &n.InvoiceID, &n.AccountID, &n.Amount, &n.Reason, &n.Detail)
		return n, err
	}, `SELECT period, line, invoice_id, account_id, amount_minor, reason, detail FROM not_booked
		WHERE period = ANY(CASE WHEN $1 = 0 THEN ARRAY(SELECT period FROM periods WHERE closed_at IS NULL) ELSE ARRAY[$1::integer] END) ORDER BY period, line LIMIT $2`, period, limit)
}
