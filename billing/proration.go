package billing

import (
	"math/bits"
	"slices"

	"referral/models"
)

// Timeline lays an account's discounts of all kinds over one another:
// stretches of days in order, without overlap and without days that have none.
func Timeline(discounts []models.Discount) []models.Segment {
	var room [16]models.Date
	edges := room[:0]
	for _, d := range discounts {
		edges = append(edges, d.From, d.To)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)

	if len(edges) == 0 {
		return nil
	}
	timeline := make([]models.Segment, 0, len(edges)-1)
	for i := 1; i < len(edges); i++ {
		s := models.Segment{From: edges[i-1], To: edges[i]}
		for _, d := range discounts {
			if d.From <= s.From && s.To <= d.To {
				addPercent(&s, d)
			}
		}
		if s.Percent() > 0 {
			timeline = append(timeline, s)
		}
	}
	return timeline
}

func addPercent(s *models.Segment, d models.Discount) {
	switch d.Kind {
	case models.Agreed:
		s.Agreed += d.Percent
	case models.Invitee:
		s.Invitee += d.Percent
	default:
		s.Inviter += d.Percent
	}
}

// Within is the part of a timeline that a line's service period sees. The
// result is appended to dst.
func Within(dst, timeline []models.Segment, l *models.Line) []models.Segment {
	from, to := l.From, l.End()
	for _, s := range timeline {
		s.From, s.To = max(s.From, from), min(s.To, to)
		if s.From < s.To {
			dst = append(dst, s)
		}
	}
	return dst
}

// AttributeDays tells whose the discounts of a published document were, of which its
// message names the percents alone: those of the account that come to the same percents. On
// days on which it has others by now, its agreed discount and the new client's stay as far as they
// fit in, because late facts change an inviter's most often; the rest is the inviter's.
func AttributeDays(doc *models.Adjustment, discounts []models.Discount) {
	timeline := Timeline(discounts)
	for i := range doc.Items {
		var days []models.Segment
		for _, published := range doc.Items[i].Segments {
			days = attributed(days, timeline, published)
		}
		doc.Items[i].Segments = days
	}
}

// attributed appends the days of a published segment, divided by kinds.
func attributed(dst, timeline []models.Segment, published models.Segment) []models.Segment {
	percent, at, first := published.Percent(), published.From, len(dst)
	inviters := func(to models.Date) {
		if at < to {
			dst = append(dst, models.Segment{From: at, To: to, Inviter: percent})
		}
	}
	for _, s := range Within(nil, timeline, &models.Line{From: published.From, To: published.To}) {
		inviters(s.From)
		if s.Percent() != percent {
			s.Agreed = min(percent, s.Agreed)
			s.Invitee = min(percent-s.Agreed, s.Invitee)
			s.Inviter = percent - s.Agreed - s.Invitee
			if n := len(dst) - 1; n >= first {
				before := s
				if before.From, before.To = dst[n].From, s.From; before == dst[n] { // what divides them came later
					s.From, dst = before.From, dst[:n]
				}
			}
		}
		dst, at = append(dst, s), s.To
	}
	inviters(published.To)
	return dst
}

// DiscountOn is the discount of a line, signed like its amount:
// round(A × Σ percent(day) / (100 × N)), half away from zero, once per line.
// Source: docs/programme.md, "What a discount does to an invoice".
func DiscountOn(l *models.Line, segments []models.Segment) models.Money {
	return share(l.Amount, percentDays(segments), 100*l.Days())
}

// Share is the part of a line's discount that is due to some of the percent-days of its
// segments. It is 0 of a line without days.
func Share(discount models.Money, percentDaysOfPart int, segments []models.Segment) models.Money {
	whole := percentDays(segments)
	if whole == 0 {
		return 0
	}
	return share(discount, percentDaysOfPart, whole)
}

// ByKind divides the percent of a segment between the kinds: where all together are more
// than 100, an agreed discount comes first, then the new client's.
func ByKind(s models.Segment) (agreed, invitee, inviter int) {
	agreed = min(100, s.Agreed)
	invitee = min(100-agreed, s.Invitee)
	return agreed, invitee, s.Percent() - agreed - invitee
}

func percentDays(segments []models.Segment) int {
	sum := 0
	for _, s := range segments {
		sum += s.PercentDays()
	}
	return sum
}

// share is amount × part / whole with 0 <= part <= whole, rounded half away
// from zero. The product may need 128 bits.
func share(amount models.Money, part, whole int) models.Money {
	if part < 0 || part > whole {
		panic("a discount must not exceed its line")
	}
	magnitude := uint64(amount)
	if amount < 0 {
		magnitude = uint64(-amount)
	}
	hi, lo := bits.Mul64(magnitude, uint64(part))
	quotient, rest := bits.Div64(hi, lo, uint64(whole))
	if 2*rest >= uint64(whole) {
		quotient++
	}
	if amount < 0 {
		return -models.Money(quotient)
	}
	return models.Money(quotient)
}
