package api

import (
	"context"
	"encoding/hex"
	"time"

	"referral/billing/monthreport"
	"referral/models"
	"referral/web/finance"
)

// Runs is what was run and ordered of a month.
type Runs struct {
	Runs      []Run   `json:"runs" nullable:"false" doc:"The newest first"`
	Orders    []Order `json:"orders" nullable:"false" doc:"The newest first"`
	Rehearsal int64   `json:"rehearsal,omitempty" doc:"The order of the newest rehearsal that is done"`
}

// Run is one settlement of a month.
type Run struct {
	ID            int64           `json:"id"`
	PostingPeriod models.Period   `json:"posting_period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Kind          models.RunKind  `json:"kind" enum:"regular,differences,full"`
	State         models.RunState `json:"state" enum:"rehearsing,braked,posting,done,incomplete,abandoned"`
	Accepted      bool            `json:"accepted" doc:"It may pass the brake"`
	Brake         string          `json:"brake,omitempty" doc:"Why the brake holds it"`
	StartedAt     time.Time       `json:"started_at"`
	FinishedAt    *time.Time      `json:"finished_at,omitempty"`
	Through       int             `json:"chunks_through,omitempty" doc:"Of its present phase, while it works"`
	All           int             `json:"chunks_all,omitempty"`
	Totals        Totals          `json:"totals"`
}

// Totals sums up a run.
type Totals struct {
	Accounts  int64        `json:"accounts" doc:"With a discount, a document or a package"`
	Full      int64        `json:"full" doc:"Of them with 100 % somewhere"`
	Documents int64        `json:"documents"`
	Items     int64        `json:"items"`
	Amount    models.Money `json:"amount_minor"`
	Packages  int64        `json:"packages"`
	SMS       int64        `json:"sms"`
	HeldLines int64        `json:"held_lines"`
	Parked    int64        `json:"parked"`
}

// Order is a person's order for a run, a rehearsal, a what-if or a signature, which a
// scheduler carries out.
type Order struct {
	ID         int64                `json:"id"`
	What       models.RunOrderKind  `json:"what" enum:"rehearse,run,accept-run,what-if,sign"`
	Full       bool                 `json:"full" doc:"Look at every account again"`
	By         string               `json:"by"`
	At         time.Time            `json:"at"`
	State      models.RunOrderState `json:"state" enum:"waiting,working,done,failed"`
	Through    int                  `json:"chunks_through" doc:"Of a rehearsal; months of a what-if; accounts of a signature"`
	All        int                  `json:"chunks_all"`
	FinishedAt *time.Time           `json:"finished_at,omitempty"`
	Error      string               `json:"error,omitempty"`
}

// Rehearsal is what a run would have posted when it was rehearsed.
type Rehearsal struct {
	Order
	AsOf           *time.Time                 `json:"as_of,omitempty" doc:"It has seen the facts up to here; omitted until it is done"`
	Totals         Totals                     `json:"totals"`
	Before         Totals                     `json:"before" doc:"Posted by the runs of the month before"`
	Brake          []string                   `json:"brake" nullable:"false" doc:"The limits that it exceeds"`
	Services       []models.ServiceSum        `json:"services" nullable:"false"`
	Percents       []models.PercentSum        `json:"percents" nullable:"false"`
	Largest        []models.RehearsedDocument `json:"largest" nullable:"false" doc:"Of all documents"`
	Changed        []models.AccountChange     `json:"changed" nullable:"false" doc:"Against the month before, the largest first"`
	NewFull        []int64                    `json:"new_full" nullable:"false" doc:"Accounts at 100 % that had less a month before"`
	Comparison     *Comparison                `json:"comparison,omitempty" doc:"With the run that followed; omitted until that has ended"`
	Corrections    []Correction               `json:"corrections" nullable:"false" doc:"Of signed months, the thousand largest"`
	AllCorrections int64                      `json:"all_corrections"`
	Corrected      []Comparison               `json:"corrected" nullable:"false" doc:"With the runs of signed months that followed"`
}

// Correction is what a rehearsal would post for an account in a signed month.
type Correction struct {
	AccountID int64                     `json:"account_id"`
	Period    models.Period             `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Documents int64                     `json:"documents"`
	Amount    models.Money              `json:"amount_minor"`
	Packages  int64                     `json:"packages"`
	Parked    int64                     `json:"parked" doc:"The account, or invoices of it"`
	Reasons   []models.AdjustmentReason `json:"reasons" nullable:"false"`
}

// maxCorrections is how many corrections a rehearsal names.
const maxCorrections = 1000

// Comparison is a run held against its rehearsal.
type Comparison struct {
	Run         int64        `json:"run"`
	Period      string       `json:"period,omitempty" doc:"The signed month that the run has corrected"`
	Posted      Totals       `json:"posted"`
	Accounts    int64        `json:"accounts" doc:"That differ"`
	Unexplained int64        `json:"unexplained" doc:"Of those named, without a fact that explains them"`
	Named       []Difference `json:"named" nullable:"false" doc:"The largest differences first"`
}

// Difference is an account for which a run has posted other than was rehearsed.
type Difference struct {
	AccountID int64                   `json:"account_id"`
	Rehearsed models.Outcome          `json:"rehearsed"`
	Posted    models.Outcome          `json:"posted"`
	Because   []models.DifferenceKind `json:"because" nullable:"false" doc:"The kinds of facts that explain it"`
}

// Signing is an order to sign a month, to which two persons have agreed.
type Signing struct {
	Order
	Refused []string `json:"refused" nullable:"false" doc:"What stood against signing, as it is recorded"`
}

// SignedReport is the report that was signed under a month.
type SignedReport struct {
	Signature int64              `json:"signature"`
	SHA256    string             `json:"sha256" doc:"Of the canonical form"`
	Report    monthreport.Report `json:"report"`
}

type periodInput struct {
	Period string `path:"period" pattern:"^[0-9]{4}-[0-9]{2}$" example:"2026-04"`
}

type orderInput struct {
	Period string `path:"period" pattern:"^[0-9]{4}-[0-9]{2}$" example:"2026-04"`
	Body   struct {
		What models.RunOrderKind `json:"what" enum:"rehearse,run"`
		Full bool                `json:"full,omitempty" doc:"Look at every account again"`
	}
}

type monthActInput struct {
	Period string `path:"period" pattern:"^[0-9]{4}-[0-9]{2}$" example:"2026-04"`
	Body   struct {
		Reason   string `json:"reason" maxLength:"500"`
		Override string `json:"override,omitempty" maxLength:"500" doc:"Of a signature: why in spite of what is not ready"`
	}
}

type rehearsalInput struct {
	Order int64 `path:"order_id" minimum:"1"`
}

func (a *API) registerRuns() {
	const tag = "Runs"
	financeRole := []models.Role{models.RoleFinance}
	register(a, get("list-runs", "/months/{period}/runs", "The runs and orders of a month", tag, moneyRole, notFound),
		func(ctx context.Context, _ models.Staff, in *periodInput) (Runs, error) {
			return a.runs(ctx, in.Period)
		})
	register(a, post("order-run", "/months/{period}/runs", "Order a rehearsal or a run; the same that has not ended is not ordered again", tag, financeRole, notFound, refused),
		func(ctx context.Context, staff models.Staff, in *orderInput) (Runs, error) {
			period, err := periodOf(in.Period)
			if err == nil {
				err = a.service.OrderRun(ctx, staff, period, in.Body.What, in.Body.Full)
			}
			if err != nil {
				return Runs{}, err
			}
			return a.runs(ctx, in.Period)
		})
	register(a, get("get-rehearsal", "/rehearsals/{order_id}", "A rehearsal, and how the run differed", tag, moneyRole, notFound),
		func(ctx context.Context, _ models.Staff, in *rehearsalInput) (Rehearsal, error) {
			o, known, err := a.service.Rehearsal(ctx, in.Order)
			if err := found(known, err); err != nil {
				return Rehearsal{}, err
			}
			r := newRehearsal(&o)
			corrections, all, err := a.service.RehearsedCorrections(ctx, &o, maxCorrections)
			r.Corrections, r.AllCorrections = each(corrections, newCorrection), all
			return r, err
		})
	register(a, get("get-signed-report", "/months/{period}/report", "The report that was signed last under a month", tag, moneyRole, notFound),
		func(ctx context.Context, _ models.Staff, in *periodInput) (r SignedReport, err error) {
			period, err := periodOf(in.Period)
			if err != nil {
				return r, err
			}
			signed, known, err := a.service.SignedReport(ctx, period, 0)
			if err := found(known, err); err != nil {
				return r, err
			}
			return SignedReport{Signature: signed.Signature, SHA256: hex.EncodeToString(signed.SHA256[:]), Report: *signed.Report}, nil
		})
	register(a, get("get-signing", "/months/{period}/sign", "The order to sign a month that has not ended, or has failed", tag, moneyRole, notFound),
		func(ctx context.Context, _ models.Staff, in *periodInput) (Signing, error) {
			period, err := periodOf(in.Period)
			if err != nil {
				return Signing{}, err
			}
			o, _, err := a.service.Signing(ctx, period)
			if err := found(o != nil, err); err != nil {
				return Signing{}, err
			}
			return Signing{Order: newOrder(o), Refused: append([]string{}, o.Signing.Refused...)}, nil
		})
	for _, act := range []struct {
		what          models.OperatorActionKind
		path, summary string
	}{
		{models.ActionAcceptRun, "/months/{period}/runs/accept", "Propose to let the run that the brake holds pass"},
		{models.ActionClose, "/months/{period}/sign", "Propose to sign a month"},
		{models.ActionReopen, "/months/{period}/reopen", "Propose to take a signature back"},
	} {
		register(a, post("propose-"+string(act.what), act.path, act.summary, tag, financeRole, notFound, refused),
			func(ctx context.Context, staff models.Staff, in *monthActInput) (Proposal, error) {
				return a.proposeMonthAct(ctx, staff, act.what, in)
			})
	}
}

func (a *API) proposeMonthAct(ctx context.Context, staff models.Staff, what models.OperatorActionKind, in *monthActInput) (Proposal, error) {
	period, err := periodOf(in.Period)
	if err != nil {
		return Proposal{}, err
	}
	var p *models.Proposal
	if what == models.ActionClose {
		p, err = a.service.ProposeClose(ctx, staff, period, in.Body.Reason, in.Body.Override)
	} else {
		p, err = a.service.Submit(ctx, staff, finance.Request{What: what, Subject: period.String(), Reason: in.Body.Reason})
	}
	if err != nil {
		return Proposal{}, err
	}
	return newProposal(p), nil
}

// periodOf is a period of a path.
func periodOf(text string) (models.Period, error) {
	period, err := models.ParsePeriod(text)
	return period, found(err == nil, nil)
}

func (a *API) runs(ctx context.Context, text string) (Runs, error) {
	period, err := periodOf(text)
	if err != nil {
		return Runs{}, err
	}
	m, known, err := a.service.MonthRuns(ctx, period)
	out := Runs{Runs: each(m.Runs, newRun), Orders: each(m.Orders, newOrder)}
	if m.Last != nil {
		out.Rehearsal = m.Last.ID
	}
	return out, found(known, err)
}

func newRun(r *finance.RunView) Run {
	return Run{
		ID: r.ID, PostingPeriod: r.PostingPeriod, Kind: r.Kind, State: r.State, Accepted: r.Accepted, Brake: r.Brake, StartedAt: r.StartedAt,
		FinishedAt: known(r.FinishedAt), Through: r.Through, All: r.All, Totals: Totals(r.Totals),
	}
}

func newOrder(o *models.RunOrder) Order {
	return Order{
		ID: o.ID, What: o.What, Full: o.Full, By: o.By.Name, At: o.At, State: o.State, Through: o.Through, All: o.All, FinishedAt: known(o.FinishedAt), Error: o.Error,
	}
}

func newRehearsal(o *models.RunOrder) Rehearsal {
	r := o.Rehearsal
	if r == nil {
		r = &models.Rehearsal{}
	}
	out := Rehearsal{
		Order: newOrder(o), AsOf: known(r.AsOf), Totals: Totals(r.Run.Totals), Before: Totals(r.Before), Brake: append([]string{}, r.Run.Brake...),
		Services: append([]models.ServiceSum{}, r.Services...), Percents: append([]models.PercentSum{}, r.Percents...),
		Largest: append([]models.RehearsedDocument{}, r.Largest...), Changed: append([]models.AccountChange{}, r.Changed...), NewFull: append([]int64{}, r.NewFull...),
	}
	if o.Comparison != nil {
		c := newComparison(o.Comparison)
		out.Comparison = &c
	}
	out.Corrected = each(o.Corrected, newComparison)
	return out
}

func newComparison(c *models.RunComparison) Comparison {
	out := Comparison{
		Run: c.Run, Posted: Totals(c.Posted), Accounts: c.Accounts, Unexplained: c.Unexplained,
		Named: each(c.Named, func(d *models.AccountOutcomes) Difference {
			return Difference{
				AccountID: d.AccountID, Rehearsed: d.Rehearsed, Posted: d.Posted,
				Because: each(d.Facts, func(f *models.DifferenceFact) models.DifferenceKind { return f.Kind }),
			}
		}),
	}
	if c.Period != 0 {
		out.Period = c.Period.String()
	}
	return out
}

func newCorrection(a *models.RehearsedAmount) Correction {
	return Correction{
		AccountID: a.AccountID, Period: a.Period, Documents: a.Documents, Amount: a.Amount, Packages: a.Packages, Parked: a.Parked,
		Reasons: append([]models.AdjustmentReason{}, a.Reasons...),
	}
}
