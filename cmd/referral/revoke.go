package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

const decisionLong = `It takes two persons: one proposes with --by and --reason, and another approves with
--approve NUMBER --by NAME, here or on the staff pages. What would be posted is printed
for every account before anything is proposed; --dry-run prints it and proposes nothing.
--undo DECISION proposes that an earlier decision, as explain names it, has no effect.

The exit status is 1 when the decision is not possible, is proposed already, or is
approved by the person who proposed it.`

func newRevoke(p process) *cobra.Command {
	c := newReferralDecision(models.ActionRevoke)
	cmd := c.command(p, &cobra.Command{
		Use:   "revoke INVITEE [--from DAY] --by NAME --reason TEXT | --undo DECISION … | --approve NUMBER --by NAME",
		Short: "Revoke a referral, from the start or from a day on",
		Long: `Revokes the referral of the account INVITEE: neither the account nor its inviter has
anything of it, from the start or, with --from, from that day on. The next runs post the
differences with the reason "revoked". A package that went out is not taken back.

` + decisionLong,
	})
	from := cmd.Flags().String("from", "", "the first `day` without effect, such as 2026-05-01; from the start when it is left out")
	c.ask = func(_ context.Context, _ *app, args []string) (d models.StaffDecision, err error) {
		d.Kind, d.From = models.DecisionRevoke, models.FromTheStart
		if len(args) != 1 {
			return d, misuse(cmd, "takes one INVITEE, not %d arguments", len(args))
		}
		if d.AccountID, err = accountID(cmd, args[0]); err == nil && *from != "" {
			if d.From, err = models.ParseDate(*from); err != nil {
				err = misuse(cmd, "--from: %w", err)
			}
		}
		return d, err
	}
	return cmd
}

func newAcceptCode(p process) *cobra.Command {
	c := newReferralDecision(models.ActionAcceptCode)
	cmd := c.command(p, &cobra.Command{
		Use:   "accept-code ACCOUNT CODE [--on DAY|TIME] --by NAME --reason TEXT | --undo DECISION … | --approve NUMBER --by NAME",
		Short: "Accept an invitation code that was refused, or that the client never entered",
		Long: `Has the account ACCOUNT join with CODE although the rules refuse it, as support has
promised the client. It counts from the request of the client that was refused or, with
--on, from the time or the beginning of the day that is given. The account must be
registered and have no accepted code, and the code must belong to another account.

` + decisionLong,
	})
	on := cmd.Flags().String("on", "", "when the code counts as entered, a `day` such as 2026-05-01 or a time such as 2026-05-01T12:00:00+03:00")
	c.ask = func(ctx context.Context, a *app, args []string) (d models.StaffDecision, err error) {
		d.Kind = models.DecisionAcceptCode
		if len(args) != 2 {
			return d, misuse(cmd, "takes ACCOUNT and CODE, not %d arguments", len(args))
		}
		if d.AccountID, err = accountID(cmd, args[0]); err != nil {
			return d, err
		}
		history, _, err := a.store.AccountHistory(ctx, d.AccountID)
		if err != nil {
			return d, err
		}
		if d.Code, d.RequestedAt, err = a.programme.RequestToAccept(history.Activations, args[1], *on); err != nil {
			var refusal billing.Refusal
			if errors.As(err, &refusal) {
				return d, negativeResult(refusal.Error())
			}
			return d, misuse(cmd, "--on: %w", err)
		}
		return d, nil
	}
	return cmd
}

func accountID(cmd *cobra.Command, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, misuse(cmd, "%q is not an account id: it must be a whole number", text)
	}
	return id, nil
}

// decisionCommand proposes or approves a decision of staff.
type decisionCommand struct {
	what, undoing models.OperatorActionKind // the acts that it proposes
	prepare       func(ctx context.Context, cmd *cobra.Command, a *app, args []string) (preparedDecision, error)
	decide        func(ctx context.Context, a *app, p *models.Proposal, act models.OperatorAction) (decidedReport, error)
	undoHelp      string
	operator      operatorFlags
	undo          string
	approve       int64
	dryRun        bool
	format        *string
}

// preparedDecision is a decision that is possible, with what it would change.
type preparedDecision struct {
	proposal models.Proposal
	said     func(proposal int64) any // as JSON; 0 when nothing is proposed
	text     func(out io.Writer)
}

// decidedReport is what the command prints as JSON when a decision is approved.
type decidedReport struct {
	ID        models.UUID `json:"decision_id"`
	What      string      `json:"what"`
	Subject   string      `json:"subject"`
	DecidedAt time.Time   `json:"decided_at"`

	by, approvedBy string
}

func (c *decisionCommand) command(p process, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	c.operator.add(cmd, reasonRequired)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case c.approve != 0:
			return c.operator.check(cmd, nameRequired)
		case c.dryRun:
			return c.operator.check(cmd, nothingRequired)
		}
		return c.operator.check(cmd, reasonRequired)
	}
	cmd.Flags().StringVar(&c.undo, "undo", "", "the `decision` to undo")
	cmd.Flags().Int64Var(&c.approve, "approve", 0, "the `number` of the proposal to approve")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "print what would be posted, and propose nothing")
	c.format = formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.approve != 0 && (len(args) > 0 || c.undo != "" || c.dryRun) || c.undo != "" && len(args) > 0 {
			return misuse(cmd, "give what to decide, or --undo, or --approve")
		}
		return onDatabase(cmd, p, c.dryRun, func(ctx context.Context, a *app) error {
			if err := a.requireTerms(ctx); err != nil {
				return err
			}
			if c.approve != 0 {
				return negativeOf(c.carryOut(ctx, a))
			}
			return negativeOf(c.propose(ctx, cmd, a, args))
		})
	}
	return cmd
}

// negativeOf has a refusal be a negative result.
func negativeOf(err error) error {
	var refusal billing.Refusal
	var proposal *models.ProposalRefusal
	switch {
	case errors.As(err, &refusal):
		return negativeResult("this cannot be decided: " + refusal.Error())
	case errors.As(err, &proposal):
		return negativeResult(proposal.Error())
	}
	return err
}

// undone is the decision that --undo names.
func (c *decisionCommand) undone(cmd *cobra.Command) (models.UUID, error) {
	id, err := models.ParseUUID(c.undo)
	if err != nil {
		return id, misuse(cmd, "--undo: %w; %s", err, c.undoHelp)
	}
	return id, nil
}

func (c *decisionCommand) propose(ctx context.Context, cmd *cobra.Command, a *app, args []string) error {
	d, err := c.prepare(ctx, cmd, a, args)
	if err != nil {
		return err
	}
	var number int64
	if !c.dryRun {
		d.proposal.Reason, d.proposal.Proposer = c.operator.reason, models.Person{Name: c.operator.by}
		made, err := a.store.Propose(ctx, d.proposal, "")
		if err != nil {
			return err
		}
		number = made.ID
	}
	if *c.format == "json" {
		return report.JSON(a.out, d.said(number))
	}
	d.text(a.out)
	if c.dryRun {
		fmt.Fprintln(a.out, "Nothing is proposed.")
		return nil
	}
	fmt.Fprintf(a.out, "Proposal %d: %s of %s. Another person approves it: referral %s --approve %[1]d --by NAME\n", number, d.proposal.What, report.Printable(d.proposal.Subject), c.what)
	return nil
}

// carryOut approves a proposal.
func (c *decisionCommand) carryOut(ctx context.Context, a *app) error {
	p, found, err := a.store.Proposal(ctx, c.approve)
	switch {
	case err != nil:
		return err
	case !found:
		return &models.ProposalRefusal{Why: models.ProposalUnknown, Proposal: c.approve}
	case p.What != c.what && p.What != c.undoing:
		return &models.ProposalRefusal{Why: models.ProposalMismatch, Proposal: c.approve}
	}
	act := c.operator.action(p.What, p.Subject)
	act.Reason, act.Approval = p.Reason, &models.Approval{Proposal: p.ID, By: models.Person{Name: c.operator.by}}
	said, err := c.decide(ctx, a, &p, act)
	if err != nil {
		return err
	}
	if *c.format == "json" {
		return report.JSON(a.out, said)
	}
	fmt.Fprintf(a.out, "Decision %s: %s of %s, proposed by %s, approved by %s. The next runs post the differences.\n",
		said.ID, said.What, report.Printable(said.Subject), report.Printable(said.by), report.Printable(said.approvedBy))
	return nil
}

// referralDecision is a command that decides about a referral.
type referralDecision struct {
	decisionCommand
	ask func(ctx context.Context, a *app, args []string) (models.StaffDecision, error) // what the arguments decide
}

func newReferralDecision(what models.OperatorActionKind) *referralDecision {
	c := &referralDecision{decisionCommand: decisionCommand{what: what, undoing: models.ActionUndo, undoHelp: "`referral explain account` names the decisions"}}
	c.prepare = c.prepareReferral
	c.decide = func(ctx context.Context, a *app, p *models.Proposal, act models.OperatorAction) (decidedReport, error) {
		d, err := models.DecisionOf(p, act.Approval.By)
		if err == nil {
			d, err = a.store.Decide(ctx, d, act, a.programme.CheckDecision, a.programme.Derive(nil))
		}
		return decidedReport{d.ID, string(d.Kind), d.Subject(), d.DecidedAt, d.By, d.ApprovedBy}, err
	}
	return c
}

// decision is what the command asks for.
func (c *referralDecision) decision(ctx context.Context, cmd *cobra.Command, a *app, args []string) (models.StaffDecision, error) {
	if c.undo == "" {
		return c.ask(ctx, a, args)
	}
	id, err := c.undone(cmd)
	if err != nil {
		return models.StaffDecision{}, err
	}
	undone, found, err := a.store.StaffDecision(ctx, id)
	if err == nil && !found {
		err = billing.Refusal(fmt.Sprintf("there is no decision %s; `referral explain account` names them", id))
	}
	return models.StaffDecision{Kind: models.DecisionUndo, AccountID: undone.AccountID, Undoes: id}, err
}

// decisionReport is what the command prints as JSON.
type decisionReport struct {
	Proposal int64                    `json:"proposal,omitempty"` // nothing was proposed without one
	What     string                   `json:"what"`
	Subject  string                   `json:"subject"`
	Accounts []billing.AccountPreview `json:"accounts"`
}

func (c *referralDecision) prepareReferral(ctx context.Context, cmd *cobra.Command, a *app, args []string) (preparedDecision, error) {
	d, err := c.decision(ctx, cmd, a, args)
	if err != nil {
		return preparedDecision{}, err
	}
	histories, codes, err := a.store.ConcernedBy(ctx, d)
	if err != nil {
		return preparedDecision{}, err
	}
	preview, err := a.programme.PreviewDecision(histories, codes, d)
	return preparedDecision{
		proposal: models.Proposal{What: models.OperatorActionKind(d.Kind), Subject: d.Subject(), Preview: preview.Preview()},
		said: func(proposal int64) any {
			return decisionReport{proposal, string(d.Kind), d.Subject(), slices.Concat([]billing.AccountPreview{}, preview.Accounts)}
		},
		text: func(out io.Writer) { report.DecisionText(out, &preview) },
	}, err
}

// serviceReport is what classify-service prints as JSON.
type serviceReport struct {
	Proposal int64  `json:"proposal,omitempty"` // nothing was proposed without one
	What     string `json:"what"`
	Subject  string `json:"subject"`
	Service  string `json:"service"`
	Lines    int64  `json:"lines"` // of the service, of accounts with a discount
	models.Preview
}

func newClassifyService(p process) *cobra.Command {
	c := &decisionCommand{what: models.ActionClassifyService, undoing: models.ActionUndoServiceDecision, undoHelp: "`referral explain invoice` names the decisions"}
	cmd := c.command(p, &cobra.Command{
		Use:   "classify-service SERVICE discounted|excluded --by NAME --reason TEXT | --undo DECISION … | --approve NUMBER --by NAME",
		Short: "Decide whether discounts apply to a service that the terms do not name",
		Long: `Has discounts apply to SERVICE, or never apply to it, on every day. It counts at once
and for all months, without a restart, as long as the terms of the configuration do not
name the service: they win. Add the service to them as well.

` + decisionLong,
	})
	c.prepare = func(ctx context.Context, cmd *cobra.Command, a *app, args []string) (preparedDecision, error) {
		d, err := c.service(cmd, args)
		if err != nil {
			return preparedDecision{}, err
		}
		preview := a.programme.PreviewService(d)
		err = a.store.ForServiceDecision(ctx, preview.Begin, func(h *models.AccountHistory) error {
			preview.Account(h)
			return nil
		})
		if err != nil {
			return preparedDecision{}, err
		}
		d = preview.Decision
		return preparedDecision{
			proposal: models.Proposal{What: d.What(), Subject: d.Subject(), Preview: preview.Preview()},
			said: func(proposal int64) any {
				return serviceReport{proposal, string(d.What()), d.Subject(), d.Service, preview.Lines, preview.Preview()}
			},
			text: func(out io.Writer) { report.ServiceText(out, d.Service, preview) },
		}, nil
	}
	c.decide = func(ctx context.Context, a *app, p *models.Proposal, act models.OperatorAction) (decidedReport, error) {
		d, err := models.ServiceDecisionOf(p, act.Approval.By)
		if err == nil {
			d, err = a.store.DecideService(ctx, d, act, a.programme.CheckService)
		}
		return decidedReport{d.ID, string(d.What()), d.Subject(), d.DecidedAt, d.By, d.ApprovedBy}, err
	}
	return cmd
}

// service is what the command asks for.
func (c *decisionCommand) service(cmd *cobra.Command, args []string) (d models.ServiceDecision, err error) {
	if c.undo != "" {
		d.Undoes, err = c.undone(cmd)
		return d, err
	}
	if len(args) != 2 {
		return d, misuse(cmd, "takes SERVICE and discounted or excluded, not %d arguments", len(args))
	}
	d.Service, d.Class = args[0], models.ServiceClass(args[1])
	if d.Service == "" || d.Class != models.ServiceDiscounted && d.Class != models.ServiceExcluded {
		return d, misuse(cmd, "a service is discounted or excluded, and not %q", args[1])
	}
	return d, nil
}
