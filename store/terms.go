package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// adoptChunk is how many accounts are derived again in one transaction.
const adoptChunk = 1000

// lockTerms is held shared by what works by the terms in force, and exclusively to
// change them. A lock of the row would not do: while shared locks overlap, an exclusive
// one never gets through.
const lockTerms advisoryLock = 0x7265660003

// ErrOtherTerms says that another process has adopted other terms since this one
// did: what it would derive and post by its own is not what is owed.
var ErrOtherTerms = errors.New("other terms are in force than this process was started with: decide which are right; " +
	"if those in force, start it again with their configuration; if its own, `referral terms apply` with its configuration")

// adopting marks the digest of terms that are being adopted: no process uses them yet.
const adopting = "adopting "

// AdoptTerms makes what is derived follow the terms: when their digest differs
// from the last time, all entitlements are derived again, and every account with a
// discount is marked stale in the periods that were started. What was granted keeps
// its terms, so a version added for the future changes nothing else. changed is the
// number of accounts whose entitlements have changed.
//
// From then on this store works by these terms only: once another process has
// adopted others, it derives and posts nothing more.
func (s *Store) AdoptTerms(ctx context.Context, digest string, derive models.DeriveFunc) (changed int, err error) {
	return s.adoptTerms(ctx, digest, derive, nil)
}

// ApplyTerms is AdoptTerms by a person, whose action is recorded with the change.
func (s *Store) ApplyTerms(ctx context.Context, digest string, derive models.DeriveFunc, by models.OperatorAction) (changed int, err error) {
	return s.adoptTerms(ctx, digest, derive, &by)
}

// UseTerms has this store work by terms that are in force already, and changes
// nothing when others are.
func (s *Store) UseTerms(ctx context.Context, digest string) (inForce string, err error) {
	if inForce, err = s.TermsInForce(ctx); err == nil && inForce == digest {
		s.terms.Store(&digest)
	}
	return inForce, err
}

// TermsInForce is the digest of the terms that the entitlements were derived by;
// empty before any were.
func (s *Store) TermsInForce(ctx context.Context) (digest string, err error) {
	_, err = s.scan(ctx, "reading the terms in force", []any{&digest}, readTerms)
	return digest, err
}

func (s *Store) adoptTerms(ctx context.Context, digest string, derive models.DeriveFunc, by *models.OperatorAction) (changed int, err error) {
	known, err := s.TermsInForce(ctx)
	if err == nil && known != digest {
		changed, err = s.adopt(ctx, known, digest, derive, by)
	}
	if err == nil {
		s.terms.Store(&digest)
	}
	return changed, wrap("adopting the terms", err)
}

func (s *Store) adopt(ctx context.Context, known, digest string, derive models.DeriveFunc, by *models.OperatorAction) (changed int, err error) {
	if known == "" {
		return 0, s.write(ctx, "putting the terms in force", func(tx *tx) error { return tx.putInForce(digest, by) })
	}
	// This waits for the transactions that work by the terms before, and lets no
	// other one begin.
	if err := s.write(ctx, "announcing the terms", func(tx *tx) error { return tx.putTerms(adopting + digest) }); err != nil {
		return 0, err
	}
	changed, err = s.rederive(ctx, digest, derive)
	if err == nil {
		err = s.write(ctx, "putting the terms in force", func(tx *tx) error {
			if err := tx.lockTermsToChange(); err != nil {
				return err
			}
			if err := tx.stillAdopting(digest); err != nil {
				return err
			}
			if err := tx.markAllStale(); err != nil {
				return err
			}
			return tx.putInForce(digest, by)
		})
	}
	if errors.Is(err, errAdopted) {
		err = nil
	}
	return changed, err
}

// errAdopted says that another process has adopted the same terms first.
var errAdopted = errors.New("the terms are adopted")

// stillAdopting makes sure that no other terms come between, until the
// transaction ends.
func (t *tx) stillAdopting(digest string) error {
	switch inForce, err := t.termsInForce(); {
	case err != nil:
		return err
	case inForce == digest:
		return errAdopted
	case inForce != adopting+digest:
		return ErrOtherTerms
	}
	return nil
}

func (t *tx) putInForce(digest string, by *models.OperatorAction) error {
	if err := t.putTerms(digest); err != nil || by == nil {
		return err
	}
	return t.recordAction(*by)
}

func (t *tx) putTerms(digest string) error {
	if err := t.lockTermsToChange(); err != nil {
		return err
	}
	return t.exec("saving the terms", `INSERT INTO programme_state (terms_digest) VALUES ($1)
		ON CONFLICT (one) DO UPDATE SET terms_digest = excluded.terms_digest`, digest)
}

func (t *tx) lockTermsToChange() error {
	if err := t.disableStatementTimeout(); err != nil {
		return err
	}
	return t.lock("the terms", lockTerms)
}

const (
	readTerms = "SELECT terms_digest FROM programme_state"
	// In a snapshot that is older than their last change, this has the transaction
	// retried.
	readTermsInSnapshot = readTerms + " FOR SHARE"
	shareLock           = "SELECT pg_advisory_xact_lock_shared($1)"
)

// holdTerms makes sure, in a snapshot too, that the terms this process has adopted
// are in force, and stay so until the transaction ends. One that has adopted none
// is not asked.
func (t *tx) holdTerms(ctx context.Context) error {
	if t.terms == nil {
		return nil // and the database is not asked for nothing
	}
	var batch pgcopy.Batch
	t.queueHoldTerms(&batch, readTermsInSnapshot)
	return batch.Send(ctx, t.pgx)
}

// queueHoldTerms does so among other statements of a round trip. Where each sees
// what was committed before it, what the lock has waited for is seen behind it.
func (t *tx) queueHoldTerms(batch *pgcopy.Batch, read string) {
	if t.terms == nil {
		return
	}
	batch.Exec("locking the terms", shareLock, lockTerms.in(t.schema))
	batch.Query("asking for the terms in force", func(rows pgx.Rows) error {
		inForce, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
		if err == nil && inForce != *t.terms {
			err = ErrOtherTerms
		}
		return err
	}, read)
}

// termsInForce is their digest.
func (t *tx) termsInForce() (digest string, err error) {
	_, err = t.scan("reading the terms in force", []any{&digest}, readTermsInSnapshot)
	return digest, err
}

func (s *Store) rederive(ctx context.Context, digest string, derive models.DeriveFunc) (changed int, err error) {
	for after := int64(-1) << 63; ; {
		var n int
		var last *int64
		err := s.write(ctx, "deriving entitlements again", func(tx *tx) (err error) {
			if err = tx.exec("locking the terms", shareLock, lockTerms.in(tx.schema)); err == nil {
				err = tx.stillAdopting(digest)
			}
			if err == nil {
				n, last, err = tx.rederiveChunk(ctx, after, derive)
			}
			return err
		})
		if err != nil {
			return changed, err
		}
		if last == nil {
			return changed, nil
		}
		changed, after = changed+n, *last
	}
}

func (t *tx) rederiveChunk(ctx context.Context, after int64, derive models.DeriveFunc) (changed int, last *int64, err error) {
	ids := map[int64]bool{}
	err = pgcopy.Each(ctx, t.pgx, "accounts that take part", func(v [][]byte) {
		id := pgcopy.Int8(v[0])
		ids[id], last = true, &id
	}, `SELECT account_id FROM referrals WHERE account_id > $1 UNION
		SELECT account_id FROM activations WHERE status = 'accepted' AND account_id > $1 ORDER BY 1 LIMIT $2`, after, adoptChunk)
	if err != nil || last == nil {
		return 0, nil, err
	}
	var batch pgcopy.Batch
	set := queueLocked(&batch, ids)
	if err := batch.Send(ctx, t.pgx); err != nil {
		return 0, nil, err
	}
	changes := derive(set, nil)
	if err := saveChanges(&batch, changes, nil); err != nil {
		return 0, nil, err
	}
	if err := batch.Send(ctx, t.pgx); err != nil {
		return 0, nil, err
	}
	return len(changes.Entitlements), last, nil
}

// markAllStale has every account with a discount, and every one that got
// something, settled again wherever it was settled: the lists of services may
// have changed too.
func (t *tx) markAllStale() error {
	return t.exec("marking accounts for new terms", `INSERT INTO stale (period, account_id)
		SELECT DISTINCT i.period, i.account_id FROM invoices i JOIN periods p USING (period)
		WHERE p.started_at IS NOT NULL AND (EXISTS (SELECT 1 FROM discounts d WHERE d.account_id = i.account_id)
			OR EXISTS (SELECT 1 FROM adjustments a WHERE a.storage_period = i.storage_period AND a.account_id = i.account_id AND a.invoice_id = i.invoice_id))
		UNION
		SELECT p.period, g.account_id FROM package_grants g
		JOIN periods p ON p.period = `+grantedMonth+`
		WHERE p.started_at IS NOT NULL`)
}
