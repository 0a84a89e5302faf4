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
		accounts, err := tx.erase(ctx, account)
		if erased = len(accounts) > 0; err != nil || !erased {
			return err
		}
		return tx.recordAction(act)
	})
	return erased, err
}

// erase erases the personal data of those accounts of which there are some. It keeps out
// new messages: one that is being stored could otherwise become a dead letter unseen.
func (t *tx) erase(ctx context.Context, accounts ...int64) (erased []int64, err error) {
	if err := t.lock("out new messages", lockIngest); err != nil {
		return nil, err
	}
	ids := map[int64]bool{}
	for _, id := range accounts {
		ids[id] = true
	}
	var batch pgcopy.Batch
	set := queueLocked(&batch, ids)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return nil, err
	}
	about := map[int64][][]byte{} // what a message about an account may quote
	for id, a := range set.Accounts {
		if a.ErasedAt.IsZero() {
			erased, about[id] = append(erased, id), quotesOf(&a.Profile)
		}
	}
	if len(erased) == 0 {
		return nil, nil
	}
	letters, err := t.deadLettersAbout(ctx, about)
	if err != nil {
		return nil, err
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
			imported = imported & ~8 WHERE account_id = ANY($1)`, []any{erased, t.now}},
		{"what an older system told", "UPDATE imported_accounts SET name = '', tax_id = '' WHERE account_id = ANY($1)", []any{erased}},
		{"the recipients of its invitations", `UPDATE invitations SET recipient = '', token = '', changed_at = $2,
			state = CASE WHEN state <> 'queued' THEN state WHEN in_doubt THEN 'unknown' ELSE 'failed' END WHERE account_id = ANY($1)`, []any{erased, t.now}},
		{"its sessions", "DELETE FROM sessions WHERE account_id = ANY($1)", []any{erased}},
		{"its answered requests", "DELETE FROM client_requests WHERE account_id = ANY($1)", []any{erased}},
		{"dead letters about it", `UPDATE dead_letters SET value = NULL, corrected = NULL, headers = '[]', published_at = coalesce(published_at, $2),
			state = CASE WHEN state = 'waiting' THEN 'discarded' ELSE state END WHERE id = ANY($1)`, []any{letters, t.now}},
		{"what proposals quote", "UPDATE proposals SET details = NULL WHERE details IS NOT NULL AND subject = ANY($1)", []any{subjects}},
	} {
		if err := t.exec("erasing "+step.what, step.sql, step.args...); err != nil {
			return nil, err
		}
	}
	return erased, nil
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
		var erased []int64
		err = s.write(ctx, "erasing the personal data of accounts that left", func(tx *tx) error {
			if erased, err = tx.erase(ctx, ids...); err != nil || len(erased) == 0 { // another process has erased them
				return err
			}
			return tx.recordAction(models.OperatorAction{
				Who: "retention", What: models.ActionErase, Subject: fmt.Sprintf("%d accounts", len(erased)), Reason: "they left before " + before.UTC().Format(time.DateOnly),
			})
		})
		accounts += int64(len(erased))
		if err != nil {
			return accounts, err
		}
	}
}

// deadLettersAbout is the dead letters whose key or body names one of the accounts, or
// whose body quotes its profile.
func (t *tx) deadLettersAbout(ctx context.Context, accounts map[int64][][]byte) (ids []int64, err error) {
	concerns := func(bodies [][]byte) bool {
		for _, body := range bodies {
			for _, id := range accountsNamed(body) {
				if _, found := accounts[id]; found {
					return true
				}
			}
			lower := bytes.ToLower(body)
			for _, quotes := range accounts {
				for _, text := range quotes {
					if bytes.Contains(body, text) || bytes.Contains(lower, text) {
						return true
					}
				}
			}
		}
		return false
	}
	err = pgcopy.Each(ctx, t.pgx, "dead letters", func(v [][]byte) {
		if _, named := accounts[models.KeyAccount(v[1])]; named || concerns(v[2:]) {
			ids = append(ids, pgcopy.Int8(v[0]))
		}
	}, "SELECT id, key, value, corrected, headers::text FROM dead_letters")
	return ids, err
}

// quotesOf is the texts of a profile as a message may have them: as they are, as JSON, and
// as JSON in ASCII in lower case.
func quotesOf(p *models.Profile) (quotes [][]byte) {
	for _, text := range []string{p.Name, p.TaxID, p.Email, p.Phone} {
		if text == "" {
			continue
		}
		asJSON, _ := json.Marshal(text) // a string can always be written
		quotes = append(quotes, []byte(text), asJSON[1:len(asJSON)-1], []byte(strings.Trim(strings.ToLower(strconv.QuoteToASCII(text)), `"`)))
	}
	return quotes
}

var namedAccount = regexp.MustCompile(`account_id[\\"]*\s*:\s*[\\"]*(\d+)`)

// accountsNamed is the accounts that a body names. It need not be readable.
func accountsNamed(body []byte) (ids []int64) {
	for _, found := range namedAccount.FindAllSubmatch(body, -1) {
		if id := models.KeyAccount(found[1]); id != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// PersonalData is everything known of one account, and all rows that belong to it, by
// their tables, with the dead letters that name it: for the client to have. Of suspicions and
// of what staff did the names of others are left out. All of it is one state of the database.
// found is false when nothing is known of the account.
func (s *Store) PersonalData(ctx context.Context, account int64) (h models.AccountHistory, tables map[string][]json.RawMessage, found bool, err error) {
	err = s.snapshot(ctx, fmt.Sprintf("collecting the data of account %d", account), func(tx *tx) error {
		if h, found, err = tx.accountHistory(ctx, account); err != nil || !found {
			return err
		}
		tables, err = tx.accountTables(ctx, account)
		return err
	})
	return h, tables, found, err
}

func (t *tx) accountTables(ctx context.Context, account int64) (map[string][]json.RawMessage, error) {
	tables := map[string][]json.RawMessage{}
	var names []string
	err := pgcopy.Each(ctx, t.pgx, "tables with accounts", func(v [][]byte) { names = append(names, string(v[0])) }, `
		SELECT c.relname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE a.attname = 'account_id' AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	read := func(table, columns, where string, args ...any) error {
		return pgcopy.Each(ctx, t.pgx, table, func(v [][]byte) {
			tables[table] = append(tables[table], json.RawMessage(bytes.Clone(v[0])))
		}, "SELECT ("+columns+")::text FROM "+table+" t WHERE "+where, args...)
	}
	for _, table := range names {
		if err := read(table, withoutSecrets, "account_id = $1", account); err != nil {
			return nil, err
		}
	}
	letters, err := t.deadLettersAbout(ctx, map[int64][][]byte{account: nil})
	if err != nil {
		return nil, err
	}
	if err := read("dead_letters", withoutSecrets, "id = ANY($1)", letters); err != nil {
		return nil, err
	}
	if err := read("suspicions", "jsonb_build_object('signs', signs, 'found_at', found_at)", "$1 = ANY(inviters) OR $1 = ANY(invitees)", account); err != nil {
		return nil, err
	}
	return tables, read("operator_actions", "jsonb_build_object('at', at, 'what', what)", "subject = $1 OR starts_with(subject, $1 || ' ')", strconv.FormatInt(account, 10))
}

// withoutSecrets is a row as JSON without what would let its reader act for somebody else,
// and without the names of staff.
const withoutSecrets = "to_jsonb(t) - ARRAY['token', 'token_hash', 'recipient_key', 'hint', 'decided_by', 'approved_by', 'requested_by', 'written_off_by', CASE WHEN t.tableoid = 'sessions'::regclass THEN 'id' ELSE '' END]"
