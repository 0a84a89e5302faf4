package ru

import "time"

// The accusative after «через»: 1 минуту.
var (
	waitedSeconds = Noun{"секунду", "секунды", "секунд"}
	waitedMinutes = Noun{"минуту", "минуты", "минут"}
)

const day = 24 * time.Hour

// Wait is a duration after «через»: "14 минут", "1 минуту". It is rounded up, so that
// nobody comes back too early.
func Wait(d time.Duration) string {
	switch {
	case ceil(d, time.Second) < 60:
		return waitedSeconds.Count(max(1, ceil(d, time.Second)))
	case ceil(d, time.Minute) < 60:
		return waitedMinutes.Count(ceil(d, time.Minute))
	case ceil(d, time.Hour) < 24:
		return Hours.Count(ceil(d, time.Hour))
	}
	return Days.Count(ceil(d, day))
}

// ceil returns d in units, rounded up.
func ceil(d, unit time.Duration) int { return int((d + unit - 1) / unit) }

// Left is the time until a deadline in its two largest units, rounded down: "12 дней 4 часа", "3 часа 20 минут", "меньше минуты".
func Left(d time.Duration) string {
	days, hours, minutes := int(d/day), int(d%day/time.Hour), int(d%time.Hour/time.Minute)
	switch {
	case days > 0:
		return pair(Days, days, Hours, hours)
	case hours > 0:
		return pair(Hours, hours, Minutes, minutes)
	case minutes > 0:
		return Minutes.Count(minutes)
	}
	return "меньше минуты"
}

func pair(larger Noun, n int, smaller Noun, m int) string {
	if m == 0 {
		return larger.Count(n)
	}
	return larger.Count(n) + " " + smaller.Count(m)
}
