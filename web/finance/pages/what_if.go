package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"referral/billing"
	"referral/models"
	"referral/web/finance"
)

type whatIfView struct {
	Known    []models.Period // months that may be chosen
	From, To models.Period
	Present  billing.Terms
	Other    billing.Terms // in the form; as many steps as the present ones have
	Changed  bool          // the other terms are not the present ones
	MayOrder bool
	Problem  string // why nothing was ordered; empty for none
	Most     int    // months
	Exports  []exportLink

	Orders []models.RunOrder // the last ones; none on the page of one
	Order  *finance.WhatIf   // nil on the page of all
	Idle   finance.Idle      // of that order
}

// termField is a number of the form, and what it is in the present terms.
type termField struct {
	Name, Label string
	Value, Now  int
}

// simulate is the form to compare other terms with the present ones over past months, and
// the last comparisons.
func (p *Pages) simulate(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	v, err := p.whatIfForm(r, staff)
	if err != nil {
		return err
	}
	return p.showWhatIf(w, r, http.StatusOK, &v)
}

func (p *Pages) showWhatIf(w http.ResponseWriter, r *http.Request, status int, v *whatIfView) (err error) {
	if v.Order == nil {
		if v.Orders, err = p.o.Service.WhatIfs(r.Context()); err != nil {
			return err
		}
	}
	return p.render(w, r, status, "simulate", frame{Title: "Что, если", Here: pathSimulate, Body: v})
}

func (p *Pages) whatIfForm(r *http.Request, staff models.Staff) (v whatIfView, err error) {
	months, err := p.o.Service.Months(r.Context())
	if err != nil {
		return v, err
	}
	present := p.o.Service.PresentTerms()
	v = whatIfView{Present: present, Other: present, Most: finance.MaxWhatIfMonths, MayOrder: staff.HasAny(comparingRole)}
	for i := range months {
		v.Known = append(v.Known, months[i].Period)
	}
	if len(v.Known) > 0 {
		v.From, v.To = v.Known[min(2, len(v.Known)-1)], v.Known[0]
	}
	return v, nil
}

// orderWhatIf orders what the form says, and leads to the page of the order. Sent again by
// the browser, it orders the same.
func (p *Pages) orderWhatIf(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	if err := readForm(r); err != nil {
		return err
	}
	v, err := p.whatIfForm(r, staff)
	if err != nil {
		return err
	}
	from, errFrom := models.ParsePeriod(r.PostForm.Get("from"))
	to, errTo := models.ParsePeriod(r.PostForm.Get("to"))
	if errFrom == nil && errTo == nil {
		v.From, v.To = from, to
	}
	// What is not a number or a month becomes one that is refused.
	v.Other = termsOf(r.PostForm, v.Present)
	id, err := p.o.Service.OrderWhatIf(r.Context(), staff, v.Other, from, to)
	if text, ok := finance.Obstacle(err); ok {
		v.Problem = text
		return p.showWhatIf(w, r, http.StatusConflict, &v)
	}
	if err == nil {
		http.Redirect(w, r, whatIfPath(id), http.StatusSeeOther)
	}
	return err
}

func whatIfPath(id int64) string { return pathSimulate + "/" + strconv.FormatInt(id, 10) }

// termsOf is the present terms with the numbers of the form; what is not a number is -1.
func termsOf(form url.Values, present billing.Terms) billing.Terms {
	terms := present
	terms.Ladder = slices.Clone(present.Ladder)
	read := func(name string, into *int) {
		var err error
		if *into, err = strconv.Atoi(form.Get(name)); err != nil {
			*into = -1
		}
	}
	read("invitee-percent", &terms.Invitee.Percent)
	read("invitee-months", &terms.Invitee.Months)
	for i := range terms.Ladder {
		step := strconv.Itoa(i + 1)
		read("percent-"+step, &terms.Ladder[i].Percent)
		read("months-"+step, &terms.Ladder[i].Months)
		read("sms-"+step, &terms.Ladder[i].SMS)
	}
	return terms
}

// whatIfAt is the comparison that the path names.
func (p *Pages) whatIfAt(r *http.Request) (o finance.WhatIf, err error) {
	id, err := strconv.ParseInt(r.PathValue("order"), 10, 64)
	if err != nil {
		return o, errNotFound
	}
	o, found, err := p.o.Service.WhatIf(r.Context(), id)
	if err == nil && !found {
		err = errNotFound
	}
	return o, err
}

// whatIf is one comparison: how far it is, or what it has found, with its terms in the
// form. While it is under way the browser asks again for the page.
func (p *Pages) whatIf(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	o, err := p.whatIfAt(r)
	if err != nil {
		return err
	}
	v, err := p.whatIfForm(r, staff)
	if err != nil {
		return err
	}
	v.Order, v.From, v.To = &o, o.From, o.Period
	v.Changed = o.Other.Invitee != v.Present.Invitee || !slices.Equal(o.Other.Ladder, v.Present.Ladder)
	if len(o.Other.Ladder) == len(v.Present.Ladder) {
		v.Other = o.Other
	}
	if o.Found != nil {
		v.Exports = exportLinks(whatIfPath(o.ID), nil)
	}
	if v.Idle, err = p.o.Service.Idle(r.Context(), o.RunOrder); err != nil {
		return err
	}
	if o.Active() {
		w.Header().Set("Refresh", refreshEvery)
	}
	return p.showWhatIf(w, r, http.StatusOK, &v)
}
