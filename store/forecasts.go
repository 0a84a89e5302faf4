package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// entitledAccounts is those that have a discount on the day $3 or later, or will have one
// when their promo period ends.
const entitledAccounts = `SELECT account_id FROM discounts WHERE to_day > $3::date
	UNION SELECT v.account_id FROM activations v JOIN accounts a ON a.account_id = v.account_id WHERE v.status = 'accepted' AND v.revoked_from IS NULL AND a.promo_ended_at IS NULL`

// ForEachEntitled hands every account that has a discount from a day on to see, by id,
// with its facts and its invoices of some months, and nothing of the ledger. Its memory
// does not grow with the accounts. It is never repeated.
func (s *Store) ForEachEntitled(ctx context.Context, from models.Date, months []models.Period, see func(*models.AccountHistory) error) error {
	err := s.once(ctx, beginReadOnly, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		return tx.walk(ctx, entitledAccounts, from.Time(), func(ids []int64) error {
			l := newHistoryLoader(tx, ids, 0)
			if err := l.loadMonths(ctx, months); err != nil {
				return err
			}
			return l.each(see)
		})
	})
	return wrap("reading the accounts with discounts", err)
}

// loadMonths finds the facts of the accounts and the highest revision of their invoices
// of some months.
func (l *historyLoader) loadMonths(ctx context.Context, months []models.Period) error {
	texts := newUnpacker()
	var revisions []revision
	var batch pgcopy.Batch
	set := queueWorkingSet(&batch, l.ids)
	texts.queueServices(&batch)
	wanted := map[models.Period]bool{}
	for _, month := range months {
		queueRevisions(&batch, &revisions, texts, month, l.ids)
		wanted[month] = true
	}
	if err := batch.Send(ctx, l.pgx); err != nil {
		return err
	}
	l.assign(set)
	eachInvoice(revisions, func(highest revision, _ []models.Period) {
		if wanted[highest.Period] {
			c := l.account(highest.AccountID)
			c.Invoices = append(c.Invoices, models.AuditInvoice{Invoice: *highest.Invoice})
		}
	})
	return nil
}

// ReplaceForecast keeps a forecast instead of the one that was made for the same month
// before.
func (s *Store) ReplaceForecast(ctx context.Context, f models.Forecast) error {
	return s.write(ctx, fmt.Sprintf("keeping the forecast of %s", f.MadeFor), func(tx *tx) error {
		var batch pgcopy.Batch
		batch.Exec("forgetting the forecast before", "DELETE FROM forecasts WHERE made_for = $1", f.MadeFor)
		for _, c := range f.Costs {
			batch.Exec("keeping a forecast", "INSERT INTO forecasts (made_for, target, currency, kind, step, amount_minor, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
				f.MadeFor, c.Month, c.Currency, c.Kind, c.Step, c.Amount, f.MadeAt)
		}
		return batch.Send(ctx, tx.pgx)
	})
}

// ReplaceActualCosts keeps what the discounts of a month came to instead of what was
// kept before.
func (s *Store) ReplaceActualCosts(ctx context.Context, month models.Period, costs []models.Cost) error {
	return s.write(ctx, fmt.Sprintf("keeping the costs of %s", month), func(tx *tx) error {
		var batch pgcopy.Batch
		batch.Exec("forgetting the costs before", "DELETE FROM forecast_actuals WHERE target = $1", month)
		for _, c := range costs {
			batch.Exec("keeping a cost", "INSERT INTO forecast_actuals (target, currency, kind, step, amount_minor) VALUES ($1, $2, $3, $4, $5)", month, c.Currency, c.Kind, c.Step, c.Amount)
		}
		return batch.Send(ctx, tx.pgx)
	})
}

// Forecasts is the forecasts that are kept, the newest first, and what months have come
// to, by month, currency, kind and step.
func (s *Store) Forecasts(ctx context.Context) (made []models.Forecast, actual []models.Cost, err error) {
	err = s.snapshot(ctx, "reading the forecasts", func(tx *tx) error {
		made, actual = nil, nil
		rows, err := tx.pgx.Query(ctx, "SELECT made_for, made_at, target, currency, kind, step, amount_minor FROM forecasts ORDER BY made_for DESC, target, currency, kind, step")
		if err != nil {
			return err
		}
		var period models.Period
		var at time.Time
		var c models.Cost
		_, err = pgx.ForEachRow(rows, []any{&period, &at, &c.Month, &c.Currency, &c.Kind, &c.Step, &c.Amount}, func() error {
			if len(made) == 0 || made[len(made)-1].MadeFor != period {
				made = append(made, models.Forecast{MadeFor: period, MadeAt: at.UTC()})
			}
			last := &made[len(made)-1]
			last.Costs = append(last.Costs, c)
			return nil
		})
		if err != nil {
			return err
		}
		rows, err = tx.pgx.Query(ctx, "SELECT target, currency, kind, step, amount_minor FROM forecast_actuals ORDER BY target, currency, kind, step")
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&c.Month, &c.Currency, &c.Kind, &c.Step, &c.Amount}, func() error {
			actual = append(actual, c)
			return nil
		})
		return err
	})
	return made, actual, err
}
