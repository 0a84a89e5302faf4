package finance

import (
	"context"
	"encoding/json"
	"fmt"

	"referral/billing"
	"referral/billing/whatif"
	"referral/models"
)

// WhatIfStore is the methods of the storage for comparing terms. A comparison is an order,
// which a scheduler carries out.
type WhatIfStore interface {
	WhatIfs(ctx context.Context, limit int) ([]models.RunOrder, error)
}

// MaxWhatIfMonths is how many months are compared by one order. `referral simulate`
// compares more.
const MaxWhatIfMonths = 12

// whatIfsShown is how many of the last comparisons are listed.
const whatIfsShown = 20

// Why terms are not compared.
const (
	refusedTerms  = Refusal("Проверьте числа: процент — от 0 до 100, срок — не меньше 1 месяца, пакет — 0 или число SMS.")
	refusedMonths = Refusal("Выберите от одного до двенадцати месяцев: первый не позже последнего.")
)

// WhatIf is an order to compare terms.
type WhatIf struct {
	models.RunOrder

	Other billing.Terms
	Found *whatif.Found // nil until it is done
}

// PresentTerms is the terms in force today.
func (s *Service) PresentTerms() billing.Terms {
	return *s.o.Programme.TermsOn(s.o.Programme.Local(s.o.Now()))
}

// OrderWhatIf orders a comparison of what months cost with what they would have cost under
// other terms in force from the very beginning. The same that has not ended is not ordered
// again. The error is a Refusal when the terms or the months are not possible.
func (s *Service) OrderWhatIf(ctx context.Context, staff models.Staff, terms billing.Terms, from, to models.Period) (id int64, err error) {
	if from > to || from.First().AddMonths(MaxWhatIfMonths) <= to.First() || to.First() > s.o.Programme.Local(s.o.Now()) {
		return 0, refusedMonths
	}
	if _, err := whatif.Programme(s.o.Programme, terms); err != nil {
		return 0, refusedTerms
	}
	text, err := json.Marshal(terms)
	if err != nil {
		return 0, fmt.Errorf("writing the terms to compare: %w", err)
	}
	o := models.RunOrder{Period: to, From: from, Terms: string(text), What: models.OrderWhatIf, By: PersonOf(staff)}
	o, _, err = s.o.Store.OrderRun(ctx, o, models.OperatorAction{Who: staff.Name, Role: staff.Role(), What: models.ActionWhatIf, Subject: from.String() + " " + to.String()})
	return o.ID, err
}

// WhatIfs is the last orders to compare terms, the newest first, without what they found.
func (s *Service) WhatIfs(ctx context.Context) ([]models.RunOrder, error) {
	return s.o.Store.WhatIfs(ctx, whatIfsShown)
}

// WhatIf is one order to compare terms. found is false when there is none.
func (s *Service) WhatIf(ctx context.Context, id int64) (w WhatIf, found bool, err error) {
	if w.RunOrder, found, err = s.o.Store.RunOrder(ctx, id); err != nil || !found || w.What != models.OrderWhatIf {
		return w, false, err
	}
	if err := json.Unmarshal([]byte(w.Terms), &w.Other); err != nil {
		return w, true, fmt.Errorf("reading the terms of order %d: %w", id, err)
	}
	if w.WhatIf == nil {
		return w, true, nil
	}
	if err := json.Unmarshal(w.WhatIf, &w.Found); err != nil {
		return w, true, fmt.Errorf("reading what order %d has found: %w", id, err)
	}
	return w, true, nil
}
