package store

import (
	"context"
	"fmt"

	"referral/models"
	"referral/store/pgcopy"
)

// lockDocuments lets one decision on a rejected document be taken at a time.
const lockDocuments advisoryLock = 0x7265660006

// Resend requests that a document be published again, if may allows it, and
// records who did it. found is false when the ledger has no such document.
func (s *Store) Resend(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (d models.LedgerDocument, found bool, err error) {
	return s.decide(ctx, id, act, may, func(tx *tx, d *models.LedgerDocument) error {
		answer, _ := models.Answer(d.Answers)
		return tx.exec("requesting the resend", `INSERT INTO document_resends (account_id, document_id, posting, rejected_at, requested_at, requested_by, reason)
			VALUES ($1, $2, nextval('postings'), $3, $4, $5, $6)`, d.AccountID, [16]byte(id), answer.At, tx.now, act.Who, act.Reason)
	})
}

// WriteOff notes that a document is settled by hand, if may allows it, and records
// who did it. found is false when the ledger has no such document.
func (s *Store) WriteOff(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (d models.LedgerDocument, found bool, err error) {
	return s.decide(ctx, id, act, may, func(tx *tx, d *models.LedgerDocument) error {
		return tx.exec("writing it off", `INSERT INTO document_write_offs (account_id, document_id, written_off_at, written_off_by, reason)
			VALUES ($1, $2, $3, $4, $5)`, d.AccountID, [16]byte(id), tx.now, act.Who, act.Reason)
	})
}

func (s *Store) decide(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error,
	do func(*tx, *models.LedgerDocument) error,
) (d models.LedgerDocument, found bool, err error) {
	err = s.write(ctx, fmt.Sprintf("%s of document %s", act.What, id), func(tx *tx) error {
		d, found = models.LedgerDocument{}, false
		if err := tx.disableStatementTimeout(); err != nil { // the ledger is searched for the document
			return err
		}
		if err := tx.lock("the decisions on documents", lockDocuments); err != nil {
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
	return d, found, err
}

// LedgerDocument is an adjustment or a package of the ledger. found is false when there
// is none of that id.
func (s *Store) LedgerDocument(ctx context.Context, id models.UUID) (d models.LedgerDocument, found bool, err error) {
	err = s.snapshot(ctx, fmt.Sprintf("reading document %s", id), func(tx *tx) (err error) {
		d, found, err = tx.ledgerDocument(ctx, id)
		return err
	})
	return d, found, err
}

// documentByID finds a document by its id, $1, among those stored under the period
// that the id begins with, $2, and among those stored under another one.
const documentByID = "adjustment_id = $1 AND (storage_period = $2 OR period <> storage_period)"

func (t *tx) ledgerDocument(ctx context.Context, id models.UUID) (d models.LedgerDocument, found bool, err error) {
	d.ID = id
	var chunk models.ChunkRef
	err = pgcopy.Each(ctx, t.pgx, "a document", func(v [][]byte) {
		found = true
		d.AccountID, d.InvoiceID, d.Period, d.Amount = pgcopy.Int8(v[0]), string(v[1]), pgcopy.Period(v[2]), pgcopy.Money(v[3])
		d.SMS, chunk = pgcopy.Int4(v[4]), models.ChunkRef{RunID: pgcopy.Int8(v[5]), Chunk: pgcopy.Int4(v[6])}
	}, `SELECT account_id, invoice_id, period, amount_minor, 0 AS sms, run_id, chunk_no FROM adjustments WHERE `+documentByID+`
		UNION ALL SELECT account_id, invoice_id, period, 0, sms, run_id, chunk_no FROM sms_packages WHERE package_id = $1`, [16]byte(id), models.PeriodOfID(id))
	if err != nil || !found {
		return d, found, err
	}
	var batch pgcopy.Batch
	decided := queueDecisions(&batch, []int64{d.AccountID})
	answers := queueAnswers(&batch, []models.UUID{id}, nil)
	chunks := map[models.ChunkRef]chunkState{chunk: {}}
	queueChunkStates(&batch, chunks)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return d, found, err
	}
	d.Answers, d.Resends, d.WriteOff = answers[id], decided[id].resends, decided[id].writeOff
	d.Published = chunks[chunk].published
	return d, found, nil
}

// loadResend reads the document that is to be published again, as its chunk had
// it: the message is the same to the byte.
func (t *tx) loadResend(ctx context.Context, doc *models.ChunkDocuments) error {
	var id models.UUID
	var account int64
	err := pgcopy.Each(ctx, t.pgx, "a resend", func(v [][]byte) { id, account = pgcopy.UUID(v[0]), pgcopy.Int8(v[1]) },
		"SELECT document_id, account_id FROM document_resends WHERE resend_id = $1", doc.Ref.Resend)
	if err != nil {
		return err
	}
	var batch pgcopy.Batch
	queueDocuments(&batch, doc, documentByID+" AND account_id = $3", [16]byte(id), models.PeriodOfID(id), account)
	queuePackages(&batch, doc, "package_id = $1 AND account_id = $2", [16]byte(id), account)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return err
	}
	if len(doc.Adjustments)+len(doc.Packages) != 1 {
		return fmt.Errorf("resend %d names %d documents of the ledger, not one", doc.Ref.Resend, len(doc.Adjustments)+len(doc.Packages))
	}
	return nil
}
