package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"referral/cmd/referral/config"
	"referral/internal/sleep"
	"referral/models"
	"referral/store"
)

// looking is the commands that only look, each as it is used, and everything else
// with what it changes. A new command needs an entry.
var looking = map[string]struct {
	uses   [][]string
	writes string
}{
	"referral demo":                 {writes: "a system of its own"},
	"referral serve":                {writes: "it is the service"},
	"referral migrate":              {writes: "the schema and the topics"},
	"referral run":                  {uses: [][]string{{"run", "2026-04", "--dry-run"}, {"run", "2026-05", "--dry-run", "--full", "--format", "json"}, {"run", "2031-01", "--dry-run"}}},
	"referral reconcile":            {uses: [][]string{{"reconcile", "2026-04"}, {"reconcile", "2026-05", "--format", "json"}, {"reconcile", "2026-03", "--format", "csv"}, {"reconcile", "2026-04", "--format", "xlsx"}}},
	"referral close":                {writes: "the signature"},
	"referral reopen":               {writes: "the signature"},
	"referral explain account":      {uses: [][]string{{"explain", "account", "885"}, {"explain", "account", "1"}}},
	"referral explain invoice":      {uses: [][]string{{"explain", "invoice", april885}, {"explain", "invoice", "INV-none"}}},
	"referral simulate":             {uses: [][]string{{"simulate", "--terms", "other.yaml", "--from", "2026-01", "--to", "2026-05"}}},
	"referral terms apply":          {uses: [][]string{{"terms", "apply", "--dry-run"}}, writes: "the terms in force, without --dry-run"},
	"referral dead-letters list":    {uses: [][]string{{"dead-letters", "list", "--all"}}},
	"referral dead-letters show":    {uses: [][]string{{"dead-letters", "show", "1"}, {"dead-letters", "show", "77"}}},
	"referral dead-letters replay":  {writes: "the topic that the message came from"},
	"referral dead-letters discard": {writes: "the dead letter"},
	"referral resend":               {writes: "the document's publication"},
	"referral write-off":            {writes: "the document's end"},
	"referral revoke":               {uses: [][]string{{"revoke", "901", "--dry-run"}, {"revoke", "902", "--from", "2026-04-10", "--dry-run", "--format", "json"}, {"revoke", "1", "--dry-run"}}, writes: "the proposal and the decision, without --dry-run"},
	"referral classify-service":     {uses: [][]string{{"classify-service", "hologram", "discounted", "--dry-run"}}, writes: "the proposal and the decision, without --dry-run"},
	"referral accept-code":          {uses: [][]string{{"accept-code", "885", "QQQQQQQQQ", "--on", "2026-04-10", "--dry-run"}}, writes: "the proposal and the decision, without --dry-run"},
	"referral audit verify":         {uses: [][]string{{"audit", "verify"}, {"audit", "verify", "--format", "json"}, {"audit", "verify", "--period", "2026-04"}}},
	"referral compare":              {uses: [][]string{{"compare", "2026-04", "--file", "testdata/old.csv"}, {"compare", "2026-05", "--file", "testdata/old.csv", "--format", "json"}, {"compare", "2026-04", "--file", "testdata/old.csv", "--format", "csv"}}},
	"referral booked":               {uses: [][]string{{"booked", "2026-04"}, {"booked", "2026-04", "--format", "json"}, {"booked", "2026-05", "--format", "csv"}}},
	"referral privacy export":       {writes: "that the data were handed out"},
	"referral privacy due":          {uses: [][]string{{"privacy", "due"}, {"privacy", "due", "--format", "json"}}},
	"referral privacy erase":        {writes: "the data of an account"},
	"referral import":               {uses: [][]string{{"import", "testdata/import", "--dry-run"}, {"import", "testdata/import", "--dry-run", "--format", "json"}}, writes: "what an older system told, without --dry-run"},
	"referral archive":              {writes: "the archive, or the topics"},
	"referral rebuild":              {writes: "a schema of its own, and the archive"},
	"referral recover":              {writes: "what a restored database does not have"},
	"referral check-config":         {uses: [][]string{{"check-config"}, {"check-config", "--only", "consumer"}}},
	"referral version":              {uses: [][]string{{"version"}}},
}

// commandsUnder hands the commands that do something to see.
func commandsUnder(cmd *cobra.Command, see func(*cobra.Command)) {
	if !cmd.HasSubCommands() {
		see(cmd)
	}
	for _, sub := range cmd.Commands() {
		commandsUnder(sub, see)
	}
}

func TestEveryCommandSaysWhetherItWrites(t *testing.T) {
	gone := maps.Clone(looking)
	commandsUnder(newRoot(process{out: &bytes.Buffer{}, err: &bytes.Buffer{}}), func(cmd *cobra.Command) {
		delete(gone, cmd.CommandPath())
		if c, known := looking[cmd.CommandPath()]; !known || len(c.uses) == 0 && c.writes == "" {
			t.Errorf("%q has no entry: say what it writes, or how it is used to look", cmd.CommandPath())
		}
	})
	for path := range gone {
		t.Errorf("there is no command %q", path)
	}
}

// A command that looks changes nothing: no row, no sequence, no topic. Neither
// does it with terms that are not in force, nor before any are. The role that may only
// read gets the same answers.
func TestLookingWritesNothing(t *testing.T) {
	w := spring(t)
	topics := w.onTopics()
	w.hears(models.PromoEnded{AccountID: 903, EndedAt: instant(w, "2026-04-21")}, bill(885, 202605, 1, subscription(300000)))
	w.takes(models.DecodedMessage{
		Message: models.Message{Origin: models.Origin{Topic: "test", Offset: 1 << 40}, Value: []byte("{"), At: w.now},
		Err:     &models.InputError{Reason: models.BadUnreadable, Detail: "not JSON"},
	})
	foreign := otherTerms(t, func(c *config.Terms) { c.Invitee.Percent = 90 })
	owner, reader := w.dsn, w.reader()
	for _, path := range slices.Sorted(maps.Keys(looking)) {
		for _, use := range looking[path].uses {
			for i, arg := range use {
				if arg == "other.yaml" {
					use = slices.Clone(use)
					use[i] = foreign
				}
			}
			for what, args := range map[string][]string{"as it is": use, "with other terms": append([]string{"--config", foreign}, use...)} {
				before := w.dump() + topics()
				a := w.asks(args...)
				w.dsn = reader
				if as := w.asks(args...); as.status != a.status || strings.Contains(as.err, "permission denied") || strings.Contains(as.err, "lacks rights") {
					t.Errorf("%v %s: the reader gets status %d and %s, the owner %d and %s", use, what, as.status, as.err, a.status, a.err)
				}
				w.dsn = owner
				if after := w.dump() + topics(); after != before {
					t.Errorf("%v %s has written:\n%s", use, what, difference(before, after))
				}
				if strings.Contains(a.err, "read-only") {
					t.Errorf("%v %s tried to write: %s", use, what, a.err)
				}
			}
		}
	}
}

// On a database with the schema and nothing else, looking answers or says what is
// missing.
func TestLookingAtAnEmptyDatabase(t *testing.T) {
	w := newBareTown(t)
	before := w.dump()
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{exitOK, "documents", []string{"run", "2026-04", "--dry-run"}},
		{exitOK, "there is nothing in this period", []string{"reconcile", "2026-04"}},
		{exitNegative, "account 885 is not known", []string{"explain", "account", "885"}},
		{exitOK, "nothing was posted", []string{"simulate", "--terms", otherTerms(t, func(*config.Terms) {}), "--from", "2026-04", "--to", "2026-04"}},
		{exitOK, "0 of 0", []string{"terms", "apply", "--dry-run"}},
		{exitNegative, "it has not been run", []string{"close", "2026-04", "--by", "Anna"}},
	} {
		if a := w.asks(c.args...); a.status != c.status || !strings.Contains(a.out+a.err, c.says) {
			t.Errorf("%v: %+v, want status %d and %q", c.args, a, c.status, c.says)
		}
	}
	if after := w.dump(); after != before {
		t.Errorf("something was written:\n%s", difference(before, after))
	}
}

// The database itself holds it: a session of a command that looks cannot write.
func TestAReadOnlySessionCannotWrite(t *testing.T) {
	w := newTown(t)
	a := w.opens(true)
	if _, err := a.store.AdoptTerms(t.Context(), "other", a.programme.Rederive(a.now())); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("%v, want the refusal of a read-only transaction", err)
	}
}

// dump is every row of every table and where every sequence stands.
// reader is the connection string of the role that may only read.
func (w *town) reader() string {
	w.Helper()
	role := w.name() + "_reader"
	if _, err := w.store.Migrate(w.Context(), store.Roles{Reader: role}); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if _, err := w.db.Exec("DROP OWNED BY " + role + "; DROP ROLE " + role); err != nil {
			w.Error(err)
		}
	})
	if _, err := w.db.Exec("ALTER ROLE " + role + " PASSWORD 'geheim'"); err != nil {
		w.Fatal(err)
	}
	u, err := url.Parse(w.dsn)
	if err != nil {
		w.Fatal(err)
	}
	u.User = url.UserPassword(role, "geheim")
	return u.String()
}

func (w *town) dump() string {
	w.Helper()
	var tables, out []string
	text := func(into *[]string) func(*sql.Rows) error {
		return func(rows *sql.Rows) error {
			var line string
			defer func() { *into = append(*into, line) }()
			return rows.Scan(&line)
		}
	}
	w.each("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", text(&tables))
	for _, table := range tables {
		w.each("SELECT '"+table+" ' || t::text FROM "+table+" t ORDER BY 1", text(&out))
	}
	w.each("SELECT sequencename || ' is at ' || coalesce(last_value, 0) FROM pg_sequences ORDER BY 1", text(&out))
	return strings.Join(out, "\n") + "\n"
}

// difference is the lines that only one of two dumps has.
func difference(before, after string) string {
	had, has := strings.Split(before, "\n"), strings.Split(after, "\n")
	var out []string
	for _, line := range had {
		if !slices.Contains(has, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range has {
		if !slices.Contains(had, line) {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}

// onTopics gives the town topics of its own, which hold a message each. The
// function says where they all end.
func (w *town) onTopics() (ends func() string) {
	w.Helper()
	broker := os.Getenv("REFERRAL_TEST_KAFKA")
	if broker == "" {
		w.Fatal("REFERRAL_TEST_KAFKA is not set: this test needs a real Kafka; run it through `make test`")
	}
	c := config.Default()
	w.environ = append(w.environ, "REFERRAL_KAFKA_BROKERS="+broker, "REFERRAL_KAFKA_GROUP="+w.name())
	var topics []string
	for key := range c.Kafka.Topics.Names() {
		topics = append(topics, w.name()+"-"+key)
		w.environ = append(w.environ, "REFERRAL_KAFKA_TOPICS_"+strings.ToUpper(key)+"="+w.name()+"-"+key)
	}
	if a := w.asks("migrate"); a.status != exitOK {
		w.Fatalf("%+v", a)
	}
	client := &kafka.Client{Addr: kafka.TCP(broker)}
	for _, topic := range topics {
		w.writesTo(client.Addr, topic)
	}
	return func() string { return w.topicEnds(client, topics) }
}

// writesTo writes a message, once every broker has heard of the topic.
func (w *town) writesTo(broker net.Addr, topic string) {
	w.Helper()
	writer := &kafka.Writer{Addr: broker, Topic: topic, RequiredAcks: kafka.RequireAll}
	err := writer.WriteMessages(w.Context(), kafka.Message{Value: []byte("x")})
	for errors.Is(err, kafka.UnknownTopicOrPartition) && sleep.For(w.Context(), 50*time.Millisecond) {
		err = writer.WriteMessages(w.Context(), kafka.Message{Value: []byte("x")})
	}
	if err := errors.Join(err, writer.Close()); err != nil {
		w.Fatalf("writing to %s: %v", topic, err)
	}
}

func (w *town) topicEnds(client *kafka.Client, topics []string) string {
	w.Helper()
	meta, err := client.Metadata(w.Context(), &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		w.Fatal(err)
	}
	ask := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, topic := range meta.Topics {
		for _, p := range topic.Partitions {
			ask.Topics[topic.Name] = append(ask.Topics[topic.Name], kafka.LastOffsetOf(p.ID))
		}
	}
	answer, err := client.ListOffsets(w.Context(), ask)
	if err != nil {
		w.Fatal(err)
	}
	var ends []string
	messages := int64(0)
	for topic, partitions := range answer.Topics {
		for _, p := range partitions {
			ends = append(ends, fmt.Sprintf("%s/%d ends at %d", topic, p.Partition, p.LastOffset))
			messages += p.LastOffset
		}
	}
	if messages < int64(len(topics)) {
		w.Fatalf("%d topics hold %d messages", len(topics), messages)
	}
	slices.Sort(ends)
	return strings.Join(ends, "\n")
}
