package models_test

import (
	"errors"
	"testing"

	"referral/models"
)

func outcomes() []models.SettlementResult {
	return []models.SettlementResult{
		{AccountID: 1}, // owed nothing
		{AccountID: 2, Discounted: true, Full: true, Adjustments: []models.Adjustment{
			{Amount: -142_000, Items: make([]models.AdjustmentItem, 2)}, {Amount: 500, Items: make([]models.AdjustmentItem, 1)},
		}},
		{AccountID: 3, Packages: []models.SMSPackage{{SMS: 1200}, {SMS: 3200}}},
		{AccountID: 4, Discounted: true}, // has its discount already
		{AccountID: 5, Held: make([]models.HeldLine, 3)},
		{AccountID: 6, Full: true, Discounted: true, Adjustments: []models.Adjustment{{Amount: -100}}, Err: errors.New("parked")},
		{AccountID: 7, Discounted: true, Adjustments: []models.Adjustment{{Amount: -7, Items: make([]models.AdjustmentItem, 1)}}, Parked: parkedInvoices("INV-1", "INV-2")},
		{AccountID: 8, Parked: parkedInvoices("INV-3")},
	}
}

func parkedInvoices(invoices ...string) (parked []models.ParkedInvoice) {
	for _, id := range invoices {
		parked = append(parked, models.ParkedInvoice{InvoiceID: id, Err: errors.New("no")})
	}
	return parked
}

func TestParkingAnInvoiceLeavesTheRest(t *testing.T) {
	o := models.SettlementResult{
		AccountID: 885, Packages: []models.SMSPackage{{SMS: 1200}},
		Adjustments: []models.Adjustment{{InvoiceID: "INV-1"}, {InvoiceID: "INV-2"}},
		Held:        []models.HeldLine{{InvoiceID: "INV-1", LineID: "1"}, {InvoiceID: "INV-2", LineID: "2"}, {InvoiceID: "INV-1", LineID: "3"}},
	}
	o.Park("INV-1", errors.New("overflow"))
	if len(o.Packages) != 1 || len(o.Adjustments) != 1 || o.Adjustments[0].InvoiceID != "INV-2" || len(o.Held) != 1 || o.Held[0].LineID != "2" {
		t.Errorf("left is %+v", o)
	}
	for _, want := range []string{"invoice INV-1 of account 885: overflow", "account 885: lost"} {
		if all := o.AllParked(); len(all) != 1 || all[0].String() != want {
			t.Errorf("parked: %v, want %s", all, want)
		}
		o.Err = errors.New("lost")
	}
}

func TestTotalsCountOutcomes(t *testing.T) {
	var got models.Totals
	for _, o := range outcomes() {
		got.Count(&o)
	}
	want := models.Totals{
		Accounts: 5, Full: 1, Documents: 3, Items: 4, Amount: -141_507, Packages: 2, SMS: 4400, HeldLines: 3, Parked: 4,
	}
	if got != want {
		t.Errorf("totals %+v, want %+v", got, want)
	}
}

// Totals of parts add up to the totals of the whole, wherever it is cut.
func TestTotalsAddUp(t *testing.T) {
	var whole models.Totals
	for _, o := range outcomes() {
		whole.Count(&o)
	}
	for cut := range len(outcomes()) + 1 {
		var first, second models.Totals
		for i, o := range outcomes() {
			if i < cut {
				first.Count(&o)
			} else {
				second.Count(&o)
			}
		}
		if got := first.Add(second); got != whole {
			t.Errorf("cut at %d: %+v, want %+v", cut, got, whole)
		}
	}
}

func TestEmptyOutcome(t *testing.T) {
	for i, want := range []bool{true, false, false, false, false, false} {
		if o := outcomes()[i]; o.Empty() != want {
			t.Errorf("account %d: empty is %t", o.AccountID, o.Empty())
		}
	}
}

func TestActiveRuns(t *testing.T) {
	for state, want := range map[models.RunState]bool{
		models.RunRehearsing: true, models.RunPosting: true,
		models.RunBraked: false, models.RunDone: false, models.RunIncomplete: false, models.RunAbandoned: false,
	} {
		if got := (models.Run{State: state}).Active(); got != want {
			t.Errorf("a run that is %s: active is %t", state, got)
		}
	}
}
