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
	l, err := t.readBooked(ctx, rows)
	if err != nil {
		return err
	}
	var kept pgcopy.Rows
	for _, row := range rows {
		not := t.notBooked(l, row)
		t.f.Rows, t.f.Amount = t.f.Rows+1, t.f.Amount.Add(row.Amount)
		if not.Reason == "" {
			continue
		}
		t.f.NotBooked, t.f.NotBookedAmount = t.f.NotBooked+1, t.f.NotBookedAmount.Add(row.Amount)
		kept.Row(7).Int4(int(t.f.Period)).Int4(row.Line).Int8(row.AccountID).Text(row.InvoiceID).Int8(int64(row.Amount)).Text(string(not.Reason)).Text(not.Detail)
	}
	return kept.Send(ctx, t.pgx, "not_booked (period, line, account_id, invoice_id, amount_minor, reason, detail)")
}

// bookedInvoice is an invoice that a row is about.
type bookedInvoice struct {
	period models.Period // of its highest revision
	held   models.Money  // by the ledger
}

// bookedLedger is what the ledger holds of what some rows name.
type bookedLedger struct {
	accounts map[int64]bool // that are known
	invoices map[invoiceKey]*bookedInvoice
	of       map[int64][]*bookedInvoice // these of an account
	owners   map[string]int64
	parked   map[invoiceKey]string // why the run has parked an invoice; all of the account when it names none
	first    map[int64]string      // of these, the first of an account
}

// readBooked reads what the ledger holds of the invoices and accounts that rows name, in two
// round trips: what they are, and what is stored where they are.
func (t *bookedTally) readBooked(ctx context.Context, rows []models.BookedRow) (*bookedLedger, error) {
	named, accounts := namedIn(rows)
	l := &bookedLedger{
		accounts: map[int64]bool{}, invoices: map[invoiceKey]*bookedInvoice{}, of: map[int64][]*bookedInvoice{}, owners: map[string]int64{},
		parked: map[invoiceKey]string{}, first: map[int64]string{},
	}
	stored := storedAccounts{}
	note := func(account int64, under models.Period, id string) {
		if key := (invoiceKey{account, id}); l.invoices[key] == nil {
			l.invoices[key] = &bookedInvoice{}
			l.of[account] = append(l.of[account], l.invoices[key])
		}
		stored.add(under, account)
	}
	var batch pgcopy.Batch
	batch.Each("the owners of invoices", func(v [][]byte) {
		l.owners[string(v[0])] = pgcopy.Int8(v[1])
		note(pgcopy.Int8(v[1]), pgcopy.Period(v[2]), string(v[0]))
	}, "SELECT invoice_id, account_id, storage_period FROM invoice_ids WHERE invoice_id = ANY($1)", named)
	batch.Each("the accounts", func(v [][]byte) { l.accounts[pgcopy.Int8(v[0])] = true }, "SELECT account_id FROM accounts WHERE account_id = ANY($1)", accounts)
	for _, where := range []string{"storage_period = $2", "period = $2 AND period <> storage_period"} {
		batch.Each("the invoices of accounts", func(v [][]byte) { note(pgcopy.Int8(v[0]), pgcopy.Period(v[1]), string(v[2])) },
			"SELECT DISTINCT account_id, storage_period, invoice_id FROM invoices WHERE account_id = ANY($1) AND "+where, accounts, t.f.Period)
	}
	if err := batch.Send(ctx, t.pgx); err != nil {
		return nil, err
	}
	of := map[int64]bool{}
	for under, ids := range stored.sorted() {
		for _, id := range ids {
			of[id] = true
		}
		batch.Each("the periods of invoices", func(v [][]byte) {
			if inv := l.invoices[invoiceKey{pgcopy.Int8(v[0]), string(v[1])}]; inv != nil {
				inv.period = pgcopy.Period(v[2])
			}
		}, "SELECT account_id, invoice_id, period FROM invoices WHERE storage_period = $2 AND account_id = ANY($1) ORDER BY revision", ids, under)
		batch.Each("what is booked on invoices", func(v [][]byte) {
			if inv := l.invoices[invoiceKey{pgcopy.Int8(v[0]), string(v[1])}]; inv != nil {
				inv.held = pgcopy.Money(v[2])
			}
		}, "SELECT account_id, invoice_id, sum(amount_minor)::bigint FROM adjustments WHERE storage_period = $2 AND account_id = ANY($1) GROUP BY account_id, invoice_id", ids, under)
	}
	for _, id := range accounts {
		of[id] = true
	}
	batch.Each("what is parked", func(v [][]byte) {
		account := pgcopy.Int8(v[0])
		l.parked[invoiceKey{account, string(v[1])}], l.first[account] = string(v[2]), string(v[2])
	}, "SELECT account_id, invoice_id, error FROM parked_accounts WHERE run_id = $2 AND account_id = ANY($1) ORDER BY account_id, invoice_id DESC", sortedIDs(of), t.f.RunID)
	return l, batch.Send(ctx, t.pgx)
}

// notBooked is why a row is not booked; its reason is empty when it is.
func (t *bookedTally) notBooked(l *bookedLedger, row models.BookedRow) (not models.NotBooked) {
	if row.InvoiceID != "" {
		given, _, _ := t.file.OnInvoice(row.InvoiceID)
		return t.notBookedOnInvoice(l, row.InvoiceID, given)
	}
	given, _ := t.file.OnAccount(row.AccountID)
	return t.notBookedOnAccount(l, row.AccountID, given)
}

func (t *bookedTally) notBookedOnInvoice(l *bookedLedger, id string, given models.Money) (not models.NotBooked) {
	account, known := l.owners[id]
	if !known {
		if given != 0 {
			not.Reason = models.NotBookedUnknownInvoice
		}
		return not
	}
	inv := l.invoices[invoiceKey{account, id}]
	if inv.period != t.f.Period {
		if given != 0 {
			not.Reason, not.Detail = models.NotBookedOtherMonth, inv.period.String()
		}
		return not
	}
	for _, parked := range []string{"", id} {
		if why, refused := l.parked[invoiceKey{account, parked}]; refused {
			not.Reason, not.Detail = models.NotBookedRefused, why
			return not
		}
	}
	if inv.held != given {
		not.Reason, not.Detail = models.NotBookedMeanwhile, inv.held.String()
	}
	return not
}

func (t *bookedTally) notBookedOnAccount(l *bookedLedger, account int64, given models.Money) (not models.NotBooked) {
	var held models.Money
	invoices := 0
	for _, inv := range l.of[account] {
		if inv.period == t.f.Period {
			invoices, held = invoices+1, held.Add(inv.held)
		}
	}
	why, refused := l.first[account]
	switch {
	case invoices == 0 && given == 0:
	case invoices == 0 && l.accounts[account]:
		not.Reason = models.NotBookedNoInvoice
	case invoices == 0:
		not.Reason = models.NotBookedUnknownAccount
	case refused:
		not.Reason, not.Detail = models.NotBookedRefused, why
	case held != given:
		not.Reason, not.Detail = models.NotBookedMeanwhile, held.String()
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
