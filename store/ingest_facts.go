package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// accountFacts is the facts of a batch that change entitlements, their indexes in the
// batch, and the accounts that they may touch.
type accountFacts struct {
	list     []*models.Fact
	at       []int
	affected *affectedAccounts
}

func (b *ingestion) findAccountFacts() {
	b.facts.affected = newAffectedAccounts()
	factsOf(b, func(i int, f *models.Fact, data models.FactData) {
		if needsRules(f) {
			b.facts.list, b.facts.at = append(b.facts.list, f), append(b.facts.at, i)
			b.facts.affected.addSubject(f)
		}
	})
}

// applyAccountFacts applies registrations, promo ends, terminations and
// activations: it locks every account that they may touch, in the order of the
// ids so that no two batches lock each other out, lets derive say what changes,
// and stores that.
func (b *ingestion) applyAccountFacts(ctx context.Context, derive models.DeriveFunc) error {
	if len(b.facts.list) == 0 {
		return nil
	}
	set, err := b.lockWorkingSet(ctx, b.facts.affected)
	if err != nil {
		return err
	}
	changes := derive(set, b.facts.list)
	for _, n := range changes.Repeated {
		b.dispositions[b.facts.at[n]] = models.Repeated
	}
	b.setTraces(ctx, changes.OutboxEvents)
	if err := saveChanges(&b.writes, changes, b.numbers); err != nil {
		return err
	}
	markChanged(&b.writes, changes)
	return nil
}

// needsRules tells whether a fact changes entitlements when it comes.
func needsRules(f *models.Fact) bool {
	switch f.Data.(type) {
	case models.Registered, models.PromoEnded, models.Terminated, models.ActivationRequested:
		return true
	}
	return false
}

// affectedAccounts is the accounts that a batch may touch: those it is about, and the owners
// of the codes that they enter now or have entered before.
type affectedAccounts struct {
	subjects map[int64]bool
	named    map[int64]bool // by the facts, besides their subjects
	ids      map[int64]bool
	asked    map[string]bool  // codes, in their normal form
	codes    map[string]int64 // their owners
	looked   int              // codes whose owners were asked for
}

func newAffectedAccounts() *affectedAccounts {
	return &affectedAccounts{subjects: map[int64]bool{}, named: map[int64]bool{}, ids: map[int64]bool{}, asked: map[string]bool{}, codes: map[string]int64{}}
}

// addSubject adds the account that a fact is about, and the code that it enters.
func (r *affectedAccounts) addSubject(f *models.Fact) {
	id := f.Data.Account()
	r.subjects[id], r.ids[id] = true, true
	switch data := f.Data.(type) {
	case models.ActivationRequested:
		r.addCode(data.Code, 0)
	case models.ImportedAccount:
		r.addCode(data.Code, 0)
	case models.ImportedReferral:
		r.name(data.InviterID)
	}
}

// name adds an account that a fact names besides its subject.
func (r *affectedAccounts) name(id int64) { r.named[id], r.ids[id] = true, true }

// addCode adds a code that an account enters, whose owner is known once it was accepted.
func (r *affectedAccounts) addCode(code string, inviter int64) {
	if inviter != 0 {
		r.ids[inviter] = true
		return
	}
	r.asked[models.NormalCode(code)] = true
}

// queue inserts the subjects that are new and finds the accounts that the facts may touch.
func (r *affectedAccounts) queue(batch *pgcopy.Batch) {
	ids := sortedIDs(r.subjects)
	batch.Exec("inserting accounts", "INSERT INTO accounts (account_id) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING", ids)
	r.queueOwners(batch, r)
	batch.Each("activations", func(v [][]byte) { r.addCode(string(v[0]), pgcopy.Int8(v[1])) },
		"SELECT code, inviter_id FROM activations WHERE account_id = ANY($1) AND status IN ('pending', 'accepted')", ids)
}

// queueOwners reads the owners of the codes, into another set or itself.
func (r *affectedAccounts) queueOwners(batch *pgcopy.Batch, into *affectedAccounts) {
	if r.looked = len(r.asked); r.looked == 0 {
		return
	}
	batch.Each("codes", func(v [][]byte) {
		owner := pgcopy.Int8(v[1])
		into.codes[string(v[0])] = owner
		into.ids[owner] = true
	}, "SELECT code, account_id FROM codes WHERE code = ANY($1)", slices.Sorted(maps.Keys(r.asked)))
}

func (r *affectedAccounts) hasAsked(codes map[string]bool) bool {
	for code := range codes {
		if !r.asked[code] {
			return false
		}
	}
	return true
}

// lockWorkingSet reads the accounts that the facts may touch, locked, with their
// records.
func (t *tx) lockWorkingSet(ctx context.Context, r *affectedAccounts) (*models.WorkingSet, error) {
	var batch pgcopy.Batch
	if len(r.asked) > r.looked { // an account had entered other codes before
		r.queueOwners(&batch, r)
		if err := batch.Send(ctx, t.pgx); err != nil {
			return nil, err
		}
	}
	locked := newAffectedAccounts()
	maps.Copy(locked.ids, r.subjects)
	maps.Copy(locked.ids, r.named)
	set := queueLocked(&batch, r.ids)
	r.queueOwners(&batch, locked)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return nil, err
	}
	for id := range r.subjects {
		for _, a := range set.Activations[id] {
			if a.Status != models.ActivationRefused {
				locked.addCode(a.Code, a.InviterID)
			}
		}
	}
	// What was read before the locks may have changed until they were held.
	if !maps.Equal(locked.ids, r.ids) || !r.hasAsked(locked.asked) {
		return nil, errRetry
	}
	set.Codes = locked.codes
	return set, nil
}

// markChanged marks the accounts whose discounts have changed in the started
// periods that were invoiced for a day on which they did, and in those of their
// packages. What other transactions are storing about them at the same time cannot be
// seen from here: those mark what they bring. It inserts no period: the schedule does
// not run months that no invoice has named (docs/architecture.md).
func markChanged(batch *pgcopy.Batch, c models.Changes) {
	ids := sortedIDs(c.Entitlements)
	if len(ids) == 0 {
		return
	}
	from, to := make([]time.Time, len(ids)), make([]time.Time, len(ids))
	for i, id := range ids {
		first, end := c.Entitlements[id].ChangedDays(c.Replaced[id])
		from[i], to[i] = first.Time(), end.Time()
	}
	batch.Exec("marking what a fact makes stale", `WITH changed AS (
			SELECT account_id, period FROM unnest($1::bigint[], $2::date[], $3::date[]) AS c (account_id, from_day, to_day)
			JOIN periods p ON p.started_at IS NOT NULL AND p.max_day > c.from_day AND p.min_day < c.to_day)
		INSERT INTO stale (period, account_id)
		SELECT changed.period, account_id FROM changed JOIN invoices i USING (account_id) WHERE i.storage_period = changed.period
		UNION
		SELECT period, account_id FROM changed JOIN invoices i USING (account_id, period) WHERE i.period <> i.storage_period
		UNION
		SELECT p.period, g.account_id FROM package_grants g
		JOIN periods p ON p.period = `+grantedMonth+`
		WHERE g.account_id = ANY($1) AND p.started_at IS NOT NULL
		UNION
		SELECT w.period, a FROM (`+activePeriods+`) w, unnest($1::bigint[]) a`, ids, from, to)
}
