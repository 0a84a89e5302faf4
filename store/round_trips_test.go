package store_test

import (
	"testing"

	"referral/models"
	"referral/test/pgproxy"
)

// What a client that enters a code waits for is the number of times that its
// transaction waits for the database, once the statements are prepared.
func TestRoundTripsOfABatch(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	proxy := pgproxy.New(t, l.dsn)
	c := &cutter{life: l}
	l.Store = c.over(proxy.DSN())
	l.take(l.deliveries(registered(1, "2025-06-01T09:00:00Z"))...)
	for _, c := range []struct {
		name string
		data func(account int64) []models.FactData
		want int64
	}{
		// BEGIN, the ingest barrier and look-ups; locks and records; changes and COMMIT.
		{"activation", func(account int64) []models.FactData {
			return []models.FactData{activated(account, 1, "2026-04-01T09:00:00+03:00")}
		}, 3},
		// BEGIN, the ingest barrier and look-ups; two COPYs; COMMIT.
		{"invoice", func(account int64) []models.FactData { return []models.FactData{april(account, 1, 300000)} }, 4},
	} {
		for account, warm := range []bool{true, false} {
			account := int64(account + 2)
			l.take(l.deliveries(registered(account, "2026-04-01T08:00:00+03:00"))...)
			batch := l.deliveries(c.data(account)...)
			before := proxy.RoundTrips()
			l.take(batch...)
			if got := proxy.RoundTrips() - before; !warm && got != c.want {
				t.Errorf("%s: %d round trips, want %d", c.name, got, c.want)
			}
		}
	}
}
