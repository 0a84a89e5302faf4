package store

import "referral/models"

// accountRecords is the rows of some accounts and of what hangs on them.
type accountRecords struct {
	accounts    []accountRecord
	activations []activationRecord
	referrals   []referralRecord
	discounts   []discountRecord
	grants      []grantRecord
}

// queue reads them all in one round trip.
func (a *accountRecords) queue(r *statementBatch, ids []int64) {
	r.find("accounts", r.db.Where("account_id = ANY(?)", idList(ids)).Order("account_id").Find(&a.accounts))
	for _, q := range []struct {
		what  string
		into  any
		order string
	}{
		{"activations", &a.activations, "account_id, seq"},
		{"referrals", &a.referrals, "account_id, invitee_id"},
		{"discounts", &a.discounts, "account_id, kind, from_day"},
		{"package grants", &a.grants, "account_id, granted_on, sms, ordinal"},
	} {
		r.find(q.what, r.db.Where("account_id = ANY(?)", idList(ids)).Order(q.order).Find(q.into))
	}
}

// queueLocked locks the accounts first, in the order of their ids, so that no two
// lock each other out: one statement each, because a database distributed by account
// locks no rows of several in one. What is read is read behind the locks.
func (a *accountRecords) queueLocked(r *statementBatch, ids map[int64]bool) {
	sorted := sortedIDs(ids)
	for _, id := range sorted {
		r.exec("locking an account", "SELECT 1 FROM accounts WHERE account_id = $1 FOR UPDATE", id)
	}
	a.queue(r, sorted)
}

// workingSet is what they say, without the codes.
func (a *accountRecords) workingSet() *models.WorkingSet {
	set := models.NewWorkingSet()
	for i := range a.accounts {
		set.Accounts[a.accounts[i].AccountID] = a.accounts[i].account()
	}
	for i := range a.activations {
		id := a.activations[i].AccountID
		set.Activations[id] = append(set.Activations[id], a.activations[i].activation())
	}
	for i := range a.referrals {
		id := a.referrals[i].AccountID
		set.Referrals[id] = append(set.Referrals[id], a.referrals[i].referral())
	}
	for i := range a.discounts {
		s := set.Entitlements[a.discounts[i].AccountID]
		s.Discounts = append(s.Discounts, a.discounts[i].discount())
		set.Entitlements[a.discounts[i].AccountID] = s
	}
	for i := range a.grants {
		s := set.Entitlements[a.grants[i].AccountID]
		s.Grants = append(s.Grants, a.grants[i].grant())
		set.Entitlements[a.grants[i].AccountID] = s
	}
	return set
}
