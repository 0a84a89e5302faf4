package pages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"referral/models"
	"referral/web/auth"
	"referral/web/finance"
	"referral/web/middleware"
)

// actRoutes is the two routes of every act: what it will do, and having it done.
func (p *Pages) actRoutes() []auth.Route {
	var routes []auth.Route
	for i := range p.o.Service.Acts() {
		act := &p.o.Service.Acts()[i]
		if act.OwnPage {
			continue
		}
		path := pathActs + string(act.What) + "/{subject}"
		routes = append(
			routes,
			p.staff("GET "+path, act.Roles, func(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
				return p.showAct(w, r, act, http.StatusOK, actForm{})
			}),
			p.staff("POST "+path, act.Roles, func(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
				return p.submitAct(w, r, act, staff)
			}),
		)
	}
	return routes
}

func actPath(what models.OperatorActionKind, subject string) string {
	return pathActs + string(what) + "/" + url.PathEscape(subject)
}

// deadLetterAct is the path of an act on a dead letter.
func deadLetterAct(what models.OperatorActionKind, id int64) string {
	return actPath(what, models.DeadLetterSubject(id))
}

// actForm is what a person has entered so far, and what is wrong with it.
type actForm struct{ Reason, Text, Wrong string }

type actView struct {
	*finance.Act
	finance.Prepared
	actForm

	Action string // where the form goes
	Client int64  // that the act is about; 0 for none
}

func (p *Pages) showAct(w http.ResponseWriter, r *http.Request, act *finance.Act, status int, form actForm) error {
	subject := r.PathValue("subject")
	prepared, err := p.o.Service.Prepare(r.Context(), act.What, subject)
	v := actView{Act: act, Prepared: prepared, actForm: form}
	var refusal finance.Refusal
	switch {
	case errors.As(err, &refusal):
		status, v.Wrong = http.StatusConflict, refusal.Error()
	case err != nil:
		return err
	default:
		v.Action = actPath(act.What, subject)
	}
	if form.Text != "" {
		v.Prepared.Text = form.Text
	}
	here := pathQueue
	if decision, err := models.ParseDecisionSubject(act.What, subject); err == nil {
		here, v.Client = pathClients, decision.AccountID
	}
	return p.render(w, r, status, "act", frame{Title: act.Title, Here: here, Body: v})
}

func (p *Pages) submitAct(w http.ResponseWriter, r *http.Request, act *finance.Act, staff models.Staff) error {
	if err := readForm(r); err != nil {
		return err
	}
	form := actForm{Reason: r.PostForm.Get("reason"), Text: r.PostForm.Get("text")}
	request := finance.Request{What: act.What, Subject: r.PathValue("subject"), Reason: form.Reason}
	if act.Text != "" {
		if form.Text == "" || len(form.Text) > finance.MaxText {
			form.Wrong = fmt.Sprintf("%s: введите текст, не длиннее %d байт.", act.Text, finance.MaxText)
			return p.showAct(w, r, act, http.StatusUnprocessableEntity, form)
		}
		request.Details = finance.Corrected{Value: form.Text}
	}
	proposal, err := p.o.Service.Submit(r.Context(), staff, request)
	if text, ok := finance.Obstacle(err); ok {
		form.Wrong = text
		return p.showAct(w, r, act, http.StatusConflict, form)
	}
	switch {
	case err != nil:
		return err
	case proposal != nil:
		http.Redirect(w, r, proposalPath(proposal.ID), http.StatusSeeOther)
	case act.Then != nil:
		http.Redirect(w, r, act.Then(request.Subject), http.StatusSeeOther)
	default:
		http.Redirect(w, r, pathQueue+"?"+url.Values{"done": {string(act.What)}}.Encode(), http.StatusSeeOther)
	}
	return nil
}

const proposalPage = 50

func proposalPath(id int64) string { return pathProposals + "/" + strconv.FormatInt(id, 10) }

type proposalsView struct {
	Open, Decided []models.Proposal
	Older         int64 // proposal that the next page begins before; 0 on the last
	First         bool
}

// proposals is what waits for a second person, and what was decided.
func (p *Pages) proposals(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	before, err := before(r)
	if err != nil {
		return err
	}
	v := proposalsView{First: before == 0}
	if v.Open, v.Decided, err = p.o.Service.Proposals(r.Context(), before, proposalPage+1); err != nil {
		return err
	}
	if len(v.Decided) > proposalPage {
		v.Decided = v.Decided[:proposalPage]
		v.Older = v.Decided[proposalPage-1].ID
	}
	return p.render(w, r, http.StatusOK, "proposals", frame{Title: "Решения", Here: pathProposals, Body: v})
}

type proposalView struct {
	finance.ProposalView

	Path       string
	MayApprove bool   // this person
	Own        bool   // this person has made it
	Corrected  string // the text that the act takes
	Wrong      string
}

// proposal is one proposal, with the decision or the forms for it.
func (p *Pages) proposal(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	id, err := proposalID(r)
	if err != nil {
		return err
	}
	return p.showProposal(w, r, staff, id, http.StatusOK, "")
}

func (p *Pages) showProposal(w http.ResponseWriter, r *http.Request, staff models.Staff, id int64, status int, wrong string) error {
	found, known, err := p.o.Service.Proposal(r.Context(), id)
	if err != nil {
		return err
	}
	if !known {
		return errNotFound
	}
	v := proposalView{ProposalView: found, Path: proposalPath(id), Own: found.Proposer.Is(finance.PersonOf(staff)), Wrong: wrong}
	v.MayApprove = !v.Own && staff.HasAny(finance.MayApprove)
	if v.Act.Text != "" {
		corrected, err := finance.CorrectedText(&v.Proposal)
		if err != nil {
			return fmt.Errorf("%w: %w", errDefect, err)
		}
		v.Corrected = string(corrected)
	}
	return p.render(w, r, status, "proposal", frame{Title: fmt.Sprint("Предложение № ", id), Here: pathProposals, Body: &v})
}

// approve carries a proposal out.
func (p *Pages) approve(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	return p.decide(w, r, staff, func(ctx context.Context, id int64) (string, error) { return p.o.Service.Approve(ctx, staff, id) })
}

// reject ends a proposal; its own proposer withdraws it.
func (p *Pages) reject(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	return p.decide(w, r, staff, func(ctx context.Context, id int64) (string, error) {
		return "", p.o.Service.Reject(ctx, staff, id, r.PostForm.Get("reason"))
	})
}

// decide decides on a proposal, and leads to the page that shows what becomes of it.
func (p *Pages) decide(w http.ResponseWriter, r *http.Request, staff models.Staff, decide func(context.Context, int64) (follow string, err error)) error {
	id, err := proposalID(r)
	if err != nil {
		return err
	}
	if err := readForm(r); err != nil {
		return err
	}
	follow, err := decide(r.Context(), id)
	if text, ok := finance.Obstacle(err); ok {
		return p.showProposal(w, r, staff, id, http.StatusConflict, text)
	}
	if err == nil {
		http.Redirect(w, r, cmp.Or(follow, proposalPath(id)), http.StatusSeeOther)
	}
	return err
}

func proposalID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("proposal"), 10, 64)
	if err != nil || id < 1 {
		return 0, errNotFound
	}
	return id, nil
}

// before is the number that a page of a list begins before; 0 for the first page.
func before(r *http.Request) (int64, error) {
	text := r.URL.Query().Get("before")
	if text == "" {
		return 0, nil
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 {
		return 0, errNotFound
	}
	return number, nil
}

func readForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errBadForm // the error of the parser may quote what was typed
	}
	for _, values := range r.PostForm {
		if !middleware.Readable(strings.Join(values, "")) {
			return errBadForm
		}
	}
	return nil
}
