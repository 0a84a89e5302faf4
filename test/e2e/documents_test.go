package e2e

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"referral/test/browser"
)

// answer is billing's answer to a document, which it dates as it likes.
func answer(id string, account, amount int64, status, at string) message {
	return fact("results", "/billing", "billing.adjustment-result.v1", "answer "+id+at, account,
		`{"adjustment_id":%q,"status":%q,"amount_minor":%d,"reason":"the invoice is closed","at":%q}`, id, status, amount, at)
}

// discounted is account 885 with 20 % on the whole of March, settled and published.
func discounted(w *world) {
	w.t.Helper()
	w.send(registration(885, "2026-01-10T09:00:00Z"))
	w.learnCodes(885)
	w.send(registration(901, "2026-02-20T09:00:00Z"), activation(901, w.codes[885], "2026-02-20T10:00:00Z"), invoice(885, 300_000))
	w.drained()
	w.must("run", "2026-03")
	w.published()
}

// What billing has rejected goes out again as the very same message, in its place
// before what is posted later, though everything was killed meanwhile; what it will
// never take is written off, and the month ties.
func TestARejectedDocumentCanBeResentOrWrittenOff(t *testing.T) {
	const account = int64(885)
	w := newWorld(t)
	s := w.serve()
	discounted(w)
	first := w.adjustments()[0]
	w.send(answer(first.ID, account, 0, "rejected", "2026-04-01T09:00:00Z"))
	w.drained()
	w.names("a rejection", w.reconcile("2026-03"), discrepancy{"rejected", account, "INV-2026-03-885", first.ID}, false)

	w.must("run", "2026-03", "--full")
	if again := w.records("discounts"); len(again) != 1 {
		t.Errorf("a full run has sent %d documents more", len(again)-1)
	}
	s.kill()
	w.must("resend", first.ID, "--by", "Anna", "--reason", "the invoice is open again")
	s = w.serve("--only", "consumer,web") // nobody publishes
	w.send(fact("invoices", "/billing", "billing.invoice-issued.v1", "second revision", account,
		`{"invoice_id":"INV-2026-03-885","account_id":885,"period":"2026-03","revision":2,"currency":"RUB",
		"lines":[{"line_id":"1","service":"subscription","from":"2026-03-01","to":"2026-04-01","amount_minor":400000}]}`))
	w.drained()
	w.must("run", "2026-03") // and publishes, for nobody else does
	w.published()
	s.kill()
	w.serve()
	w.published()

	sent := w.records("discounts")
	if len(sent) < 3 || !bytes.Equal(sent[1].Value, sent[0].Value) || !bytes.Equal(sent[1].Key, sent[0].Key) || sent[1].header["content-type"] != sent[0].header["content-type"] {
		t.Fatalf("%d messages; the first two are\n%s\n%s", len(sent), sent[0].Value, sent[min(1, len(sent)-1)].Value)
	}
	documents := w.adjustments()
	if len(documents) != 2 || !bytes.Contains(sent[2].Value, []byte(documents[1].ID)) {
		t.Fatalf("the later document does not come behind: %s", sent[2].Value)
	}
	second := documents[1]
	w.names("a resend without an answer", w.reconcileAfter(second.ID, account), discrepancy{"not-answered", account, "INV-2026-03-885", first.ID}, false)
	w.send(answer(first.ID, account, first.Amount, "applied", "2026-04-02T09:00:00Z"), answer(second.ID, account, 0, "rejected", "2026-04-03T09:00:00Z"))
	w.drained()
	w.names("the second rejection", w.reconcile("2026-03"), discrepancy{"rejected", account, "INV-2026-03-885", second.ID}, false)
	w.must("write-off", second.ID, "--by", "Boris", "--reason", "paid in cash")
	w.ties()
	if o := w.program("resend", second.ID, "--by", "Anna"); o.status != 1 {
		t.Errorf("what is written off is sent again: %+v", o)
	}
	w.send(answer(second.ID, account, second.Amount, "applied", "2026-04-04T09:00:00Z"))
	w.drained()
	w.names("booked after all", w.reconcile("2026-03"), discrepancy{"booked-although-written-off", account, "INV-2026-03-885", second.ID}, false)
}

// reconcileAfter is the reconciliation once billing has applied one document.
func (w *world) reconcileAfter(id string, account int64) reconciled {
	w.t.Helper()
	for _, doc := range w.adjustments() {
		if doc.ID == id {
			w.send(answer(id, account, doc.Amount, "applied", "2026-04-02T08:00:00Z"))
		}
	}
	w.drained()
	return w.reconcile("2026-03")
}

// The pages of a client say one thing about a document that billing has rejected,
// in the sum and beside the document, whatever is decided about it.
func TestPagesAgreeOnARejectedDocument(t *testing.T) {
	folder := os.Getenv(shotsVariable)
	if folder == "" {
		folder = t.TempDir()
	}
	c := newPortalWorld(t)
	month := today().Period().Previous()
	c.send(client(inviter, "Резервация", noon(month.First()-200)))
	c.learnCodes(inviter)
	c.send(client(invitee, "Цветы на Лесной", noon(month.First()-4)), activation(invitee, c.codes[inviter], noon(month.First()-1)), bill(inviter, month, 2_540_445))
	c.drained()
	c.must("run", month.String())
	c.published()
	doc := c.adjustments()[0]
	desk := c.visit(t, inviter, "/referral", browser.Options{LessMotion: true})
	phone := c.visit(t, inviter, "/referral", browser.Options{Phone: true, LessMotion: true})
	says := func(name string, page, list []string) {
		t.Helper()
		for _, p := range []*browser.Page{desk, phone} {
			for path, words := range map[string][]string{fmt.Sprintf("/referral/history/%s", doc.InvoiceID): page, "/referral/history": list} {
				c.to(p, path)
				judge(t, p)
				for _, words := range words {
					if !p.Shows(words) {
						t.Errorf("%s: %s lacks %q:\n%s", name, path, words, p.Text())
					}
				}
			}
			c.to(p, fmt.Sprintf("/referral/history/%s", doc.InvoiceID))
			if p.Shows("Проведено\n−5") && name != "applied" {
				t.Errorf("%s: the page says that it is booked:\n%s", name, p.Text())
			}
		}
		c.picture(t, desk, folder, "why-"+name, "desk")
		c.picture(t, phone, folder, "why-"+name, "phone")
	}
	c.send(answer(doc.ID, inviter, 0, "rejected", noon(today())))
	c.drained()
	says("rejected", []string{"Не проведено, мы разбираемся"}, []string{"не проведено, мы разбираемся"})
	c.must("resend", doc.ID, "--by", "Anna")
	c.published()
	says("resent", []string{"Передано в расчеты повторно"}, []string{"передано в расчеты повторно"})
	c.must("write-off", doc.ID, "--by", "Boris", "--reason", "paid in cash")
	says("written-off", []string{"Не проведено, вопрос решен отдельно"}, []string{"не проведено, вопрос решен отдельно"})
}
