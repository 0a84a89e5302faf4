package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"referral/rebuild"
)

// rebuilt is what `referral rebuild --verify` finds.
func (w *world) rebuilt(status int, args ...string) rebuild.Result {
	w.t.Helper()
	o := w.program(append([]string{"rebuild", "--verify", "--format", "json"}, args...)...)
	if o.status != status {
		w.t.Fatalf("rebuild: status %d, want %d\n%s%s", o.status, status, o.stdout, o.stderr)
	}
	var r rebuild.Result
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		w.t.Fatalf("rebuild: %v\n%s%s", err, o.stdout, o.stderr)
	}
	return r
}

// prove has the state follow from the messages, with accounts to compare.
func (w *world) prove(args ...string) {
	w.t.Helper()
	if r := w.rebuilt(0, args...); r.Accounts == 0 || len(r.Differences) > 0 {
		w.t.Errorf("%d accounts compared, %v", r.Accounts, r.Differences)
	}
	if n := w.number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%rebuild%'"); n > 0 {
		w.t.Errorf("%d schemas are left", n)
	}
}

// The role of the service may not make a schema; that is said before anything is read.
func TestRebuildNeedsTheOwner(t *testing.T) {
	w := newWorld(t)
	cmd := w.command(t.Context(), "rebuild", "--verify")
	cmd.Env = append(cmd.Env, "REFERRAL_DATABASE_DSN="+asRole(t, w.dsn(), serviceRole))
	out, err := cmd.CombinedOutput()
	if text := string(out); err == nil || !strings.Contains(text, "may not create the schema public_rebuild; run this command as the owner") || strings.Contains(text, "added to") {
		t.Errorf("%v, %s", err, text)
	}
}

// The state of a season follows from its messages; whatever is altered behind the
// program's back is named; what was erased stays erased; a rebuild that is killed is continued; what retention removes
// is named, and an archive that was kept completes it.
func TestTheStateIsRebuiltFromTheMessages(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	server := w.serve()
	s.play(w, asItIs)
	w.must("privacy", "erase", fmt.Sprint(w.number("SELECT min(account_id) FROM accounts WHERE tax_id <> ''")), "--by", "Anna", "--reason", "a request")
	w.prove()
	archive := filepath.Join(t.TempDir(), "archive")
	w.must("archive", archive)

	w.killRebuild()
	w.prove()

	w.deleteRecords(w.topics["registered"], 5)
	w.deleteRecords(w.topics["activation"], 3)
	removed := w.rebuilt(1)
	for kind, count := range removed.Counts {
		if kind != rebuild.Removed && kind != rebuild.Unproven {
			t.Errorf("%d differences of the kind %s, although only retention has removed messages: %v", count, kind, removed.Differences)
		}
	}
	if removed.Counts[rebuild.Removed] == 0 || removed.Counts[rebuild.Unproven] == 0 {
		t.Errorf("what retention has removed is not named: %v", removed.Counts)
	}
	w.prove("--archive", archive)

	for _, key := range inputKeys() {
		w.deleteRecords(w.topics[key], toEnd)
	}
	w.must("archive", archive, "--restore")
	w.prove()

	server.stop()
	planted := map[string]struct{ whose, change string }{
		"promo end": {"SELECT min(account_id) FROM accounts WHERE promo_ended_at IS NOT NULL", "UPDATE accounts SET promo_ended_at = '2026-01-02T03:04:05Z' WHERE account_id = %d"},
		"discount":  {"SELECT max(account_id) FROM discounts", "UPDATE discounts SET percent = percent + 1 WHERE account_id = %d"},
		"request":   {"SELECT max(account_id) FROM activations WHERE status = 'refused'", "DELETE FROM activations WHERE account_id = %d"},
		"referral":  {"SELECT account_id FROM referrals ORDER BY invitee_id LIMIT 1", "DELETE FROM referrals WHERE account_id = %d"},
		"package":   {"SELECT max(account_id) FROM package_grants", "DELETE FROM package_grants WHERE account_id = %d"},
		"name, tax": {"SELECT max(account_id) - 1 FROM accounts", "UPDATE accounts SET tax_id = '7700000000' WHERE account_id = %d"},
	}
	accounts := map[string]int{}
	for _, subject := range slices.Sorted(maps.Keys(planted)) {
		accounts[subject] = w.number(planted[subject].whose)
		w.execute(fmt.Sprintf(planted[subject].change, accounts[subject]))
	}
	invoice := query[struct{ ID string }](w, "SELECT max(invoice_id) AS id FROM invoices")[0].ID
	w.execute("UPDATE invoices SET lines = replace(lines, E'\\t', E'\\t1') WHERE invoice_id = '" + invoice + "'")
	lost := query[struct{ ID string }](w, "SELECT min(invoice_id) AS id FROM invoices")[0].ID
	w.execute("DELETE FROM invoices WHERE invoice_id = '" + lost + "'")
	document := query[struct{ ID string }](w, "SELECT min(adjustment_id::text) AS id FROM adjustments")[0].ID
	w.behindTriggers("UPDATE adjustments SET amount_minor = amount_minor - 1 WHERE adjustment_id = '" + document + "'")
	found := w.rebuilt(1, "--archive", archive)
	if !slices.ContainsFunc(found.Differences, func(d rebuild.Difference) bool {
		return d.Kind == rebuild.Ledger && strings.HasSuffix(d.Subject, document)
	}) {
		t.Errorf("the altered document %s is not named in %v", document, found.Differences)
	}
	for subject, account := range accounts {
		if !slices.ContainsFunc(found.Differences, func(d rebuild.Difference) bool {
			return d.AccountID == int64(account) && strings.HasPrefix(d.Subject, subject) && d.Live != d.Rebuilt
		}) {
			t.Errorf("the %s of account %d is not named in %v", subject, account, found.Differences)
		}
	}
	for _, id := range []string{invoice, lost} {
		if !slices.ContainsFunc(found.Differences, func(d rebuild.Difference) bool {
			return d.Kind == rebuild.Fact && strings.HasPrefix(d.Rebuilt, id+" revision") && strings.HasPrefix(d.Source, w.topics["invoices"])
		}) {
			t.Errorf("invoice %s is not named in %v", id, found.Differences)
		}
	}
	if secret := fmt.Sprint(found); strings.Contains(secret, "7700000000") {
		t.Errorf("a tax id is quoted: %s", secret)
	}
	w.must("archive", archive, "--verify")
	w.removeTopics(slices.Collect(maps.Values(w.topics))...)
	if o := w.program("archive", archive, "--restore"); o.status != 2 || !strings.Contains(o.stderr, "are missing: create them") {
		t.Errorf("restoring without topics: status %d, %s", o.status, o.stderr)
	}
}

// killRebuild kills a rebuild in the middle of its work.
func (w *world) killRebuild() {
	w.t.Helper()
	cmd := w.command(w.t.Context(), "rebuild", "--verify", "--keep")
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.until("the rebuild to be under way", func() (bool, string) {
		begun := w.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public_rebuild' AND tablename = 'rebuilt_segments'")
		return begun > 0 && w.number("SELECT count(*) FROM public_rebuild.rebuilt_segments") > 0, "no segment is taken"
	})
	if err := cmd.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// toEnd is all records of a partition.
const toEnd = -1

// deleteRecords removes the first messages of every partition of a topic, as retention
// does.
func (w *world) deleteRecords(topic string, first int64) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.servers.brokers()...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 10_000
	of := kmsg.NewDeleteRecordsRequestTopic()
	of.Topic = topic
	for number := range int32(partitions) {
		of.Partitions = append(of.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: number, Offset: first})
	}
	request.Topics = append(request.Topics, of)
	answer, err := request.RequestWith(w.t.Context(), client)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range answer.Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			w.t.Fatalf("deleting records of %s/%d: %v", topic, p.Partition, err)
		}
	}
}
