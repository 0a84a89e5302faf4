package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// Erase erases the personal data of an account for good and records it by the action: its
// profile, also as an older system told it; the recipients of its invitations, of which
// those that wait are not sent; its sessions and answered requests; and the bodies of dead
// letters about it, with what proposals quote of them. Days, percentages and money stay,
// under the account's number. erased is false when that was done before, or nothing is
// known of the account.
func (s *Store) Erase(ctx context.Context, account int64, act models.OperatorAction) (erased bool, err error) {
	err = s.write(ctx, fmt.Sprintf("erasing the personal data of account %d", account), func(tx *tx) error {
		if erased, err = tx.erase(ctx, account); err != nil || !erased {
			return err
		}
		return tx.recordAction(act)
	})
	return erased, err
}

func (t *tx) erase(ctx context.Context, account int64) (erased bool, err error) {
	var batch pgcopy.Batch
	batch.Exec("passing the ingest barrier", passBarrier, lockIngest.in(t.schema))
	set := queueLocked(&batch, map[int64]bool{account: true})
	if err := batch.Send(ctx, t.pgx); err != nil {
		return false, err
	}
	a := set.Accounts[account]
	if a == nil || !a.ErasedAt.IsZero() {
		return false, nil
	}
	letters, err := t.deadLettersAbout(ctx, a)
	if err != nil {
		return false, err
	}
	subjects := make([]string, len(letters))
	for i, id := range letters {
		subjects[i] = models.DeadLetterSubject(id)
	}
	for _, step := range []struct {
		what, sql string
		args      []any
	}{
		{"the profile", `UPDATE accounts SET erased_at = $2, name = '', tax_id = '', email = '', phone = '', promo_until = '', profile_at = NULL,
			imported = imported & ~8 WHERE account_id = $1`, []any{account, t.now}},
		{"what an older system told", "UPDATE imported_accounts SET name = '', tax_id = '' WHERE account_id = $1", []any{account}},
		{"the recipients of its invitations", `UPDATE invitations SET recipient = '', token = '', changed_at = $2,
			state = CASE WHEN state = 'queued' THEN 'failed' ELSE state END WHERE account_id = $1`, []any{account, t.now}},
		{"its sessions", "DELETE FROM sessions WHERE account_id = $1", []any{account}},
		{"its answered requests", "DELETE FROM client_requests WHERE account_id = $1", []any{account}},
		{"dead letters about it", `UPDATE dead_letters SET value = NULL, corrected = NULL, headers = '[]', published_at = coalesce(published_at, $2),
			state = CASE WHEN state = 'waiting' THEN 'discarded' ELSE state END WHERE id = ANY($1)`, []any{letters, t.now}},
		{"what proposals quote", "UPDATE proposals SET details = NULL WHERE details IS NOT NULL AND subject = ANY($1)", []any{subjects}},
	} {
		if err := t.exec("erasing "+step.what, step.sql, step.args...); err != nil {
			return false, err
		}
	}
	return true, nil
}

// terminatedBefore selects the accounts that left before $1 and have got no document
// since, and whose personal data are still there.
const terminatedBefore = `SELECT account_id FROM accounts a WHERE terminated_at < $1 AND erased_at IS NULL
	AND NOT EXISTS (SELECT 1 FROM adjustments d WHERE d.storage_period = ` + anyPeriod + ` AND d.account_id = a.account_id AND d.posted_at >= $1)
	AND NOT EXISTS (SELECT 1 FROM sms_packages p WHERE p.account_id = a.account_id AND p.posted_at >= $1) ORDER BY terminated_at, account_id`

// TerminatedAccounts is the first accounts that left before a time and have got no document
// since, whose personal data the retention erases.
func (s *Store) TerminatedAccounts(ctx context.Context, before time.Time, limit int) ([]int64, error) {
	return list(ctx, s, "looking for accounts that left", pgx.RowTo[int64], terminatedBefore+" LIMIT $2", before, limit)
}

// eraseBatch is how many accounts are erased in one transaction, with one entry of the
// journal.
const eraseBatch = 100

// eraseTerminated erases the personal data of accounts that left before a time.
func (s *Store) eraseTerminated(ctx context.Context, before time.Time) (accounts int64, err error) {
	for {
		ids, err := s.TerminatedAccounts(ctx, before, eraseBatch)
		if err != nil || len(ids) == 0 {
			return accounts, err
		}
		var erased int64
		err = s.write(ctx, "erasing the personal data of accounts that left", func(tx *tx) error {
			erased = 0
			for _, id := range ids {
				done, err := tx.erase(ctx, id)
				if err != nil {
					return err
				}
				if done {
					erased++
				}
			}
			if erased == 0 { // another process has erased them
				return nil
			}
			return tx.recordAction(models.OperatorAction{
				Who: "retention", What: models.ActionErase, Subject: fmt.Sprintf("%d accounts", erased), Reason: "they left before " + before.UTC().Format(time.DateOnly),
			})
		})
		accounts += erased
		if err != nil {
			return accounts, err
		}
	}
}

// deadLettersAbout is the dead letters whose key or body names an account, or whose body
// quotes its profile.
func (t *tx) deadLettersAbout(ctx context.Context, a *models.Account) (ids []int64, err error) {
	about := messagesAbout(a)
	err = pgcopy.Each(ctx, t.pgx, "dead letters", func(v [][]byte) {
		if models.KeyAccount(v[1]) == a.ID || about(v[2]) || about(v[3]) || about(v[4]) {
			ids = append(ids, pgcopy.Int8(v[0]))
		}
	}, "SELECT id, key, value, corrected, headers::text FROM dead_letters WHERE value IS NOT NULL OR corrected IS NOT NULL")
	return ids, err
}

// messagesAbout tells whether a message names the account or quotes its profile. The
// message need not be readable.
func messagesAbout(a *models.Account) func(body []byte) bool {
	named := regexp.MustCompile(`account_id"?\s*:\s*"?` + strconv.FormatInt(a.ID, 10) + `(\D|$)`)
	var quoted [][]byte
	for _, text := range []string{a.Profile.Name, a.Profile.TaxID, a.Profile.Email, a.Profile.Phone} {
		if text == "" {
			continue
		}
		asJSON, _ := json.Marshal(text) // a string can always be written
		quoted = append(quoted, []byte(text), asJSON[1:len(asJSON)-1], []byte(strings.Trim(strings.ToLower(strconv.QuoteToASCII(text)), `"`)))
	}
	return func(body []byte) bool {
		if named.Match(body) {
			return true
		}
		lower := bytes.ToLower(body)
		for _, text := range quoted {
			if bytes.Contains(body, text) || bytes.Contains(lower, text) {
				return true
			}
		}
		return false
	}
}

// AccountTables is all rows that belong to an account, by their tables: for the client to
// have.
func (s *Store) AccountTables(ctx context.Context, account int64) (map[string][]json.RawMessage, error) {
	var tables map[string][]json.RawMessage
	err := s.snapshot(ctx, fmt.Sprintf("collecting the data of account %d", account), func(tx *tx) error {
		tables = map[string][]json.RawMessage{}
		var names []string
		err := pgcopy.Each(ctx, tx.pgx, "tables with accounts", func(v [][]byte) { names = append(names, string(v[0])) }, `
			SELECT c.relname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE a.attname = 'account_id' AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY 1`)
		if err != nil {
			return err
		}
		read := func(table, where string) error {
			return pgcopy.Each(ctx, tx.pgx, table, func(v [][]byte) {
				tables[table] = append(tables[table], json.RawMessage(bytes.Clone(v[0])))
			}, "SELECT to_jsonb(t)::text FROM "+table+" t WHERE "+where, account)
		}
		for _, table := range names {
			if err := read(table, "account_id = $1"); err != nil {
				return err
			}
		}
		return read("dead_letters", "key = convert_to($1::bigint::text, 'UTF8')")
	})
	return tables, err
}
