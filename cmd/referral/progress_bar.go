package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"referral/internal/sleep"
	"referral/models"
)

func isTerminal(w any) bool {
	if o, ok := w.(*output); ok {
		w = o.to
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newBar is a progress bar, which is invisible unless w is a terminal.
func newBar(w io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionSetVisibility(isTerminal(w)), progressbar.OptionSetWidth(40),
		progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

// showRunProgress draws a bar on a terminal until the returned function is called.
func (a *app) showRunProgress(ctx context.Context, period models.Period) (stop func()) {
	if !isTerminal(a.err) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.drawRunProgress(ctx, period)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (a *app) drawRunProgress(ctx context.Context, period models.Period) {
	bar := newBar(a.err)
	defer bar.Clear() //nolint:errcheck // it is decoration
	for sleep.For(ctx, 200*time.Millisecond) {
		runs, err := a.store.ActiveRuns(ctx)
		if err != nil {
			return // the run reports it
		}
		for _, run := range runs {
			if done, all, err := a.store.Progress(ctx, run); err == nil && run.Period == period {
				bar.Describe(fmt.Sprintf("%s %s", run.Period, run.State))
				bar.ChangeMax(max(all, 1))
				_ = bar.Set(done)
			}
		}
	}
}

// countAccounts hands the accounts of a period on to see, and counts them on a terminal.
// The function stop takes the bar away.
func (a *app) countAccounts(ctx context.Context, period models.Period, see func(*models.AccountHistory)) (each func(*models.AccountHistory) error, stop func()) {
	bar := newBar(a.err)
	if isTerminal(a.err) {
		if size, err := a.store.AuditSize(ctx, period); err == nil { // otherwise reading the accounts fails too
			bar.ChangeMax64(max(size, 1))
			bar.Describe(fmt.Sprintf("%s accounts", period))
		}
	}
	each = func(c *models.AccountHistory) error {
		_ = bar.Add(1)
		see(c)
		return nil
	}
	return each, func() { _ = bar.Clear() }
}
