package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"referral/models"
)

func isTerminal(w any) bool {
	if o, ok := w.(*output); ok {
		w = o.to
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func newBar(w io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(40), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish())
}

// showProgress draws a bar while a run of the period is under way, when a person
// watches. The function that it returns ends it.
func (a *app) showProgress(ctx context.Context, p process, period models.Period) func() {
	if !isTerminal(p.err) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.drawProgress(ctx, p, period)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (a *app) drawProgress(ctx context.Context, p process, period models.Period) {
	bar := newBar(p.err)
	defer func() { _ = bar.Clear() }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		runs, err := a.store.ActiveRuns(ctx)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				a.log.Warn("the progress cannot be shown", "error", err)
			}
			return
		}
		for _, run := range runs {
			if through, all, err := a.store.Progress(ctx, run); err == nil && run.Period == period {
				bar.Describe(fmt.Sprintf("%s %s", run.Period, run.State))
				bar.ChangeMax(max(all, 1))
				_ = bar.Set(through)
			}
		}
	}
}

// progressStep is how many accounts go by between two looks at the bar.
const progressStep = 1000

// auditProgress draws a bar while accounts are audited, when a person watches.
func (a *app) auditProgress(ctx context.Context, p process, period models.Period) (tick, done func()) {
	if !isTerminal(p.err) {
		return func() {}, func() {}
	}
	size, err := a.store.AuditSize(ctx, period)
	if err != nil {
		a.log.Warn("the progress cannot be shown", "error", err)
		return func() {}, func() {}
	}
	bar, seen := newBar(p.err), 0
	bar.ChangeMax64(max(size, 1))
	bar.Describe(fmt.Sprintf("%s accounts", period))
	tick = func() {
		if seen++; seen%progressStep == 0 {
			_ = bar.Set(seen)
		}
	}
	return tick, func() { _ = bar.Clear() }
}
