package billing

import (
	"slices"

	"referral/models"
)

// isImported tells whether an older system has told a fact.
func isImported(data models.FactData) bool {
	switch data.(type) {
	case models.ImportedAccount, models.ImportedReferral, models.ImportedPackage, models.AgreedDiscount:
		return true
	}
	return false
}

// importAccount takes what an older system knew of an account. It fills what no message
// has told, and replaces what it told before. Source: docs/rules.md, "Import from an
// older system".
func (fa *FactApplier) importAccount(f *models.Fact, data models.ImportedAccount) {
	a := fa.account(data.AccountID)
	first := !a.Registered()
	fa.importTime(f, a, registrationOf(a), data)
	fa.importTime(f, a, promoEndOf(a), data)
	fa.importTime(f, a, terminationOf(a), data)
	profile := models.Profile{Name: data.Name, TaxID: data.TaxID, At: data.RegisteredAt}
	if !a.ErasedAt.IsZero() {
		profile = models.Profile{}
	}
	replaceable := a.Profile == (models.Profile{}) || a.Imported&models.ImportedProfile != 0
	if replaceable && profile != a.Profile {
		a.Profile, a.Provenance.Profile = profile, f.Provenance
		a.Imported |= models.ImportedProfile
		fa.changed[a.ID] = true
	}
	fa.importCode(f, a, data.Code)
	if first && a.Registered() { // and the client is told what becomes of its requests
		fa.judgePending(&models.Fact{At: f.At, Provenance: f.Provenance, Data: models.Registered{AccountID: a.ID, RegisteredAt: a.RegisteredAt}}, a)
	}
	fa.redate(f, a)
}

// importTime takes one of the times of an account unless a message has told it.
func (fa *FactApplier) importTime(f *models.Fact, a *models.Account, t accountTime, data models.ImportedAccount) {
	heard := data.RegisteredAt
	switch t.imported {
	case models.ImportedPromoEnd:
		heard = data.PromoEndsAt
	case models.ImportedTermination:
		heard = data.TerminatedAt
	}
	toldByMessage := !t.known.IsZero() && a.Imported&t.imported == 0
	if heard.IsZero() || toldByMessage || heard.Equal(*t.known) {
		return
	}
	a.Imported |= t.imported
	fa.keep(f, a, t, heard)
}

// importCode takes the code that clients know. One that was issued before keeps working.
// A code of another account is not taken; the caller checks that.
func (fa *FactApplier) importCode(f *models.Fact, a *models.Account, code string) {
	owner := fa.set.Codes[code]
	switch {
	case code == "" && a.Code == "" && a.Registered():
		fa.issueCode(f, a)
	case code == "" || code == a.Code || owner != 0 && owner != a.ID:
	default:
		a.Code = code
		fa.set.Codes[code] = a.ID
		fa.changed[a.ID] = true
		fa.codesTold = append(fa.codesTold, a)
	}
}

// importReferral accepts a code as the older system did, without the rules. What that
// system told before about the invitee is replaced. A code that was accepted otherwise
// stays.
func (fa *FactApplier) importReferral(f *models.Fact, data models.ImportedReferral) {
	invitee := fa.account(data.InviteeID)
	accepted := models.Accepted(fa.set.Activations[invitee.ID])
	if accepted != nil && !fa.toldBefore(accepted) {
		return
	}
	if accepted != nil {
		fa.forget(f, accepted)
	}
	if data.Withdrawn {
		delete(fa.set.Imported, invitee.ID)
		return
	}
	fa.set.Imported[invitee.ID] = data
	inviter := fa.account(data.InviterID)
	act := requestOf(fa.set.Activations[invitee.ID], models.ActivationKey{AccountID: invitee.ID, Code: inviter.Code, RequestedAt: data.ActivatedAt.UnixMicro()})
	if act == nil {
		act = fa.addRequest(models.Activation{AccountID: invitee.ID, Code: inviter.Code, RequestedAt: data.ActivatedAt, Provenance: f.Provenance})
	}
	act.Reason = ""
	fa.save(act)
	fa.accept(f, invitee, inviter, act)
}

// toldBefore tells whether a request is the one that an older system has told.
func (fa *FactApplier) toldBefore(act *models.Activation) bool {
	told, known := fa.set.Imported[act.AccountID]
	return known && told.InviterID == act.InviterID && told.ActivatedAt.Equal(act.RequestedAt)
}

// wasTold tells whether a request that is not accepted now is the one that an older system
// has told.
func (fa *FactApplier) wasTold(act *models.Activation) bool {
	told, known := fa.set.Imported[act.AccountID]
	owner := fa.ownerOf(act.Code)
	return known && owner != nil && told.InviterID == owner.ID && told.ActivatedAt.Equal(act.RequestedAt)
}

// forget removes a request that an older system had told.
func (fa *FactApplier) forget(f *models.Fact, act *models.Activation) {
	fa.set.Referrals[act.InviterID] = slices.DeleteFunc(fa.set.Referrals[act.InviterID], func(r models.Referral) bool { return r.InviteeID == act.AccountID })
	fa.changeReferral(f, act.InviterID, act.AccountID)
	fa.dropRequest(act)
	if act.Seq != 0 {
		fa.noRequests = append(fa.noRequests, act)
	}
}

// agree takes a discount that an older system has agreed with a client. It replaces those
// with which it has days in common.
func (fa *FactApplier) agree(f *models.Fact, data models.AgreedDiscount) {
	agreed := slices.DeleteFunc(slices.Clone(fa.set.Agreed[data.AccountID]), func(d models.Discount) bool {
		return d.From == data.From || !data.Withdrawn && data.Overlaps(models.AgreedDiscount{From: d.From, To: d.To})
	})
	if !data.Withdrawn {
		agreed = append(agreed, data.Discount())
		slices.SortFunc(agreed, func(a, b models.Discount) int { return int(a.From - b.From) })
	}
	fa.set.Agreed[data.AccountID] = agreed
	fa.account(data.AccountID)
	fa.deriveAgain(f, data.AccountID)
}
