package pages

import (
	"net/http"

	"referral/internal/ru"
	"referral/models"
	"referral/web/finance"
)

type signView struct {
	finance.Checks

	Order      *models.RunOrder // to sign the month, that has not ended or has failed; nil for none
	Idle       finance.Idle
	Failed     string // why it has failed
	Through    int64  // accounts that it has reconciled
	All        int64  // 0 until that is known
	MayPropose bool
	MayRepeat  bool   // the signature that has failed, by its approval
	Reason     string // as entered
	Override   string
	Wrong      string // why it is not proposed
}

// signing is what has to be true before a month is signed, and the forms to propose the
// signature or to take it back.
func (p *Pages) signing(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	return p.showSigning(w, r, staff, http.StatusOK, signView{})
}

func (p *Pages) showSigning(w http.ResponseWriter, r *http.Request, staff models.Staff, status int, v signView) error {
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	var found bool
	if v.Checks, found, err = p.o.Service.Checks(r.Context(), period); err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	order, idle, err := p.o.Service.Signing(r.Context(), period)
	if err != nil {
		return err
	}
	v.Order, v.Idle, v.MayPropose = order, idle, staff.HasAny(financeRole)
	switch {
	case order == nil:
	case order.Active():
		v.MayPropose, v.Through, v.All = false, int64(order.Through), int64(order.All)
		w.Header().Set("Refresh", refreshEvery)
	default:
		v.Failed = finance.SigningFailed(order)
		_, allowed := order.Again(p.o.Now())
		v.MayRepeat = allowed && staff.HasAny(finance.MaySignAgain)
	}
	return p.render(w, r, status, "sign", frame{Title: "Подпись: " + ru.Month(period), Here: pathMonths, Month: &v.PeriodInfo, Body: v})
}

func (p *Pages) proposeClose(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	return p.proposeFor(w, r, staff, func(period models.Period, v *signView) (*models.Proposal, error) {
		return p.o.Service.ProposeClose(r.Context(), staff, period, v.Reason, v.Override)
	})
}

func (p *Pages) proposeReopen(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	return p.proposeFor(w, r, staff, func(period models.Period, v *signView) (*models.Proposal, error) {
		return p.o.Service.Submit(r.Context(), staff, finance.Request{What: models.ActionReopen, Subject: period.String(), Reason: v.Reason})
	})
}

// proposeFor makes a proposal about a month from a form, and leads to it.
func (p *Pages) proposeFor(w http.ResponseWriter, r *http.Request, staff models.Staff, propose func(models.Period, *signView) (*models.Proposal, error)) error {
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	if err := readForm(r); err != nil {
		return err
	}
	v := signView{Reason: r.PostForm.Get("reason"), Override: r.PostForm.Get("override")}
	proposal, err := propose(period, &v)
	if text, ok := finance.Obstacle(err); ok {
		v.Wrong = text
		return p.showSigning(w, r, staff, http.StatusConflict, v)
	}
	if err == nil {
		http.Redirect(w, r, proposalPath(proposal.ID), http.StatusSeeOther)
	}
	return err
}
