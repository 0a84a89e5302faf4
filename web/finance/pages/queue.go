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
	Held   []heldService // in place of that of the queue
	Months []pendingMonth
	Empty  bool
	MayAct bool   // this person
	Done   string // what has just been done, in words
}

type heldService struct {
	Service string
	models.CountedAmount
}

// servicePath is where it is decided whether discounts apply to a service.
func servicePath(service string, class models.ServiceClass) string {
	return actPath(models.ActionClassifyService, finance.ClassificationSubject(service, class))
}

func undoServicePath(decision models.UUID) string {
	return actPath(models.ActionUndoServiceDecision, finance.ServiceUndoSubject(decision))
}

type pendingMonth struct {
	Period models.Period
	Count  int64
}

func pendingMonths(packages map[models.Period]int64) (list []pendingMonth) {
	for _, period := range slices.Sorted(maps.Keys(packages)) {
		list = append(list, pendingMonth{period, packages[period]})
	}
	return list
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
		v.Held = append(v.Held, heldService{service, q.Held[service]})
	}
	v.Months = pendingMonths(q.Packages)
	v.Empty = len(q.Rejected)+len(q.Parked)+len(v.Held)+len(q.DeadLetters)+len(v.Months)+len(q.NotBooked) == 0
	return p.render(w, r, http.StatusOK, "queue", frame{Title: "Очередь", Here: pathQueue, Body: v})
}
