package rehearsal_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"referral/billing/rehearsal"
	"referral/models"
)

const april = models.Period(202604)

func at(day int) time.Time { return time.Date(2026, 4, day, 12, 0, 0, 0, time.UTC) }

func local(t time.Time) models.Date { return models.DateOf(t, time.UTC) }

// The hundred largest documents are kept, reversals among them, whatever their order,
// and every sum is that of all.
func TestSummary(t *testing.T) {
	t.Parallel()
	for _, backward := range []bool{false, true} {
		var s rehearsal.Summary
		s.Reset()
		for i := range 300 {
			n := i + 1
			if backward {
				n = 300 - i
			}
			id, amount := int64(n), -models.Money(n)
			if n == 300 {
				amount = 1000
			}
			out := s.Settle(func(models.Run, *models.SettlementInput) models.SettlementResult {
				item := models.AdjustmentItem{LineID: "1", Service: fmt.Sprint("s", n%2), Amount: amount, Segments: []models.Segment{{Inviter: 20}, {Inviter: 20 + n%2*20}}}
				return models.SettlementResult{AccountID: id, Full: n == 7, Adjustments: []models.Adjustment{{AccountID: id, InvoiceID: fmt.Sprint(n), Amount: amount, Items: []models.AdjustmentItem{item}}}}
			})(models.Run{}, &models.SettlementInput{AccountID: id})
			s.See(&out)
		}
		s.See(&models.SettlementResult{AccountID: 301, Err: fmt.Errorf("absurd"), Held: []models.HeldLine{{Service: "hologram", Amount: 5}}})
		found := s.Found()
		if len(found.Largest) != 100 || found.Largest[0].Amount != 1000 || found.Largest[1].Amount != -299 || found.Largest[99].Amount != -201 {
			t.Errorf("%d documents, %+v … %+v", len(found.Largest), found.Largest[0], found.Largest[99])
		}
		services := []models.ServiceSum{{Service: "s1", Lines: 150, Amount: -22500}, {Service: "s0", Lines: 150, Amount: -(2+298)*149/2 + 1000}}
		if !slices.Equal(found.Services, services) || len(found.Percents) != 2 || found.Percents[1] != (models.PercentSum{Percent: 40, Lines: 150, Amount: -22500}) {
			t.Errorf("%+v, %+v", found.Services, found.Percents)
		}
		if len(found.Parked) != 1 || len(found.Held) != 1 || found.Held[0].Service != "hologram" {
			t.Errorf("%+v, %+v", found.Parked, found.Held)
		}
		if amounts := s.Amounts(); len(amounts) != 301 || s.Waiting() != 0 || amounts[300].Parked != 1 {
			t.Errorf("%d accounts", len(amounts))
		}
	}
}

// Each kind of fact that comes between a rehearsal and the run is named.
func TestExplain(t *testing.T) {
	t.Parallel()
	inv := func(revision, sequence int) models.AuditInvoice {
		a := models.AuditInvoice{Invoice: models.Invoice{ID: "INV-1", Revision: revision, Period: april}}
		for n := range sequence {
			a.Documents = append(a.Documents, models.AuditDocument{Adjustment: models.Adjustment{Sequence: n + 1}, RunID: 3})
		}
		return a
	}
	percent := func(kind models.DiscountKind, from int, percent int) models.Discount {
		return models.Discount{Kind: kind, From: april.First() + models.Date(from-1), To: april.End(), Percent: percent}
	}
	seen := &models.SettlementBasis{Invoices: []models.BasisInvoice{{ID: "INV-1", Revision: 1}}, Discounts: []models.Discount{percent(models.Inviter, 1, 20)}}
	grant := models.Grant{SMS: 1200, GrantedOn: april.First()}
	for name, c := range map[string]struct {
		basis   *models.SettlementBasis
		parked  bool
		kind    models.RunKind
		terms   bool
		account models.AccountHistory
		want    string
	}{
		"nothing":   {basis: seen, account: models.AccountHistory{Invoices: []models.AuditInvoice{inv(1, 0)}}, want: "[]"},
		"came":      {basis: &models.SettlementBasis{}, account: models.AccountHistory{Invoices: []models.AuditInvoice{inv(2, 0)}}, want: "[invoice-came INV-1 0→2]"},
		"revised":   {basis: seen, account: models.AccountHistory{Invoices: []models.AuditInvoice{inv(3, 0)}}, want: "[invoice-revised INV-1 1→3]"},
		"moved":     {basis: seen, account: models.AccountHistory{Invoices: []models.AuditInvoice{{Invoice: models.Invoice{ID: "INV-1", Revision: 2, Period: 202605}}}}, want: "[invoice-moved INV-1 1→0]"},
		"posted":    {basis: seen, account: models.AccountHistory{Invoices: []models.AuditInvoice{inv(1, 2)}}, want: "[document-posted INV-1 0→2]"},
		"parked":    {basis: seen, account: models.AccountHistory{Invoices: []models.AuditInvoice{inv(1, 0)}, Parked: []models.ParkedAccount{{Period: april, InvoiceID: "INV-1"}, {Period: 202603}}}, want: "[parked INV-1 0→0]"},
		"wasparked": {basis: seen, parked: true, account: models.AccountHistory{Invoices: []models.AuditInvoice{inv(1, 0)}}, want: "[was-parked  0→0]"},
		"terms":     {basis: seen, terms: true, account: models.AccountHistory{Invoices: []models.AuditInvoice{inv(1, 0)}}, want: "[terms  0→0]"},
		"activation": {basis: seen, account: models.AccountHistory{
			Invoices: []models.AuditInvoice{inv(1, 0)}, Referrals: []models.Referral{{InviteeID: 9, ActivatedAt: at(10)}, {InviteeID: 8, ActivatedAt: at(1)}},
			Stored: models.Entitlements{Discounts: []models.Discount{{Kind: models.Inviter, From: april.First(), To: april.First() + 9, Percent: 20}, percent(models.Inviter, 10, 40)}},
		}, want: "[percent  20→40 activation  0→0]"},
		"revoked": {basis: seen, account: models.AccountHistory{
			Invoices: []models.AuditInvoice{inv(1, 0)}, Stored: models.Entitlements{Discounts: []models.Discount{percent(models.Inviter, 1, 0)}},
			Decisions: []models.StaffDecision{{Kind: models.DecisionRevoke, DecidedAt: at(1)}, {Kind: models.DecisionRevoke, AccountID: 9, DecidedAt: at(3)}},
		}, want: "[percent  20→0 decision  0→0]"},
		"decision without effect": {basis: seen, account: models.AccountHistory{
			Invoices: []models.AuditInvoice{inv(1, 0)}, Decisions: []models.StaffDecision{{Kind: models.DecisionRevoke, AccountID: 9, DecidedAt: at(3)}},
		}, want: "[]"},
		"terminated": {basis: seen, account: models.AccountHistory{
			Account: models.Account{TerminatedAt: at(20)}, Invoices: []models.AuditInvoice{inv(1, 0)},
			Stored: models.Entitlements{Discounts: []models.Discount{{Kind: models.Inviter, From: april.First(), To: april.First() + 19, Percent: 20}}},
		}, want: "[percent  20→0 terminated  0→0]"},
		"promo": {kind: models.RunRegular, account: models.AccountHistory{
			Account: models.Account{PromoEndedAt: at(5)}, Stored: models.Entitlements{Discounts: []models.Discount{percent(models.Invitee, 5, 20)}},
		}, want: "[percent  0→20 promo-ended  0→0]"},
		"package": {kind: models.RunRegular, account: models.AccountHistory{Stored: models.Entitlements{Grants: []models.Grant{{SMS: 1200, GrantedOn: april.First() - 40}, grant}}}, want: "[package  1→2]"},
		"differences": {kind: models.RunDifferences, account: models.AccountHistory{
			Account: models.Account{PromoEndedAt: at(5), Provenance: models.AccountProvenance{PromoEnded: models.Provenance{At: at(3)}}},
			Invoices: []models.AuditInvoice{
				{Invoice: models.Invoice{ID: "OLD", Revision: 1, Period: april}, Provenance: models.Provenance{At: at(1)}},
				{Invoice: models.Invoice{ID: "NEW", Revision: 1, Period: april}, Provenance: models.Provenance{At: at(3)}},
			},
		}, want: "[invoice-came NEW 0→1 promo-ended  0→0]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.basis == seen && c.account.Stored.Discounts == nil {
				c.account.Stored.Discounts = seen.Discounts
			}
			e := rehearsal.Explainer{Period: april, Run: 4, Kind: c.kind, AsOf: at(2), OtherTerms: c.terms, Local: local}
			var got []string
			for _, f := range e.Explain(&models.AccountOutcomes{Basis: c.basis, Parked: c.parked}, &c.account) {
				got = append(got, fmt.Sprintf("%s %s %d→%d", f.Kind, f.InvoiceID, f.From, f.To))
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("explained by %v, want %s", got, c.want)
			}
		})
	}
}
