package ru_test

import (
	"math"
	"testing"
	"time"

	"referral/internal/ru"
	"referral/models"
)

// said compares with non-breaking spaces written as "_".
func said(t *testing.T, got, want string) {
	t.Helper()
	var shown []rune
	for _, r := range got {
		switch r {
		case '\u00a0':
			r = '_'
		case '_':
			t.Errorf("%q has an underscore of its own", got)
		}
		shown = append(shown, r)
	}
	if string(shown) != want {
		t.Errorf("said %q, want %q", string(shown), want)
	}
}

func TestTheNumberChoosesTheEnding(t *testing.T) {
	for n, want := range map[int]string{
		0: "0_дней", 1: "1_день", 2: "2_дня", 4: "4_дня", 5: "5_дней", 10: "10_дней", 11: "11_дней", 12: "12_дней", 14: "14_дней", 15: "15_дней",
		20: "20_дней", 21: "21_день", 22: "22_дня", 25: "25_дней", 100: "100_дней", 101: "101_день", 111: "111_дней", 112: "112_дней", 121: "121_день",
		1001: "1_001_день", -1: "−1_день", -12: "−12_дней",
	} {
		said(t, ru.Days.Count(n), want)
	}
}

func TestMonthsOfATerm(t *testing.T) {
	for n, want := range map[int]string{
		1: "месяца", 2: "двух месяцев", 3: "трех месяцев", 4: "четырех месяцев", 5: "5_месяцев", 11: "11_месяцев", 12: "12_месяцев",
		21: "21_месяца", 22: "22_месяцев", 101: "101_месяца", 111: "111_месяцев", 1200: "1_200_месяцев",
	} {
		said(t, ru.OfMonths(n), want)
	}
	for n, want := range map[int]string{
		1: "первый месяц", 2: "первые 2_месяца", 3: "первые 3_месяца", 4: "первые 4_месяца", 5: "первые 5_месяцев", 11: "первые 11_месяцев",
		12: "первые 12_месяцев", 21: "первые 21_месяц", 22: "первые 22_месяца", 1200: "первые 1_200_месяцев",
	} {
		said(t, ru.FirstMonths(n), want)
	}
}

func TestMoney(t *testing.T) {
	for _, c := range []struct {
		amount   models.Money
		currency string
		want     string
	}{
		{300000, "RUB", "3_000,00_₽"},
		{-142000, "RUB", "−1_420,00_₽"},
		{0, "RUB", "0,00_₽"},
		{5, "RUB", "0,05_₽"},
		{-5, "", "−0,05_₽"},
		{99999, "RUB", "999,99_₽"},
		{100000, "USD", "1_000,00_USD"},
		{123456789, "RUB", "1_234_567,89_₽"},
		{math.MinInt64, "RUB", "−92_233_720_368_547_758,08_₽"},
	} {
		said(t, ru.Money(c.amount, c.currency), c.want)
	}
	said(t, ru.Off(1500, "RUB"), "+15,00_₽")
	said(t, ru.Off(-1500, "RUB"), "−15,00_₽")
	said(t, ru.Off(0, "RUB"), "0,00_₽")
}

func TestNumbersWithTheirUnits(t *testing.T) {
	said(t, ru.Number(14200), "14_200")
	said(t, ru.Number(-1420), "−1_420")
	said(t, ru.Number(7), "7")
	said(t, ru.Percent(100), "100%")
	said(t, ru.Phone("+79123456789"), "+7_912_345-67-89")
	said(t, ru.Phone("+380441234567"), "+380441234567")
	said(t, ru.Phone("+7912"), "+7912")
	said(t, ru.SMS(1200), "1200_SMS")
}

func TestDays(t *testing.T) {
	d := models.NewDate(2023, time.February, 21)
	said(t, ru.Date(d), "21.02.2023")
	said(t, ru.DateInWords(models.NewDate(2026, time.April, 1)), "1_апреля_2026")
	said(t, ru.DateInWords(d), "21_февраля_2023")
	said(t, ru.Month(202604), "апрель_2026")
	said(t, ru.MonthTitle(202612), "Декабрь_2026")
	said(t, ru.MonthShort(202601), "янв")
	said(t, ru.Moment(time.Date(2023, 2, 21, 22, 5, 0, 0, time.UTC), time.FixedZone("", 3*3600)), "22.02.2023_01:05")
}

func TestStretchesNameTheirLastDay(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"2026-04-01", "2026-04-20", "1–19_апреля_2026"},
		{"2026-04-20", "2026-05-04", "20_апреля_– 3_мая_2026"},
		{"2026-12-20", "2027-01-04", "20_декабря_2026_– 3_января_2027"},
		{"2026-04-05", "2026-04-06", "5_апреля_2026"},
		{"2026-04-05", "2026-04-05", "5_апреля_2026"}, // a line of no length is one day
	} {
		said(t, ru.DaysBetween(date(t, c.from), date(t, c.to)), c.want)
	}
}

func TestWaitsAreRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                              "1_секунду",
		59*time.Second + 1:             "1_минуту",
		time.Millisecond:               "1_секунду",
		22 * time.Second:               "22_секунды",
		time.Minute:                    "1_минуту",
		time.Minute + 1:                "2_минуты",
		13*time.Minute + 1*time.Second: "14_минут",
		20*time.Minute + 1:             "21_минуту",
		time.Hour:                      "1_час",
		time.Hour + time.Second:        "2_часа",
		20*time.Hour + time.Second:     "21_час",
		24 * time.Hour:                 "1_день",
		25 * time.Hour:                 "2_дня",
	} {
		said(t, ru.Wait(d), want)
	}
}

func TestWhatIsLeftIsRoundedDown(t *testing.T) {
	for d, want := range map[time.Duration]string{
		12*24*time.Hour + 4*time.Hour + 59*time.Minute: "12_дней 4_часа",
		24 * time.Hour:                  "1_день",
		3*time.Hour + 20*time.Minute:    "3_часа 20_минут",
		21 * time.Hour:                  "21_час",
		time.Minute + 59*time.Second:    "1_минута",
		59 * time.Second:                "меньше минуты",
		-5 * time.Minute:                "меньше минуты",
		31*24*time.Hour + time.Hour - 1: "31_день",
	} {
		said(t, ru.Left(d), want)
	}
}

func date(t *testing.T, s string) models.Date {
	t.Helper()
	d, err := models.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
