package store

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"referral/models"
)

// anyText holds what has to be escaped more often than chance would.
var anyText = rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("\\\t\nbtn1 абв-/"))))

func anyLine(period models.Period) *rapid.Generator[models.Line] {
	return rapid.Custom(func(t *rapid.T) models.Line {
		l := models.Line{ID: anyText.Draw(t, "id"), Service: anyText.Draw(t, "service"), From: period.First(), To: period.End()}
		l.Amount = models.Money(rapid.Int64().Draw(t, "amount"))
		if rapid.Bool().Draw(t, "other days") {
			l.From = models.Date(rapid.Int32Range(-800_000, 3_000_000).Draw(t, "from"))
			l.To = models.Date(rapid.Int32Range(-800_000, 3_000_000).Draw(t, "to"))
		}
		return l
	})
}

// Whatever the lines of an invoice say comes back as it was.
func TestLinesComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := newUnpacker()
		for range 3 { // invoices share the room
			inv := models.Invoice{Period: rapid.SampledFrom([]models.Period{202602, 202604, 202612, 1, 999912}).Draw(t, "period")}
			inv.Lines = rapid.SliceOfN(anyLine(inv.Period), 0, 5).Draw(t, "lines")
			packed := appendLines(nil, &inv)
			got, err := u.linesOf(packed, inv.Period)
			if err != nil || len(got) != len(inv.Lines) || len(got) > 0 && !reflect.DeepEqual(got, inv.Lines) {
				t.Fatalf("%q came back as %+v, %v", packed, got, err)
			}
		}
	})
}

// Whatever the items of a document say comes back as it was, by line.
func TestItemsComeBack(t *testing.T) {
	t.Parallel()
	segments := rapid.SampledFrom([][]models.Segment{
		nil, {{From: 20544, To: 20563, Inviter: 40}}, {{From: 20544, To: 20563, Inviter: 60}},
		{{From: 20544, To: 20563, Invitee: 20}, {From: 20563, To: 20574, Invitee: 20, Inviter: 100}},
	})
	item := rapid.Custom(func(t *rapid.T) models.AdjustmentItem {
		return models.AdjustmentItem{
			Service: anyText.Draw(t, "service"), Amount: models.Money(rapid.Int64Range(-maxItem, maxItem).Draw(t, "amount")), Segments: segments.Draw(t, "segments"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(item, 0, 6).Draw(t, "items")
		for i := range items {
			items[i].LineID = fmt.Sprint(i)
		}
		got, damage := newUnpacker().itemsOf(appendItems(nil, items))
		if damage != nil || len(got) != len(items) || len(got) > 0 && !reflect.DeepEqual(got, items) {
			t.Fatalf("%q came back as %+v, %v", appendItems(nil, items), got, damage)
		}
	})
}

// What a person may read at a database prompt.
func TestPackedText(t *testing.T) {
	t.Parallel()
	april := models.Period(202604)
	inv := models.Invoice{Period: april, Lines: []models.Line{
		{ID: "1", Service: "subscription", From: april.First(), To: april.End(), Amount: 300000},
		{ID: "2", Service: "calls", From: april.First() + 9, To: april.End(), Amount: -50},
	}}
	if got, want := string(appendLines(nil, &inv)), "1\tsubscription\t300000\n2\tcalls\t-50\t9/30"; got != want {
		t.Errorf("lines are packed as %q, want %q", got, want)
	}
	day := april.First()
	both := []models.Segment{{From: day, To: day + 19, Inviter: 40}, {From: day + 19, To: day + 30, Inviter: 60}}
	items := []models.AdjustmentItem{
		{LineID: "2", Service: "calls", Amount: 7},
		{LineID: "1", Service: "subscription", Amount: -142000, Segments: both},
		{LineID: "10", Service: "numbers", Amount: -1, Segments: both},
	}
	want := "1\tsubscription\t-142000\t2026-04-01/2026-04-20@0+40 2026-04-20/2026-05-01@0+60\n10\tnumbers\t-1\n2\tcalls\t7\t-"
	if got := string(appendItems(nil, items)); got != want {
		t.Errorf("items are packed as %q, want %q", got, want)
	}
}

// What somebody has changed by hand is named, and never taken for something else.
func TestDamagedText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1", "1\tcalls", "1\tcalls\t", "1\tcalls\tmuch", "1\tcalls\t5\tx/y", "1\tcalls\t5\t1", "1\tcalls\t5\n", "1\tcalls\t99999999999999999999"} {
		if lines, err := newUnpacker().linesOf([]byte(text), 202604); err == nil || lines != nil {
			t.Errorf("%q is read as %+v, %v", text, lines, err)
		}
	}
	for text, left := range map[string]int{
		"1": 0, "1\tcalls\tmuch\n2\tcalls\t-5": 1, "1\tcalls\t-5\t2026-04-01": 1, "1\tcalls\t-5\n": 1, fmt.Sprint("1\tcalls\t", int64(math.MinInt64)): 0,
	} {
		if items, damage := newUnpacker().itemsOf([]byte(text)); damage == nil || len(items) != left {
			t.Errorf("%q is read as %+v, damage %v", text, items, damage)
		}
	}
	if items, damage := (&unpacker{skipSegments: true, words: interner{}}).itemsOf([]byte("1\tcalls\t-5\tlast year")); damage != nil || len(items) != 1 {
		t.Errorf("without days: %+v, damage %v", items, damage)
	}
}

// Discounts reach their accounts, also those of one account only, and of none.
func TestDiscountsAreHandedOut(t *testing.T) {
	t.Parallel()
	list := []models.SettlementInput{{AccountID: 1}, {AccountID: 2}, {AccountID: 3}}
	l := &inputLoader{input: &settlementInput{list: list, index: map[int64]int{1: 0, 2: 1, 3: 2}}}
	l.assignDiscounts(nil)
	l.assignDiscounts([]models.Discount{{AccountID: 1, Percent: 20}, {AccountID: 3, Percent: 40}, {AccountID: 3, Percent: 60}})
	list[0].Discounts = append(list[0].Discounts, models.Discount{AccountID: 1})
	if fmt.Sprint(len(list[0].Discounts), len(list[1].Discounts), len(list[2].Discounts)) != "2 0 2" || list[2].Discounts[0].Percent != 40 {
		t.Errorf("handed out: %+v", list)
	}
}
