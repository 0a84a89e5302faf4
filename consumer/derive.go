package consumer

import (
	"referral/billing"
	"referral/models"
)

// DeriveFunc says what facts do to the working set that they were loaded with.
// It is pure, so that the storage may call it again when a transaction is
// repeated.
type DeriveFunc func(*models.WorkingSet, []*models.Fact) models.Changes

// Derive makes the function from the rules. newCode returns a fresh random
// invitation code.
func Derive(p *billing.Programme, newCode func() string) DeriveFunc {
	return func(set *models.WorkingSet, facts []*models.Fact) models.Changes {
		book := billing.NewFactApplier(p, set, newCode)
		for _, fact := range facts {
			book.Apply(fact)
		}
		return book.Close()
	}
}
