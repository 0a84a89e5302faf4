package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"referral/models"
	"referral/store/pgcopy"
)

// Settle says what is to be posted for one account in a run.
type Settle = func(models.Run, *models.SettlementInput) models.SettlementResult

// WorkChunk takes one chunk of a run that nobody else has in hands through the
// run's present phase: rehearsed, its totals are noted; posted, its documents
// are in the ledger, its stale marks answered and itself marked, all in one
// transaction. worked is false when there is no chunk to take. Any number of
// workers in any number of processes may call it at once.
func (s *Store) WorkChunk(ctx context.Context, run models.Run, settle Settle) (totals models.Totals, worked bool, err error) {
	var ref models.ChunkRef
	room := workrooms.Get().(*workroom)
	defer workrooms.Put(room)
	for _, careful := range []bool{false, true} {
		err = classify(repeat(ctx, func() error {
			return s.once(ctx, beginRepeatableRead, func(tx *tx) error {
				w := &chunkWork{tx: tx, run: run, settle: settle, careful: careful, rehearsalCache: &s.rehearsalCache, room: room}
				worked, err = w.work(ctx)
				totals, ref = w.totals, w.ref()
				return err
			})
		}))
		// What one account's rows do to the whole chunk is found out by posting the
		// accounts one at a time.
		if err == nil || !errors.Is(err, models.ErrRefused) {
			break
		}
	}
	if err != nil {
		return models.Totals{}, false, fmt.Errorf("settling a chunk of run %d: %w", run.ID, err)
	}
	if run.State == models.RunPosting && worked {
		s.rehearsalCache.drop(ref)
	}
	return totals, worked, nil
}

type chunkRecord struct {
	RunID       int64 `gorm:"primaryKey"`
	ChunkNo     int   `gorm:"primaryKey"`
	FromAccount int64
	ToAccount   int64
	State       string
	Totals      models.Totals `gorm:"embedded"`
	Posting     int64         // grows with every chunk posted, of whatever run
	PostedAt    *time.Time
	PublishedAt *time.Time
}

func (chunkRecord) TableName() string { return "run_chunks" }

// chunkWork is one chunk in one transaction.
type chunkWork struct {
	*tx
	run            models.Run
	settle         Settle
	careful        bool // post account by account
	rehearsalCache *rehearsalCache
	room           *workroom

	chunk  *chunkRecord
	scope  scope
	totals models.Totals
}

func (w *chunkWork) ref() models.ChunkRef {
	if w.chunk == nil {
		return models.ChunkRef{}
	}
	return models.ChunkRef{RunID: w.run.ID, Chunk: w.chunk.ChunkNo}
}

func (w *chunkWork) work(ctx context.Context) (bool, error) {
	var err error
	if w.chunk, err = w.claim(w.run); err != nil || w.chunk == nil {
		return false, err
	}
	if err := w.holdTerms(ctx); err != nil {
		return false, err
	}
	w.scope, err = w.scopeOf(&runRecord{Kind: w.run.Kind, Period: w.run.Period}, w.chunk.FromAccount, w.chunk.ToAccount)
	if err != nil {
		return false, err
	}
	if w.run.State == models.RunPosting {
		err = w.post(ctx)
	} else {
		err = w.rehearse(ctx)
	}
	if err != nil {
		return false, err
	}
	return true, w.finishChunk(w.run, w.chunk, w.totals)
}

// rehearse settles the chunk and keeps what it came to for the posting. Its commit
// waits for no disk: were the database's end to lose it, the chunk would be to do
// still, and the run moves on in a commit that does wait, for all before it too.
func (w *chunkWork) rehearse(ctx context.Context) error {
	if _, err := w.pgx.Exec(ctx, "SET LOCAL synchronous_commit TO off"); err != nil {
		return fmt.Errorf("sparing a wait for the disk: %w", err)
	}
	c, err := w.loadInput(ctx, w.scope)
	if err != nil {
		return err
	}
	outcomes := settleAll(w.run, c, w.settle)
	w.totals = sumUp(outcomes)
	if w.totals.Parked > 0 {
		return nil // those are to be tried again
	}
	w.room.data = w.ledgerRows(c, outcomes).appendTo(w.room.data[:0])
	w.rehearsalCache.put(w.ref(), w.room.data, c.marks)
	return nil
}

// post writes what was rehearsed, as long as no fact has come between and it was
// kept unharmed; else the chunk is settled again.
func (w *chunkWork) post(ctx context.Context) error {
	if !w.careful {
		marks, err := w.marksNow(ctx)
		if err != nil {
			return err
		}
		booked, data, there := w.rehearsalCache.get(w.ref(), marks, w.room.data)
		w.room.data = data
		// The totals noted may be those of another rehearsal, of which this one knows nothing.
		if totals := w.chunk.Totals; there && booked.size() == (models.ChunkSize{Documents: totals.Documents, Packages: totals.Packages}) {
			w.totals = totals
			return w.book(ctx, booked, marks)
		}
	}
	c, err := w.loadInput(ctx, w.scope)
	if err != nil {
		return err
	}
	outcomes := settleAll(w.run, c, w.settle)
	if w.careful {
		err = w.postEach(ctx, c, outcomes)
	} else {
		err = w.book(ctx, w.ledgerRows(c, outcomes), c.marks)
	}
	if err != nil {
		return err
	}
	w.totals = sumUp(outcomes)
	return w.park(ctx, outcomes)
}

func (w *chunkWork) marksNow(ctx context.Context) (marks []int64, err error) {
	err = pgcopy.Each(ctx, w.pgx, "stale accounts", func(v [][]byte) { marks = append(marks, pgcopy.Int8(v[0])) },
		"SELECT id FROM stale WHERE period = $1 AND account_id >= $2 AND account_id <= $3", w.scope.period, w.scope.from, w.scope.to)
	return marks, err
}

// claim locks a chunk that waits for the run's phase. The run is looked at in the
// same snapshot: another worker may have moved it on.
func (t *tx) claim(run models.Run) (*chunkRecord, error) {
	waiting := "todo"
	if run.State == models.RunPosting {
		waiting = "rehearsed"
	}
	var chunks []chunkRecord
	err := t.Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"}).
		Where("run_id = ? AND state = ? AND EXISTS (SELECT 1 FROM runs r WHERE r.run_id = run_chunks.run_id AND r.state = ?)", run.ID, waiting, run.State).
		Order("chunk_no").Limit(1).Find(&chunks).Error
	if err != nil {
		return nil, fmt.Errorf("claiming a chunk: %w", err)
	}
	if len(chunks) == 0 {
		return nil, nil
	}
	return &chunks[0], nil
}

func settleAll(run models.Run, c *settlementInput, settle Settle) []models.SettlementResult {
	outcomes := make([]models.SettlementResult, len(c.list))
	for i := range c.list {
		outcomes[i] = settle(run, &c.list[i])
		checkOutcome(&outcomes[i])
	}
	return outcomes
}

func sumUp(outcomes []models.SettlementResult) models.Totals {
	var totals models.Totals
	for i := range outcomes {
		totals.Count(&outcomes[i])
	}
	return totals
}

func (t *tx) finishChunk(run models.Run, c *chunkRecord, totals models.Totals) error {
	c.State, c.Totals = "rehearsed", totals
	if run.State == models.RunPosting {
		c.State, c.PostedAt = "posted", &t.now
		if _, err := t.scan("numbering the chunk", []any{&c.Posting}, "SELECT nextval('postings')"); err != nil {
			return err
		}
		if totals.Documents+totals.Packages == 0 {
			c.PublishedAt = &t.now // there is nothing to publish
		}
	}
	return failed(fmt.Sprintf("marking chunk %d", c.ChunkNo), t.Save(c).Error)
}

// book writes ledger rows and answers the marks that they take account of.
func (w *chunkWork) book(ctx context.Context, b *ledgerRows, marks []int64) error {
	if err := w.answerMarks(ctx, marks); err != nil {
		return err
	}
	if err := w.forgetHeld(ctx, b.accounts); err != nil {
		return err
	}
	return w.write(ctx, b)
}

// answerMarks deletes the marks that this transaction has seen; one that was
// made meanwhile stays for the next run.
func (w *chunkWork) answerMarks(ctx context.Context, marks []int64) error {
	if len(marks) == 0 {
		return nil
	}
	_, err := w.pgx.Exec(ctx, "DELETE FROM stale WHERE period = $1 AND account_id >= $2 AND account_id <= $3 AND id = ANY($4)",
		w.scope.period, w.scope.from, w.scope.to, marks)
	return failed("answering stale marks", err)
}

// forgetHeld makes room for the held lines of accounts. Few have any: looking
// which is cheaper than naming all to the database.
func (w *chunkWork) forgetHeld(ctx context.Context, accounts []int64) error {
	var holding []int64
	err := pgcopy.Each(ctx, w.pgx, "held lines", func(v [][]byte) {
		if _, ours := slices.BinarySearch(accounts, pgcopy.Int8(v[0])); ours {
			holding = append(holding, pgcopy.Int8(v[0]))
		}
	}, "SELECT DISTINCT account_id FROM held_lines WHERE period = $1 AND account_id >= $2 AND account_id <= $3",
		w.scope.period, w.scope.from, w.scope.to)
	if err != nil || len(holding) == 0 {
		return err
	}
	_, err = w.pgx.Exec(ctx, "DELETE FROM held_lines WHERE period = $1 AND account_id = ANY($2)", w.scope.period, holding)
	return failed("replacing held lines", err)
}

// postEach posts the accounts one at a time; of one that the database refuses, the
// invoices one at a time.
func (w *chunkWork) postEach(ctx context.Context, c *settlementInput, outcomes []models.SettlementResult) error {
	if err := w.book(ctx, &ledgerRows{accounts: c.ids(), moved: c.moved}, c.marks); err != nil {
		return err
	}
	for i := range outcomes {
		refused, err := w.try(ctx, c, outcomes[i])
		if err == nil && refused != nil {
			err = w.postInvoices(ctx, c, &outcomes[i])
		}
		if err != nil {
			return fmt.Errorf("posting account %d: %w", outcomes[i].AccountID, err)
		}
	}
	return nil
}

// postInvoices posts an account piece by piece, and parks the invoices that the
// database refuses. Without its packages nothing of it is posted: they are no
// invoice's fault.
func (w *chunkWork) postInvoices(ctx context.Context, c *settlementInput, o *models.SettlementResult) error {
	refused, err := w.try(ctx, c, models.SettlementResult{AccountID: o.AccountID, Packages: o.Packages})
	if refused != nil {
		*o = models.SettlementResult{AccountID: o.AccountID, Err: refused}
	}
	for _, piece := range byInvoice(o) {
		if err != nil {
			return err
		}
		if refused, err = w.try(ctx, c, piece.SettlementResult); refused != nil {
			o.Park(piece.invoice, refused)
		}
	}
	return err
}

// invoiceOutcome is what is posted on one invoice.
type invoiceOutcome struct {
	models.SettlementResult
	invoice string
}

func byInvoice(o *models.SettlementResult) []invoiceOutcome {
	var pieces []invoiceOutcome
	of := func(invoice string) *invoiceOutcome {
		at := slices.IndexFunc(pieces, func(p invoiceOutcome) bool { return p.invoice == invoice })
		if at < 0 {
			at, pieces = len(pieces), append(pieces, invoiceOutcome{models.SettlementResult{AccountID: o.AccountID}, invoice})
		}
		return &pieces[at]
	}
	for _, a := range o.Adjustments {
		piece := of(a.InvoiceID)
		piece.Adjustments = append(piece.Adjustments, a)
	}
	for _, h := range o.Held {
		piece := of(h.InvoiceID)
		piece.Held = append(piece.Held, h)
	}
	return pieces
}

// try posts an outcome, or nothing of it when the database refuses it.
func (w *chunkWork) try(ctx context.Context, c *settlementInput, o models.SettlementResult) (refused, err error) {
	if err := w.SavePoint("piece").Error; err != nil {
		return nil, fmt.Errorf("setting a savepoint: %w", err)
	}
	err = classify(w.write(ctx, w.ledgerRows(&settlementInput{elsewhere: c.elsewhere}, []models.SettlementResult{o})))
	if errors.Is(err, models.ErrRefused) {
		return err, w.RollbackTo("piece").Error
	}
	return nil, err
}

func (w *chunkWork) write(ctx context.Context, b *ledgerRows) error {
	for _, table := range []struct {
		rows *pgcopy.Rows
		name string
	}{
		{&b.documents, "adjustments (account_id, amount_minor, run_id, adjustment_id, storage_period, period, posting_period, " +
			"sequence, invoice_revision, chunk_no, invoice_id, currency, reason, items)"},
		{&b.packages, "sms_packages (account_id, sms, ordinal, package_id, granted_on, period, posting_period, invoice_id, step, run_id, chunk_no)"},
		{&b.held, "held_lines (account_id, period, invoice_id, line_id, service, amount_minor)"},
		{&b.moved, "stale (period, account_id, id)"},
	} {
		if err := table.rows.Send(ctx, w.pgx, table.name); err != nil {
			return err
		}
	}
	return nil
}

// park names the accounts and invoices that could not be settled and leaves their
// accounts stale, so that the next catch-up tries again.
func (w *chunkWork) park(ctx context.Context, outcomes []models.SettlementResult) error {
	var parked, marks pgcopy.Rows
	for i := range outcomes {
		all := outcomes[i].AllParked()
		for _, p := range all {
			parked.Row(6).Int8(w.run.ID).Int8(p.AccountID).Text(p.InvoiceID).Int4(int(w.run.Period)).Text(storable(p.Error)).Time(w.now)
		}
		if len(all) > 0 {
			marks.Row(2).Int4(int(w.run.Period)).Int8(outcomes[i].AccountID)
		}
	}
	if err := parked.Send(ctx, w.pgx, "parked_accounts (run_id, account_id, invoice_id, period, error, parked_at)"); err != nil {
		return err
	}
	return marks.Send(ctx, w.pgx, "stale (period, account_id)")
}
