package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"referral/internal/demo/fakeoidc"
)

// spread is a life by processes that each do one thing: three consumers, two
// schedulers, two publishers and two that serve pages. One of each kind is killed while it
// works, the leader where there is one; the others do its work.
func (p *faultyRun) spread() {
	w := p.w
	w.t.Helper()
	publishers := p.launchEach("publisher", 2)
	consumers := p.launchEach("consumer", 3, "REFERRAL_KAFKA_SESSION_TIMEOUT=6s")
	p.members(len(consumers))
	p.tell(0)
	p.taken()
	p.useTwoSites()

	if err := p.model.Run(p.workload.Period(0).String()); err != nil {
		w.t.Fatal(err)
	}
	for _, s := range publishers { // the next ones begin with the whole month
		p.stop(s)
	}
	release := p.lock("adjustments")
	schedulers := p.launchEach("scheduler", 2, "REFERRAL_SETTLE_CHUNK_ACCOUNTS=20")
	scheduler, _ := p.blocked(schedulers)
	scheduler.kill()
	release()
	p.firstRun()

	release = p.lock("run_chunks")
	publishers = p.launchEach("publisher", 2)
	publisher, leader := p.blocked(publishers)
	if leads := p.leaders(); !slices.Equal(leads, []string{leader}) {
		w.t.Errorf("%v lead, and %s publishes", leads, leader)
	}
	publisher.kill()
	release()
	p.check("the first month, by many")
	if leads := p.leaders(); len(leads) != 1 || leads[0] == leader {
		w.t.Errorf("%v lead after %s was killed", leads, leader)
	}

	p.steps = []func(){consumers[0].kill} // its partitions go to the others
	p.tell(1)
	p.taken()
	for month := range twoMonths {
		p.run(p.workload.Period(month).String())
	}
	p.check("the second month, by many")
}

// launchEach starts processes with one component.
func (p *faultyRun) launchEach(component string, n int, settings ...string) (all []*server) {
	p.w.t.Helper()
	for i := range n {
		all = append(all, p.launchAs(fmt.Sprintf("%s-%d", component, i), settings, "--only="+component))
	}
	return all
}

// blocked is that one of several processes which waits for what is held, and its name.
func (p *faultyRun) blocked(all []*server) (s *server, name string) {
	p.w.t.Helper()
	p.awaitBlocked()
	name = p.w.text(`SELECT min(application_name) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	i := int(name[len(name)-1] - '0')
	if i >= len(all) {
		p.w.t.Fatalf("%s waits, and is not one of %d", name, len(all))
	}
	return all[i], name
}

// leaders is the publishers whose sessions hold a lock that lasts.
func (p *faultyRun) leaders() (names []string) {
	p.w.t.Helper()
	for _, row := range query[struct{ Name string }](p.w, `SELECT DISTINCT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
		WHERE locktype = 'advisory' AND granted AND datname = current_database() AND application_name LIKE 'publisher-%'`) {
		names = append(names, row.Name)
	}
	return names
}

// useTwoSites has a client join the programme at one process that serves pages, which
// is killed. The same request to the other one gets the same answer.
func (p *faultyRun) useTwoSites() {
	w := p.w
	w.t.Helper()
	const client = 900_001 // who has no other business
	addresses := []string{freeAddress(w), freeAddress(w)}
	identity, err := fakeoidc.Start(w.t.Context(), fakeoidc.Options{RedirectURIs: []string{"http://" + addresses[0] + "/referral/sign-in/callback"}})
	if err != nil {
		w.t.Fatal(err)
	}
	closing(w.t, identity.Stop)
	w.write([]message{registration(client, "2026-01-10T09:00:00Z")})
	w.drained()
	var answers []string
	for i, address := range addresses {
		site := p.launchAs(fmt.Sprintf("web-%d", i), append(signInAt(identity), "REFERRAL_HTTP_CABINET="+address), "--only=web")
		site.ready()
		site.shows("/metrics", `referral_auth_provider_up\{site="portal"\} 1`)
		request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+address+"/api/v1/membership", strings.NewReader("{}"))
		if err != nil {
			w.t.Fatal(err)
		}
		request.Header = http.Header{
			"Authorization": {"Bearer " + identity.Token(client)}, "Content-Type": {"application/json"}, "Idempotency-Key": {"joining"},
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode/100 != 2 {
			w.t.Errorf("site %d answers %s %s, %v", i, answer.Status, text, err)
		}
		answers = append(answers, string(text))
		if i == 0 {
			site.kill()
		}
		if err := answer.Body.Close(); err != nil {
			w.t.Error(err)
		}
	}
	if answers[0] != answers[1] {
		w.t.Errorf("the first site answered %s, the second %s", answers[0], answers[1])
	}
	if n := w.number(`SELECT count(*) FROM memberships WHERE account_id = $1`, client); n != 1 {
		w.t.Errorf("%d memberships", n)
	}
}
