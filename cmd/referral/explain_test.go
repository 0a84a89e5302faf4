package main

import (
	"strings"
	"testing"

	"referral/billing"
	"referral/models"
)

// The worked example of the programme, as the program explains it.
func TestWhyThisKopeck(t *testing.T) {
	w := spring(t)
	a := w.asks("explain", "invoice", april885)
	if a.status != exitOK {
		t.Fatalf("%+v", a)
	}
	for _, want := range []string{
		"Invoice INV-2026-04-885 of account 885, period 2026-04, revision 1",
		"Line 1  subscription  discounted  2026-04-01 … 2026-04-30, 30 days  3 000.00",
		"2026-04-01 … 2026-04-19   19 days × (0 % invitee + 40 % inviter) = 760",
		"2026-04-20 … 2026-04-30   11 days × (0 % invitee + 60 % inviter) = 660",
		"1420 percent-days: 3 000.00 × 1420 / (100 × 30) = 1 420.00\n",
		"wanted -1 420.00, posted -1 420.00, to post 0.00",
		"123.45 × 1420 / (100 × 30) = 58.43 and 900/3000 of 0.01, rounded to 58.43",
		"Line 3  sms_package  excluded: never discounted",
		billing.AdjustmentID(202604, april885, 1).String(), "applied -1 478.43 on 2026-05-01",
	} {
		if !strings.Contains(a.out, want) {
			t.Errorf("it does not say %q:\n%s", want, a.out)
		}
	}
}

func TestWhyAnAccountStandsWhereItStands(t *testing.T) {
	w := spring(t)
	w.hears(
		models.ActivationRequested{AccountID: 902, Code: "CODE00001", RequestedAt: instant(w, "2026-03-06")},
		models.Registered{AccountID: 950, RegisteredAt: instant(w, "2026-01-31"), Profile: models.Profile{Name: "Секрет", TaxID: "7707083893", Email: "a@b.ru", Phone: "+7900"}},
		models.ActivationRequested{AccountID: 950, Code: "code00001", RequestedAt: instant(w, "2026-03-01")},
		models.ActivationRequested{AccountID: 951, Code: "CODE00001", RequestedAt: instant(w, "2026-03-01")},
	)
	for _, c := range []struct {
		account string
		says    []string
	}{
		{"885", []string{"registered   2025-06-01 12:00:00 MSK", "1200 SMS", "the ladder begins", "earned, and went out", "-1 478.43"}},
		{"902", []string{"accepted: invited by account 885", "refused: the account had activated a code before"}},
		{"901", []string{"promo ended  not known yet", "promised; it begins when the promo period ends"}},
		{"950", []string{"refused: entered too late; the last day, by the facts as they are now, is 2026-02-28"}},
		{"951", []string{"registered   not known yet", "waits: the registration of the account has not arrived"}},
		{"5", []string{"INV-2026-04-5"}},
	} {
		a := w.asks("explain", "account", c.account)
		if a.status != exitOK {
			t.Errorf("account %s: %+v", c.account, a)
		}
		for _, want := range c.says {
			if !strings.Contains(a.out, want) {
				t.Errorf("account %s: it does not say %q:\n%s", c.account, want, a.out)
			}
		}
		for _, personal := range []string{"Секрет", "7707083893", "a@b.ru", "+7900", "CODE0", "code0"} {
			if strings.Contains(a.out, personal) {
				t.Errorf("account %s: it gives %q away", c.account, personal)
			}
		}
	}
}

func TestExplanationsAsJSON(t *testing.T) {
	w := spring(t)
	var invoice billing.InvoiceExplanation
	w.answers(exitOK, &invoice, "explain", "invoice", april885, "--format", "json")
	if l := invoice.ByLine[0]; l.PercentDays != 1420 || l.Wanted != -142000 || l.Posted != -142000 || l.Difference != 0 || l.Class != "discounted" {
		t.Errorf("line %+v", l)
	}
	if d := invoice.Documents[0]; !d.Published || d.Answer == nil || d.Answer.Amount != -147843 || len(d.Items) != 2 {
		t.Errorf("document %+v", d)
	}
	var account billing.Explanation
	w.answers(exitOK, &account, "explain", "account", "885", "--format", "json")
	if len(account.Ladder) != 3 || account.Ladder[2].SMS != 1200 || len(account.Discounts) != 3 || len(account.Invoices) != 1 {
		t.Errorf("account %+v", account)
	}
}

func TestWhatCannotBeExplained(t *testing.T) {
	w := newTown(t)
	for _, c := range []struct {
		status int
		args   []string
	}{
		{exitNegative, []string{"explain", "account", "4711"}}, {exitNegative, []string{"explain", "invoice", "INV-0"}},
		{exitError, []string{"explain", "account", "INV-0"}}, {exitError, []string{"explain"}},
		{exitError, []string{"explain", "account", "885", "--format", "csv"}},
	} {
		if a := w.asks(c.args...); a.status != c.status || a.err == "" {
			t.Errorf("%v: %+v, want status %d", c.args, a, c.status)
		}
	}
}

// Years later the message is still to be found that a value came in: that of the
// value that counts, whatever repeats it since.
func TestWhereFactsCameFrom(t *testing.T) {
	w := newTown(t)
	hears := func(topic string, offset int64, data models.FactData) {
		t.Helper()
		from := models.Provenance{Origin: models.Origin{Topic: topic, Partition: 2, Offset: offset}, At: instant(w, "2026-04-10")}
		if topic == "" {
			from = models.Provenance{Request: models.UUID{1}, At: from.At}
		}
		batch := []models.DecodedMessage{{Message: models.Message{Origin: from.Origin, At: from.At}, Fact: &models.Fact{At: w.now, Provenance: from, Data: data}}}
		if _, err := w.store.Ingest(t.Context(), batch, w.derive); err != nil {
			t.Fatal(err)
		}
	}
	inv := bill(885, 202604, 1, models.Line{ID: "1", Service: "fax", Amount: 5})
	hears("pbx.registered", 7, models.Registered{AccountID: 885, RegisteredAt: instant(w, "2026-04-01")})
	hears("pbx.registered", 8, models.Registered{AccountID: 885, RegisteredAt: instant(w, "2026-04-02")})
	hears("", 0, models.ActivationRequested{AccountID: 885, Code: "CODE", RequestedAt: instant(w, "2026-04-03")})
	hears("billing.invoices", 9, inv)
	hears("billing.invoices", 10, inv)
	account, invoice := w.asks("explain", "account", "885"), w.asks("explain", "invoice", inv.ID)
	for _, c := range []struct{ out, says string }{
		{account.out, "pbx.registered, partition 2, offset 7, 2026-04-10 12:00:00 MSK"},
		{account.out, "personal account, request 01000000-0000-0000-0000-000000000000, 2026-04-10 12:00:00 MSK"},
		{account.out, "billing.invoices, partition 2, offset 9,"},
		{invoice.out, "came from billing.invoices, partition 2, offset 9,"},
	} {
		if !strings.Contains(c.out, c.says) {
			t.Errorf("it does not say %q:\n%s", c.says, c.out)
		}
	}
	if strings.Contains(account.out+invoice.out, "offset 10") {
		t.Error("a repeat is named as where a fact came from")
	}
	var e billing.Explanation
	w.answers(exitOK, &e, "explain", "account", "885", "--format", "json")
	if m := e.Provenance.Registered.Message; *m != (billing.ExplainedMessage{Topic: "pbx.registered", Partition: 2, Offset: 7}) || e.Provenance.Terminated != nil {
		t.Errorf("%+v", e.Provenance)
	}
}

// What comes from outside does not steer a terminal.
func TestIdentifiersDoNotSteerATerminal(t *testing.T) {
	w := newTown(t)
	evil := bill(885, 202604, 1, models.Line{Service: "fax\x1b]0;title\a", Amount: 5})
	evil.ID = "INV\x1b[2J"
	w.hears(evil)
	for _, args := range [][]string{{"explain", "account", "885"}, {"explain", "invoice", evil.ID}} {
		if a := w.asks(args...); a.status != exitOK || strings.ContainsAny(a.out, "\x1b\a") {
			t.Errorf("%v: %q", args, a.out)
		}
	}
}
