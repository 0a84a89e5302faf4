package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// RecoverDocuments puts what was published into a restored ledger that does not have it, as
// published, so that no run posts it again. The documents of an invoice come in their order;
// one is taken only when the ledger has all before it: what else was posted, and what is
// still owed, could not be told. attribute completes the days of a document from the
// discounts of its account. Documents for one period are of one run for each recovery.
func (s *Store) RecoverDocuments(ctx context.Context, recovery string, all []models.Published, attribute func(*models.Adjustment, []models.Discount)) (taken models.TakenDocuments, err error) {
	err = s.write(ctx, "taking published documents back", func(tx *tx) error {
		if err := tx.announceCommit(); err != nil {
			return err
		}
		r := ledgerRecovery{tx: tx, recovery: recovery, attribute: attribute, chunks: map[runOf]*recoveredChunk{}}
		if err := r.load(ctx, all); err != nil {
			return err
		}
		for i := range all {
			if err := r.take(all[i]); err != nil {
				return err
			}
		}
		taken = r.taken
		return r.post(ctx)
	})
	return taken, err
}

// ledgerRecovery is one call of RecoverDocuments.
type ledgerRecovery struct {
	*tx
	recovery  string
	attribute func(*models.Adjustment, []models.Discount)

	stored    map[invoiceKey]models.Period // what invoices are stored under
	posted    map[invoiceKey][]models.Adjustment
	packages  map[models.UUID]bool
	discounts map[int64][]models.Discount
	periods   map[models.Period]models.Period // that packages of a period are posted to

	chunks map[runOf]*recoveredChunk
	taken  models.TakenDocuments
}

// runOf is the periods of a run.
type runOf struct{ period, posting models.Period }

// recoveredChunk is what one call adds to a run of the recovery.
type recoveredChunk struct {
	run                 runRecord
	number              int
	accounts            map[int64]bool
	totals              models.Totals
	documents, packages pgcopy.Rows
}

func (c *recoveredChunk) ref() models.ChunkRef {
	return models.ChunkRef{RunID: c.run.RunID, Chunk: c.number}
}

func (c *recoveredChunk) count(result models.SettlementResult) {
	c.totals.Count(&result)
	c.accounts[result.AccountID] = true
	c.totals.Accounts = int64(len(c.accounts))
}

// load reads what the ledger holds of the accounts and invoices, in two round trips.
func (r *ledgerRecovery) load(ctx context.Context, all []models.Published) error {
	ids := map[int64]bool{}
	var invoices []string
	for i := range all {
		ids[all[i].AccountID()] = true
		if a := all[i].Adjustment; a != nil {
			invoices = append(invoices, a.InvoiceID)
		}
	}
	accounts, texts := sortedIDs(ids), newUnpacker()
	texts.skipSegments = true
	r.stored, r.posted = map[invoiceKey]models.Period{}, map[invoiceKey][]models.Adjustment{}
	r.packages, r.discounts, r.periods = map[models.UUID]bool{}, map[int64][]models.Discount{}, map[models.Period]models.Period{}
	under := storedAccounts{}
	var batch pgcopy.Batch
	batch.Each("the owners of invoices", func(v [][]byte) {
		account, period := pgcopy.Int8(v[0]), pgcopy.Period(v[1])
		r.stored[invoiceKey{account, string(v[2])}] = period
		under.add(period, account)
	}, "SELECT account_id, storage_period, invoice_id FROM invoice_ids WHERE invoice_id = ANY($1)", invoices)
	batch.Each("packages", func(v [][]byte) { r.packages[pgcopy.UUID(v[0])] = true }, "SELECT package_id FROM sms_packages WHERE account_id = ANY($1)", accounts)
	queueDiscounts(&batch, accounts, func(d models.Discount) { r.discounts[d.AccountID] = append(r.discounts[d.AccountID], d) })
	if err := batch.Send(ctx, r.pgx); err != nil {
		return err
	}
	for period, of := range under.sorted() {
		batch.Each("the ledger", func(v [][]byte) {
			key := invoiceKey{pgcopy.Int8(v[0]), string(v[1])}
			doc := models.Adjustment{ID: pgcopy.UUID(v[2]), Sequence: pgcopy.Int4(v[3])}
			doc.Items, doc.Damage = texts.itemsOf(v[4])
			r.posted[key] = append(r.posted[key], doc)
		}, "SELECT account_id, invoice_id, adjustment_id, sequence, items FROM adjustments WHERE storage_period = $2 AND account_id = ANY($1) ORDER BY sequence", of, period)
	}
	return batch.Send(ctx, r.pgx)
}

func (r *ledgerRecovery) take(p models.Published) error {
	var reason string
	var err error
	if p.Package != nil {
		err = r.takePackage(p)
	} else {
		reason, err = r.takeDocument(p)
	}
	if other := (*models.ErrOtherMode)(nil); errors.As(err, &other) {
		reason, err = other.Error(), nil
	}
	if reason != "" {
		r.taken.Untaken = append(r.taken.Untaken, models.Untaken{Published: p, Reason: reason})
	}
	return err
}

// takeDocument takes a document unless the ledger has it; untaken is why it cannot.
func (r *ledgerRecovery) takeDocument(p models.Published) (untaken string, err error) {
	reason, known := r.place(p.Adjustment)
	if err := checkDocument(p.Adjustment); err != nil && reason == "" {
		reason = err.Error()
	}
	if reason != "" || known {
		return reason, nil
	}
	doc := *p.Adjustment
	doc.Items = slices.Clone(doc.Items)
	r.attribute(&doc, r.discounts[doc.AccountID])
	chunk, err := r.chunk(runOf{doc.Period, doc.PostingPeriod})
	if err != nil {
		return "", err
	}
	key := invoiceKey{doc.AccountID, doc.InvoiceID}
	r.posted[key] = append(r.posted[key], doc)
	r.taken.Documents++
	documentRow(chunk.documents.Row(15), chunk.ref(), &doc, r.stored[key]).Time(p.At)
	full := slices.ContainsFunc(doc.Items, func(item models.AdjustmentItem) bool {
		return slices.ContainsFunc(item.Segments, func(s models.Segment) bool { return s.Percent() == 100 })
	})
	chunk.count(models.SettlementResult{AccountID: doc.AccountID, Full: full, Adjustments: []models.Adjustment{doc}})
	return "", nil
}

// place tells whether the ledger has a document, or why it cannot be the next one of its
// invoice.
func (r *ledgerRecovery) place(a *models.Adjustment) (reason string, known bool) {
	key := invoiceKey{a.AccountID, a.InvoiceID}
	if _, found := r.stored[key]; !found {
		return "the invoice is not known", false
	}
	posted := r.posted[key]
	switch {
	case a.Sequence <= len(posted):
		if there := &posted[a.Sequence-1]; there.ID != a.ID || there.Damage != nil || !sameAmounts(there.Items, a.Items) {
			return "the ledger has another document in its place", false
		}
		return "", true
	case a.Sequence > len(posted)+1:
		return fmt.Sprintf("document %d of the invoice is missing", len(posted)+1), false
	}
	return "", false
}

func sameAmounts(a, b []models.AdjustmentItem) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(item models.AdjustmentItem) bool {
		return !slices.ContainsFunc(b, func(other models.AdjustmentItem) bool {
			return item.LineID == other.LineID && item.Service == other.Service && item.Amount == other.Amount
		})
	})
}

func (r *ledgerRecovery) takePackage(p models.Published) error {
	if r.packages[p.Package.ID] {
		return nil
	}
	posting, known := r.periods[p.Package.Period]
	if !known {
		period, err := r.startPeriod(p.Package.Period, false)
		if err != nil {
			return err
		}
		if posting, err = r.postingPeriod(period); err != nil {
			return err
		}
		r.periods[p.Package.Period] = posting
	}
	one := *p.Package
	one.PostingPeriod = posting
	chunk, err := r.chunk(runOf{one.Period, posting})
	if err != nil {
		return err
	}
	r.packages[one.ID] = true
	r.taken.Packages++
	packageRow(chunk.packages.Row(12), chunk.ref(), &one).Time(p.At)
	chunk.count(models.SettlementResult{AccountID: one.AccountID, Packages: []models.SMSPackage{one}})
	return nil
}

// chunk is the next chunk of the recovery's run of some periods.
func (r *ledgerRecovery) chunk(of runOf) (*recoveredChunk, error) {
	if c := r.chunks[of]; c != nil {
		return c, nil
	}
	c := &recoveredChunk{accounts: map[int64]bool{}}
	slot := fmt.Sprintf("%s %s %s", r.recovery, of.period, of.posting)
	err := r.Where("slot = ?", slot).Limit(1).Find(&c.run).Error
	if err != nil {
		return nil, fmt.Errorf("looking for the run of the recovery: %w", err)
	}
	if c.run.RunID == 0 {
		if _, err := r.startPeriod(of.period, false); err != nil {
			return nil, err
		}
		if err := r.abandonBraked(of.period); err != nil {
			return nil, err
		}
		c.run = runRecord{
			Period: of.period, PostingPeriod: of.posting, Kind: models.RunDifferences, Slot: &slot, State: models.RunDone, StartedAt: r.now, FinishedAt: &r.now,
		}
		if err := r.Create(&c.run).Error; err != nil {
			return nil, fmt.Errorf("creating the run of the recovery: %w", err)
		}
	}
	_, err = r.scan("numbering the chunk", []any{&c.number}, "SELECT coalesce(max(chunk_no), 0) + 1 FROM run_chunks WHERE run_id = $1", c.run.RunID)
	r.chunks[of] = c
	return c, err
}

// post writes the chunks, as posted and published. The accounts are marked stale: the facts,
// which were taken before, may not give an account what it has, and a run does not look at
// one that has neither a mark nor a discount.
func (r *ledgerRecovery) post(ctx context.Context) error {
	var stale pgcopy.Rows
	for _, c := range r.chunks {
		if err := c.documents.Send(ctx, r.pgx, "adjustments ("+writtenDocumentColumns+", posted_at)"); err != nil {
			return err
		}
		if err := c.packages.Send(ctx, r.pgx, "sms_packages ("+writtenPackageColumns+", posted_at)"); err != nil {
			return err
		}
		ids := sortedIDs(c.accounts)
		for _, id := range ids {
			stale.Row(2).Int4(int(c.run.Period)).Int8(id)
		}
		chunk := chunkRecord{
			RunID: c.run.RunID, ChunkNo: c.number, FromAccount: ids[0], ToAccount: ids[len(ids)-1],
			State: "posted", Totals: c.totals, PostedAt: &r.now, PublishedAt: &r.now,
		}
		if _, err := r.scan("numbering the posting", []any{&chunk.Posting}, "SELECT nextval('postings')"); err != nil {
			return err
		}
		if err := r.Create(&chunk).Error; err != nil {
			return fmt.Errorf("creating chunk %d of the recovery: %w", c.number, err)
		}
		c.run.Totals = c.run.Totals.Add(c.totals)
		if err := r.saveRun(&c.run); err != nil {
			return err
		}
	}
	return stale.Send(ctx, r.pgx, "stale (period, account_id)")
}

// BookedNotPosted is the last answers of billing that it has booked a document or a package
// which the ledger does not hold, by its id. Answers are looked at since the month
// before the first open one: what a restored ledger lacks was posted later than its last signature.
func (s *Store) BookedNotPosted(ctx context.Context) (booked []models.Result, err error) {
	err = s.consistentSnapshot(ctx, "looking for what is booked and not in the ledger", func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		var open models.Period
		if _, err := tx.scan("looking for the first open month", []any{&open}, "SELECT coalesce(min(period), 0) FROM periods WHERE closed_at IS NULL"); err != nil {
			return err
		}
		var since time.Time
		if open != 0 {
			since = open.Previous().First().Time()
		}
		orphans, err := tx.orphanAnswers(ctx, since)
		booked = nil
		for i, o := range orphans {
			if i+1 < len(orphans) && orphans[i+1].AdjustmentID == o.AdjustmentID {
				continue // not the last one
			}
			if o.Status == models.ResultApplied {
				booked = append(booked, o)
			}
		}
		return err
	})
	return booked, err
}
