package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"referral/models"
	"referral/store/pgcopy"
)

// queueLocked is queueWorkingSet with the accounts locked first, in the order of their
// ids, so that no two transactions lock each other out: one statement each, because a
// database distributed by account locks no rows of several in one. What is read is read
// behind the locks.
func queueLocked(batch *pgcopy.Batch, ids map[int64]bool) *models.WorkingSet {
	sorted := sortedIDs(ids)
	for _, id := range sorted {
		batch.Exec("locking an account", "SELECT 1 FROM accounts WHERE account_id = $1 FOR UPDATE", id)
	}
	return queueWorkingSet(batch, sorted)
}

// queueWorkingSet reads accounts with what belongs to them, without the codes, into a
// set that is complete once the batch has been sent.
func queueWorkingSet(batch *pgcopy.Batch, ids []int64) *models.WorkingSet {
	set := models.NewWorkingSet()
	batch.Each("accounts", func(v [][]byte) {
		a := readAccount(v)
		set.Accounts[a.ID] = a
	}, "SELECT "+accountColumns+" FROM accounts WHERE account_id = ANY($1)", ids)
	batch.Each("activations", func(v [][]byte) {
		a := readActivation(v)
		set.Activations[a.AccountID] = append(set.Activations[a.AccountID], a)
	}, "SELECT "+activationColumns+" FROM activations WHERE account_id = ANY($1) ORDER BY account_id, seq", ids)
	batch.Each("referrals", func(v [][]byte) {
		r := models.Referral{InviterID: pgcopy.Int8(v[0]), InviteeID: pgcopy.Int8(v[1]), ActivatedAt: pgcopy.Time(v[2]), RevokedFrom: readDay(v[3])}
		set.Referrals[r.InviterID] = append(set.Referrals[r.InviterID], r)
	}, "SELECT account_id, invitee_id, activated_at, revoked_from FROM referrals WHERE account_id = ANY($1) ORDER BY account_id, invitee_id", ids)
	batch.Each("decisions of staff", func(v [][]byte) {
		d := readStaffDecision(v)
		set.Decisions[d.AccountID] = append(set.Decisions[d.AccountID], d)
	}, "SELECT "+staffDecisionColumns+" FROM staff_decisions WHERE account_id = ANY($1) ORDER BY decided_at, decision_id", ids)
	batch.Each("agreed discounts", func(v [][]byte) {
		d := readAgreed(v)
		set.Agreed[d.AccountID] = append(set.Agreed[d.AccountID], d)
	}, selectAgreed, ids)
	texts := interner{}
	batch.Each("discounts", func(v [][]byte) {
		d := readDiscount(v, texts)
		e := set.Entitlements[d.AccountID]
		e.Discounts = append(e.Discounts, d)
		set.Entitlements[d.AccountID] = e
	}, "SELECT "+discountColumns+" FROM discounts WHERE account_id = ANY($1) ORDER BY account_id, kind, from_day", ids)
	batch.Each("package grants", func(v [][]byte) {
		g := readGrant(v)
		e := set.Entitlements[g.AccountID]
		e.Grants = append(e.Grants, g)
		set.Entitlements[g.AccountID] = e
	}, selectGrants, ids)
	return set
}

const accountColumns = "account_id, code, name, tax_id, email, phone, promo_until, profile_at, registered_at, promo_ended_at, terminated_at, imported, erased_at"

func readAccount(v [][]byte) *models.Account {
	return &models.Account{
		ID: pgcopy.Int8(v[0]), Code: string(v[1]),
		Profile: models.Profile{
			Name: string(v[2]), TaxID: string(v[3]), Email: string(v[4]), Phone: string(v[5]), PromoUntil: string(v[6]), At: pgcopy.Time(v[7]),
		},
		RegisteredAt: pgcopy.Time(v[8]), PromoEndedAt: pgcopy.Time(v[9]), TerminatedAt: pgcopy.Time(v[10]), Imported: models.Imported(pgcopy.Int2(v[11])), ErasedAt: pgcopy.Time(v[12]),
	}
}

const activationColumns = "account_id, seq, code, requested_at, status, reason, inviter_id, revoked_from"

func readActivation(v [][]byte) *models.Activation {
	return &models.Activation{
		AccountID: pgcopy.Int8(v[0]), Seq: pgcopy.Int8(v[1]), Code: string(v[2]), RequestedAt: pgcopy.Time(v[3]),
		Status: models.ActivationStatus(v[4]), Reason: models.Reason(v[5]), InviterID: pgcopy.Int8(v[6]),
		RevokedFrom: readDay(v[7]),
	}
}

const discountColumns = "account_id, kind, from_day, to_day, percent, step"

func readDiscount(v [][]byte, texts interner) models.Discount {
	return models.Discount{
		AccountID: pgcopy.Int8(v[0]), Kind: models.DiscountKind(texts.intern(v[1])),
		From: pgcopy.Date(v[2]), To: pgcopy.Date(v[3]), Percent: pgcopy.Int2(v[4]), Step: pgcopy.Int2(v[5]),
	}
}

// selectGrants selects the packages that the accounts $1 have earned.
const selectGrants = `SELECT account_id, sms, ordinal, granted_on, step FROM package_grants
	WHERE account_id = ANY($1) ORDER BY account_id, granted_on, sms, ordinal`

func readGrant(v [][]byte) models.Grant {
	return models.Grant{
		AccountID: pgcopy.Int8(v[0]), SMS: pgcopy.Int4(v[1]), Ordinal: pgcopy.Int4(v[2]), GrantedOn: pgcopy.Date(v[3]), Step: pgcopy.Int2(v[4]),
	}
}

// saveChanges queues what the rules have changed.
func saveChanges(batch *pgcopy.Batch, c models.Changes, numbers topicNumbers) error {
	saveAccounts(batch, c, numbers)
	saveActivations(batch, c, numbers)
	saveReferrals(batch, c)
	saveEntitlements(batch, c)
	return saveOutboxEvents(batch, c)
}

// saveAccount writes an account as it is now, and the provenance of those of its values
// that have changed.
const saveAccount = "INSERT INTO accounts (" + accountColumns + `,
		registered_provenance, promo_ended_provenance, terminated_provenance, profile_provenance)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
	ON CONFLICT (account_id) DO UPDATE SET code = excluded.code,
		name = excluded.name, tax_id = excluded.tax_id, email = excluded.email, phone = excluded.phone,
		promo_until = excluded.promo_until, profile_at = excluded.profile_at,
		registered_at = excluded.registered_at, promo_ended_at = excluded.promo_ended_at, terminated_at = excluded.terminated_at,
		imported = excluded.imported,
		registered_provenance = coalesce(excluded.registered_provenance, accounts.registered_provenance),
		promo_ended_provenance = coalesce(excluded.promo_ended_provenance, accounts.promo_ended_provenance),
		terminated_provenance = coalesce(excluded.terminated_provenance, accounts.terminated_provenance),
		profile_provenance = coalesce(excluded.profile_provenance, accounts.profile_provenance)`

func saveAccounts(batch *pgcopy.Batch, c models.Changes, numbers topicNumbers) {
	for _, a := range c.Accounts {
		p, from := &a.Profile, &a.Provenance
		batch.Exec("saving an account", saveAccount, a.ID, a.Code, p.Name, p.TaxID, p.Email, p.Phone, p.PromoUntil, nullTime(p.At),
			nullTime(a.RegisteredAt), nullTime(a.PromoEndedAt), nullTime(a.TerminatedAt), a.Imported, nullTime(a.ErasedAt),
			numbers.pack(nil, from.Registered), numbers.pack(nil, from.PromoEnded), numbers.pack(nil, from.Terminated), numbers.pack(nil, from.Profile))
	}
	for _, a := range c.CodesIssued {
		// A code that another account has violates the key, and the batch draws again.
		batch.Exec("saving a code", "INSERT INTO codes (code, account_id) VALUES ($1, $2)", a.Code, a.ID)
	}
	for _, a := range c.CodesTold {
		// One that the account had before, and that was replaced since, is there already.
		batch.Exec("saving a code of an older system", "INSERT INTO codes (code, account_id) VALUES ($1, $2) ON CONFLICT (code) DO NOTHING", a.Code, a.ID)
	}
}

func saveActivations(batch *pgcopy.Batch, c models.Changes, numbers topicNumbers) {
	for _, a := range c.NoRequests {
		batch.Exec("removing a request", "DELETE FROM activations WHERE account_id = $1 AND seq = $2", a.AccountID, a.Seq)
	}
	// What is refused now before what is accepted now, and decisions before new requests:
	// an account has one accepted activation at a time.
	for _, accepted := range []bool{false, true} {
		for _, a := range c.Activations {
			if a.Seq != 0 && (a.Status == models.ActivationAccepted) == accepted {
				batch.Exec("saving a decision", "UPDATE activations SET status = $3, reason = $4, inviter_id = $5, revoked_from = $6 WHERE account_id = $1 AND seq = $2",
					a.AccountID, a.Seq, a.Status, a.Reason, a.InviterID, optionalDay(a.RevokedFrom))
			}
		}
	}
	for _, a := range c.Activations {
		switch {
		case a.Seq == 0:
			batch.Exec("saving an activation", `INSERT INTO activations (account_id, code, requested_at, status, reason, inviter_id, revoked_from, provenance)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
				a.AccountID, a.Code, a.RequestedAt, a.Status, a.Reason, a.InviterID, optionalDay(a.RevokedFrom), numbers.pack(nil, a.Provenance))
		case a.Provenance != (models.Provenance{}): // a decision of staff had made it, and the client makes it now
			batch.Exec("saving the arrival of a request", "UPDATE activations SET seq = DEFAULT, provenance = $3 WHERE account_id = $1 AND seq = $2",
				a.AccountID, a.Seq, numbers.pack(nil, a.Provenance))
		}
	}
}

// saveReferrals saves them in the order of the keys, so that no two transactions lock
// each other out.
func saveReferrals(batch *pgcopy.Batch, c models.Changes) {
	for _, r := range inOrder(c.NoReferrals) {
		batch.Exec("removing a referral", "DELETE FROM referrals WHERE account_id = $1 AND invitee_id = $2", r.InviterID, r.InviteeID)
	}
	for _, r := range inOrder(c.Referrals) {
		batch.Exec("saving a referral", `INSERT INTO referrals (account_id, invitee_id, activated_at, revoked_from) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account_id, invitee_id) DO UPDATE SET activated_at = excluded.activated_at, revoked_from = excluded.revoked_from`,
			r.InviterID, r.InviteeID, r.ActivatedAt, optionalDay(r.RevokedFrom))
	}
}

func inOrder(referrals []models.Referral) []models.Referral {
	return slices.SortedStableFunc(slices.Values(referrals), func(a, b models.Referral) int {
		return cmp.Or(cmp.Compare(a.InviterID, b.InviterID), cmp.Compare(a.InviteeID, b.InviteeID))
	})
}

func saveEntitlements(batch *pgcopy.Batch, c models.Changes) {
	if len(c.Entitlements) == 0 {
		return
	}
	ids := slices.Sorted(maps.Keys(c.Entitlements))
	batch.Exec("replacing discounts", "DELETE FROM discounts WHERE account_id = ANY($1)", ids)
	batch.Exec("replacing package grants", "DELETE FROM package_grants WHERE account_id = ANY($1)", ids)
	for _, id := range ids {
		for _, d := range c.Entitlements[id].Discounts {
			batch.Exec("saving a discount", "INSERT INTO discounts ("+discountColumns+") VALUES ($1, $2, $3, $4, $5, $6)",
				d.AccountID, d.Kind, d.From.Time(), d.To.Time(), d.Percent, d.Step)
		}
		for _, g := range c.Entitlements[id].Grants {
			batch.Exec("saving a package grant", "INSERT INTO package_grants (account_id, sms, ordinal, granted_on, step) VALUES ($1, $2, $3, $4, $5)",
				g.AccountID, g.SMS, g.Ordinal, g.GrantedOn.Time(), g.Step)
		}
	}
}

func saveOutboxEvents(batch *pgcopy.Batch, c models.Changes) error {
	for _, e := range c.OutboxEvents {
		data, err := json.Marshal(e.Data)
		if err != nil {
			return fmt.Errorf("encoding an event of the outbox: %w", err)
		}
		batch.Exec("saving an event of the outbox", "INSERT INTO outbox (account_id, event_id, type, data, at) VALUES ($1, $2, $3, $4, $5)",
			e.AccountID, [16]byte(e.ID), e.Type, data, e.At)
	}
	return nil
}
