package models_test

import (
	"errors"
	"testing"

	"referral/models"
)

func outcomes() []models.AccountOutcome {
	return []models.AccountOutcome{
		{AccountID: 1}, // owed nothing
		{AccountID: 2, Charged: 300_000, Full: true, Adjustments: []models.Adjustment{
			{Amount: -142_000, Items: make([]models.AdjustmentItem, 2)}, {Amount: 500, Items: make([]models.AdjustmentItem, 1)},
		}},
		{AccountID: 3, Packages: []models.SMSPackage{{SMS: 1200}, {SMS: 3200}}},
		{AccountID: 4, Charged: 100}, // has its discount already
		{AccountID: 5, Held: make([]models.HeldLine, 3)},
		{AccountID: 6, Full: true, Charged: 100, Adjustments: []models.Adjustment{{Amount: -100}}, Err: errors.New("parked")},
	}
}

func TestTotalsCountOutcomes(t *testing.T) {
	var got models.Totals
	for _, o := range outcomes() {
		got.Count(&o)
	}
	want := models.Totals{
		Accounts: 4, Full: 1, Documents: 2, Items: 3, Amount: -141_500, Packages: 2, SMS: 4400, HeldLines: 3, Parked: 1,
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
