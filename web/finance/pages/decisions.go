package pages

import (
	"net/http"
	"strconv"

	"referral/models"
	"referral/web/finance"
	"referral/web/middleware"
)

// askRevocation leads from the client's page to the act that revokes its referral.
func (p *Pages) askRevocation(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	account, err := accountOf(r)
	if err != nil {
		return err
	}
	subject, err := finance.RevocationSubject(account, r.URL.Query().Get("from"))
	return p.leadTo(w, r, models.ActionRevoke, account, subject, err)
}

// askAcceptance leads from the client's page to the act that accepts a code for it.
func (p *Pages) askAcceptance(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	account, err := accountOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	subject, err := p.o.Service.AcceptanceSubject(r.Context(), account, q.Get("code"), q.Get("on"))
	return p.leadTo(w, r, models.ActionAcceptCode, account, subject, err)
}

func (p *Pages) leadTo(w http.ResponseWriter, r *http.Request, what models.OperatorActionKind, account int64, subject string, err error) error {
	if text, ok := finance.Obstacle(err); ok {
		p.ErrorPage(w, r, middleware.ErrorPage{
			Status: http.StatusConflict, Title: p.o.Service.ActTitle(what), Text: text, Link: finance.ClientPath(account), LinkText: "К клиенту",
		})
		return nil
	}
	if err == nil {
		http.Redirect(w, r, actPath(what, subject), http.StatusSeeOther)
	}
	return err
}

func accountOf(r *http.Request) (int64, error) {
	account, err := strconv.ParseInt(r.PathValue("account"), 10, 64)
	if err != nil {
		return 0, errNotFound
	}
	return account, nil
}

// undoPath is the path of the act that undoes a decision.
func undoPath(account int64, decision models.UUID) string {
	return actPath(models.ActionUndo, finance.UndoSubject(account, decision))
}
