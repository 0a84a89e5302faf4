package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

func newTerms(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "terms",
		Short: "The terms of the programme: put those of the configuration in force",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			return usageError("terms", errors.New("say what: apply"))
		},
	}
	cmd.AddCommand(newTermsApply(p))
	return cmd
}

func newTermsApply(p process) *cobra.Command {
	var who operator
	var dry bool
	cmd := &cobra.Command{
		Use:   "apply --by NAME [--reason TEXT] [--dry-run]",
		Short: "Put the terms of the configuration in force, with a preview of what they change",
		Long: `Shows what the terms of the configuration would change: how many accounts get other
discounts or packages, and what the next runs would post, period by period. Then it puts
them in force, as ` + "`referral serve`" + ` does at its start. With --dry-run it only shows.

A process that serves by other terms stops deriving and posting at once, and says so in
/readyz: restart it with the same configuration.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			needed := nameRequired
			if dry {
				needed = nothingRequired
			}
			if err := who.check("terms apply", needed); err != nil {
				return err
			}
			a, err := openChecked(cmd, p, dry)
			if err != nil {
				return err
			}
			defer a.close()
			return a.applyTerms(cmd.Context(), p, who, dry)
		},
	}
	who.flags(cmd, nameRequired)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only show what would change")
	return cmd
}

func (a *app) applyTerms(ctx context.Context, p process, who operator, dry bool) error {
	inForce, err := a.store.TermsInForce(ctx)
	if err != nil {
		return err
	}
	own := a.programme.Digest()
	if inForce == own {
		fmt.Fprintf(p.out, "These terms are in force already (digest %s).\n", own)
		return nil
	}
	if err := a.previewTerms(ctx, p); err != nil {
		return err
	}
	if dry {
		fmt.Fprintf(p.out, "Nothing is changed: the terms in force are still %s; those of the configuration are %s.\n", digestInWords(inForce), own)
		return nil
	}
	changed, err := a.store.ApplyTerms(ctx, own, a.programme.Rederive(a.now()), who.action(models.ActionApplyTerms, own))
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "The terms %s are in force, put there by %s; before: %s. Accounts derived again with a change: %s.\n",
		own, who.by, digestInWords(inForce), report.Count(int64(changed)))
	return nil
}

func digestInWords(digest string) string {
	if digest == "" {
		return "none"
	}
	return digest
}

// previewTerms shows what the terms of the configuration would change in every
// period that has been started.
func (a *app) previewTerms(ctx context.Context, p process) error {
	periods, err := a.startedPeriods(ctx)
	if err != nil {
		return err
	}
	previews := make([]report.TermsPreview, 0, len(periods))
	for _, period := range periods {
		preview, err := a.previewed(ctx, p, period)
		if err != nil {
			return err
		}
		previews = append(previews, report.TermsPreview{Period: period, Found: preview})
		for _, f := range preview.Failed {
			fmt.Fprintf(p.err, "left out of %s: account %d: %s\n", period, f.AccountID, f.Error)
		}
	}
	report.TermsTable(p.out, previews)
	return nil
}

// startedPeriods is those that new terms would have settled again; the present
// month when there is none, so that the accounts are looked at all the same.
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

func (a *app) previewed(ctx context.Context, p process, period models.Period) (*billing.TermsPreview, error) {
	tick, done := a.auditProgress(ctx, p, period)
	defer done()
	var preview *billing.TermsPreview
	err := a.store.Audit(ctx, period, func(models.AuditHead) error {
		preview = billing.NewTermsPreview(a.programme, period)
		return nil
	}, func(c *models.AccountHistory) error {
		tick()
		preview.Account(c)
		return nil
	})
	return preview, err
}

// requireTerms has the store work by the terms of the configuration, which must
// be those in force: a command at a prompt never changes them. Before any are in
// force no fact has been taken, and there is nothing to contradict.
func (a *app) requireTerms(ctx context.Context) error {
	own := a.programme.Digest()
	inForce, err := a.store.UseTerms(ctx, own)
	if err != nil || inForce == "" || inForce == own {
		return err
	}
	return usageError("programme", fmt.Errorf("the terms of this configuration (digest %s) are not those in force (digest %s), so nothing is settled or closed by them; "+
		"see what they would cost with `referral simulate --terms` or `referral terms apply --dry-run`, put them in force with `referral terms apply --by NAME`, or use the configuration in force", own, inForce))
}

// noteOtherTerms tells the reader of an answer that was calculated by terms that
// are not in force.
func (a *app) noteOtherTerms(ctx context.Context, p process) error {
	inForce, err := a.store.TermsInForce(ctx)
	if own := a.programme.Digest(); err == nil && inForce != "" && inForce != own {
		fmt.Fprintf(p.err, "note: this answer follows the terms of the configuration (digest %s); the terms in force are others (digest %s)\n", own, inForce)
	}
	return err
}

// termsReady is nil when the terms in force are those of this process.
func (a *app) termsReady(ctx context.Context) error {
	own := a.programme.Digest()
	inForce, err := a.store.TermsInForce(ctx)
	if err == nil && inForce != own {
		err = fmt.Errorf("the terms in force (digest %s) are not those of this process (digest %s): restart it with the configuration in force", digestInWords(inForce), own)
	}
	return err
}

// termsTimeout bounds how long a scrape waits for the digest of the terms in force.
const termsTimeout = 2 * time.Second

// termsInfo shows the digest of the terms that this process has and of those in
// force in the database. While the database does not answer, the last known
// digest is shown.
type termsInfo struct {
	own     string
	inForce func(context.Context) (string, error)
	last    chan string // holds one value: the last known digest
	desc    *prometheus.Desc
}

func newTermsInfo(own string, inForce func(context.Context) (string, error)) *termsInfo {
	t := &termsInfo{own: own, inForce: inForce, last: make(chan string, 1), desc: prometheus.NewDesc("referral_programme_terms_info",
		"1 for the digest of the terms of this process (source process) and of those in force (source database).", []string{"digest", "source"}, nil)}
	t.last <- ""
	return t
}

// Describe implements prometheus.Collector.
func (t *termsInfo) Describe(out chan<- *prometheus.Desc) { out <- t.desc }

// Collect implements prometheus.Collector.
func (t *termsInfo) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), termsTimeout)
	defer cancel()
	known := <-t.last
	if digest, err := t.inForce(ctx); err == nil {
		known = digest
	}
	t.last <- known
	out <- prometheus.MustNewConstMetric(t.desc, prometheus.GaugeValue, 1, t.own, "process")
	if known != "" {
		out <- prometheus.MustNewConstMetric(t.desc, prometheus.GaugeValue, 1, known, "database")
	}
}
