package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"referral/billing"
	"referral/models"
	"referral/scheduler"
)

// until lets the clock of the bubble come to a moment in Moscow.
func until(t testing.TB, moment string) {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", moment, moscow)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(at))
	synctest.Wait()
}

func is(t testing.TB, what, got string, want ...string) {
	t.Helper()
	if got != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, strings.Join(want, "\n"))
	}
}

// A year goes by: every month is settled once, at 03:00 in Moscow on the first
// day of the next, and what facts make stale by day is settled at night.
func TestAYear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-01-01 12:00")
		r := newRig(t, newBooks(202601))
		stop := r.run(t)
		var want []string
		for p := models.Period(202601); p < 202701; p = p.Next() {
			until(t, p.End().String()+" 02:59")
			r.change(func() { r.know(p.Next()) }) // the invoices of the next month begin to come
			is(t, "before the run of "+p.String(), r.wrote(), want...)
			until(t, p.End().String()+" 03:00")
			want = append(want, fmt.Sprintf("%s 03:00 regular %s", p.End(), p))
			is(t, "at the run of "+p.String(), r.wrote(), want...)
			if p%3 == 0 {
				until(t, (p.End()+9).String()+" 12:00")
				r.change(func() { r.periods[p].Stale, r.periods[202601].Stale = 1, 2 })
				until(t, (p.End()+10).String()+" 12:00")
				want = append(want, fmt.Sprintf("%s 04:30 differences 2026-01", p.End()+10), fmt.Sprintf("%s 04:30 differences %s", p.End()+10, p))
			}
		}
		until(t, "2027-01-31 12:00")
		stop()
		is(t, "the year", r.wrote(), want...)
		if n := r.failures(t); n != 0 || r.Ready() != nil {
			t.Errorf("%v failures, %v:\n%s", n, r.Ready(), r.log)
		}
	})
}

// Months missed while the service was down are made at its start, the oldest
// first, and the month that has not ended is left alone.
func TestMonthsMissedAreCaughtUpOldestFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-17 10:00")
		r := newRig(t, newBooks(202605, 202602, 202604, 202512, 202603), func(o *scheduler.Options) { o.Quiet = time.Minute })
		r.periods[202512].State = models.PeriodRun
		stop := r.run(t)
		until(t, "2026-05-17 10:00")
		is(t, "while it is quiet", r.wrote())
		until(t, "2026-05-17 10:01")
		stop()
		is(t, "the start", r.wrote(), "2026-05-17 10:01 regular 2026-02", "2026-05-17 10:01 regular 2026-03", "2026-05-17 10:01 regular 2026-04")
	})
}

// On the first of a month the month that ended is due from 03:00 on, not before.
func TestNotBeforeItsHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-01 02:50")
		r := newRig(t, newBooks(202604))
		stop := r.run(t)
		until(t, "2026-05-01 02:59")
		is(t, "before three", r.wrote())
		until(t, "2026-05-01 03:00")
		stop()
		is(t, "at three", r.wrote(), "2026-05-01 03:00 regular 2026-04")
		if n := r.metric(t, "referral_settlement_run_duration_seconds", "regular"); n != 1 {
			t.Errorf("%v runs were timed", n)
		}
	})
}

// Packages of months past that the clock leaves out are told of, at the start and
// every night, until they are gone.
func TestWaitingPackagesAreToldOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-17 10:00")
		b := newBooks(202604)
		b.waiting = map[models.Period]int64{202603: 7, 202602: 2, 202605: 1}
		r := newRig(t, b)
		stop := r.run(t)
		until(t, "2026-05-18 12:00")
		r.change(func() { b.waiting = nil })
		until(t, "2026-05-20 12:00")
		stop()
		var told []string
		for line := range strings.Lines(r.log.String()) {
			if _, after, ok := strings.Cut(line, "`referral run "); ok {
				told = append(told, strings.TrimSpace(after))
			}
		}
		two, seven := "2026-02` sends them\" period=2026-02 packages=2", "2026-03` sends them\" period=2026-03 packages=7"
		is(t, "told", strings.Join(told, "\n"), two, seven, two, seven)
	})
}

// What the topics hold is read before a month is settled, but not permanently.
func TestFactsAreAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-04-20 12:00")
		var slow atomic.Int64
		slow.Store(int64(10 * time.Minute))
		r := newRig(t, newBooks(202604, 202605), func(o *scheduler.Options) {
			o.AwaitTimeout = 30 * time.Minute
			o.AwaitFacts = func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Duration(slow.Load())):
					return nil
				}
			}
		})
		stop := r.run(t)
		until(t, "2026-05-31 12:00")
		slow.Store(int64(24 * time.Hour))
		until(t, "2026-06-01 04:00")
		stop()
		is(t, "the runs", r.wrote(), "2026-05-01 03:10 regular 2026-04", "2026-06-01 03:30 regular 2026-05")
		if !strings.Contains(r.log.String(), "late facts") {
			t.Errorf("nobody was told that not everything was read:\n%s", r.log)
		}
	})
}

// A panic anywhere in the work is logged, and the clock goes on. What succeeds when it is
// tried again is not a job that failed.
func TestPanicsDoNotEndTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-04-20 12:00")
		r := newRig(t, newBooks(202603, 202604, 202605))
		r.panics[202603], r.panics[202604] = 1, 3 // at the start-up, and in the monthly run
		stop := r.run(t)
		until(t, "2026-04-20 13:00")
		if r.periods[202603].State != models.PeriodRun {
			t.Error("the run of March was not taken up after a panic")
		}
		until(t, "2026-06-02 12:00")
		stop()
		is(t, "the runs", r.wrote(), "2026-04-20 12:00 regular 2026-03", "2026-05-01 03:00 regular 2026-04", "2026-06-01 03:00 regular 2026-05")
		if !strings.Contains(r.log.String(), "money overflow") || r.failures(t) != 0 || r.Ready() != nil {
			t.Errorf("%v failures, %v:\n%s", r.failures(t), r.Ready(), r.log)
		}
		for p, info := range r.periods {
			if info.State != models.PeriodRun {
				t.Errorf("%s is %s", p, info.State)
			}
		}
	})
}

// A database that does not answer for a moment puts no month off until the night.
func TestWhatFailsForAMomentIsTriedAgainSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-31 12:00")
		r := newRig(t, newBooks(202604, 202605))
		r.down = true
		stop := r.run(t)
		time.Sleep(15 * time.Second) // it has looked for what was missed, in vain
		r.change(func() { r.down = false })
		until(t, "2026-05-31 12:01")
		is(t, "after the start", r.wrote(), "2026-05-31 12:00 regular 2026-04")
		until(t, "2026-06-01 02:59")
		r.change(func() { r.down = true })
		until(t, "2026-06-01 03:01")
		r.change(func() { r.down = false })
		until(t, "2026-06-01 03:05")
		stop()
		is(t, "in the night", r.wrote(), "2026-05-31 12:00 regular 2026-04", "2026-06-01 03:01 regular 2026-05")
	})
}

// A period that fails, even with a run left halfway, keeps no other one from being
// settled; it is tried again, and said so until it has passed.
func TestOneFailingPeriodDoesNotStopTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-17 12:00")
		r := newRig(t, newBooks(202603, 202604, 202605))
		r.fail[202603] = errors.New("the disk is full")
		stop := r.run(t)
		until(t, "2026-05-17 13:00")
		is(t, "at the start", r.wrote(), "2026-05-17 12:00 regular 2026-03", "2026-05-17 12:00 regular 2026-04")
		if err := r.Ready(); err == nil || !strings.Contains(err.Error(), "disk is full") {
			t.Errorf("ready: %v", err)
		}
		until(t, "2026-06-01 03:00")
		if got := r.periods[202605].State; got != models.PeriodRun {
			t.Errorf("May is %s, because March fails", got)
		}
		r.change(func() { delete(r.fail, 202603) })
		until(t, "2026-06-02 12:00")
		stop()
		is(t, "in the end", r.wrote(), "2026-05-17 12:00 regular 2026-03", "2026-05-17 12:00 regular 2026-04", "2026-06-01 03:00 regular 2026-05")
		if got := r.periods[202603].State; got != models.PeriodRun {
			t.Errorf("March is %s", got)
		}
	})
}

// Who reads the log of an incomplete run learns what is parked.
func TestTheLogNamesWhatIsParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-17 12:00")
		r := newRig(t, newBooks(202604))
		r.parked = []models.ParkedAccount{{AccountID: 885, InvoiceID: "INV-7", Error: "money overflow"}}
		stop := r.run(t)
		until(t, "2026-05-17 13:00")
		stop()
		if log := r.log.String(); !strings.Contains(log, `msg=parked`) || !strings.Contains(log, `account=885 invoice=INV-7 error="money overflow"`) {
			t.Errorf("the log says\n%s", log)
		}
	})
}

// A braked run waits for a person: no cron line starts the period again.
func TestBrakedRunIsNotRestartedByTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-04-20 12:00")
		r := newRig(t, newBooks(202604, 202605))
		r.brake[202604] = true
		stop := r.run(t)
		until(t, "2026-06-02 12:00")
		is(t, "the runs", r.wrote(), "2026-05-01 03:00 regular 2026-04", "2026-06-01 03:00 regular 2026-05")
		if r.Ready() != nil || r.runs[0].State != models.RunBraked {
			t.Errorf("%v, %s", r.Ready(), r.runs[0].State)
		}
		r.change(func() { r.runs[0].State = models.RunAbandoned }) // as a person's --accept does
		run, _, err := r.StartRun(t.Context(), models.RunRequest{Period: 202604, Accept: true})
		if err != nil {
			t.Fatal(err)
		}
		until(t, "2026-06-02 12:05")
		stop()
		if got := r.runs[run.ID-1].State; got != models.RunDone {
			t.Errorf("the accepted run is %s", got)
		}
		if !strings.Contains(r.log.String(), "the brake holds") {
			t.Errorf("nobody was told:\n%s", r.log)
		}
	})
}

// A database that is away at the hour of the run is waited for until the night.
func TestDatabaseAwayAtItsHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-04-20 12:00")
		r := newRig(t, newBooks(202604))
		stop := r.run(t)
		until(t, "2026-04-30 12:00")
		r.change(func() { r.down = true })
		until(t, "2026-05-01 03:30")
		if r.Ready() == nil {
			t.Error("the scheduler is ready without a database")
		}
		r.change(func() { r.down = false })
		until(t, "2026-05-01 12:00")
		stop()
		is(t, "the runs", r.wrote(), "2026-05-01 04:30 regular 2026-04")
		if r.Ready() != nil {
			t.Errorf("with the database back: %v", r.Ready())
		}
	})
}

// Every night reconciles the periods that were run and not signed off.
func TestNightlyReconciliation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-10 12:00")
		r := newRig(t, newBooks(202602, 202603, 202604, 202605))
		r.periods[202602].State = models.PeriodClosed
		stop := r.run(t)
		until(t, "2026-05-11 12:00")
		stop()
		slices.Sort(r.reconciled)
		if !slices.Equal(r.reconciled, []models.Period{202603, 202604}) {
			t.Errorf("reconciled: %v", r.reconciled)
		}
	})
}

// What the night has posted itself billing cannot have answered: it is no alarm
// on that night, and one on the next.
func TestNoAlarmAboutWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-10 12:00")
		r := newRig(t, newBooks(202604), func(o *scheduler.Options) { o.AnswerGrace = 12 * time.Hour })
		r.periods[202604].State = models.PeriodRun
		stray := models.Adjustment{ID: billing.AdjustmentID(202604, "INV-1", 1), Sequence: 1, AccountID: 1, InvoiceID: "INV-1", Period: 202604}
		r.audited = []*models.AccountHistory{{Account: models.Account{ID: 1}, Invoices: []models.AuditInvoice{{
			Invoice:   models.Invoice{AccountID: 1, ID: "INV-1", Revision: 1, Period: 202604},
			Documents: []models.AuditDocument{{Adjustment: stray, DocumentHistory: models.DocumentHistory{Published: true, PostedAt: time.Date(2026, 5, 11, 4, 29, 0, 0, moscow)}}},
		}}}}
		stop := r.run(t)
		until(t, "2026-05-11 12:00")
		r.change(func() {
			if len(r.reconciled) != 1 || r.noted[202604] != 0 {
				t.Errorf("on the night itself: reconciled %v, breaks %v", r.reconciled, r.noted)
			}
		})
		until(t, "2026-05-12 12:00")
		stop()
		if r.noted[202604] != 1 {
			t.Errorf("on the next night: breaks %v", r.noted)
		}
		for words, times := range map[string]int{"not answered yet": 1, "kind=not-answered": 1, "level=ERROR": 1} {
			if n := strings.Count(r.log.String(), words); n != times {
				t.Errorf("%q is logged %d times, want %d:\n%s", words, n, times, r.log)
			}
		}
	})
}

// A job that fails each time it is tried again has failed once.
func TestAFailedJobIsCountedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-04-20 12:00")
		r := newRig(t, newBooks(202604))
		r.panics[202604] = 1000
		stop := r.run(t)
		until(t, "2026-05-01 03:10")
		stop()
		if r.failures(t) != 1 || r.Ready() == nil {
			t.Errorf("%v failures, %v", r.failures(t), r.Ready())
		}
	})
}

// The scheduler ends when it is told to, in the middle of whatever it does.
func TestStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-10 12:00")
		r := newRig(t, newBooks(202604), func(o *scheduler.Options) {
			o.AwaitFacts = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		})
		stop := r.run(t)
		synctest.Wait()
		stop()
		is(t, "the runs", r.wrote())
		if r.failures(t) != 0 || r.Ready() != nil {
			t.Errorf("being told to stop counts as a failure: %v", r.Ready())
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t, newBooks())
	for name, spoil := range map[string]func(*scheduler.Options){
		"settler": func(o *scheduler.Options) { o.Settler = nil }, "auditor": func(o *scheduler.Options) { o.Auditor = nil },
		"insight": func(o *scheduler.Options) { o.Insight = nil }, "orders": func(o *scheduler.Options) { o.Orders = nil },
		"sign": func(o *scheduler.Options) { o.Sign = nil },
		"run":  func(o *scheduler.Options) { o.RunAt = nil }, "catch-up": func(o *scheduler.Options) { o.CatchUp = nil },
		"poll": func(o *scheduler.Options) { o.Poll = 0 }, "retention": func(o *scheduler.Options) { o.Retention.Cleaner = nil },
		"its schedule": func(o *scheduler.Options) { o.Retention.Schedule = nil },
	} {
		o := r.Options
		spoil(&o)
		if _, err := scheduler.New(o); err == nil {
			t.Errorf("without %s: accepted", name)
		}
	}
	for name, spoil := range map[string]func(*scheduler.SettlerOptions){
		"runs": func(o *scheduler.SettlerOptions) { o.Runs = nil }, "calendar": func(o *scheduler.SettlerOptions) { o.Calendar = nil },
		"programme": func(o *scheduler.SettlerOptions) { o.Programme = nil }, "log": func(o *scheduler.SettlerOptions) { o.Log = nil },
		"metrics": func(o *scheduler.SettlerOptions) { o.Metrics = nil }, "clock": func(o *scheduler.SettlerOptions) { o.Now = nil },
		"workers": func(o *scheduler.SettlerOptions) { o.Workers = 0 }, "chunk": func(o *scheduler.SettlerOptions) { o.Chunk = 0 },
	} {
		o := r.Settler.SettlerOptions
		spoil(&o)
		if _, err := scheduler.NewSettler(o); err == nil {
			t.Errorf("without %s: accepted", name)
		}
	}
}
