package store

import (
	"context"
	"fmt"

	"referral/models"
)

// lockTerms keeps two processes from adopting terms at once.
const lockTerms = 0x7265660003

// adoptChunk is how many accounts are derived anew in one transaction.
const adoptChunk = 1000

// AdoptTerms makes what is derived follow the terms: when their digest is another
// than the last time, every standing is derived anew, and every account with a
// discount is marked stale in the periods that were started. What was granted
// keeps its terms, so a version added for the future changes nothing else.
// changed says how many accounts stand otherwise than before.
func (s *Store) AdoptTerms(ctx context.Context, digest string, derive Derive) (changed int, err error) {
	known, err := s.termsDigest(ctx)
	if err != nil || known == digest {
		return 0, err
	}
	if known != "" {
		if changed, err = s.rederive(ctx, derive); err != nil {
			return changed, err
		}
	}
	err = s.write(ctx, func(tx *tx) error {
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", int64(lockTerms)).Error; err != nil {
			return fmt.Errorf("locking the terms: %w", err)
		}
		if known != "" {
			if err := tx.markAllStale(); err != nil {
				return err
			}
		}
		return tx.Exec(`INSERT INTO programme_state (terms_digest) VALUES (?)
			ON CONFLICT (one) DO UPDATE SET terms_digest = excluded.terms_digest`, digest).Error
	})
	if err != nil {
		return changed, fmt.Errorf("adopting the terms: %w", err)
	}
	return changed, nil
}

func (s *Store) termsDigest(ctx context.Context) (string, error) {
	var known []string
	if err := s.gorm.WithContext(ctx).Raw("SELECT terms_digest FROM programme_state").Scan(&known).Error; err != nil {
		return "", fmt.Errorf("reading the terms in force: %w", err)
	}
	if len(known) == 0 {
		return "", nil
	}
	return known[0], nil
}

func (s *Store) rederive(ctx context.Context, derive Derive) (changed int, err error) {
	for after := int64(-1) << 63; ; {
		var n int
		var last *int64
		err := s.write(ctx, func(tx *tx) (err error) {
			n, last, err = tx.rederiveChunk(ctx, after, derive)
			return err
		})
		if err != nil {
			return changed, fmt.Errorf("deriving standings anew: %w", err)
		}
		if last == nil {
			return changed, nil
		}
		changed, after = changed+n, *last
	}
}

func (t *tx) rederiveChunk(ctx context.Context, after int64, derive Derive) (changed int, last *int64, err error) {
	ids := map[int64]bool{}
	err = each(ctx, t.pgx, "accounts that take part", func(v [][]byte) {
		id := getInt8(v[0])
		ids[id], last = true, &id
	}, `SELECT account_id FROM referrals WHERE account_id > $1 UNION
		SELECT account_id FROM activations WHERE status = 'accepted' AND account_id > $1 ORDER BY 1 LIMIT $2`, after, adoptChunk)
	if err != nil || last == nil {
		return 0, nil, err
	}
	b := &intake{tx: t, marks: map[mark]bool{}}
	set := models.NewWorkingSet()
	if err := b.lockAccounts(ids, set); err != nil {
		return 0, nil, err
	}
	if err := t.loadReferrals(ids, set); err != nil {
		return 0, nil, err
	}
	changes := derive(set, nil)
	if err := t.saveChanges(changes); err != nil {
		return 0, nil, err
	}
	return len(changes.Standings), last, nil
}

// markAllStale has every account with a discount, and every one that got
// something, settled again wherever it was settled: the lists of services may
// have changed too.
func (t *tx) markAllStale() error {
	err := t.Exec(`INSERT INTO stale (period, account_id)
		SELECT DISTINCT i.period, i.account_id FROM invoices i JOIN periods p USING (period)
		WHERE p.started_at IS NOT NULL AND (EXISTS (SELECT 1 FROM discounts d WHERE d.account_id = i.account_id)
			OR EXISTS (SELECT 1 FROM adjustments a WHERE a.account_id = i.account_id AND a.invoice_id = i.invoice_id))
		UNION
		SELECT p.period, g.account_id FROM package_grants g
		JOIN periods p ON p.period = extract(year FROM g.granted_on)::int * 100 + extract(month FROM g.granted_on)::int
		WHERE p.started_at IS NOT NULL`).Error
	if err != nil {
		return fmt.Errorf("marking accounts for new terms: %w", err)
	}
	return nil
}
