package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"referral/archive"
	"referral/billing"
	"referral/cmd/referral/report"
	"referral/consumer/decode"
	"referral/models"
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
	target, err := a.openRebuild(ctx, schema) // first, because the right to do so may be missing
	if err != nil {
		return err
	}
	defer target.Close() //nolint:errcheck // nothing is pending on it
	held, drop, err := a.archiveAt(ctx, f.archive, "referral-rebuild-"+schema)
	if err != nil {
		return err
	}
	result, err := a.rebuildAndCompare(ctx, target, live, held)
	if err != nil {
		return err
	}
	if !f.keep {
		if err := target.DropSchema(ctx); err != nil {
			return err
		}
		if err := drop(); err != nil {
			return err
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

type recoverFlags struct {
	operator operatorFlags
	archive  string
}

func newRecover(p process) *cobra.Command {
	var f recoverFlags
	cmd := &cobra.Command{
		Use:   "recover --by NAME",
		Short: "Take into a restored database what it does not have, from the topics",
		Long: `Completes a database that was restored to an earlier moment, while the service is stopped:
codes that clients were told, and codes that they entered at the personal account, from the
topic of events; documents and packages from the topics that they were published to;
everything else from the input topics. Registrations come before requests, and codes before
both. An archive that was kept (--archive) has what retention has removed from any of them.

It may be ended at any time and called again, and changes nothing that is there already. Clients
who were told that their code is accepted, and whose code is not, are named, and the exit
status is 1: two persons decide on them with ` + "`referral accept-code`" + `. So are documents that
were published and cannot be taken, or that billing has booked and no topic has.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onDatabase(cmd, p, readWrite, func(ctx context.Context, a *app) error { return a.recover(ctx, &f) })
		},
	}
	f.operator.add(cmd, nameRequired)
	cmd.Flags().StringVar(&f.archive, "archive", "", "the `directory` of an archive, which is completed first; without it, a temporary one is made")
	return cmd
}

func (a *app) recover(ctx context.Context, f *recoverFlags) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	if err := a.kafka().requireStopped(ctx); err != nil {
		return err
	}
	held, drop, err := a.archiveAt(ctx, f.archive, "referral-recover-"+a.config.Database.Schema)
	if err != nil {
		return err
	}
	messages, clearBar, err := a.messages(held, "recovering")
	if err != nil {
		return err
	}
	found, err := rebuild.Recover(ctx, rebuild.RecoverOptions{Messages: messages, Database: a.store,
		ID: "recovery " + a.now().UTC().Format(time.RFC3339), Out: a.kafka().outTopics()})
	clearBar()
	if err != nil {
		return err
	}
	if err := drop(); err != nil {
		return err
	}
	taken := fmt.Sprintf("%s, %s of the personal account, %s and %s", report.Quantity(found.Codes, "code"), report.Quantity(found.Requests, "request"),
		report.Quantity(found.Documents, "document"), report.Quantity(found.Packages, "package"))
	if err := a.store.RecordAction(ctx, f.operator.action(models.ActionRecover, taken)); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "taken back: %s\n", taken)
	report.AcceptanceTable(a.out, found.Open)
	report.UntakenTable(a.out, found.Untaken)
	report.LostTable(a.out, found.Booked)
	switch {
	case len(found.Untaken)+len(found.Booked) > 0:
		return negativeResult("not every published document is in the ledger: see the tables, before the next run")
	case len(found.Open) > 0:
		return negativeResult("not every code that a client was told is accepted is: see the table")
	}
	return nil
}

// archiveAt completes the archive in a directory, or in a temporary one when none is named,
// which drop removes: until then a command that was killed goes on with it.
func (a *app) archiveAt(ctx context.Context, directory, temporary string) (held *archive.Reader, drop func() error, err error) {
	drop = func() error { return nil }
	if directory == "" {
		directory = filepath.Join(os.TempDir(), temporary)
		drop = func() error {
			if err := os.RemoveAll(directory); err != nil {
				return fmt.Errorf("removing the temporary archive: %w", err)
			}
			return nil
		}
	}
	held, err = a.archive(ctx, directory)
	return held, drop, err
}

// messages is how the messages of an archive are taken, with a bar that is cleared at the
// end.
func (a *app) messages(held *archive.Reader, what string) (m rebuild.Messages, clearBar func(), err error) {
	topics := a.kafka().factTopics()
	decoder, err := decode.New(topics, a.config.Programme.Currency)
	if err != nil {
		return m, nil, err
	}
	bar := newBar(a.err)
	bar.Describe(what)
	m = rebuild.Messages{
		Archive: held, Topics: topics, Decoder: decoder, Derive: a.programme.Derive(newCode),
		Progress: func(done, all int64) {
			bar.ChangeMax64(max(all, 1))
			_ = bar.Set64(done)
		},
	}
	return m, func() { _ = bar.Clear() }, nil
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
	messages, clearBar, err := a.messages(held, "rebuilding")
	if err != nil {
		return nil, err
	}
	err = rebuild.Run(ctx, rebuild.Options{Messages: messages, Target: target, Live: a.store, Schema: live})
	clearBar()
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
