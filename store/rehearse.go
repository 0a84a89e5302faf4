package store

import (
	"context"
	"fmt"

	"referral/models"
	"referral/store/pgcopy"
)

// Rehearse goes through a run without leaving a trace, in one view of the
// database: the same accounts, the same settling, nothing written. Each outcome
// is handed to see. progress, which may be nil, is told after each chunk how many of all
// are through; with none through, also when everything begins again. before is the posted
// totals of the month before.
func (s *Store) Rehearse(ctx context.Context, q models.RunRequest, settle models.SettleFunc, see func(*models.SettlementResult) error, progress func(through, all int) error) (run models.Run, before models.Totals, err error) {
	if progress == nil {
		progress = func(int, int) error { return nil }
	}
	err = s.snapshot(ctx, fmt.Sprintf("rehearsing %s", q.Period), func(tx *tx) error {
		if before, err = tx.postedTotals(q.Period.Previous()); err != nil {
			return err
		}
		run, err = tx.rehearse(ctx, q, settle, see, progress)
		return err
	})
	return run, before, err
}

func (t *tx) rehearse(ctx context.Context, q models.RunRequest, settle models.SettleFunc, see func(*models.SettlementResult) error, progress func(through, all int) error) (models.Run, error) {
	period := periodRecord{Period: q.Period, MinDay: q.Period.First().Time(), MaxDay: q.Period.End().Time()}
	if err := t.Where("period = ?", q.Period).Limit(1).Find(&period).Error; err != nil {
		return models.Run{}, fmt.Errorf("reading period %s: %w", q.Period, err)
	}
	into, err := t.postingPeriod(&period)
	if err != nil {
		return models.Run{}, err
	}
	record := runRecord{Period: q.Period, PostingPeriod: into, Kind: kindOf(&period, &q), Shadow: q.Shadow || period.Shadow && period.ClosedAt == nil, State: models.RunRehearsing, StartedAt: t.now}
	run := record.run()
	bounds, err := t.chunkBounds(ctx, &record, &period, q.Chunk)
	if err != nil {
		return run, err
	}
	for i, b := range bounds {
		if err := progress(i, len(bounds)); err != nil {
			return run, err
		}
		c, err := t.loadInput(ctx, scope{record.Kind, q.Period, b[0], b[1], dayOf(period.MinDay), dayOf(period.MaxDay), zeroTime(period.SettledAt)})
		if err != nil {
			return run, err
		}
		results := settleAll(run, c, settle)
		run.Totals = run.Totals.Add(sumTotalsOf(results))
		for i := range results {
			if err := see(&results[i]); err != nil {
				return run, err
			}
		}
	}
	return run, progress(len(bounds), len(bounds))
}

func (t *tx) chunkBounds(ctx context.Context, r *runRecord, p *periodRecord, size int) ([][2]int64, error) {
	query, args := chunkQuery(r, p, size)
	var bounds [][2]int64
	err := pgcopy.Each(ctx, t.pgx, "the accounts of a run", func(v [][]byte) {
		bounds = append(bounds, [2]int64{pgcopy.Int8(v[2]), pgcopy.Int8(v[3])})
	}, query, args...)
	return bounds, err
}
