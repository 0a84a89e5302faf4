package billing

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"referral/models"
)

// acceptedByStaff is the decision in force that accepts a code of an account; nil when
// there is none. CheckDecision allows one; of several, the first counts.
func acceptedByStaff(decisions []models.StaffDecision) *models.StaffDecision {
	for _, d := range models.DecisionsInForce(decisions) {
		if d.Kind == models.DecisionAcceptCode {
			return &d
		}
	}
	return nil
}

// revokedFrom is the first day on which an account's referral by an inviter has no
// effect: the earliest that a decision in force names; 0 when none does.
func revokedFrom(decisions []models.StaffDecision, inviter int64) models.Date {
	var from models.Date
	for _, d := range models.DecisionsInForce(decisions) {
		if d.Kind == models.DecisionRevoke && d.InviterID == inviter && (from == 0 || d.From < from) {
			from = d.From
		}
	}
	return from
}

// decide applies a decision of staff: the account's requests and its referral are
// brought to what the rules and all decisions in force make of them.
func (fa *FactApplier) decide(f *models.Fact, d models.StaffDecision) (isNew bool) {
	known := fa.set.Decisions[d.AccountID]
	if slices.ContainsFunc(known, func(o models.StaffDecision) bool { return o.ID == d.ID }) {
		return false
	}
	fa.set.Decisions[d.AccountID] = append(known, d)
	a := fa.account(d.AccountID)
	was := models.Accepted(fa.set.Activations[a.ID])
	promised := AwaitsPromoEnd(a, was)
	now := fa.choose(a)
	if was != nil && was != now {
		fa.takeBack(f, was)
	}
	if now != nil && was != now {
		fa.save(now)
		fa.accept(f, a, fa.inviterOf(now), now)
	} else if now != nil {
		fa.follow(f, a, now, promised)
	}
	if promised && !AwaitsPromoEnd(a, now) {
		fa.settled[a.ID] = true
	}
	return true
}

// choose is the request of an account that is accepted: that of the decision in force or,
// without one, the first to come that the rules accept. nil when there is none. What the
// rules refused stays refused, but for those that only another one stood against.
func (fa *FactApplier) choose(a *models.Account) *models.Activation {
	granted := acceptedByStaff(fa.set.Decisions[a.ID])
	if granted != nil {
		act := requestOf(fa.set.Activations[a.ID], granted.Key())
		if act == nil {
			act = fa.addRequest(models.Activation{
				AccountID: a.ID, Code: granted.Code, RequestedAt: granted.RequestedAt, Status: models.ActivationPending, Reason: models.Withdrawn,
			})
		}
		if a.Registered() {
			return act
		}
		return nil
	}
	for _, act := range fa.set.Activations[a.ID] {
		if act.Reason == models.AlreadyActivated && (fa.wasTold(act) || fa.checkEligibility(a, act, false) == "") {
			act.Reason = ""
		}
		if act.Reason == "" {
			return act
		}
	}
	return nil
}

// inviterOf is the account whose code a request enters, as it was decided or is now.
func (fa *FactApplier) inviterOf(act *models.Activation) *models.Account {
	if d := acceptedByStaff(fa.set.Decisions[act.AccountID]); d != nil {
		return fa.set.Accounts[d.InviterID]
	}
	return fa.ownerOf(act.Code)
}

// takeBack refuses a request that was accepted.
func (fa *FactApplier) takeBack(f *models.Fact, act *models.Activation) {
	inviter := act.InviterID
	fa.set.Referrals[inviter] = slices.DeleteFunc(fa.set.Referrals[inviter], func(r models.Referral) bool { return r.InviteeID == act.AccountID })
	fa.changeReferral(f, inviter, act.AccountID)
	act.InviterID, act.RevokedFrom = 0, 0
	act.Reason = cmp.Or(act.Reason, models.AlreadyActivated)
	fa.save(act)
	fa.refuse(f, act)
}

// follow has the referral of an accepted request be revoked as the decisions say.
func (fa *FactApplier) follow(f *models.Fact, a *models.Account, act *models.Activation, promised bool) {
	from := revokedFrom(fa.set.Decisions[a.ID], act.InviterID)
	if from == act.RevokedFrom {
		return
	}
	act.RevokedFrom = from
	fa.save(act)
	if r := fa.referral(act); r != nil {
		r.RevokedFrom = from
	}
	fa.changeReferral(f, act.InviterID, a.ID)
	if !promised && AwaitsPromoEnd(a, act) {
		fa.announcePromise(f, a.ID, ActivatedAt(act.RequestedAt, a))
	}
}

// CheckDecision says whether a decision is possible, going by a working set that holds
// its account and the owner of the code, and completes it with the inviter. The error is a Refusal.
func (p *Programme) CheckDecision(set *models.WorkingSet, d models.StaffDecision) (models.StaffDecision, error) {
	a := set.Accounts[d.AccountID]
	if a == nil || !a.Registered() {
		return d, refuse(ObstacleUnregistered, "account %d is not registered", d.AccountID)
	}
	var err error
	switch d.Kind {
	case models.DecisionRevoke:
		err = p.checkRevocation(set, a, &d)
	case models.DecisionAcceptCode:
		err = p.checkAcceptance(set, a, &d)
	case models.DecisionUndo:
		err = checkUndo(set, &d)
	default:
		err = refuse(ObstacleUnknown, "%q is not a decision on a referral", d.Kind)
	}
	return d, err
}

// DecisionRefusal says why a decision on a referral is not possible.
type DecisionRefusal struct {
	Refusal
	Why DecisionObstacle
}

// Unwrap is the text.
func (e *DecisionRefusal) Unwrap() error { return e.Refusal }

// DecisionObstacle is a reason of a [DecisionRefusal].
type DecisionObstacle string

// What stands against a decision.
const (
	ObstacleUnregistered DecisionObstacle = "unregistered"
	ObstacleNoReferral   DecisionObstacle = "no-referral"
	ObstacleRevoked      DecisionObstacle = "revoked"
	ObstacleEarlier      DecisionObstacle = "earlier" // than the referral begins
	ObstacleAccepted     DecisionObstacle = "accepted"
	ObstacleUnknownCode  DecisionObstacle = "unknown-code"
	ObstacleOwnCode      DecisionObstacle = "own-code"
	ObstacleTime         DecisionObstacle = "time"
	ObstacleNotEntered   DecisionObstacle = "not-entered"
	ObstacleUndone       DecisionObstacle = "undone"
	ObstacleUndo         DecisionObstacle = "undo" // the decision undoes another one
	ObstacleUnknown      DecisionObstacle = "unknown"
	ObstacleNamed        DecisionObstacle = "named"   // the terms name the service
	ObstacleDecided      DecisionObstacle = "decided" // the service is decided already
)

func refuse(why DecisionObstacle, format string, args ...any) error {
	return &DecisionRefusal{Refusal(fmt.Sprintf(format, args...)), why}
}

func (p *Programme) checkRevocation(set *models.WorkingSet, a *models.Account, d *models.StaffDecision) error {
	act := models.Accepted(set.Activations[a.ID])
	if act == nil {
		return refuse(ObstacleNoReferral, "account %d has no accepted code: there is no referral to revoke", a.ID)
	}
	d.InviterID = act.InviterID
	on := p.Local(ActivatedAt(act.RequestedAt, a))
	switch {
	case act.RevokedFrom != 0 && act.RevokedFrom <= d.From:
		return refuse(ObstacleRevoked, "the referral of account %d is revoked already, %s", a.ID, SinceWords(act.RevokedFrom))
	case d.From != models.FromTheStart && d.From < on:
		return refuse(ObstacleEarlier, "the referral of account %d begins on %s: revoke it from a day after that, or from the start", a.ID, on)
	}
	return nil
}

// SinceWords is the first day of a revocation in words.
func SinceWords(from models.Date) string {
	if from == models.FromTheStart {
		return "from the start"
	}
	return "from " + from.String()
}

func (p *Programme) checkAcceptance(set *models.WorkingSet, a *models.Account, d *models.StaffDecision) error {
	owner, known := set.Codes[models.NormalCode(d.Code)]
	d.InviterID = owner
	switch accepted := models.Accepted(set.Activations[a.ID]); {
	case accepted != nil:
		return refuse(ObstacleAccepted, "account %d has an accepted code already, that of account %d", a.ID, accepted.InviterID)
	case !known:
		return refuse(ObstacleUnknownCode, "nobody owns the code %s", strconv.Quote(d.Code))
	case owner == a.ID:
		return refuse(ObstacleOwnCode, "%s is the own code of account %d", d.Code, a.ID)
	case !models.YearTaken(d.RequestedAt.UTC().Year()):
		return refuse(ObstacleTime, "the time of the request is beyond the years %d to %d", models.FirstYear, models.LastYear)
	}
	return nil
}

// RequestToAccept is the request that staff means: that of the client for the code, which
// on may narrow down to a day or a time, or else a new one that begins with that day or
// at that time. The error is a Refusal when the client has not entered the code and no
// day is given; any other says what is wrong with on.
func (p *Programme) RequestToAccept(requests []*models.Activation, code, on string) (entered string, at time.Time, err error) {
	day, isDay := models.Date(0), false
	if on != "" {
		if at, err = time.Parse(time.RFC3339, on); err != nil {
			if day, err = models.ParseDate(on); err != nil {
				return "", at, fmt.Errorf("%q is neither a day like 2026-04-20 nor a time like 2026-04-20T12:00:00+03:00", on)
			}
			at, isDay = p.Begins(day), true
		}
	}
	code = models.NormalCode(code)
	for _, act := range slices.Backward(requests) {
		if models.NormalCode(act.Code) == code && (on == "" || act.RequestedAt.Equal(at) || isDay && p.Local(act.RequestedAt) == day) {
			return act.Code, act.RequestedAt, nil
		}
	}
	if on == "" {
		return "", at, refuse(ObstacleNotEntered, "the account has not entered the code %s: say from which day it counts", strconv.Quote(code))
	}
	return code, at, nil
}

func checkUndo(set *models.WorkingSet, d *models.StaffDecision) error {
	for _, other := range set.Decisions[d.AccountID] {
		switch {
		case other.ID == d.Undoes && other.Kind == models.DecisionUndo:
			return refuse(ObstacleUndo, "decision %s undoes another one: decide again instead", d.Undoes)
		case other.Kind == models.DecisionUndo && other.Undoes == d.Undoes:
			return refuse(ObstacleUndone, "decision %s was undone on %s", d.Undoes, stamp(other.DecidedAt))
		case other.ID == d.Undoes:
			d.InviterID = other.InviterID
		}
	}
	if d.InviterID == 0 {
		return refuse(ObstacleUnknown, "account %d has no decision %s", d.AccountID, d.Undoes)
	}
	return nil
}

// contradiction is where what is kept of an account contradicts the decisions of staff;
// empty when nothing does.
func contradiction(c *models.AccountHistory) string {
	of := map[int64][]models.StaffDecision{} // by invitee
	for _, d := range c.Decisions {
		of[d.AccountID] = append(of[d.AccountID], d)
	}
	id, own := c.Account.ID, c.Accepted()
	granted := acceptedByStaff(of[id])
	switch {
	case granted != nil && c.Account.Registered() && (own == nil || own.Key() != granted.Key() || own.InviterID != granted.InviterID):
		return fmt.Sprintf("decision %s accepts a code for this account, which is not what is kept", granted.ID)
	case own != nil && own.Reason != "" && granted == nil:
		return fmt.Sprintf("the request of %s is kept as accepted, and neither the rules nor a decision accept it", stamp(own.RequestedAt))
	case own != nil && own.RevokedFrom != revokedFrom(of[id], own.InviterID):
		return "the referral of this account is not kept as revoked from the day that the decisions say"
	}
	for _, r := range c.Referrals {
		if r.RevokedFrom != revokedFrom(of[r.InviteeID], id) {
			return fmt.Sprintf("the referral of account %d is not kept as revoked from the day that the decisions say", r.InviteeID)
		}
	}
	for invitee, decisions := range of {
		if granted := acceptedByStaff(decisions); granted != nil && granted.InviterID == id &&
			!slices.ContainsFunc(c.Referrals, func(r models.Referral) bool { return r.InviteeID == invitee }) {
			return fmt.Sprintf("decision %s accepts the code of this account for account %d, which is not kept as its referral", granted.ID, invitee)
		}
	}
	return ""
}

// DecisionPreview is what a decision of staff changes, by what is known now.
type DecisionPreview struct {
	Decision models.StaffDecision `json:"-"`
	Accounts []AccountPreview     `json:"accounts"` // those that it changes, by id
}

// AccountPreview is what a decision changes for one account.
type AccountPreview struct {
	AccountID int64                  `json:"account_id"`
	Changes   []models.PreviewChange `json:"changes"`   // of discounts by invoice, and packages that went out and would not be earned any more
	Totals    []models.PreviewTotal  `json:"totals"`    // of the invoices, by currency
	Discounts []models.Discount      `json:"discounts"` // as they would be
	Ladder    []LadderStep           `json:"ladder"`    // as it would be
}

// PreviewDecision says what a decision would change. histories are those of its account,
// of its inviter and of the owners of all codes that the account has entered; codes are
// their codes. The error is a Refusal when the decision is not possible.
func (p *Programme) PreviewDecision(histories []models.AccountHistory, codes map[string]int64, d models.StaffDecision) (DecisionPreview, error) {
	set := models.NewWorkingSet()
	set.Codes = codes
	for i := range histories {
		p.lend(set, &histories[i])
	}
	d, err := p.CheckDecision(set, d)
	if err != nil {
		return DecisionPreview{}, err
	}
	changes := p.Derive(nil)(set, []*models.Fact{{At: d.DecidedAt, Data: d}})
	preview := DecisionPreview{Decision: d}
	for i := range histories {
		c := &histories[i]
		after, changed := changes.Entitlements[c.Account.ID]
		if !changed {
			continue
		}
		a := AccountPreview{AccountID: c.Account.ID, Changes: []models.PreviewChange{}, Totals: []models.PreviewTotal{}, Discounts: after.Discounts}
		climbs := p.Climbs(set.Referrals[c.Account.ID])
		a.Ladder = climbs[len(climbs)-1].Steps
		p.previewInvoices(&a, c, changes.Replaced[c.Account.ID], after)
		previewPackages(&a, c, changes.Replaced[c.Account.ID], after)
		preview.Accounts = append(preview.Accounts, a)
	}
	slices.SortFunc(preview.Accounts, func(a, b AccountPreview) int { return cmp.Compare(a.AccountID, b.AccountID) })
	return preview, nil
}

// lend copies what is known of an account into a working set.
func (p *Programme) lend(set *models.WorkingSet, c *models.AccountHistory) {
	id, account := c.Account.ID, c.Account
	set.Accounts[id] = &account
	for _, act := range c.Activations {
		request := *act
		set.Activations[id] = append(set.Activations[id], &request)
	}
	set.Referrals[id] = slices.Clone(c.Referrals)
	for _, d := range c.Decisions {
		if d.AccountID == id {
			set.Decisions[id] = append(set.Decisions[id], d)
		}
	}
	set.Entitlements[id] = p.EntitlementsOf(c)
}

func (p *Programme) previewInvoices(a *AccountPreview, c *models.AccountHistory, before, after models.Entitlements) {
	was, now := Timeline(before.Discounts), Timeline(after.Discounts)
	for i := range c.Invoices {
		inv := &c.Invoices[i].Invoice
		change := p.desiredOn(now, inv).Add(-p.desiredOn(was, inv))
		if change == 0 {
			continue
		}
		a.Changes = append(a.Changes, models.PreviewChange{AccountID: c.Account.ID, InvoiceID: inv.ID, Period: inv.Period, Currency: inv.Currency, Amount: change})
		at := slices.IndexFunc(a.Totals, func(t models.PreviewTotal) bool { return t.Currency == inv.Currency })
		if at < 0 {
			at, a.Totals = len(a.Totals), append(a.Totals, models.PreviewTotal{Currency: inv.Currency, Accounts: 1})
		}
		a.Totals[at].Amount = a.Totals[at].Amount.Add(change)
	}
	slices.SortStableFunc(a.Changes, func(a, b models.PreviewChange) int { return cmp.Compare(a.Period, b.Period) })
}

// desiredOn is the whole discount on an invoice; 0 on one that cannot be settled, which
// is parked whatever is decided.
func (p *Programme) desiredOn(timeline []models.Segment, inv *models.Invoice) (sum models.Money) {
	cause := failure(func() {
		for _, item := range p.Desire(timeline, inv).Items {
			sum = sum.Add(item.Amount)
		}
	})
	if cause != nil {
		return 0
	}
	return sum
}

// previewPackages names the packages that went out and would not be earned any more: of
// each size as many as there are too many, the last ones.
func previewPackages(a *AccountPreview, c *models.AccountHistory, before, after models.Entitlements) {
	was, now := countPackages(c, before), countPackages(c, after)
	for _, sms := range sortedKeys(now.posted) {
		posted := slices.Sorted(slices.Values(now.posted[sms]))
		surplus := max(0, len(posted)-now.earned[sms]) - max(0, len(posted)-was.earned[sms])
		for _, ordinal := range posted[len(posted)-max(0, surplus):] {
			i := slices.IndexFunc(c.Packages, func(p models.AuditPackage) bool { return p.SMS == sms && p.Ordinal == ordinal })
			a.Changes = append(a.Changes, models.PreviewChange{AccountID: a.AccountID, InvoiceID: c.Packages[i].InvoiceID, Period: c.Packages[i].Period, SMS: sms})
		}
	}
}

// Preview is what a proposal of the decision keeps.
func (d *DecisionPreview) Preview() models.Preview {
	var all models.Preview
	for i := range d.Accounts {
		all.Changes = append(all.Changes, d.Accounts[i].Changes...)
		for _, t := range d.Accounts[i].Totals {
			at := slices.IndexFunc(all.Totals, func(o models.PreviewTotal) bool { return o.Currency == t.Currency })
			if at < 0 {
				all.Totals = append(all.Totals, t)
				continue
			}
			all.Totals[at].Accounts++
			all.Totals[at].Amount = all.Totals[at].Amount.Add(t.Amount)
		}
	}
	if n := len(all.Changes); n > models.MaxPreview {
		all.Changes, all.More = all.Changes[:models.MaxPreview], int64(n-models.MaxPreview)
	}
	return all
}
