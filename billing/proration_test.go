package billing_test

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"referral/billing"
	"referral/models"
)

// discounted is the discount of a line that has a percent on its first days.
func discounted(amount models.Money, percent, on, of int) models.Money {
	l := models.Line{From: 0, To: models.Date(of), Amount: amount}
	return billing.DiscountOn(&l, []models.Segment{{From: 0, To: models.Date(on), Inviter: percent}})
}

func TestRounding(t *testing.T) {
	for _, c := range []struct {
		amount  models.Money
		percent int
		on, of  int // days with the discount, of how many
		want    models.Money
	}{
		{300_000, 20, 30, 30, 60_000},
		{300_000, 40, 19, 30, 76_000},
		{100, 100, 30, 30, 100},
		{1, 50, 1, 1, 1},      // half a kopeck
		{1, 49, 1, 1, 0},      // less
		{1, 51, 1, 1, 1},      // more
		{3, 50, 1, 1, 2},      // 1.5: away from zero, not to the even number
		{5, 50, 1, 1, 3},      // 2.5: likewise
		{25, 20, 9, 30, 2},    // 1.5 by days
		{24, 20, 9, 30, 1},    // 1.44
		{10, 20, 1, 4, 1},     // 0.5 by days
		{10, 20, 1, 5, 0},     // 0.4
		{10, 100, 1, 3, 3},    // 3.33…
		{20, 100, 1, 3, 7},    // 6.66…
		{183, 100, 1, 366, 1}, // 0.5 of a leap year
		{182, 100, 1, 366, 0}, // 0.497…
		{549, 100, 1, 366, 2}, // 1.5
		{100, 1, 1, 366, 0},   // 0.0027…
		{100, 100, 0, 30, 0},  // no day
		{0, 100, 30, 30, 0},   // nothing to discount
		{100, 0, 30, 30, 0},   // no percent
		{99, 100, 366, 366, 99},
		{models.MaxAmount, 100, 366, 366, models.MaxAmount},
		{models.MaxAmount, 20, 31, 366, 16_939_890_710_383},
		{models.MaxAmount, 1, 1, 366, 27_322_404_372},
		{models.MaxAmount - 1, 99, 365, 366, 987_295_081_967_212}, // the product has more than 64 bits
	} {
		for sign := models.Money(1); sign >= -1; sign -= 2 {
			if got := discounted(sign*c.amount, c.percent, c.on, c.of); got != sign*c.want {
				t.Errorf("%d %% on %d of %d days of %s: %s, want %s", c.percent, c.on, c.of, sign*c.amount, got, sign*c.want)
			}
		}
	}
}

// A line is never calculated to have more days with a discount than it has.
func TestMoreDaysThanTheLineHasStopTheWork(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("31 days of 30 were discounted")
		}
	}()
	discounted(300_000, 100, 31, 30)
}

// percentOn is the percent of one day, by the words of the programme.
func percentOn(discounts []models.Discount, day models.Date) int64 {
	percents := int64(0)
	for _, d := range discounts {
		if day >= d.From && day < d.To {
			percents += int64(d.Percent)
		}
	}
	return min(100, percents)
}

// dayByDay is the discount of a line, day by day: amount × Σ percent / (100 × N),
// half away from zero.
func dayByDay(discounts []models.Discount, l *models.Line) models.Money {
	days, percents := int64(0), int64(0)
	for day := l.From; day == l.From || day < l.To; day++ {
		days++
		percents += percentOn(discounts, day)
	}
	return exactly(int64(l.Amount), percents, 100*days)
}

func exactly(amount, part, whole int64) models.Money {
	product := new(big.Int).Mul(big.NewInt(amount), big.NewInt(part))
	twice := product.Mul(product, big.NewInt(2))
	if twice.Sign() < 0 {
		twice.Sub(twice, big.NewInt(whole))
	} else {
		twice.Add(twice, big.NewInt(whole))
	}
	return models.Money(twice.Quo(twice, big.NewInt(2*whole)).Int64()) // Quo cuts towards zero
}

func someDiscounts(t *rapid.T, most int) []models.Discount {
	var discounts []models.Discount
	for range rapid.IntRange(0, most).Draw(t, "discounts") {
		from := models.Date(rapid.IntRange(19_000, 19_400).Draw(t, "from"))
		discounts = append(discounts, models.Discount{
			Kind: rapid.SampledFrom([]models.DiscountKind{models.Agreed, models.Invitee, models.Inviter}).Draw(t, "kind"),
			From: from, To: from + models.Date(400-rapid.IntRange(0, 400).Draw(t, "days less")),
			Percent: rapid.SampledFrom([]int{20, 40, 33, 1, 60, 80, 99, 100, 0}).Draw(t, "percent"),
		})
	}
	return discounts
}

func someLine(t *rapid.T) models.Line {
	from := models.Date(rapid.IntRange(18_900, 19_800).Draw(t, "line from"))
	length := rapid.SampledFrom([]int{-400, -1, 0, 1, 2, 7, 28, 29, 30, 31, 90, 365, 366}).Draw(t, "line days")
	return models.Line{
		ID: "1", Service: "subscription", From: from, To: from + models.Date(length),
		Amount: models.Money(rapid.OneOf(
			rapid.Int64Range(-1000, 1000), rapid.Int64Range(-10_000_000, 10_000_000),
			rapid.Int64Range(-int64(models.MaxAmount), int64(models.MaxAmount)),
			rapid.SampledFrom([]int64{-int64(models.MaxAmount), int64(models.MaxAmount)}),
		).Draw(t, "amount")),
	}
}

// The quick way over stretches of days gives to the kopeck what counting day by
// day gives.
func TestDiscountsDayByDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		discounts, line := someDiscounts(t, 6), someLine(t)
		timeline := billing.Timeline(discounts)
		checkTimeline(t, discounts, timeline)
		segments := billing.Within(nil, timeline, &line)
		checkWithin(t, timeline, segments, &line)
		if got, want := billing.DiscountOn(&line, segments), dayByDay(discounts, &line); got != want {
			t.Fatalf("%s from %s to %s: %s, want %s", line.Amount, line.From, line.To, got, want)
		}
	})
}

// checkTimeline holds a timeline against every single day.
func checkTimeline(t checker, discounts []models.Discount, timeline []models.Segment) {
	t.Helper()
	at := map[models.Date]int64{}
	for i, s := range timeline {
		if s.From >= s.To || s.Percent() == 0 || i > 0 && s.From < timeline[i-1].To {
			t.Fatalf("stretch %d of %v is empty or out of order", i, timeline)
		}
		for day := s.From; day < s.To; day++ {
			at[day] = int64(s.Percent())
		}
	}
	for day := models.Date(18_900); day < 20_300; day++ {
		if at[day] != percentOn(discounts, day) {
			t.Fatalf("%s has %d %%, want %d %%", day, at[day], percentOn(discounts, day))
		}
	}
}

// checkWithin: the days that a line sees are those of the timeline, and its own.
func checkWithin(t checker, timeline, segments []models.Segment, l *models.Line) {
	t.Helper()
	seen := 0
	for _, s := range segments {
		if s.From < l.From || s.To > l.End() || s.From >= s.To {
			t.Fatalf("%v lies outside %s to %s", s, l.From, l.End())
		}
		if !slices.ContainsFunc(timeline, func(o models.Segment) bool {
			return o.From <= s.From && s.To <= o.To && o.Invitee == s.Invitee && o.Inviter == s.Inviter && o.Agreed == s.Agreed
		}) {
			t.Fatalf("%v is not of the timeline %v", s, timeline)
		}
		seen += s.Days()
	}
	want := 0
	for day := l.From; day < l.End(); day++ {
		if slices.ContainsFunc(timeline, func(s models.Segment) bool { return s.From <= day && day < s.To }) {
			want++
		}
	}
	if seen != want {
		t.Fatalf("%d days of the line are seen, want %d", seen, want)
	}
}

// Two discounts of one kind on one day add up like two of different kinds.
func TestTimelineAddsUp(t *testing.T) {
	for _, kind := range []models.DiscountKind{models.Agreed, models.Invitee, models.Inviter} {
		got := billing.Timeline([]models.Discount{{Kind: kind, From: 1, To: 5, Percent: 20}, {Kind: kind, From: 3, To: 9, Percent: 30}, {Kind: kind, From: 9, To: 12}})
		var percents []int
		for _, s := range got {
			percents = append(percents, int(s.From), int(s.To), s.Percent())
		}
		if want := []int{1, 3, 20, 3, 5, 50, 5, 9, 30}; !slices.Equal(percents, want) {
			t.Errorf("%s: from, to and percent are %v, want %v", kind, percents, want)
		}
	}
}

// Within leaves alone what its destination holds already.
func TestWithinAppends(t *testing.T) {
	first := models.Segment{From: 1, To: 2, Inviter: 20}
	second := models.Segment{From: 5, To: 9, Inviter: 40}
	line := models.Line{From: 6, To: 30}
	got := billing.Within([]models.Segment{first}, []models.Segment{second}, &line)
	if want := []models.Segment{first, {From: 6, To: 9, Inviter: 40}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The message of a document names the percents of its days; whose discounts they were follows
// from those that the account has. Where these come to another percent, the inviter's have changed.
func TestAttributeDays(t *testing.T) {
	t.Parallel()
	day := func(d int) models.Date { return models.NewDate(2026, 4, d) }
	discounts := []models.Discount{
		{Kind: models.Invitee, From: day(1), To: day(11), Percent: 20},
		{Kind: models.Inviter, From: day(6), To: day(16), Percent: 40},
		{Kind: models.Agreed, From: day(21), To: day(26), Percent: 20},
	}
	published := func(from, to, percent int) models.Segment {
		return models.Segment{From: day(from), To: day(to), Inviter: percent}
	}
	for name, c := range map[string]struct{ published, want []models.Segment }{
		"one kind after another": {
			[]models.Segment{published(3, 6, 20), published(6, 11, 60), published(11, 16, 40)},
			[]models.Segment{{From: day(3), To: day(6), Invitee: 20}, {From: day(6), To: day(11), Invitee: 20, Inviter: 40}, published(11, 16, 40)},
		},
		"an agreed discount":         {[]models.Segment{published(22, 24, 20)}, []models.Segment{{From: day(22), To: day(24), Agreed: 20}}},
		"the inviter had more":       {[]models.Segment{published(3, 6, 40)}, []models.Segment{{From: day(3), To: day(6), Invitee: 20, Inviter: 20}}},
		"a friend has come late":     {[]models.Segment{published(3, 11, 20)}, []models.Segment{{From: day(3), To: day(11), Invitee: 20}}},
		"less than one kind now":     {[]models.Segment{published(22, 24, 10)}, []models.Segment{{From: day(22), To: day(24), Agreed: 10}}},
		"days without discounts now": {[]models.Segment{published(14, 19, 40)}, []models.Segment{published(14, 16, 40), published(16, 19, 40)}},
		"no days":                    {nil, nil},
	} {
		doc := models.Adjustment{Items: []models.AdjustmentItem{{Segments: c.published}}}
		billing.AttributeDays(&doc, discounts)
		if !slices.Equal(doc.Items[0].Segments, c.want) {
			t.Errorf("%s: %+v, want %+v", name, doc.Items[0].Segments, c.want)
		}
	}
}
