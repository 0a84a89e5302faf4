package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"referral/models"
)

// Settle says what is to be posted for one account in a run.
type Settle = func(models.Run, *models.AccountCase) models.AccountOutcome

// WorkChunk takes one chunk of a run that nobody else has in hands through the
// run's present phase: rehearsed, its totals are noted; posted, its documents
// are in the ledger, its stale marks answered and itself marked, all in one
// transaction. worked is false when there is no chunk to take. Any number of
// workers in any number of processes may call it at once.
func (s *Store) WorkChunk(ctx context.Context, run models.Run, settle Settle) (totals models.Totals, worked bool, err error) {
	for _, careful := range []bool{false, true} {
		err = s.snapshot(ctx, false, func(tx *tx) error {
			totals, worked, err = tx.workChunk(ctx, run, settle, careful)
			return err
		})
		// What one account's rows do to the whole chunk is found out by posting the
		// accounts one at a time.
		if err == nil || !errors.Is(err, models.ErrRefused) {
			break
		}
	}
	if err != nil {
		return models.Totals{}, false, fmt.Errorf("settling a chunk of run %d: %w", run.ID, err)
	}
	return totals, worked, nil
}

type chunkRecord struct {
	RunID       int64 `gorm:"primaryKey"`
	ChunkNo     int   `gorm:"primaryKey"`
	FromAccount int64
	ToAccount   int64
	State       string
	Totals      totalsRecord `gorm:"embedded"`
	PostedAt    *time.Time
	PublishedAt *time.Time
}

func (chunkRecord) TableName() string { return "run_chunks" }

func (t *tx) workChunk(ctx context.Context, run models.Run, settle Settle, careful bool) (models.Totals, bool, error) {
	chunk, err := t.claim(run)
	if err != nil || chunk == nil {
		return models.Totals{}, false, err
	}
	s, err := t.scopeOf(&runRecord{Kind: run.Kind, Period: run.Period}, chunk.FromAccount, chunk.ToAccount)
	if err != nil {
		return models.Totals{}, false, err
	}
	c, err := t.loadCases(ctx, s)
	if err != nil {
		return models.Totals{}, false, err
	}
	outcomes := settleAll(run, c, settle)
	if run.State == models.RunPosting {
		p := &posting{tx: t, run: run, chunk: chunk, scope: s}
		if err := p.post(ctx, c, outcomes, careful); err != nil {
			return models.Totals{}, false, err
		}
	}
	totals := sumUp(outcomes)
	return totals, true, t.finishChunk(run, chunk, totals)
}

// claim locks a chunk that waits for the run's phase. The run is looked at in the
// same snapshot: another worker may have moved it on.
func (t *tx) claim(run models.Run) (*chunkRecord, error) {
	waiting := "todo"
	if run.State == models.RunPosting {
		waiting = "rehearsed"
	}
	var chunks []chunkRecord
	err := t.Raw(`SELECT c.* FROM run_chunks c JOIN runs r USING (run_id)
		WHERE c.run_id = ? AND c.state = ? AND r.state = ? ORDER BY c.chunk_no LIMIT 1 FOR UPDATE OF c SKIP LOCKED`,
		run.ID, waiting, run.State).Scan(&chunks).Error
	if err != nil {
		return nil, fmt.Errorf("claiming a chunk: %w", err)
	}
	if len(chunks) == 0 {
		return nil, nil
	}
	return &chunks[0], nil
}

func settleAll(run models.Run, c *cases, settle Settle) []models.AccountOutcome {
	outcomes := make([]models.AccountOutcome, len(c.list))
	for i := range c.list {
		outcomes[i] = settle(run, &c.list[i])
	}
	return outcomes
}

func sumUp(outcomes []models.AccountOutcome) models.Totals {
	var totals models.Totals
	for i := range outcomes {
		totals.Count(&outcomes[i])
	}
	return totals
}

func (t *tx) finishChunk(run models.Run, c *chunkRecord, totals models.Totals) error {
	c.State, c.Totals = "rehearsed", totalsOf(totals)
	if run.State == models.RunPosting {
		c.State, c.PostedAt = "posted", &t.now
		if totals.Documents+totals.Packages == 0 {
			c.PublishedAt = &t.now // there is nothing to publish
		}
	}
	if err := t.Save(c).Error; err != nil {
		return fmt.Errorf("marking chunk %d: %w", c.ChunkNo, err)
	}
	return nil
}

// posting writes a chunk's outcomes.
type posting struct {
	*tx
	run   models.Run
	chunk *chunkRecord
	scope scope
}

func (p *posting) post(ctx context.Context, c *cases, outcomes []models.AccountOutcome, careful bool) error {
	if err := p.answerMarks(ctx, c); err != nil {
		return err
	}
	if err := p.forgetHeld(ctx, c); err != nil {
		return err
	}
	if careful {
		if err := p.postEach(ctx, outcomes); err != nil {
			return err
		}
	} else if err := p.write(ctx, outcomes); err != nil {
		return err
	}
	return p.park(ctx, outcomes)
}

// answerMarks deletes the marks that this transaction has seen; one that was
// made meanwhile stays for the next run.
func (p *posting) answerMarks(ctx context.Context, c *cases) error {
	if len(c.marks) == 0 {
		return nil
	}
	_, err := p.pgx.Exec(ctx, "DELETE FROM stale WHERE period = $1 AND account_id >= $2 AND account_id < $3 AND id = ANY($4)",
		p.scope.period, p.scope.from, p.scope.to, c.marks)
	if err != nil {
		return fmt.Errorf("answering stale marks: %w", err)
	}
	return nil
}

func (p *posting) forgetHeld(ctx context.Context, c *cases) error {
	ids := make([]int64, len(c.list))
	for i := range c.list {
		ids[i] = c.list[i].AccountID
	}
	_, err := p.pgx.Exec(ctx, "DELETE FROM held_lines WHERE period = $1 AND account_id >= $2 AND account_id < $3 AND account_id = ANY($4)",
		p.scope.period, p.scope.from, p.scope.to, ids)
	if err != nil {
		return fmt.Errorf("replacing held lines: %w", err)
	}
	return nil
}

// postEach posts the accounts one at a time; what the database refuses of one is
// that account's error.
func (p *posting) postEach(ctx context.Context, outcomes []models.AccountOutcome) error {
	for i := range outcomes {
		if err := p.SavePoint("account").Error; err != nil {
			return fmt.Errorf("setting a savepoint: %w", err)
		}
		err := classify(p.write(ctx, outcomes[i:i+1]))
		if errors.Is(err, models.ErrRefused) {
			outcomes[i] = models.AccountOutcome{AccountID: outcomes[i].AccountID, Err: err}
			err = p.RollbackTo("account").Error
		}
		if err != nil {
			return fmt.Errorf("posting account %d: %w", outcomes[i].AccountID, err)
		}
	}
	return nil
}

func (p *posting) write(ctx context.Context, outcomes []models.AccountOutcome) error {
	var documents, items, packages, held rows
	var segments []byte
	for i := range outcomes {
		o := &outcomes[i]
		for j := range o.Adjustments {
			a := &o.Adjustments[j]
			p.document(&documents, a)
			for k := range a.Items {
				item := &a.Items[k]
				segments = appendSegments(segments[:0], item.Segments)
				items.row(7).int8(a.AccountID).text(a.InvoiceID).int4(a.Sequence).text(item.LineID).text(item.Service).
					int8(int64(item.Amount)).text(string(segments))
			}
		}
		for j := range o.Packages {
			p.smsPackage(&packages, &o.Packages[j])
		}
		for _, h := range o.Held {
			held.row(6).int8(h.AccountID).int4(int(h.Period)).text(h.InvoiceID).text(h.LineID).text(h.Service).int8(int64(h.Amount))
		}
	}
	for _, table := range []struct {
		rows *rows
		name string
	}{
		{&documents, "adjustments (account_id, invoice_id, sequence, adjustment_id, invoice_revision, period, posting_period, currency, amount_minor, reason, run_id, chunk_no, posted_at)"},
		{&items, "adjustment_items (account_id, invoice_id, sequence, line_id, service, amount_minor, segments)"},
		{&packages, "sms_packages (account_id, sms, ordinal, package_id, granted_on, period, posting_period, invoice_id, step, run_id, chunk_no, posted_at)"},
		{&held, "held_lines (account_id, period, invoice_id, line_id, service, amount_minor)"},
	} {
		if err := table.rows.into(ctx, p.pgx, table.name); err != nil {
			return err
		}
	}
	return nil
}

func (p *posting) document(out *rows, a *models.Adjustment) {
	out.row(13).int8(a.AccountID).text(a.InvoiceID).int4(a.Sequence).uuid(a.ID).int4(a.InvoiceRevision).
		int4(int(a.Period)).int4(int(a.PostingPeriod)).text(a.Currency).int8(int64(a.Amount)).text(string(a.Reason)).
		int8(p.run.ID).int4(p.chunk.ChunkNo).time(p.now)
}

func (p *posting) smsPackage(out *rows, g *models.SMSPackage) {
	out.row(12).int8(g.AccountID).int4(g.SMS).int4(g.Ordinal).uuid(g.ID).date(g.GrantedOn).
		int4(int(g.Period)).int4(int(g.PostingPeriod)).text(g.InvoiceID).int2(g.Step).
		int8(p.run.ID).int4(p.chunk.ChunkNo).time(p.now)
}

// park names the accounts that could not be settled and leaves them stale, so
// that the next catch-up tries again.
func (p *posting) park(ctx context.Context, outcomes []models.AccountOutcome) error {
	var parked, marks rows
	for i := range outcomes {
		if o := &outcomes[i]; o.Err != nil {
			parked.row(5).int8(p.run.ID).int8(o.AccountID).int4(int(p.run.Period)).text(o.Err.Error()).time(p.now)
			marks.row(2).int4(int(p.run.Period)).int8(o.AccountID)
		}
	}
	if err := parked.into(ctx, p.pgx, "parked_accounts (run_id, account_id, period, error, parked_at)"); err != nil {
		return err
	}
	return marks.into(ctx, p.pgx, "stale (period, account_id)")
}
