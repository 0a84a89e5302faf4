package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"referral/internal/demo/workload"
	"referral/test/reference"
)

// spring is a spring in the life of 300 accounts, with what must come out as
// another model has calculated it.
type spring struct {
	phases [2]springPhase
}

type springPhase struct {
	registrations []springMessage
	rest          []springMessage
	lines         []springLine
	packages      []springPackage
	refused       []springRefusal
}

type springMessage struct {
	Topic workload.Topic  `json:"topic"`
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

type springLine struct {
	InvoiceID string `json:"invoice_id"`
	LineID    string `json:"line_id"`
	Amount    int64  `json:"amount_minor"`
}

type springPackage struct {
	AccountID int64 `json:"account_id"`
	SMS       int   `json:"sms"`
	Count     int   `json:"count"`
}

type springRefusal struct {
	AccountID int64  `json:"account_id"`
	EventID   string `json:"event_id"`
	Reason    string `json:"reason"`
}

// defaultTopics is the topics by their names in the example, which are the defaults of
// the configuration.
var defaultTopics = map[workload.Topic]workload.Topic{
	"pbx.registered":                workload.Registered,
	"pbx.promo-ended":               workload.PromoEnded,
	"pbx.terminated":                workload.Terminated,
	"referral.activation-requested": workload.Activation,
	"billing.invoices":              workload.Invoices,
	"billing.adjustment-results":    workload.Results,
}

// loadSpring reads the example from REFERRAL_SPRING, or the copy kept here.
func loadSpring(t *testing.T) spring {
	t.Helper()
	folder := os.Getenv("REFERRAL_SPRING")
	if folder == "" {
		folder = filepath.Join("testdata", "spring")
	}
	var s spring
	for i := range s.phases {
		phase := filepath.Join(folder, fmt.Sprintf("phase-%d", i+1))
		p := &s.phases[i]
		for _, m := range rows[springMessage](t, phase, "events.jsonl") {
			m.Topic = defaultTopics[m.Topic]
			if m.Topic == workload.Registered {
				p.registrations = append(p.registrations, m)
			} else {
				p.rest = append(p.rest, m)
			}
		}
		p.lines = rows[springLine](t, phase, "want-lines.jsonl")
		p.packages = rows[springPackage](t, phase, "want-packages.jsonl")
		p.refused = rows[springRefusal](t, phase, "want-refused.jsonl")
	}
	return s
}

func rows[T any](t *testing.T, folder, name string) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatalf("the spring example: %v", err)
	}
	var all []T
	for line := range bytes.Lines(text) {
		var row T
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, row)
	}
	return all
}

var placeholder = regexp.MustCompile(`\{code:(\d+)\}`)

// messages puts the codes that the program has issued into messages, and waits
// for those that are not known yet.
func (w *world) messages(from []springMessage) []message {
	w.t.Helper()
	out := make([]message, len(from))
	for i, m := range from {
		value := placeholder.ReplaceAllFunc(m.Value, func(found []byte) []byte {
			return []byte(w.code(string(placeholder.FindSubmatch(found)[1])))
		})
		out[i] = message{topic: string(m.Topic), key: m.Key, value: value}
	}
	return out
}

func (w *world) code(account string) string {
	w.t.Helper()
	id, err := strconv.ParseInt(account, 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.codes[id] == "" {
		w.learnCodes(id)
	}
	return w.codes[id]
}

// wanted is what must come out after a phase, refusals with the codes that this
// world has issued.
func (s *spring) wanted(w *world, phase int) wanted {
	w.t.Helper()
	p := &s.phases[phase]
	want := wanted{
		lines: map[reference.Line]int64{}, packages: map[reference.Package]int{},
		outside: map[refusal]int{}, inside: map[decision]int{},
	}
	for _, l := range p.lines {
		want.lines[reference.Line{InvoiceID: l.InvoiceID, LineID: l.LineID}] = l.Amount
	}
	for _, g := range p.packages {
		want.packages[reference.Package{AccountID: g.AccountID, SMS: g.SMS}] = g.Count
	}
	activations := s.activations(w)
	for _, r := range p.refused {
		code, known := activations[r.EventID]
		if !known {
			w.t.Fatalf("the example wants a refusal of %s, which is no activation", r.EventID)
		}
		want.outside[refusal{r.AccountID, code, r.Reason}]++
		want.inside[decision{r.AccountID, code, r.Reason}]++
	}
	return want
}

// activations is the code of every activation of the example by the id of its event.
func (s *spring) activations(w *world) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for i := range s.phases {
		for _, m := range s.phases[i].rest {
			if m.Topic != workload.Activation {
				continue
			}
			var e struct {
				ID   string
				Data struct{ Code string }
			}
			if err := json.Unmarshal(m.Value, &e); err != nil {
				w.t.Fatal(err)
			}
			code := e.Data.Code
			if owner := placeholder.FindStringSubmatch(code); owner != nil {
				code = w.code(owner[1])
			}
			all[e.ID] = code
		}
	}
	return all
}

// runs is the months that are settled after each phase.
func runs(phase int) []string {
	if phase == 0 {
		return []string{"2026-03"}
	}
	return []string{"2026-03", "2026-04"}
}

// play sends both phases, each changed by a twist, and checks the ledger after
// each.
func (s *spring) play(w *world, twist func([]springMessage) []springMessage) {
	w.t.Helper()
	for phase := range s.phases {
		p := &s.phases[phase]
		w.send(w.messages(twist(p.registrations))...)
		w.send(w.messages(twist(p.rest))...)
		w.drained()
		for _, period := range runs(phase) {
			w.must("run", period)
		}
		w.check(fmt.Sprintf("phase %d", phase+1), s.wanted(w, phase))
	}
}

func asItIs(all []springMessage) []springMessage { return all }

func TestSpring(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	w.serve()
	s.play(w, asItIs)

	before := w.number("SELECT count(*) FROM adjustments")
	for _, period := range runs(1) {
		w.must("run", period)
		w.must("run", period, "--full")
	}
	if after := w.number("SELECT count(*) FROM adjustments"); after != before {
		t.Errorf("running again has posted %d documents", after-before)
	}
	w.check("after running again", s.wanted(w, 1))
}

func TestRepeatedMessagesChangeNothing(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	w.serve()
	s.play(w, func(all []springMessage) []springMessage {
		var thrice []springMessage
		for range 3 {
			thrice = append(thrice, all...)
		}
		return thrice
	})
}

func TestOrderOfMessagesChangesNothing(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	w.serve()
	last := &s.phases[1]
	last.rest = reversed(t, append(last.registrations, last.rest...))
	last.registrations = nil
	s.play(w, asItIs)
}

// reversed turns an order round, but for the activations of one account: their
// order is promised.
func reversed(t *testing.T, all []springMessage) []springMessage {
	t.Helper()
	activations := map[string][]springMessage{}
	for _, m := range all {
		if m.Topic == workload.Activation {
			activations[m.Key] = append(activations[m.Key], m)
		}
	}
	var turned []springMessage
	for i := len(all) - 1; i >= 0; i-- {
		m := all[i]
		if queue := activations[m.Key]; m.Topic == workload.Activation {
			m, activations[m.Key] = queue[0], queue[1:]
		}
		turned = append(turned, m)
	}
	return turned
}

func TestClosedMonthsAreCorrectedInTheOpenOne(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	w.serve()
	first, second := &s.phases[0], &s.phases[1]
	w.send(w.messages(first.registrations)...)
	w.send(w.messages(first.rest)...)
	w.drained()
	w.must("run", "2026-03")
	checkExit(t, w.command(t.Context(), "close", "2026-03", "--by", "the chief accountant"), 1, "it does not tie")
	w.must("close", "2026-03", "--by", "the chief accountant", "--override", "no billing answers in this test")

	w.send(w.messages(append(second.registrations, second.rest...))...)
	w.drained()
	w.must("run", "2026-03")
	w.must("run", "2026-04")
	w.check("with March closed", s.wanted(w, 1))

	// A run of the open month settles along what waits in the closed one, and tells
	// of each in a line.
	doc := query[tamperedAccount](w, "SELECT account_id, invoice_id, adjustment_id::text FROM adjustments WHERE period = 202603 ORDER BY account_id LIMIT 1")[0]
	w.send(fact("invoices", "/billing", "billing.invoice-issued.v1", "cancelled", doc.AccountID,
		`{"invoice_id":%q,"account_id":%d,"period":%q,"revision":99,"currency":"RUB","lines":[]}`, doc.InvoiceID, doc.AccountID, "2026-03"))
	w.drained()
	var told []string
	for line := range strings.Lines(w.must("run", "2026-04", "--format", "json").stdout) {
		var run struct{ Type, Period string }
		if err := json.Unmarshal([]byte(line), &run); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		told = append(told, run.Type+" "+run.Period)
	}
	if got := strings.Join(told, ", "); got != "run 2026-04, run 2026-03" {
		t.Errorf("told of %s", got)
	}

	late := 0
	for _, doc := range w.adjustments() {
		switch {
		case doc.Period == "2026-03" && doc.Sequence == 1 && doc.PostingPeriod == "2026-03":
		case doc.Period == "2026-03" && doc.PostingPeriod == "2026-04" && strings.HasPrefix(doc.InvoiceID, "INV-2026-03-"):
			late++
		case doc.Period == "2026-04" && doc.PostingPeriod == "2026-04":
		default:
			t.Errorf("document %+v", doc)
		}
	}
	if late == 0 {
		t.Error("no difference of March was posted to April")
	}
}
