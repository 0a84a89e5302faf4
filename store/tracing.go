package store

import (
	"cmp"
	"context"
	"strings"
	"unicode"

	"referral/internal/tracing"
	"referral/models"
)

// startOperation begins the span of what is done with the database.
func startOperation(ctx context.Context, what string) (context.Context, tracing.Span) {
	ctx, span := tracing.Start(ctx, tracing.Client, "database")
	if span.On() {
		span.Name(operation(what))
		span.Text("db.system.name", "postgresql")
	}
	return ctx, span
}

// operation is what is done, without what it is done to: that may be an account, a month
// or a document.
func operation(what string) string {
	what, _, _ = strings.Cut(what, " of ")
	if digit := strings.IndexFunc(what, unicode.IsDigit); digit >= 0 {
		what = what[:max(0, strings.LastIndexByte(what[:digit], ' '))]
	}
	return what
}

// setTraces has each event continue the trace of the message that brings the fact about
// its account, or that of the batch.
func (b *ingestion) setTraces(ctx context.Context, events []models.OutboxEvent) {
	batch := tracing.Current(ctx)
	if batch == "" || len(events) == 0 {
		return
	}
	brought := map[int64]tracing.Context{}
	if len(b.messages) > 1 { // a batch of one is in the trace of its message already
		for i, f := range b.facts.list {
			if c := tracing.OfMessage(&b.messages[b.facts.at[i]].Message); c != "" {
				brought[f.Data.Account()] = c
			}
		}
	}
	for i := range events {
		events[i].Trace = string(cmp.Or(brought[events[i].AccountID], batch))
	}
}
