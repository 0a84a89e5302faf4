package finance

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"referral/models"
)

// InsightStore is the methods of the storage for suspicions and forecasts.
type InsightStore interface {
	Suspicions(ctx context.Context, seen bool, limit int) (found models.Suspicions, searched bool, err error)
	MarkSuspicionSeen(ctx context.Context, fingerprint models.Digest, who string, role models.Role, note string) (found, marked bool, err error)
	Forecasts(ctx context.Context) (made []models.Forecast, actual []models.Cost, err error)
}

// suspicionsShown is how many suspicions are shown at once.
const suspicionsShown = 100

// Suspicions is the suspicions that nobody, or somebody, has looked at, those with the
// most money first, at most 100. searched is false when no search has been made.
func (s *Service) Suspicions(ctx context.Context, seen bool) (found models.Suspicions, searched bool, err error) {
	return s.o.Store.Suspicions(ctx, seen, suspicionsShown)
}

// allSuspicions is more than a search keeps.
const allSuspicions = 100_000

// AllSuspicions is Suspicions without a limit.
func (s *Service) AllSuspicions(ctx context.Context, seen bool) (found models.Suspicions, err error) {
	found, _, err = s.o.Store.Suspicions(ctx, seen, allSuspicions)
	return found, err
}

// MarkSuspicionSeen records that a member of staff has looked at a suspicion. found is
// false when there is none; when somebody else has looked at it before, nothing is changed.
func (s *Service) MarkSuspicionSeen(ctx context.Context, staff *models.Staff, fingerprint models.Digest, note string) (found bool, err error) {
	found, _, err = s.o.Store.MarkSuspicionSeen(ctx, fingerprint, staff.Name, staff.Role(), note)
	return found, err
}

// Liabilities is what granted discounts will cost, and how well past forecasts did.
type Liabilities struct {
	MadeAt     time.Time
	Months     []models.Period // from the present one on
	Currencies []CurrencyLiabilities
}

// CurrencyLiabilities is those in one currency.
type CurrencyLiabilities struct {
	Currency string
	Rows     []LiabilityRow // by kind and step
	Totals   []models.Money // by month
	Sum      models.Money
	Past     []PastCost // months that are reconciled, the newest first
	Last     []PastCost // the newest of them, by kind and step
}

// LiabilityRow is what discounts of a kind and step will cost, by month.
type LiabilityRow struct {
	Kind    models.DiscountKind
	Step    int
	Amounts []models.Money
	Sum     models.Money
}

// PastCost is what a month came to, and what was expected of it.
type PastCost struct {
	models.CostKey               // without a kind: of all discounts of the month
	Expected       []Expectation // as of each of ForecastLeads
	Actual         models.Money
}

// Expectation is what was expected some months before; Known is false when no forecast
// was made then.
type Expectation struct {
	Amount models.Money
	Known  bool
}

// ForecastLeads is how many months before a month its forecasts are shown.
var ForecastLeads = []int{1, 3, 6}

// Liabilities is the newest forecast, and the past ones beside what came. found is false
// when no forecast has been made.
func (s *Service) Liabilities(ctx context.Context) (l Liabilities, found bool, err error) {
	made, actual, err := s.o.Store.Forecasts(ctx)
	if err != nil || len(made) == 0 {
		return l, false, err
	}
	const months = 12
	l.MadeAt = made[0].MadeAt
	for month := made[0].MadeFor; len(l.Months) < months; month = month.Next() {
		l.Months = append(l.Months, month)
	}
	currencies := map[string]bool{}
	for _, costs := range [][]models.Cost{made[0].Costs, actual} {
		for _, c := range costs {
			currencies[c.Currency] = true
		}
	}
	for _, currency := range slices.Sorted(maps.Keys(currencies)) {
		c := CurrencyLiabilities{Currency: currency}
		c.expect(&made[0], l.Months)
		c.compare(made, actual)
		l.Currencies = append(l.Currencies, c)
	}
	return l, true, nil
}

// expect fills in a forecast, by month, kind and step.
func (l *CurrencyLiabilities) expect(f *models.Forecast, months []models.Period) {
	l.Totals = make([]models.Money, len(months))
	for _, c := range f.Costs {
		at := slices.Index(months, c.Month)
		if at < 0 || c.Currency != l.Currency {
			continue
		}
		row := slices.IndexFunc(l.Rows, func(r LiabilityRow) bool { return r.Kind == c.Kind && r.Step == c.Step })
		if row < 0 {
			row = len(l.Rows)
			l.Rows = append(l.Rows, LiabilityRow{Kind: c.Kind, Step: c.Step, Amounts: make([]models.Money, len(months))})
		}
		r := &l.Rows[row]
		r.Amounts[at], r.Sum = r.Amounts[at].Add(c.Amount), r.Sum.Add(c.Amount)
		l.Totals[at], l.Sum = l.Totals[at].Add(c.Amount), l.Sum.Add(c.Amount)
	}
	slices.SortFunc(l.Rows, func(a, b LiabilityRow) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Step, b.Step)) })
}

// compare fills in what past months came to, and what was expected of them.
func (l *CurrencyLiabilities) compare(made []models.Forecast, actual []models.Cost) {
	expected := map[models.Period]map[models.CostKey]models.Money{} // by the month in which it was made
	for i := range made {
		expected[made[i].MadeFor] = summedUp(made[i].Costs)
	}
	came := summedUp(actual)
	past := func(key models.CostKey) PastCost {
		p := PastCost{CostKey: key, Actual: came[key]}
		for _, lead := range ForecastLeads {
			before := key.Month
			for range lead {
				before = before.Previous()
			}
			costs, known := expected[before]
			p.Expected = append(p.Expected, Expectation{Amount: costs[key], Known: known})
		}
		return p
	}
	maps.DeleteFunc(came, func(key models.CostKey, _ models.Money) bool { return key.Currency != l.Currency })
	keys := slices.SortedFunc(maps.Keys(came), func(a, b models.CostKey) int {
		return cmp.Or(cmp.Compare(b.Month, a.Month), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Step, b.Step))
	})
	for _, key := range keys {
		switch {
		case key.Kind == "":
			l.Past = append(l.Past, past(key))
		case key.Month == keys[0].Month:
			l.Last = append(l.Last, past(key))
		}
	}
}

// summedUp is costs by month, currency, kind and step, and by month and currency alone.
func summedUp(costs []models.Cost) map[models.CostKey]models.Money {
	sums := map[models.CostKey]models.Money{}
	for _, c := range costs {
		for _, key := range []models.CostKey{c.CostKey, {Month: c.Month, Currency: c.Currency}} {
			sums[key] = sums[key].Add(c.Amount)
		}
	}
	return sums
}
