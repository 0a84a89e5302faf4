package pages

import (
	"net/http"
	"net/url"

	"referral/models"
	"referral/web/portal"
)

// inviteForm is «Поделиться кодом».
type inviteForm struct {
	Key          string
	SMS          bool // the chosen channel; otherwise email
	Email, Phone string
	EmailError   string
	PhoneError   string
}

func (p *Pages) inviteForm(channel models.Channel) inviteForm {
	return inviteForm{Key: p.o.NewKey(), SMS: channel == models.SMS}
}

// refused fills in what was typed, with the reason at its field.
func (f *inviteForm) refused(i portal.InvitationRequest, words string) {
	if i.Channel == models.SMS {
		f.Phone, f.PhoneError = i.Recipient, words
		return
	}
	f.Email, f.EmailError = i.Recipient, words
}

// inviteView is the dialog as a page: for browsers without JavaScript, and for refusals.
type inviteView struct {
	Summary *summary
	Left    bool // the account is terminated and cannot invite
	Code    string
	Link    string
	Invite  inviteForm
}

func (p *Pages) invitePage(w http.ResponseWriter, r *http.Request, account int64) error {
	channel := models.Channel(r.URL.Query().Get("by"))
	return p.showInvite(w, r, account, http.StatusOK, inviteView{Invite: p.inviteForm(channel)})
}

func (p *Pages) showInvite(w http.ResponseWriter, r *http.Request, account int64, status int, v inviteView) error {
	s, err := p.overview(r.Context(), account)
	if err != nil {
		return err
	}
	v.Code, v.Link, v.Left = s.Code, s.Link, s.Terminated
	f := frame{Title: "Поделиться кодом", Here: pathInvitations, Name: s.Name, HasError: v.Summary != nil, Body: v}
	return p.render(w, r, status, "invite", f)
}

// invite sends an invitation, or shows a refusal at the field.
func (p *Pages) invite(w http.ResponseWriter, r *http.Request, account int64) error {
	i, err := readInvite(r)
	if err != nil {
		return err
	}
	if i.Recipient == "" {
		return p.refuseInvite(w, r, account, i, http.StatusUnprocessableEntity, missingRecipientWords[i.Channel])
	}
	v, err := retryWhileUnderWay(r.Context(), func() (portal.InviteResult, error) { return p.o.Service.Invite(r.Context(), account, i) })
	switch {
	case isStale(err):
		return p.refuseInvite(w, r, account, i, http.StatusConflict, staleForm)
	case err != nil:
		return err
	case v.Refusal == portal.InviteTooMany:
		return p.refuseInvite(w, r, account, i, http.StatusTooManyRequests, inviteWords(i.Channel, v))
	case v.Refusal != "":
		return p.refuseInvite(w, r, account, i, http.StatusUnprocessableEntity, inviteWords(i.Channel, v))
	}
	return redirect(w, r, pathInvitations, "sent", url.QueryEscape(v.Invitation.ID.String()))
}

func readInvite(r *http.Request) (portal.InvitationRequest, error) {
	if err := readForm(r); err != nil {
		return portal.InvitationRequest{}, err
	}
	i := portal.InvitationRequest{Channel: models.Channel(r.PostForm.Get("channel"))}
	switch i.Channel {
	case models.Email:
		i.Recipient = typed(r, "email")
	case models.SMS:
		i.Recipient = typed(r, "phone")
	default:
		return i, errBadForm
	}
	i.Key = idempotencyKey(r, string(i.Channel), i.Recipient)
	return i, nil
}

func (p *Pages) refuseInvite(w http.ResponseWriter, r *http.Request, account int64, i portal.InvitationRequest, status int, words string) error {
	v := inviteView{Invite: p.inviteForm(i.Channel), Summary: &summary{Head: "Приглашение не отправлено", Words: words, Field: "email"}}
	if i.Channel == models.SMS {
		v.Summary.Field = "phone"
	}
	v.Invite.refused(i, words)
	return p.showInvite(w, r, account, status, v)
}
