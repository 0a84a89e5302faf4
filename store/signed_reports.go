package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"referral/internal/tracing"
	"referral/models"
	"referral/store/pgcopy"
)

// keepReport freezes the report of a signature and announces it. The signature is the
// newest entry of the journal, and stays so until the transaction ends.
func (t *tx) keepReport(signature int64, s *models.Signature, freeze models.FreezeFunc) error {
	waiting, err := t.waiting(s.Period)
	if err != nil {
		return err
	}
	canonical, err := freeze(s, waiting)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(canonical)
	err = t.exec("keeping the signed report", "INSERT INTO signed_reports (signature_id, period, sha256, report) VALUES ($1, $2, $3, $4)",
		signature, s.Period, digest[:], string(canonical))
	if err != nil {
		return err
	}
	var head struct {
		entry int64
		hash  []byte
	}
	_, err = t.scan("reading the newest entry of the journal", []any{&head.entry, &head.hash}, "SELECT entry, hash FROM operator_actions ORDER BY entry DESC LIMIT 1")
	if err != nil {
		return err
	}
	data, err := json.Marshal(map[string]any{
		"period": s.Period, "signed_at": s.At, "report_sha256": hex.EncodeToString(digest[:]),
		"journal_entry": head.entry, "journal_hash": hex.EncodeToString(head.hash),
	})
	if err != nil {
		return fmt.Errorf("encoding the event of the signature: %w", err)
	}
	event := outboxRecord{EventID: uuid.NewSHA1(uuid.Nil, digest[:]), Type: models.MonthSigned, Data: string(data), At: s.At, Trace: tracing.Current(t.Statement.Context)}
	return wrap("saving the event of the signature", t.Create(&event).Error)
}

// waiting is what waits in a period.
func (t *tx) waiting(p models.Period) (*models.Waiting, error) {
	w := &models.Waiting{Held: map[string]models.CountedAmount{}}
	var batch pgcopy.Batch
	batch.Each("stale accounts", func(v [][]byte) { w.Stale = pgcopy.Int8(v[0]) }, "SELECT count(DISTINCT account_id) FROM stale WHERE period = $1", p)
	batch.Each("held lines", func(v [][]byte) { w.Held[string(v[0])] = models.Counted(pgcopy.Int8(v[1]), pgcopy.Money(v[2])) },
		"SELECT service, count(*), sum(amount_minor)::bigint FROM held_lines WHERE period = $1 AND decided = 0 GROUP BY service", p)
	batch.Each("decisions on services", func(v [][]byte) { w.Services = append(w.Services, readServiceDecision(v)) }, servicesInForce+" ORDER BY service")
	batch.Each("what is parked", func(v [][]byte) { w.Parked = append(w.Parked, readParked(v)) },
		"SELECT "+parkedColumns+" FROM parked_accounts WHERE period = $1 AND "+parkedByLastRun+" ORDER BY account_id, invoice_id", p)
	return w, batch.Send(t.Statement.Context, t.pgx)
}

// The lists of a period that are hashed, in the text format of COPY. docs/month-report.md
// has them for auditors; they never change.
const (
	documentList = `COPY (SELECT adjustment_id, account_id, invoice_id, sequence, invoice_revision, period, posting_period, currency, amount_minor, reason
		FROM (%s) d ORDER BY account_id, invoice_id, sequence) TO STDOUT`
	packageList = `COPY (SELECT package_id, account_id, sms, ordinal, granted_on, period, posting_period, invoice_id, step
		FROM sms_packages WHERE posting_period = %[1]d ORDER BY account_id, sms, ordinal) TO STDOUT`
)

// postedInto is the documents that were posted into a period, each found by an index:
// see registerParts.
const postedInto = `SELECT * FROM adjustments WHERE storage_period = %[1]d AND posting_period = %[1]d
	UNION ALL SELECT * FROM adjustments WHERE posting_period = %[1]d AND posting_period <> period AND storage_period <> %[1]d
	UNION ALL SELECT * FROM adjustments WHERE posting_period = %[1]d AND period = %[1]d AND period <> storage_period`

// Ledger is what the ledger holds of a period, with digests of its lists. Its memory
// does not grow with the lists.
func (s *Store) Ledger(ctx context.Context, p models.Period) (l models.Ledger, err error) {
	err = s.consistentSnapshot(ctx, fmt.Sprintf("reading the ledger of %s", p), func(tx *tx) error {
		l = models.Ledger{}
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		documents := fmt.Sprintf(postedInto, p)
		r := &l.Register
		var batch pgcopy.Batch
		batch.Each("the documents", func(v [][]byte) { r.Documents = models.Counted(pgcopy.Int8(v[0]), pgcopy.Money(v[1])) },
			"SELECT count(*), coalesce(sum(amount_minor), 0)::bigint FROM ("+documents+") d")
		batch.Each("the packages", func(v [][]byte) { r.Packages, r.SMS = pgcopy.Int8(v[0]), pgcopy.Int8(v[1]) },
			"SELECT count(*), coalesce(sum(sms), 0)::bigint FROM sms_packages WHERE posting_period = $1", p)
		l.Into, l.Away = nil, nil
		queueElsewhere(&batch, &l.Into, "period", "posting_period", p)
		queueElsewhere(&batch, &l.Away, "posting_period", "period", p)
		if err := batch.Send(ctx, tx.pgx); err != nil {
			return err
		}
		if r.DocumentsSHA256, err = tx.digest(ctx, fmt.Sprintf(documentList, documents)); err != nil {
			return err
		}
		r.PackagesSHA256, err = tx.digest(ctx, fmt.Sprintf(packageList, p))
		return err
	})
	return l, err
}

// queueElsewhere reads what was posted between a period and others.
func queueElsewhere(batch *pgcopy.Batch, list *[]models.PostedElsewhere, other, own string, p models.Period) {
	batch.Each("what was posted elsewhere", func(v [][]byte) {
		*list = append(*list, models.PostedElsewhere{
			Period: pgcopy.Period(v[0]), Documents: models.Counted(pgcopy.Int8(v[1]), pgcopy.Money(v[2])), Packages: pgcopy.Int8(v[3]),
		})
	}, fmt.Sprintf(`SELECT other, sum(documents)::bigint, sum(amount)::bigint, sum(packages)::bigint FROM (
			SELECT %[1]s AS other, 1 AS documents, amount_minor AS amount, 0 AS packages FROM adjustments WHERE %[2]s = $1 AND posting_period <> period
			UNION ALL SELECT %[1]s, 0, 0, 1 FROM sms_packages WHERE %[2]s = $1 AND posting_period <> period) e
		GROUP BY other ORDER BY other`, other, own), p)
}

// digest is the SHA-256 of what a COPY writes, which is streamed.
func (t *tx) digest(ctx context.Context, list string) (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	if _, err := t.pgx.PgConn().CopyTo(ctx, hash, list); err != nil {
		return sum, fmt.Errorf("hashing a list of the ledger: %w", err)
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// SignedReports is the reports that were signed under a period, the newest first.
func (s *Store) SignedReports(ctx context.Context, p models.Period) ([]models.SignedReport, error) {
	return list(ctx, s, fmt.Sprintf("reading the signed reports of %s", p), func(row pgx.CollectableRow) (r models.SignedReport, err error) {
		var digest []byte
		var text string
		err = row.Scan(&r.Signature, &r.Period, &digest, &text)
		copy(r.SHA256[:], digest)
		r.Canonical = []byte(text)
		return r, err
	}, "SELECT signature_id, period, sha256, report FROM signed_reports WHERE period = $1 ORDER BY signature_id DESC", p)
}

// correctionsQuery is a page of the documents that were posted for period $1 into others
// after its newest signature, behind the document ($2, $3, $4).
const correctionsQuery = `WITH page AS (
	SELECT * FROM adjustments WHERE period = $1 AND posting_period <> period AND (account_id, invoice_id, sequence) > ($2, $3, $4)
		AND run_id > (SELECT last_run FROM signatures WHERE period = $1 ORDER BY signature_id DESC LIMIT 1)
	ORDER BY account_id, invoice_id, sequence LIMIT $5)
` + registerEntries

// Corrections is up to limit documents that were posted for a signed period after its
// signature, behind a cursor, by account, invoice and sequence.
func (s *Store) Corrections(ctx context.Context, p models.Period, after models.RegisterCursor, limit int) ([]models.RegisterEntry, error) {
	return list(ctx, s, fmt.Sprintf("reading the corrections of %s", p), scanRegisterEntry,
		correctionsQuery, p, after.AccountID, after.InvoiceID, after.Sequence, limit)
}
