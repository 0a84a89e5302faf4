package pages

import (
	"fmt"
	"net/http"
	"strings"

	"referral/models"
	"referral/web/finance"
)

type searchView struct {
	Text  string
	Done  bool
	Found []models.FoundAccount
}

// clients is the search. What is found once is opened at once.
func (p *Pages) clients(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	v := searchView{Text: strings.TrimSpace(r.URL.Query().Get("q"))}
	if v.Text != "" {
		var err error
		if v.Found, err = p.o.Service.Find(r.Context(), v.Text); err != nil {
			return err
		}
		v.Done = true
	}
	if len(v.Found) == 1 {
		http.Redirect(w, r, pathOf(&v.Found[0]), http.StatusSeeOther)
		return nil
	}
	return p.render(w, r, http.StatusOK, "clients", frame{Title: "Клиенты и счета", Here: pathClients, Body: v})
}

func pathOf(f *models.FoundAccount) string {
	if f.InvoiceID != "" {
		return finance.InvoicePath(f.InvoiceID)
	}
	return finance.ClientPath(f.AccountID)
}

// clientPortal is a page of the personal account as the client sees it. Recipients of
// invitations are masked; all else is on the client's page for staff, or one click from
// it, so that the look is not recorded.
func (p *Pages) clientPortal(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	account, err := accountOf(r)
	if err != nil {
		return err
	}
	found, err := p.o.Portal.Show(w, r, account, r.PathValue("page"), finance.ClientPath(account)+"/portal")
	if err == nil && !found {
		err = errNotFound
	}
	return err
}

type clientView struct {
	finance.Client
	Joined                         bool // it has an accepted code
	MayRevoke, MayAccept, MayErase bool // this person
}

// clientOf is the client whose account a path names.
func (p *Pages) clientOf(r *http.Request) (finance.Client, error) {
	account, err := accountOf(r)
	if err != nil {
		return finance.Client{}, err
	}
	client, found, err := p.o.Service.Client(r.Context(), account)
	if err == nil && !found {
		err = errNotFound
	}
	return client, err
}

func (p *Pages) client(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	client, err := p.clientOf(r)
	if err != nil {
		return err
	}
	v := clientView{Client: client, MayRevoke: staff.HasAny(financeRole), MayAccept: staff.HasAny(promisingRole), MayErase: staff.HasAny(promisingRole)}
	for i := range client.Why.Activations {
		v.Joined = v.Joined || client.Why.Activations[i].Status == models.ActivationAccepted
	}
	return p.render(w, r, http.StatusOK, "client", frame{Title: fmt.Sprint("Клиент ", client.Why.AccountID), Here: pathClients, Body: v})
}

func (p *Pages) invoice(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	e, found, err := p.o.Service.Invoice(r.Context(), r.PathValue("invoice"))
	if err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	return p.render(w, r, http.StatusOK, "invoice", frame{Title: "Счет " + e.InvoiceID, Here: pathClients, Body: e})
}
