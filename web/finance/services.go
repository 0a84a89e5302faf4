package finance

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"referral/billing"
	"referral/models"
)

// ServiceStore is the methods of the storage that decisions on services use.
type ServiceStore interface {
	HeldServices(ctx context.Context) (map[string]models.CountedAmount, error)
	ServiceDecisions(ctx context.Context) ([]models.ServiceDecision, error)
	ForServiceDecision(ctx context.Context, begin func([]models.ServiceDecision) (models.ServiceDecision, error), see func(*models.AccountHistory) error) error
	DecideService(ctx context.Context, d models.ServiceDecision, act models.OperatorAction,
		check func([]models.ServiceDecision, models.ServiceDecision) (models.ServiceDecision, error)) (models.ServiceDecision, error)
}

// serviceActs is what can be decided about services that the terms do not name.
func (s *Service) serviceActs() []Act {
	act := func(what models.OperatorActionKind, title string) Act {
		return Act{
			What: what, Roles: []models.Role{models.RoleFinance}, Title: title, Apply: s.decideService,
			Prepare: func(ctx context.Context, subject string) (Prepared, error) {
				return s.prepareService(ctx, what, subject)
			},
		}
	}
	return []Act{
		act(models.ActionClassifyService, "Решить об услуге"),
		act(models.ActionUndoServiceDecision, "Отменить решение об услуге"),
	}
}

// prepareService says what a decision changes for every account with a line of the service.
func (s *Service) prepareService(ctx context.Context, what models.OperatorActionKind, subject string) (p Prepared, err error) {
	d, err := models.ParseServiceSubject(what, subject)
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	preview := s.o.Programme.PreviewService(d)
	err = s.o.Store.ForServiceDecision(ctx, preview.Begin, func(c *models.AccountHistory) error {
		preview.Account(c)
		return nil
	})
	if err != nil {
		return p, refusedDecision(err)
	}
	d, p.Preview = preview.Decision, preview.Preview()
	p.Facts = []PreparedFact{{Name: "Услуга", Value: d.Service}}
	if d.Class == "" {
		p.Facts = append(p.Facts, PreparedFact{Name: "Отменяется решение", Value: fmt.Sprintf("%s (%s)", Words(preview.Undone.Class), d.Undoes)})
	} else {
		p.Facts = append(p.Facts, PreparedFact{Name: "Решение", Value: Words(d.Class)})
	}
	switch {
	case preview.Lines == 0:
		p.Preview.Notes = append(p.Preview.Notes, "Рассчитанных строк с такой услугой нет. Проверьте название: оно должно быть точно таким, как в счетах.")
	case len(p.Preview.Changes) == 0:
		p.Preview.Notes = append(p.Preview.Notes, "Суммы от этого не изменятся.")
	}
	if preview.FailedCount > 0 {
		p.Preview.Notes = append(p.Preview.Notes, fmt.Sprintf("Не удалось рассчитать клиентов: %d. Их суммы сюда не вошли.", preview.FailedCount))
	}
	return p, nil
}

// decideService takes a decision that another person has proposed.
func (s *Service) decideService(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	d, err := models.ServiceDecisionOf(p, action.Approval.By)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	_, err = s.o.Store.DecideService(ctx, d, action, s.o.Programme.CheckService)
	return refusedDecision(err)
}

// ServiceInForce is a decision on a service that nobody has undone.
type ServiceInForce struct {
	models.ServiceDecision
	// Terms is the class that the terms give the service by now: the decision has no effect
	// then, and contradicts them when it is another one. Empty while they do not name it.
	Terms models.ServiceClass
}

// Contradicts tells whether the terms say something else.
func (s *ServiceInForce) Contradicts() bool { return s.Terms != "" && s.Terms != s.Class }

// servicesInForce is the decisions on services that nobody has undone, by service.
func (s *Service) servicesInForce(ctx context.Context) ([]ServiceInForce, error) {
	all, err := s.o.Store.ServiceDecisions(ctx)
	inForce := models.ServicesInForce(all)
	list := make([]ServiceInForce, 0, len(inForce))
	for _, service := range slices.Sorted(maps.Keys(inForce)) {
		d := ServiceInForce{ServiceDecision: inForce[service]}
		if class := s.o.Programme.Named(service); class != billing.Held {
			d.Terms = models.ServiceClass(class.String())
		}
		list = append(list, d)
	}
	return list, err
}

// ClassificationSubject is the subject of the act that decides about a service.
func ClassificationSubject(service string, class models.ServiceClass) string {
	d := models.ServiceDecision{Service: service, Class: class}
	return d.Subject()
}

// ServiceUndoSubject is the subject of the act that undoes a decision on a service.
func ServiceUndoSubject(decision models.UUID) string {
	d := models.ServiceDecision{Undoes: decision}
	return d.Subject()
}
