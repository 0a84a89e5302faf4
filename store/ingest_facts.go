package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"referral/models"
)

// insertBatch is how many rows one INSERT of GORM carries.
const insertBatch = 500

func sortedPeriods[V any](m map[models.Period]V) []models.Period { return slices.Sorted(maps.Keys(m)) }

// numbersOf is periods as one parameter.
func numbersOf(periods map[models.Period]bool) []int32 {
	var numbers []int32
	for _, p := range sortedPeriods(periods) {
		numbers = append(numbers, int32(p))
	}
	return numbers
}

func sortedIDs[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }

// takeAccountFacts applies registrations, promo ends, terminations and
// activations: it locks every account that they may touch, in the order of the
// ids so that no two batches lock each other out, lets derive say what changes,
// and stores that.
func (b *ingestion) takeAccountFacts(ctx context.Context, derive Derive) error {
	facts, at, subjects := b.accountFacts()
	if len(facts) == 0 {
		return nil
	}
	set, err := b.lockWorkingSet(ctx, subjects, codesOf(facts))
	if err != nil {
		return err
	}
	changes := derive(set, facts)
	for _, n := range changes.Repeated {
		b.fate[at[n]] = models.Repeated
	}
	if err := saveChanges(b.last, changes, b.numbers); err != nil {
		return err
	}
	markChanged(b.last, changes)
	return nil
}

// accountFacts is the facts that the rules have to judge, where they stand in the
// batch, and the accounts that they are about.
func (b *ingestion) accountFacts() (facts []*models.Fact, at []int, subjects map[int64]bool) {
	subjects = map[int64]bool{}
	factsOf(b, func(i int, f *models.Fact, data models.FactData) {
		if changesEntitlements(f) {
			facts, at = append(facts, f), append(at, i)
			subjects[data.Account()] = true
		}
	})
	return facts, at, subjects
}

// changesEntitlements tells a fact that the rules have to judge when it comes.
func changesEntitlements(f *models.Fact) bool {
	switch f.Data.(type) {
	case models.Registered, models.PromoEnded, models.Terminated, models.ActivationRequested:
		return true
	}
	return false
}

func codesOf(facts []*models.Fact) []string {
	var codes []string
	for _, f := range facts {
		if a, ok := f.Data.(models.ActivationRequested); ok {
			codes = append(codes, a.Code)
		}
	}
	return codes
}

// lockWorkingSet reads the accounts that the facts may touch, locked, with what
// hangs on them.
func (b *ingestion) lockWorkingSet(ctx context.Context, subjects map[int64]bool, entered []string) (*models.WorkingSet, error) {
	r, err := b.reach(ctx, subjects, entered)
	if err != nil {
		return nil, err
	}
	var found accountRecords
	behind := newReach(subjects, nil)
	trip := b.statementBatch()
	found.queueLocked(trip, r.ids)
	r.queueOwners(&trip.batch, behind)
	if err := trip.send(ctx); err != nil {
		return nil, err
	}
	set := found.workingSet()
	for id := range subjects {
		for _, a := range set.Activations[id] {
			if a.Status != models.ActivationRefused {
				behind.request(a.Code, a.InviterID)
			}
		}
	}
	// What was read before the locks may have grown meanwhile.
	if !maps.Equal(behind.ids, r.ids) || !r.asksFor(behind.asked) {
		return nil, errAgain
	}
	set.Codes = behind.codes
	return set, nil
}

// reach is the accounts that a batch may touch: those it is about, and the owners
// of the codes that they enter now or have entered before.
type reach struct {
	ids   map[int64]bool
	asked map[string]bool  // codes, in their normal form
	codes map[string]int64 // their owners
}

func newReach(subjects map[int64]bool, entered []string) *reach {
	r := &reach{ids: maps.Clone(subjects), asked: map[string]bool{}, codes: map[string]int64{}}
	for _, code := range entered {
		r.request(code, 0)
	}
	return r
}

// request adds one to activate a code, whose owner is known once it was accepted.
func (r *reach) request(code string, inviter int64) {
	if inviter != 0 {
		r.ids[inviter] = true
		return
	}
	r.asked[models.NormalCode(code)] = true
}

// queueOwners asks whose the codes are, for another reach or itself.
func (r *reach) queueOwners(batch *pgx.Batch, into *reach) {
	if len(r.asked) == 0 {
		return
	}
	queue(batch, "codes", func(v [][]byte) {
		owner := getInt8(v[1])
		into.codes[string(v[0])] = owner
		into.ids[owner] = true
	}, "SELECT code, account_id FROM codes WHERE code = ANY($1)", slices.Sorted(maps.Keys(r.asked)))
}

func (r *reach) asksFor(codes map[string]bool) bool {
	for code := range codes {
		if !r.asked[code] {
			return false
		}
	}
	return true
}

// reach makes the subjects known and finds whom the facts may touch.
func (b *ingestion) reach(ctx context.Context, subjects map[int64]bool, entered []string) (*reach, error) {
	r := newReach(subjects, entered)
	fromFacts := len(r.asked)
	ids := sortedIDs(subjects)
	trip := b.statementBatch()
	trip.exec("making accounts known", "INSERT INTO accounts (account_id) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING", ids)
	r.queueOwners(&trip.batch, r)
	queue(&trip.batch, "activations", func(v [][]byte) { r.request(string(v[0]), getInt8(v[1])) },
		"SELECT code, inviter_id FROM activations WHERE account_id = ANY($1) AND status IN ('pending', 'accepted')", ids)
	if err := trip.send(ctx); err != nil {
		return nil, err
	}
	if len(r.asked) == fromFacts {
		return r, nil
	}
	r.queueOwners(&trip.batch, r)
	return r, trip.send(ctx)
}

// saveChanges queues what the rules have changed.
func saveChanges(r *statementBatch, c models.Changes, numbers topicNumbers) error {
	saveAccounts(r, c, numbers)
	saveActivations(r, c, numbers)
	saveReferrals(r, c)
	saveEntitlements(r, c)
	return saveAnnouncements(r, c)
}

func saveAccounts(r *statementBatch, c models.Changes, numbers topicNumbers) {
	records := make([]accountRecord, len(c.Accounts))
	for i, a := range c.Accounts {
		records[i] = recordOf(a, numbers)
	}
	writeAll(r, "saving accounts", r.db.Clauses(saveAccount), records)
	codes := make([]codeRecord, len(c.CodesIssued))
	for i, a := range c.CodesIssued {
		codes[i] = codeRecord{a.Code, a.ID}
	}
	// A code that another account has violates the key, and the batch draws again.
	writeAll(r, "saving codes", r.db, codes)
}

func saveActivations(r *statementBatch, c models.Changes, numbers topicNumbers) {
	var fresh []activationRecord
	for _, a := range c.Activations {
		if a.Seq == 0 {
			fresh = append(fresh, activationRecord{
				AccountID: a.AccountID, Code: a.Code, RequestedAt: a.RequestedAt,
				Status: a.Status, Reason: a.Reason, InviterID: a.InviterID, Provenance: numbers.pack(nil, a.Provenance),
			})
			continue
		}
		r.write("saving a decision", r.db.Model(&activationRecord{}).Where("account_id = ? AND seq = ?", a.AccountID, a.Seq).
			Updates(map[string]any{"status": a.Status, "reason": a.Reason, "inviter_id": a.InviterID}))
	}
	writeAll(r, "saving activations", r.db, fresh)
}

func saveReferrals(r *statementBatch, c models.Changes) {
	// The last word on a pair counts; one INSERT may not name a row twice.
	byPair := map[[2]int64]referralRecord{}
	for _, f := range c.Referrals {
		byPair[[2]int64{f.InviterID, f.InviteeID}] = referralRecord{f.InviterID, f.InviteeID, f.ActivatedAt}
	}
	records := slices.SortedFunc(maps.Values(byPair), func(a, b referralRecord) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.InviteeID, b.InviteeID))
	})
	writeAll(r, "saving referrals", r.db.Clauses(clause.OnConflict{UpdateAll: true}), records)
}

func saveEntitlements(r *statementBatch, c models.Changes) {
	if len(c.Entitlements) == 0 {
		return
	}
	ids := sortedIDs(c.Entitlements)
	var discounts []discountRecord
	var grants []grantRecord
	for _, id := range ids {
		for _, d := range c.Entitlements[id].Discounts {
			discounts = append(discounts, discountRecord{d.AccountID, d.Kind, dateValue(d.From), dateValue(d.To), d.Percent, d.Step})
		}
		for _, g := range c.Entitlements[id].Grants {
			grants = append(grants, grantRecord{g.AccountID, g.SMS, g.Ordinal, dateValue(g.GrantedOn), g.Step})
		}
	}
	theirs := r.db.Where("account_id = ANY(?)", idList(ids)).Session(&gorm.Session{})
	r.write("replacing discounts", theirs.Delete(&discountRecord{}))
	r.write("replacing package grants", theirs.Delete(&grantRecord{}))
	writeAll(r, "saving discounts", r.db, discounts)
	writeAll(r, "saving package grants", r.db, grants)
}

func saveAnnouncements(r *statementBatch, c models.Changes) error {
	records := make([]outboxRecord, len(c.OutboxEvents))
	for i, a := range c.OutboxEvents {
		data, err := json.Marshal(a.Data)
		if err != nil {
			return fmt.Errorf("encoding an announcement: %w", err)
		}
		records[i] = outboxRecord{AccountID: a.AccountID, EventID: uuidValue(a.ID), Type: a.Type, Data: string(data), At: a.At}
	}
	writeAll(r, "saving announcements", r.db, records)
	return nil
}

// markChanged marks the accounts whose discounts have changed in the started
// periods that were invoiced for a day on which they did, and in those of their
// packages. What other transactions are just taking about them cannot be seen from
// here: those mark what they bring. On purpose it makes no period known: months that
// no invoice has named are not run by the clock (docs/architecture.md), or the first
// start on old facts would send packages of years past.
func markChanged(r *statementBatch, c models.Changes) {
	ids := sortedIDs(c.Entitlements)
	if len(ids) == 0 {
		return
	}
	from, to := make([]time.Time, len(ids)), make([]time.Time, len(ids))
	for i, id := range ids {
		first, end := c.Entitlements[id].ChangedDays(c.Replaced[id])
		from[i], to[i] = first.Time(), end.Time()
	}
	r.exec("marking what a fact makes stale", `WITH changed AS (
			SELECT account_id, period FROM unnest($1::bigint[], $2::date[], $3::date[]) AS c (account_id, from_day, to_day)
			JOIN periods p ON p.started_at IS NOT NULL AND p.max_day > c.from_day AND p.min_day < c.to_day)
		INSERT INTO stale (period, account_id)
		SELECT changed.period, account_id FROM changed JOIN invoices i USING (account_id) WHERE i.storage_period = changed.period
		UNION
		SELECT period, account_id FROM changed JOIN invoices i USING (account_id, period) WHERE i.period <> i.storage_period
		UNION
		SELECT p.period, g.account_id FROM package_grants g
		JOIN periods p ON p.period = extract(year FROM g.granted_on)::int * 100 + extract(month FROM g.granted_on)::int
		WHERE g.account_id = ANY($1) AND p.started_at IS NOT NULL
		UNION
		SELECT w.period, a FROM (`+periodsAtWork+`) w, unnest($1::bigint[]) a`, ids, from, to)
}
