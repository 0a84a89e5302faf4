package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm/clause"

	"referral/models"
)

// insertBatch is how many rows one INSERT of GORM carries.
const insertBatch = 500

func sortedPeriods[V any](m map[models.Period]V) []models.Period { return slices.Sorted(maps.Keys(m)) }

func sortedIDs[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }

// takeAccountFacts applies registrations, promo ends, terminations and
// activations: it locks every account that they may touch, in the order of the
// ids so that no two batches lock each other out, lets derive say what changes,
// and stores that.
func (b *intake) takeAccountFacts(ctx context.Context, derive Derive) error {
	facts, subjects := b.accountFacts()
	if len(facts) == 0 {
		return nil
	}
	if err := b.holdTerms(); err != nil {
		return err
	}
	set, err := b.lockWorkingSet(ctx, subjects, codesOf(facts))
	if err != nil {
		return err
	}
	changes := derive(set, facts)
	if err := b.saveChanges(changes); err != nil {
		return err
	}
	return b.markStanding(ctx, changes.Standings)
}

func (b *intake) accountFacts() ([]*models.Fact, map[int64]bool) {
	var facts []*models.Fact
	subjects := map[int64]bool{}
	for _, i := range b.fresh {
		f := b.batch[i].Fact
		switch f.Data.(type) {
		case models.Registered, models.PromoEnded, models.Terminated, models.ActivationRequested:
			facts = append(facts, f)
			subjects[f.Data.Account()] = true
		}
	}
	return facts, subjects
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

func (b *intake) lockWorkingSet(ctx context.Context, subjects map[int64]bool, entered []string) (*models.WorkingSet, error) {
	_, err := b.pgx.Exec(ctx, "INSERT INTO accounts (account_id) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING", sortedIDs(subjects))
	if err != nil {
		return nil, fmt.Errorf("making accounts known: %w", err)
	}
	reach, err := b.reach(ctx, subjects, entered)
	if err != nil {
		return nil, err
	}
	set := models.NewWorkingSet()
	if err := b.lockAccounts(reach.ids, set); err != nil {
		return nil, err
	}
	// What was read before the locks may have grown meanwhile.
	again, err := b.reach(ctx, subjects, entered)
	if err != nil {
		return nil, err
	}
	if !maps.Equal(again.ids, reach.ids) {
		return nil, errAgain
	}
	set.Codes = again.codes
	return set, b.loadReferrals(again.ids, set)
}

// reach is the accounts that a batch may touch and the codes among them.
type reach struct {
	ids   map[int64]bool
	codes map[string]int64
}

func (b *intake) reach(ctx context.Context, subjects map[int64]bool, entered []string) (reach, error) {
	r := reach{ids: maps.Clone(subjects), codes: map[string]int64{}}
	ids := sortedIDs(subjects)
	codes := normalCodes(entered)
	err := each(ctx, b.pgx, "activations", func(v [][]byte) {
		if inviter := getInt8(v[1]); inviter != 0 {
			r.ids[inviter] = true
			return
		}
		codes = append(codes, models.NormalCode(string(v[0])))
	}, "SELECT code, inviter_id FROM activations WHERE account_id = ANY($1) AND status IN ('pending', 'accepted')", ids)
	if err != nil {
		return r, err
	}
	err = each(ctx, b.pgx, "codes", func(v [][]byte) {
		owner := getInt8(v[1])
		r.codes[string(v[0])] = owner
		r.ids[owner] = true
	}, "SELECT code, account_id FROM codes WHERE code = ANY($1)", codes)
	return r, err
}

func normalCodes(entered []string) []string {
	codes := make([]string, len(entered))
	for i, c := range entered {
		codes[i] = models.NormalCode(c)
	}
	return codes
}

func (b *intake) lockAccounts(ids map[int64]bool, set *models.WorkingSet) error {
	var records []accountRecord
	err := b.Clauses(clause.Locking{Strength: "UPDATE"}).Where("account_id IN ?", sortedIDs(ids)).Order("account_id").Find(&records).Error
	if err != nil {
		return fmt.Errorf("locking accounts: %w", err)
	}
	for i := range records {
		set.Accounts[records[i].AccountID] = records[i].account()
	}
	return nil
}

// loadReferrals fills in what hangs on the locked accounts.
func (t *tx) loadReferrals(ids map[int64]bool, set *models.WorkingSet) error {
	keys := sortedIDs(ids)
	var activations []activationRecord
	var referrals []referralRecord
	for _, q := range []struct {
		what  string
		into  any
		order string
	}{
		{"activations", &activations, "account_id, seq"},
		{"referrals", &referrals, "account_id, invitee_id"},
	} {
		if err := t.Where("account_id IN ?", keys).Order(q.order).Find(q.into).Error; err != nil {
			return fmt.Errorf("reading %s: %w", q.what, err)
		}
	}
	for i := range activations {
		id := activations[i].AccountID
		set.Activations[id] = append(set.Activations[id], activations[i].activation())
	}
	for i := range referrals {
		id := referrals[i].AccountID
		set.Referrals[id] = append(set.Referrals[id], referrals[i].referral())
	}
	return t.loadStandings(keys, set.Standings)
}

func (t *tx) loadStandings(keys []int64, standings map[int64]models.Standing) error {
	var discounts []discountRecord
	if err := t.Where("account_id IN ?", keys).Order("account_id, kind, from_day").Find(&discounts).Error; err != nil {
		return fmt.Errorf("reading discounts: %w", err)
	}
	var grants []grantRecord
	if err := t.Where("account_id IN ?", keys).Order("account_id, granted_on, sms, ordinal").Find(&grants).Error; err != nil {
		return fmt.Errorf("reading package grants: %w", err)
	}
	for i := range discounts {
		s := standings[discounts[i].AccountID]
		s.Discounts = append(s.Discounts, discounts[i].discount())
		standings[discounts[i].AccountID] = s
	}
	for i := range grants {
		s := standings[grants[i].AccountID]
		s.Grants = append(s.Grants, grants[i].grant())
		standings[grants[i].AccountID] = s
	}
	return nil
}

func (t *tx) saveChanges(c models.Changes) error {
	for _, save := range []func(models.Changes) error{
		t.saveAccounts, t.saveActivations, t.saveReferrals, t.saveStandings, t.saveAnnouncements,
	} {
		if err := save(c); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) saveAccounts(c models.Changes) error {
	if len(c.Accounts) == 0 {
		return nil
	}
	records := make([]accountRecord, len(c.Accounts))
	var codes []codeRecord
	for i, a := range c.Accounts {
		records[i] = recordOf(a)
		if a.Code != "" {
			codes = append(codes, codeRecord{a.Code, a.ID})
		}
	}
	if err := t.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(&records, insertBatch).Error; err != nil {
		return fmt.Errorf("saving accounts: %w", err)
	}
	// An account keeps its code; a code that another account has is a unique key
	// violated, and makes the batch draw again.
	err := t.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "account_id"}}, DoNothing: true}).CreateInBatches(&codes, insertBatch).Error
	if len(codes) > 0 && err != nil {
		return fmt.Errorf("saving codes: %w", err)
	}
	return nil
}

func (t *tx) saveActivations(c models.Changes) error {
	var fresh []activationRecord
	for _, a := range c.Activations {
		if a.Seq == 0 {
			fresh = append(fresh, activationRecord{
				AccountID: a.AccountID, EventKey: uuidValue(a.Event), Code: a.Code, RequestedAt: a.RequestedAt,
				Status: a.Status, Reason: a.Reason, InviterID: a.InviterID,
			})
			continue
		}
		err := t.Model(&activationRecord{}).Where("account_id = ? AND seq = ?", a.AccountID, a.Seq).
			Updates(map[string]any{"status": a.Status, "reason": a.Reason, "inviter_id": a.InviterID}).Error
		if err != nil {
			return fmt.Errorf("saving a verdict: %w", err)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := t.CreateInBatches(&fresh, insertBatch).Error; err != nil {
		return fmt.Errorf("saving activations: %w", err)
	}
	return nil
}

func (t *tx) saveReferrals(c models.Changes) error {
	// The last word on a pair counts; one INSERT may not name a row twice.
	byPair := map[[2]int64]referralRecord{}
	for _, r := range c.Referrals {
		byPair[[2]int64{r.InviterID, r.InviteeID}] = referralRecord{r.InviterID, r.InviteeID, r.ActivatedAt}
	}
	if len(byPair) == 0 {
		return nil
	}
	records := slices.SortedFunc(maps.Values(byPair), func(a, b referralRecord) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.InviteeID, b.InviteeID))
	})
	if err := t.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(&records, insertBatch).Error; err != nil {
		return fmt.Errorf("saving referrals: %w", err)
	}
	return nil
}

func (t *tx) saveStandings(c models.Changes) error {
	if len(c.Standings) == 0 {
		return nil
	}
	ids := sortedIDs(c.Standings)
	var discounts []discountRecord
	var grants []grantRecord
	for _, id := range ids {
		for _, d := range c.Standings[id].Discounts {
			discounts = append(discounts, discountRecord{d.AccountID, d.Kind, dateValue(d.From), dateValue(d.To), d.Percent, d.Step})
		}
		for _, g := range c.Standings[id].Grants {
			grants = append(grants, grantRecord{g.AccountID, g.SMS, g.Ordinal, dateValue(g.GrantedOn), g.Step})
		}
	}
	if err := t.Where("account_id IN ?", ids).Delete(&discountRecord{}).Error; err != nil {
		return fmt.Errorf("replacing discounts: %w", err)
	}
	if err := t.Where("account_id IN ?", ids).Delete(&grantRecord{}).Error; err != nil {
		return fmt.Errorf("replacing package grants: %w", err)
	}
	if len(discounts) > 0 {
		if err := t.CreateInBatches(&discounts, insertBatch).Error; err != nil {
			return fmt.Errorf("saving discounts: %w", err)
		}
	}
	if len(grants) > 0 {
		if err := t.CreateInBatches(&grants, insertBatch).Error; err != nil {
			return fmt.Errorf("saving package grants: %w", err)
		}
	}
	return nil
}

func (t *tx) saveAnnouncements(c models.Changes) error {
	records := make([]outboxRecord, len(c.Announcements))
	for i, a := range c.Announcements {
		data, err := json.Marshal(a.Data)
		if err != nil {
			return fmt.Errorf("encoding an announcement: %w", err)
		}
		records[i] = outboxRecord{AccountID: a.AccountID, EventID: uuidValue(a.ID), Type: a.Type, Data: string(data), At: a.At}
	}
	if len(records) == 0 {
		return nil
	}
	if err := t.CreateInBatches(&records, insertBatch).Error; err != nil {
		return fmt.Errorf("saving announcements: %w", err)
	}
	return nil
}

// markStanding marks, in every started period, the accounts whose standing has
// changed: where they have invoices, and where they have earned a package. On
// purpose it makes no period known: months that no invoice has named are not run
// by the clock (docs/architecture.md), or the first start on old facts would send
// packages of years past.
func (b *intake) markStanding(ctx context.Context, standings map[int64]models.Standing) error {
	if len(standings) == 0 {
		return nil
	}
	if err := b.markAtWork(ctx, sortedIDs(standings)); err != nil {
		return err
	}
	return each(ctx, b.pgx, "what a fact makes stale", func(v [][]byte) {
		b.marks[mark{models.Period(getInt4(v[0])), getInt8(v[1])}] = true
	}, `SELECT i.period, i.account_id FROM invoices i JOIN periods p USING (period)
		WHERE i.account_id = ANY($1) AND p.started_at IS NOT NULL
		UNION
		SELECT p.period, g.account_id FROM package_grants g
		JOIN periods p ON p.period = extract(year FROM g.granted_on)::int * 100 + extract(month FROM g.granted_on)::int
		WHERE g.account_id = ANY($1) AND p.started_at IS NOT NULL`, sortedIDs(standings))
}
