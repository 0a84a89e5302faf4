package e2e

import (
	"net/url"
	"testing"
	"time"

	"referral/internal/demo/postgres"
)

// onPair is the same broker with a primary and a synchronous standby as the database.
func (b *faultServers) onPair(t *testing.T) *faultServers {
	t.Helper()
	return &faultServers{broker: b.broker, via: b.via, pair: startPair(t)}
}

// pair is a primary database server and its standby. Programs know both addresses, and
// look for the one that takes writes.
type pair struct {
	t                *testing.T
	primary, standby *postgres.Server
}

func startPair(t *testing.T) *pair {
	t.Helper()
	primary, err := postgres.Start(t.Context(), postgres.Options{Settings: pairSettings})
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, primary: primary}
	t.Cleanup(func() { // whichever they are by then
		for _, s := range []*postgres.Server{p.standby, p.primary} {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
	p.standby = p.newStandby("")
	return p
}

// pairSettings: durable against killed processes, not against power cuts. The WAL that a
// new standby needs is kept.
var pairSettings = map[string]string{"fsync": "off", "full_page_writes": "off", "wal_keep_size": "256MB"}

// newStandby starts a standby of the primary, and has commits wait for it.
func (p *pair) newStandby(address string) *postgres.Server {
	p.t.Helper()
	s, err := postgres.Start(p.t.Context(), postgres.Options{Settings: pairSettings, Address: address, StandbyOf: p.primary})
	if err == nil {
		err = p.primary.AwaitStandbys(p.t.Context(), 1)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// dsn is a connection string with both servers.
func (p *pair) dsn(database string) string {
	p.t.Helper()
	at, err := url.Parse(p.primary.DSN(database))
	if err != nil {
		p.t.Fatal(err)
	}
	at.Host += "," + p.standby.Address()
	at.RawQuery += "&target_session_attrs=read-write&connect_timeout=2"
	return at.String()
}

// failOver kills the primary, promotes the standby, and starts another standby in the
// place of the dead server. The programs must be ready again by themselves: they know both
// servers, or an address that always leads to the primary.
func (p *faultyRun) failOver() {
	p.w.t.Helper()
	pair := p.b.pair
	died := time.Now()
	dead := pair.primary
	if err := dead.Kill(); err != nil {
		p.w.t.Fatal(err)
	}
	pair.primary = pair.standby
	for _, step := range []func() error{
		func() error { return pair.primary.Promote(p.w.t.Context()) },
		func() error { return pair.primary.AwaitStandbys(p.w.t.Context(), 0) }, // there is none
		dead.Stop, // its files are of no use any more
	} {
		if err := step(); err != nil {
			p.w.t.Fatal(err)
		}
	}
	p.w.db.Reset()
	if p.database != nil {
		p.database.ForwardTo(pair.primary.Address())
	}
	p.serving.ready()
	p.w.t.Logf("ready again %s after the primary died", time.Since(died).Round(time.Millisecond))
	pair.standby = pair.newStandby(dead.Address())
}
