package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"referral/models"
)

// Segments are kept as text, "2026-04-01/2026-04-20@0+40 2026-04-20/…": a person
// at a database prompt can read them, and they cost a third of jsonb. The percents are
// those of the invitee, the inviter and, where there is one, of an agreed discount.

func appendSegments(dst []byte, segments []models.Segment) []byte {
	for i, s := range segments {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(s.From.Append(dst), '/')
		dst = append(s.To.Append(dst), '@')
		dst = strconv.AppendInt(dst, int64(s.Invitee), 10)
		dst = append(dst, '+')
		dst = strconv.AppendInt(dst, int64(s.Inviter), 10)
		if s.Agreed > 0 {
			dst = strconv.AppendInt(append(dst, '+'), int64(s.Agreed), 10)
		}
	}
	return dst
}

// firstDay and lastDay bound the days that the text can hold: a year has four
// digits in it.
var firstDay, lastDay = models.NewDate(0, time.January, 1), models.NewDate(9999, time.December, 31)

func writable(from, to models.Date) bool { return from >= firstDay && to <= lastDay }

// checkResult parks what could be posted but would be wrong in the ledger, which is
// append-only: no key or constraint of the database looks into documents.
func checkResult(o *models.SettlementResult) {
	for _, doc := range slices.Clone(o.Adjustments) {
		if err := checkDocument(&doc); err != nil {
			o.Park(doc.InvoiceID, err)
		}
	}
	for i := range o.Packages {
		if g := &o.Packages[i]; !writable(g.GrantedOn, g.GrantedOn) {
			err := fmt.Errorf("settling account %d: a package was earned on %s, a day that the ledger cannot hold", o.AccountID, g.GrantedOn)
			*o = models.SettlementResult{AccountID: o.AccountID, Err: err}
			return
		}
	}
}

func checkDocument(doc *models.Adjustment) error {
	sum := models.Money(0)
	for i := range doc.Items {
		item := &doc.Items[i]
		if item.Amount == 0 {
			return fmt.Errorf("document %d has an item of nothing, on line %s", doc.Sequence, item.LineID)
		}
		if slices.ContainsFunc(doc.Items[:i], func(other models.AdjustmentItem) bool { return other.LineID == item.LineID }) {
			return fmt.Errorf("document %d has two items on line %s", doc.Sequence, item.LineID)
		}
		for _, s := range item.Segments {
			if !writable(s.From, s.To) {
				return fmt.Errorf("line %s has a discount from %s to %s, days that the ledger cannot hold; correct the dates of the invoice",
					item.LineID, s.From, s.To)
			}
		}
		sum += item.Amount
	}
	if sum != doc.Amount {
		return fmt.Errorf("document %d says %s, its items sum to %s", doc.Sequence, doc.Amount, sum)
	}
	return nil
}

func parseSegments(text string) ([]models.Segment, error) {
	var segments []models.Segment
	for _, part := range strings.Fields(text) {
		s, err := parseSegment(part)
		if err != nil {
			return nil, fmt.Errorf("segment %q of the ledger cannot be read: %w", part, err)
		}
		segments = append(segments, s)
	}
	return segments, nil
}

func parseSegment(text string) (s models.Segment, err error) {
	days, percents, _ := strings.Cut(text, "@")
	from, to, _ := strings.Cut(days, "/")
	invitee, others, _ := strings.Cut(percents, "+")
	inviter, agreed, isAgreed := strings.Cut(others, "+")
	if s.From, err = models.ParseDate(from); err != nil {
		return s, err
	}
	if s.To, err = models.ParseDate(to); err != nil {
		return s, err
	}
	if s.Invitee, err = strconv.Atoi(invitee); err != nil {
		return s, err
	}
	if s.Inviter, err = strconv.Atoi(inviter); err != nil || !isAgreed {
		return s, err
	}
	s.Agreed, err = strconv.Atoi(agreed)
	return s, err
}
