package e2e

import (
	"context"
	"maps"
	"path/filepath"
	"testing"

	"github.com/segmentio/kafka-go"

	"referral/internal/toolcache"
)

// A database that is lost after a month was settled and published is restored from a dump
// of before, as docs/operations.md says: the group's offsets go back, and everything is
// taken, settled and published again, with the same ids.
func TestDatabaseIsRestoredFromADump(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	first, second := &s.phases[0], &s.phases[1]
	server := w.serve()
	w.send(w.messages(first.registrations)...)
	w.send(w.messages(first.rest)...)
	w.drained()
	w.must("run", "2026-03")
	w.published()
	dump := filepath.Join(t.TempDir(), "dump")
	w.postgresTool("pg_dump", "--format=custom", "--file="+dump, w.setting("REFERRAL_DATABASE_DSN"))

	w.send(w.messages(append(second.registrations, second.rest...))...)
	w.drained()
	for _, period := range runs(1) {
		w.must("run", period)
	}
	w.published()
	lost := w.documentContents()
	if status := server.stop(); status != 0 {
		t.Fatalf("stopped with status %d", status)
	}

	w.db.Reset()
	w.asAdmin("DROP DATABASE "+w.name+" WITH (FORCE)", "CREATE DATABASE "+w.name+" TEMPLATE template0")
	w.postgresTool("pg_restore", "--dbname="+w.setting("REFERRAL_DATABASE_DSN"), dump)
	w.rewindGroup()
	w.serve()
	w.drained()
	for _, period := range runs(1) {
		w.must("run", period)
	}
	w.published()
	want := s.wanted(w, 1)
	if !maps.Equal(w.insideLines(), want.lines) || !maps.Equal(w.insidePackages(), want.packages) {
		t.Error("the ledger is not that of the undisturbed life")
	}
	if again := w.documentContents(); !maps.Equal(again, lost) {
		t.Errorf("%d documents had been published, %d are posted after it was restored, not all with the same ids and contents", len(lost), len(again))
	}
	w.prove()
}

// documentContents is what all documents of the ledger say, by their ids.
func (w *world) documentContents() map[string]string {
	w.t.Helper()
	contents := map[string]string{}
	for _, row := range query[struct{ ID, Content string }](w, `
		SELECT adjustment_id::text, concat_ws(' ', account_id, invoice_id, sequence, period, posting_period, reason, amount_minor, items) FROM adjustments
		UNION ALL SELECT package_id::text, concat_ws(' ', account_id, sms, granted_on, period, posting_period, invoice_id, step) FROM sms_packages`) {
		contents[row.ID] = row.Content
	}
	return contents
}

// postgresTool runs a program of PostgreSQL.
func (w *world) postgresTool(name string, args ...string) {
	w.t.Helper()
	tool, err := toolcache.PostgreSQL(w.t.Context(), w.t.Output())
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := tool.Command(w.t.Context(), name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// rewindGroup sets the offsets of the stopped group back to the beginning.
func (w *world) rewindGroup() {
	w.t.Helper()
	ends, err := w.ends(inputKeys()...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.until("the group to be empty", func() (bool, string) {
		request := &kafka.OffsetCommitRequest{GroupID: w.name, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{}}
		for topic, of := range ends {
			for number := range of {
				request.Topics[topic] = append(request.Topics[topic], kafka.OffsetCommit{Partition: number})
			}
		}
		answer, err := w.client.OffsetCommit(context.WithoutCancel(w.t.Context()), request)
		if err != nil {
			return false, err.Error()
		}
		for _, of := range answer.Topics {
			for _, p := range of {
				if p.Error != nil {
					return false, p.Error.Error()
				}
			}
		}
		return true, ""
	})
}
