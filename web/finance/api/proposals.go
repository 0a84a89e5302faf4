package api

import (
	"context"
	"time"

	"referral/models"
	"referral/web/finance"
)

// Proposals is what waits for a second person, and a page of what was decided.
type Proposals struct {
	Open    []Proposal `json:"open" nullable:"false" doc:"The oldest first"`
	Decided []Proposal `json:"decided" nullable:"false" doc:"The newest first"`
	Next    int64      `json:"next,omitempty" doc:"The before of the next page of decided ones; omitted on the last one"`
}

// Proposal is an act that one person has proposed.
type Proposal struct {
	ID         int64                     `json:"id"`
	What       models.OperatorActionKind `json:"what"`
	Subject    string                    `json:"subject"`
	Reason     string                    `json:"reason"`
	ProposedAt time.Time                 `json:"proposed_at"`
	ProposedBy string                    `json:"proposed_by"`
	State      models.ProposalState      `json:"state" enum:"open,approved,rejected,withdrawn"`
	DecidedAt  *time.Time                `json:"decided_at,omitempty"`
	DecidedBy  string                    `json:"decided_by,omitempty"`
	Answer     string                    `json:"answer,omitempty" doc:"Why it was rejected or withdrawn"`
	Preview    models.Preview            `json:"preview" doc:"The money and packages that it changes, as far as was known when it was made"`
}

// Done is the outcome of an act: what was proposed, or nothing when one person was
// enough and it is done.
type Done struct {
	Proposal *Proposal `json:"proposal,omitempty"`
}

type proposalInput struct {
	ID int64 `path:"proposal_id" minimum:"1"`
}

type decisionInput struct {
	ID   int64 `path:"proposal_id" minimum:"1"`
	Body struct {
		Reason string `json:"reason" maxLength:"500"`
	}
}

type actInput struct {
	Subject string `path:"subject" maxLength:"100" doc:"Of resend and write-off a document; of the acts on dead letters \"dead-letter 12\"; of revoke \"901 from 2026-05-01\" or \"901 from the start\"; of accept-code \"901 CODE at 2026-02-15T09:00:00Z\", in UTC; of undo \"901 decision UUID\", where 901 is the invitee; of classify-service \"discounted SERVICE\" or \"excluded SERVICE\"; of undo-service-decision \"decision UUID\"; of sign-again a month"`
	Body    struct {
		Reason string `json:"reason" maxLength:"500" doc:"Recorded in the journal"`
		Text   string `json:"text,omitempty" doc:"The corrected message, for dead-letter-correct"`
	}
}

func (a *API) registerProposals() {
	const tag = "Proposals"
	register(a, get("list-proposals", "/proposals", "Acts that need two persons", tag, everyRole), func(ctx context.Context, _ models.Staff, in *pageInput) (p Proposals, err error) {
		open, decided, err := a.service.Proposals(ctx, in.Before, in.Limit+1)
		if len(decided) > in.Limit {
			decided = decided[:in.Limit]
			p.Next = decided[in.Limit-1].ID
		}
		p.Open, p.Decided = each(open, newProposal), each(decided, newProposal)
		return p, err
	})
	register(a, get("get-proposal", "/proposals/{proposal_id}", "A proposal", tag, everyRole, notFound), func(ctx context.Context, _ models.Staff, in *proposalInput) (Proposal, error) {
		return a.proposal(ctx, in.ID)
	})
	register(a, post("approve-proposal", "/proposals/{proposal_id}/approve", "Carry out what another person has proposed", tag, finance.MayApprove, notFound, refused),
		func(ctx context.Context, staff models.Staff, in *proposalInput) (Proposal, error) {
			if _, err := a.service.Approve(ctx, staff, in.ID); err != nil {
				return Proposal{}, err
			}
			return a.proposal(ctx, in.ID)
		})
	register(a, post("reject-proposal", "/proposals/{proposal_id}/reject", "Reject a proposal, or withdraw one's own", tag,
		[]models.Role{models.RoleSupport, models.RoleFinance, models.RoleController}, notFound, refused),
		func(ctx context.Context, staff models.Staff, in *decisionInput) (Proposal, error) {
			if err := a.service.Reject(ctx, staff, in.ID, in.Body.Reason); err != nil {
				return Proposal{}, err
			}
			return a.proposal(ctx, in.ID)
		})
	for _, act := range a.service.Acts() {
		if act.OwnPage {
			continue
		}
		op := post("act-"+string(act.What), "/acts/"+string(act.What)+"/{subject}", actSummary(&act), "Acts", act.Roles, notFound, refused)
		register(a, op, func(ctx context.Context, staff models.Staff, in *actInput) (Done, error) {
			r := finance.Request{What: act.What, Subject: in.Subject, Reason: in.Body.Reason}
			if act.Text != "" {
				r.Details = finance.Corrected{Value: in.Body.Text}
			}
			p, err := a.service.Submit(ctx, staff, r)
			if err != nil || p == nil {
				return Done{}, err
			}
			made := newProposal(p)
			return Done{&made}, nil
		})
	}
}

func actSummary(act *finance.Act) string {
	if act.Alone {
		return "Carry out " + string(act.What)
	}
	return "Propose " + string(act.What)
}

func (a *API) proposal(ctx context.Context, id int64) (Proposal, error) {
	v, known, err := a.service.Proposal(ctx, id)
	return newProposal(&v.Proposal), found(known, err)
}

func newProposal(p *models.Proposal) Proposal {
	return Proposal{
		ID: p.ID, What: p.What, Subject: p.Subject, Reason: p.Reason, ProposedAt: p.ProposedAt, ProposedBy: p.Proposer.Name, State: p.State,
		DecidedAt: known(p.DecidedAt), DecidedBy: p.Decider.Name, Answer: p.Answer, Preview: p.Preview,
	}
}
