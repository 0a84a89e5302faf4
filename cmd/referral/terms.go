package main

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

func newTerms(p process) *cobra.Command {
	return group("terms", "The terms of the programme: put those of the configuration in force", newTermsApply(p))
}

func newTermsApply(p process) *cobra.Command {
	var operator operatorFlags
	var dry bool
	cmd := &cobra.Command{
		Use:   "apply --by NAME [--reason TEXT] [--dry-run]",
		Short: "Put the terms of the configuration in force, with a preview of what they change",
		Long: `Shows what the terms of the configuration would change: how many accounts get other
discounts or packages, and what the next runs would post, period by period. Then it puts
them in force, as ` + "`referral serve`" + ` does at its start. With --dry-run it only shows.

A process that serves with other terms stops deriving and posting at once, and says so in
/readyz: restart it with the same configuration.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onDatabase(cmd, p, dry, func(ctx context.Context, a *app) error { return a.applyTerms(ctx, operator, dry) })
		},
	}
	operator.add(cmd, nameRequired)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only show what would change")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if dry {
			return operator.check(cmd, nothingRequired)
		}
		return operator.check(cmd, nameRequired)
	}
	return cmd
}

func (a *app) applyTerms(ctx context.Context, operator operatorFlags, dry bool) error {
	inForce, err := a.store.TermsInForce(ctx)
	if err != nil {
		return err
	}
	own, before := a.programme.Digest(), cmp.Or(inForce, "none")
	if inForce == own {
		fmt.Fprintf(a.out, "These terms are in force already (digest %s).\n", own)
		return nil
	}
	if err := a.previewTerms(ctx); err != nil {
		return err
	}
	if dry {
		fmt.Fprintf(a.out, "Nothing is changed: the terms in force are still %s; those of the configuration are %s.\n", before, own)
		return nil
	}
	changed, err := a.store.ApplyTerms(ctx, own, a.programme.Rederive(a.now()), operator.action(models.ActionApplyTerms, own))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "The terms %s are in force, applied by %s; before: %s. Accounts derived again with a change: %s.\n",
		own, operator.by, before, report.Count(int64(changed)))
	return nil
}

// previewTerms shows what the terms of the configuration would change in every
// period that has been started.
func (a *app) previewTerms(ctx context.Context) error {
	periods, err := a.startedPeriods(ctx)
	if err != nil {
		return err
	}
	previews := make([]report.TermsPreview, len(periods))
	for i, period := range periods {
		preview := billing.NewTermsPreview(a.programme, period)
		each, stop := a.countAccounts(ctx, period, preview.Account)
		err := a.store.Audit(ctx, period, func(models.AuditHead) error { return nil }, each)
		stop()
		if err != nil {
			return err
		}
		previews[i] = report.TermsPreview{Period: period, Found: preview}
		a.noteFailed(period, preview.Failed)
	}
	report.TermsTable(a.out, previews)
	return nil
}

// startedPeriods is those that new terms would have settled again; the present
// month when there is none, so that the accounts are compared all the same.
func (a *app) startedPeriods(ctx context.Context) ([]models.Period, error) {
	all, err := a.store.Periods(ctx)
	if err != nil {
		return nil, err
	}
	var started []models.Period
	for _, info := range all {
		if !info.StartedAt.IsZero() {
			started = append(started, info.Period)
		}
	}
	if len(started) == 0 {
		started = append(started, a.programme.Local(a.now()).Period())
	}
	return started, nil
}

// requireTerms has the store work by the terms of the configuration, which must
// be those in force: no command but `terms apply` changes them. Before any are in
// force no fact has been taken, and there is nothing to contradict.
func (a *app) requireTerms(ctx context.Context) error {
	own := a.programme.Digest()
	inForce, err := a.store.UseTerms(ctx, own)
	if err != nil || inForce == "" || inForce == own {
		return err
	}
	return fmt.Errorf("programme: the terms of this configuration (digest %s) are not those in force (digest %s), so nothing is settled or closed by them; "+
		"see what they would cost with `referral simulate --terms` or `referral terms apply --dry-run`, put them in force with `referral terms apply --by NAME`, or use the configuration in force", own, inForce)
}

// noteOtherTerms tells the reader that a result was calculated by terms that are not
// in force.
func (a *app) noteOtherTerms(ctx context.Context) error {
	inForce, err := a.store.TermsInForce(ctx)
	if own := a.programme.Digest(); err == nil && inForce != "" && inForce != own {
		fmt.Fprintf(a.err, "note: this result follows the terms of the configuration (digest %s); others are in force (digest %s)\n", own, inForce)
	}
	return err
}

// termsReady is nil when the terms in force are those of this process.
func (a *app) termsReady(ctx context.Context) error {
	own := a.programme.Digest()
	inForce, err := a.store.TermsInForce(ctx)
	if err == nil && inForce != own {
		err = fmt.Errorf("the terms in force (digest %s) are not those of this process (digest %s): decide which are right; "+
			"if those in force, start it again with their configuration; if its own, `referral terms apply` with its configuration", cmp.Or(inForce, "none"), own)
	}
	return err
}

// termsTimeout limits how long a scrape waits for the digest of the terms in force.
const termsTimeout = 2 * time.Second

// termsInfo is the metric of the digests of the terms. While the database does not
// answer, it shows the last known digest.
type termsInfo struct {
	own     string
	inForce func(context.Context) (string, error)
	last    atomic.Pointer[string]
}

var termsDesc = prometheus.NewDesc("referral_programme_terms_info",
	"1 for the digest of the terms of this process (source process) and of those in force (source database).", []string{"digest", "source"}, nil)

// Describe implements prometheus.Collector.
func (t *termsInfo) Describe(out chan<- *prometheus.Desc) { out <- termsDesc }

// Collect implements prometheus.Collector.
func (t *termsInfo) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), termsTimeout)
	defer cancel()
	if digest, err := t.inForce(ctx); err == nil {
		t.last.Store(&digest)
	}
	out <- prometheus.MustNewConstMetric(termsDesc, prometheus.GaugeValue, 1, t.own, "process")
	if last := t.last.Load(); last != nil && *last != "" {
		out <- prometheus.MustNewConstMetric(termsDesc, prometheus.GaugeValue, 1, *last, "database")
	}
}
