package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm/clause"

	"referral/models"
	"referral/store/pgcopy"
)

// sumTotals selects the sum of the totals of some rows.
const sumTotals = `coalesce(sum(accounts), 0)::bigint AS accounts, coalesce(sum("full"), 0)::bigint AS "full",
	coalesce(sum(documents), 0)::bigint AS documents, coalesce(sum(items), 0)::bigint AS items,
	coalesce(sum(amount), 0)::bigint AS amount, coalesce(sum(packages), 0)::bigint AS packages,
	coalesce(sum(sms), 0)::bigint AS sms, coalesce(sum(held_lines), 0)::bigint AS held_lines,
	coalesce(sum(parked), 0)::bigint AS parked`

type runRecord struct {
	RunID          int64 `gorm:"primaryKey;autoIncrement"`
	Period         models.Period
	PostingPeriod  models.Period
	Kind           models.RunKind
	Slot           *string
	State          models.RunState
	Accepted       bool
	AcceptedAmount *models.Money
	Brake          string
	Shadow         bool
	StartedAt      time.Time
	FinishedAt     *time.Time
	Totals         models.Totals `gorm:"embedded"`
}

func (runRecord) TableName() string { return "runs" }

func (r *runRecord) run() models.Run {
	return models.Run{
		ID: r.RunID, Period: r.Period, PostingPeriod: r.PostingPeriod, Kind: r.Kind, State: r.State, Accepted: r.Accepted,
		AcceptedAmount: r.AcceptedAmount, Brake: r.Brake, Shadow: r.Shadow, StartedAt: r.StartedAt.UTC(), FinishedAt: zeroTime(r.FinishedAt), Totals: r.Totals,
	}
}

// StartRun makes a run of a period, or finds the one that is under way (started
// is then false). Of several requests with one slot only the first makes a run;
// the others get that one, ended or not. A request that is met only when needed
// gets the zero run when there is nothing to look at. On a distributed database no run is
// made while a node holds an old prepared transaction.
func (s *Store) StartRun(ctx context.Context, q models.RunRequest) (run models.Run, started bool, err error) {
	err = s.write(ctx, fmt.Sprintf("starting a run of %s", q.Period), func(tx *tx) error {
		// Behind the ingest barrier: see lockIngest.
		if err := tx.lock("out new facts", lockIngest); err != nil {
			return err
		}
		record, err := tx.underWay(q)
		if err != nil || record != nil {
			started = false
			if record != nil {
				run = record.run()
			}
			return err
		}
		if err := tx.refuseUnrecovered(); err != nil {
			return err
		}
		run, started, err = tx.newRun(ctx, q)
		return err
	})
	return run, started, err
}

// underWay finds the run that stands for the request already: of the same slot,
// or at work on the same period.
func (t *tx) underWay(q models.RunRequest) (*runRecord, error) {
	var records []runRecord
	err := t.Where("(period = ? AND state IN ('rehearsing', 'posting')) OR (slot = ? AND slot <> '')", q.Period, q.Slot).
		Order("run_id DESC").Limit(1).Find(&records).Error
	if err != nil {
		return nil, fmt.Errorf("looking for a run under way: %w", err)
	}
	if len(records) == 0 {
		return nil, nil
	}
	if q.Accept && !records[0].Accepted && records[0].State == models.RunRehearsing {
		records[0].Accepted, records[0].AcceptedAmount = true, q.Amount
		if err := t.Model(&records[0]).Select("accepted", "accepted_amount").Updates(&records[0]).Error; err != nil {
			return nil, fmt.Errorf("accepting run %d: %w", records[0].RunID, err)
		}
		return &records[0], t.recordAcceptance(q)
	}
	return &records[0], nil
}

func (t *tx) newRun(ctx context.Context, q models.RunRequest) (models.Run, bool, error) {
	if q.Needed {
		if needed, err := t.needed(q.Period); err != nil || !needed {
			return models.Run{}, false, err
		}
	}
	period, err := t.startPeriod(q.Period, q.Shadow)
	if err != nil {
		return models.Run{}, false, err
	}
	if err := t.abandonBraked(q.Period); err != nil {
		return models.Run{}, false, err
	}
	into, err := t.postingPeriod(period)
	if err != nil {
		return models.Run{}, false, err
	}
	record := runRecord{
		Period: q.Period, PostingPeriod: into, Kind: kindOf(period, &q), Shadow: q.Shadow,
		State: models.RunRehearsing, Accepted: q.Accept, AcceptedAmount: q.Amount, StartedAt: t.now,
	}
	if q.Slot != "" {
		record.Slot = &q.Slot
	}
	if err := t.Create(&record).Error; err != nil {
		return models.Run{}, false, fmt.Errorf("creating the run: %w", err)
	}
	if q.Accept {
		if err := t.recordAcceptance(q); err != nil {
			return models.Run{}, false, err
		}
	}
	return record.run(), true, t.cutChunks(ctx, &record, period, q.Chunk)
}

// recordAcceptance records who let a run pass the brake. Programs that run
// themselves, such as the demo, name nobody.
func (t *tx) recordAcceptance(q models.RunRequest) error {
	if q.By == "" {
		return nil
	}
	return t.recordAction(models.OperatorAction{Who: q.By, What: models.ActionAcceptRun, Subject: q.Period.String(), Reason: q.Reason})
}

// needed tells whether a period waits for its own run or has stale accounts. A
// braked run waits for a person, not for the clock.
func (t *tx) needed(p models.Period) (bool, error) {
	var needed bool
	_, err := t.scan("asking what the period needs", []any{&needed}, `SELECT NOT EXISTS (SELECT 1 FROM runs WHERE period = $1 AND state = 'braked')
		AND (NOT EXISTS (SELECT 1 FROM periods WHERE period = $1 AND settled_at IS NOT NULL)
			OR EXISTS (SELECT 1 FROM stale WHERE period = $1))`, p)
	return needed, err
}

func kindOf(p *periodRecord, q *models.RunRequest) models.RunKind {
	switch {
	case q.Booked:
		return models.RunBooked
	case p.SettledAt == nil:
		return models.RunRegular
	case q.Full:
		return models.RunFull
	}
	return models.RunDifferences
}

// abandonBraked ends the run that waited for a person: it is rehearsed again, because
// the facts may have changed.
func (t *tx) abandonBraked(p models.Period) error {
	err := t.Model(&runRecord{}).Where("period = ? AND state = 'braked'", p).
		Updates(map[string]any{"state": models.RunAbandoned, "finished_at": t.now}).Error
	return wrap(fmt.Sprintf("abandoning the braked run of %s", p), err)
}

// chunkBounds cuts the accounts of a run into ranges that together hold every
// account there is, so that one which joins during the run belongs to a chunk too.
// Both ends are inclusive: nothing is beyond the largest id. $1 is the run, $2
// the accounts per chunk.
const chunkBounds = `SELECT $1::bigint, row_number() OVER w,
		CASE row_number() OVER w WHEN 1 THEN -9223372036854775808 ELSE account_id END,
		coalesce(lead(account_id) OVER w - 1, 9223372036854775807)
	FROM (SELECT account_id, row_number() OVER (ORDER BY account_id) - 1 AS n FROM (%s) c) numbered
	WHERE n %% $2 = 0
	WINDOW w AS (ORDER BY account_id)`

func chunkQuery(r *runRecord, p *periodRecord, size int) (string, []any) {
	candidates, args := candidatesOf(r.Kind, p)
	return fmt.Sprintf(chunkBounds, candidates), append([]any{r.RunID, max(size, 1)}, args...)
}

func (t *tx) cutChunks(ctx context.Context, r *runRecord, p *periodRecord, size int) error {
	query, args := chunkQuery(r, p, size)
	_, err := t.pgx.Exec(ctx, "INSERT INTO run_chunks (run_id, chunk_no, from_account, to_account) "+query, args...)
	if err == nil && r.Shadow {
		_, err = t.pgx.Exec(ctx, "UPDATE run_chunks SET shadow = true WHERE run_id = $1", r.RunID)
	}
	return wrap(fmt.Sprintf("cutting run %d into chunks", r.RunID), err)
}

// candidatesOf selects the accounts that a run has to look at: parameters from $3.
func candidatesOf(kind models.RunKind, p *periodRecord) (string, []any) {
	const marked = "SELECT account_id FROM stale WHERE period = $3"
	if kind == models.RunDifferences {
		return "SELECT DISTINCT account_id FROM (" + marked + ") s", []any{p.Period}
	}
	all := marked + ` UNION SELECT account_id FROM discounts WHERE to_day > $4 AND from_day < $5
		UNION SELECT account_id FROM package_grants WHERE granted_on >= $6 AND granted_on < $7`
	if kind == models.RunFull || kind == models.RunBooked {
		all += " UNION " + postedIn
	}
	return all, []any{
		p.Period, p.MinDay, p.MaxDay, p.Period.First().Time(), p.Period.End().Time(),
	}
}

// Run is a run as it stands.
func (s *Store) Run(ctx context.Context, id int64) (models.Run, error) {
	var record runRecord
	if err := s.gorm.WithContext(ctx).Where("run_id = ?", id).Take(&record).Error; err != nil {
		return models.Run{}, fmt.Errorf("reading run %d: %w", id, err)
	}
	return record.run(), nil
}

// ActiveRuns is the runs that have work left, the oldest period first: those
// that a killed process left behind among them.
func (s *Store) ActiveRuns(ctx context.Context) ([]models.Run, error) {
	var records []runRecord
	err := s.gorm.WithContext(ctx).Where("state IN ('rehearsing', 'posting')").Order("period, run_id").Find(&records).Error
	if err != nil {
		return nil, fmt.Errorf("looking for runs with work left: %w", err)
	}
	list, active := make([]models.Run, len(records)), map[int64]bool{}
	for i := range records {
		list[i] = records[i].run()
		active[list[i].ID] = true
	}
	s.rehearsalCache.forgetAll(func(run int64) bool { return !active[run] }) // others have ended it
	return list, nil
}

// Check compares a rehearsed run with the brake and says which limits hold it back; before
// is what the month before has posted.
type Check = func(run models.Run, before models.Totals) []string

// AdvanceRun moves a run on when all its chunks have been through the present
// phase: from the rehearsal through the brake to posting, from posting to its
// end. moved is false when a worker still has a chunk.
func (s *Store) AdvanceRun(ctx context.Context, id int64, check Check) (run models.Run, moved bool, err error) {
	err = s.write(ctx, fmt.Sprintf("advancing run %d", id), func(tx *tx) error {
		var record runRecord
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("run_id = ?", id).Take(&record).Error; err != nil {
			return fmt.Errorf("locking run %d: %w", id, err)
		}
		var err error
		moved, err = tx.advance(&record, check)
		run = record.run()
		return err
	})
	if err != nil {
		return models.Run{}, false, err
	}
	if !run.Active() {
		s.rehearsalCache.forget(run.ID) // others may have posted what was rehearsed here
	}
	return run, moved, nil
}

func (t *tx) advance(r *runRecord, check Check) (bool, error) {
	if r.State != models.RunRehearsing && r.State != models.RunPosting {
		return true, nil
	}
	pending := map[models.RunState]string{models.RunRehearsing: "todo", models.RunPosting: "rehearsed"}[r.State]
	var left int64
	if err := t.Model(&chunkRecord{}).Where("run_id = ? AND state = ?", r.RunID, pending).Count(&left).Error; err != nil {
		return false, fmt.Errorf("counting chunks left: %w", err)
	}
	if left > 0 {
		return false, nil
	}
	if err := t.Model(&chunkRecord{}).Select(sumTotals).Where("run_id = ?", r.RunID).Scan(&r.Totals).Error; err != nil {
		return false, fmt.Errorf("summing up: %w", err)
	}
	if r.State == models.RunPosting {
		return true, t.finish(r)
	}
	return true, t.brake(r, check)
}

func (t *tx) brake(r *runRecord, check Check) error {
	before, err := t.postedTotals(r.Period.Previous())
	if err != nil {
		return err
	}
	r.State = models.RunPosting
	if broken := check(r.run(), before); len(broken) > 0 {
		r.State, r.Brake = models.RunBraked, strings.Join(broken, "; ")
	}
	return t.saveRun(r)
}

// postedTotals is what the runs of a period have posted.
func (t *tx) postedTotals(p models.Period) (totals models.Totals, err error) {
	err = t.Model(&runRecord{}).Select(sumTotals).Where("period = ? AND state IN ('done', 'incomplete')", p).Scan(&totals).Error
	return totals, wrap("reading the totals of "+p.String(), err)
}

func (t *tx) finish(r *runRecord) error {
	r.State = models.RunDone
	if r.Totals.Parked > 0 {
		r.State = models.RunIncomplete
	}
	r.FinishedAt = &t.now
	if r.Kind != models.RunDifferences {
		err := t.exec("noting that the period is run", "UPDATE periods SET settled_at = coalesce(settled_at, $1) WHERE period = $2", t.now, r.Period)
		if err != nil {
			return err
		}
	}
	return t.saveRun(r)
}

func (t *tx) saveRun(r *runRecord) error {
	return wrap(fmt.Sprintf("saving run %d", r.RunID), t.Save(r).Error)
}

// ParkedAccounts is the accounts and invoices that a run could not settle, by id.
func (s *Store) ParkedAccounts(ctx context.Context, run int64, limit int) ([]models.ParkedAccount, error) {
	return list(ctx, s, "reading parked accounts", func(row pgx.CollectableRow) (p models.ParkedAccount, err error) {
		err = row.Scan(&p.AccountID, &p.InvoiceID, &p.Period, &p.Error)
		return p, err
	},
		"SELECT "+parkedColumns+" FROM parked_accounts WHERE run_id = $1 ORDER BY account_id, invoice_id LIMIT $2", run, limit)
}

const parkedColumns = "account_id, invoice_id, period, error"

// parkedByLastRun selects from parked_accounts what the last run of its period has
// parked. What an earlier one did no longer counts.
const parkedByLastRun = "run_id IN (SELECT max(run_id) FROM runs WHERE state IN ('done', 'incomplete') GROUP BY period)"

func readParked(v [][]byte) models.ParkedAccount {
	return models.ParkedAccount{AccountID: pgcopy.Int8(v[0]), InvoiceID: string(v[1]), Period: pgcopy.Period(v[2]), Error: string(v[3])}
}

// Progress is how many chunks of a run have been through its present phase.
func (s *Store) Progress(ctx context.Context, run models.Run) (through, all int, err error) {
	phase := "rehearsed"
	if run.State == models.RunPosting {
		phase = "posted"
	}
	_, err = s.scan(ctx, fmt.Sprintf("reading the progress of run %d", run.ID), []any{&through, &all},
		"SELECT count(*) FILTER (WHERE state = $2), count(*) FROM run_chunks WHERE run_id = $1", run.ID, phase)
	return through, all, err
}
