package billing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"referral/models"
)

// Derive applies facts by the rules. newCode returns a random invitation code.
func (p *Programme) Derive(newCode func() string) models.DeriveFunc {
	return func(set *models.WorkingSet, facts []*models.Fact) models.Changes {
		applier := NewFactApplier(p, set, newCode)
		for _, fact := range facts {
			applier.Apply(fact)
		}
		return applier.Close()
	}
}

// Rederive derives every account of a set again, by terms that were adopted at some
// time. It looks at no facts.
func (p *Programme) Rederive(adopted time.Time) models.DeriveFunc {
	return func(set *models.WorkingSet, _ []*models.Fact) models.Changes {
		applier := NewFactApplier(p, set, nil) // terms issue no code
		cause := &models.Fact{At: adopted, Data: newTerms{p.Digest(), adopted}}
		for id := range set.Accounts {
			applier.stale[id] = cause
		}
		return applier.Close()
	}
}

// FactApplier applies facts to a working set, and knows what they changed. It is the
// one place where facts become decisions and entitlements.
type FactApplier struct {
	programme *Programme
	set       *models.WorkingSet
	newCode   func() string

	changed     map[int64]bool
	stale       map[int64]*models.Fact // whose entitlements are to be derived again, and why
	settled     map[int64]bool         // whose promised discount has got its days, or will get none
	activations []*models.Activation
	referrals   map[[2]int64]bool // that may have changed, by inviter and invitee
	events      []models.OutboxEvent
	codesIssued []*models.Account
	codesTold   []*models.Account
	noRequests  []*models.Activation
	taken       int   // facts so far
	repeated    []int // those that changed nothing
}

// NewFactApplier begins with a working set. newCode returns a random invitation code;
// the storage makes sure that it is unique.
func NewFactApplier(p *Programme, set *models.WorkingSet, newCode func() string) *FactApplier {
	return &FactApplier{
		programme: p, set: set, newCode: newCode, changed: map[int64]bool{}, stale: map[int64]*models.Fact{}, settled: map[int64]bool{},
		referrals: map[[2]int64]bool{},
	}
}

// Apply applies one fact. Invoices and answers of billing change no entitlement.
func (fa *FactApplier) Apply(f *models.Fact) {
	isNew := true
	switch data := f.Data.(type) {
	case models.Registered:
		isNew = fa.register(f, data)
	case models.PromoEnded:
		a := fa.account(data.AccountID)
		isNew = fa.keepEarliest(f, a, promoEndOf(a), data.EndedAt)
	case models.Terminated:
		a := fa.account(data.AccountID)
		isNew = fa.keepEarliest(f, a, terminationOf(a), data.TerminatedAt)
	case models.ActivationRequested:
		isNew = fa.request(f, data)
	case models.StaffDecision:
		isNew = fa.decide(f, data)
	case models.ImportedAccount:
		fa.importAccount(f, data)
	case models.ImportedReferral:
		fa.importReferral(f, data)
	case models.AgreedDiscount:
		fa.agree(f, data)
	}
	if !isNew {
		fa.repeated = append(fa.repeated, fa.taken)
	}
	fa.taken++
}

// accountTime is a time that is known of an account, and where it was heard.
type accountTime struct {
	known    *time.Time
	from     *models.Provenance
	imported models.Imported
}

func registrationOf(a *models.Account) accountTime {
	return accountTime{&a.RegisteredAt, &a.Provenance.Registered, models.ImportedRegistration}
}

func promoEndOf(a *models.Account) accountTime {
	return accountTime{&a.PromoEndedAt, &a.Provenance.PromoEnded, models.ImportedPromoEnd}
}

func terminationOf(a *models.Account) accountTime {
	return accountTime{&a.TerminatedAt, &a.Provenance.Terminated, models.ImportedTermination}
}

// keepEarliest keeps the earliest of the times heard of one kind. Any message goes before
// what an older system has told.
func (fa *FactApplier) keepEarliest(f *models.Fact, a *models.Account, t accountTime, heard time.Time) (isNew bool) {
	kept := heard
	if a.Imported&t.imported == 0 {
		kept = earliest(*t.known, heard)
		if kept.Equal(*t.known) {
			return false
		}
	}
	a.Imported &^= t.imported
	return fa.keep(f, a, t, kept)
}

// keep keeps a time and where it was heard.
func (fa *FactApplier) keep(f *models.Fact, a *models.Account, t accountTime, kept time.Time) (isNew bool) {
	own := models.Accepted(fa.set.Activations[a.ID])
	promised := AwaitsPromoEnd(a, own)
	*t.known, *t.from = kept, f.Provenance
	if promised && !AwaitsPromoEnd(a, own) {
		fa.settled[a.ID] = true
	}
	fa.changed[a.ID] = true
	fa.deriveAgain(f, a.ID)
	return true
}

func (fa *FactApplier) account(id int64) *models.Account {
	a := fa.set.Accounts[id]
	if a == nil {
		a = &models.Account{ID: id}
		fa.set.Accounts[id] = a
		fa.changed[id] = true
	}
	return a
}

func (fa *FactApplier) register(f *models.Fact, data models.Registered) (isNew bool) {
	a := fa.account(data.AccountID)
	first := !a.Registered()
	if !a.ErasedAt.IsZero() {
		data.Profile = models.Profile{}
	}
	isNew = fa.keepEarliest(f, a, registrationOf(a), data.RegisteredAt)
	if first || a.Imported&models.ImportedProfile != 0 || data.Profile.NewerThan(a.Profile) {
		a.Profile, a.Provenance.Profile = data.Profile, f.Provenance
		a.Imported &^= models.ImportedProfile
		fa.changed[a.ID] = true
		isNew = true
	}
	if a.Code == "" {
		fa.issueCode(f, a)
	}
	if first {
		fa.judgePending(f, a)
	}
	fa.redate(f, a)
	return isNew
}

func (fa *FactApplier) issueCode(f *models.Fact, a *models.Account) {
	a.Code = fa.newCode()
	fa.set.Codes[a.Code] = a.ID
	fa.codesIssued = append(fa.codesIssued, a)
	fa.announce(f, models.CodeIssued, a.ID, map[string]any{"account_id": a.ID, "code": a.Code})
}

func (fa *FactApplier) request(f *models.Fact, data models.ActivationRequested) (isNew bool) {
	act := requestOf(fa.set.Activations[data.AccountID], data.Key())
	switch {
	case act == nil:
		act = fa.addRequest(models.Activation{
			AccountID: data.AccountID, Code: data.Code, RequestedAt: data.RequestedAt,
			Status: models.ActivationPending, Reason: models.NotRegistered, Provenance: f.Provenance,
		})
	case act.Reason == models.Withdrawn:
		fa.adoptRequest(act, f.Provenance)
	default:
		return false
	}
	fa.judge(f, fa.account(data.AccountID), act)
	return true
}

func requestOf(requests []*models.Activation, key models.ActivationKey) *models.Activation {
	for _, known := range requests {
		if known.Key() == key {
			return known
		}
	}
	return nil
}

func (fa *FactApplier) addRequest(act models.Activation) *models.Activation {
	fa.set.Activations[act.AccountID] = append(fa.set.Activations[act.AccountID], &act)
	fa.save(&act)
	return &act
}

// adoptRequest has a request that only a decision had made come from the client, who has
// asked now: behind those that came before.
func (fa *FactApplier) adoptRequest(act *models.Activation, from models.Provenance) {
	fa.dropRequest(act)
	fa.set.Activations[act.AccountID] = append(fa.set.Activations[act.AccountID], act)
	act.Reason, act.Provenance = models.NotRegistered, from
	fa.save(act)
}

// dropRequest takes a request out of those of its account, and of those to be stored.
func (fa *FactApplier) dropRequest(act *models.Activation) {
	it := func(o *models.Activation) bool { return o == act }
	fa.set.Activations[act.AccountID] = slices.DeleteFunc(fa.set.Activations[act.AccountID], it)
	fa.activations = slices.DeleteFunc(fa.activations, it)
}

func (fa *FactApplier) save(act *models.Activation) {
	if !slices.Contains(fa.activations, act) {
		fa.activations = append(fa.activations, act)
	}
}

func (fa *FactApplier) judgePending(f *models.Fact, a *models.Account) {
	for _, act := range fa.set.Activations[a.ID] {
		if act.Status == models.ActivationPending {
			fa.save(act)
			fa.judge(f, a, act)
		}
	}
}

// judge decides on a request. What staff decided goes before the rules, whose own
// decision is the request's reason all the same.
func (fa *FactApplier) judge(f *models.Fact, invitee *models.Account, act *models.Activation) {
	granted := acceptedByStaff(fa.set.Decisions[invitee.ID])
	byStaff := granted != nil && granted.Key() == act.Key()
	if act.Reason != models.Withdrawn {
		others := !byStaff && (granted != nil || models.Accepted(fa.set.Activations[invitee.ID]) != nil)
		act.Reason = fa.checkEligibility(invitee, act, others)
	}
	switch {
	case !invitee.Registered() || byStaff && act.Status == models.ActivationAccepted:
	case byStaff:
		fa.accept(f, invitee, fa.set.Accounts[granted.InviterID], act)
	case act.Reason == "":
		fa.accept(f, invitee, fa.ownerOf(act.Code), act)
	default:
		fa.refuse(f, act)
	}
}

// checkEligibility is the rules' decision on a request; activated says that the account
// has another accepted code.
func (fa *FactApplier) checkEligibility(invitee *models.Account, act *models.Activation, activated bool) models.Reason {
	return fa.programme.CheckEligibility(EligibilityRequest{
		Invitee: invitee, Inviter: fa.ownerOf(act.Code), RequestedAt: act.RequestedAt, Activated: activated,
	})
}

func (fa *FactApplier) ownerOf(code string) *models.Account {
	return fa.set.Accounts[fa.set.Codes[models.NormalCode(code)]]
}

func (fa *FactApplier) refuse(f *models.Fact, act *models.Activation) {
	act.Status = models.ActivationRefused
	fa.announce(f, models.Refused, act.AccountID, map[string]any{
		"account_id": act.AccountID, "code": act.Code, "reason": act.Reason,
	}, fmt.Sprint(act.Key()))
}

func (fa *FactApplier) accept(f *models.Fact, invitee, inviter *models.Account, act *models.Activation) {
	act.Status, act.InviterID = models.ActivationAccepted, inviter.ID
	act.RevokedFrom = revokedFrom(fa.set.Decisions[invitee.ID], inviter.ID)
	r := models.Referral{
		InviterID: inviter.ID, InviteeID: invitee.ID, ActivatedAt: ActivatedAt(act.RequestedAt, invitee), RevokedFrom: act.RevokedFrom,
	}
	fa.set.Referrals[inviter.ID] = append(fa.set.Referrals[inviter.ID], r)
	fa.changeReferral(f, r.InviterID, r.InviteeID)
	fa.announce(f, models.Activated, invitee.ID, map[string]any{
		"account_id": invitee.ID, "inviter_id": inviter.ID, "code": inviter.Code,
		"activated_on": fa.programme.Local(r.ActivatedAt),
	})
	if AwaitsPromoEnd(invitee, act) {
		fa.announcePromise(f, invitee.ID, r.ActivatedAt)
	}
}

func (fa *FactApplier) changeReferral(f *models.Fact, inviter, invitee int64) {
	fa.referrals[[2]int64{inviter, invitee}] = true
	fa.deriveAgain(f, inviter, invitee)
}

// referral is the one that an accepted activation makes, to be changed in place; nil when
// it is not in the set.
func (fa *FactApplier) referral(act *models.Activation) *models.Referral {
	siblings := fa.set.Referrals[act.InviterID]
	i := slices.IndexFunc(siblings, func(r models.Referral) bool { return r.InviteeID == act.AccountID })
	if i < 0 {
		return nil
	}
	return &siblings[i]
}

// redate follows a registration that turns out to be earlier than was known:
// an activation dated before it counts from it.
func (fa *FactApplier) redate(f *models.Fact, invitee *models.Account) {
	act := models.Accepted(fa.set.Activations[invitee.ID])
	if act == nil {
		return
	}
	at := ActivatedAt(act.RequestedAt, invitee)
	r := fa.referral(act)
	if r == nil || r.ActivatedAt.Equal(at) {
		return
	}
	if AwaitsPromoEnd(invitee, act) && fa.promised(at) != fa.promised(r.ActivatedAt) {
		fa.announcePromise(f, invitee.ID, at)
	}
	r.ActivatedAt = at
	fa.changeReferral(f, r.InviterID, r.InviteeID)
}

func (fa *FactApplier) deriveAgain(cause *models.Fact, accounts ...int64) {
	for _, id := range accounts {
		fa.stale[id] = cause
	}
}

// Close derives again what the facts changed and says what is to be stored.
func (fa *FactApplier) Close() models.Changes {
	changes := models.Changes{
		CodesIssued: fa.codesIssued, CodesTold: fa.codesTold, Activations: fa.activations, NoRequests: fa.noRequests,
		Entitlements: map[int64]models.Entitlements{}, Replaced: map[int64]models.Entitlements{}, Repeated: fa.repeated,
	}
	fa.sumUpReferrals(&changes)
	for _, id := range sortedKeys(fa.stale) {
		was := fa.set.Entitlements[id]
		entitlements := fa.programme.Entitlements(fa.set.Accounts[id], models.Accepted(fa.set.Activations[id]), fa.set.Referrals[id], fa.set.Agreed[id])
		if !sameEntitlements(was, entitlements) {
			fa.set.Entitlements[id] = entitlements
			changes.Entitlements[id], changes.Replaced[id] = entitlements, was
		}
		fa.announceChanges(fa.stale[id], id, was, entitlements)
	}
	for _, id := range sortedKeys(fa.changed) {
		changes.Accounts = append(changes.Accounts, fa.set.Accounts[id])
	}
	changes.OutboxEvents = fa.events
	return changes
}

func (fa *FactApplier) sumUpReferrals(changes *models.Changes) {
	inOrder := func(a, b [2]int64) int { return slices.Compare(a[:], b[:]) }
	for _, key := range slices.SortedFunc(maps.Keys(fa.referrals), inOrder) {
		r := models.Referral{InviterID: key[0], InviteeID: key[1]}
		if now := fa.referral(&models.Activation{InviterID: r.InviterID, AccountID: r.InviteeID}); now != nil {
			changes.Referrals = append(changes.Referrals, *now)
		} else {
			changes.NoReferrals = append(changes.NoReferrals, r)
		}
	}
}

func sameEntitlements(a, b models.Entitlements) bool {
	return slices.Equal(a.Discounts, b.Discounts) && slices.Equal(a.Grants, b.Grants)
}

// announceChanges tells of the newest discount of each kind, when it is another
// than before: what came before it is history that no receiver acts on. What was
// announced and will not come is withdrawn, as by a termination: from the day on
// which it was to begin, or from no day when it was only promised.
func (fa *FactApplier) announceChanges(f *models.Fact, id int64, was, now models.Entitlements) {
	for _, kind := range []models.DiscountKind{models.Invitee, models.Inviter} {
		before, after := newest(was.Discounts, kind), newest(now.Discounts, kind)
		none := after == models.Discount{}
		switch {
		case none && kind == models.Invitee && fa.settled[id]:
			fa.announceDiscount(f, id, kind, 0, nil, nil, 0)
		case after == before:
		case none:
			fa.announceDiscount(f, id, kind, 0, before.From, before.From, before.Step)
		default:
			fa.announceDiscount(f, id, kind, after.Percent, after.From, after.To, after.Step)
		}
	}
}

// announcePromise tells of a discount whose first day is not known yet.
func (fa *FactApplier) announcePromise(f *models.Fact, id int64, activated time.Time) {
	delete(fa.settled, id)
	fa.announceDiscount(f, id, models.Invitee, fa.promised(activated), nil, nil, 0)
}

// promised is the percentage that an activation at some time promises.
func (fa *FactApplier) promised(activated time.Time) int {
	return fa.programme.TermsOn(fa.programme.Local(activated)).Invitee.Percent
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

func (fa *FactApplier) announceDiscount(f *models.Fact, id int64, kind models.DiscountKind, percent int, from, to any, step int) {
	fa.announce(f, models.DiscountChanged, id, map[string]any{
		"account_id": id, "kind": kind, "percent": percent, "starts_on": from, "ends_on": to, "step": step,
	}, string(kind), fmt.Sprint(percent, from, to))
}

// announce queues an event. Its id follows from what the fact that caused it says,
// so that the same fact taken twice announces the same thing.
func (fa *FactApplier) announce(f *models.Fact, kind models.OutboxEventType, id int64, data map[string]any, detail ...string) {
	if isImported(f.Data) && kind != models.CodeIssued {
		return // the client was told by the older system
	}
	fa.events = append(fa.events, models.OutboxEvent{ID: eventID(f.Data, kind, id, detail), Type: kind, AccountID: id, At: f.At, Data: data})
}

func eventID(data models.FactData, kind models.OutboxEventType, id int64, detail []string) models.UUID {
	return models.UUID(uuid.NewSHA1(namespace, fmt.Append(nil, said(data), kind, id, detail)))
}

// Accepts tells whether an event, by its id, is the one that a request itself was accepted
// with, and not a registration or a decision that came later.
func Accepts(event models.UUID, request models.ActivationRequested) bool {
	return event == eventID(request, models.Activated, request.AccountID, nil)
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
	case models.StaffDecision:
		return fmt.Sprint("decision ", d.ID, " ", d.Subject())
	case models.ImportedAccount:
		return fmt.Sprint("imported account ", d.AccountID)
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
