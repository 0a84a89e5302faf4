package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"referral/internal/tracing"
	"referral/models"
	"referral/store/pgcopy"
)

// WorkChunk takes one chunk of a run that no other worker has through the run's present
// phase: rehearsed, its totals are saved; posted, its documents are in the ledger, its
// stale marks are deleted and it is marked itself, all in one transaction. worked is
// false when no chunk is left. Any number of workers in any number of processes may
// call it at once.
func (s *Store) WorkChunk(ctx context.Context, run models.Run, settle models.SettleFunc) (totals models.Totals, worked bool, err error) {
	ctx, span := tracing.Start(ctx, tracing.Internal, "settle chunk")
	defer func() { span.End(err) }()
	var ref models.ChunkRef
	buffers := chunkBufferPool.Get().(*chunkBuffers)
	defer chunkBufferPool.Put(buffers)
	for _, oneByOne := range []bool{false, true} {
		err = classify(retryConflicts(ctx, func() error {
			return s.once(ctx, beginRepeatableRead, func(tx *tx) error {
				w := &chunkWork{tx: tx, run: run, settle: settle, oneByOne: oneByOne, rehearsalCache: &s.rehearsalCache, buffers: buffers}
				worked, err = w.work(ctx)
				totals, ref = w.totals, w.ref()
				return err
			})
		}))
		// Rows of one account that the database refuses would stop the whole chunk: it
		// is posted again account by account.
		if err == nil || !errors.Is(err, models.ErrRefused) {
			break
		}
	}
	if err == nil && run.State == models.RunPosting && worked {
		s.rehearsalCache.drop(ref)
	}
	span.Number("referral.run", ref.RunID)
	span.Number("referral.chunk", int64(ref.Chunk))
	span.Text("referral.phase", string(run.State))
	return totals, worked && err == nil, wrap(fmt.Sprintf("settling a chunk of run %d", run.ID), err)
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
	Trace       tracing.Context `gorm:"column:trace_context"` // of the posting
}

func (chunkRecord) TableName() string { return "run_chunks" }

// chunkWork is one chunk in one transaction.
type chunkWork struct {
	*tx
	run            models.Run
	settle         models.SettleFunc
	oneByOne       bool // post account by account
	rehearsalCache *rehearsalCache
	buffers        *chunkBuffers

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
	if w.run.State == models.RunPosting {
		if err := w.announceCommit(); err != nil {
			return false, err
		}
	}
	if err := w.holdTerms(ctx); err != nil {
		return false, err
	}
	w.scope, err = w.loadScope(&runRecord{Kind: w.run.Kind, Period: w.run.Period}, w.chunk.FromAccount, w.chunk.ToAccount)
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
	return true, w.finishChunk(ctx, w.run, w.chunk, w.totals)
}

// rehearse settles the chunk and caches the result for the posting. Its commit does not
// wait for the disk: if a crash of the database loses it, the chunk is rehearsed again,
// and the run advances in a commit that waits, for all before it too.
func (w *chunkWork) rehearse(ctx context.Context) error {
	if err := w.exec("choosing an asynchronous commit", "SET LOCAL synchronous_commit TO off"); err != nil {
		return err
	}
	c, err := w.loadInput(ctx, w.scope)
	if err != nil {
		return err
	}
	results := settleAll(w.run, c, w.settle)
	w.totals = sumTotalsOf(results)
	if w.totals.Parked > 0 {
		return nil // those are to be tried again
	}
	w.buffers.data = w.ledgerRows(c, results).appendTo(w.buffers.data[:0])
	w.rehearsalCache.put(w.ref(), w.buffers.data, c.marks, c.services)
	return nil
}

// post writes what was rehearsed, unless a fact or a decision of staff has come since then
// or the cache is damaged: the chunk is then settled again.
func (w *chunkWork) post(ctx context.Context) error {
	if !w.oneByOne {
		marks, services, err := w.inForce(ctx)
		if err != nil {
			return err
		}
		cached, data, there := w.rehearsalCache.get(w.ref(), marks, services, w.buffers.data)
		w.buffers.data = data
		// The totals saved may be those of a rehearsal by another process.
		if totals := w.chunk.Totals; there && cached.size() == (models.ChunkSize{Documents: totals.Documents, Packages: totals.Packages}) {
			w.totals = totals
			return w.writePosting(ctx, cached, marks)
		}
	}
	c, err := w.loadInput(ctx, w.scope)
	if err != nil {
		return err
	}
	results := settleAll(w.run, c, w.settle)
	if w.oneByOne {
		err = w.postEach(ctx, c, results)
	} else {
		err = w.writePosting(ctx, w.ledgerRows(c, results), c.marks)
	}
	if err != nil {
		return err
	}
	w.totals = sumTotalsOf(results)
	return w.park(ctx, results)
}

// inForce is what a rehearsed chunk must have known: the stale marks and the decisions on
// services.
func (w *chunkWork) inForce(ctx context.Context) (marks []int64, services map[string]models.ServiceDecision, err error) {
	var batch pgcopy.Batch
	batch.Each("stale accounts", func(v [][]byte) { marks = append(marks, pgcopy.Int8(v[0])) },
		"SELECT id FROM stale WHERE period = $1 AND account_id >= $2 AND account_id <= $3", w.scope.period, w.scope.from, w.scope.to)
	var texts unpacker
	texts.queueServices(&batch)
	err = batch.Send(ctx, w.pgx)
	return marks, texts.services, err
}

// claim locks a chunk that waits for the run's phase. The run is read in the same
// snapshot: another worker may have advanced it.
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

func settleAll(run models.Run, c *settlementInput, settle models.SettleFunc) []models.SettlementResult {
	results := make([]models.SettlementResult, len(c.list))
	for i := range c.list {
		results[i] = settle(run, &c.list[i])
		checkResult(&results[i])
	}
	return results
}

func sumTotalsOf(results []models.SettlementResult) models.Totals {
	var totals models.Totals
	for i := range results {
		totals.Count(&results[i])
	}
	return totals
}

func (t *tx) finishChunk(ctx context.Context, run models.Run, c *chunkRecord, totals models.Totals) error {
	c.State, c.Totals = "rehearsed", totals
	if run.State == models.RunPosting {
		c.State, c.PostedAt, c.Trace = "posted", &t.now, tracing.Current(ctx)
		if _, err := t.scan("numbering the chunk", []any{&c.Posting}, "SELECT nextval('postings')"); err != nil {
			return err
		}
		if totals.Documents+totals.Packages == 0 {
			c.PublishedAt = &t.now // there is nothing to publish
		}
	}
	return wrap(fmt.Sprintf("marking chunk %d", c.ChunkNo), t.Save(c).Error)
}

// writePosting writes ledger rows and deletes the stale marks that they answer.
func (w *chunkWork) writePosting(ctx context.Context, b *ledgerRows, marks []int64) error {
	if err := w.deleteStaleMarks(marks); err != nil {
		return err
	}
	if err := w.deleteHeldLines(ctx, b.accounts); err != nil {
		return err
	}
	return w.writeRows(ctx, b)
}

// deleteStaleMarks deletes the marks that this transaction has seen; one that was made
// since then stays for the next run.
func (w *chunkWork) deleteStaleMarks(marks []int64) error {
	if len(marks) == 0 {
		return nil
	}
	return w.exec("deleting stale marks", "DELETE FROM stale WHERE period = $1 AND account_id >= $2 AND account_id <= $3 AND id = ANY($4)",
		w.scope.period, w.scope.from, w.scope.to, marks)
}

// deleteHeldLines deletes the held lines of accounts, to be replaced. Few have any:
// reading which is cheaper than naming all to the database.
func (w *chunkWork) deleteHeldLines(ctx context.Context, accounts []int64) error {
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
	return w.exec("replacing held lines", "DELETE FROM held_lines WHERE period = $1 AND account_id = ANY($2)", w.scope.period, holding)
}

// postEach posts the accounts one at a time; of one that the database refuses, the
// invoices one at a time.
func (w *chunkWork) postEach(ctx context.Context, c *settlementInput, results []models.SettlementResult) error {
	if err := w.writePosting(ctx, &ledgerRows{accounts: c.ids(), moved: c.moved}, c.marks); err != nil {
		return err
	}
	for i := range results {
		refused, err := w.tryPosting(ctx, c, results[i])
		if err == nil && refused != nil {
			err = w.postInvoices(ctx, c, &results[i])
		}
		if err != nil {
			return fmt.Errorf("posting account %d: %w", results[i].AccountID, err)
		}
	}
	return nil
}

// postInvoices posts an account invoice by invoice, and parks the invoices that the
// database refuses. If it refuses the packages, nothing of the account is posted: they
// belong to no invoice.
func (w *chunkWork) postInvoices(ctx context.Context, c *settlementInput, o *models.SettlementResult) error {
	refused, err := w.tryPosting(ctx, c, models.SettlementResult{AccountID: o.AccountID, Packages: o.Packages})
	if refused != nil {
		*o = models.SettlementResult{AccountID: o.AccountID, Err: refused}
	}
	for _, piece := range byInvoice(o) {
		if err != nil {
			return err
		}
		if refused, err = w.tryPosting(ctx, c, piece.SettlementResult); refused != nil {
			o.Park(piece.invoice, refused)
		}
	}
	return err
}

// invoiceResult is what is posted on one invoice.
type invoiceResult struct {
	models.SettlementResult
	invoice string
}

func byInvoice(o *models.SettlementResult) []invoiceResult {
	var pieces []invoiceResult
	of := func(invoice string) *invoiceResult {
		at := slices.IndexFunc(pieces, func(p invoiceResult) bool { return p.invoice == invoice })
		if at < 0 {
			at, pieces = len(pieces), append(pieces, invoiceResult{models.SettlementResult{AccountID: o.AccountID}, invoice})
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
	for _, h := range o.Decided {
		piece := of(h.InvoiceID)
		piece.Decided = append(piece.Decided, h)
	}
	return pieces
}

// tryPosting posts a result, or nothing of it when the database refuses it.
func (w *chunkWork) tryPosting(ctx context.Context, c *settlementInput, o models.SettlementResult) (refused, err error) {
	if err := w.SavePoint("piece").Error; err != nil {
		return nil, fmt.Errorf("setting a savepoint: %w", err)
	}
	err = classify(w.writeRows(ctx, w.ledgerRows(&settlementInput{elsewhere: c.elsewhere}, []models.SettlementResult{o})))
	if errors.Is(err, models.ErrRefused) {
		return err, w.RollbackTo("piece").Error
	}
	return nil, err
}

func (w *chunkWork) writeRows(ctx context.Context, b *ledgerRows) error {
	for _, table := range []struct {
		rows *pgcopy.Rows
		name string
	}{
		{&b.documents, "adjustments (" + writtenDocumentColumns + ")"},
		{&b.packages, "sms_packages (" + writtenPackageColumns + ")"},
		{&b.held, "held_lines (account_id, period, invoice_id, line_id, service, amount_minor, decided)"},
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
func (w *chunkWork) park(ctx context.Context, results []models.SettlementResult) error {
	var parked, marks pgcopy.Rows
	for i := range results {
		all := results[i].AllParked()
		for _, p := range all {
			parked.Row(6).Int8(w.run.ID).Int8(p.AccountID).Text(p.InvoiceID).Int4(int(w.run.Period)).Text(validText(p.Error)).Time(w.now)
		}
		if len(all) > 0 {
			marks.Row(2).Int4(int(w.run.Period)).Int8(results[i].AccountID)
		}
	}
	if err := parked.Send(ctx, w.pgx, "parked_accounts (run_id, account_id, invoice_id, period, error, parked_at)"); err != nil {
		return err
	}
	return marks.Send(ctx, w.pgx, "stale (period, account_id)")
}
