package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/segmentio/kafka-go"

	"referral/internal/sleep"
	"referral/test/citus"
)

// patience is how long anything may take before a test gives up on it. It is
// not what anything should take.
const patience = 2 * time.Minute

// partitions of every topic of a test.
const partitions = 3

// world is a database, topics and a consumer group for one test alone.
type world struct {
	t           *testing.T
	servers     servers
	name        string // begins the names of all that is the world's
	db          *pgxpool.Pool
	client      *kafka.Client
	writer      *kafka.Writer
	deliver     func([]message)   // sends in place of the writer; nil for none
	topics      map[string]string // by config key
	binary      string            // the built program
	config      string            // the configuration file
	distributed bool              // over the nodes of a Citus cluster
	directory   string            // that commands run in; empty for that of the test
	variables   []string
	taps        map[string]*topicReader
	codes       map[int64]string
}

// newWorld makes a world, with schema and topics made by the program itself.
// overrides are further settings, like "REFERRAL_SETTLE_WORKERS=1".
func newWorld(t *testing.T, overrides ...string) *world {
	t.Helper()
	t.Parallel()
	w := newBareWorld(t, overrides...)
	w.must("migrate")
	return w
}

// newBareWorld makes a world whose database is empty and whose topics are not
// there.
func newBareWorld(t *testing.T, overrides ...string) *world {
	t.Helper()
	return newWorldOn(t, environment.servers, overrides...)
}

// newWorldOn makes a bare world on servers of its own.
func newWorldOn(t *testing.T, on servers, overrides ...string) *world {
	t.Helper()
	w := &world{t: t, servers: on, name: "e2e_" + random(t), config: ourConfig(), binary: environment.program, topics: map[string]string{}, taps: map[string]*topicReader{}, codes: map[int64]string{}}
	dsn := w.createDatabase()
	w.asAdmin(fmt.Sprintf(`DO $$ BEGIN CREATE ROLE %s LOGIN PASSWORD '%[1]s'; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`, serviceRole))
	w.connect(dsn)
	w.variables = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + t.TempDir(),
		"REFERRAL_DATABASE_DSN=" + dsn, "REFERRAL_DATABASE_MAX_CONNECTIONS=6", "REFERRAL_DATABASE_ROLE=" + serviceRole,
		"REFERRAL_KAFKA_BROKERS=" + on.broker, "REFERRAL_KAFKA_GROUP=" + w.name,
		"REFERRAL_KAFKA_CREATE_TOPICS=true", fmt.Sprintf("REFERRAL_KAFKA_PARTITIONS=%d", partitions),
		"REFERRAL_PUBLISHER_POLL=50ms",
		// Tests say themselves what runs when, unless they are about the clock.
		"REFERRAL_SCHEDULE_RUN=" + rarely, "REFERRAL_SCHEDULE_CATCH_UP=" + rarely,
	}, overrides...)
	for _, key := range topicKeys() {
		name := w.name + "." + strings.ReplaceAll(key, "_", "-")
		w.topics[key] = name
		w.variables = append(w.variables, "REFERRAL_KAFKA_TOPICS_"+strings.ToUpper(key)+"="+name)
	}
	t.Cleanup(w.deleteTopics)
	return w
}

// ourConfig is the configuration file of this program.
func ourConfig() string { return filepath.Join("..", "..", "config.yaml") }

// use has commands run by another program, with its own configuration file.
func (w *world) use(p program) { w.binary, w.config = p.path, p.config }

// rarely is a cron line that does not come about while a test runs, or hardly.
const rarely = "0 0 29 2 *"

func topicKeys() []string {
	return []string{
		"registered", "promo_ended", "terminated", "activation", "invoices", "results",
		"discounts", "packages", "events", "dead_letters", "notifications",
	}
}

// inputKeys is the topics that the program reads.
func inputKeys() []string { return topicKeys()[:6] }

func random(t *testing.T) string {
	t.Helper()
	b := make([]byte, 6)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

func (w *world) createDatabase() string {
	w.t.Helper()
	w.asAdmin("CREATE DATABASE " + w.name)
	w.t.Cleanup(func() {
		w.asAdmin("DROP DATABASE " + w.name + " WITH (FORCE)")
		if err := citus.Drop(context.Background(), w.servers.dsn, w.name); err != nil {
			w.t.Error(err)
		}
	})
	workers, err := citus.Join(w.t.Context(), w.servers.dsn, w.name)
	if err != nil {
		w.t.Fatal(err)
	}
	w.distributed = workers > 0
	at, err := url.Parse(w.servers.dsn)
	if err != nil {
		w.t.Fatalf("REFERRAL_TEST_DSN is no URL: %v", err)
	}
	at.Path = "/" + w.name
	return at.String()
}

// serviceRole is the role that `referral serve` runs as, in the databases of all worlds.
const serviceRole = "referral_e2e_service"

// asAdmin executes statements from outside of the world's database.
func (w *world) asAdmin(statements ...string) {
	w.t.Helper()
	ctx := context.Background() // it must work when the test is over, too
	conn, err := pgx.Connect(ctx, w.servers.dsn)
	if err != nil {
		w.t.Fatalf("connecting to REFERRAL_TEST_DSN: %v", err)
	}
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			w.t.Errorf("%s: %v", sql, err)
		}
	}
	if err := conn.Close(ctx); err != nil {
		w.t.Errorf("leaving the database: %v", err)
	}
}

func (w *world) connect(dsn string) {
	w.t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	config.MaxConns = 2
	if w.db, err = pgxpool.NewWithConfig(w.t.Context(), config); err != nil {
		w.t.Fatal(err)
	}
	transport := &kafka.Transport{ClientID: w.name, MetadataTTL: time.Second}
	w.client = &kafka.Client{Addr: kafka.TCP(w.servers.brokers()...), Timeout: 20 * time.Second, Transport: transport}
	w.writer = &kafka.Writer{
		Addr: kafka.TCP(w.servers.brokers()...), Transport: transport, Balancer: kafka.Murmur2Balancer{Consistent: true},
		RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, BatchSize: 500,
		// A message over 1 MiB passes the broker's limit only compressed.
		BatchBytes: 16 << 20, Compression: kafka.Gzip,
	}
	w.t.Cleanup(func() {
		w.db.Close()
		if err := w.writer.Close(); err != nil {
			w.t.Errorf("closing the writer: %v", err)
		}
		transport.CloseIdleConnections()
	})
}

// removeTopics deletes topics while a test runs. The broker still names them for a moment.
func (w *world) removeTopics(names ...string) {
	w.t.Helper()
	if _, err := w.client.DeleteTopics(w.t.Context(), &kafka.DeleteTopicsRequest{Topics: names}); err != nil {
		w.t.Fatal(err)
	}
	w.until("the topics to be gone", func() (bool, string) {
		answer, err := w.client.Metadata(w.t.Context(), &kafka.MetadataRequest{Topics: names})
		if err != nil {
			return false, err.Error()
		}
		for _, topic := range answer.Topics {
			if topic.Error == nil {
				return false, topic.Name + " is still there"
			}
		}
		return len(answer.Topics) == len(names), fmt.Sprintf("an answer about %d topics", len(answer.Topics))
	})
}

func (w *world) deleteTopics() {
	var names []string
	for _, name := range w.topics {
		names = append(names, name)
	}
	answer, err := w.client.DeleteTopics(context.Background(), &kafka.DeleteTopicsRequest{Topics: names})
	if err != nil {
		w.t.Errorf("deleting the topics: %v", err)
		return
	}
	for name, err := range answer.Errors {
		if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) {
			w.t.Errorf("deleting topic %s: %v", name, err)
		}
	}
}

// file writes a file for the program to read.
func (w *world) file(name string, content []byte) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// until polls until done says so; state is shown when it never does.
func (w *world) until(what string, done func() (ok bool, state string)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		ok, state := done()
		if ok {
			return
		}
		if !sleep.For(ctx, 30*time.Millisecond) {
			w.t.Fatalf("%s: not after %s: %s", what, patience, state)
		}
	}
}
