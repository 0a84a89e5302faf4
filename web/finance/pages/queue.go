package pages

import (
	"maps"
	"net/http"
	"slices"

	"referral/models"
	"referral/web/finance"
)

type queueView struct {
	finance.Queue
	Services []heldService
	Months   []pendingMonth
	Empty    bool
}

type heldService struct {
	Service string
	models.CountedAmount
}

type pendingMonth struct {
	Period models.Period
	Count  int64
}

// queue is what waits for a person.
func (p *Pages) queue(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	q, err := p.o.Service.Queue(r.Context())
	if err != nil {
		return err
	}
	v := queueView{Queue: q}
	for _, service := range slices.Sorted(maps.Keys(q.Held)) {
		v.Services = append(v.Services, heldService{service, q.Held[service]})
	}
	for _, period := range slices.Sorted(maps.Keys(q.Packages)) {
		v.Months = append(v.Months, pendingMonth{period, q.Packages[period]})
	}
	v.Empty = len(q.Rejected)+len(q.Parked)+len(v.Services)+len(q.DeadLetters)+len(v.Months) == 0
	return p.render(w, r, http.StatusOK, "queue", frame{Title: "Очередь", Here: pathQueue, Body: v})
}
