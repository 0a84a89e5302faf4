package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/billing"
	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/internal/tracing"
	"referral/models"
)

// Runs is where runs are kept and worked on.
type Runs interface {
	StartRun(context.Context, models.RunRequest) (run models.Run, started bool, err error)
	WorkChunk(context.Context, models.Run, models.SettleFunc) (totals models.Totals, worked bool, err error)
	AdvanceRun(ctx context.Context, run int64, check func(run models.Run, before models.Totals) []string) (_ models.Run, moved bool, err error)
	ParkedAccounts(ctx context.Context, run int64, limit int) ([]models.ParkedAccount, error)
}

// Calendar is the periods that are known.
type Calendar interface {
	Periods(context.Context) ([]models.PeriodInfo, error)
	ActiveRuns(context.Context) ([]models.Run, error)
	// PendingPackages counts, by month, the packages earned before a day in months
	// that no invoice has named.
	PendingPackages(ctx context.Context, before models.Date) (map[models.Period]int64, error)
}

// SettlerOptions are what a Settler needs.
type SettlerOptions struct {
	Runs      Runs
	Calendar  Calendar
	Programme *billing.Programme
	Workers   int  // chunks worked on at once by this process
	Chunk     int  // accounts per chunk
	Shadow    bool // runs settle beside an older system, and nothing of them is published
	Log       *slog.Logger
	Metrics   *Metrics
	Now       func() time.Time
}

// Settler carries runs out.
type Settler struct {
	SettlerOptions

	// guard keeps an assertion on money from stopping more than the run that it
	// concerns: the consumer and the pages share the process.
	guard *recovering.Guard
	book  models.SettleFunc // in place of the rules; nil for them
}

// NewSettler checks the options.
func NewSettler(o SettlerOptions) (*Settler, error) {
	if o.Runs == nil || o.Calendar == nil || o.Programme == nil || o.Log == nil || o.Metrics == nil || o.Now == nil {
		return nil, errors.New("settler: an option is missing")
	}
	if o.Workers < 1 || o.Chunk < 1 {
		return nil, errors.New("settler: workers and accounts per chunk must be at least 1")
	}
	guard, err := recovering.New(o.Log, o.Metrics.registerer, "scheduler")
	return &Settler{SettlerOptions: o, guard: guard}, err
}

// Run settles a period now, and then the differences of closed periods that are
// posted to it. Of a run that is under way already it does its share and, since
// that one may have passed by facts that came meanwhile, settles what is left.
func (s *Settler) Run(ctx context.Context, q models.RunRequest) ([]models.Run, error) {
	first, err := s.settle(ctx, q)
	runs := []models.Run{first}
	if err != nil || first.State == models.RunBraked {
		return runs, err
	}
	periods, err := s.Calendar.Periods(ctx)
	if err != nil {
		return runs, err
	}
	for _, p := range billing.PeriodsPostedTo(periods, q.Period) {
		// The person accepted what is posted into q.Period: that is recorded once, there. The
		// total that two persons saw is that of q.Period alone.
		run, err := s.settle(ctx, models.RunRequest{Period: p, Accept: q.Accept && q.Amount == nil})
		if other := (*models.ErrOtherMode)(nil); errors.As(err, &other) {
			continue // it waits for the end of the shadow mode
		}
		if err != nil {
			return runs, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// ErrNotOver says that a period is not run because its time has not come.
var ErrNotOver = errors.New("it is too early to settle the period")

// start is where every run begins, by the clock or by hand. Schedules settle no month
// before it is over; a person may settle the month that is under way, because later
// runs post what is missing, and none that has not begun.
func (s *Settler) start(ctx context.Context, q models.RunRequest) (_ models.Run, started bool, err error) {
	now := s.Now()
	switch {
	case q.Needed && !s.Programme.PeriodOver(q.Period, now):
		return models.Run{}, false, fmt.Errorf("%w: %s ends on %s", ErrNotOver, q.Period, q.Period.End())
	case q.Period.First() > s.Programme.Local(now):
		return models.Run{}, false, fmt.Errorf("%w: %s begins on %s; run it from that day on", ErrNotOver, q.Period, q.Period.First())
	}
	q.Shadow = s.Shadow
	return s.Runs.StartRun(ctx, q)
}

func (s *Settler) settle(ctx context.Context, q models.RunRequest) (models.Run, error) {
	q.Chunk = s.Chunk
	for {
		run, started, err := s.start(ctx, q)
		if err != nil {
			return run, err
		}
		if run.Kind == models.RunBooked && run.Active() {
			return run, fmt.Errorf("what an older system has given in %s is being booked: `referral close %[1]s --booked FILE` goes on with it", run.Period)
		}
		run, err = s.Work(ctx, run)
		if err != nil || started || run.State == models.RunBraked {
			return run, err
		}
	}
}

// Book brings the ledger of a period of the shadow mode to what an older system has given,
// which book says of each account. A run that a killed command left behind may have booked
// something else: it is ended, and another one follows.
func (s *Settler) Book(ctx context.Context, period models.Period, book models.SettleFunc) (models.Run, error) {
	own := *s
	own.book = book
	for {
		run, started, err := s.Runs.StartRun(ctx, models.RunRequest{Period: period, Accept: true, Booked: true, Shadow: true, Chunk: s.Chunk})
		if err == nil && run.Kind != models.RunBooked {
			err = fmt.Errorf("a run of %s is under way; try again when it has ended", period)
		}
		if err != nil {
			return run, err
		}
		if run, err = own.Work(ctx, run); err != nil || started {
			return run, err
		}
	}
}

// advancePoll is how long to wait for chunks that other workers have in hands.
const advancePoll = 100 * time.Millisecond

// Work does a process's share of a run until the run has ended, or waits for a
// person. Called for an ended run it does nothing.
func (s *Settler) Work(ctx context.Context, run models.Run) (models.Run, error) {
	if !run.Active() || run.Kind == models.RunBooked && s.book == nil {
		return run, nil // what to book is known only to the command that has the file
	}
	ctx, span := tracing.Start(ctx, tracing.Internal, "settle period")
	span.Number("referral.run", run.ID)
	span.Text("referral.period", run.Period.String())
	span.Text("referral.run_kind", string(run.Kind))
	done, err := s.work(ctx, run)
	span.Text("referral.run_state", string(done.State))
	span.End(err)
	return done, err
}

func (s *Settler) work(ctx context.Context, run models.Run) (models.Run, error) {
	for run.Active() {
		if err := s.workPhase(ctx, run); err != nil {
			return run, fmt.Errorf("run %d of %s stopped halfway and goes on when it is taken up again: %w", run.ID, run.Period, err)
		}
		next, moved, err := s.Runs.AdvanceRun(ctx, run.ID, s.Programme.Brake)
		if err != nil {
			return run, err
		}
		if moved {
			s.report(ctx, run, next)
		} else if next.State == run.State && !sleep.For(ctx, advancePoll) {
			return run, ctx.Err()
		}
		run = next // also when another process has moved it: that one may be dead by now
	}
	return run, nil
}

func (s *Settler) workPhase(ctx context.Context, run models.Run) error {
	group, ctx := errgroup.WithContext(ctx)
	for range s.Workers {
		group.Go(func() error { return s.guard.Do(func() error { return s.workChunks(ctx, run) }) })
	}
	return group.Wait()
}

func (s *Settler) settleFunc() models.SettleFunc {
	if s.book != nil {
		return s.book
	}
	return s.Programme.Settle
}

func (s *Settler) workChunks(ctx context.Context, run models.Run) error {
	for {
		totals, worked, err := s.Runs.WorkChunk(ctx, run, s.settleFunc())
		if err != nil || !worked {
			return err
		}
		if run.State == models.RunPosting {
			s.Metrics.settled(totals)
		}
	}
}

// report tells what a run has come to. A run passes here once in the process
// that moved it on.
func (s *Settler) report(ctx context.Context, was, run models.Run) {
	log := s.Log.With("run", run.ID, "period", run.Period, "kind", run.Kind, "posting_period", run.PostingPeriod)
	t := run.Totals
	switch run.State {
	case models.RunPosting:
		log.InfoContext(ctx, "rehearsed", "accounts", t.Accounts, "documents", t.Documents, "amount_minor", int64(t.Amount), "packages", t.Packages)
		return
	case models.RunBraked:
		log.ErrorContext(ctx, "the brake holds this run: nothing is posted until it is accepted with `referral run "+run.Period.String()+" --accept`", "why", run.Brake)
	case models.RunIncomplete:
		log.ErrorContext(ctx, "incomplete: what is parked will be tried again", "parked", t.Parked, "documents", t.Documents, "amount_minor", int64(t.Amount))
		s.nameParked(ctx, log, run)
	case models.RunDone:
		log.InfoContext(ctx, "done", "accounts", t.Accounts, "documents", t.Documents, "amount_minor", int64(t.Amount), "packages", t.Packages, "held_lines", t.HeldLines)
	}
	if was.State != run.State {
		s.Metrics.ended(ctx, run, s.Now())
	}
}

// parkedNamed bounds the lines of a log about one run; all are in the database.
const parkedNamed = 100

func (s *Settler) nameParked(ctx context.Context, log *slog.Logger, run models.Run) {
	parked, err := s.Runs.ParkedAccounts(ctx, run.ID, parkedNamed)
	if err != nil {
		log.WarnContext(ctx, "what is parked cannot be named", "error", err)
	}
	for _, p := range parked {
		log.ErrorContext(ctx, "parked", "account", p.AccountID, "invoice", p.InvoiceID, "error", p.Error)
	}
}
