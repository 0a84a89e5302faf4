package pages

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"referral/models"
	"referral/web/portal/pages/ru"
)

// How much of a list a page shows.
const (
	friendsAPage     = 20
	invitationsAPage = 20
	changesAPage     = 20
	monthsAPage      = 12
)

// pager leads through a list; an empty address is a way that is not there.
type pager struct {
	What  string // is led through, for those who do not see it
	First string // back to the newest
	Older string
}

// pagerOf keeps the other parameters of the address as they are.
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
	Total string // of all, in words; empty when the page shows no first part
	Left  bool   // the account has left, and invites nobody
	Rows  []friendRow
	Pager pager
}

type friendRow struct{ ID, Name, On string }

func (p *Pages) friends(w http.ResponseWriter, r *http.Request, account int64) error {
	s, err := p.overview(r.Context(), account)
	if err != nil {
		return err
	}
	part, err := p.o.Service.Friends(r.Context(), account, r.URL.Query().Get("after"), friendsAPage)
	if err != nil {
		return err
	}
	v := friendsView{Left: s.Terminated, Pager: pagerOf(r, "Страницы списка клиентов", pathFriends, "after", part.Next)}
	if s.Friends > 0 {
		v.Total = ru.Clients.Count(s.Friends)
	}
	for _, f := range part.Items {
		v.Rows = append(v.Rows, friendRow{accountID(f.AccountID), f.Name, ru.Date(f.ActivatedOn)})
	}
	return p.render(w, r, http.StatusOK, "friends", frame{Title: "Приведенные клиенты", Here: pathFriends, Name: s.Name, Body: v})
}

// invitationsView is what was sent, and what became of it.
type invitationsView struct {
	Done  string // what was just sent; empty for nothing
	Left  bool   // the account has left, and invites nobody
	Rows  []invitationRow
	Pager pager
}

type invitationRow struct {
	Recipient, By, At string
	State             status
	Just              bool // sent a moment ago
}

func (p *Pages) invitations(w http.ResponseWriter, r *http.Request, account int64) error {
	s, err := p.overview(r.Context(), account)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	part, err := p.o.Service.Invitations(r.Context(), account, query.Get("after"), invitationsAPage)
	if err != nil {
		return err
	}
	v := invitationsView{Left: s.Terminated, Pager: pagerOf(r, "Страницы списка приглашений", pathInvitations, "after", part.Next)}
	for i := range part.Items {
		row := p.invitationRow(&part.Items[i], query.Get("sent"))
		if row.Just {
			v.Done = "Приглашение принято к отправке: " + row.Recipient + "."
		}
		v.Rows = append(v.Rows, row)
	}
	return p.render(w, r, http.StatusOK, "invitations", frame{Title: "Приглашения", Here: pathInvitations, Name: s.Name, Body: v})
}

// justSent is how long the address that a form led to says anything: it may be kept
// and opened again.
const justSent = 10 * time.Minute

func (p *Pages) invitationRow(i *models.Invitation, sent string) invitationRow {
	return invitationRow{
		Recipient: recipientWords(i), By: channelWords[i.Channel], At: ru.Moment(i.CreatedAt, p.o.Zone), State: invitationStates[i.State],
		Just: i.ID.String() == sent && p.o.Now().Sub(i.CreatedAt) < justSent,
	}
}

// recipientWords is a recipient as people write it: kept are E.164, and a domain
// in ASCII, or after some time nothing.
func recipientWords(i *models.Invitation) string {
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
