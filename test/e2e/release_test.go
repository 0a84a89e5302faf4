package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
)

// A fixture of a release is a folder with three files: the database as the release
// left it, the configuration that it was run with, and the facts that it had taken.
// It is never changed once the release is out.
const (
	releaseDatabase = "database.sql.gz"
	releaseConfig   = "config.yaml"
	releaseFacts    = "facts.jsonl.gz"
)

// releaseTopics begins the names of the topics in a fixture, in place of the name of
// the world that made it.
const releaseTopics = "e2e_release"

func releaseFolder(name string) string { return filepath.Join("testdata", "releases", name) }

// releaseFact is a message in a fixture.
type releaseFact struct {
	Phase   int               `json:"phase"`
	Topic   string            `json:"topic"`
	Key     string            `json:"key"`
	Headers map[string]string `json:"headers"`
	Value   string            `json:"value"`
}

func (f *releaseFact) message() message {
	m := message{topic: f.Topic, key: f.Key, value: []byte(f.Value), headers: []kafka.Header{}}
	for key, value := range f.Headers {
		m.headers = append(m.headers, kafka.Header{Key: key, Value: []byte(value)})
	}
	return m
}

// The database of every release is migrated by this program, which then works on it,
// with the configuration of that release.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob(releaseFolder("*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no fixture of a release, %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			w := newBareWorld(t)
			w.config = filepath.Join(folder, releaseConfig)
			w.restore(filepath.Join(folder, releaseDatabase))
			w.must("migrate")
			w.sameSchema()
			w.goOn(readReleaseFacts(t, filepath.Join(folder, releaseFacts)))
		})
	}
}

// Every release that the changelog names has a fixture, and the other way round.
func TestEveryReleaseHasAFixture(t *testing.T) {
	released := releases(t)
	var kept []string
	folders, err := os.ReadDir(releaseFolder(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		kept = append(kept, folder.Name())
	}
	slices.Sort(released)
	slices.Sort(kept)
	if !slices.Equal(released, kept) {
		t.Errorf("CHANGELOG.md names the releases %v, testdata/releases has %v", released, kept)
	}
}

// releases is those that the changelog names, the newest first.
func releases(t *testing.T) (versions []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if version, _, dated := strings.Cut(strings.TrimPrefix(line, "## "), " - "); dated && strings.HasPrefix(line, "## ") {
			versions = append(versions, version)
		}
	}
	return versions
}

// restore fills the world's empty database from a dump, as if the release had read
// the world's topics.
func (w *world) restore(dump string) {
	w.t.Helper()
	sql := strings.ReplaceAll(string(unzipped(w.t, dump)), releaseTopics, w.name)
	conn, err := pgx.Connect(w.t.Context(), w.db.Config().ConnString())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(w.t.Context()) //nolint:errcheck // nothing is pending on it
	if _, err := conn.PgConn().Exec(w.t.Context(), sql).ReadAll(); err != nil {
		w.t.Fatalf("restoring %s: %v", dump, err)
	}
}

// sameSchema holds that migrations have made of an old database what they make of an
// empty one. It differs when a migration was changed after its release.
func (w *world) sameSchema() {
	w.t.Helper()
	fresh := newBareWorld(w.t)
	fresh.must("migrate")
	differ(w, "the schema of a new database", w.schema(), fresh.schema())
}

// schema is the definitions of everything in the database but rows and rights.
func (w *world) schema() map[string]bool {
	w.t.Helper()
	all := map[string]bool{}
	for _, row := range query[struct{ Definition string }](w, `
		SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, collation_name, is_nullable, column_default, identity_generation)
		FROM information_schema.columns WHERE table_schema = 'public'
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		UNION ALL SELECT concat_ws(' ', viewname, definition) FROM pg_views WHERE schemaname = 'public'
		UNION ALL SELECT concat_ws(' ', sequencename, data_type, increment_by, cycle) FROM pg_sequences WHERE schemaname = 'public'`) {
		all[row.Definition] = true
	}
	return all
}

func unzipped(t *testing.T, name string) []byte {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it is only read
	zipped, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	text, err := io.ReadAll(zipped)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return text
}

func readReleaseFacts(t *testing.T, name string) []releaseFact {
	t.Helper()
	var facts []releaseFact
	for line := range strings.Lines(string(unzipped(t, name))) {
		var fact releaseFact
		if err := json.Unmarshal([]byte(line), &fact); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		facts = append(facts, fact)
	}
	return facts
}

// releaseSettled is the months that the story of a release has settled. The facts of
// releaseOpen have arrived, and nothing is posted for them.
func releaseSettled() []string { return []string{"2026-01", "2026-02"} }

const releaseOpen = "2026-03"

// releaseRuns is the months that are settled after a phase of the story.
func releaseRuns(phase int) []string { return releaseSettled()[:min(phase+1, 2)] }

// goOn works on a database that the story of a release has filled.
func (w *world) goOn(facts []releaseFact) {
	w.t.Helper()
	for _, period := range releaseSettled() {
		if r := w.reconcile(period); !r.Ties {
			w.t.Errorf("%s does not tie: %+v", period, r.Breaks)
		}
	}
	w.explainsOldDocument()
	if waiting := w.must("dead-letters", "list").stdout; !strings.Contains(waiting, "unreadable") {
		w.t.Errorf("the dead letters that wait:\n%s", waiting)
	}
	m := w.modelOf(facts)
	w.serve()
	w.changesNothing(facts)
	w.inside("after all facts have come again", m.wanted())
	w.settlesOpenMonth(m)
}

func (w *world) explainsOldDocument() {
	w.t.Helper()
	doc := query[tamperedAccount](w, `SELECT account_id, invoice_id, adjustment_id::text FROM adjustments ORDER BY account_id, invoice_id LIMIT 1`)[0]
	for what, o := range map[string]outcome{
		"account": w.must("explain", "account", strconv.FormatInt(doc.AccountID, 10)),
		"invoice": w.must("explain", "invoice", doc.InvoiceID),
	} {
		for _, want := range []string{doc.InvoiceID, w.topics["registered"]} {
			if !strings.Contains(o.stdout, want) {
				w.t.Errorf("explain %s does not name %s:\n%s", what, want, o.stdout)
			}
		}
	}
}

// modelOf is the model after the story of a release.
func (w *world) modelOf(facts []releaseFact) mirror {
	w.t.Helper()
	for _, row := range query[struct {
		Account int64
		Code    string
	}](w, `SELECT account_id, code FROM codes`) {
		w.codes[row.Account] = row.Code
	}
	m := newMirror(w)
	for phase := range releasePhases {
		for i := range facts {
			if facts[i].Phase == phase {
				m.take(facts[i].message())
			}
		}
		for _, period := range releaseRuns(phase) {
			if err := m.model.Run(period); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return m
}

// changesNothing sends facts that have been taken before.
func (w *world) changesNothing(facts []releaseFact) {
	w.t.Helper()
	const rows = `SELECT (SELECT count(*) FROM invoices) + (SELECT count(*) FROM activations) + (SELECT count(*) FROM adjustments)
		+ (SELECT count(*) FROM sms_packages) + (SELECT count(*) FROM dead_letters)`
	before := w.number(rows)
	var again []message
	for i := range facts {
		again = append(again, facts[i].message())
	}
	w.send(again...)
	w.drained()
	for _, period := range releaseSettled() {
		w.must("run", period)
	}
	if after := w.number(rows); after != before {
		w.t.Errorf("facts that came again have left %d rows", after-before)
	}
}

// settlesOpenMonth takes what is missing for the open month, the registration of a
// client whose activation waits and an invoice, and runs it.
func (w *world) settlesOpenMonth(m mirror) {
	w.t.Helper()
	m.send(registration(releaseFriend, "2026-03-01T09:00:00Z"), invoice(releaseInviter, 300_000))
	w.drained()
	const postings = `SELECT (SELECT count(*) FROM adjustments) + (SELECT count(*) FROM sms_packages)`
	before := w.number(postings)
	m.run(releaseOpen)
	w.inside("after the run of the open month", m.wanted())
	w.published()
	posted := w.number(postings) - before
	if own := w.number(`SELECT count(*) FROM adjustments WHERE account_id = $1`, releaseInviter); own != 1 || posted < 2 {
		w.t.Errorf("%d documents for the new inviter, %d postings in all", own, posted)
	}
	w.answered(w.startBilling(), posted)
	w.ties()
	w.must("close", releaseOpen, "--by", "Anna", "--override", "February is open")
}
