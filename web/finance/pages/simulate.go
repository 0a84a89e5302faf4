package pages

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"referral/billing"
	"referral/billing/whatif"
	"referral/models"
	"referral/web/finance"
	"referral/web/finance/export"
)

type simulateView struct {
	Known    []models.Period // months that may be chosen
	From, To models.Period
	Present  billing.Terms
	Other    billing.Terms
	Changed  bool   // the other terms are not the present ones
	Problem  string // why nothing was calculated; empty for none
	Most     int    // months
	Minutes  int    // that a comparison may take
	Exports  []exportLink

	Result *whatif.Comparison // nil: nothing was asked, or a problem
}

// termField is a number of the form, and what it is in the present terms.
type termField struct {
	Name, Label string
	Value, Now  int
}

// simulate compares the present terms with others over past months. What is compared is
// in the address, so that it can be kept and sent to others.
func (p *Pages) simulate(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	v, status, err := p.simulated(w, r)
	if err != nil {
		return err
	}
	return p.render(w, r, status, "simulate", frame{Title: "Что, если", Here: pathSimulate, Body: v})
}

// simulated is the form, and what it asks for once it was sent.
func (p *Pages) simulated(w http.ResponseWriter, r *http.Request) (v simulateView, status int, err error) {
	months, err := p.o.Service.Months(r.Context())
	if err != nil {
		return v, 0, err
	}
	present := p.o.Service.PresentTerms()
	v = simulateView{Present: present, Other: present, Most: finance.MaxSimulatedMonths, Minutes: int(finance.MaxSimulationTime.Minutes())}
	for i := range months {
		v.Known = append(v.Known, months[i].Period)
	}
	if len(v.Known) == 0 {
		return v, http.StatusOK, nil
	}
	v.From, v.To = v.Known[min(2, len(v.Known)-1)], v.Known[0]
	query := r.URL.Query()
	if len(query) == 0 {
		return v, http.StatusOK, nil
	}
	status, err = p.fillSimulation(w, r, &v, query)
	v.Exports = exportLinks(pathSimulate, query, export.Formats)
	return v, status, err
}

// What is said when nothing can be calculated.
const (
	problemNumbers = "Проверьте числа: процент — от 0 до 100, срок — не меньше 1 месяца, пакет — 0 или число SMS."
	problemMonths  = "Выберите от одного до двенадцати месяцев: первый не позже последнего."
	problemBusy    = "Сейчас сравнивают другие условия. Попробуйте через минуту."
	problemLong    = "За две минуты сравнить не удалось. Выберите меньше месяцев или сравните командой referral simulate."
)

func (p *Pages) fillSimulation(w http.ResponseWriter, r *http.Request, v *simulateView, query url.Values) (status int, err error) {
	var chosen []models.Period
	if v.From, v.To, chosen = monthsOf(query, v.Known); len(chosen) == 0 {
		v.Problem = problemMonths
		return http.StatusBadRequest, nil
	}
	if v.Other, err = termsOf(query, v.Present); err != nil {
		v.Problem = problemNumbers
		return http.StatusBadRequest, nil
	}
	v.Changed = v.Other.Invitee != v.Present.Invitee || !slices.Equal(v.Other.Ladder, v.Present.Ladder)
	ctx, cancel := longRequest(w, r)
	defer cancel()
	v.Result, err = p.o.Service.Simulate(ctx, v.Other, chosen)
	for _, known := range []struct {
		is     error
		words  string
		status int
	}{
		{finance.ErrBadTerms, problemNumbers, http.StatusBadRequest}, {finance.ErrTooManyMonths, problemMonths, http.StatusBadRequest},
		{finance.ErrSimulationBusy, problemBusy, http.StatusConflict}, {finance.ErrSimulationLong, problemLong, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, known.is) {
			v.Problem = known.words
			return known.status, nil
		}
	}
	return http.StatusOK, err
}

// monthsOf is the known months that are asked for, the oldest first.
func monthsOf(query url.Values, known []models.Period) (from, to models.Period, chosen []models.Period) {
	from, err := models.ParsePeriod(query.Get("from"))
	to, wrong := models.ParsePeriod(query.Get("to"))
	if err != nil || wrong != nil {
		return known[0], known[0], nil
	}
	for _, month := range slices.Backward(known) {
		if from <= month && month <= to {
			chosen = append(chosen, month)
		}
	}
	return from, to, chosen
}

// termsOf is the present terms with the numbers of the form.
func termsOf(query url.Values, present billing.Terms) (billing.Terms, error) {
	terms := present
	terms.Ladder = slices.Clone(present.Ladder)
	var failed error
	read := func(name string, into *int) {
		n, err := strconv.Atoi(query.Get(name))
		*into, failed = n, errors.Join(failed, err)
	}
	read("invitee-percent", &terms.Invitee.Percent)
	read("invitee-months", &terms.Invitee.Months)
	for i := range terms.Ladder {
		step := strconv.Itoa(i + 1)
		read("percent-"+step, &terms.Ladder[i].Percent)
		read("months-"+step, &terms.Ladder[i].Months)
		read("sms-"+step, &terms.Ladder[i].SMS)
	}
	if failed != nil {
		return present, failed
	}
	return terms, nil
}
