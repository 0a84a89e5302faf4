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
	bucketBoth        = "both"  // as a new client and as an inviter
	bucketMixed       = "mixed" // an agreed discount and others
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
		string(models.Invitee), string(models.Inviter), bucketBoth, string(models.Agreed), bucketMixed, bucketUnexplained, bucketDiscounts, bucketPackage, bucketPackages,
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
			t := models.Counted(totals.count(stage(s), line), amount)
			r.spread(stage(s), inv.Invoice.Currency, days[line], t)
			service := serviceKey{serviceOn(inv, line), inv.Invoice.Currency}
			r.services[service] = r.services[service].Add(stage(s).control(t))
		}
	}
	r.now.owed = r.now.owed.Add(totals.sum(entitled))
	r.compareBooked(totals.sum(entitled), totals.sum(answered).Add(totals.sum(writtenOff)))
}

func (t *lineTotals) sum(s stage) (sum models.Money) {
	for _, amount := range t[s] {
		sum = sum.Add(amount)
	}
	return sum
}

type serviceKey struct{ service, currency string }

// serviceOn is the service of a line: by the invoice, else by a document that names the
// line, else empty.
func serviceOn(inv *models.AuditInvoice, line string) string {
	for i := range inv.Invoice.Lines {
		if l := &inv.Invoice.Lines[i]; l.ID == line {
			return l.Service
		}
	}
	return serviceOf(inv.Documents, line)
}

// Services is the control totals of discounts by service and currency.
func (r *Reconciliation) Services() []models.ServiceTotal {
	keys := slices.SortedFunc(maps.Keys(r.services), func(a, b serviceKey) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.currency, b.currency))
	})
	list := make([]models.ServiceTotal, len(keys))
	for i, key := range keys {
		list[i] = models.ServiceTotal{Service: key.service, Currency: key.currency, Control: r.services[key]}
	}
	return list
}

// accountSums is what the account that is being looked at comes to in the period.
type accountSums struct {
	owed            models.Money // by its facts
	before          models.Money // on the same invoices, at the average percent of the period before
	lacking, excess models.Money // as positive amounts
}

// compareBooked counts by how much an invoice is discounted less, or more, than the
// facts give: what counts is what billing has booked and what is settled by hand.
func (r *Reconciliation) compareBooked(owed, booked models.Money) {
	if off := booked.Add(-owed); off > 0 {
		r.now.lacking = r.now.lacking.Add(off)
	} else {
		r.now.excess = r.now.excess.Add(-off)
	}
}

func (r *Reconciliation) endAccount(entitlements models.Entitlements) {
	last := r.period.End() - 1
	for _, d := range entitlements.Discounts {
		if d.From <= last && last < d.To {
			r.steps[models.StepCount{Kind: d.Kind, Step: d.Step, Percent: d.Percent}]++
		}
	}
	if r.now.lacking > 0 {
		r.Lacking = r.Lacking.Add(models.Counted(1, r.now.lacking))
	}
	if r.now.excess > 0 {
		r.Excess = r.Excess.Add(models.Counted(1, r.now.excess))
	}
	if change := r.now.owed.Add(-r.now.before); change != 0 {
		if cause := r.causeOf(entitlements.Discounts); cause != "" {
			r.causes[cause] = r.causes[cause].Add(models.Counted(1, change))
		}
	}
}

// Steps is how many accounts have a discount on the last day of the period.
func (r *Reconciliation) Steps() []models.StepCount {
	var list []models.StepCount
	for key, n := range r.steps {
		key.Accounts = n
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b models.StepCount) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Percent, b.Percent))
	})
	return list
}

// Causes of a change against the period before. An account whose percents are others
// than in the period before counts under one cause: that of the discount that has
// changed most. Its amount is what the period's invoices get less what they would get
// at the average percent of the period before. What no cause explains is the change of
// the invoices themselves.
const (
	CauseNewInviter   = "new-inviter"    // no ladder in the period before
	CauseStepUp       = "step-up"        // a higher percent of the ladder, or on more days
	CauseLadderEnded  = "ladder-ended"   // a lower percent of the ladder, or on fewer days
	CauseNewClient    = "new-client"     // a discount of an invitee began, or held on more days
	CauseClientsEnded = "clients-ended"  // a discount of an invitee ended, or held on fewer days
	CauseAgreed       = "agreed-changed" // an agreed discount began or ended, or held on more or fewer days
)

// causeOf is empty when the percents are those of the period before.
func (r *Reconciliation) causeOf(discounts []models.Discount) string {
	before, now := r.period.Previous(), r.period
	// As shares of months of different lengths.
	weigh := func(kind models.DiscountKind) (was, change int) {
		was = percentDaysIn(discounts, kind, before)
		return was, percentDaysIn(discounts, kind, now)*daysOf(before) - was*daysOf(now)
	}
	had, ladder := weigh(models.Inviter)
	_, invitee := weigh(models.Invitee)
	_, agreed := weigh(models.Agreed)
	switch {
	case max(agreed, -agreed) > max(ladder, -ladder, invitee, -invitee):
		return CauseAgreed
	case max(ladder, -ladder) >= max(invitee, -invitee) && ladder > 0 && had == 0:
		return CauseNewInviter
	case max(ladder, -ladder) >= max(invitee, -invitee) && ladder > 0:
		return CauseStepUp
	case max(ladder, -ladder) >= max(invitee, -invitee) && ladder < 0:
		return CauseLadderEnded
	case invitee > 0:
		return CauseNewClient
	case invitee < 0:
		return CauseClientsEnded
	}
	return ""
}

func daysOf(p models.Period) int { return int(p.End() - p.First()) }

func percentDaysIn(discounts []models.Discount, kind models.DiscountKind, p models.Period) (sum int) {
	for _, d := range discounts {
		if days := min(d.To, p.End()) - max(d.From, p.First()); d.Kind == kind && days > 0 {
			sum += d.Percent * int(days)
		}
	}
	return sum
}

// addAsBefore adds what an invoice would get at the average percent of the period
// before.
func (r *Reconciliation) addAsBefore(timeline []models.Segment, inv *models.Invoice) {
	month := models.Line{From: r.period.Previous().First(), To: r.period.First()}
	part := percentDays(Within(nil, timeline, &month))
	if part == 0 {
		return
	}
	for i := range inv.Lines {
		if l := &inv.Lines[i]; r.programme.ClassOf(inv, l) == Discounted {
			r.now.before = r.now.before.Add(-share(l.Amount, part, 100*month.Days()))
		}
	}
}

// Causes is what has changed the period against the one before, by the amount.
func (r *Reconciliation) Causes() []models.ChangeCause {
	var list []models.ChangeCause
	for cause, t := range r.causes {
		list = append(list, models.ChangeCause{Cause: cause, Accounts: t.Count, Amount: t.Amount})
	}
	slices.SortFunc(list, func(a, b models.ChangeCause) int {
		return cmp.Or(cmp.Compare(max(b.Amount, -b.Amount), max(a.Amount, -a.Amount)), cmp.Compare(a.Cause, b.Cause))
	})
	return list
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
	case s.Agreed > 0 && s.Invitee+s.Inviter > 0:
		return bucketMixed
	case s.Agreed > 0:
		return string(models.Agreed)
	case s.Invitee > 0 && s.Inviter > 0:
		return bucketBoth
	case s.Invitee > 0:
		return string(models.Invitee)
	}
	return string(models.Inviter)
}

// PostedLine is what the ledger holds on a line of an invoice.
type PostedLine struct {
	Amount   models.Money
	Segments []models.Segment // days behind it, as the last document with any named them
}

// PostedLines is what the ledger holds on each line of an invoice, by the line's id.
func PostedLines(inv *models.AuditInvoice) map[string]PostedLine {
	lines := map[string]PostedLine{}
	for i := range inv.Documents {
		for _, item := range inv.Documents[i].Items {
			line := lines[item.LineID]
			if line.Amount = line.Amount.Add(item.Amount); len(item.Segments) > 0 {
				line.Segments = item.Segments
			}
			lines[item.LineID] = line
		}
	}
	return lines
}

// DaysByStep is the segments of a month by what they are for, each with the percent of
// one kind alone.
func DaysByStep(month models.Period, discounts []models.Discount, segments []models.Segment) map[models.CostKey][]models.Segment {
	keyed := map[models.CostKey][]models.Segment{}
	for _, s := range segments {
		agreed, invitee, inviter := ByKind(s)
		if agreed > 0 {
			key := models.CostKey{Month: month, Kind: models.Agreed}
			keyed[key] = append(keyed[key], models.Segment{From: s.From, To: s.To, Agreed: agreed})
		}
		if invitee > 0 {
			key := models.CostKey{Month: month, Kind: models.Invitee}
			keyed[key] = append(keyed[key], models.Segment{From: s.From, To: s.To, Invitee: invitee})
		}
		if inviter > 0 {
			key := models.CostKey{Month: month, Kind: models.Inviter, Step: StepOn(discounts, s.From)}
			keyed[key] = append(keyed[key], models.Segment{From: s.From, To: s.To, Inviter: inviter})
		}
	}
	return keyed
}

// ByStep divides the amount of a line by what its days are for. The last part takes the
// rest, so that they sum to the amount; what is for no day of a discount is unexplained.
func ByStep(month models.Period, discounts []models.Discount, line PostedLine) map[models.CostKey]models.Money {
	days := DaysByStep(month, discounts, line.Segments)
	keys := slices.SortedFunc(maps.Keys(days), models.CostKey.Compare)
	parts, rest := map[models.CostKey]models.Money{}, line.Amount
	for i, key := range keys {
		parts[key] = rest
		if i < len(keys)-1 {
			parts[key] = Share(line.Amount, percentDays(days[key]), line.Segments)
		}
		rest = rest.Add(-parts[key])
	}
	if rest != 0 {
		parts[models.CostKey{Month: month, Kind: bucketUnexplained}] = rest
	}
	return parts
}
