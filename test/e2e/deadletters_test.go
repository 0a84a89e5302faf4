package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"referral/internal/demo/workload"
	"referral/models"
)

// badMessage is one that must be set aside.
type badMessage struct {
	message
	fault  string
	reason models.BadInput
}

// everyFault is bad input of every kind, all of it for one account.
func everyFault(account int64) []badMessage {
	var all []badMessage
	for _, m := range workload.BadMessages(account) {
		all = append(all, badMessage{ofLife(&m), m.Expected.Fault, m.Expected.Bad})
	}
	noise := []byte{0xff, 0xfe, 0x00, 0x80, '{', 0xc3, 0x28}
	for _, topic := range inputKeys() {
		all = append(all, badMessage{
			message{topic: topic, key: fmt.Sprint(account), value: append([]byte(topic), noise...),
				headers: []kafka.Header{{Key: "traceparent", Value: noise}, {Key: "empty", Value: []byte{}}}},
			"noise on " + topic, models.BadUnreadable,
		})
	}
	first := invoice(account, 100)
	second := message{topic: "invoices", key: first.key, value: bytes.Replace(first.value, []byte(`"amount_minor":100`), []byte(`"amount_minor":200`), 1)}
	all = append(all, lossyInput(account)...)
	third := message{topic: "invoices", key: first.key, value: bytes.Replace(second.value, []byte(`"i-`), []byte(`"other-`), 1)}
	return append(all, badMessage{second, "another body under the same id", models.BadConflict},
		badMessage{third, "another body of the same revision", models.BadConflict})
}

// lossyInput is what a careless reader would take, and make something else of.
func lossyInput(account int64) []badMessage {
	good := invoice(account, 1_000_000_000_000_000)
	edited := func(fault string, reason models.BadInput, old, edit string) badMessage {
		value := bytes.Replace(good.value, []byte(old), []byte(edit), 1)
		return badMessage{message{topic: good.topic, key: good.key, value: value}, fault, reason}
	}
	return []badMessage{
		edited("half of a surrogate pair", models.BadField, `"INV-2026-03-`, `"I\ud800-`),
		edited("another half", models.BadField, `"INV-2026-03-`, `"I\ud801-`),
		edited("a byte order mark", models.BadUnreadable, `{`, "\ufeff{"),
		edited("lines that sum to too much", models.BadField, `}]`, `},{"line_id":"2","service":"subscription","from":"2026-03-01","to":"2026-04-01","amount_minor":1e15}]`),
	}
}

func TestFaultyMessagesBecomeDeadLettersAndOthersAreApplied(t *testing.T) {
	const account = int64(885)
	w := newWorld(t)
	m := newMirror(w)
	m.send(registration(account, "2026-01-10T09:00:00Z"), invoice(account, 100))
	bad := everyFault(account)
	after := int64(1000)
	for _, b := range bad { // a good message in the same partition after every bad message
		w.send(b.message)
		after++
		next := registration(after, "2026-03-01T09:00:00Z")
		if after%2 == 0 { // in another spelling
			next.value = bytes.Replace(next.value, fmt.Appendf(nil, `"account_id":%d,`, after), fmt.Appendf(nil, `"account_id":%d.0e-1,`, after*10), 1)
		}
		next.key = fmt.Sprint(account)
		w.send(next)
	}
	w.serve()
	w.drained()
	w.published()

	if got, want := w.number(`SELECT count(*) FROM accounts WHERE code <> ''`), len(bad)+1; got != want {
		t.Errorf("%d accounts have a code, want %d", got, want)
	}
	if got := w.number(`SELECT count(*) FROM invoice_lines`); got != 1 {
		t.Errorf("%d lines of invoices, want the one good one", got)
	}
	w.checkSetAside(bad)
}

// checkSetAside holds the topic and the table against what was sent.
func (w *world) checkSetAside(bad []badMessage) {
	w.t.Helper()
	records := w.records("dead_letters")
	if len(records) != len(bad) {
		w.t.Errorf("%d messages on the topic of dead letters, want %d", len(records), len(bad))
	}
	origins := map[string][]record{}
	for _, b := range bad {
		i := slices.IndexFunc(records, func(r record) bool {
			return bytes.Equal(r.Value, b.value) && r.header["origin-topic"] == w.topics[b.topic]
		})
		if i < 0 {
			w.t.Errorf("%s: not on the topic of dead letters", b.fault)
			continue
		}
		w.checkLetter(&b, &records[i], origins)
	}
}

func (w *world) checkLetter(b *badMessage, letter *record, origins map[string][]record) {
	w.t.Helper()
	if string(letter.Key) != b.key {
		w.t.Errorf("%s: key %q, want %q", b.fault, letter.Key, b.key)
	}
	for _, h := range b.headers {
		if got, ok := letter.header[h.Key]; !ok || got != string(h.Value) {
			w.t.Errorf("%s: header %s is %q, want %q", b.fault, h.Key, got, h.Value)
		}
	}
	if letter.header["error"] == "" || !strings.Contains(letter.header["error"], string(b.reason)) {
		w.t.Errorf("%s: the header error is %q, want the reason %s", b.fault, letter.header["error"], b.reason)
	}
	if origins[b.topic] == nil {
		origins[b.topic] = w.records(b.topic)
	}
	at := func(r record) bool {
		return strconv.Itoa(r.Partition) == letter.header["origin-partition"] && strconv.FormatInt(r.Offset, 10) == letter.header["origin-offset"]
	}
	if i := slices.IndexFunc(origins[b.topic], at); i < 0 || !bytes.Equal(origins[b.topic][i].Value, letter.Value) {
		w.t.Errorf("%s: the origin %s/%s/%s is another message", b.fault, letter.header["origin-topic"],
			letter.header["origin-partition"], letter.header["origin-offset"])
	}
	type row struct {
		Reason     string
		Key, Value []byte
	}
	rows := query[row](w, `SELECT reason, key, value FROM dead_letters WHERE topic = $1 AND partition::text = $2 AND "offset"::text = $3`,
		letter.header["origin-topic"], letter.header["origin-partition"], letter.header["origin-offset"])
	if len(rows) != 1 || rows[0].Reason != string(b.reason) || !bytes.Equal(rows[0].Value, b.value) || string(rows[0].Key) != b.key {
		w.t.Errorf("%s: in the table %d rows, want one with the reason %s and the same bytes", b.fault, len(rows), b.reason)
	}
}

// deadLetter is what `dead-letters list --format json` returns about a message.
type deadLetter struct {
	ID     int64  `json:"id"`
	State  string `json:"state"`
	Topic  string `json:"topic"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

func (w *world) letters(args ...string) []deadLetter {
	w.t.Helper()
	var all []deadLetter
	listed := w.must(append([]string{"dead-letters", "list", "--format", "json"}, args...)...).stdout
	if err := json.Unmarshal([]byte(listed), &all); err != nil {
		w.t.Fatalf("%v: %s", err, listed)
	}
	return all
}

func TestACorrectedDeadLetterIsApplied(t *testing.T) {
	const account = int64(885)
	w := newWorld(t)
	w.serve()
	good := registration(account, "2026-01-10T09:00:00Z")
	broken := message{topic: good.topic, key: good.key, value: bytes.Replace(good.value, []byte("2026-01-10T09"), []byte("2026-02-30T09"), 1)}
	hopeless := message{topic: good.topic, key: good.key, value: []byte("neither this nor that")}
	w.send(broken, hopeless)
	w.drained()

	listed := w.letters()
	if len(listed) != 2 || listed[0].Reason != "bad_field" || listed[1].Reason != "unreadable" {
		t.Fatalf("listed %+v", listed)
	}
	if listed[0].Topic != w.topics["registered"] || !strings.Contains(listed[0].Detail, "registered_at") {
		t.Errorf("listed %+v", listed[0])
	}
	w.must("dead-letters", "replay", fmt.Sprint(listed[0].ID), "--value", w.file("corrected.json", good.value))
	w.learnCodes(account)
	w.must("dead-letters", "replay", fmt.Sprint(listed[1].ID)) // as it is: it comes back
	w.drained()

	again := w.letters()
	if len(again) != 1 || again[0].ID != listed[1].ID || again[0].Reason != "unreadable" || again[0].State != "waiting" {
		t.Errorf("after replaying both, one of them corrected: %+v", again)
	}
	if all := w.letters("--all"); len(all) != 2 || all[0].State != "resolved" {
		t.Errorf("all that was ever set aside: %+v", all)
	}
	if records := w.records("dead_letters"); len(records) != 2 {
		t.Errorf("%d messages on the topic of dead letters, want each once", len(records))
	}
}

// A person puts messages back or discards them, alone or by filters; nothing is
// done twice, and who did what and why is shown.
func TestDeadLettersAreListedReplayedAndDiscarded(t *testing.T) {
	const account = int64(885)
	w := newWorld(t)
	w.serve()
	good := registration(account, "2026-01-10T09:00:00Z")
	broken := func(i int) message {
		return message{topic: good.topic, key: good.key, value: bytes.Replace(good.value, []byte("2026-01-10T09"), fmt.Appendf(nil, "2026-02-3%dT09", i), 1)}
	}
	w.send(broken(0), broken(1), message{topic: "invoices", key: "886", value: []byte("noise")}, message{topic: "invoices", key: "887", value: []byte("more noise")})
	w.drained()
	registrations := w.letters("--topic", w.topics["registered"])
	id := func(i int) string { return fmt.Sprint(registrations[i].ID) }

	w.must("dead-letters", "replay", id(0), "--by", "Anna")
	w.drained()
	w.must("dead-letters", "replay", id(0), "--value", w.file("right.json", good.value), "--by", "Boris", "--reason", "the sender was asked")
	w.drained()
	refused := w.program("dead-letters", "replay", id(0))
	if refused.status != 1 || !strings.Contains(refused.stderr, "by Boris") || refused.stdout != "" {
		t.Errorf("put back once more: %+v", refused)
	}
	shown := w.must("dead-letters", "show", id(0))
	if shown.stdout != string(good.value) {
		t.Errorf("the message shown is %q", shown.stdout)
	}
	for _, want := range []string{"set-aside: bad_field", "replayed by Anna", "failed: bad_field", "replayed by Boris: the sender was asked", "taken", "what to do: "} {
		if !strings.Contains(shown.stderr, want) {
			t.Errorf("its story lacks %q:\n%s", want, shown.stderr)
		}
	}

	if o := w.program("dead-letters", "discard", id(1), "--by", "Anna"); o.status != 2 || !strings.Contains(o.stderr, "--reason") {
		t.Errorf("discarding without a reason: %+v", o)
	}
	w.must("dead-letters", "discard", id(1), "--by", "Anna", "--reason", "sent again by the source")
	if o := w.program("dead-letters", "discard", id(1), "--by", "Anna", "--reason", "again"); o.status != 1 || !strings.Contains(o.stderr, "by Anna") {
		t.Errorf("discarding twice: %+v", o)
	}
	byTopic := []string{"dead-letters", "discard", "--topic", w.topics["invoices"], "--fault", "unreadable", "--by", "Anna", "--reason", "noise"}
	if o := w.program(byTopic...); o.status != 1 || !strings.Contains(o.stderr, "2 dead letters") || len(w.letters()) != 2 {
		t.Errorf("discarding by filter without --yes: %+v", o)
	}
	if o := w.must(append(byTopic, "--yes")...); !strings.Contains(o.stdout, "2 dead letters discarded") {
		t.Errorf("discarding by filter: %+v", o)
	}
	if left := w.letters(); len(left) != 0 {
		t.Errorf("what waits: %+v", left)
	}
	if found := w.letters("--state", "discarded", "--type", "pbx.registered.v1", "--account", "885", "--since", "24h"); len(found) != 1 || fmt.Sprint(found[0].ID) != id(1) {
		t.Errorf("by filters: %+v", found)
	}
	if acts := w.number(`SELECT count(*) FROM operator_actions WHERE what <> 'configuration'`); acts != 5 {
		t.Errorf("%d acts recorded, want 5", acts)
	}
}
