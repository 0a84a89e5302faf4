package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// lockDocuments lets one decision on a rejected document be taken at a time.
const lockDocuments = 0x7265660006

// Resend requests that a document be published again, if may allows it, and
// records who did it. found is false when the ledger has no such document.
func (s *Store) Resend(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (d models.LedgerDocument, found bool, err error) {
	return s.decide(ctx, id, act, may, func(tx *tx, d *models.LedgerDocument) error {
		answer, _ := models.Answer(d.Answers)
		return tx.Exec(`INSERT INTO document_resends (account_id, document_id, posting, rejected_at, requested_at, requested_by, reason)
			VALUES (?, ?, nextval('postings'), ?, ?, ?, ?)`, d.AccountID, uuidValue(id), answer.At, tx.now, act.Who, act.Reason).Error
	})
}

// WriteOff notes that a document is settled by hand, if may allows it, and records
// who did it. found is false when the ledger has no such document.
func (s *Store) WriteOff(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (d models.LedgerDocument, found bool, err error) {
	return s.decide(ctx, id, act, may, func(tx *tx, d *models.LedgerDocument) error {
		return tx.Exec(`INSERT INTO document_write_offs (account_id, document_id, written_off_at, written_off_by, reason)
			VALUES (?, ?, ?, ?, ?)`, d.AccountID, uuidValue(id), tx.now, act.Who, act.Reason).Error
	})
}

func (s *Store) decide(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error,
	do func(*tx, *models.LedgerDocument) error,
) (d models.LedgerDocument, found bool, err error) {
	err = s.write(ctx, func(tx *tx) error {
		d, found = models.LedgerDocument{}, false
		if err := tx.disableStatementTimeout(); err != nil { // the ledger is searched for the document
			return err
		}
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", int64(lockDocuments)).Error; err != nil {
			return err
		}
		var err error
		if d, found, err = tx.ledgerDocument(ctx, id); err != nil || !found {
			return err
		}
		if err := may(&d); err != nil {
			return err
		}
		if err := do(tx, &d); err != nil {
			return err
		}
		return tx.recordAction(act)
	})
	if err != nil {
		return d, found, fmt.Errorf("%s of document %s: %w", act.What, id, err)
	}
	return d, found, nil
}

// documentByID finds a document by its id, $1, among those stored under the period
// that the id begins with, $2, and among those stored under another one.
const documentByID = "adjustment_id = $1 AND (storage_period = $2 OR period <> storage_period)"

func (t *tx) ledgerDocument(ctx context.Context, id models.UUID) (d models.LedgerDocument, found bool, err error) {
	d.ID = id
	err = each(ctx, t.pgx, "a document", func(v [][]byte) {
		found = true
		d.AccountID, d.InvoiceID, d.Period, d.Amount = getInt8(v[0]), string(v[1]), models.Period(getInt4(v[2])), models.Money(getInt8(v[3]))
		d.SMS, d.Published = getInt4(v[4]), v[5][0] == 1
	}, `SELECT d.account_id, d.invoice_id, d.period, d.amount_minor, d.sms, EXISTS (SELECT 1 FROM run_chunks c
			WHERE c.run_id = d.run_id AND c.chunk_no = d.chunk_no AND c.published_at IS NOT NULL)
		FROM (SELECT account_id, invoice_id, period, amount_minor, 0 AS sms, run_id, chunk_no FROM adjustments WHERE `+documentByID+`
			UNION ALL SELECT account_id, invoice_id, period, 0, sms, run_id, chunk_no FROM sms_packages WHERE package_id = $1) d`, [16]byte(id), models.PeriodOfID(id))
	if err != nil || !found {
		return d, found, err
	}
	l := newAuditLoader(t, []int64{d.AccountID}, 0)
	answers, err := l.answers(ctx, []models.UUID{id})
	if err != nil {
		return d, found, err
	}
	decided, err := l.decisions(ctx)
	d.Answers, d.Resends, d.WriteOff = answers[id], decided[id].resends, decided[id].writeOff
	return d, found, err
}

// decisions is what persons decided about rejected documents.
type decisions struct {
	resends  []models.Resend
	writeOff *models.WriteOff
}

// decisions is those about the documents of the loader's accounts.
func (l *auditLoader) decisions(ctx context.Context) (map[models.UUID]decisions, error) {
	if l.decided != nil {
		return l.decided, nil
	}
	found := map[models.UUID]decisions{}
	err := each(ctx, l.pgx, "resends", func(v [][]byte) {
		id := getUUID(v[0])
		d := found[id]
		d.resends = append(d.resends, models.Resend{
			At: getTime(v[1]), By: string(v[2]), Reason: string(v[3]), RejectedAt: getTime(v[4]), Published: v[5][0] == 1,
		})
		found[id] = d
	}, `SELECT document_id, requested_at, requested_by, reason, rejected_at, published_at IS NOT NULL
		FROM document_resends WHERE account_id = ANY($1) ORDER BY resend_id`, l.ids)
	if err != nil {
		return nil, err
	}
	err = each(ctx, l.pgx, "write-offs", func(v [][]byte) {
		id := getUUID(v[0])
		d := found[id]
		d.writeOff = &models.WriteOff{At: getTime(v[1]), By: string(v[2]), Reason: string(v[3])}
		found[id] = d
	}, "SELECT document_id, written_off_at, written_off_by, reason FROM document_write_offs WHERE account_id = ANY($1)", l.ids)
	l.decided = found
	return found, err
}

// loadResend reads the document that is to be published again, as its chunk had
// it: the message is the same to the byte.
func (t *tx) loadResend(ctx context.Context, doc *models.ChunkDocuments) error {
	var id models.UUID
	var account int64
	err := each(ctx, t.pgx, "a resend", func(v [][]byte) { id, account = getUUID(v[0]), getInt8(v[1]) },
		"SELECT document_id, account_id FROM document_resends WHERE resend_id = $1", doc.Ref.Resend)
	if err != nil {
		return err
	}
	var batch pgx.Batch
	queueDocuments(&batch, doc, documentByID+" AND account_id = $3", [16]byte(id), models.PeriodOfID(id), account)
	queuePackages(&batch, doc, "package_id = $1 AND account_id = $2", [16]byte(id), account)
	if err := t.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("reading the document: %w", err)
	}
	if len(doc.Adjustments)+len(doc.Packages) != 1 {
		return fmt.Errorf("resend %d names %d documents of the ledger, not one", doc.Ref.Resend, len(doc.Adjustments)+len(doc.Packages))
	}
	return nil
}

func (s *Store) markResent(ctx context.Context, resend int64, at time.Time) error {
	err := s.gorm.WithContext(ctx).Exec("UPDATE document_resends SET published_at = ? WHERE resend_id = ?", at, resend).Error
	if err != nil {
		return fmt.Errorf("marking resend %d as published: %w", resend, err)
	}
	return nil
}
