package pages

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"referral/internal/ru"
	"referral/models"
	"referral/web/portal"
)

// Entries of a list on a page.
const (
	friendsAPage     = 20
	invitationsAPage = 20
	changesAPage     = 20
	monthsAPage      = 12
)

// pager is the links between the pages of a list; empty ones are not shown.
type pager struct {
	What  string // label for screen readers
	First string // to the newest entries
	Older string
}

// pagerOf keeps the other parameters of the URL.
func pagerOf(r *http.Request, what, path, parameter, next string) pager {
	p := pager{What: what}
	query := r.URL.Query()
	query.Del("sent")
	if query.Get(parameter) != "" {
		p.First = withQuery(path, without(query, parameter))
	}
	if next != "" {
		query.Set(parameter, next)
		p.Older = withQuery(path, query)
	}
	return p
}

func without(q url.Values, parameter string) url.Values {
	rest := url.Values{}
	for name, values := range q {
		if name != parameter {
			rest[name] = values
		}
	}
	return rest
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// friendsView is «Приведенные клиенты».
type friendsView struct {
	Total   int
	Left    bool // the account is terminated and cannot invite
	Friends []portal.Friend
	Pager   pager
}

func (p *Pages) friends(w http.ResponseWriter, r *http.Request, account int64, o *portal.Overview) error {
	page, err := p.read.Friends(r.Context(), account, r.URL.Query().Get("after"), friendsAPage)
	if err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, "friends", frame{Title: "Приведенные клиенты", Here: pathFriends, Name: o.Name, Body: friendsView{
		Total: o.Friends, Left: o.Terminated, Friends: page.Items, Pager: pagerOf(r, "Страницы списка клиентов", pathFriends, "after", page.Next),
	}})
}

// invitationsView is «Приглашения».
type invitationsView struct {
	Done        string // what was just sent; empty for nothing
	Left        bool   // the account is terminated and cannot invite
	Invitations []models.Invitation
	Sent        models.UUID // the invitation that was just sent; zero for none
	Pager       pager
}

func (p *Pages) invitations(w http.ResponseWriter, r *http.Request, account int64, o *portal.Overview) error {
	query := r.URL.Query()
	page, err := p.read.Invitations(r.Context(), account, query.Get("after"), invitationsAPage)
	if err != nil {
		return err
	}
	v := invitationsView{
		Left: o.Terminated, Invitations: page.Items, Pager: pagerOf(r, "Страницы списка приглашений", pathInvitations, "after", page.Next),
	}
	for i := range v.Invitations {
		if sent := &v.Invitations[i]; sent.ID.String() == query.Get("sent") && p.o.Now().Sub(sent.CreatedAt) < justSent {
			v.Sent, v.Done = sent.ID, "Приглашение принято к отправке: "+recipientWords(*sent)+"."
		}
	}
	return p.render(w, r, http.StatusOK, "invitations", frame{Title: "Приглашения", Here: pathInvitations, Name: o.Name, Body: v})
}

// justSent is how long the page says that an invitation was sent: its address may be
// kept and opened again.
const justSent = 10 * time.Minute

// recipientWords returns a recipient as people write it. Stored are E.164, and a domain
// in ASCII; nothing once it has been erased.
func recipientWords(i models.Invitation) string {
	switch {
	case i.Recipient == "":
		return "адрес удален"
	case i.Channel == models.SMS:
		return ru.Phone(i.Recipient)
	}
	at := strings.LastIndexByte(i.Recipient, '@') + 1
	domain, err := idna.Display.ToUnicode(i.Recipient[at:])
	if err != nil {
		return i.Recipient
	}
	return i.Recipient[:at] + domain
}
