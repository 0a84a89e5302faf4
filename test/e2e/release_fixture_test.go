package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"referral/internal/demo/workload"
	"referral/internal/toolcache"
	"referral/models"
)

// releaseVariable is the version of the release for which TestReleaseFixture writes
// the fixture: `make release-fixture VERSION=…` sets it. Without it the test only
// proves that the story can be told.
const releaseVariable = "REFERRAL_TEST_RELEASE"

const (
	releasePhases   = 3
	releaseAccounts = 192 // with every way to climb the ladder
	releaseSeed     = 885
	// releaseFriend enters the code of releaseInviter, and the story ends before its
	// registration comes. releaseNewcomer enters it at the personal account.
	releaseInviter, releaseFriend, releaseNewcomer = 900_001, 900_002, 900_003
)

// The story of a release fills a database with months that were run, published and
// answered, and with what persons did; this program goes on from there.
func TestReleaseFixture(t *testing.T) {
	c := newPortalWorld(t, "REFERRAL_CABINET_PUBLIC_URL=https://lk.example.ru")
	facts := c.storyOfARelease()
	if version := os.Getenv(releaseVariable); version != "" {
		c.writeFixture(version, facts)
	}
	c.goOn(facts)
}

func (c *portalWorld) storyOfARelease() []releaseFact {
	w := c.world
	w.t.Helper()
	life, err := workload.New(workload.Options{Seed: releaseSeed, Accounts: releaseAccounts, First: 202601, Months: releasePhases})
	if err != nil {
		w.t.Fatal(err)
	}
	l := generator{mirror: newMirror(w), workload: life, sentFacts: map[workload.Topic]int{}}
	var facts []releaseFact
	tell := func(m message) {
		l.sentFacts[workload.Topic(m.topic)]++
		l.good(m)
		l.send(m)
	}
	billing := w.startBilling()
	for phase := range life.Phases() {
		l.good = func(m message) { facts = append(facts, releaseFactOf(phase, m)) }
		l.tell(phase)
		switch phase {
		case 0:
			tell(registration(releaseInviter, "2026-01-10T09:00:00Z"))
			tell(registration(releaseNewcomer, before(1)))
			w.learnCodes(releaseInviter, releaseNewcomer)
			c.post(releaseInviter, "/api/v1/membership", `{}`)
			c.post(releaseNewcomer, "/api/v1/activations", fmt.Sprintf(`{"code":%q}`, w.codes[releaseInviter]))
			l.take(activation(releaseNewcomer, w.codes[releaseInviter], before(0)))
			l.sentFacts[workload.Activation]++
		case releasePhases - 1:
			tell(activation(releaseFriend, w.codes[releaseInviter], "2026-03-02T09:00:00Z"))
		}
		w.drained()
		for _, period := range releaseRuns(phase) {
			l.run(period)
		}
		w.published()
		w.answered(billing, w.number(`SELECT (SELECT count(*) FROM adjustments) + (SELECT count(*) FROM sms_packages)`))
		if phase == 1 {
			w.actsOfPersons()
		}
	}
	l.check("the story of a release")
	w.storyIsWhole()
	if err := billing.Stop(); err != nil {
		w.t.Error(err)
	}
	if status := c.server.stop(); status != 0 {
		w.t.Errorf("serve has ended with status %d", status)
	}
	return facts
}

// post sends a request of a client to the personal account's API.
func (c *portalWorld) post(account int64, path, body string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.site+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.identity.Token(account))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", fmt.Sprint("key of ", account, " for ", path))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode/100 != 2 {
		c.t.Fatalf("POST %s: %s, %s, %v", path, answer.Status, text, err)
	}
}

func releaseFactOf(phase int, m message) releaseFact {
	f := releaseFact{Phase: phase, Topic: m.topic, Key: m.key, Headers: map[string]string{}, Value: string(m.value)}
	for _, h := range m.headers {
		f.Headers[h.Key] = string(h.Value)
	}
	return f
}

// actsOfPersons has billing reject two documents of the first month: one is published
// again and booked, one is written off. Then the month is closed. One dead letter is
// put back, one is discarded, and a client invites somebody.
func (w *world) actsOfPersons() {
	w.t.Helper()
	docs := query[struct {
		ID              string
		Account, Amount int64
	}](w, `SELECT adjustment_id::text, account_id, amount_minor FROM adjustments WHERE period = 202601 ORDER BY account_id, invoice_id, sequence LIMIT 2`)
	for _, d := range docs {
		w.send(answer(d.ID, d.Account, 0, "rejected", "2099-01-01T09:00:00Z"))
	}
	w.drained()
	w.must("resend", docs[0].ID, "--by", "Anna", "--reason", "the invoice is open again")
	w.published()
	w.send(answer(docs[0].ID, docs[0].Account, docs[0].Amount, "applied", "2099-01-02T09:00:00Z"))
	w.drained()
	w.must("write-off", docs[1].ID, "--by", "Boris", "--reason", "paid in cash")
	w.must("close", releaseSettled()[0], "--by", "Anna")

	const letter = `SELECT min(id) FROM dead_letters WHERE reason = $1`
	w.must("dead-letters", "discard", strconv.Itoa(w.number(letter, "bad_field")), "--by", "Anna", "--reason", "the sender has sent it again")
	w.must("dead-letters", "replay", strconv.Itoa(w.number(letter, "unreadable")), "--by", "Boris", "--reason", "a mistake")
	w.drained()
	w.stands(w.invites(models.Email, "friend@example.com"), models.InvitationSent)
}

// storyIsWhole holds that the story has what a fixture is kept for.
func (w *world) storyIsWhole() {
	w.t.Helper()
	for what, sql := range map[string]string{
		"a corrected document":         `SELECT count(*) FROM adjustments WHERE sequence > 1`,
		"a correction of a closed one": `SELECT count(*) FROM adjustments WHERE period = 202601 AND posting_period = 202602`,
		"a package":                    `SELECT count(*) FROM sms_packages`,
		"a revised invoice":            `SELECT count(*) FROM invoices WHERE revision > 1`,
		"a rejection":                  `SELECT count(*) FROM results WHERE status = 'rejected'`,
		"a refused activation":         `SELECT count(*) FROM activations WHERE status = 'refused'`,
		"a pending activation":         `SELECT count(*) FROM activations WHERE status = 'pending'`,
		"a dead letter that waits":     `SELECT count(*) FROM dead_letters WHERE state = 'waiting' AND reason = 'unreadable'`,
		"a discarded dead letter":      `SELECT count(*) FROM dead_letters WHERE state = 'discarded'`,
		"a letter that failed again":   `SELECT count(*) FROM dead_letter_outcomes WHERE NOT taken`,
		"a request of a client":        `SELECT count(*) FROM client_requests`,
		"a member without a code":      `SELECT count(*) FROM memberships`,
		"a write-off":                  `SELECT count(*) FROM document_write_offs`,
		"a document sent again":        `SELECT count(*) FROM document_resends`,
		"a signature":                  `SELECT count(*) FROM signatures`,
		"an act of a person":           `SELECT count(*) FROM operator_actions`,
		"an invitation":                `SELECT count(*) FROM invitations`,
		"an invoice of the open month": `SELECT count(*) FROM invoices WHERE period = 202603`,
	} {
		if w.number(sql) == 0 {
			w.t.Errorf("the story lacks %s", what)
		}
	}
}

// writeFixture keeps the world's database, configuration and facts as those of a
// release.
func (w *world) writeFixture(version string, facts []releaseFact) {
	w.t.Helper()
	if own := w.must("version").stdout; !strings.HasPrefix(own, "referral "+version+"\n") {
		w.t.Fatalf("the fixture of release %s cannot be made by\n%s", version, own)
	}
	folder := releaseFolder(version)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		w.t.Fatal(err)
	}
	config, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, releaseConfig), config, 0o644); err != nil {
		w.t.Fatal(err)
	}
	writeZipped(w.t, filepath.Join(folder, releaseDatabase), w.dump())
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for i := range facts {
		if err := encoder.Encode(&facts[i]); err != nil {
			w.t.Fatal(err)
		}
	}
	writeZipped(w.t, filepath.Join(folder, releaseFacts), lines.Bytes())
}

func writeZipped(t *testing.T, name string, content []byte) {
	t.Helper()
	var out bytes.Buffer
	zipper, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zipper.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := zipper.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	// What only psql understands, or only the PostgreSQL that the dump was made with.
	notPortable = regexp.MustCompile(`(?m)^(\\(un)?restrict .*|SET transaction_timeout = .*|-- Dumped .*)\n`)
	rightsOf    = regexp.MustCompile(`(?m)^((?:GRANT|REVOKE) .* (?:FROM|TO)) [^;]+;$`)
)

// dump is the world's database as statements that every PostgreSQL executes and that
// name neither the world nor the owner.
func (w *world) dump() []byte {
	w.t.Helper()
	tool, err := toolcache.PostgreSQL(w.t.Context(), io.Discard)
	if err != nil {
		w.t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd := tool.Command(w.t.Context(), "pg_dump", "--inserts", "--rows-per-insert=1000", "--no-owner", "--no-comments", w.db.Config().ConnString())
	cmd.Stderr = &complaints
	sql, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("pg_dump: %v: %s", err, complaints.String())
	}
	sql = bytes.ReplaceAll(notPortable.ReplaceAll(sql, nil), []byte(w.name), []byte(releaseTopics))
	return rightsOf.ReplaceAll(sql, []byte("$1 CURRENT_USER;"))
}
