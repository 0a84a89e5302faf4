package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"referral/models"
)

func (w *town) codeOf(account int64) (code string) {
	w.Helper()
	w.one("SELECT code FROM codes WHERE account_id = $1", &code, account)
	return code
}

// A referral is revoked by two persons: the first sees the money, nothing happens until
// the second approves, and the next run posts the difference; so with its undoing.
func TestRevokingAReferral(t *testing.T) {
	w := spring(t)
	before := w.asks("explain", "invoice", april885, "--format", "json")
	a := w.asks("revoke", "901", "--dry-run")
	for _, want := range []string{april885, "its ladder would be", "1200 SMS went out", "Nothing is proposed."} {
		if a.status != exitOK || !strings.Contains(a.out, want) {
			t.Fatalf("the preview lacks %q: %+v", want, a)
		}
	}
	for _, wrong := range [][]string{
		{"revoke", "901"}, {"revoke", "901", "--by", "Anna"}, {"revoke", "--by", "Anna", "--reason", "x"}, {"revoke", "nobody", "--by", "Anna", "--reason", "x"},
		{"revoke", "901", "--from", "May", "--by", "Anna", "--reason", "x"}, {"revoke", "901", "--approve", "1", "--by", "Anna"}, {"revoke", "--approve", "1"},
		{"revoke", "--undo", "1", "--by", "Anna", "--reason", "x"}, {"accept-code", "901", "--by", "Anna", "--reason", "x"},
		{"accept-code", "901", "X", "--on", "May", "--by", "Anna", "--reason", "x"},
	} {
		if a := w.asks(wrong...); a.status != exitError || a.out != "" {
			t.Errorf("%v: %+v", wrong, a)
		}
	}
	w.refuses("is not registered", "revoke", "77", "--by", "Anna", "--reason", "x")
	w.refuses("own code", "accept-code", "885", w.codeOf(885), "--on", "2026-04-10", "--by", "Anna", "--reason", "x")
	w.refuses("has not entered", "accept-code", "885", w.codeOf(901), "--by", "Anna", "--reason", "x")
	w.refuses("there is no proposal 1", "revoke", "--approve", "1", "--by", "Boris")

	var said struct {
		Proposal int64
		Subject  string
		Accounts []struct {
			AccountID int64 `json:"account_id"`
			Totals    []models.PreviewTotal
		}
	}
	if a = w.asks("revoke", "901", "--by", "Anna", "--reason", "the same owner", "--format", "json"); a.status != exitOK || json.Unmarshal([]byte(a.out), &said) != nil {
		t.Fatalf("%+v", a)
	}
	if said.Proposal != 1 || said.Subject != "901 from the start" || len(said.Accounts) == 0 || said.Accounts[0].AccountID != 885 || said.Accounts[0].Totals[0].Amount <= 0 {
		t.Errorf("%+v", said)
	}
	w.refuses("proposed already, by Anna", "revoke", "901", "--by", "Carol", "--reason", "again")
	w.refuses("another person has to approve it", "revoke", "--approve", "1", "--by", "anna")
	w.refuses("about something else", "accept-code", "--approve", "1", "--by", "Boris")
	if now := w.asks("explain", "invoice", april885, "--format", "json"); now.out != before.out {
		t.Errorf("a proposal changes\n%s\ninto\n%s", before.out, now.out)
	}
	if a = w.asks("revoke", "--approve", "1", "--by", "Boris"); a.status != exitOK || !strings.Contains(a.out, "proposed by Anna, approved by Boris") {
		t.Fatalf("%+v", a)
	}
	decision := strings.TrimSuffix(strings.Fields(a.out)[1], ":")
	w.now = w.now.Add(time.Hour)
	w.month(202604)
	if a = w.asks("explain", "invoice", april885); !strings.Contains(a.out, "revoked") {
		t.Errorf("no document says that it is of a revocation:\n%s", a.out)
	}
	for _, account := range []string{"885", "901"} {
		if a = w.asks("explain", "account", account); !strings.Contains(a.out, "is revoked from the start") || !strings.Contains(a.out, decision) || !strings.Contains(a.out, "the same owner") {
			t.Errorf("account %s is not explained:\n%s", account, a.out)
		}
	}
	if a = w.asks("revoke", "--undo", decision, "--by", "Boris", "--reason", "it was a mistake", "--format", "json"); a.status != exitOK || json.Unmarshal([]byte(a.out), &said) != nil {
		t.Fatalf("%+v", a)
	}
	if a = w.asks("revoke", "--approve", fmt.Sprint(said.Proposal), "--by", "Anna"); a.status != exitOK {
		t.Fatalf("%+v", a)
	}
	w.month(202604)
	w.refuses("was undone", "revoke", "--undo", decision, "--by", "Boris", "--reason", "again")
	w.reconciles(exitOK)
	w.decidesAboutServices()
}

// decidesAboutServices decides about a service that the terms do not name, and undoes it.
func (w *town) decidesAboutServices() {
	w.Helper()
	for _, wrong := range [][]string{
		{"classify-service", "telex", "discounted"}, {"classify-service", "telex", "free", "--by", "Anna", "--reason", "x"},
		{"classify-service", "telex", "--by", "Anna", "--reason", "x"}, {"classify-service", "--undo", "1", "--by", "Anna", "--reason", "x"},
	} {
		if a := w.asks(wrong...); a.status != exitError || a.out != "" {
			w.Errorf("%v: %+v", wrong, a)
		}
	}
	w.refuses("the terms name the service", "classify-service", "subscription", "excluded", "--by", "Anna", "--reason", "x")
	if a := w.asks("classify-service", "telex", "discounted", "--dry-run"); a.status != exitOK || !strings.Contains(a.out, "Service telex, lines that are settled: 0") || !strings.Contains(a.out, "Nothing is proposed.") {
		w.Errorf("%+v", a)
	}
	var said struct {
		Proposal int64
		Subject  string
		ID       string `json:"decision_id"`
	}
	w.answers(exitOK, &said, "classify-service", "telex", "discounted", "--by", "Anna", "--reason", "a new service", "--format", "json")
	if said.Subject != "discounted telex" {
		w.Errorf("%+v", said)
	}
	approve := fmt.Sprint(said.Proposal)
	w.refuses("another person has to approve it", "classify-service", "--approve", approve, "--by", "Anna")
	w.refuses("about something else", "revoke", "--approve", approve, "--by", "Boris")
	w.answers(exitOK, &said, "classify-service", "--approve", approve, "--by", "Boris", "--format", "json")
	decision := said.ID
	w.refuses("undo that first", "classify-service", "telex", "excluded", "--by", "Anna", "--reason", "x")
	w.answers(exitOK, &said, "classify-service", "--undo", decision, "--by", "Boris", "--reason", "a mistake", "--format", "json")
	w.answers(exitOK, &said, "classify-service", "--approve", fmt.Sprint(said.Proposal), "--by", "Anna", "--format", "json")
	w.refuses("was undone", "classify-service", "--undo", decision, "--by", "Boris", "--reason", "again")
}
