package main

import (
	"context"
	"log/slog"
	"slices"
)

// answeredRuns is a log for a command that answers how its runs have ended, on
// standard error where it must: there the log does not say it besides.
type answeredRuns struct {
	slog.Handler
	ofRun bool // what is logged is about one run
}

// Handle passes on all but the sad ends of runs.
func (h answeredRuns) Handle(ctx context.Context, r slog.Record) error {
	if h.ofRun && r.Level >= slog.LevelError {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs tells by them whether it is about a run.
func (h answeredRuns) WithAttrs(attrs []slog.Attr) slog.Handler {
	ofRun := slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == "run" })
	return answeredRuns{h.Handler.WithAttrs(attrs), h.ofRun || ofRun}
}

// WithGroup changes nothing about what is passed on.
func (h answeredRuns) WithGroup(name string) slog.Handler {
	return answeredRuns{h.Handler.WithGroup(name), h.ofRun}
}
