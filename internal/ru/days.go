package ru

import (
	"fmt"
	"time"

	"referral/models"
)

var (
	monthsOf = [...]string{"января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"}
	months   = [...]string{"январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь"}
	titles   = [...]string{"Январь", "Февраль", "Март", "Апрель", "Май", "Июнь", "Июль", "Август", "Сентябрь", "Октябрь", "Ноябрь", "Декабрь"}
	shorts   = [...]string{"янв", "фев", "мар", "апр", "май", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"}
)

// Date is "21.02.2023", for tables.
func Date(d models.Date) string { return d.Time().Format("02.01.2006") }

// Moment is "21.02.2023 14:05" in the zone.
func Moment(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("02.01.2006" + Space + "15:04")
}

// DateInWords is "10 апреля 2026", for sentences.
func DateInWords(d models.Date) string {
	return fmt.Sprintf("%s%s%d", dayMonth(d), Space, d.Time().Year())
}

func dayMonth(d models.Date) string {
	_, month, day := d.Time().Date()
	return fmt.Sprintf("%d%s%s", day, Space, monthsOf[month-1])
}

// DaysBetween is the days [from, to) with both ends inclusive:
// "1–19 апреля 2026", "20 апреля – 3 мая 2026", "5 апреля 2026".
func DaysBetween(from, to models.Date) string {
	last := max(from, to-1)
	a, b := from.Time(), last.Time()
	switch {
	case from == last:
		return DateInWords(from)
	case from.Period() == last.Period():
		return fmt.Sprintf("%d–%s", a.Day(), DateInWords(last))
	case a.Year() == b.Year():
		return dayMonth(from) + Space + "– " + DateInWords(last)
	}
	return DateInWords(from) + Space + "– " + DateInWords(last)
}

// Month is "апрель 2026".
func Month(p models.Period) string { return months[p%100-1] + Space + year(p) }

// MonthTitle is "Апрель 2026".
func MonthTitle(p models.Period) string { return titles[p%100-1] + Space + year(p) }

// MonthShort is "апр".
func MonthShort(p models.Period) string { return shorts[p%100-1] }

func year(p models.Period) string { return fmt.Sprint(int(p / 100)) }
