package pages

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"referral/models"
	"referral/privacy"
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
	Joined               bool // it has an accepted code
	MayRevoke, MayAccept bool // this person
	MayHandOut           bool // the personal data to the client, or erase them
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
	v := clientView{Client: client, MayRevoke: staff.HasAny(financeRole), MayAccept: staff.HasAny(promisingRole), MayHandOut: staff.HasAny(promisingRole)}
	for i := range client.Why.Activations {
		v.Joined = v.Joined || client.Why.Activations[i].Status == models.ActivationAccepted
	}
	return p.render(w, r, http.StatusOK, "client", frame{Title: fmt.Sprint("Клиент ", client.Why.AccountID), Here: pathClients, Body: v})
}

// exportPersonalData is all that is stored about a client as a file, for the client to
// have. It is recorded, and therefore posted.
func (p *Pages) exportPersonalData(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	account, err := accountOf(r)
	if err != nil {
		return err
	}
	format := r.FormValue("format")
	if !slices.Contains(privacy.Formats, format) {
		return errBadForm
	}
	ctx, cancel := longRequest(w, r)
	defer cancel()
	data, found, err := p.o.Service.PersonalData(ctx, account, &staff)
	if err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	contentType := "application/json"
	if format == "html" {
		contentType = "text/html; charset=utf-8"
	}
	stream(w, r, contentType, fmt.Sprintf("client-%d.%s", account, format), func() error { return data.Write(w, format) })
	return nil
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
