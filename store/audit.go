package store

import (
	"context"
	"fmt"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// auditChunk is how many accounts an audit holds in memory at once.
const auditChunk = 2000

// auditCandidates is the accounts that an audit of a period looks at: all that
// take part in the programme, and all that the ledger names.
const auditCandidates = `SELECT account_id FROM referrals UNION SELECT account_id FROM activations WHERE status = 'accepted'
	UNION SELECT account_id FROM discounts UNION SELECT account_id FROM package_grants
	UNION SELECT account_id FROM sms_packages WHERE period = $3 UNION ` + postedIn

// Audit hands every account that a period concerns to see, by id, with its facts and
// its part of the ledger, all of one state of the database. What concerns no single
// account is handed to begin before them; when the audit is retried, begin is called
// again.
//
// An account that billing answered about a document which is not in the ledger
// comes with its invoices of other periods too: the document may have been one of
// theirs.
func (s *Store) Audit(ctx context.Context, period models.Period, begin func(models.AuditHead) error, see func(*models.AccountHistory) error) error {
	err := s.consistentSnapshot(ctx, fmt.Sprintf("auditing %s", period), func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		head, err := tx.auditHead(ctx, period)
		if err != nil {
			return err
		}
		if err := begin(head); err != nil {
			return err
		}
		unmatched := map[int64]bool{}
		for i := range head.Orphans {
			unmatched[head.Orphans[i].AccountID] = true
		}
		return tx.audit(ctx, period, see, func(l *historyLoader) error {
			l.allPeriods, l.uninvoiced = unmatched, true
			if err := l.loadFacts(ctx); err != nil {
				return err
			}
			return l.loadLedger(ctx, l.queuePackages)
		})
	})
	return err
}

// ForEachAccount hands the same accounts to see with their facts and their invoices of
// the period, and nothing of the ledger. It is never repeated.
func (s *Store) ForEachAccount(ctx context.Context, period models.Period, see func(*models.AccountHistory) error) error {
	err := s.consistent(ctx, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		return tx.audit(ctx, period, see, func(l *historyLoader) error {
			return l.loadFacts(ctx)
		})
	})
	return wrap(fmt.Sprintf("surveying %s", period), err)
}

// AuditSize is how many accounts an audit of a period looks at.
func (s *Store) AuditSize(ctx context.Context, period models.Period) (accounts int64, err error) {
	err = s.snapshot(ctx, "counting the accounts to audit", func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		// $1 and $2 are those of the chunks.
		return pgcopy.Each(ctx, tx.pgx, "the number of accounts to audit", func(v [][]byte) { accounts = pgcopy.Int8(v[0]) },
			"SELECT count(*) FROM ("+auditCandidates+") c WHERE $1::bigint = $2::bigint", int64(0), int64(0), period)
	})
	return accounts, err
}

// disableStatementTimeout is for statements that search whole tables. They end with
// their context.
func (t *tx) disableStatementTimeout() error {
	return t.exec("lifting the statement timeout", "SET LOCAL statement_timeout = 0")
}

func (t *tx) audit(ctx context.Context, period models.Period, see func(*models.AccountHistory) error, load func(*historyLoader) error) error {
	return t.walk(ctx, auditCandidates, period, func(ids []int64) error {
		l := newHistoryLoader(t, ids, period)
		if err := load(l); err != nil {
			return err
		}
		return l.each(see)
	})
}

// walk hands the accounts that a query names to see, by id, a chunk at a time. The query
// may use arg as $3.
func (t *tx) walk(ctx context.Context, candidates string, arg any, see func(ids []int64) error) error {
	var bounds [][2]int64
	var batch pgcopy.Batch
	batch.Each("the accounts to look at", func(v [][]byte) {
		bounds = append(bounds, [2]int64{pgcopy.Int8(v[2]), pgcopy.Int8(v[3])})
	}, fmt.Sprintf(chunkBounds, candidates), int64(0), auditChunk, arg)
	batch.Exec("choosing the plans", planByIndexes)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return err
	}
	for _, b := range bounds {
		var ids []int64
		err := pgcopy.Each(ctx, t.pgx, "accounts to look at", func(v [][]byte) { ids = append(ids, pgcopy.Int8(v[0])) },
			"SELECT account_id FROM ("+candidates+") c WHERE account_id >= $1 AND account_id <= $2 ORDER BY 1", b[0], b[1], arg)
		if err != nil {
			return err
		}
		if err := see(ids); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) auditHead(ctx context.Context, period models.Period) (head models.AuditHead, err error) {
	var batch pgcopy.Batch
	batch.Each("periods signed off", func(v [][]byte) {
		signed := pgcopy.Period(v[0])
		head.Closed, head.PreviousClosed = head.Closed || signed == period, head.PreviousClosed || signed == period.Previous()
	}, "SELECT period FROM periods WHERE period = ANY($1) AND closed_at IS NOT NULL", []int32{int32(period), int32(period.Previous())})
	batch.Each("periods of the shadow mode", func([][]byte) { head.Shadow = true }, "SELECT period FROM periods WHERE period = $1 AND shadow", period)
	// Only a period that was closed posts into another one; the ledger is not searched in vain.
	batch.Each("differences of closed periods", func(v [][]byte) {
		head.ForeignDocuments, head.ForeignAmount = pgcopy.Int8(v[0]), pgcopy.Money(v[1])
	}, `SELECT count(*), coalesce(sum(amount_minor), 0)::bigint FROM adjustments
		WHERE posting_period = $1 AND posting_period <> period AND EXISTS (SELECT 1 FROM signatures)`, period)
	head.Waiting = queuePendingPackages(&batch, period.First())
	var unpublished []models.IncompleteChunk
	batch.Each("chunks that are not published", func(v [][]byte) {
		unpublished = append(unpublished, models.IncompleteChunk{
			Ref:    models.ChunkRef{RunID: pgcopy.Int8(v[0]), Chunk: pgcopy.Int4(v[1])},
			Posted: models.ChunkSize{Documents: pgcopy.Int8(v[2]), Packages: pgcopy.Int8(v[3])},
		})
	}, `SELECT c.run_id, c.chunk_no, c.documents, c.packages FROM run_chunks c JOIN runs r ON r.run_id = c.run_id
		WHERE r.period = $1 AND c.posted_at IS NOT NULL AND c.published_at IS NULL ORDER BY c.run_id, c.chunk_no`, period)
	var terms string
	batch.Each("the terms in force", func(v [][]byte) { terms = string(v[0]) }, readTerms)
	// What a run under way posts is not all here yet, so it is a later one.
	batch.Each("the newest run", func(v [][]byte) { head.LastRun = pgcopy.Int8(v[0]) },
		"SELECT coalesce(min(run_id) FILTER (WHERE state IN ('rehearsing', 'posting')) - 1, max(run_id), 0) FROM runs")
	if err := batch.Send(ctx, t.pgx); err != nil {
		return head, err
	}
	if head.Incomplete, err = t.incompleteChunks(ctx, unpublished); err != nil {
		return head, err
	}
	// A day is allowed for the time zone.
	if head.Orphans, err = t.orphanAnswers(ctx, (period.First() - 1).Time()); err != nil {
		return head, err
	}
	if head.Signatures, err = t.signatures(period); err != nil {
		return head, err
	}
	head.Acts, err = actions(t.DB, period.String(), terms)
	return head, err
}

// incompleteChunks is those of the chunks, posted and not published, of which something is
// missing. They are few: what is published was whole.
func (t *tx) incompleteChunks(ctx context.Context, chunks []models.IncompleteChunk) (incomplete []models.IncompleteChunk, err error) {
	if len(chunks) == 0 {
		return nil, nil
	}
	found := map[models.ChunkRef]models.ChunkSize{}
	var runs []int64
	var numbers []int32
	for _, c := range chunks {
		runs, numbers = append(runs, c.Ref.RunID), append(numbers, int32(c.Ref.Chunk))
	}
	var batch pgcopy.Batch
	for _, c := range []struct {
		table string
		add   func(*models.ChunkSize, int64)
	}{
		{"adjustments", func(s *models.ChunkSize, n int64) { s.Documents = n }},
		{"sms_packages", func(s *models.ChunkSize, n int64) { s.Packages = n }},
	} {
		batch.Each("the sizes of chunks", func(v [][]byte) {
			ref := models.ChunkRef{RunID: pgcopy.Int8(v[0]), Chunk: pgcopy.Int4(v[1])}
			size := found[ref]
			c.add(&size, pgcopy.Int8(v[2]))
			found[ref] = size
		}, "SELECT run_id, chunk_no, count(*) FROM "+c.table+" JOIN unnest($1::bigint[], $2::int[]) AS k (run_id, chunk_no) USING (run_id, chunk_no) GROUP BY run_id, chunk_no",
			runs, numbers)
	}
	if err := batch.Send(ctx, t.pgx); err != nil {
		return nil, err
	}
	for _, c := range chunks {
		if c.Found = found[c.Ref]; c.Found.Lacks(c.Posted) {
			incomplete = append(incomplete, c)
		}
	}
	return incomplete, nil
}

// maxOrphans bounds what an audit holds in memory. So many answers without a document
// have another cause than single documents.
const maxOrphans = 1_000_000

// orphanAnswers is the answers since a moment whose document is not in the ledger. All
// are read: a truncated list would have documents reported twice. Of the ledger, only the
// months are read whose documents were answered: their ids say which.
func (t *tx) orphanAnswers(ctx context.Context, since time.Time) ([]models.Result, error) {
	months := map[models.Period]bool{}
	err := pgcopy.Each(ctx, t.pgx, "the months that were answered", func(v [][]byte) {
		var id models.UUID
		copy(id[:], v[0])
		months[models.PeriodOfID(id)] = true
	}, "SELECT DISTINCT substring(uuid_send(adjustment_id) FOR 6) FROM results WHERE at >= $1", since)
	if err != nil {
		return nil, err
	}
	// Without statistics the planner might compare each answer with each document; it
	// takes most documents for moved ones; and to merge it would read all answers.
	if err := t.exec("choosing the plan", "SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off"); err != nil {
		return nil, err
	}
	var list []models.Result
	err = pgcopy.Each(ctx, t.pgx, "answers to nothing", func(v [][]byte) { list = append(list, readResult(v)) },
		`WITH ledger AS MATERIALIZED (SELECT adjustment_id FROM adjustments WHERE storage_period = ANY($2)
			UNION ALL SELECT adjustment_id FROM adjustments WHERE period = ANY($2) AND period <> storage_period
			UNION ALL SELECT package_id FROM sms_packages)
		SELECT r.adjustment_id, r.account_id, r.status, r.amount_minor, '', r.at FROM results r LEFT JOIN ledger l USING (adjustment_id)
		WHERE r.at >= $1 AND l.adjustment_id IS NULL
		ORDER BY r.adjustment_id, r.at, r.status LIMIT $3`, since, numbersOf(months), maxOrphans+1)
	if err == nil && len(list) > maxOrphans {
		err = fmt.Errorf("more than %d answers of billing answer no document of this ledger: was it restored from an older copy?", maxOrphans)
	}
	if err != nil {
		return nil, err
	}
	return list, t.exec("choosing the plan", "SET LOCAL enable_nestloop = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on")
}
