package billing

import (
	"cmp"
	"maps"
	"slices"

	"referral/models"
)

// The kinds of bucket that are no kind of discount. What is unexplained belongs
// to no day of a discount: an answer to a document that is missing, say.
const (
	bucketBoth        = "both"
	bucketUnexplained = "unexplained"
	bucketPackage     = "sms"
	bucketDiscounts   = "discounts"
	bucketPackages    = "packages"
)

// Lines is the control totals in a fixed order: discounts by kind and percent,
// then packages by size.
func (r *Reconciliation) Lines() []models.ControlTotal { return inFixedOrder(r.Controls) }

// Overall is the control totals summed up: discounts by currency, then packages.
func (r *Reconciliation) Overall() []models.ControlTotal {
	return inFixedOrder(summedUp(r.Controls))
}

func summedUp(controls map[models.TotalKey]models.Control) map[models.TotalKey]models.Control {
	sums := map[models.TotalKey]models.Control{}
	for b, c := range controls {
		all := overallBucket(b)
		sums[all] = sums[all].Add(c)
	}
	return sums
}

// overallBucket is the line that a bucket is summed up in.
func overallBucket(b models.TotalKey) models.TotalKey {
	if b.Currency == "" {
		return models.TotalKey{Kind: bucketPackages}
	}
	return models.TotalKey{Kind: bucketDiscounts, Currency: b.Currency}
}

func inFixedOrder(controls map[models.TotalKey]models.Control) []models.ControlTotal {
	kinds := []string{
		string(models.Invitee), string(models.Inviter), bucketBoth, bucketUnexplained, bucketDiscounts, bucketPackage, bucketPackages,
	}
	buckets := slices.SortedFunc(maps.Keys(controls), func(a, b models.TotalKey) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Percent, b.Percent))
	})
	lines := make([]models.ControlTotal, len(buckets))
	for i, b := range buckets {
		lines[i] = models.ControlTotal{TotalKey: b, Control: controls[b]}
	}
	return lines
}

// stage is one of the totals.
type stage int

const (
	entitled stage = iota
	posted
	published
	answered
	writtenOff
)

// control is totals with nothing but one amount, at the stage.
func (s stage) control(t models.CountedAmount) (c models.Control) {
	*[...]*models.CountedAmount{&c.Entitled, &c.Posted, &c.Published, &c.Answered, &c.WrittenOff}[s] = t
	return c
}

// lineTotals is the amount on each line of an invoice at each stage.
type lineTotals [writtenOff + 1]map[string]models.Money

func (t *lineTotals) add(s stage, line string, amount models.Money) {
	if t[s] == nil {
		t[s] = map[string]models.Money{}
	}
	t[s][line] = t[s][line].Add(amount)
}

// noLine is where an amount goes that no line is known of.
const noLine = ""

// addEntry adds a document: to what is posted, and as far as it got.
func (t *lineTotals) addEntry(e *entry) {
	last := noLine
	isPublished, isAnswered := e.inTotals()
	for i := range e.Items {
		item := &e.Items[i]
		last = item.LineID
		t.add(posted, item.LineID, item.Amount)
		if isPublished {
			t.add(published, item.LineID, item.Amount)
		}
		if isAnswered {
			t.add(answered, item.LineID, item.Amount)
		}
		if e.writeOff != nil {
			t.add(writtenOff, item.LineID, item.Amount)
		}
	}
	// Billing answers for the whole document: what it booked otherwise shows on
	// its last line.
	if e.applied() && e.answer.Amount != e.sum {
		t.add(answered, last, e.answer.Amount.Add(-e.sum))
	}
}

// control adds an invoice to the totals: what is owed, the documents, and the
// answers to documents that are lost. An amount is put under the percents of the
// days that gave it, to the kopeck; which days, the facts say, so that a document
// which still has the right amount for other days does not show as a difference.
func (r *Reconciliation) control(inv *models.AuditInvoice, entries []entry, desired []models.AdjustmentItem, lost []models.Result) {
	var totals lineTotals
	for i := range desired {
		totals.add(entitled, desired[i].LineID, desired[i].Amount)
	}
	for i := range entries {
		totals.addEntry(&entries[i])
	}
	for i := range lost {
		if lost[i].Status == models.ResultApplied {
			totals.add(answered, noLine, lost[i].Amount)
		}
	}
	days := daysByLine(desired, entries)
	for s, sums := range totals {
		for line, amount := range sums {
			r.spread(stage(s), inv.Invoice.Currency, days[line], models.Counted(totals.count(stage(s), line), amount))
		}
	}
}

// count is how many lines an amount stands for: one, where there is any. Of a line
// that was settled by hand in part, billing and finance together count once.
func (t *lineTotals) count(s stage, line string) int64 {
	one := func(amount models.Money) int64 {
		if amount == 0 {
			return 0
		}
		return 1
	}
	if s == writtenOff {
		return one(t[answered][line].Add(t[writtenOff][line])) - one(t[answered][line])
	}
	return one(t[s][line])
}

// daysByLine is the days behind each line's amounts: those that the facts give,
// else, on a line that is owed nothing any more, those that the ledger named last.
func daysByLine(desired []models.AdjustmentItem, entries []entry) map[string][]models.Segment {
	days := map[string][]models.Segment{}
	for i := range entries {
		for j := range entries[i].Items {
			if item := &entries[i].Items[j]; len(item.Segments) > 0 {
				days[item.LineID] = item.Segments
			}
		}
	}
	for i := range desired {
		days[desired[i].LineID] = desired[i].Segments
	}
	return days
}

// spread puts a line's amount into the buckets of its days. The parts sum to the
// amount exactly: each is a difference of rounded running shares.
func (r *Reconciliation) spread(s stage, currency string, segments []models.Segment, total models.CountedAmount) {
	if total == (models.CountedAmount{}) {
		return
	}
	whole := percentDays(segments)
	if whole == 0 {
		r.add(models.TotalKey{Kind: bucketUnexplained, Currency: currency}, s.control(total))
		return
	}
	part, before := 0, models.Money(0)
	for i, segment := range segments {
		part += segment.PercentDays()
		running := share(total.Amount, part, whole)
		t := models.CountedAmount{Amount: running - before}
		if i == len(segments)-1 {
			t.Count = total.Count // a line is counted once, where its discount ends
		}
		r.add(models.TotalKey{Kind: kindOfDays(segment), Percent: segment.Percent(), Currency: currency}, s.control(t))
		before = running
	}
}

func (r *Reconciliation) add(b models.TotalKey, c models.Control) {
	r.Controls[b] = r.Controls[b].Add(c)
}

func kindOfDays(s models.Segment) string {
	switch {
	case s.Invitee > 0 && s.Inviter > 0:
		return bucketBoth
	case s.Invitee > 0:
		return string(models.Invitee)
	}
	return string(models.Inviter)
}
