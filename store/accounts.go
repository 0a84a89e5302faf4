package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

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
	queueActivations(batch, set.Activations, ids)
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
	queueDiscounts(batch, ids, func(d models.Discount) {
		e := set.Entitlements[d.AccountID]
		e.Discounts = append(e.Discounts, d)
		set.Entitlements[d.AccountID] = e
	})
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

// queueActivations reads the requests of accounts, in the order of their arrival.
func queueActivations(batch *pgcopy.Batch, into map[int64][]*models.Activation, ids []int64) {
	batch.Each("activations", func(v [][]byte) {
		a := readActivation(v)
		into[a.AccountID] = append(into[a.AccountID], a)
	}, "SELECT "+activationColumns+" FROM activations WHERE account_id = ANY($1) ORDER BY account_id, seq", ids)
}

func readActivation(v [][]byte) *models.Activation {
	return &models.Activation{
		AccountID: pgcopy.Int8(v[0]), Seq: pgcopy.Int8(v[1]), Code: string(v[2]), RequestedAt: pgcopy.Time(v[3]),
		Status: models.ActivationStatus(v[4]), Reason: models.Reason(v[5]), InviterID: pgcopy.Int8(v[6]),
		RevokedFrom: readDay(v[7]),
	}
}

const discountColumns = "account_id, kind, from_day, to_day, percent, step"

// queueDiscounts reads the discounts of accounts, by kind and day.
func queueDiscounts(batch *pgcopy.Batch, ids []int64, see func(models.Discount)) {
	texts := interner{}
	batch.Each("discounts", func(v [][]byte) { see(readDiscount(v, texts)) },
		"SELECT "+discountColumns+" FROM discounts WHERE account_id = ANY($1) ORDER BY account_id, kind, from_day", ids)
}

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

// saveAccount writes accounts as they are now, and the provenance of those of their values
// that have changed.
const saveAccount = "INSERT INTO accounts (" + accountColumns + `,
		registered_provenance, promo_ended_provenance, terminated_provenance, profile_provenance)
	SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
		$9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::smallint[], $13::timestamptz[], $14::bytea[], $15::bytea[], $16::bytea[], $17::bytea[])
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
	type account = *models.Account
	id, code := func(a account) int64 { return a.ID }, func(a account) string { return a.Code }
	saveRows(batch, "saving accounts", saveAccount, c.Accounts, func(accounts []account) []any {
		text := func(field func(p *models.Profile) string) []string {
			return column(accounts, func(a account) string { return field(&a.Profile) })
		}
		at := func(field func(a account) time.Time) []*time.Time {
			return column(accounts, func(a account) *time.Time { return nullTime(field(a)) })
		}
		from := func(field func(p *models.AccountProvenance) models.Provenance) [][]byte {
			return column(accounts, func(a account) []byte { return numbers.pack(nil, field(&a.Provenance)) })
		}
		return []any{
			column(accounts, id), column(accounts, code),
			text(func(p *models.Profile) string { return p.Name }), text(func(p *models.Profile) string { return p.TaxID }),
			text(func(p *models.Profile) string { return p.Email }), text(func(p *models.Profile) string { return p.Phone }),
			text(func(p *models.Profile) string { return p.PromoUntil }), at(func(a account) time.Time { return a.Profile.At }),
			at(func(a account) time.Time { return a.RegisteredAt }), at(func(a account) time.Time { return a.PromoEndedAt }),
			at(func(a account) time.Time { return a.TerminatedAt }), column(accounts, func(a account) int16 { return int16(a.Imported) }),
			at(func(a account) time.Time { return a.ErasedAt }),
			from(func(p *models.AccountProvenance) models.Provenance { return p.Registered }), from(func(p *models.AccountProvenance) models.Provenance { return p.PromoEnded }),
			from(func(p *models.AccountProvenance) models.Provenance { return p.Terminated }), from(func(p *models.AccountProvenance) models.Provenance { return p.Profile }),
		}
	})
	codes := func(accounts []account) []any { return []any{column(accounts, code), column(accounts, id)} }
	const insert = "INSERT INTO codes (code, account_id) SELECT * FROM unnest($1::text[], $2::bigint[])"
	// A code that another account has violates the key, and the batch draws again.
	saveRows(batch, "saving codes", insert, c.CodesIssued, codes)
	// One that the account had before, and that was replaced since, is there already.
	saveRows(batch, "saving codes of an older system", insert+" ON CONFLICT (code) DO NOTHING", c.CodesTold, codes)
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
	// The requests are numbered by their arrival.
	var requests []*models.Activation
	for _, a := range c.Activations {
		switch {
		case a.Seq == 0:
			requests = append(requests, a)
		case a.Provenance != (models.Provenance{}): // a decision of staff had made it, and the client makes it now
			batch.Exec("numbering a request again", "DELETE FROM activations WHERE account_id = $1 AND seq = $2", a.AccountID, a.Seq)
			requests = append(requests, a)
		}
	}
	saveRequests(batch, requests, numbers)
}

func saveRequests(batch *pgcopy.Batch, requests []*models.Activation, numbers topicNumbers) {
	type activation = *models.Activation
	saveRows(batch, "saving activations", `INSERT INTO activations (account_id, code, requested_at, status, reason, inviter_id, revoked_from, provenance)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[], $7::date[], $8::bytea[])`, requests, func(list []activation) []any {
		return []any{
			column(list, func(a activation) int64 { return a.AccountID }), column(list, func(a activation) string { return a.Code }),
			column(list, func(a activation) time.Time { return a.RequestedAt }), column(list, func(a activation) string { return string(a.Status) }),
			column(list, func(a activation) string { return string(a.Reason) }), column(list, func(a activation) int64 { return a.InviterID }),
			column(list, func(a activation) *time.Time { return optionalDay(a.RevokedFrom) }), column(list, func(a activation) []byte { return numbers.pack(nil, a.Provenance) }),
		}
	})
}

// saveReferrals saves them in the order of the keys, so that no two transactions lock
// each other out.
func saveReferrals(batch *pgcopy.Batch, c models.Changes) {
	for _, r := range inOrder(c.NoReferrals) {
		batch.Exec("removing a referral", "DELETE FROM referrals WHERE account_id = $1 AND invitee_id = $2", r.InviterID, r.InviteeID)
	}
	saveRows(batch, "saving referrals", `INSERT INTO referrals (account_id, invitee_id, activated_at, revoked_from)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::date[])
		ON CONFLICT (account_id, invitee_id) DO UPDATE SET activated_at = excluded.activated_at, revoked_from = excluded.revoked_from`,
		inOrder(c.Referrals), func(list []models.Referral) []any {
			return []any{
				column(list, func(r models.Referral) int64 { return r.InviterID }), column(list, func(r models.Referral) int64 { return r.InviteeID }),
				column(list, func(r models.Referral) time.Time { return r.ActivatedAt }), column(list, func(r models.Referral) *time.Time { return optionalDay(r.RevokedFrom) }),
			}
		})
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
	var discounts []models.Discount
	var grants []models.Grant
	for _, id := range ids {
		discounts, grants = append(discounts, c.Entitlements[id].Discounts...), append(grants, c.Entitlements[id].Grants...)
	}
	saveRows(batch, "saving discounts", "INSERT INTO discounts ("+discountColumns+") SELECT * FROM unnest($1::bigint[], $2::text[], $3::date[], $4::date[], $5::smallint[], $6::smallint[])",
		discounts, func(list []models.Discount) []any {
			return []any{
				column(list, func(d models.Discount) int64 { return d.AccountID }), column(list, func(d models.Discount) string { return string(d.Kind) }),
				column(list, func(d models.Discount) time.Time { return d.From.Time() }), column(list, func(d models.Discount) time.Time { return d.To.Time() }),
				column(list, func(d models.Discount) int16 { return int16(d.Percent) }), column(list, func(d models.Discount) int16 { return int16(d.Step) }),
			}
		})
	saveRows(batch, "saving package grants", `INSERT INTO package_grants (account_id, sms, ordinal, granted_on, step)
		SELECT * FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::date[], $5::smallint[])`, grants, func(list []models.Grant) []any {
		return []any{
			column(list, func(g models.Grant) int64 { return g.AccountID }), column(list, func(g models.Grant) int32 { return int32(g.SMS) }),
			column(list, func(g models.Grant) int32 { return int32(g.Ordinal) }), column(list, func(g models.Grant) time.Time { return g.GrantedOn.Time() }),
			column(list, func(g models.Grant) int16 { return int16(g.Step) }),
		}
	})
}

// saveRows queues a statement that takes rows as arrays, one a column: a statement for each
// row would cost the database more than the row. No rows need no statement.
func saveRows[T any](batch *pgcopy.Batch, what, sql string, rows []T, columns func([]T) []any) {
	if len(rows) > 0 {
		batch.Exec(what, sql, columns(rows)...)
	}
}

// column is one value of every row.
func column[T, V any](rows []T, value func(T) V) []V {
	values := make([]V, len(rows))
	for i := range rows {
		values[i] = value(rows[i])
	}
	return values
}

func saveOutboxEvents(batch *pgcopy.Batch, c models.Changes) error {
	for _, e := range c.OutboxEvents {
		data, err := json.Marshal(e.Data)
		if err != nil {
			return fmt.Errorf("encoding an event of the outbox: %w", err)
		}
		batch.Exec("saving an event of the outbox", "INSERT INTO outbox (account_id, event_id, type, data, at, trace_context) VALUES ($1, $2, $3, $4, $5, $6)",
			e.AccountID, [16]byte(e.ID), e.Type, data, e.At, e.Trace)
	}
	return nil
}
