package e2e

import (
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"referral/test/reference"
)

// newBrand makes an installation in a schema of a database that others use too, with
// topics and a consumer group of its own.
func newBrand(t *testing.T, database *world, schema string) *world {
	t.Helper()
	w := newBareWorld(t, "REFERRAL_DATABASE_DSN="+database.dsn(), "REFERRAL_DATABASE_SCHEMA="+schema)
	at, err := url.Parse(database.dsn())
	if err != nil {
		t.Fatal(err)
	}
	query := at.Query()
	query.Set("search_path", schema)
	at.RawQuery = query.Encode()
	if w.db, err = pgxpool.New(t.Context(), at.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.db.Close)
	w.must("migrate")
	return w
}

// Two brands on one Kafka and one database settle the same months at once. Their clients,
// invoices and messages have the same numbers, so that whatever they shared would clash.
func TestTwoBrandsShareNothing(t *testing.T) {
	t.Parallel()
	const inviter, friends = int64(885), int64(5)
	database := newBareWorld(t)
	brands := []mirror{newMirror(newBrand(t, database, "brand_a")), newMirror(newBrand(t, database, "brand_b"))}
	for i, m := range brands {
		m.w.serve()
		m.send(registration(inviter, "2026-01-10T09:00:00Z"), invoice(inviter, int64(300_000+i*70_000)))
		for friend := int64(1); friend <= friends; friend++ {
			m.send(registration(friend, "2026-03-01T09:00:00Z"), invoice(friend, int64(100_000+i*10_000)))
		}
	}
	for i, m := range brands {
		m.w.learnCodes(inviter)
		for friend := int64(1); friend <= friends-int64(i); friend++ {
			m.send(activation(friend, m.w.codes[inviter], "2026-03-11T12:00:00+03:00"), promoEnd(friend, fmt.Sprintf("2026-03-%dT00:00:00+03:00", 11+i)))
		}
	}
	for _, m := range brands {
		m.w.drained()
	}
	var both sync.WaitGroup
	for _, m := range brands {
		both.Go(func() {
			if said, err := m.w.command(t.Context(), "run", "2026-03").CombinedOutput(); err != nil {
				t.Errorf("running the month of %s: %v\n%s", m.w.name, err, said)
			}
		})
	}
	both.Wait()
	for _, m := range brands {
		if err := m.model.Run("2026-03"); err != nil {
			t.Fatal(err)
		}
		m.w.check("after the month", m.wanted())
		if n := m.w.number("SELECT count(*) FROM runs"); n != 1 {
			t.Errorf("%s has %d runs, want 1", m.w.name, n)
		}
		if n := m.w.number("SELECT count(*) FROM topics WHERE NOT starts_with(name, $1)", m.w.name); n != 0 {
			t.Errorf("%s has read %d topics of others", m.w.name, n)
		}
	}
	line := reference.Line{InvoiceID: "INV-2026-03-885", LineID: "1"}
	if a, b := brands[0].w.outsideLines()[line], brands[1].w.outsideLines()[line]; a == 0 || b == 0 || a == b {
		t.Errorf("one invoice has the discounts %d and %d, want one of each brand", a, b)
	}

	brands[0].w.must("privacy", "erase", "885", "--by", "Anna", "--reason", "a request")
	for i, want := range []int{0, 1} {
		if n := brands[i].w.number("SELECT count(*) FROM accounts WHERE account_id = $1 AND name <> ''", inviter); n != want {
			t.Errorf("brand %d knows %d names of account %d, want %d", i+1, n, inviter, want)
		}
	}
	if n := database.number("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"); n != 0 {
		t.Errorf("%d tables and indexes are in no schema of a brand", n)
	}
}
