package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"referral/models"
)

// lineRow is a row of invoice lines as the database sends it.
func lineRow(account int64, invoice string, revision, no int) [][]byte {
	int4 := func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	int8 := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	return [][]byte{int8(account), []byte(invoice), int4(revision), fmt.Append(nil, "line ", no), []byte("calls"), int4(0), int4(30), int8(int64(no)), int4(no)}
}

// Lines come by account and otherwise in any order. Each finds its invoice at the
// revision that counts, in the order of its number, however many there are.
func TestLinesFindTheirInvoices(t *testing.T) {
	t.Parallel()
	many := make([]int, linesAtOnce+7)
	for i := range many {
		many[i] = i
	}
	want := map[string][]int{"1 A": {0, 1, 2}, "1 B": {0, 5}, "2 A": nil, "3 C": many, "3 D": {4}}
	list := []models.AccountCase{{AccountID: 1}, {AccountID: 2}, {AccountID: 3}}
	index := map[int64]int{1: 0, 2: 1, 3: 2}
	for i, ids := range [][]string{{"A", "B"}, {"A"}, {"C", "D"}} {
		for _, id := range ids {
			list[i].Invoices = append(list[i].Invoices, models.InvoiceCase{Invoice: models.Invoice{AccountID: list[i].AccountID, ID: id, Revision: 2}})
		}
	}
	l := &lineLoader{caseLoader: &caseLoader{cases: &cases{list: list, index: index}, words: words{}}}
	for _, row := range [][][]byte{
		lineRow(1, "B", 2, 5), lineRow(1, "A", 2, 2), lineRow(1, "A", 1, 0), lineRow(1, "B", 2, 0), lineRow(1, "A", 2, 0),
		lineRow(1, "other", 2, 1), lineRow(1, "A", 2, 1), lineRow(2, "A", 3, 0), lineRow(2, "B", 2, 0), lineRow(3, "D", 2, 4),
	} {
		l.read(row)
	}
	for _, no := range slices.Backward(many) {
		l.read(lineRow(3, "C", 2, no))
	}
	l.settle()
	for i := range list {
		for _, c := range list[i].Invoices {
			var got []int
			for _, line := range c.Invoice.Lines {
				got = append(got, int(line.Amount))
			}
			if key := fmt.Sprint(list[i].AccountID, " ", c.Invoice.ID); !slices.Equal(got, want[key]) {
				t.Errorf("invoice %s has the lines %v, want %v", key, got, want[key])
			}
		}
	}
}

// Discounts reach their accounts, also those of one account only, and of none.
func TestDiscountsAreHandedOut(t *testing.T) {
	t.Parallel()
	list := []models.AccountCase{{AccountID: 1}, {AccountID: 2}, {AccountID: 3}}
	l := &caseLoader{cases: &cases{list: list, index: map[int64]int{1: 0, 2: 1, 3: 2}}}
	l.handOut(nil)
	l.handOut([]models.Discount{{AccountID: 1, Percent: 20}, {AccountID: 3, Percent: 40}, {AccountID: 3, Percent: 60}})
	list[0].Discounts = append(list[0].Discounts, models.Discount{AccountID: 1})
	if fmt.Sprint(len(list[0].Discounts), len(list[1].Discounts), len(list[2].Discounts)) != "2 0 2" || list[2].Discounts[0].Percent != 40 {
		t.Errorf("handed out: %+v", list)
	}
}

// The days of an item are those of its own line, whatever the line before had.
func TestSegmentTextIsOfItsLine(t *testing.T) {
	t.Parallel()
	one := []models.Segment{{From: 0, To: 2, Inviter: 40}}
	other := []models.Segment{{From: 0, To: 2, Inviter: 60}}
	var days segmentText
	for _, s := range [][]models.Segment{nil, one, one, other, nil, other, one, slices.Clone(one), append(slices.Clone(one), other...)} {
		if got, want := string(days.of(s)), string(appendSegments(nil, s)); got != want {
			t.Errorf("%v is written as %q, want %q", s, got, want)
		}
	}
}
