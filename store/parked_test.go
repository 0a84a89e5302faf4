package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"referral/models"
)

// What cannot be settled is parked and named: an invoice alone where one is the
// cause, else the account. Everything else is posted, the run says that it is
// incomplete, and a later run settles the rest.
func TestParkedAccounts(t *testing.T) {
	t.Parallel()
	const bad = "INV-2026-04-885"
	for name, c := range map[string]struct {
		spoil   func(*models.SettlementResult)
		facts   []models.FactData
		invoice string // empty: the account is parked
		says    string
	}{
		"the arithmetic of an invoice stops": {facts: []models.FactData{april(885, 2, 1<<62, 1<<62, 1<<62)}, invoice: bad, says: "overflow"},
		"an invoice is beyond any amount": {
			facts: []models.FactData{april(885, 2, models.MaxAmount, models.MaxAmount)}, invoice: bad, says: "-16 000 000 000 000.00, beyond any amount",
		},
		"the rules return an error, with documents": {spoil: func(o *models.SettlementResult) { o.Err = errors.New("it is not to be settled") }, says: "not to be settled"},
		"the error cannot be kept as it is": {spoil: func(o *models.SettlementResult) {
			*o = models.SettlementResult{AccountID: 885, Err: errors.New("bad \x00 and \xff")}
		}, says: "bad \uFFFD and \uFFFD"},
		"nor can that of an invoice": {
			spoil: func(o *models.SettlementResult) { o.Park(bad, errors.New("bad \x00 and \xff")) }, invoice: bad, says: "bad \uFFFD and \uFFFD",
		},
		"the database refuses a line": {
			spoil: func(o *models.SettlementResult) { o.Adjustments[0].Items[0].LineID = "1\x00" }, invoice: bad, says: "22021",
		},
		"an item of nothing": {
			spoil: func(o *models.SettlementResult) { o.Adjustments[0].Items[0].Amount = 0 }, invoice: bad, says: "document 1 has an item of nothing, on line 1",
		},
		"items that do not add up": {
			spoil: func(o *models.SettlementResult) { o.Adjustments[0].Amount-- }, invoice: bad, says: "document 1 says -2 408.02, its items sum to -2 408.01",
		},
		"the database refuses a held line": {spoil: func(o *models.SettlementResult) {
			o.Held = []models.HeldLine{{AccountID: 885, Period: 202604, InvoiceID: bad, Service: "\xff"}}
		}, invoice: bad, says: "22021"},
		"a discount ends on a day that nobody could read": {spoil: func(o *models.SettlementResult) {
			s := &o.Adjustments[0].Items[0].Segments[0]
			s.From, s.To = day("9999-12-31"), day("9999-12-31")+1
		}, invoice: bad, says: "line 1 has a discount from 9999-12-31 to 10000-01-01"},
		"a package was earned on a day that nobody could read": {
			spoil: func(o *models.SettlementResult) { o.Packages[0].GrantedOn = day("9999-12-31") + 1 }, says: "a package was earned on 10000-01-01",
		},
		"the database refuses a package": {spoil: func(o *models.SettlementResult) { o.Packages[0].InvoiceID = "\x00" }, says: "22021"},
		"one line twice": {spoil: func(o *models.SettlementResult) {
			a := &o.Adjustments[0]
			a.Items = append(a.Items, a.Items[0])
		}, invoice: bad, says: "document 1 has two items on line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, twin := newLife(t), newLife(t)
			sound := april(885, 1, 70000)
			sound.ID = "INV-SOUND"
			for _, life := range []*life{l, twin} {
				life.climb()
				life.facts(sound)
			}
			twin.settle(models.RunRequest{Period: 202604})
			l.facts(c.facts...)
			pay := l.pay
			if c.spoil != nil {
				pay = l.spoiled(885, c.spoil)
			}
			run := l.finish(l.start(models.RunRequest{Period: 202604, Chunk: 3}), pay)
			if run.State != models.RunIncomplete || run.Totals.Parked != 1 {
				t.Errorf("the run came to %+v", run)
			}
			parked, err := l.ParkedAccounts(t.Context(), run.ID, 10)
			if err != nil || len(parked) != 1 || parked[0].AccountID != 885 || parked[0].InvoiceID != c.invoice || !strings.Contains(parked[0].Error, c.says) {
				t.Errorf("parked: %v, %v; want invoice %q of 885 because of %q", parked, err, c.invoice, c.says)
			}
			dossier, _, err := l.AccountHistory(t.Context(), 885)
			if err != nil || !slices.Equal(dossier.Parked, parked) {
				t.Errorf("the dossier says %v, %v; want %v", dossier.Parked, err, parked)
			}
			explained, _ := l.p.ExplainInvoice(&dossier, bad)
			if why := explained.Parked + fmt.Sprint(explained.Account.Parked); !strings.Contains(why, c.says) {
				t.Errorf("the invoice is explained by %q, want %q", why, c.says)
			}
			unharmed := "SELECT * FROM (" + ledger + ") x (kind, account_id, invoice_id) WHERE account_id <> 885"
			if c.invoice != "" {
				unharmed += " OR invoice_id <> '" + bad + "' OR kind = 'package'"
			}
			if got, want := l.dump("SELECT * FROM ("+ledger+") x"), twin.dump(unharmed); got != want {
				t.Errorf("posted is\n%s\nwant\n%s", got, want)
			}
			l.halves()
			missing := int64(1)
			if c.invoice == "" {
				missing = 2
			}
			l.facts(april(885, 3, 300000, 1001))
			if later := l.settle(models.RunRequest{Period: 202604, Needed: true}); later.State != models.RunDone || later.Totals.Documents != missing {
				t.Errorf("the later run came to %+v", later)
			}
			if dossier, _, err := l.AccountHistory(t.Context(), 885); err != nil || len(dossier.Parked) != 0 {
				t.Errorf("what was settled is still parked: %v, %v", dossier.Parked, err)
			}
			l.tie(202604)
		})
	}
}

// spoiled settles by the rules, but for one account.
func (l *life) spoiled(account int64, spoil func(*models.SettlementResult)) models.SettleFunc {
	return func(r models.Run, c *models.SettlementInput) models.SettlementResult {
		o := l.pay(r, c)
		if c.AccountID == account {
			spoil(&o)
		}
		return o
	}
}

// The account stays parked, night after night, until its cause is gone, and is
// tried every night.
func TestParkedAccountIsTriedAgain(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	bad := l.spoiled(885, func(o *models.SettlementResult) { o.Err = errors.New("no") })
	for range 3 {
		if run := l.finish(l.start(models.RunRequest{Period: 202604, Needed: true}), bad); run.State != models.RunIncomplete || run.Totals.Parked != 1 {
			t.Errorf("the run came to %+v", run)
		}
	}
	if run := l.settle(models.RunRequest{Period: 202604, Needed: true}); run.State != models.RunDone {
		t.Errorf("the run came to %+v", run)
	}
	l.tie(202604)
}
