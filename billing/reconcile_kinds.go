package billing

import (
	"fmt"
	"slices"
	"strings"

	"referral/models"
)

// Amounts are signed as added to an invoice, so the lower of two is the larger
// discount.

// postedKind names the direction in which the ledger differs from what is owed.
func postedKind(owed, posted models.Money) BreakKind {
	switch {
	case posted < owed:
		return BreakNotEntitled
	case posted > owed:
		return BreakNotPosted
	}
	return BreakOtherLines
}

// answeredKind names the direction in which billing differs from a document.
func answeredKind(posted, answered models.Money) BreakKind {
	return moreOrLess(answered < posted, BreakAnsweredMore, BreakAnsweredLess)
}

func isAnsweredOtherwise(k BreakKind) bool { return k == BreakAnsweredMore || k == BreakAnsweredLess }

func moreOrLess(more bool, ifMore, ifLess BreakKind) BreakKind {
	if more {
		return ifMore
	}
	return ifLess
}

// derivedKind names the direction in which what is kept of an account differs from
// what its facts give: in days of discount times percent, and in packages.
func derivedKind(facts, kept models.Entitlements) BreakKind {
	differences := []int{percentDaysOf(kept.Discounts) - percentDaysOf(facts.Discounts)}
	counts := map[int]int{}
	for _, g := range kept.Grants {
		counts[g.SMS]++
	}
	for _, g := range facts.Grants {
		counts[g.SMS]--
	}
	for _, n := range counts {
		differences = append(differences, n)
	}
	switch more, less := slices.Max(differences) > 0, slices.Min(differences) < 0; {
	case more && !less:
		return BreakDerivedMore
	case less && !more:
		return BreakDerivedLess
	}
	return BreakDerivedOtherwise
}

func percentDaysOf(discounts []models.Discount) (sum int) {
	for _, d := range discounts {
		sum += d.Percent * int(d.To-d.From)
	}
	return sum
}

// Difference names the first pair of totals that do not agree, with its direction:
// "posted less than entitled"; empty when all agree.
func Difference(c models.Control) string {
	names := []string{"entitled", "posted", "published", "answered or written off"}
	totals := []models.CountedAmount{c.Entitled, c.Posted, c.Published, c.Answered.Add(c.WrittenOff)}
	for i, after := range totals[1:] {
		if before := totals[i]; after != before {
			more := after.Amount < before.Amount || after.Amount == before.Amount && after.Count > before.Count
			return fmt.Sprintf("%s %s than %s", names[i+1], moreOrLess(more, "more", "less"), names[i])
		}
	}
	return ""
}

// differences is every line of the control totals that does not tie, in words.
func (r *Reconciliation) differences() string {
	var list []string
	for _, l := range r.Lines() {
		if d := Difference(l.Control); d != "" {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %d %s", l.Kind, l.Percent, l.Currency))+": "+d)
		}
	}
	return strings.Join(list, "; ")
}
