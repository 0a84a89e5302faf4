package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"referral/models"
	"referral/scheduler"
)

// rehearsedDocument is one document of a dry run as a line of JSON.
type rehearsedDocument struct {
	Type          string                  `json:"type"` // document
	AccountID     int64                   `json:"account_id"`
	InvoiceID     string                  `json:"invoice_id"`
	Period        models.Period           `json:"period"`
	PostingPeriod models.Period           `json:"posting_period"`
	AmountMinor   models.Money            `json:"amount_minor"`
	Reason        models.AdjustmentReason `json:"reason"`
	Lines         int                     `json:"lines"`
}

// rehearsedPackage is one package of a dry run likewise.
type rehearsedPackage struct {
	Type          string        `json:"type"` // package
	AccountID     int64         `json:"account_id"`
	SMS           int           `json:"sms"`
	GrantedOn     models.Date   `json:"granted_on"`
	Period        models.Period `json:"period"`
	PostingPeriod models.Period `json:"posting_period"`
}

// rehearse goes the way of [scheduler.Settler.Run], the period first and then the
// closed ones whose differences it carries, and posts nothing.
func (a *app) rehearse(ctx context.Context, p process, q models.RunRequest, format string) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	first, err := a.rehearseOne(ctx, p, q, format)
	if err != nil {
		return err
	}
	runs := []models.Run{first}
	if first.Brake == "" {
		periods, err := a.store.Periods(ctx)
		if err != nil {
			return err
		}
		for _, closed := range scheduler.CarriedBy(periods, q.Period) {
			run, err := a.rehearseOne(ctx, p, models.RunRequest{Period: closed, Accept: q.Accept}, format)
			if err != nil {
				return err
			}
			runs = append(runs, run)
		}
	}
	return brakesInWords(runs)
}

func brakesInWords(runs []models.Run) error {
	var held []string
	for _, run := range runs {
		if run.Brake != "" {
			held = append(held, fmt.Sprintf("the brake would hold this run of %s: %s", run.Period, run.Brake))
		}
	}
	if len(held) > 0 {
		return errNo{strings.Join(held, "; ")}
	}
	return nil
}

// rehearseOne goes through the run of one period by the very same code.
func (a *app) rehearseOne(ctx context.Context, p process, q models.RunRequest, format string) (models.Run, error) {
	q.Chunk = a.config.Settle.ChunkAccounts
	lines := json.NewEncoder(p.out)
	var parked []models.ParkedAccount
	run, before, err := a.store.Rehearse(ctx, q, scheduler.SettleFunc(a.programme), func(o *models.AccountOutcome) error {
		for _, what := range o.AllParked() {
			fmt.Fprintf(p.err, "would be parked: %s\n", printable(what.String()))
			if len(parked) < parkedShown {
				parked = append(parked, what)
			}
		}
		return printOutcome(p, lines, o, format)
	})
	if err != nil {
		return run, err
	}
	if !q.Accept {
		run.Brake = strings.Join(a.programme.LimitsFor(run).Check(run.Totals, before), "; ")
	}
	return run, printRun(p, run, parked, format)
}

func aboutDocument(doc *models.Adjustment) string {
	about := fmt.Sprintf("%s, %s", doc.Reason, things(int64(len(doc.Items)), "line"))
	if doc.PostingPeriod != doc.Period {
		about += ", of " + doc.Period.String()
	}
	return about
}

func printOutcome(p process, lines *json.Encoder, o *models.AccountOutcome, format string) error {
	for i := range o.Adjustments {
		doc := &o.Adjustments[i]
		if format == "table" {
			fmt.Fprintf(p.out, "account %d  invoice %s  %s  (%s)\n", doc.AccountID, doc.InvoiceID, doc.Amount, aboutDocument(doc))
			continue
		}
		line := rehearsedDocument{"document", doc.AccountID, doc.InvoiceID, doc.Period, doc.PostingPeriod, doc.Amount, doc.Reason, len(doc.Items)}
		if err := printLine(lines, line); err != nil {
			return err
		}
	}
	for _, g := range o.Packages {
		if format == "table" {
			fmt.Fprintf(p.out, "account %d  package of %d SMS earned on %s\n", g.AccountID, g.SMS, g.GrantedOn)
			continue
		}
		if err := printLine(lines, rehearsedPackage{"package", g.AccountID, g.SMS, g.GrantedOn, g.Period, g.PostingPeriod}); err != nil {
			return err
		}
	}
	return nil
}
