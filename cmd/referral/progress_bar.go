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

func newBar(w io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(40), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish())
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
	defer func() { _ = bar.Clear() }()
	for sleep.For(ctx, 200*time.Millisecond) {
		runs, err := a.store.ActiveRuns(ctx)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				a.log.Warn("the progress of the run cannot be shown", "error", err)
			}
			return
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

// auditBar shows on a terminal how many accounts have been read; nil shows nothing.
type auditBar struct {
	bar  *progressbar.ProgressBar
	seen int
}

const auditBarStep = 1000 // accounts between two updates

func (a *app) newAuditBar(ctx context.Context, period models.Period) *auditBar {
	if !isTerminal(a.err) {
		return nil
	}
	size, err := a.store.AuditSize(ctx, period)
	if err != nil {
		a.log.Warn("the progress cannot be shown", "error", err)
		return nil
	}
	bar := newBar(a.err)
	bar.ChangeMax64(max(size, 1))
	bar.Describe(fmt.Sprintf("%s accounts", period))
	return &auditBar{bar: bar}
}

// counting hands accounts on and counts them.
func (b *auditBar) counting(see func(*models.AccountHistory)) func(*models.AccountHistory) error {
	return func(c *models.AccountHistory) error {
		if b != nil {
			if b.seen++; b.seen%auditBarStep == 0 {
				_ = b.bar.Set(b.seen)
			}
		}
		see(c)
		return nil
	}
}

func (b *auditBar) clear() {
	if b != nil {
		_ = b.bar.Clear()
	}
}
