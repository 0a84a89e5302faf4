package billing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"referral/models"
)

// Explanation is why an account stands where it stands, without personal data.
// Times are in the programme's zone; a zero time or day means "not known" or
// "not yet".
type Explanation struct {
	AccountID    int64                 `json:"account_id"`
	RegisteredAt time.Time             `json:"registered_at,omitzero"`
	PromoEndedAt time.Time             `json:"promo_ended_at,omitzero"`
	TerminatedAt time.Time             `json:"terminated_at,omitzero"`
	Provenance   ExplainedValues       `json:"provenance"`
	Activations  []ExplainedActivation `json:"activations"`         // its own requests, by arrival
	Promised     bool                  `json:"promised"`            // a discount of its own waits for the promo end
	Decisions    []ExplainedDecision   `json:"decisions,omitempty"` // of staff, on its own referral and on those it invited
	Ladder       []LadderStep          `json:"ladder"`              // without the referrals that were revoked
	Climbs       []Climb               `json:"climbs,omitempty"`    // the ladder on the days before and after; only where some were
	Discounts    []models.Discount     `json:"discounts"`
	Packages     []ExplainedPackage    `json:"packages"`
	Parked       []ExplainedParking    `json:"parked,omitempty"` // all of it; an invoice says so itself
	Invoices     []InvoiceSums         `json:"invoices,omitzero"`
}

// ExplainedValues is where the values came from that count.
type ExplainedValues struct {
	Registered *ExplainedProvenance `json:"registered,omitempty"`
	PromoEnded *ExplainedProvenance `json:"promo_ended,omitempty"`
	Terminated *ExplainedProvenance `json:"terminated,omitempty"`
	Profile    *ExplainedProvenance `json:"profile,omitempty"` // name, tax id and contacts
}

// ExplainedProvenance is where a fact came from: a message, or a request at the
// personal account.
type ExplainedProvenance struct {
	Message *ExplainedMessage `json:"message,omitempty"`
	Request *models.UUID      `json:"request,omitempty"`
	Row     *ExplainedRow     `json:"row,omitempty"` // of an older system's file
	At      time.Time         `json:"at"`            // when the message was written, or the request first made
}

// ExplainedRow is a row of an older system's file.
type ExplainedRow struct {
	File string `json:"file"`
	Line int64  `json:"line"`
}

// ExplainedMessage is the place of a message.
type ExplainedMessage struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

// ExplainedParking is why the last run of a period did not settle the account.
type ExplainedParking struct {
	Period models.Period `json:"period"`
	Error  string        `json:"error"`
}

// ExplainedActivation is a request to activate a code with its decision in words.
type ExplainedActivation struct {
	RequestedAt time.Time               `json:"requested_at"`
	Code        string                  `json:"code"`                 // as it was entered
	CountsFrom  models.Date             `json:"counts_from,omitzero"` // the day it counts as made on
	Status      models.ActivationStatus `json:"status"`
	Reason      models.Reason           `json:"reason,omitempty"`
	Words       string                  `json:"words"`
	InviterID   int64                   `json:"inviter_id,omitempty"`
	RevokedFrom models.Date             `json:"revoked_from,omitzero"` // first day on which the referral has no effect
	Provenance  *ExplainedProvenance    `json:"provenance,omitempty"`
}

// ExplainedDecision is what staff decided about a referral.
type ExplainedDecision struct {
	ID         models.UUID              `json:"decision_id"`
	Kind       models.StaffDecisionKind `json:"kind"`
	AccountID  int64                    `json:"account_id"`
	InviterID  int64                    `json:"inviter_id"`
	Undone     bool                     `json:"undone"`
	Words      string                   `json:"words"`
	DecidedAt  time.Time                `json:"decided_at"`
	By         string                   `json:"by"`
	ApprovedBy string                   `json:"approved_by"`
	Reason     string                   `json:"reason"`
}

// ExplainedPackage is a package that was earned, or went out, or both.
type ExplainedPackage struct {
	SMS           int           `json:"sms"`
	Ordinal       int           `json:"ordinal"`
	EarnedOn      models.Date   `json:"earned_on,omitzero"` // zero: the facts as they are now do not give it
	Step          int           `json:"step"`
	PackageID     models.UUID   `json:"package_id"`
	GoneOut       bool          `json:"gone_out"`
	Period        models.Period `json:"period,omitzero"`
	PostingPeriod models.Period `json:"posting_period,omitzero"`
	InvoiceID     string        `json:"invoice_id,omitempty"`
	Published     bool          `json:"published"`
	Answer        *Answered     `json:"answer"`
	State         DocumentState `json:"state,omitempty"` // of one that went out
	Decisions     []Decision    `json:"decisions,omitempty"`
	Words         string        `json:"words"`
}

// Decision is what a person decided about a document that billing rejected.
type Decision struct {
	What      string    `json:"what"` // "resent" or "written off"
	By        string    `json:"by"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason,omitempty"`
	Published bool      `json:"published,omitempty"` // of a resend
}

// Answered is billing's answer that counts.
type Answered struct {
	Status models.ResultStatus `json:"status"`
	Amount models.Money        `json:"amount_minor"`
	Reason string              `json:"reason,omitempty"`
	At     time.Time           `json:"at"`

	Provenance *ExplainedProvenance `json:"provenance,omitempty"`
}

// InvoiceSums is an invoice with what is owed on it and what the ledger holds,
// signed as added to the invoice.
type InvoiceSums struct {
	InvoiceID  string        `json:"invoice_id"`
	Period     models.Period `json:"period"`
	Revision   int           `json:"revision"`
	Currency   string        `json:"currency"`
	Lines      int           `json:"lines"`
	Charged    models.Money  `json:"charged_minor"` // before any discount
	Wanted     models.Money  `json:"wanted_minor"`
	Posted     models.Money  `json:"posted_minor"`
	Rejected   models.Money  `json:"rejected_minor"`    // of what is posted: billing's answer is no
	Resent     models.Money  `json:"resent_minor"`      // sent again after that, and not answered yet
	WrittenOff models.Money  `json:"written_off_minor"` // settled by hand
	Difference models.Money  `json:"difference_minor"`  // still to be posted
	Held       int           `json:"held_lines"`
	Parked     string        `json:"parked,omitempty"` // why it cannot be settled

	Provenance *ExplainedProvenance `json:"provenance,omitempty"` // of the revision
}

// Booked is what is posted without what billing has not taken.
func (s *InvoiceSums) Booked() models.Money {
	return s.Posted.Add(-s.Rejected).Add(-s.Resent).Add(-s.WrittenOff)
}

// Explain says why an account stands where it stands.
func (p *Programme) Explain(c *models.AccountHistory) Explanation {
	a, own := &c.Account, c.Accepted()
	entitlements := p.EntitlementsOf(c)
	e := Explanation{
		AccountID: a.ID, RegisteredAt: p.inZone(a.RegisteredAt), PromoEndedAt: p.inZone(a.PromoEndedAt), TerminatedAt: p.inZone(a.TerminatedAt),
		Provenance: ExplainedValues{
			p.explainProvenance(a.Provenance.Registered), p.explainProvenance(a.Provenance.PromoEnded),
			p.explainProvenance(a.Provenance.Terminated), p.explainProvenance(a.Provenance.Profile),
		},
		Activations: []ExplainedActivation{}, Promised: AwaitsPromoEnd(a, own), Decisions: p.explainDecisions(c), Discounts: append([]models.Discount{}, entitlements.Discounts...),
		Packages: p.explainPackages(c, entitlements), Invoices: []InvoiceSums{},
	}
	climbs := p.Climbs(c.Referrals)
	e.Ladder = climbs[len(climbs)-1].Steps
	if len(climbs) > 1 {
		e.Climbs = climbs
	}
	for _, act := range c.Activations {
		e.Activations = append(e.Activations, p.explainActivation(a, act))
	}
	for _, parked := range c.Parked {
		if parked.InvoiceID == "" {
			e.Parked = append(e.Parked, ExplainedParking{parked.Period, parked.Error})
		}
	}
	timeline := Timeline(entitlements.Discounts)
	for i := range c.Invoices {
		e.Invoices = append(e.Invoices, p.explainSums(timeline, c, &c.Invoices[i]))
	}
	slices.SortStableFunc(e.Invoices, func(a, b InvoiceSums) int { return cmp.Compare(a.Period, b.Period) })
	return e
}

// inZone leaves a time that is not known alone.
func (p *Programme) inZone(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(p.Zone)
}

// explainProvenance is nil when it is not known.
func (p *Programme) explainProvenance(from models.Provenance) *ExplainedProvenance {
	if from == (models.Provenance{}) {
		return nil
	}
	e := &ExplainedProvenance{At: p.inZone(from.At)}
	switch file := from.File(); {
	case from.Topic == "":
		e.Request = &from.Request
	case file != "":
		e.Row = &ExplainedRow{file, from.Offset}
	default:
		e.Message = &ExplainedMessage{from.Topic, from.Partition, from.Offset}
	}
	return e
}

func (p *Programme) explainActivation(a *models.Account, act *models.Activation) ExplainedActivation {
	e := ExplainedActivation{
		RequestedAt: p.inZone(act.RequestedAt), Code: act.Code, Status: act.Status, Reason: act.Reason, InviterID: act.InviterID, RevokedFrom: act.RevokedFrom,
		Provenance: p.explainProvenance(act.Provenance),
	}
	if a.Registered() {
		e.CountsFrom = p.Local(ActivatedAt(act.RequestedAt, a))
	}
	e.Words = p.decisionInWords(a, act, e.CountsFrom)
	return e
}

func (p *Programme) decisionInWords(a *models.Account, act *models.Activation, on models.Date) string {
	if act.Status == models.ActivationAccepted {
		return acceptedInWords(act)
	}
	switch act.Reason {
	case models.Withdrawn:
		return "refused: the account has not asked, and the decision to accept the code was undone"
	case models.NotRegistered:
		return "waits: the registration of the account has not arrived"
	case models.UnknownCode:
		return "refused: nobody owned that code"
	case models.OwnCode:
		return "refused: it is the account's own code"
	case models.OwnCompany:
		return "refused: inviter and account have one tax id"
	case models.AlreadyActivated:
		return "refused: the account had activated a code before"
	case models.WindowClosed:
		return fmt.Sprintf("refused: entered too late; the last day, by the facts as they are now, is %s", p.LastActivationDay(a, p.TermsOn(on)))
	}
	return fmt.Sprintf("%s: %s", act.Status, act.Reason)
}

func acceptedInWords(act *models.Activation) string {
	words := fmt.Sprintf("accepted: invited by account %d", act.InviterID)
	switch act.Reason {
	case "":
	case models.Withdrawn:
		words += "; by a decision of staff, the account has not asked"
	default:
		words += fmt.Sprintf("; by a decision of staff, the rules refuse it (%s)", act.Reason)
	}
	if act.RevokedFrom != 0 {
		words += "; the referral is revoked " + SinceWords(act.RevokedFrom)
	}
	return words
}

func (p *Programme) explainDecisions(c *models.AccountHistory) []ExplainedDecision {
	var list []ExplainedDecision
	inForce := models.DecisionsInForce(c.Decisions)
	for _, d := range c.Decisions {
		isInForce := slices.ContainsFunc(inForce, func(o models.StaffDecision) bool { return o.ID == d.ID })
		list = append(list, ExplainedDecision{
			ID: d.ID, Kind: d.Kind, AccountID: d.AccountID, InviterID: d.InviterID, Undone: d.Kind != models.DecisionUndo && !isInForce,
			Words: p.wordsOf(&d), DecidedAt: p.inZone(d.DecidedAt), By: d.By, ApprovedBy: d.ApprovedBy, Reason: d.Reason,
		})
	}
	return list
}

func (p *Programme) wordsOf(d *models.StaffDecision) string {
	switch d.Kind {
	case models.DecisionAcceptCode:
		return fmt.Sprintf("the code %s of account %d is accepted for account %d, as asked on %s", d.Code, d.InviterID, d.AccountID, p.Local(d.RequestedAt))
	case models.DecisionUndo:
		return fmt.Sprintf("decision %s is undone", d.Undoes)
	}
	return fmt.Sprintf("the referral of account %d by account %d is revoked %s", d.AccountID, d.InviterID, SinceWords(d.From))
}

// explainPackages pairs the packages earned with those that went out, by size
// and number.
func (p *Programme) explainPackages(c *models.AccountHistory, entitlements models.Entitlements) []ExplainedPackage {
	list := []ExplainedPackage{}
	counts := countPackages(c, entitlements)
	for _, g := range entitlements.Grants {
		e := ExplainedPackage{SMS: g.SMS, Ordinal: g.Ordinal, EarnedOn: g.GrantedOn, Step: g.Step, PackageID: PackageID(g.AccountID, g.SMS, g.Ordinal)}
		switch {
		case slices.Contains(counts.posted[g.SMS], g.Ordinal):
			e.Words = "earned, and went out"
		case counts.takeOwed(g):
			e.Words = owedInWords(c, g.GrantedOn.Period())
		default:
			e.Words = "earned; another package of this size that went out counts for it"
		}
		list = append(list, e)
	}
	for i := range c.Packages {
		list = p.pairPackage(list, &c.Packages[i])
	}
	return list
}

func owedInWords(c *models.AccountHistory, month models.Period) string {
	if slices.Contains(c.Unnamed, month) {
		return fmt.Sprintf("earned, waits for the run of %s: no invoice has named that month yet; the schedule runs it once one does, `referral run %[1]s` at any time", month)
	}
	return fmt.Sprintf("earned, goes out with the run of %s", month)
}

func (p *Programme) pairPackage(list []ExplainedPackage, gone *models.AuditPackage) []ExplainedPackage {
	i := slices.IndexFunc(list, func(e ExplainedPackage) bool { return e.SMS == gone.SMS && e.Ordinal == gone.Ordinal })
	if i < 0 {
		i, list = len(list), append(list, ExplainedPackage{SMS: gone.SMS, Ordinal: gone.Ordinal, Step: gone.Step,
			Words: "went out; the facts as they are now do not give it, and it is not taken back"})
	}
	e := &list[i]
	if gone.Imported {
		e.PackageID, e.GoneOut, e.Period, e.State = models.UUID{}, true, gone.Period, DocumentGivenBefore
		e.Words = "an older system gave it on " + gone.GrantedOn.String()
		return list
	}
	e.PackageID, e.GoneOut, e.Period, e.PostingPeriod = gone.ID, true, gone.Period, gone.PostingPeriod
	e.InvoiceID, e.Published, e.Answer = gone.InvoiceID, gone.Published, p.answerOf(gone.Answers)
	t := trackOf(&gone.DocumentHistory)
	e.State, e.Decisions = t.state(), p.decisions(&t)
	return list
}

func (p *Programme) answerOf(answers []models.Result) *Answered {
	a, ok := models.Answer(answers)
	if !ok {
		return nil
	}
	return &Answered{a.Status, a.Amount, a.Reason, p.inZone(a.At), p.explainProvenance(a.Provenance)}
}

// decisions is what persons decided about a document, in order.
func (p *Programme) decisions(t *track) []Decision {
	var list []Decision
	for _, r := range t.resends {
		list = append(list, Decision{"resent", r.By, p.inZone(r.At), r.Reason, r.Published})
	}
	if w := t.writeOff; w != nil {
		list = append(list, Decision{What: "written off", By: w.By, At: p.inZone(w.At), Reason: w.Reason})
	}
	return list
}

// explainSums sums an invoice up, and says what a run has said of it.
func (p *Programme) explainSums(timeline []models.Segment, c *models.AccountHistory, inv *models.AuditInvoice) InvoiceSums {
	s := p.invoiceSums(timeline, inv)
	for _, parked := range c.Parked {
		if s.Parked == "" && parked.InvoiceID == s.InvoiceID {
			s.Parked = parked.Error
		}
	}
	return s
}

// invoiceSums sums an invoice up. One that cannot be settled says why, and has no
// sums when they are the reason.
func (p *Programme) invoiceSums(timeline []models.Segment, inv *models.AuditInvoice) (s InvoiceSums) {
	s = InvoiceSums{
		InvoiceID: inv.Invoice.ID, Period: inv.Invoice.Period, Revision: inv.Invoice.Revision, Currency: inv.Invoice.Currency,
		Lines: len(inv.Invoice.Lines), Provenance: p.explainProvenance(inv.Provenance),
	}
	sums := s
	if cause := failure(func() { p.sumUp(&sums, timeline, inv) }); cause != nil {
		s.Parked = fmt.Sprint(cause)
		return s
	}
	return sums
}

func (p *Programme) sumUp(s *InvoiceSums, timeline []models.Segment, inv *models.AuditInvoice) {
	desired := p.Desire(timeline, &inv.Invoice)
	s.Held = len(desired.Held)
	for i := range inv.Invoice.Lines {
		s.Charged = s.Charged.Add(inv.Invoice.Lines[i].Amount)
	}
	for _, l := range compareLines(desired.Items, inv.Documents) {
		s.Wanted, s.Posted = s.Wanted.Add(l.desired), s.Posted.Add(l.posted)
	}
	s.Difference = s.Wanted.Add(-s.Posted)
	for i := range inv.Documents {
		s.addUnbooked(&inv.Documents[i])
	}
	if err := checkAmount(s.Difference); err != nil {
		s.Parked = err.Error()
	}
}

// addUnbooked puts a document that billing has not taken where it belongs.
func (s *InvoiceSums) addUnbooked(d *models.AuditDocument) {
	t, amount := trackOf(&d.DocumentHistory), d.ItemSum()
	switch t.state() {
	case DocumentRejected:
		s.Rejected = s.Rejected.Add(amount)
	case DocumentResent:
		s.Resent = s.Resent.Add(amount)
	case DocumentWrittenOff:
		s.WrittenOff = s.WrittenOff.Add(amount)
	}
}
