package billing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"referral/models"
)

// FactApplier takes facts into a working set, and knows what they changed. It is the
// one place where facts become decisions and entitlements: the consumer, the
// personal account and the tests all go through it.
type FactApplier struct {
	programme *Programme
	set       *models.WorkingSet
	newCode   func() string

	changed       map[int64]bool
	stale         map[int64]*models.Fact // whose entitlements is to be derived again, and why
	settled       map[int64]bool         // whose promised discount has got its days, or will get none
	activations   []*models.Activation
	referrals     []models.Referral
	announcements []models.OutboxEvent
	codesIssued   []*models.Account
	taken         int   // facts so far
	repeated      []int // those that changed nothing
}

// NewFactApplier opens a book on a working set. newCode returns a fresh random
// invitation code; whether it is unique is for the storage to say.
func NewFactApplier(p *Programme, set *models.WorkingSet, newCode func() string) *FactApplier {
	return &FactApplier{
		programme: p, set: set, newCode: newCode, changed: map[int64]bool{}, stale: map[int64]*models.Fact{}, settled: map[int64]bool{},
	}
}

// Apply enters one fact. Invoices and answers of billing do not concern the book
// and are passed over.
func (b *FactApplier) Apply(f *models.Fact) {
	isNew := true
	switch data := f.Data.(type) {
	case models.Registered:
		isNew = b.register(f, data)
	case models.PromoEnded:
		a := b.account(data.AccountID)
		isNew = b.keepEarliest(f, a, &a.PromoEndedAt, data.EndedAt, &a.Provenance.PromoEnded)
	case models.Terminated:
		a := b.account(data.AccountID)
		isNew = b.keepEarliest(f, a, &a.TerminatedAt, data.TerminatedAt, &a.Provenance.Terminated)
	case models.ActivationRequested:
		isNew = b.request(f, data)
	}
	if !isNew {
		b.repeated = append(b.repeated, b.taken)
	}
	b.taken++
}

// keepEarliest keeps the earliest of the times heard of one kind, and where it was
// heard.
func (b *FactApplier) keepEarliest(f *models.Fact, a *models.Account, known *time.Time, heard time.Time, from *models.Provenance) (isNew bool) {
	kept := earliest(*known, heard)
	if kept.Equal(*known) {
		return false
	}
	own := accepted(b.set.Activations[a.ID])
	promised := AwaitsPromoEnd(a, own)
	*known, *from = kept, f.Provenance
	if promised && !AwaitsPromoEnd(a, own) {
		b.settled[a.ID] = true
	}
	b.changed[a.ID] = true
	b.restand(f, a.ID)
	return true
}

func (b *FactApplier) account(id int64) *models.Account {
	a := b.set.Accounts[id]
	if a == nil {
		a = &models.Account{ID: id}
		b.set.Accounts[id] = a
		b.changed[id] = true
	}
	return a
}

func (b *FactApplier) register(f *models.Fact, data models.Registered) (isNew bool) {
	a := b.account(data.AccountID)
	first := !a.Registered()
	isNew = b.keepEarliest(f, a, &a.RegisteredAt, data.RegisteredAt, &a.Provenance.Registered)
	if first || data.Profile.NewerThan(a.Profile) {
		a.Profile, a.Provenance.Profile = data.Profile, f.Provenance
		b.changed[a.ID] = true
		isNew = true
	}
	if a.Code == "" {
		b.issueCode(f, a)
	}
	if first {
		b.judgePending(f, a)
	}
	b.redate(f, a)
	return isNew
}

func (b *FactApplier) issueCode(f *models.Fact, a *models.Account) {
	a.Code = b.newCode()
	b.set.Codes[a.Code] = a.ID
	b.codesIssued = append(b.codesIssued, a)
	b.announce(f, models.CodeIssued, a.ID, map[string]any{"account_id": a.ID, "code": a.Code})
}

func (b *FactApplier) request(f *models.Fact, data models.ActivationRequested) (isNew bool) {
	key := data.Key()
	if slices.ContainsFunc(b.set.Activations[data.AccountID], func(known *models.Activation) bool { return known.Key() == key }) {
		return false
	}
	act := &models.Activation{
		AccountID: data.AccountID, Code: data.Code, RequestedAt: data.RequestedAt,
		Status: models.ActivationPending, Reason: models.NotRegistered, Provenance: f.Provenance,
	}
	b.set.Activations[act.AccountID] = append(b.set.Activations[act.AccountID], act)
	b.activations = append(b.activations, act)
	b.judge(f, b.account(data.AccountID), act)
	return true
}

func (b *FactApplier) judgePending(f *models.Fact, a *models.Account) {
	for _, act := range b.set.Activations[a.ID] {
		if act.Status != models.ActivationPending {
			continue
		}
		if !slices.Contains(b.activations, act) {
			b.activations = append(b.activations, act)
		}
		b.judge(f, a, act)
	}
}

func (b *FactApplier) judge(f *models.Fact, invitee *models.Account, act *models.Activation) {
	inviter := b.set.Accounts[b.set.Codes[models.NormalCode(act.Code)]]
	act.Reason = b.programme.CheckEligibility(EligibilityRequest{
		Invitee: invitee, Inviter: inviter, RequestedAt: act.RequestedAt,
		Activated: accepted(b.set.Activations[invitee.ID]) != nil,
	})
	switch act.Reason {
	case models.NotRegistered:
	case "":
		b.accept(f, invitee, inviter, act)
	default:
		act.Status = models.ActivationRefused
		b.announce(f, models.Refused, invitee.ID, map[string]any{
			"account_id": invitee.ID, "code": act.Code, "reason": act.Reason,
		}, fmt.Sprint(act.Key()))
	}
}

func (b *FactApplier) accept(f *models.Fact, invitee, inviter *models.Account, act *models.Activation) {
	act.Status, act.InviterID = models.ActivationAccepted, inviter.ID
	r := models.Referral{
		InviterID: inviter.ID, InviteeID: invitee.ID, ActivatedAt: ActivatedAt(act.RequestedAt, invitee),
	}
	b.set.Referrals[inviter.ID] = append(b.set.Referrals[inviter.ID], r)
	b.referrals = append(b.referrals, r)
	b.restand(f, invitee.ID, inviter.ID)
	b.announce(f, models.Activated, invitee.ID, map[string]any{
		"account_id": invitee.ID, "inviter_id": inviter.ID, "code": inviter.Code,
		"activated_on": b.programme.Local(r.ActivatedAt),
	})
	if AwaitsPromoEnd(invitee, act) {
		b.announcePromise(f, invitee.ID, r.ActivatedAt)
	}
}

// redate follows a registration that turns out to be earlier than was known:
// an activation dated before it counts from it.
func (b *FactApplier) redate(f *models.Fact, invitee *models.Account) {
	act := accepted(b.set.Activations[invitee.ID])
	if act == nil {
		return
	}
	at := ActivatedAt(act.RequestedAt, invitee)
	siblings := b.set.Referrals[act.InviterID]
	i := slices.IndexFunc(siblings, func(r models.Referral) bool { return r.InviteeID == invitee.ID })
	if i < 0 || siblings[i].ActivatedAt.Equal(at) {
		return
	}
	if AwaitsPromoEnd(invitee, act) && b.promised(at) != b.promised(siblings[i].ActivatedAt) {
		b.announcePromise(f, invitee.ID, at)
	}
	siblings[i].ActivatedAt = at
	b.referrals = append(b.referrals, siblings[i])
	b.restand(f, invitee.ID, act.InviterID)
}

func accepted(activations []*models.Activation) *models.Activation {
	for _, act := range activations {
		if act.Status == models.ActivationAccepted {
			return act
		}
	}
	return nil
}

func (b *FactApplier) restand(cause *models.Fact, accounts ...int64) {
	for _, id := range accounts {
		b.stale[id] = cause
	}
}

// Recalculate derives every account of the set again, by new terms that were adopted
// at some time.
func (b *FactApplier) Recalculate(terms string, adopted time.Time) {
	cause := &models.Fact{At: adopted, Data: newTerms{terms, adopted}}
	for id := range b.set.Accounts {
		b.restand(cause, id)
	}
}

// Close derives again what the facts changed and says what is to be stored.
func (b *FactApplier) Close() models.Changes {
	changes := models.Changes{
		CodesIssued: b.codesIssued, Activations: b.activations, Referrals: b.referrals,
		Entitlements: map[int64]models.Entitlements{}, Replaced: map[int64]models.Entitlements{}, Repeated: b.repeated,
	}
	for _, id := range sortedKeys(b.stale) {
		was, entitlements := b.set.Entitlements[id], b.programme.EntitlementsIn(b.set, id)
		if !sameEntitlements(was, entitlements) {
			b.set.Entitlements[id] = entitlements
			changes.Entitlements[id], changes.Replaced[id] = entitlements, was
		}
		b.announceChanges(b.stale[id], id, was, entitlements)
	}
	for _, id := range sortedKeys(b.changed) {
		changes.Accounts = append(changes.Accounts, b.set.Accounts[id])
	}
	changes.OutboxEvents = b.announcements
	return changes
}

// EntitlementsIn derives the entitlements of an account of a working set.
func (p *Programme) EntitlementsIn(set *models.WorkingSet, id int64) models.Entitlements {
	return p.Entitlements(set.Accounts[id], accepted(set.Activations[id]), set.Referrals[id])
}

func sameEntitlements(a, b models.Entitlements) bool {
	return slices.Equal(a.Discounts, b.Discounts) && slices.Equal(a.Grants, b.Grants)
}

// announceChanges tells of the newest discount of each kind, when it is another
// than before: what came before it is history that no receiver acts on. What was
// announced and will not come is withdrawn, as by a termination: from the day on
// which it was to begin, or from no day when it was only promised.
func (b *FactApplier) announceChanges(f *models.Fact, id int64, was, now models.Entitlements) {
	for _, kind := range []models.DiscountKind{models.Invitee, models.Inviter} {
		before, after := newest(was.Discounts, kind), newest(now.Discounts, kind)
		none := after == models.Discount{}
		switch {
		case none && kind == models.Invitee && b.settled[id]:
			b.announceDiscount(f, id, kind, 0, nil, nil, 0)
		case after == before:
		case none:
			b.announceDiscount(f, id, kind, 0, before.From, before.From, before.Step)
		default:
			b.announceDiscount(f, id, kind, after.Percent, after.From, after.To, after.Step)
		}
	}
}

// announcePromise tells of a discount whose first day is not known yet.
func (b *FactApplier) announcePromise(f *models.Fact, id int64, activated time.Time) {
	b.announceDiscount(f, id, models.Invitee, b.promised(activated), nil, nil, 0)
}

// promised is the percentage that an activation at some time promises.
func (b *FactApplier) promised(activated time.Time) int {
	return b.programme.TermsOn(b.programme.Local(activated)).Invitee.Percent
}

// newest is the last discount of a kind; zero when there is none.
func newest(discounts []models.Discount, kind models.DiscountKind) models.Discount {
	var last models.Discount
	for _, d := range discounts {
		if d.Kind == kind && d.From >= last.From {
			last = d
		}
	}
	return last
}

func (b *FactApplier) announceDiscount(f *models.Fact, id int64, kind models.DiscountKind, percent int, from, to any, step int) {
	b.announce(f, models.DiscountChanged, id, map[string]any{
		"account_id": id, "kind": kind, "percent": percent, "starts_on": from, "ends_on": to, "step": step,
	}, string(kind), fmt.Sprint(percent, from, to))
}

// announce queues an event. Its id follows from what the fact that caused it says,
// so that the same fact taken twice announces the same thing.
func (b *FactApplier) announce(f *models.Fact, kind models.OutboxEventType, id int64, data map[string]any, detail ...string) {
	name := fmt.Sprint(said(f.Data), kind, id, detail)
	b.announcements = append(b.announcements, models.OutboxEvent{
		ID: models.UUID(uuid.NewSHA1(namespace, []byte(name))), Type: kind, AccountID: id, At: f.At, Data: data,
	})
}

// newTerms is the digest of terms that were adopted: a cause like a fact. The time
// belongs to it, because terms that were replaced may be adopted again.
type newTerms struct {
	digest  string
	adopted time.Time
}

// Account is none: terms concern them all.
func (newTerms) Account() int64 { return 0 }

// said is what a fact says, as a text.
func said(data models.FactData) string {
	switch d := data.(type) {
	case models.Registered:
		p := d.Profile
		return fmt.Sprintf("registered %d %d %d %q", d.AccountID, d.RegisteredAt.UnixMicro(), p.At.UnixMicro(),
			[]string{p.Name, p.TaxID, p.Email, p.Phone, p.PromoUntil})
	case models.PromoEnded:
		return fmt.Sprint("promo ended ", d.AccountID, " ", d.EndedAt.UnixMicro())
	case models.Terminated:
		return fmt.Sprint("terminated ", d.AccountID, " ", d.TerminatedAt.UnixMicro())
	case models.ActivationRequested:
		return fmt.Sprintf("activation %v", d.Key())
	case newTerms:
		return fmt.Sprint("terms ", d.digest, " ", d.adopted.UnixMicro())
	}
	panic(fmt.Sprintf("a %T causes nothing", data))
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
