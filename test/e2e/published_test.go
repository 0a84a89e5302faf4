package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"strconv"
	"time"

	"referral/test/reference"
)

// cloudEvent is an event of the program as others read it.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        time.Time       `json:"time"`
	Data        json.RawMessage `json:"data"`
}

type adjustment struct {
	ID            string `json:"adjustment_id"`
	Sequence      int    `json:"sequence"`
	AccountID     int64  `json:"account_id"`
	InvoiceID     string `json:"invoice_id"`
	Revision      int    `json:"invoice_revision"`
	Period        string `json:"period"`
	PostingPeriod string `json:"posting_period"`
	Currency      string `json:"currency"`
	Amount        int64  `json:"amount_minor"`
	Reason        string `json:"reason"`
	Items         []item `json:"items"`
}

type item struct {
	LineID   string    `json:"line_id"`
	Service  string    `json:"service"`
	Amount   int64     `json:"amount_minor"`
	Segments []segment `json:"segments"`
}

type segment struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Percent int    `json:"percent"`
}

type smsPackage struct {
	ID        string  `json:"package_id"`
	AccountID int64   `json:"account_id"`
	SMS       int     `json:"sms"`
	GrantedOn string  `json:"granted_on"`
	Period    string  `json:"period"`
	InvoiceID *string `json:"invoice_id"`
	Step      int     `json:"step"`
	Amount    int64   `json:"amount_minor"`
}

type outboxEvent struct {
	AccountID int64  `json:"account_id"`
	InviterID int64  `json:"inviter_id"`
	Code      string `json:"code"`
	Reason    string `json:"reason"`
	Kind      string `json:"kind"`
	Percent   int    `json:"percent"`
}

// event is the events of one type on a topic, each event once.
type event[T any] struct {
	event cloudEvent
	data  T
}

// heard reads the events of a type from a topic. Delivery is at least once: a
// repeated event must be the same, and counts once.
func heard[T any](w *world, topic, kind string) []event[T] {
	w.t.Helper()
	seen := map[string][]byte{}
	var all []event[T]
	for _, r := range w.records(topic) {
		e := w.event(r)
		if e.Type != kind {
			continue
		}
		if before, repeated := seen[e.ID]; repeated {
			if !bytes.Equal(before, r.Value) {
				w.t.Errorf("%s: two events with the id %s:\n%s\n%s", topic, e.ID, before, r.Value)
			}
			continue
		}
		seen[e.ID] = r.Value
		var data T
		if err := json.Unmarshal(e.Data, &data); err != nil {
			w.t.Fatalf("%s: %v: %s", topic, err, e.Data)
		}
		all = append(all, event[T]{e, data})
	}
	return all
}

// event reads a record and checks its envelope.
func (w *world) event(r record) cloudEvent {
	w.t.Helper()
	var e cloudEvent
	if err := json.Unmarshal(r.Value, &e); err != nil {
		w.t.Fatalf("%s: %v: %s", r.Topic, err, r.Value)
	}
	var of struct {
		AccountID int64 `json:"account_id"`
	}
	if err := json.Unmarshal(e.Data, &of); err != nil {
		w.t.Fatalf("%s: %v: %s", r.Topic, err, r.Value)
	}
	if e.SpecVersion != "1.0" || e.ID == "" || e.Source == "" || e.Time.IsZero() {
		w.t.Errorf("%s: no CloudEvent 1.0: %s", r.Topic, r.Value)
	}
	if media, _, err := mime.ParseMediaType(r.header["content-type"]); err != nil || media != "application/cloudevents+json" {
		w.t.Errorf("%s: content-type %q", r.Topic, r.header["content-type"])
	}
	if string(r.Key) != strconv.FormatInt(of.AccountID, 10) {
		w.t.Errorf("%s: key %q on a message about account %d", r.Topic, r.Key, of.AccountID)
	}
	return e
}

// adjustments reads the documents, each once, and checks each against itself.
func (w *world) adjustments() []adjustment {
	w.t.Helper()
	last := map[string]int{}
	ids := map[string]bool{}
	var all []adjustment
	for _, one := range heard[adjustment](w, "discounts", "referral.discount-adjustment.v1") {
		doc := one.data
		if ids[doc.ID] {
			w.t.Errorf("document %s is in two events", doc.ID)
		}
		ids[doc.ID] = true
		if doc.Sequence != last[doc.InvoiceID]+1 {
			w.t.Errorf("invoice %s: document %d comes after %d", doc.InvoiceID, doc.Sequence, last[doc.InvoiceID])
		}
		last[doc.InvoiceID] = doc.Sequence
		w.checkDocument(&doc)
		all = append(all, doc)
	}
	return all
}

func (w *world) checkDocument(doc *adjustment) {
	w.t.Helper()
	var sum int64
	for _, i := range doc.Items {
		sum += i.Amount
		end := ""
		for _, s := range i.Segments {
			if s.From < end || s.To <= s.From || s.Percent < 1 || s.Percent > 100 {
				w.t.Errorf("document %s line %s: segments %v", doc.ID, i.LineID, i.Segments)
			}
			end = s.To
		}
	}
	if sum != doc.Amount || len(doc.Items) == 0 {
		w.t.Errorf("document %s says %d, its %d items sum to %d", doc.ID, doc.Amount, len(doc.Items), sum)
	}
}

// outsideLines is the sum per line of what went out.
func (w *world) outsideLines() map[reference.Line]int64 {
	w.t.Helper()
	sums := map[reference.Line]int64{}
	for _, doc := range w.adjustments() {
		for _, i := range doc.Items {
			line := reference.Line{InvoiceID: doc.InvoiceID, LineID: i.LineID}
			if sums[line] += i.Amount; sums[line] == 0 {
				delete(sums, line)
			}
		}
	}
	return sums
}

// outsidePackages is the packages that went out.
func (w *world) outsidePackages() map[reference.Package]int {
	w.t.Helper()
	count := map[reference.Package]int{}
	for _, one := range heard[smsPackage](w, "packages", "referral.sms-package.v1") {
		p := one.data
		count[reference.Package{AccountID: p.AccountID, SMS: p.SMS}]++
		if p.Amount != 0 || p.GrantedOn[:len("2026-04")] != p.Period {
			w.t.Errorf("package %+v", p)
		}
	}
	return count
}

// checkEvents holds that every event has one content wherever it is repeated, and that the
// documents and dead letters on the topics are those of the database, each of them.
func (w *world) checkEvents() {
	w.t.Helper()
	for _, topic := range []string{"discounts", "packages", "events"} {
		contents := map[string]string{}
		for _, r := range w.records(topic) {
			w.sameContent(topic, contents, w.event(r).ID, string(r.Value))
		}
	}
	published := map[string]int64{}
	for _, doc := range w.adjustments() {
		published[doc.ID] = doc.Amount
	}
	for _, one := range heard[smsPackage](w, "packages", "referral.sms-package.v1") {
		published[one.data.ID] = int64(one.data.SMS)
	}
	type document struct {
		ID    string
		Value int64
	}
	ledger := map[string]int64{}
	for _, doc := range query[document](w, `SELECT adjustment_id::text, amount_minor FROM adjustments UNION ALL SELECT package_id::text, sms FROM sms_packages`) {
		ledger[doc.ID] = doc.Value
	}
	differ(w, "documents published", published, ledger)

	letters := map[string]string{}
	for _, r := range w.records("dead_letters") {
		origin := r.header["origin-topic"] + "/" + r.header["origin-partition"] + "/" + r.header["origin-offset"]
		w.sameContent("dead_letters", letters, origin, r.header["error"]+string(r.Key)+string(r.Value))
	}
	set := map[string]string{}
	for _, row := range query[struct{ Origin string }](w, `SELECT topic || '/' || partition || '/' || "offset" FROM dead_letters`) {
		set[row.Origin] = letters[row.Origin]
	}
	differ(w, "dead letters published", letters, set)
}

func (w *world) sameContent(topic string, contents map[string]string, id, content string) {
	w.t.Helper()
	if before, repeated := contents[id]; repeated && before != content {
		w.t.Errorf("%s: two contents of %s:\n%s\n%s", topic, id, before, content)
	}
	contents[id] = content
}

// refusal is one that was announced.
type refusal struct {
	AccountID int64
	Code      string
	Reason    string
}

// outsideRefusals counts the refusals that were announced.
func (w *world) outsideRefusals() map[refusal]int {
	w.t.Helper()
	count := map[refusal]int{}
	for _, one := range heard[outboxEvent](w, "events", "referral.refused.v1") {
		count[refusal{one.data.AccountID, one.data.Code, one.data.Reason}]++
	}
	return count
}

// learnCodes waits until the codes of accounts have been announced.
func (w *world) learnCodes(accounts ...int64) {
	w.t.Helper()
	w.until("learning the codes", func() (bool, string) {
		for _, one := range heard[outboxEvent](w, "events", "referral.code-issued.v1") {
			if before, known := w.codes[one.data.AccountID]; known && before != one.data.Code {
				w.t.Fatalf("account %d has two codes", one.data.AccountID)
			}
			w.codes[one.data.AccountID] = one.data.Code
		}
		missing := 0
		for _, a := range accounts {
			if w.codes[a] == "" {
				missing++
			}
		}
		return missing == 0, fmt.Sprintf("%d of %d are missing", missing, len(accounts))
	})
}
