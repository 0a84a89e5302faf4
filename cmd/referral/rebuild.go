package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"referral/archive"
	"referral/billing"
	"referral/cmd/referral/report"
	"referral/consumer/decode"
	"referral/rebuild"
	"referral/store"
)

type rebuildFlags struct {
	verify, keep    bool
	archive, schema string
	format          *string
}

func newRebuild(p process) *cobra.Command {
	var f rebuildFlags
	cmd := &cobra.Command{
		Use:   "rebuild --verify",
		Short: "Make the state again from the messages, in a schema of its own, and compare it with the live one",
		Long: `Reads the input topics from their beginning into an archive, takes its messages into a
schema of its own, and compares facts, discounts, packages and the ledger with the live
schema. Every difference is named. The live schema is only read.

What no topic has is taken from the live schema: codes, requests at the personal
account, decisions of staff and the terms in force. Messages that retention has removed
are named as such; an archive that was kept since (--archive) completes them.

It may be ended at any time, and is continued by the next call. The exit status is 1 when
something differs, or cannot be proven because retention has removed its messages.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !f.verify {
				return misuse(cmd, "give --verify: the live schema is never replaced")
			}
			return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error { return a.rebuild(ctx, &f) })
		},
	}
	cmd.Flags().BoolVar(&f.verify, "verify", false, "compare the rebuilt state with the live one")
	cmd.Flags().BoolVar(&f.keep, "keep", false, "keep the rebuilt schema, to look into it")
	cmd.Flags().StringVar(&f.archive, "archive", "", "the `directory` of an archive, which is completed first; without it, a temporary one is made")
	cmd.Flags().StringVar(&f.schema, "schema", "", "the `schema` to rebuild in; without it, the live one's name with _rebuild")
	f.format = formatFlag(cmd, "table", "json")
	return cmd
}

func (a *app) rebuild(ctx context.Context, f *rebuildFlags) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	live := a.config.Database.Schema
	schema := f.schema
	if schema == "" {
		schema = live + "_rebuild"
	}
	if schema == live {
		return fmt.Errorf("--schema: %s holds the live tables; name another one", schema)
	}
	out := a.out
	if *f.format == "json" {
		a.out = a.err // the result alone is the output
	}
	directory := f.archive
	if directory == "" {
		directory = archiveOf(schema, os.TempDir)
	}
	held, err := a.archive(ctx, directory)
	if err != nil {
		return err
	}
	target, err := a.openRebuild(ctx, schema)
	if err != nil {
		return err
	}
	defer target.Close() //nolint:errcheck // nothing is pending on it
	result, err := a.rebuildAndCompare(ctx, target, live, held)
	if err != nil {
		return err
	}
	if !f.keep {
		if err := target.DropSchema(ctx); err != nil {
			return err
		}
		if f.archive == "" {
			if err := os.RemoveAll(directory); err != nil {
				return fmt.Errorf("removing the temporary archive: %w", err)
			}
		}
	}
	if *f.format == "json" {
		err = report.JSON(out, result)
	} else {
		report.RebuildTable(out, result)
	}
	switch {
	case err != nil:
		return err
	case !result.Same():
		return negativeResult("the live state does not follow from the messages: see the differences")
	case !result.Proven():
		return negativeResult("nothing contradicts the messages, but retention has removed some: complete them with --archive")
	}
	return nil
}

// openRebuild opens the schema to rebuild in, with the newest tables.
func (a *app) openRebuild(ctx context.Context, schema string) (*store.Store, error) {
	options, err := a.storeOptions(schema)
	if err != nil {
		return nil, err
	}
	target, err := store.Open(options)
	if err != nil {
		return nil, err
	}
	if _, err := target.Migrate(ctx, store.Roles{}); err != nil {
		_ = target.Close()
		return nil, fmt.Errorf("preparing the schema %s: %w", schema, err)
	}
	return target, nil
}

func (a *app) rebuildAndCompare(ctx context.Context, target *store.Store, live string, held *archive.Reader) (*rebuild.Result, error) {
	topics := a.kafka().factTopics()
	decoder, err := decode.New(topics, a.config.Programme.Currency)
	if err != nil {
		return nil, err
	}
	bar := newBar(a.err)
	bar.Describe("rebuilding")
	err = rebuild.Run(ctx, rebuild.Options{
		Target: target, Live: a.store, Schema: live, Archive: held, Topics: topics, Decoder: decoder, Derive: a.programme.Derive(newCode),
		Progress: func(done, all int64) {
			bar.ChangeMax64(max(all, 1))
			_ = bar.Set64(done)
		},
	})
	_ = bar.Clear()
	if err != nil {
		return nil, err
	}
	result, err := rebuild.Compare(ctx, a.store, target, live, &held.Manifest)
	if err != nil {
		return nil, err
	}
	periods, err := a.store.Periods(ctx)
	if err != nil {
		return nil, err
	}
	grace := billing.AnswerGrace{Now: a.now(), Grace: a.config.Schedule.AnswerGrace}
	for _, p := range periods {
		if err := result.Ledger(ctx, a.store, target, a.programme, p.Period, grace); err != nil {
			return nil, err
		}
	}
	return &result, nil
}
