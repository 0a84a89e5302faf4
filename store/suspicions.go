package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// ReferralGraph hands every account that invited or was invited to account, and then
// every referral to referral, all of one state of the database. Nothing is kept here. It
// is never repeated.
func (s *Store) ReferralGraph(ctx context.Context, account func(id int64, p models.Profile), referral func(models.Referral)) error {
	err := s.once(ctx, beginReadOnly, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		err := pgcopy.Each(ctx, tx.pgx, "the accounts of the referrals", func(v [][]byte) {
			account(pgcopy.Int8(v[0]), models.Profile{TaxID: string(v[1]), Phone: string(v[2]), Email: string(v[3])})
		}, `SELECT r.account_id, coalesce(a.tax_id, ''), coalesce(a.phone, ''), coalesce(a.email, '')
			FROM (SELECT account_id FROM referrals UNION SELECT invitee_id FROM referrals) r LEFT JOIN accounts a ON a.account_id = r.account_id`)
		if err != nil {
			return err
		}
		return pgcopy.Each(ctx, tx.pgx, "the referrals", func(v [][]byte) {
			referral(models.Referral{InviterID: pgcopy.Int8(v[0]), InviteeID: pgcopy.Int8(v[1]), ActivatedAt: pgcopy.Time(v[2])})
		}, "SELECT account_id, invitee_id, activated_at FROM referrals WHERE revoked_from IS NULL")
	})
	return wrap("reading the graph of referrals", err)
}

// AccountHistories hands everything known of some accounts to see, by id, with all
// their invoices and documents; they are in memory together.
func (s *Store) AccountHistories(ctx context.Context, ids []int64, see func(*models.AccountHistory) error) error {
	err := s.once(ctx, beginReadOnly, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		l := newHistoryLoader(tx, slices.Sorted(slices.Values(ids)), 0)
		if err := l.loadFacts(ctx); err != nil {
			return err
		}
		if err := l.loadLedger(ctx); err != nil {
			return err
		}
		return l.each(see)
	})
	return wrap(fmt.Sprintf("reading what is known of %d accounts", len(ids)), err)
}

// ReplaceSuspicions keeps what a search has found instead of what the one before found.
// A suspicion that is found again keeps the time when it was found first.
func (s *Store) ReplaceSuspicions(ctx context.Context, search models.SuspicionSearch, found []models.Suspicion) error {
	return s.write(ctx, "keeping suspicions", func(tx *tx) error {
		prints := make([][]byte, len(found))
		var batch pgcopy.Batch
		for i := range found {
			f := &found[i]
			prints[i] = f.Fingerprint[:]
			inviters, invitees, activated := columnsOf(f.Referrals)
			stakes, err := json.Marshal(append([]models.Stake{}, f.Stakes...))
			if err != nil {
				return err
			}
			most := largest(f.Stakes)
			batch.Exec("keeping a suspicion", `INSERT INTO suspicions (fingerprint, signs, inviters, invitees, activated, posted_minor, ahead_minor, stakes, found_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
				ON CONFLICT (fingerprint) DO UPDATE SET posted_minor = excluded.posted_minor, ahead_minor = excluded.ahead_minor, stakes = excluded.stakes`,
				f.Fingerprint[:], f.Signs, inviters, invitees, activated, most.Posted, most.Ahead, string(stakes), search.At)
		}
		batch.Exec("forgetting suspicions", "DELETE FROM suspicions WHERE NOT fingerprint = ANY($1)", prints)
		batch.Exec("forgetting the search before", "DELETE FROM suspicion_searches")
		batch.Exec("keeping the search", "INSERT INTO suspicion_searches (searched_at, accounts, referrals, found) VALUES ($1, $2, $3, $4)",
			search.At, search.Accounts, search.Referrals, search.Found)
		return batch.Send(ctx, tx.pgx)
	})
}

// largest is the stake that a suspicion is ranked by: amounts of several currencies are
// not added up.
func largest(stakes []models.Stake) (most models.Stake) {
	for _, k := range stakes {
		if k.Posted < most.Posted || k.Posted == most.Posted && k.Ahead < most.Ahead {
			most = k
		}
	}
	return most
}

func columnsOf(referrals []models.Referral) (inviters, invitees []int64, activated []time.Time) {
	for i := range referrals {
		inviters = append(inviters, referrals[i].InviterID)
		invitees = append(invitees, referrals[i].InviteeID)
		activated = append(activated, referrals[i].ActivatedAt)
	}
	return inviters, invitees, activated
}

const suspicionsQuery = `SELECT s.fingerprint, s.signs, s.inviters, s.invitees, s.activated, s.stakes, s.found_at,
	n.seen_at, coalesce(n.seen_by, ''), coalesce(n.note, '')
FROM suspicions s LEFT JOIN suspicions_seen n USING (fingerprint) `

func scanSuspicion(row pgx.CollectableRow) (f models.Suspicion, err error) {
	var digest []byte
	var inviters, invitees []int64
	var activated []time.Time
	var seen models.SuspicionSeen
	var at *time.Time
	err = row.Scan(&digest, &f.Signs, &inviters, &invitees, &activated, &f.Stakes, &f.FoundAt, &at, &seen.Who, &seen.Note)
	copy(f.Fingerprint[:], digest)
	f.FoundAt = f.FoundAt.UTC()
	for i := range inviters {
		f.Referrals = append(f.Referrals, models.Referral{InviterID: inviters[i], InviteeID: invitees[i], ActivatedAt: activated[i].UTC()})
	}
	if at != nil {
		seen.At = at.UTC()
		f.Seen = &seen
	}
	return f, err
}

// Suspicions is up to limit suspicions that somebody, or nobody, has looked at, those
// with the largest discounts first; how many there are; and the names of their accounts.
// searched is false when no search has been made.
func (s *Store) Suspicions(ctx context.Context, seen bool, limit int) (found models.Suspicions, searched bool, err error) {
	err = s.snapshot(ctx, "reading suspicions", func(tx *tx) error {
		found = models.Suspicions{}
		searched, err = tx.scan("reading the last search", []any{&found.Search.At, &found.Search.Accounts, &found.Search.Referrals, &found.Search.Found},
			"SELECT searched_at, accounts, referrals, found FROM suspicion_searches ORDER BY searched_at DESC LIMIT 1")
		if err != nil {
			return err
		}
		found.Search.At = found.Search.At.UTC()
		const wanted = "(EXISTS (SELECT 1 FROM suspicions_seen n WHERE n.fingerprint = s.fingerprint)) = $1"
		if _, err := tx.scan("counting suspicions", []any{&found.Count}, "SELECT count(*) FROM suspicions s WHERE "+wanted, seen); err != nil {
			return err
		}
		rows, err := tx.pgx.Query(ctx, suspicionsQuery+"WHERE "+wanted+" ORDER BY s.posted_minor, s.ahead_minor, s.fingerprint LIMIT $2", seen, limit)
		if err != nil {
			return err
		}
		if found.List, err = pgx.CollectRows(rows, scanSuspicion); err != nil {
			return err
		}
		found.Names, err = tx.namesOf(ctx, found.List)
		return err
	})
	return found, searched, err
}

func (t *tx) namesOf(ctx context.Context, suspicions []models.Suspicion) (map[int64]string, error) {
	members := map[int64]bool{}
	for i := range suspicions {
		for _, id := range suspicions[i].Members() {
			members[id] = true
		}
	}
	names := map[int64]string{}
	err := pgcopy.Each(ctx, t.pgx, "the names of accounts", func(v [][]byte) { names[pgcopy.Int8(v[0])] = string(v[1]) },
		"SELECT account_id, name FROM accounts WHERE account_id = ANY($1)", sortedIDs(members))
	return names, err
}

// MarkSuspicionSeen records that a person has looked at a suspicion, with the note that
// is the reason of the act. found is false when there is none; marked is false when
// somebody has looked at it before, and then nothing is changed.
func (s *Store) MarkSuspicionSeen(ctx context.Context, fingerprint models.Digest, who string, role models.Role, note string) (found, marked bool, err error) {
	err = s.write(ctx, "marking a suspicion as seen", func(tx *tx) error {
		rows, err := tx.change("marking a suspicion", `INSERT INTO suspicions_seen (fingerprint, seen_at, seen_by, note)
			SELECT fingerprint, $2, $3, $4 FROM suspicions WHERE fingerprint = $1 ON CONFLICT DO NOTHING`, fingerprint[:], tx.now, who, note)
		if err != nil {
			return err
		}
		if marked = rows == 1; marked {
			found = true
			return tx.recordAction(models.OperatorAction{
				Who: who, Role: role, What: models.ActionSuspicionSeen, Subject: "suspicion " + hex.EncodeToString(fingerprint[:8]), Reason: note,
			})
		}
		_, err = tx.scan("looking for a suspicion", []any{&found}, "SELECT count(*) > 0 FROM suspicions WHERE fingerprint = $1", fingerprint[:])
		return err
	})
	return found, marked, err
}
