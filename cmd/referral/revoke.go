package main

import (
	"context"
	"errors"
	"fmt"
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
	c := &decisionCommand{what: models.ActionRevoke}
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
	c := &decisionCommand{what: models.ActionAcceptCode}
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

// decisionCommand proposes or approves a decision of staff on a referral.
type decisionCommand struct {
	what     models.OperatorActionKind
	ask      func(ctx context.Context, a *app, args []string) (models.StaffDecision, error) // what the arguments decide
	operator operatorFlags
	undo     string
	approve  int64
	dryRun   bool
	format   *string
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

// decision is what the command asks for.
func (c *decisionCommand) decision(ctx context.Context, cmd *cobra.Command, a *app, args []string) (models.StaffDecision, error) {
	if c.undo == "" {
		return c.ask(ctx, a, args)
	}
	id, err := models.ParseUUID(c.undo)
	if err != nil {
		return models.StaffDecision{}, misuse(cmd, "--undo: %w; `referral explain account` names the decisions", err)
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

func (c *decisionCommand) propose(ctx context.Context, cmd *cobra.Command, a *app, args []string) error {
	d, err := c.decision(ctx, cmd, a, args)
	if err != nil {
		return err
	}
	histories, codes, err := a.store.ConcernedBy(ctx, d)
	if err != nil {
		return err
	}
	preview, err := a.programme.PreviewDecision(histories, codes, d)
	if err != nil {
		return err
	}
	said := decisionReport{What: string(d.Kind), Subject: d.Subject(), Accounts: slices.Concat([]billing.AccountPreview{}, preview.Accounts)}
	if !c.dryRun {
		p, err := a.store.Propose(ctx, models.Proposal{
			What: models.OperatorActionKind(d.Kind), Subject: said.Subject, Preview: preview.Preview(), Reason: c.operator.reason,
			Proposer: models.Person{Name: c.operator.by},
		}, "")
		if err != nil {
			return err
		}
		said.Proposal = p.ID
	}
	if *c.format == "json" {
		return report.JSON(a.out, said)
	}
	report.DecisionText(a.out, &preview)
	if c.dryRun {
		fmt.Fprintln(a.out, "Nothing is proposed.")
		return nil
	}
	fmt.Fprintf(a.out, "Proposal %d: %s of %s. Another person approves it: referral %s --approve %[1]d --by NAME\n", said.Proposal, d.Kind, report.Printable(said.Subject), c.what)
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
	case p.What != c.what && p.What != models.ActionUndo:
		return &models.ProposalRefusal{Why: models.ProposalMismatch, Proposal: c.approve}
	}
	by := models.Person{Name: c.operator.by}
	d, err := models.DecisionOf(&p, by)
	if err != nil {
		return err
	}
	act := c.operator.action(p.What, p.Subject)
	act.Reason, act.Approval = p.Reason, &models.Approval{Proposal: p.ID, By: by}
	d, err = a.store.Decide(ctx, d, act, a.programme.CheckDecision, a.programme.Derive(nil))
	if err != nil {
		return err
	}
	if *c.format == "json" {
		return report.JSON(a.out, struct {
			ID        models.UUID `json:"decision_id"`
			What      string      `json:"what"`
			Subject   string      `json:"subject"`
			DecidedAt time.Time   `json:"decided_at"`
		}{d.ID, string(d.Kind), d.Subject(), d.DecidedAt})
	}
	fmt.Fprintf(a.out, "Decision %s: %s of %s, proposed by %s, approved by %s. The next runs post the differences.\n",
		d.ID, d.Kind, report.Printable(d.Subject()), report.Printable(d.By), report.Printable(d.ApprovedBy))
	return nil
}
