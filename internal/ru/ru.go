// Package ru formats numbers, money, dates and durations in Russian, as the pages of the
// personal account show them: with non-breaking spaces, a comma before the kopecks, a
// minus sign, and the form of a noun that agrees with its number.
package ru

import (
	"strconv"
	"strings"

	"referral/models"
)

// Space is the non-breaking space between the parts of a number and before its unit.
const Space = "\u00a0"

const minus = "\u2212"

// Noun is a word after a number: 1 день, 2 дня, 5 дней.
type Noun struct{ One, Few, Many string }

// The words that the pages count.
var (
	Days    = Noun{"день", "дня", "дней"}
	Months  = Noun{"месяц", "месяца", "месяцев"}
	Clients = Noun{"клиент", "клиента", "клиентов"}
	Hours   = Noun{"час", "часа", "часов"}
	Minutes = Noun{"минута", "минуты", "минут"}
)

// For returns the form that agrees with n.
func (w Noun) For(n int) string {
	n = max(n, -n)
	switch tens, ones := n%100, n%10; {
	case tens >= 11 && tens <= 14:
		return w.Many
	case ones == 1:
		return w.One
	case ones >= 2 && ones <= 4:
		return w.Few
	}
	return w.Many
}

// Count returns n with the noun: "5 дней".
func (w Noun) Count(n int) string { return Number(n) + Space + w.For(n) }

// ofMonths is months in the genitive: 21 месяца, 22 месяцев.
var ofMonths = Noun{"месяца", "месяцев", "месяцев"}

var fewInGenitive = map[int]string{2: "двух", 3: "трех", 4: "четырех"}

// OfMonths is a term to be put after «в течение»: "месяца", "двух месяцев",
// "5 месяцев".
func OfMonths(n int) string {
	if n == 1 {
		return ofMonths.One
	}
	if word, ok := fewInGenitive[n]; ok {
		return word + " " + ofMonths.For(n)
	}
	return ofMonths.Count(n)
}

// FirstMonths is a term to be put after «на»: "первый месяц", "первые 3 месяца",
// "первые 21 месяц".
func FirstMonths(n int) string {
	if n == 1 {
		return "первый " + Months.One
	}
	return "первые " + Months.Count(n)
}

// Number is "14 200": in groups of three from four digits on.
func Number(n int) string {
	if n < 0 {
		return minus + grouped(strconv.Itoa(n)[1:])
	}
	return grouped(strconv.Itoa(n))
}

func grouped(digits string) string {
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(Space)
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// Money is "−1 420,00 ₽"; a currency other than the rouble is named by its code.
func Money(m models.Money, currency string) string {
	return amount(m) + Space + sign(currency)
}

// Off is an amount as added to an invoice, with its sign unless it is zero:
// "−1 420,00 ₽", "+15,00 ₽".
func Off(m models.Money, currency string) string {
	if m > 0 {
		return "+" + Money(m, currency)
	}
	return Money(m, currency)
}

// Share is a part of an amount with its arithmetic: "3 000,00 ₽ × 1 420 ÷ 3 000 = 1 420,00 ₽".
func Share(of models.Money, part, whole int, result models.Money, currency string) string {
	return Money(of, currency) + " × " + Number(part) + " ÷ " + Number(whole) + " = " + Money(result, currency)
}

func amount(m models.Money) string {
	u, before := uint64(m), ""
	if m < 0 {
		u, before = -u, minus
	}
	kopecks := strconv.FormatUint(u%100, 10)
	if len(kopecks) == 1 {
		kopecks = "0" + kopecks
	}
	return before + grouped(strconv.FormatUint(u/100, 10)) + "," + kopecks
}

func sign(currency string) string {
	if currency == "RUB" || currency == "" {
		return "₽"
	}
	return currency
}

// Percent is "20%", without a space, as the customer's text writes it.
func Percent(n int) string { return strconv.Itoa(n) + "%" }

// Phone is a Russian number in E.164 as people write it, "+7 912 345-67-89"; any
// other is left as it is.
func Phone(e164 string) string {
	if len(e164) != 12 || !strings.HasPrefix(e164, "+7") {
		return e164
	}
	return "+7" + Space + e164[2:5] + Space + e164[5:8] + "-" + e164[8:10] + "-" + e164[10:]
}

// SMS is "1200 SMS", ungrouped, as the customer's text writes it.
func SMS(n int) string { return strconv.Itoa(n) + Space + "SMS" }
