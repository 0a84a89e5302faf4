// Package comparison holds what an older system has given in a month against what the
// facts give here, and finds for each difference what would explain it.
package comparison

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/billing"
	"referral/models"
)

// Cause is what explains a difference.
type Cause string

// The causes, in the order in which they are tried. The older system …
const (
	Rounding        Cause = "rounding"          // … rounds otherwise
	NotGiven        Cause = "not-given"         // … has given nothing
	FriendMissing   Cause = "friend-missing"    // … does not count a referral
	FriendDay       Cause = "friend-day"        // … counts a referral a day earlier or later
	InviteeMissing  Cause = "invitee-missing"   // … does not give the discount of a new client
	InviteeDay      Cause = "invitee-day"       // … begins it a day earlier or later
	AgreedMissing   Cause = "agreed-missing"    // … does not give a discount that was imported as agreed
	HighestAlone    Cause = "highest-alone"     // … gives the highest of an account's discounts, not their sum
	NotByDays       Cause = "not-by-days"       // … gives one percentage for the whole line
	Terminated      Cause = "after-termination" // … goes on after the termination
	HeldService     Cause = "held-service"      // … discounts a service that the terms do not name
	ExcludedService Cause = "excluded-service"  // … discounts a service that the terms exclude
	OnlyTheirs      Cause = "nothing-owed"      // … gives something where nothing is owed
	Unknown         Cause = "not-known"         // … names an invoice or account that is not known here
	NotInMonth      Cause = "not-in-month"      // … names an invoice of another month, or one that cannot be read
	NamedTwice      Cause = "named-twice"       // … names an account, and an invoice of it
	OtherAccount    Cause = "other-account"     // … names another account with the invoice
	NotCalculated   Cause = "not-calculated"    // what is owed cannot be calculated here
	Unexplained     Cause = "unexplained"
)

// Difference is an invoice, or an account, on which the two systems give different amounts,
// as added to the invoices.
type Difference struct {
	AccountID int64        `json:"account_id,omitempty"`
	InvoiceID string       `json:"invoice_id,omitempty"`
	Theirs    models.Money `json:"theirs_minor"`
	Ours      models.Money `json:"ours_minor"`
	Cause     Cause        `json:"cause"`
	Words     string       `json:"explanation"`
}

// OfCause is the differences of one cause.
type OfCause struct {
	Cause  Cause        `json:"cause"`
	Count  int64        `json:"count"`
	Theirs models.Money `json:"theirs_minor"`
	Ours   models.Money `json:"ours_minor"`
}

// Result is a comparison.
type Result struct {
	Period      models.Period `json:"period"`
	Theirs      models.Money  `json:"theirs_minor"`
	Ours        models.Money  `json:"ours_minor"`
	Equal       int64         `json:"equal"`
	Different   int64         `json:"different"`
	Causes      []OfCause     `json:"causes"`      // the largest difference first
	Differences []Difference  `json:"differences"` // the first MaxNamed
}

// MaxNamed is how many differences are named. All are counted and summed.
const MaxNamed = 10_000

// Comparison compares one account after another. Its size depends on what differs.
type Comparison struct {
	Result
	programme *billing.Programme
	given     models.Given
	causes    map[Cause]*OfCause
}

// New begins a comparison.
func New(p *billing.Programme, period models.Period, given models.Given) *Comparison {
	return &Comparison{Result: Result{Period: period}, programme: p, given: given, causes: map[Cause]*OfCause{}}
}

// Invoices is the invoices of an account that are compared: those of the period whose lines
// can be read.
func (c *Comparison) Invoices(h *models.AccountHistory) (invoices []*models.Invoice) {
	for i := range h.Invoices {
		if inv := &h.Invoices[i].Invoice; inv.Period == c.Period && inv.Damage == nil {
			invoices = append(invoices, inv)
		}
	}
	return invoices
}

// Account compares an account with its invoices of the period.
func (c *Comparison) Account(h *models.AccountHistory) {
	invoices := c.Invoices(h)
	if whole, together := c.given.OnAccount(h.Account.ID); together {
		c.together(h, invoices, whole)
		return
	}
	for _, inv := range invoices {
		theirs, account, _ := c.given.OnInvoice(inv.ID)
		cause, words := Cause(""), ""
		if account != 0 && account != inv.AccountID {
			cause, words = OtherAccount, "the older system names another account with this invoice"
		}
		c.compare(h, inv.ID, []*models.Invoice{inv}, theirs, cause, words)
	}
}

// together compares the invoices of an account that is named itself.
func (c *Comparison) together(h *models.AccountHistory, invoices []*models.Invoice, theirs models.Money) {
	cause, words := Cause(""), ""
	for _, inv := range invoices {
		if more, _, named := c.given.OnInvoice(inv.ID); named {
			theirs = theirs.Add(more)
			cause, words = NamedTwice, "the older system names the account, and its invoice "+inv.ID
		}
	}
	c.compare(h, "", invoices, theirs, cause, words)
}

// NotCompared adds what the older system names and what is not an invoice of the period
// here, or an account: account is the owner of the invoice, 0 when that is not known.
func (c *Comparison) NotCompared(account int64, invoice string, theirs models.Money) {
	c.Theirs = c.Theirs.Add(theirs)
	d := Difference{AccountID: account, InvoiceID: invoice, Theirs: theirs, Cause: Unknown, Words: "it is not known here"}
	if account != 0 && invoice != "" {
		d.Cause, d.Words = NotInMonth, "it is not an invoice of the month here, or cannot be read"
	}
	c.add(d)
}

// Close ends the comparison.
func (c *Comparison) Close() *Result {
	for _, cause := range slices.Sorted(maps.Keys(c.causes)) {
		c.Causes = append(c.Causes, *c.causes[cause])
	}
	slices.SortStableFunc(c.Causes, func(a, b OfCause) int {
		return cmp.Compare(b.Theirs.Add(-b.Ours).Abs(), a.Theirs.Add(-a.Ours).Abs())
	})
	return &c.Result
}

func (c *Comparison) add(d Difference) {
	c.Different++
	of := c.causes[d.Cause]
	if of == nil {
		of = &OfCause{Cause: d.Cause}
		c.causes[d.Cause] = of
	}
	of.Count, of.Theirs, of.Ours = of.Count+1, of.Theirs.Add(d.Theirs), of.Ours.Add(d.Ours)
	if len(c.Differences) < MaxNamed {
		c.Differences = append(c.Differences, d)
	}
}

// compare compares some invoices of an account. A cause that is given makes a difference
// of them, whatever the amounts are.
func (c *Comparison) compare(h *models.AccountHistory, invoice string, invoices []*models.Invoice, theirs models.Money, cause Cause, words string) {
	var ours models.Money
	var failures billing.Failures
	failures.Attempt(h.Account.ID, func() {
		s := subject{programme: c.programme, history: h, invoices: invoices, timeline: billing.Timeline(c.programme.EntitlementsOf(h).Discounts)}
		if ours = s.amountOf(s.timeline, billing.Discounted); ours.Abs() > models.MaxAmount {
			panic(fmt.Sprintf("it comes to %s, beyond any amount that is taken", ours))
		}
		if cause == "" && ours != theirs {
			cause, words = s.explain(ours, theirs)
		}
	})
	for _, f := range failures.Failed {
		ours, cause, words = 0, NotCalculated, "what is owed cannot be calculated: "+f.Error
	}
	c.Theirs, c.Ours = c.Theirs.Add(theirs), c.Ours.Add(ours)
	switch {
	case cause != "":
		c.add(Difference{AccountID: h.Account.ID, InvoiceID: invoice, Theirs: theirs, Ours: ours, Cause: cause, Words: words})
	case ours != 0:
		c.Equal++
	}
}

// subject is the invoices that an amount is about, with the facts of their account.
type subject struct {
	programme *billing.Programme
	history   *models.AccountHistory
	invoices  []*models.Invoice
	timeline  []models.Segment // of the account's discounts, as they are
}

// amountOf is what a timeline comes to, on lines of the discounted services and of others
// of one class.
func (s *subject) amountOf(timeline []models.Segment, also billing.ServiceClass) (sum models.Money) {
	s.eachLine(also, func(l *models.Line) {
		if segments := billing.Within(nil, timeline, l); len(segments) > 0 {
			sum = sum.Add(-billing.DiscountOn(l, segments))
		}
	})
	return sum
}

func (s *subject) eachLine(also billing.ServiceClass, see func(*models.Line)) {
	for _, inv := range s.invoices {
		for i := range inv.Lines {
			l := &inv.Lines[i]
			if class := s.programme.ClassOf(inv, l); class == billing.Discounted || class == also {
				see(l)
			}
		}
	}
}

// with is what the discounts come to with changed facts.
func (s *subject) with(change func(*models.AccountHistory)) models.Money {
	h := *s.history
	h.Referrals = slices.Clone(h.Referrals)
	change(&h)
	return s.amountOf(billing.Timeline(s.programme.EntitlementsOf(&h).Discounts), billing.Discounted)
}

func (s *subject) lines() (n models.Money) {
	s.eachLine(billing.Discounted, func(*models.Line) { n++ })
	return n
}

// explain finds the first cause that leads to the older system's amount exactly.
func (s *subject) explain(ours, theirs models.Money) (Cause, string) {
	if ours.Add(-theirs).Abs() <= s.lines() {
		return Rounding, "the amounts differ by no more than a kopeck for each line"
	}
	if theirs == 0 {
		return NotGiven, "the older system has given nothing"
	}
	for _, try := range []func(models.Money) (Cause, string){s.friends, s.own, s.summed, s.byDays, s.services} {
		if cause, words := try(theirs); cause != "" {
			return cause, words
		}
	}
	if ours == 0 {
		return OnlyTheirs, "by the facts known here nothing is owed"
	}
	return Unexplained, ""
}

const day = 24 * time.Hour

func (s *subject) friends(theirs models.Money) (Cause, string) {
	for i, r := range s.history.Referrals {
		on := s.programme.Local(r.ActivatedAt)
		without := s.with(func(h *models.AccountHistory) { h.Referrals = slices.Delete(h.Referrals, i, i+1) })
		if without == theirs {
			return FriendMissing, fmt.Sprintf("without the referral of account %d, activated on %s, the rules give this amount", r.InviteeID, on)
		}
	}
	for i, r := range s.history.Referrals {
		for _, shift := range []time.Duration{-day, day} {
			moved := s.with(func(h *models.AccountHistory) { h.Referrals[i].ActivatedAt = r.ActivatedAt.Add(shift) })
			if moved == theirs {
				return FriendDay, fmt.Sprintf("with the referral of account %d activated on %s instead of %s the rules give this amount",
					r.InviteeID, s.programme.Local(r.ActivatedAt.Add(shift)), s.programme.Local(r.ActivatedAt))
			}
		}
	}
	return "", ""
}

// own tries what concerns the account's own discounts.
func (s *subject) own(theirs models.Money) (Cause, string) {
	ended := s.history.Account.PromoEndedAt
	try := func(change func(*models.AccountHistory)) bool { return s.with(change) == theirs }
	switch {
	case try(func(h *models.AccountHistory) { h.Account.PromoEndedAt = time.Time{} }):
		return InviteeMissing, "without the discount of a new client the rules give this amount"
	case !ended.IsZero() && try(func(h *models.AccountHistory) { h.Account.PromoEndedAt = ended.Add(-day) }):
		return InviteeDay, fmt.Sprintf("with the promo period ended a day before %s the rules give this amount", s.programme.Local(ended))
	case !ended.IsZero() && try(func(h *models.AccountHistory) { h.Account.PromoEndedAt = ended.Add(day) }):
		return InviteeDay, fmt.Sprintf("with the promo period ended a day after %s the rules give this amount", s.programme.Local(ended))
	case len(s.history.Agreed) > 0 && try(func(h *models.AccountHistory) { h.Agreed = nil }):
		return AgreedMissing, "without the discount that was imported as agreed the rules give this amount"
	case try(func(h *models.AccountHistory) { h.Account.TerminatedAt = time.Time{} }):
		return Terminated, fmt.Sprintf("without the termination on %s the rules give this amount", s.programme.Local(s.history.Account.TerminatedAt))
	}
	return "", ""
}

// summed tries the highest discount of each day in place of their sum.
func (s *subject) summed(theirs models.Money) (Cause, string) {
	timeline := slices.Clone(s.timeline)
	for i, seg := range timeline {
		timeline[i] = models.Segment{From: seg.From, To: seg.To, Inviter: max(seg.Agreed, seg.Invitee, seg.Inviter)}
	}
	if s.amountOf(timeline, billing.Discounted) == theirs {
		return HighestAlone, "with the highest discount of each day, and not their sum, the rules give this amount"
	}
	return "", ""
}

// byDays tries one percentage for the whole of each line.
func (s *subject) byDays(theirs models.Money) (Cause, string) {
	percentOn := func(d models.Date) int {
		for _, seg := range s.timeline {
			if seg.From <= d && d < seg.To {
				return seg.Percent()
			}
		}
		return 0
	}
	for _, way := range []struct {
		words string
		of    func(l *models.Line) int
	}{
		{"the percentage of the first day", func(l *models.Line) int { return percentOn(l.From) }},
		{"the percentage of the last day", func(l *models.Line) int { return percentOn(l.End() - 1) }},
		{"the highest percentage", func(l *models.Line) (most int) {
			for _, seg := range billing.Within(nil, s.timeline, l) {
				most = max(most, seg.Percent())
			}
			return most
		}},
	} {
		var sum models.Money
		s.eachLine(billing.Discounted, func(l *models.Line) {
			sum = sum.Add(-billing.DiscountOn(l, []models.Segment{{From: l.From, To: l.End(), Inviter: way.of(l)}}))
		})
		if sum == theirs {
			return NotByDays, "with " + way.words + " for the whole of each line the rules give this amount"
		}
	}
	return "", ""
}

// services tries lines that get no discount here.
func (s *subject) services(theirs models.Money) (Cause, string) {
	switch {
	case s.amountOf(s.timeline, billing.Held) == theirs:
		return HeldService, "with the lines whose service the terms do not name the rules give this amount"
	case s.amountOf(s.timeline, billing.Excluded) == theirs:
		return ExcludedService, "with the lines whose service the terms exclude the rules give this amount"
	}
	return "", ""
}
