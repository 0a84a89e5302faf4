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
	MayAct   bool   // this person
	Done     string // what has just been done, in words
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
func (p *Pages) queue(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	q, err := p.o.Service.Queue(r.Context())
	if err != nil {
		return err
	}
	v := queueView{Queue: q, MayAct: staff.HasAny([]models.Role{models.RoleFinance})}
	if done := models.OperatorActionKind(r.URL.Query().Get("done")); done == models.ActionResend || done == models.ActionReplay {
		v.Done = finance.Words(done)
	}
	for _, service := range slices.Sorted(maps.Keys(q.Held)) {
		v.Services = append(v.Services, heldService{service, q.Held[service]})
	}
	for _, period := range slices.Sorted(maps.Keys(q.Packages)) {
		v.Months = append(v.Months, pendingMonth{period, q.Packages[period]})
	}
	v.Empty = len(q.Rejected)+len(q.Parked)+len(v.Services)+len(q.DeadLetters)+len(v.Months) == 0
	return p.render(w, r, http.StatusOK, "queue", frame{Title: "Очередь", Here: pathQueue, Body: v})
}
